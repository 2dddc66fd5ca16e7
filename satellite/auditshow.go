package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"lamplighter/checks"
	"lamplighter/results/audit"
)

// auditSummary says what was compared with what.
type auditSummary struct {
	From     time.Time `json:"from"`
	Until    time.Time `json:"until"`
	BMCs     int       `json:"bmcs"`
	Expected int       `json:"expected"`
	Seen     int       `json:"seen"`
	Merged   int       `json:"merged"`
	Skipped  int       `json:"skipped"`
	Lost     int       `json:"lost"`
	Silent   int       `json:"silent"`
	Pending  int       `json:"pending"` // too young to be judged

	Records    int         `json:"records"`
	Unreadable int         `json:"unreadable"`
	FirstSent  time.Time   `json:"first_sent"`
	LastSent   time.Time   `json:"last_sent"`
	Satellites []string    `json:"satellites"`
	Read       audit.Stats `json:"read"`
}

func (s *auditSummary) add(r audit.Report) {
	s.Until = r.Until
	s.Expected += r.Expected
	s.Seen += r.Seen
	s.Merged += r.Merged
	s.Skipped += r.Skipped
	s.Lost += len(r.Lost)
	s.Silent += len(r.Silent)
}

// auditShow prints what an auditor finds: reports as they come, and at the end the summary.
type auditShow struct {
	report func(audit.Report) error
	end    func(auditSummary) error
}

var auditOutputs = map[string]func(io.Writer) auditShow{"table": auditTable, "json": auditJSON, "ndjson": auditNDJSON}

func auditTable(w io.Writer) auditShow {
	report := func(r audit.Report) (err error) {
		line := func(format string, args ...any) {
			if err == nil {
				_, err = fmt.Fprintf(w, format+"\n", args...)
			}
		}
		for _, loss := range r.Lost {
			line("LOST   %s: %s", loss.Round, loss.Where)
		}
		for _, silence := range r.Silent {
			line("ALARM  %s: no verdict and no reason for two intervals, since %s", silence.BMC, silence.Since.Format(time.RFC3339))
		}
		for _, round := range r.Arrived {
			line("LATE   %s: it is there now", round)
		}
		return err
	}
	return auditShow{report, func(s auditSummary) error {
		_, err := fmt.Fprint(w, s.String())
		return err
	}}
}

// String is the summary for people.
func (s auditSummary) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d routine rounds of %d BMCs were due from %s to %s: %d have a verdict, %d stand behind merged records, %d were skipped with a reason, %d are lost; %d BMCs are silent\n",
		s.Expected, s.BMCs, s.From.Format(time.RFC3339), s.Until.Format(time.RFC3339), s.Seen, s.Merged, s.Skipped, s.Lost, s.Silent)
	if s.Pending > 0 {
		fmt.Fprintf(&b, "%d more may still be on the way\n", s.Pending)
	}
	if s.Records == 0 {
		b.WriteString("no record was read: did a satellite of this site run then, and are these its brokers?\n")
		return b.String()
	}
	fmt.Fprintf(&b, "%d records were read, sent from %s to %s by %s: %d verdicts (%d twice from one satellite, %d from another, too), %d skips, %d tallies\n",
		s.Records, s.FirstSent.Format(time.RFC3339), s.LastSent.Format(time.RFC3339), strings.Join(s.Satellites, ", "),
		s.Read.Verdicts, s.Read.Duplicates, s.Read.Twice, s.Read.Skips, s.Read.Tallies)
	if began := s.FirstSent.Truncate(time.Minute).Add(time.Minute); s.Lost > 0 && began.After(s.From) {
		fmt.Fprintf(&b, "nothing older was there to read: if the site did not run before, --from %s judges what came since\n", began.Format(time.RFC3339))
	}
	for _, odd := range []struct {
		n    int
		what string
	}{
		{s.Unreadable, "records could not be read"},
		{s.Read.Strangers, "verdicts are of BMCs that the inventory does not have"},
		{s.Read.Unplanned, "verdicts are of rounds that the schedule does not have: was the interval another?"},
	} {
		if odd.n > 0 {
			fmt.Fprintf(&b, "%d %s\n", odd.n, odd.what)
		}
	}
	return b.String()
}

// auditJSON prints one document.
func auditJSON(w io.Writer) auditShow {
	doc := struct {
		auditSummary
		LostRounds []audit.Loss    `json:"lost_rounds"`
		SilentBMCs []audit.Silence `json:"silent_bmcs"`
	}{LostRounds: []audit.Loss{}, SilentBMCs: []audit.Silence{}}
	return auditShow{func(r audit.Report) error {
		doc.LostRounds, doc.SilentBMCs = append(doc.LostRounds, r.Lost...), append(doc.SilentBMCs, r.Silent...)
		return nil
	}, func(s auditSummary) error {
		doc.auditSummary = s
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		return encoder.Encode(doc)
	}}
}

// auditNDJSON prints a line for each finding, and the summary.
func auditNDJSON(w io.Writer) auditShow {
	encoder := json.NewEncoder(w)
	return auditShow{func(r audit.Report) error {
		for _, loss := range r.Lost {
			if err := encoder.Encode(struct {
				Kind string `json:"kind"`
				audit.Loss
			}{"lost", loss}); err != nil {
				return err
			}
		}
		for _, silence := range r.Silent {
			if err := encoder.Encode(struct {
				Kind string `json:"kind"`
				audit.Silence
			}{"silent", silence}); err != nil {
				return err
			}
		}
		for _, round := range r.Arrived {
			if err := encoder.Encode(struct {
				Kind  string       `json:"kind"`
				Round checks.Round `json:"round"`
			}{"late", round}); err != nil {
				return err
			}
		}
		return nil
	}, func(s auditSummary) error {
		return encoder.Encode(struct {
			Kind string `json:"kind"`
			auditSummary
		}{"summary", s})
	}}
}
