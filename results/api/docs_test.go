package api

import (
	"bytes"
	"context"
	"errors"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
)

var (
	bashBlock = regexp.MustCompile("(?ms)^```bash\n(.*?)^```")
	called    = regexp.MustCompile(`http://127\.0\.0\.1:9618(/api/v1[^ '?]*)`)
	method    = regexp.MustCompile(`-X (PUT|POST|DELETE)`)
)

// TestEveryExampleOfTheDocsRuns runs each line of docs/api.md against the API, and holds the answers against openapi.yaml.
func TestEveryExampleOfTheDocsRuns(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("NOT TESTED: docs/api.md: there is no curl")
	}
	text, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	s := newSynced(t, "ams1", numbered(0, 10)...)
	s.says(numbered(0, 3)...)
	if _, err := s.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	digest := s.Report().Withheld.Digest
	f := newFleet(t, func(f *fleet) {
		f.inventories = s
		f.recheck = rechecker(func(_ context.Context, _ string, _ inventory.ID, _ string, each func(Step) error) error {
			return errors.Join(each(Step{Kind: "accepted", Satellite: "sat-a"}), each(Step{Kind: "done"}))
		})
	})
	f.good(0, 3, checks.Facts{"firmware": "2.9", "serial": "7XKQ1"})
	f.bad(1)
	round := get[results.Verdict](f, "/rounds/"+url.PathEscape(f.newest("bmc-00001"))).Round.String()
	placed := func(line string) string { // a silence is there once an example made it
		silence := ""
		if all := f.follower.Silences(); len(all) > 0 {
			silence = all[0].ID
		}
		return strings.NewReplacer("127.0.0.1:9618", f.address, "ROUND", url.PathEscape(round), "POSITION", get[snapshotOf](f, "/snapshot").Since,
			"/INCIDENT", "/"+f.incident("bmc-00001").ID, "/SILENCE", "/"+silence, "DIGEST", digest).Replace(line)
	}
	var shown []string
	for _, block := range bashBlock.FindAllStringSubmatch(string(text), -1) {
		for line := range strings.SplitSeq(strings.TrimSpace(block[1]), "\n") {
			shown = append(shown, f.example(line, placed(line)))
		}
	}
	for _, to := range routes {
		if !slices.Contains(shown, to.method+" "+to.path) {
			t.Errorf("docs/api.md has no example of %s %s", to.method, to.path)
		}
	}
}

// newest is the ID of a BMC's newest round.
func (f *fleet) newest(id inventory.ID) string {
	return f.follower.Live().Get(id).State.LastRound.String()
}

// example runs a line, and says which route it shows.
func (f *fleet) example(line, placed string) string {
	f.t.Helper()
	at := called.FindStringSubmatch(line)
	if at == nil {
		f.t.Fatalf("%s calls nothing", line)
	}
	how := "GET"
	if m := method.FindStringSubmatch(line); m != nil {
		how = m[1]
	}
	out, err := exec.Command("sh", "-c", placed+` -w '\n%{http_code} %{content_type}'`).Output()
	if exit := new(exec.ExitError); err != nil && !(errors.As(err, &exit) && exit.ExitCode() == 28 && strings.Contains(line, "/stream")) {
		f.t.Errorf("%s: %v\n%s", placed, err, out)
	}
	cut := bytes.LastIndexByte(out, '\n')
	status, kind, _ := strings.Cut(string(out[cut+1:]), " ")
	wanted := map[bool]string{true: "400"}[strings.Contains(line, "firmwar<")]
	if wanted == "" {
		wanted = map[string]string{"DELETE": "204"}[how]
	}
	if wanted == "" {
		wanted = "200"
	}
	if status != wanted {
		f.t.Errorf("%s: %s\n%.500s", placed, status, out)
	}
	number := map[string]int{"200": 200, "204": 204, "400": 400}[status]
	if err := openapi(f.t).hold(how, at[1], number, kind, bytes.TrimSpace(out[:cut])); err != nil {
		f.t.Errorf("%s: %v", placed, err)
	}
	i := slices.IndexFunc(routes, func(to route) bool { return to.method == how && matches(to.path, at[1]) })
	if i < 0 {
		f.t.Errorf("%s: no such route", line)
		return ""
	}
	return how + " " + routes[i].path
}
