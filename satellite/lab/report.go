package lab

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Report is what a run is worth.
type Report struct {
	faults    map[Kind]int
	lasted    time.Duration
	rounds    rounds
	sessions  sessions
	takeovers []takeover
	recovered []time.Duration
	open      int64
	missed    int
}

// Report judges.
func (h History) Report() Report {
	r := Report{
		faults: map[Kind]int{}, lasted: h.Ended.Sub(h.Began), rounds: h.rounds(), sessions: h.sessions(), takeovers: h.takeovers(),
		recovered: h.recoveries(), open: h.Open, missed: h.Missed,
	}
	for _, f := range h.Faults {
		r.faults[f.Kind]++
	}
	return r
}

// Wrong are the promises that were broken, in words; none: all were kept.
func (r Report) Wrong() (wrong []string) {
	bad := func(n int, what string, names ...string) {
		if n == 0 {
			return
		}
		const most = 20
		line := fmt.Sprintf("%d %s", n, what)
		if len(names) > 0 {
			line += ": " + strings.Join(names[:min(most, len(names))], "; ")
		}
		if len(names) > most {
			line += "; ..."
		}
		wrong = append(wrong, line)
	}
	bad(len(r.rounds.Lost), "rounds lost", texts(r.rounds.Lost)...)
	bad(len(r.rounds.Missed), "rounds due were neither started nor said to be skipped", texts(r.rounds.Missed)...)
	bad(len(r.rounds.Strange), "verdicts of rounds that nobody started", texts(r.rounds.Strange)...)
	bad(len(r.rounds.Accused), "verdicts call a healthy BMC unavailable", texts(r.rounds.Accused)...)
	bad(r.rounds.Coalesced, "verdicts stand for other rounds, too, which therefore cannot be told")
	bad(len(r.sessions.Overlaps), "times two sessions at one BMC", r.sessions.Overlaps...)
	bad(len(r.sessions.Dear), "undisturbed rounds without exactly one handshake", r.sessions.Dear...)
	bad(r.sessions.Refused, "logins refused")
	bad(int(r.open), "sessions left open")
	bad(r.missed, "events of the fleet not recorded")
	for _, t := range r.takeovers {
		bad(len(t.Wrong), "slow takeovers", t.Wrong...)
	}
	slow := 0
	for _, d := range r.recovered {
		if d < 0 || d > RecoveryLimit {
			slow++
		}
	}
	bad(slow, fmt.Sprintf("recoveries took more than %s", RecoveryLimit))
	if r.rounds.Started == 0 || r.rounds.Verdicts == 0 || r.sessions.Logins == 0 {
		wrong = append(wrong, "nothing was seen: no rounds, verdicts or logins")
	}
	return wrong
}

func texts[T fmt.Stringer](all []T) (text []string) {
	for _, one := range all {
		text = append(text, one.String())
	}
	return text
}

// String is the table, in Markdown, so that it can stand in docs/reliability.md as it is.
func (r Report) String() string {
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 1, ' ', tabwriter.Debug)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(table, "\t %s\t %s\t\n", name, fmt.Sprintf(format, args...))
	}
	row("what", "number")
	row("---", "---")
	row("time with faults", "%s", r.lasted.Round(time.Second))
	n := 0
	for _, kind := range Kinds {
		n += r.faults[kind]
	}
	row("faults injected", "%d", n)
	for _, kind := range Kinds {
		row("- "+string(kind), "%d", r.faults[kind])
	}
	row("rounds due, of these skipped and said so", "%d, %d", r.rounds.Due, r.rounds.Skipped)
	row("rounds started", "%d", r.rounds.Started)
	row("verdicts on Kafka, of different rounds", "%d", r.rounds.Verdicts)
	row("rounds lost", "%d", len(r.rounds.Lost))
	row("rounds left to the next satellite when the last ended", "%d", r.rounds.Left)
	row("duplicates", "%d", r.rounds.Duplicates)
	row("verdicts of rounds never started", "%d", len(r.rounds.Strange))
	row("starts that the broken broker did not confirm", "%d judged, %d skipped", r.rounds.Unconfirmed, r.rounds.Withdrawn)
	row("verdicts unavailable (wrongly)", "%d", len(r.rounds.Accused))
	row("verdicts unknown", "%s", r.unsure())
	row("recovery p50, p99, longest", "%s", spread(r.recovered))
	row("takeovers: first round, last round", "%s", r.took())
	row("rounds under way then: last task, last verdict", "%s", r.wentOn())
	row("logins, refused", "%d, %d", r.sessions.Logins, r.sessions.Refused)
	row("sessions open after the end", "%d", r.open)
	row("two sessions at a BMC", "%d, and %d of a satellite killed or frozen", len(r.sessions.Overlaps), r.sessions.Excused)
	row("undisturbed Redfish rounds with one handshake", "%d of %d", r.sessions.Quiet-len(r.sessions.Dear), r.sessions.Quiet)
	_ = table.Flush() // into memory
	return text.String()
}

// unsure names the reasons.
func (r Report) unsure() string {
	total, names := 0, []string{}
	for _, reason := range slices.Sorted(maps.Keys(r.rounds.Unsure)) {
		total += r.rounds.Unsure[reason]
		names = append(names, fmt.Sprintf("%d %s", r.rounds.Unsure[reason], reason))
	}
	if total == 0 {
		return "0"
	}
	return fmt.Sprintf("%d: %s", total, strings.Join(names, ", "))
}

// took is the longest that it took until others went on.
func (r Report) took() string {
	var first, last time.Duration
	for _, t := range r.takeovers { // First is -1 where no round fell due that had to be taken over
		first, last = max(first, t.First), max(last, t.Rounds)
	}
	return fmt.Sprintf("%d: %s, %s", len(r.takeovers), tenths(first), tenths(last))
}

// wentOn is the longest that rounds under way waited.
func (r Report) wentOn() string {
	var tasks, verdicts time.Duration
	n := 0
	for _, t := range r.takeovers {
		n, tasks, verdicts = n+t.UnderWay, max(tasks, t.Tasks), max(verdicts, t.Verdicts)
	}
	return fmt.Sprintf("%d: %s, %s", n, tenths(tasks), tenths(verdicts))
}

// spread is the median, the 99th percentile and the maximum, by nearest rank.
func spread(times []time.Duration) string {
	if len(times) == 0 {
		return "none"
	}
	sorted := slices.Sorted(slices.Values(times))
	if sorted[0] < 0 { // what never came is the worst
		never, _ := slices.BinarySearch(sorted, 0)
		return fmt.Sprintf("%d of %d not before the next fault", never, len(sorted))
	}
	rank := func(percent int) time.Duration { return sorted[(len(sorted)*percent+99)/100-1] }
	return fmt.Sprintf("%s, %s, %s", tenths(rank(50)), tenths(rank(99)), tenths(rank(100)))
}

func tenths(d time.Duration) string { return d.Round(100 * time.Millisecond).String() }
