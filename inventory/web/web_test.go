package web

import (
	"testing"
	"time"
)

func TestRetryAfterIsSecondsOrADate(t *testing.T) {
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "soon": 0, "-5": 0, "7": 7 * time.Second, " 7 ": 7 * time.Second, "99999": time.Hour, "99999999999999": 0,
		"Fri, 27 Nov 2026 12:00:30 GMT": 30 * time.Second, "Fri, 27 Nov 2026 11:00:00 GMT": 0, "Sat, 28 Nov 2026 12:00:00 GMT": time.Hour,
	} {
		if got := RetryAfter(text, now, time.Hour); got != want {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
}

func TestHTMLIsToldByItsTypeOrItsBeginning(t *testing.T) {
	for _, test := range []struct {
		kind, text string
		want       bool
	}{
		{"text/html; charset=utf-8", "", true}, {"application/json", " <!DOCTYPE HTML>", true}, {"", "<html lang=en>", true},
		{"application/json", `{"a":"<html>"}`, false}, {"", "", false},
	} {
		if got := IsHTML(test.kind, []byte(test.text)); got != test.want {
			t.Errorf("%q %q: %v", test.kind, test.text, got)
		}
	}
}
