package canary

import (
	"encoding/base64"
	"fmt"
	"html"
	"net/url"
	"testing"
)

func TestTheSearchForSecretsBites(t *testing.T) {
	secret := "user:" + Right + "xyz123"
	for name, text := range map[string]string{
		"raw": secret, "base64": base64.StdEncoding.EncodeToString([]byte(secret)), "base64 for URLs": base64.URLEncoding.EncodeToString([]byte(Right)),
		"base64 elsewhere": base64.StdEncoding.EncodeToString([]byte("u:" + Right)),
		"hex":              fmt.Sprintf("%x", secret), "HEX": fmt.Sprintf("%X", secret), "URL": url.QueryEscape(secret), "path": url.PathEscape(secret),
		"HTML": html.EscapeString(secret), "quoted": fmt.Sprintf("%q", secret), "quoted twice": fmt.Sprintf("%q", fmt.Sprintf("%q", secret)),
		"bytes": fmt.Sprint([]byte(secret)), "the other one": Wrong,
	} {
		if len(Leaks("before "+text+" after")) == 0 {
			t.Errorf("a secret that is %s is not found", name)
		}
	}
	if found := Leaks("a text without secrets: REDACTED"); found != nil {
		t.Errorf("found where there is none: %v", found)
	}
}
