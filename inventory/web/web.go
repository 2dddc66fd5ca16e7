// Package web reads what HTTP answers say beside their content. The sources of the inventory and the desks of tickets use it.
package web

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// RetryAfter reads a header Retry-After, seconds or a date (RFC 9110, section 10.2.3); 0 where it says nothing. It is at most most.
func RetryAfter(text string, now time.Time, most time.Duration) time.Duration {
	if seconds, err := strconv.ParseInt(strings.TrimSpace(text), 10, 32); err == nil {
		return min(max(0, time.Duration(seconds)*time.Second), most)
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(max(0, at.Sub(now)), most)
	}
	return 0
}

// IsHTML tells a page for people, such as a login or an error of a proxy, by its content type or how it begins.
func IsHTML(contentType string, start []byte) bool {
	text := strings.ToLower(string(bytes.TrimSpace(start[:min(len(start), 256)])))
	return strings.HasPrefix(contentType, "text/html") || strings.HasPrefix(text, "<!doctype html") || strings.HasPrefix(text, "<html")
}
