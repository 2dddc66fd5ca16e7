// Package canary searches what programs leave behind for passwords that were planted to be found. Its users are the tests of
// the commands and of a site; it uses nothing of ours.
package canary

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// The canaries begin every password of a fleet, and every wrong one that is tried. Each has what JSON, HTML, URLs and quoting
// in logs write differently, and a run of letters and digits that none of them changes.
const (
	Right = `k9Xw3/ä"+<& %`
	Wrong = `v5Rt8/ö"+<& %`
)

// all is the forms of both.
var all = map[string]map[string]string{Right: forms(Right), Wrong: forms(Wrong)}

// forms are the ways in which a secret could show, whatever stands before and after it.
func forms(secret string) map[string]string {
	marshalled, _ := json.Marshal(secret) // a string never fails
	plain := strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(string(marshalled))
	all := map[string]string{
		"raw": secret, "letters and digits": secret[:5], "JSON": Inner(string(marshalled)), "JSON without HTML": Inner(plain),
		"URL query": url.QueryEscape(secret), "URL path": url.PathEscape(secret), "HTML": html.EscapeString(secret),
		"Go": Inner(strconv.Quote(secret)), "Go in ASCII": Inner(strconv.QuoteToASCII(secret)),
		"hex": hex.EncodeToString([]byte(secret)), "HEX": strings.ToUpper(hex.EncodeToString([]byte(secret))),
		"hex with blanks": fmt.Sprintf("% x", secret), "bytes": strings.Trim(fmt.Sprint([]byte(secret)), "[]"),
	}
	for before := range 3 { // where in a group of three bytes it begins
		for name, encoding := range map[string]*base64.Encoding{"base64": base64.RawStdEncoding, "base64url": base64.RawURLEncoding} {
			text := encoding.EncodeToString([]byte(strings.Repeat("x", before) + secret))
			whole := (before + len(secret)) / 3 * 4 // the last group depends on what follows
			all[fmt.Sprintf("%s at %d", name, before)] = text[(before*8+5)/6 : whole]
		}
	}
	return all
}

// Inner is a quoted text without its quotes.
func Inner(quoted string) string { return quoted[1 : len(quoted)-1] }

// Leaks are the forms of the canaries that a text holds.
func Leaks(text string) (found []string) {
	for canary, forms := range all {
		for name, form := range forms {
			if strings.Contains(text, form) {
				found = append(found, name+" of "+canary)
			}
		}
	}
	slices.Sort(found)
	return found
}
