package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"lamplighter/checks"
	"lamplighter/checks/bmcsim"
	"lamplighter/inventory"
	"lamplighter/results"
)

func TestGetListsWhatIsBelieved(t *testing.T) {
	t.Parallel()
	fleet := racks(t, 10)
	broken := fleet.one(t, inventory.Redfish)
	fleet.plant(t, broken.ID, bmcsim.WrongPassword)
	r, url := goRoundAnswering(t, fleet, 2*time.Second, "")
	get := func(args ...string) string {
		t.Helper()
		out := lamplighter(t, append([]string{"get", "--api", url}, args...)...)
		if out.code != 0 || out.stderr != "" {
			t.Fatalf("get %v: %+v", args, out)
		}
		return out.stdout
	}
	eventually(t, 40*time.Second, "all are listed, one is unavailable", func() bool {
		return strings.Count(get("bmcs", "-o", "name", "--where", "health=available"), "\n") == 9 &&
			get("bmcs", "-o", "name", "--where", "health=unavailable") == string(broken.ID)+"\n"
	})
	if table := get("bmcs", "--where", "firmware>0 and vendor!=nobody"); !strings.Contains(table, "FIRMWARE  VENDOR\n") || strings.Count(table, "\n") < 3 {
		t.Errorf("the facts that the filter asks for are not shown:\n%s", table)
	}
	var all []results.State
	if err := json.Unmarshal([]byte(get("bmcs", "-o", "json")), &all); err != nil || len(all) != 10 || all[0].Schema != results.StateSchema {
		t.Errorf("%v: %d BMCs", err, len(all))
	}
	for _, what := range []string{"bmcs", "sites", "racks", "changes"} { // incidents: TestAnIncidentIsListedExplainedAndAcknowledged
		rows, err := csv.NewReader(strings.NewReader(get(what, "-o", "csv"))).ReadAll()
		if names := strings.Count(get(what, "-o", "name"), "\n"); err != nil || len(rows) < names+1 || names == 0 {
			t.Errorf("%s: %v, %d rows as CSV, %d names", what, err, len(rows), names)
		}
		if table := get(what); len(strings.Split(table, "\n")) < 3 || table[0] < 'A' || table[0] > 'Z' {
			t.Errorf("%s: %s", what, table)
		}
		if none := get(what, "-o", "json", "--where", "bmc=nobody"); none != "[]\n" {
			t.Errorf("%s of nobody: %q", what, none)
		}
	}
	if sites := get("sites"); !strings.Contains(sites, "ams1") || !strings.Contains(sites, "auth.") {
		t.Error(sites)
	}
	if code := r.signal(t, os.Interrupt, 20*time.Second); code != 0 {
		t.Errorf("exit code %d: %s", code, r.stderr.String())
	}
	r.restart(t)
	url = r.answersAt(t)
	if names := get("bmcs", "-o", "name", "--where", "health=unavailable"); names != string(broken.ID)+"\n" {
		t.Errorf("after a restart: %q", names)
	}
}

// watching is lamplighter get --watch in this process until stop is called, which returns its exit code.
func watching(t *testing.T, args ...string) (out *lockedBuffer, stop func() int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out = &lockedBuffer{}
	ended := make(chan int, 1)
	go func() { ended <- execute(ctx, args, strings.NewReader(""), out, out) }()
	stop = func() int {
		cancel()
		return <-ended
	}
	t.Cleanup(cancel)
	return out, stop
}

func TestWatchPrintsWhatChangesAndComesBackAfterTheAPIWasAway(t *testing.T) {
	t.Parallel()
	fleet := racks(t, 10)
	config := freeAddress(t)
	r := goRound(t, fleet, 2*time.Second, "", config)
	url := r.answersAt(t)
	bmc := fleet.one(t, inventory.Redfish)
	eventually(t, 40*time.Second, "all are available", func() bool {
		return strings.Count(lamplighter(t, "get", "bmcs", "-o", "name", "--where", "health=available", "--api", url).stdout, "\n") == 10
	})
	rows, stopRows := watching(t, "get", "bmcs", "--watch", "--api", url)
	changes, stopChanges := watching(t, "get", "changes", "--watch", "-o", "json", "--api", url, "--where", "bmc="+string(bmc.ID))
	racks, stopRacks := watching(t, "get", "racks", "--watch", "-o", "csv", "--api", url)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("rows:\n%s\nchanges:\n%s\nracks:\n%s", rows.String(), changes.String(), racks.String())
		}
	})
	eventually(t, 20*time.Second, "what there is", func() bool {
		return strings.Count(rows.String(), "  available  ") >= 10 && strings.Contains(changes.String(), `"to":{"health":"available"`) && strings.Contains(racks.String(), `"ams1"`)
	})
	if code := r.signal(t, os.Kill, 20*time.Second); code != -1 {
		t.Errorf("exit code %d", code)
	}
	eventually(t, 20*time.Second, "it says that the API is away", func() bool { return strings.Contains(rows.String(), "trying again") })
	fleet.plant(t, bmc.ID, bmcsim.WrongPassword)
	r.restart(t)
	eventually(t, 60*time.Second, "the change", func() bool {
		return strings.Contains(rows.String(), "L  "+string(bmc.ID)+"  ams1") && strings.Contains(rows.String(), "unavailable  redfish-login  auth.") &&
			strings.Contains(changes.String(), `"to":{"health":"unavailable"`) && strings.Contains(racks.String(), "auth.")
	})
	for _, stop := range []func() int{stopRows, stopChanges, stopRacks} {
		if code := stop(); code != 0 {
			t.Errorf("exit code %d; %s", code, rows.String())
		}
	}
}

// freeAddress is one that nobody listens on just now.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func TestAMistakeInAQuestionIsShownBeforeAnybodyIsAsked(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"bmcs", "--where", "health=unavailable and firmwar<2"}, "position 24: found \"firmwar\", want a field; is firmware meant?\n  health=unavailable and firmwar<2\n                         ^"},
		{[]string{"bmc"}, `invalid argument "bmc"`},
		{[]string{}, "want one of bmcs, sites, racks, changes, incidents, silences, got 0"},
		{[]string{"bmcs", "-o", "xml"}, "want one of table, json, csv, name"},
		{[]string{"bmcs", "--from", "now-1h"}, "--from and --to are for changes"},
		{[]string{"changes", "--from", "yesterday"}, `--from "yesterday": want a time`},
		{[]string{"changes", "--watch", "--to", "now"}, "it has no --to"},
		{[]string{"bmcs", "--api", "10.0.0.1:9618"}, "want http://host:port"},
		{[]string{"bmcs", "--api", "http://u:p@10.0.0.1"}, "want http://host:port"},
		{[]string{"bmcs", "--token-file", "/nope"}, "--token-file: "},
		{[]string{"bmcs", "--token-file", "t", "--api", "http://10.0.0.1:9618"}, "a token goes over https://"},
	} {
		if out := lamplighter(t, append([]string{"get"}, test.args...)...); out.code != int(exitUsage) || !strings.Contains(out.stderr, test.want) || out.stdout != "" {
			t.Errorf("get %q: %+v\nwant %s", test.args, out, test.want)
		}
	}
	if out := lamplighter(t, "get", "bmcs", "--api", "http://127.0.0.1:1"); out.code != int(exitUnknown) || !strings.Contains(out.stderr, "is lamplighter results, all or demo running there?") || out.stdout != "" {
		t.Errorf("%+v", out)
	}
}

func TestATokenLetsInWhoShowsItUntilItIsRevoked(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "tokens")
	token := func(args ...string) outcome {
		return lamplighter(t, append([]string{"token"}, append(args, "--tokens", file)...)...)
	}
	made := token("create", "wallboard")
	operator := token("create", "on-call", "--scope", "operator", "--valid", "12h")
	if made.code != 0 || !strings.HasPrefix(made.stdout, "lamp_") || operator.code != 0 || strings.Contains(readFile(t, file), strings.TrimSpace(made.stdout)) {
		t.Fatalf("%+v %+v", made, operator)
	}
	for _, args := range [][]string{{"create", "wallboard"}, {"create", "x", "--scope", "root"}, {"create", "x", "--valid", "soon"}, {"create", ""}, {"revoke", "nobody"}} {
		if out := token(args...); out.code != int(exitUsage) || out.stdout != "" {
			t.Errorf("%v: %+v", args, out)
		}
	}
	fleet := racks(t, 5)
	dir := t.TempDir()
	r := goRound(t, fleet, 2*time.Second, "", `0.0.0.0:0", tokens: "`+file)
	url := strings.NewReplacer("[::]", "127.0.0.1", "0.0.0.0", "127.0.0.1").Replace(r.answersAt(t))
	as := func(secret string, args ...string) outcome {
		path := filepath.Join(dir, secret[len(secret)-5:])
		write(t, path, secret+"\n")
		return lamplighter(t, append(args, "--api", url, "--token-file", path)...)
	}
	viewer, person := strings.TrimSpace(made.stdout), strings.TrimSpace(operator.stdout)
	eventually(t, 30*time.Second, "all are listed", func() bool { return strings.Count(as(viewer, "get", "bmcs", "-o", "name").stdout, "\n") == 5 })
	bmc := string(fleet.BMCs()[0].ID)
	if out := as(viewer, "ack", bmc); out.code != int(exitUsage) || !strings.Contains(out.stderr, "wallboard is a viewer") {
		t.Errorf("%+v", out)
	}
	for _, args := range [][]string{{"ack", "--where", "rack~A", "--yes"}, {"silence", "--where", "rack~A", "--for", "1h", "--reason", "x", "--yes"}} {
		if out := as(viewer, args...); out.code != int(exitUsage) || !strings.Contains(out.stderr, "wallboard is a viewer; this wants an operator") {
			t.Errorf("%v: %+v", args, out)
		}
	}
	if out := as(person, "ack", bmc, "--text", "x"); out.code != 0 || !strings.Contains(out.stdout, "acknowledged by on-call") {
		t.Errorf("%+v", out)
	}
	if out := lamplighter(t, "get", "bmcs", "--api", url); out.code != int(exitUsage) || !strings.Contains(out.stderr, "--token-file shows one") {
		t.Errorf("%+v", out)
	}
	if out := as("lamp_of-nobody", "get", "bmcs"); out.code != int(exitUsage) || !strings.Contains(out.stderr, "the token is not known, or has expired\n") {
		t.Errorf("a token was shown: %+v", out)
	}
	if out := token("revoke", "wallboard"); out.code != 0 {
		t.Errorf("%+v", out)
	}
	eventually(t, 10*time.Second, "it is worthless", func() bool { return as(viewer, "get", "bmcs").code == int(exitUsage) })
	if out := token("list"); out.code != 0 || strings.Contains(out.stdout, "wallboard") || !strings.Contains(out.stdout, "on-call  operator") || strings.Contains(out.stdout, "lamp_") {
		t.Errorf("%+v", out)
	}
	if out := as(person, "get", "bmcs", "-o", "name"); out.code != 0 {
		t.Errorf("the other token: %+v", out)
	}
	if all := r.stderr.String(); strings.Contains(all, viewer) || strings.Contains(all, person) || slices.Contains(strings.Fields(all), string(checks.SelfError)) {
		t.Error("the log has a token")
	}
}
