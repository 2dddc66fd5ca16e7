package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/satellite/actor"
)

// steps prints one round for a person, check by check as they end.
type steps struct{ w io.Writer }

const (
	stepWidth  = 100 // what a line is wrapped to
	stepIndent = 17  // where what does not fit behind the duration begins
)

// firstFacts stand first in a step, in this order; all others follow by name.
var firstFacts = []string{"power", "answered", "protocol", "tls_version", "cert_not_after", "cert_names", "cert_pin"}

// hiddenFacts are for programs: --json has them.
var hiddenFacts = []string{"cert_sha256", "credential_version"}

func (s steps) start(bmc inventory.BMC, trust inventory.Trust) {
	words := []string{bmc.Address.String(), bmc.Site, bmc.Room, bmc.Row, bmc.Rack, unitLabel(bmc.Unit)}
	if string(bmc.ID) != words[0] {
		words = append([]string{string(bmc.ID)}, words...)
	}
	protocol := string(bmc.Protocol)
	if bmc.Port != 0 {
		protocol += fmt.Sprint(" on port ", bmc.Port)
	}
	fmt.Fprintf(s.w, "%s  (%s, trust %s)\n", strings.Join(slices.DeleteFunc(words, isEmpty), "  "), protocol, bmc.Trust.Or(trust))
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
	head := fmt.Sprintf("  %-14s %-8s %6d ms", r.Check, outcome, r.TookMS)
	detail, gap := stepDetail(r)
	s.wrapped(head, detail, gap)
	for _, note := range r.Notes {
		s.below("note", string(note)+": "+note.Info().Meaning)
	}
	if fence := fenceText(r); fence != "" {
		s.below("fence", fence)
	}
}

func (s steps) below(label, text string) {
	s.indented(words(label+": "+text), " ")
}

// fenceText says in words when a login will be tried again; the error of auth.fenced has said it.
func fenceText(r checks.Result) string {
	switch until := r.Facts[actor.FactFenceUntil]; {
	case r.Facts[actor.FactFenceIgnored] != "":
		return "a typed user name passes by it: " + r.Facts[actor.FactFenceIgnored]
	case until == "" || r.Reason == checks.AuthFenced:
		return ""
	case until == "final":
		return "no routine login any more, until the credential changes or a person checks again"
	default:
		return "no routine login before " + until + ", unless the credential changes"
	}
}

// stepDetail is what a person wants to see of a result, in pieces that a line's end must not cut: the facts, or the error.
func stepDetail(r checks.Result) (pieces []string, gap string) {
	failed := r.Outcome != checks.OK
	for name, value := range r.Facts {
		if !failed && !slices.Contains(hiddenFacts, name) && !strings.HasPrefix(name, "fence_") {
			pieces = append(pieces, name+"="+value)
		}
	}
	slices.SortFunc(pieces, func(a, b string) int { return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a, b)) })
	if failed {
		return words(string(r.Reason) + ": " + r.Error), " "
	}
	return pieces, "  "
}

func rank(piece string) int {
	name, _, _ := strings.Cut(piece, "=")
	if i := slices.Index(firstFacts, name); i >= 0 {
		return i
	}
	return len(firstFacts)
}

// words splits text for wrapping; a flag stays with its value, so that both can be copied at once.
func words(text string) (pieces []string) {
	for _, word := range strings.Fields(text) {
		if n := len(pieces); n > 0 && strings.HasPrefix(pieces[n-1], "--") && !strings.Contains(pieces[n-1], " ") {
			pieces[n-1] += " " + word
			continue
		}
		pieces = append(pieces, word)
	}
	return pieces
}

// wrapped prints head and the pieces behind it, or below it where they do not fit into one line.
func (s steps) wrapped(head string, pieces []string, gap string) {
	if whole := strings.Join(pieces, gap); utf8.RuneCountInString(head+"  "+whole) <= stepWidth {
		fmt.Fprintln(s.w, strings.TrimRight(head+"  "+whole, " "))
		return
	}
	fmt.Fprintln(s.w, head)
	s.indented(pieces, gap)
}

func (s steps) indented(pieces []string, gap string) {
	line := ""
	for _, piece := range pieces {
		if line != "" && stepIndent+utf8.RuneCountInString(line+gap+piece) > stepWidth {
			fmt.Fprintf(s.w, "%*s%s\n", stepIndent, "", line)
			line = ""
		}
		if line != "" {
			line += gap
		}
		line += piece
	}
	fmt.Fprintf(s.w, "%*s%s\n", stepIndent, "", line)
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
	owner := string(v.Owner)
	if v.Owner == checks.OwnerUs {
		owner += " (who runs Lamplighter); it says nothing about the BMC"
	}
	fmt.Fprintf(s.w, "  owner      %s\n  next step  %s\n", owner, v.NextStep)
}
