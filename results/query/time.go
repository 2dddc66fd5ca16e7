package query

import (
	"strconv"
	"strings"
	"time"
)

// parseTime reads a time that may lean on now.
func parseTime(text string) (at func(now time.Time) time.Time, ok bool) {
	if rest, relative := strings.CutPrefix(strings.ToLower(text), "now"); relative {
		var by time.Duration
		if rest != "" {
			by, ok = parseDuration(rest[1:])
			if !ok || rest[0] != '+' && rest[0] != '-' {
				return nil, false
			}
			if rest[0] == '-' {
				by = -by
			}
		}
		return func(now time.Time) time.Time { return now.Add(by) }, true
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04Z07:00", time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return func(time.Time) time.Time { return t }, true
		}
	}
	return nil, false
}

// parseDuration reads a time span as Go writes it, or whole days: 3d.
func parseDuration(text string) (time.Duration, bool) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 15)
		return time.Duration(n) * 24 * time.Hour, err == nil
	}
	d, err := time.ParseDuration(text)
	return d, err == nil && d >= 0 && !strings.HasPrefix(text, "+")
}

// ParseDuration reads a time span as filters write it: 90s, 15m, 2h or 3d.
func ParseDuration(text string) (time.Duration, bool) { return parseDuration(text) }

// ParseTime reads a time as filters write it.
func ParseTime(text string, now time.Time) (time.Time, bool) {
	at, ok := parseTime(text)
	if !ok {
		return time.Time{}, false
	}
	return at(now), true
}

// Sortable writes times in UTC so that their texts are in their order.
const Sortable = "2006-01-02T15:04:05.000000000Z"
