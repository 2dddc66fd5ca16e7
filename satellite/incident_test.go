package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/results/api"
	"lamplighter/results/follow"
	"lamplighter/results/incident"
)

// fedByHand is what lamplighter results has, with a store in a directory of its own, fed by hand.
type fedByHand struct {
	t *testing.T
	*beliefs
	bmcs  []inventory.BMC
	clock atomic.Int64
}

// feed begins with ten BMCs of one rack, all of them well.
func feed(t *testing.T) *fedByHand {
	t.Helper()
	b := &fedByHand{t: t}
	for n := range 10 {
		b.bmcs = append(b.bmcs, inventory.BMC{
			ID: inventory.ID(fmt.Sprintf("srv-%d", n)), Address: netip.AddrFrom4([4]byte{10, 0, 0, byte(n + 1)}), Protocol: inventory.Redfish,
			Site: "ams1", Room: "r1", Row: "A", Rack: "A01", Unit: float64(n + 1), Login: "default", Labels: map[string]string{"tenant": fmt.Sprint("t", n%2)},
		})
	}
	rule := incident.Defaults(5 * time.Minute)
	rule.Hold = 100 * time.Millisecond
	r := defaultResults()
	r.Store, r.Listen = filepath.Join(t.TempDir(), "results"), "127.0.0.1:0"
	from := follow.Config{Name: "test", Interval: 5 * time.Minute, Wait: 50 * time.Millisecond, Incidents: rule, Record: records(b.bmcs)}
	ctx, stop := context.WithCancel(context.Background())
	var err error
	if b.beliefs, err = r.openBeliefs(ctx, from, around{}, time.Hour, slog.New(slog.NewTextHandler(io.Discard, nil))); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- b.run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := errors.Join(<-ended, b.close()); err != nil {
			t.Error(err)
		}
	})
	b.clock.Store(time.Now().Add(-time.Minute).UnixMilli())
	for n := range b.bmcs {
		b.hear(n, "")
	}
	return b
}

// hear takes in a round of the n-th BMC; an empty reason is a good one.
func (b *fedByHand) hear(n int, reason checks.Reason) {
	b.t.Helper()
	bmc, at := b.bmcs[n], time.Now().UTC()
	task := checks.Task{Round: checks.Round{BMC: bmc.ID, Due: time.UnixMilli(b.clock.Add(1)).UTC(), Why: checks.Routine}}
	for _, check := range []checks.Name{checks.Ping, checks.TLS, checks.RedfishLogin, checks.Power} {
		var fault error
		if task.Check = check; reason != "" && check == checks.RedfishLogin {
			fault = checks.Blame(reason, errors.New("401"))
		}
		task.Done = append(task.Done, checks.NewResult(check, checks.Finding{Facts: checks.Facts{"protocol": "redfish"}}, fault, at, at))
		if fault != nil {
			break
		}
	}
	if err := b.follower.Emit(b.t.Context(), results.Judge(task, bmc, checks.Default(), "sat-a", at)); err != nil {
		b.t.Fatal(err)
	}
}

// says runs a command at the API, and wants an exit code and texts in what it prints; to stderr after a mistake.
func (b *fedByHand) says(code exitCode, args []string, want ...string) string {
	b.t.Helper()
	out := lamplighter(b.t, append(args, "--api", b.url())...)
	text := out.stdout
	if code != exitOK {
		text = out.stderr
	}
	if out.code != int(code) {
		b.t.Fatalf("%q: exit code %d\n%s%s", args, out.code, out.stdout, out.stderr)
	}
	for _, part := range want {
		if !strings.Contains(text, part) {
			b.t.Errorf("%q: want %q in\n%s\n%s", args, part, out.stdout, out.stderr)
		}
	}
	return out.stdout
}

// incident waits for the one that the n-th BMC fails in.
func (b *fedByHand) incident(n int) (id string) {
	b.t.Helper()
	eventually(b.t, 20*time.Second, "there is an incident", func() bool {
		id, _ = b.follower.IncidentOf(b.bmcs[n].ID)
		return id != ""
	})
	return id
}

func TestAnIncidentIsListedExplainedAndAcknowledged(t *testing.T) {
	t.Parallel()
	b := feed(t)
	watch, stop := watching(t, "get", "incidents", "--watch", "--api", b.url())
	b.hear(3, checks.AuthRejected)
	id := b.incident(3)
	ticket := results.Ticket{Schema: results.TicketSchema, Incident: id, Desk: "jira", Ref: "OPS-812", URL: "https://desk.example/OPS-812", Open: true, Seq: 1, At: time.Now().UTC()}
	if err := b.follower.PutTicket(t.Context(), ticket); err != nil {
		t.Fatal(err)
	}
	if names := b.says(exitOK, []string{"get", "incidents", "-o", "name", "--where", "bmc=srv-3", "--status", "open"}); names != id+"\n" {
		t.Errorf("%q", names)
	}
	if names := b.says(exitOK, []string{"get", "incidents", "-o", "name", "--where", "health=available"}); names != "" {
		t.Errorf("%q", names)
	}
	b.says(exitOK, []string{"get", "incidents"}, "CODE  INCIDENT", "L     "+id, "OPS-812", "looks like BMC srv-3")
	rows, err := csv.NewReader(strings.NewReader(b.says(exitOK, []string{"get", "incidents", "-o", "csv"}))).ReadAll()
	if err != nil || len(rows) != 2 || rows[0][0] != "id" || rows[1][0] != id {
		t.Errorf("%v %v", err, rows)
	}
	b.says(exitOK, []string{"get", "bmcs", "--where", "label.tenant=t1 and incident=" + id}, "L     srv-3", "incident "+id)
	b.says(exitOK, []string{"why", "srv-3"}, "incident   "+id+", open", "it alone", "ticket     OPS-812 open https://desk.example/OPS-812")
	for _, name := range []string{id, "OPS-812"} {
		b.says(exitOK, []string{"why", name}, id+"  bmc  BMC srv-3", "OPEN since", "counted    it alone", "owner      credentials", "ticket     OPS-812 open", "srv-3  A01  U4",
			"Evidence\n", "401", "What happened, newest first\n", "available to unavailable auth.rejected")
	}
	var report api.IncidentDetail
	if err := json.Unmarshal([]byte(b.says(exitOK, []string{"why", id, "--json"})), &report); err != nil || report.ID != id || len(report.Members) != 1 {
		t.Errorf("%v %+v", err, report)
	}
	b.says(exitOK, []string{"ack", id, "--text", "on it"}, id+": acknowledged by ", " until it is closed")
	b.says(exitOK, []string{"why", id}, "ACKNOWLEDGED since", "on it", "What people did, newest first\n")
	eventually(t, 10*time.Second, "it is told", func() bool { return strings.Contains(watch.String(), "acknowledged by") })
	b.says(exitOK, []string{"ack", id, "--undo"}, "no longer acknowledged")
	b.hear(3, "")
	b.hear(3, "")
	eventually(t, 20*time.Second, "it is closed", func() bool {
		return strings.Contains(b.says(exitOK, []string{"get", "incidents", "--status", "closed"}), "recovered") && strings.Contains(watch.String(), "recovered")
	})
	if code := stop(); code != 0 || strings.Count(watch.String(), id) < 2 {
		t.Errorf("exit code %d: %s", code, watch.String())
	}
}

func TestWhatActsOnManyShowsThemAndWantsAYes(t *testing.T) {
	t.Parallel()
	b := feed(t)
	b.hear(3, checks.AuthRejected)
	id := b.incident(3)
	for _, args := range [][]string{{"ack", "--where", "rack=A01"}, {"ack", "--where", "rack=A01", "--incidents"}, {"silence", "--where", "rack=A01", "--for", "2h", "--reason", "x"}} {
		b.says(exitUsage, args, "1 ", "fail", "nothing was done: this is no terminal to ask at; --yes")
	}
	if out := b.says(exitOK, []string{"get", "bmcs", "-o", "name", "--where", "acknowledged or silenced"}); out != "" {
		t.Errorf("something was done: %s", out)
	}
	b.says(exitOK, []string{"ack", "--where", "rack=A01", "--text", "x", "--for", "1h", "--yes"}, "1 BMC acknowledged until 2")
	b.says(exitOK, []string{"ack", "--where", "rack=A01", "--incidents", "--yes"}, "1 incident acknowledged until each is closed")
	b.says(exitOK, []string{"ack", "--where", "rack=B99", "--yes"}, "nothing to acknowledge")
	b.says(exitOK, []string{"get", "incidents", "--status", "acknowledged", "-o", "name"}, id)
	b.says(exitOK, []string{"get", "bmcs", "--where", "acknowledged"}, "La    srv-3")
}

func TestASilenceIsMadeListedAndEnded(t *testing.T) {
	t.Parallel()
	b := feed(t)
	b.hear(3, checks.AuthRejected)
	b.incident(3)
	shown := b.says(exitOK, []string{"silence", "--where", "label.tenant=t1", "--for", "2h", "--reason", "switch replaced", "--dry-run"},
		"label.tenant=t1: 5 BMCs match, 1 of them fails now\n  L  srv-3  unavailable auth.rejected\n  .  srv-1  available\n", "silence from ", ": switch replaced\n")
	if strings.Contains(shown, "sil-") || b.says(exitOK, []string{"get", "silences", "-o", "name"}) != "" {
		t.Errorf("a dry run made one: %s", shown)
	}
	made := b.says(exitOK, []string{"silence", "--where", "label.tenant=t1", "--until", "now+2h", "--reason", "switch replaced", "--ticket", "CHG-7", "--yes"}, ": silence of 5 BMCs until ")
	id := regexp.MustCompile(`^\S+`).FindString(strings.Split(made, ":")[0])
	b.says(exitOK, []string{"silence", "list"}, "SILENCE", id, "holds", "CHG-7", "label.tenant=t1", "switch replaced")
	b.says(exitOK, []string{"why", "srv-3"}, "silence    "+id+" until ")
	b.says(exitOK, []string{"get", "bmcs", "--where", "silenced and health=unavailable"}, "Lz    srv-3", "silence until ")
	if out := b.says(exitOK, []string{"maintenance", "list", "-o", "json"}); out != "[]\n" {
		t.Errorf("%s", out)
	}
	b.says(exitOK, []string{"maintenance", "--where", "bmc=srv-3", "--from", "now+1h", "--for", "30d", "--reason", "rails", "--yes"}, ": maintenance of 1 BMC until ")
	b.says(exitOK, []string{"maintenance", "list", "--status", "waits"}, "waits", "from 2")
	if names := b.says(exitOK, []string{"get", "silences", "-o", "name"}); strings.Count(names, "\n") != 2 {
		t.Errorf("%s", names)
	}
	b.says(exitOK, []string{"silence", "end", id}, id+": ended")
	b.says(exitUsage, []string{"silence", "end", id}, "is over")
	b.says(exitUsage, []string{"silence", "end", "sil-0"}, `no silence with the ID "sil-0" is known`)
	if out := b.says(exitOK, []string{"get", "bmcs", "-o", "name", "--where", "silenced"}); out != "" {
		t.Errorf("%s", out)
	}
	for _, args := range [][]string{{"ack", "inc-0"}, {"why", "inc-0"}} {
		b.says(exitUsage, args, "inc-0")
	}
}

func TestASilenceThatLacksSomethingIsRefusedBeforeAnybodyIsAsked(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"silence", "--where", "rack=A01", "--reason", "x"}, "--for or --until: want when the silence ends; none holds for ever"},
		{[]string{"silence", "--where", "rack=A01", "--reason", "x", "--for", "1h", "--until", "now+1h"}, "want one of them"},
		{[]string{"silence", "--where", "rack=A01", "--for", "1h"}, "--reason: want why"},
		{[]string{"silence", "--for", "1h", "--reason", "x"}, "--where: want which BMCs"},
		{[]string{"maintenance", "--where", "rak=A01", "--for", "1h", "--reason", "x"}, "position 1: found \"rak\", want a field; is rack meant?\n  rak=A01\n  ^"},
		{[]string{"silence", "--where", "rack=A01", "--for", "long", "--reason", "x"}, `--for "long": want a time span`},
		{[]string{"silence", "--where", "rack=A01", "--until", "soon", "--reason", "x"}, `--until "soon": want a time`},
		{[]string{"silence", "ls"}, "unknown command"},
		{[]string{"silence", "end"}, "requires at least 1 arg"},
		{[]string{"silence", "list", "-o", "xml"}, "want one of table"},
		{[]string{"silence", "list", "--status", "open"}, "want one of holds, waits, over, all"},
		{[]string{"get", "bmcs", "--status", "open"}, "--status is for incidents and silences"},
		{[]string{"get", "silences", "--where", "rack=A01"}, "all are listed"},
		{[]string{"ack"}, "at least 1 BMC or incident"},
		{[]string{"ack", "srv-1", "--where", "rack=A01"}, "it takes no names beside"},
		{[]string{"ack", "srv-1", "--yes"}, "are for --where"},
		{[]string{"ack", "--where", "rack=A01", "--undo"}, "no --where"},
		{[]string{"ack", "--where", "rak=A01"}, "is rack meant?"},
	} {
		if out := lamplighter(t, append(test.args, "--api", "http://127.0.0.1:1")...); out.code != int(exitUsage) || !strings.Contains(out.stderr, test.want) || out.stdout != "" {
			t.Errorf("%q: %+v\nwant %s", test.args, out, test.want)
		}
	}
}

func TestOnlyAYesIsOne(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{"y\n": true, "YES\n": true, " y \n": true, "": false, "\n": false, "n\n": false, "yep\n": false, "y": true} {
		var asked strings.Builder
		if err := answered(strings.NewReader(text), &asked, "Sure?"); (err == nil) != want || !strings.HasPrefix(asked.String(), "Sure? [y/N] ") {
			t.Errorf("%q: %v %q", text, err, asked.String())
		}
	}
}
