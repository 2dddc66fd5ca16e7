package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
)

// steps prints one round for a person, a line per check as it ends.
type steps struct{ w io.Writer }

func (s steps) start(bmc inventory.BMC, trust inventory.Trust) {
	place := strings.Join(slices.DeleteFunc([]string{bmc.Site, bmc.Room, bmc.Row, bmc.Rack, unitLabel(bmc.Unit)}, isEmpty), " ")
	if place != "" {
		place = "  " + place
	}
	fmt.Fprintf(s.w, "%s  %s%s  (%s, trust %s)\n", bmc.ID, bmc.Address, place, bmc.Protocol, bmc.Trust.Or(trust))
}

func isEmpty(s string) bool { return s == "" }

func unitLabel(u float64) string {
	if u == 0 {
		return ""
	}
	return "U" + unit(u)
}

func (s steps) result(r checks.Result) {
	outcome := r.Outcome.String()
	if r.Outcome != checks.OK {
		outcome = strings.ToUpper(outcome)
	}
	fmt.Fprintf(s.w, "  %-14s %-8s %7d ms  %s\n", r.Check, outcome, r.TookMS, stepDetail(r))
	for _, note := range r.Notes {
		fmt.Fprintf(s.w, "  %-14s %-8s %10s  %s: %s\n", "", "note", "", note, note.Info().Meaning)
	}
}

// stepDetail is what a person wants to see of a result: the error, or the facts.
func stepDetail(r checks.Result) string {
	if r.Outcome != checks.OK {
		return fmt.Sprintf("%s: %s", r.Reason, r.Error)
	}
	facts := make([]string, 0, len(r.Facts))
	for name, value := range r.Facts {
		facts = append(facts, name+"="+value)
	}
	slices.Sort(facts)
	return strings.Join(facts, " ")
}

func (s steps) verdict(v results.Verdict) {
	fmt.Fprint(s.w, strings.ToUpper(v.Health.String()))
	if v.Failed != "" {
		fmt.Fprintf(s.w, " at %s", v.Failed)
	}
	if v.Reason == "" {
		fmt.Fprintf(s.w, ", power %s\n", dash(power(v)))
		return
	}
	fmt.Fprintf(s.w, ": %s, %s\n", v.Reason, v.Reason.Info().Meaning)
	fmt.Fprintf(s.w, "  owner      %s\n  next step  %s\n", v.Owner, v.NextStep)
}
