package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/results/audit"
	"lamplighter/results/kafka"
)

const auditLong = `Compares the rounds that the schedule asks for, by inventory and interval, with the records on Kafka. It names each routine
round that has neither a verdict nor a reason why it was not started, and between which tiers it was lost:

  not started             no satellite handed it to the bus
  started, no verdict     the bus had it, the sink did not
  judged, not on Kafka    a satellite gave its verdict to Kafka or to its spool; it may still be in the spool
  not known               the tallies of a satellite that may have had a part in it are missing

and raises an ALARM for each BMC of which nothing was heard for two intervals.

Exit codes: 0 nothing is missing, 1 something is, or an alarm, 2 usage, 4 Kafka was not reached or refused.
`

// auditFlags are the flags of audit.
type auditFlags struct {
	config, from, to, output string
	settle                   time.Duration
	follow                   bool
}

func newAudit() *cobra.Command {
	var f auditFlags
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "name the rounds whose verdicts are missing on Kafka, and where they were lost",
		Long:  auditLong,
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.config, "config", "", "configuration `file` of the site's satellites")
	flags.StringVar(&f.from, "from", "", "`time` of the first planned start, such as 2026-11-22T12:00:00Z, or how long ago, such as 2h; an hour before --to without it")
	flags.StringVar(&f.to, "to", "", "`time` before which starts were planned; without it, and at the latest, --settle ago")
	flags.DurationVar(&f.settle, "settle", 0, "how long after its planned start a round's verdict may take; without it as long as the configuration allows")
	flags.BoolVar(&f.follow, "follow", false, "go on, and say what is missing as soon as it is")
	flags.StringVarP(&f.output, "output", "o", "table", "`format`: table, json, ndjson")
	_ = cmd.MarkFlagRequired("config")
	return cmd
}

func (f auditFlags) run(ctx context.Context, stdout, stderr io.Writer) error {
	c, err := LoadConfig(f.config)
	if err != nil {
		return err
	}
	if len(c.Kafka.Brokers) == 0 {
		return fmt.Errorf("%s: kafka.brokers: want at least one: the audit reads Kafka", f.config)
	}
	span, err := f.span(c, time.Now())
	if err != nil {
		return err
	}
	show, ok := auditOutputs[f.output]
	if !ok || f.follow && f.output == "json" {
		return fmt.Errorf("--output %q: want table, json or ndjson, and not json with --follow", f.output)
	}
	fleet, err := c.fleet(ctx)
	if err != nil {
		return err
	}
	connection, err := c.Kafka.connection(ctx)
	if err != nil {
		return err
	}
	connection.Log = newLog(c.Log, stderr)
	a := newAuditor(c, fleet, span)
	a.show = show(stdout)
	err = a.read(ctx, connection, f.follow)
	if err != nil && (!f.follow || ctx.Err() == nil) {
		fmt.Fprintf(stderr, "lamplighter: %v\n", err)
		return exitUnknown
	}
	return a.end()
}

// span is which rounds are judged.
type span struct {
	from, to time.Time     // whole minutes
	settle   time.Duration // how long after its planned start a round is left alone
}

func (f auditFlags) span(c Config, now time.Time) (s span, err error) {
	if s.settle = f.settle; s.settle == 0 {
		s.settle = c.settle()
	}
	if s.to, err = readMoment(f.to, now, now.Add(-s.settle)); err != nil {
		return s, fmt.Errorf("--to %q: %w", f.to, err)
	}
	if s.from, err = readMoment(f.from, now, s.to.Add(-time.Hour)); err != nil {
		return s, fmt.Errorf("--from %q: %w", f.from, err)
	}
	s.from, s.to = s.from.UTC().Truncate(time.Minute), s.to.UTC().Truncate(time.Minute)
	switch {
	case s.settle < 0:
		return s, fmt.Errorf("--settle %v: want a time that is not negative", s.settle)
	case f.follow && f.to != "":
		return s, errors.New("--to: --follow has no end")
	case !s.from.Before(s.to) && !f.follow:
		return s, fmt.Errorf("--from %s: want a minute before --to, %s", s.from.Format(time.RFC3339), s.to.Format(time.RFC3339))
	}
	return s, nil
}

// readMoment reads a time, or how long ago.
func readMoment(text string, now, otherwise time.Time) (time.Time, error) {
	if text == "" {
		return otherwise, nil
	}
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return at, errors.New("want a time such as 2026-11-22T12:00:00Z, or how long ago, such as 2h")
	}
	return at, nil
}

// settle is how long after its planned start a round may take to be on Kafka, together with the tallies that count it: an
// interval of waiting for a visit, all checks to their timeouts, and some minutes.
func (c Config) settle() time.Duration {
	all := c.Interval + 3*time.Minute
	for _, check := range c.Chain() {
		all += check.Timeout
	}
	return all
}

// auditor reads Kafka into a ledger.
type auditor struct {
	span
	site   string
	ledger *audit.Ledger
	show   auditShow

	summary auditSummary
	found   bool // something that is missing
}

func newAuditor(c Config, fleet []inventory.BMC, s span) *auditor {
	var ids []inventory.ID
	for _, bmc := range fleet {
		ids = append(ids, bmc.ID)
	}
	return &auditor{
		span: s, site: c.Site,
		ledger:  audit.New(audit.Plan{Fleet: ids, Interval: c.Interval, From: s.from}),
		summary: auditSummary{From: s.from, Until: s.from, BMCs: len(ids), Satellites: []string{}},
	}
}

func (a *auditor) read(ctx context.Context, c kafka.Config, follow bool) error {
	what := kafka.Reading{Topics: []string{kafka.VerdictTopic, kafka.AuditTopic}, From: a.from.Add(-audit.LookBack), See: a.see}
	if follow {
		what.Follow = func(now time.Time) error { return a.close(now.Add(-a.settle)) }
	}
	return kafka.Read(ctx, c, what)
}

// end judges what was read, and is the exit code.
func (a *auditor) end() error {
	settled := time.Now().Add(-a.settle)
	until := a.to
	if settled.Before(until) {
		until = settled
	}
	if err := a.close(until); err != nil {
		return err
	}
	a.summary.Pending = a.ledger.Pending(a.to)
	a.summary.Read = a.ledger.Stats()
	if err := a.show.end(a.summary); err != nil {
		return err
	}
	if a.found {
		return exitUnavailable
	}
	return nil
}

func (a *auditor) close(until time.Time) error {
	report := a.ledger.Close(until)
	a.found = a.found || len(report.Lost)+len(report.Silent) > 0
	a.summary.add(report)
	return a.show.report(report)
}

// see takes a record in. What it cannot read, it counts.
func (a *auditor) see(r kafka.Record) error {
	site, satellite, ok := r.Source()
	if ok && site != a.site {
		return nil
	}
	a.summary.Records++
	if a.summary.FirstSent.IsZero() || r.At.Before(a.summary.FirstSent) {
		a.summary.FirstSent = r.At.UTC()
	}
	if r.At.After(a.summary.LastSent) {
		a.summary.LastSent = r.At.UTC()
	}
	if !ok || !a.enter(r, satellite) {
		a.summary.Unreadable++
		return nil
	}
	if !slices.Contains(a.summary.Satellites, satellite) {
		a.summary.Satellites = append(a.summary.Satellites, satellite)
		slices.Sort(a.summary.Satellites)
	}
	return nil
}

// enter enters a record into the ledger.
func (a *auditor) enter(r kafka.Record, satellite string) bool {
	rounds, _ := strconv.ParseUint(r.Header("ce_rounds"), 10, 64)
	switch r.Header("ce_type") {
	case kafka.VerdictType:
		round, err := checks.ParseRound(r.Header("ce_id"))
		if err == nil {
			a.ledger.Verdict(audit.Verdict{Round: round, Satellite: satellite, Rounds: rounds})
		}
		return err == nil
	case kafka.SkipType:
		var skip results.Skip
		err := json.Unmarshal(r.Value, &skip)
		if err == nil {
			a.ledger.Skip(skip, max(1, rounds))
		}
		return err == nil
	case kafka.TallyType:
		var tally results.Tally
		err := json.Unmarshal(r.Value, &tally)
		if err == nil {
			a.ledger.Tally(tally)
		}
		return err == nil
	}
	return true // gaps, and what a later version has to say
}
