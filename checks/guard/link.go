package guard

import (
	"fmt"
	"strings"
)

const maxLink = 2048

// CheckLink refuses a link of a BMC unless it is a plain path under /redfish/, with a query at most. Links are joined to the
// endpoint as strings (gofish 0.20 client.go), so "@evil/" or ".evil.com/" would be another host; and what a BMC's own web
// server makes of encoded slashes and dots is not for us to find out.
func CheckLink(link string) error {
	if why := unfit(link); why != "" {
		return fmt.Errorf("%w: %q %s", ErrLink, clip(link), why)
	}
	return nil
}

func unfit(link string) string {
	path, _, _ := strings.Cut(link, "?")
	switch {
	case len(link) > maxLink:
		return "is too long"
	case strings.IndexFunc(link, func(r rune) bool { return r <= ' ' || r >= 0x7f }) >= 0:
		return "holds characters that no path has"
	case !strings.HasPrefix(link, "/redfish/"):
		return "is not under /redfish/"
	case strings.ContainsAny(link, `\#<>"^{}|`+"`"):
		return "holds characters that no path has"
	case strings.Contains(path, "//"):
		return "holds an empty segment"
	}
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "." || segment == ".." {
			return "climbs"
		}
	}
	return badEscape(link)
}

// badEscape finds escapes that stand for what decides where a path leads: slash, backslash, dot, percent, control characters.
func badEscape(link string) string {
	for i := 0; i < len(link); i++ {
		if link[i] != '%' {
			continue
		}
		if i+2 >= len(link) || !isHex(link[i+1]) || !isHex(link[i+2]) {
			return "holds a broken escape"
		}
		high := link[i+1]
		switch code := strings.ToLower(link[i+1 : i+3]); {
		case high < '2', code == "2f", code == "2e", code == "5c", code == "25", code == "7f":
			return "holds an escaped " + code
		}
	}
	return ""
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}
