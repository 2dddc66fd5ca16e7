package main

import (
	"testing"

	"lamplighter/results/kafka"
)

func TestWhoWritesHealthTakesTheStatesOfItsSite(t *testing.T) {
	h := &healthFields{site: "ams1"}
	for name, test := range map[string]struct {
		key, value string
		health     string
		ours       bool
	}{
		"a state":                          {"a", `{"schema":"lamplighter.state.v1","bmc":"a","site":"ams1","health":"available"}`, "available", true},
		"one that was forgotten":           {"a", "", "", true},
		"one that stands elsewhere by now": {"a", `{"schema":"lamplighter.state.v1","bmc":"a","site":"fra1","health":"available"}`, "", true},
		"one under another's name":         {"a", `{"schema":"lamplighter.state.v1","bmc":"b","site":"ams1","health":"available"}`, "", false},
		"another schema":                   {"a", `{"schema":"x","bmc":"a","site":"ams1","health":"available"}`, "", false},
		"no JSON":                          {"a", `{`, "", false},
	} {
		id, health, ours := h.said(kafka.Record{Key: []byte(test.key), Value: []byte(test.value)})
		if ours != test.ours || ours && (id != "a" || health != test.health) {
			t.Errorf("%s: %s is %q, ours %v", name, id, health, ours)
		}
	}
}
