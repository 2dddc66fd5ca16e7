package inventory

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"testing"
)

func TestScrubFindsASecretHoweverItIsWritten(t *testing.T) {
	const value = `p"ss/wörd &`
	s := NewSecret(value)
	asJSON, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	for _, form := range []string{
		value, string(asJSON[1 : len(asJSON)-1]), url.QueryEscape(value), url.PathEscape(value),
		base64.StdEncoding.EncodeToString([]byte(value)), base64.StdEncoding.EncodeToString([]byte("user:" + value)),
	} {
		if got := s.Scrub("user", "a "+form+" b"); got != "a REDACTED b" {
			t.Errorf("%q becomes %q", form, got)
		}
	}
	if got := NewSecret("on").Scrub("", "power on"); got != "power on" {
		t.Errorf("a short value garbles %q", got)
	}
}
