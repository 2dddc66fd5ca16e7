package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"lamplighter/checks"
	"lamplighter/results"
)

// summary counts verdicts by health and by what failed.
type summary struct {
	health  map[checks.Health]int
	reasons map[cause]int
}

// cause is what a verdict is counted under.
type cause struct {
	health checks.Health
	failed checks.Name
	reason checks.Reason
}

func newSummary() *summary {
	return &summary{health: map[checks.Health]int{}, reasons: map[cause]int{}}
}

func (s *summary) add(v results.Verdict) {
	s.health[v.Health]++
	if v.Reason != "" {
		s.reasons[cause{v.Health, v.Failed, v.Reason}]++
	}
}

func (s *summary) total() int {
	n := 0
	for _, count := range s.health {
		n += count
	}
	return n
}

// healthLine is "1800 available, 12 degraded, ...", leaving out what is none.
func (s *summary) healthLine() string {
	var parts []string
	for _, h := range []checks.Health{checks.Available, checks.Degraded, checks.Unavailable, checks.Unknown} {
		if n := s.health[h]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, h))
		}
	}
	if parts == nil {
		return "no verdicts"
	}
	return strings.Join(parts, ", ")
}

// print writes the healths and one line per cause, worst first.
func (s *summary) print(w io.Writer) {
	fmt.Fprintf(w, "%d BMCs: %s\n", s.total(), s.healthLine())
	if len(s.reasons) == 0 {
		return
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "  COUNT\tHEALTH\tFAILED\tREASON\tOWNER\tNEXT STEP")
	for _, c := range s.causes() {
		info := c.reason.Info()
		fmt.Fprintf(table, "  %d\t%s\t%s\t%s\t%s\t%s\n", s.reasons[c], c.health, dash(c.failed), c.reason, info.Owner, info.NextStep)
	}
	_ = table.Flush()
	if s.total() > 1 && s.reasons[cause{checks.Unavailable, checks.Ping, checks.NetTimeout}] == s.total() {
		fmt.Fprintln(w, "No BMC answered at all. If that cannot be, look at this machine's own network; --anchor GATEWAY tells the two apart.")
	}
}

func (s *summary) causes() []cause {
	causes := make([]cause, 0, len(s.reasons))
	for c := range s.reasons {
		causes = append(causes, c)
	}
	rank := map[checks.Health]int{checks.Unavailable: 0, checks.Unknown: 1, checks.Degraded: 2, checks.Available: 3}
	slices.SortFunc(causes, func(a, b cause) int {
		return cmp.Or(cmp.Compare(rank[a.health], rank[b.health]), cmp.Compare(s.reasons[b], s.reasons[a]), cmp.Compare(a.reason, b.reason))
	})
	return causes
}
