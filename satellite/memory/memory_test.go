package memory

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"lamplighter/checks"
	"lamplighter/checks/peers"
	"lamplighter/inventory"
)

func TestMain(m *testing.M) {
	if path := os.Getenv("LAMPLIGHTER_TEST_INTEND"); path != "" {
		intendAndHang(path)
	}
	goleak.VerifyTestMain(tests{m})
}

type tests struct{ *testing.M }

func (t tests) Run() int {
	defer peers.EndShared()
	return t.M.Run()
}

var start = time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)

func round(why checks.Why) checks.Round { return checks.Round{BMC: "a", Due: start, Why: why} }

func TestDecide(t *testing.T) {
	fence := func(tries int, final bool, refused bool) Fence {
		f := Fence{Credential: "c", Version: "v1", Tries: tries, Until: start.Add(time.Hour), Final: final}
		if refused {
			f.At = start
		}
		return f
	}
	held := hold{Version: "v1", Until: start.Add(time.Hour)}
	const soon, later = time.Minute, 2 * time.Hour
	for name, test := range map[string]struct {
		fence   Fence
		hold    hold
		version string
		why     checks.Why
		after   time.Duration
		want    Decision
	}{
		"nothing is known":                              {Fence{}, hold{}, "v1", checks.Routine, 0, Allowed},
		"refused once, within the pause":                {fence(1, false, true), hold{}, "v1", checks.Routine, soon, Fenced},
		"refused once, a confirmation does not hurry":   {fence(1, false, true), hold{}, "v1", checks.Confirm, soon, Fenced},
		"refused once, after the pause":                 {fence(1, false, true), hold{}, "v1", checks.Routine, later, Allowed},
		"refused twice":                                 {fence(2, true, true), hold{}, "v1", checks.Routine, later, Fenced},
		"refused twice, a person asks":                  {fence(2, true, true), hold{}, "v1", checks.Person, soon, Allowed},
		"refused twice, another version":                {fence(2, true, true), hold{}, "v2", checks.Routine, soon, Allowed},
		"a crash within the pause":                      {fence(1, false, false), hold{}, "v1", checks.Routine, soon, Unsure},
		"a crash, after the pause":                      {fence(1, false, false), hold{}, "v1", checks.Routine, later, Allowed},
		"two crashes":                                   {fence(2, true, false), hold{}, "v1", checks.Routine, later, Unsure},
		"the group is stopped":                          {Fence{}, held, "v1", checks.Routine, soon, GroupStopped},
		"the group is stopped, a person asks":           {Fence{}, held, "v1", checks.Person, soon, Allowed},
		"the group is stopped, another version":         {Fence{}, held, "v2", checks.Routine, soon, Allowed},
		"the group was stopped":                         {Fence{}, held, "v1", checks.Routine, later, Allowed},
		"the group is stopped, but this BMC refused it": {fence(1, false, true), held, "v1", checks.Routine, soon, Fenced},
	} {
		t.Run(name, func(t *testing.T) {
			if got := decide(test.fence, test.hold, "c", test.version, test.why, start.Add(test.after)); got.Decision != test.want {
				t.Errorf("got %d, want %d", got.Decision, test.want)
			}
		})
	}
}

func open(t *testing.T, path string) *Memory {
	t.Helper()
	m, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m
}

// login does what an actor does: begin, and when allowed, end with o.
func login(t *testing.T, m *Memory, at time.Time, id inventory.ID, version string, why checks.Why, o Outcome) Decision {
	t.Helper()
	r := checks.Round{BMC: id, Due: at, Why: why}
	attempt, permit, err := m.Begin(context.Background(), at, id, "c", version, r)
	if err != nil {
		t.Fatal(err)
	}
	if permit.Decision == Allowed {
		if _, err := attempt.End(context.Background(), at, o); err != nil {
			t.Fatal(err)
		}
	}
	return permit.Decision
}

func TestLoginsOverTime(t *testing.T) {
	type step struct {
		after   time.Duration
		version string
		why     checks.Why
		outcome Outcome
		want    Decision
	}
	const r, p = checks.Routine, checks.Person
	for name, test := range map[string]struct {
		unconfirmed bool
		steps       []step
	}{
		"a wrong password costs two logins": {false, []step{
			{0, "1", r, Refused, Allowed}, {29 * time.Minute, "1", r, Refused, Fenced},
			{61 * time.Minute, "1", r, Refused, Allowed}, {10 * time.Hour, "1", r, Refused, Fenced}, {1000 * time.Hour, "1", r, Refused, Fenced}}},
		"where the account locks at two it costs one": {true, []step{
			{0, "1", r, Refused, Allowed}, {10 * time.Hour, "1", r, Refused, Fenced}}},
		"a right password after the pause clears the fence": {false, []step{
			{0, "1", r, Refused, Allowed}, {61 * time.Minute, "1", r, Accepted, Allowed},
			{62 * time.Minute, "1", r, Refused, Allowed}, {63 * time.Minute, "1", r, Refused, Fenced}}},
		"another version starts anew": {false, []step{
			{0, "1", r, Refused, Allowed}, {61 * time.Minute, "1", r, Refused, Allowed}, {62 * time.Minute, "2", r, Refused, Allowed}, {63 * time.Minute, "2", r, Refused, Fenced}}},
		"a person's refused login is final": {false, []step{
			{0, "1", r, Refused, Allowed}, {time.Minute, "1", p, Refused, Allowed}, {10 * time.Hour, "1", r, Refused, Fenced}}},
		"a person's accepted login clears what was final": {false, []step{
			{0, "1", r, Refused, Allowed}, {61 * time.Minute, "1", r, Refused, Allowed}, {3 * time.Hour, "1", p, Accepted, Allowed}, {4 * time.Hour, "1", r, Accepted, Allowed}}},
		"silence is no refusal": {false, []step{
			{0, "1", r, None, Allowed}, {time.Minute, "1", r, None, Allowed}, {2 * time.Minute, "1", r, None, Allowed}, {3 * time.Minute, "1", r, Accepted, Allowed}}},
		"silence leaves a fence as it was": {false, []step{
			{0, "1", r, Refused, Allowed}, {61 * time.Minute, "1", r, None, Allowed}, {62 * time.Minute, "1", r, Refused, Allowed}, {10 * time.Hour, "1", r, None, Fenced}}},
	} {
		t.Run(name, func(t *testing.T) {
			for kind, path := range map[string]string{"volatile": "", "file": filepath.Join(t.TempDir(), "m")} {
				m := open(t, path)
				m.Rule.Confirm = !test.unconfirmed
				for i, s := range test.steps {
					if got := login(t, m, start.Add(s.after), "a", s.version, s.why, s.outcome); got != s.want {
						t.Errorf("%s, step %d: got %d, want %d", kind, i+1, got, s.want)
					}
				}
			}
		})
	}
}

func TestClearLetsTheNextLoginTry(t *testing.T) {
	m := open(t, "")
	login(t, m, start, "a", "1", checks.Routine, Refused)
	if err := m.Clear(context.Background(), "a"); err != nil {
		t.Fatal(err)
	}
	if got := login(t, m, start, "a", "1", checks.Routine, Refused); got != Allowed {
		t.Errorf("after the clear: %d, want allowed", got)
	}
}

func TestGroupStops(t *testing.T) {
	for name, test := range map[string]struct {
		accepted, refused int
		want              Decision
	}{
		"four refusals are not enough":                {0, 4, Allowed},
		"five refusals of five":                       {0, 5, GroupStopped},
		"five refusals of twenty-five are a fifth":    {20, 5, GroupStopped},
		"five refusals of twenty-six are not a fifth": {21, 5, Allowed},
	} {
		t.Run(name, func(t *testing.T) {
			m := open(t, filepath.Join(t.TempDir(), "m"))
			for i := range test.accepted {
				login(t, m, start, inventory.ID(fmt.Sprint("ok", i)), "1", checks.Routine, Accepted)
			}
			for i := range test.refused {
				login(t, m, start.Add(time.Minute), inventory.ID(fmt.Sprint("bad", i)), "1", checks.Routine, Refused)
			}
			if got := login(t, m, start.Add(2*time.Minute), "other", "1", checks.Routine, None); got != test.want {
				t.Errorf("got %d, want %d", got, test.want)
			}
			if got := login(t, m, start.Add(2*time.Minute), "other", "2", checks.Routine, None); got != Allowed {
				t.Errorf("another version: got %d, want allowed", got)
			}
		})
	}
}

func TestRefusalsLongAgoStopNoGroup(t *testing.T) {
	m := open(t, "")
	for i := range 10 {
		at := start.Add(time.Duration(i) * 3 * time.Minute)
		if got := login(t, m, at, inventory.ID(fmt.Sprint(i)), "1", checks.Routine, Refused); got != Allowed {
			t.Errorf("login %d: got %d, want allowed: only 4 refusals lie within 10 min", i, got)
		}
	}
}
