package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/satellite/bus"
	"lamplighter/satellite/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// site is some desks on one bus; a round has two results and takes two seconds.
type site struct {
	t      *testing.T
	bus    *bus.Memory
	memory *memory.Memory
	log    lines

	mu     sync.Mutex
	owner  string
	rounds map[string]int // by satellite
	desks  map[string]func()
}

type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func newSite(t *testing.T, satellites ...string) *site {
	remembered, err := memory.Open("")
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, bus: new(bus.Memory), memory: remembered, rounds: map[string]int{}, desks: map[string]func(){}}
	for _, name := range satellites {
		s.open(name)
	}
	if len(satellites) > 0 {
		s.own(satellites[0])
	}
	t.Cleanup(func() {
		for _, name := range satellites {
			s.close(name)
		}
	})
	return s
}

func (s *site) open(name string) {
	var d *Desk
	d = NewDesk(Config{
		Site: "ams1", Satellite: name, Bus: s.bus, Memory: s.memory, Log: slog.New(slog.NewTextHandler(&s.log, nil)),
		Owner: func(inventory.ID) (string, bool) {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.owner, s.owner != ""
		},
		Request: func(ctx context.Context, bmc inventory.ID, why checks.Why) (results.Verdict, error) {
			return s.round(ctx, d, bmc, why)
		},
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.desks[name] = func() {
		cancel()
		if err := <-ended; err != nil {
			s.t.Error(err)
		}
	}
}

func (s *site) close(name string) {
	s.mu.Lock()
	closeDesk := s.desks[name]
	delete(s.desks, name)
	s.mu.Unlock()
	if closeDesk != nil {
		closeDesk()
	}
}

func (s *site) own(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.owner = name
}

func (s *site) round(ctx context.Context, d *Desk, bmc inventory.ID, why checks.Why) (results.Verdict, error) {
	s.mu.Lock()
	s.rounds[d.Satellite]++
	s.mu.Unlock()
	if bmc == "nobody" {
		return results.Verdict{}, errors.New("no BMC with this ID: nobody")
	}
	round := checks.Round{BMC: bmc, Due: time.Now(), Why: why}
	v := results.Verdict{BMC: bmc, Round: round, Health: checks.Available}
	for _, name := range []checks.Name{"ping", "tls"} {
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return v, ctx.Err()
		}
		r := checks.Result{Check: name, Outcome: checks.OK}
		v.Trail = append(v.Trail, r)
		d.Observe(round, r)
	}
	if bmc == "slow" {
		select {
		case <-time.After(2 * time.Minute):
		case <-ctx.Done():
			return v, ctx.Err()
		}
	}
	return v, nil
}

// ask asks, and lists the answers as they came, with the seconds that they took.
func (s *site) ask(r Request) (answers []string, err error) {
	r.Who = "ada@desk"
	began := time.Now()
	err = Ask(s.t.Context(), s.bus, "ams1", r, func(a Answer) error {
		line := fmt.Sprintf("%.0f %s %s", time.Since(began).Seconds(), a.Satellite, a.Kind)
		if a.Result != nil {
			line += " " + string(a.Result.Check)
		}
		answers = append(answers, line)
		return nil
	})
	return answers, err
}

func (s *site) want(r Request, want ...string) {
	s.t.Helper()
	if got, err := s.ask(r); err != nil || !slices.Equal(got, want) {
		s.t.Errorf("%+v was answered\n%s\n%v; want\n%s\nlog: %s", r, strings.Join(got, "\n"), err, strings.Join(want, "\n"), s.log.String())
	}
}

func TestTheOwnerChecksAgainAndTellsEachResultAsItComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, "sat-a", "sat-b", "sat-c")
		for range 5 { // whichever satellite the request comes to
			s.want(Request{Kind: Recheck, BMC: "bmc-1"}, "0 sat-a accepted", "1 sat-a result ping", "2 sat-a result tls", "2 sat-a verdict", "2 sat-a done")
		}
		for _, word := range []string{"who=ada@desk", "kind=recheck", "bmc=bmc-1", "request=", "bmc-1 is available"} {
			if !strings.Contains(s.log.String(), word) {
				t.Errorf("the log does not say %s: %s", word, s.log.String())
			}
		}
	})
}

func TestARequestFindsTheNextOwnerWhenItsOwnerIsDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, "sat-a", "sat-b")
		s.own("sat-c") // nobody receives there
		go func() {
			time.Sleep(5 * time.Second)
			s.own("sat-b")
		}()
		got, err := s.ask(Request{Kind: Recheck, BMC: "bmc-1"})
		if err != nil || len(got) != 5 || !strings.Contains(got[0], "sat-b accepted") || s.rounds["sat-a"] != 0 {
			t.Errorf("%q, %v", got, err)
		}
	})
}

func TestWhatIsRefusedSaysWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, "sat-a")
		_, err := s.ask(Request{Kind: Recheck, BMC: "nobody"})
		if refused := new(Refused); !errors.As(err, &refused) || !strings.Contains(err.Error(), "sat-a: check nobody again: no BMC") {
			t.Error(err)
		}
		s.want(Request{Kind: Stop, Text: "flood in room 3"}, "0 sat-a done")
		if _, err := s.ask(Request{Kind: Recheck, BMC: "bmc-1"}); err == nil || !strings.Contains(err.Error(), "stopped since") || !strings.Contains(err.Error(), "flood") {
			t.Error(err)
		}
		if _, err := s.ask(Request{Kind: FenceClear}); err == nil || !strings.Contains(err.Error(), "either a BMC or a credential") {
			t.Error(err)
		}
	})
}

func TestFencesAreListedAndClearedAndTheSwitchIsTurned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, "sat-a")
		round := checks.Round{BMC: "bmc-9", Why: checks.Routine}
		if a, _, err := s.memory.Begin(t.Context(), time.Now(), "bmc-9", "default", "1", round); err != nil {
			t.Fatal(err)
		} else if _, err := a.End(t.Context(), time.Now(), memory.Refused); err != nil {
			t.Fatal(err)
		}
		err := Ask(t.Context(), s.bus, "ams1", Request{Kind: FenceList, Who: "ada"}, func(a Answer) error {
			if a.Kind == Fences && (len(a.Fences) != 1 || a.Fences[0].BMC != "bmc-9" || a.Fences[0].Tries != 1) {
				t.Errorf("fences: %+v", a.Fences)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		s.want(Request{Kind: FenceList}, "0 sat-a fences", "0 sat-a done")
		s.want(Request{Kind: Stop, Text: "flood"}, "0 sat-a done")
		if stop := s.memory.Stopped(); !stop.On || stop.By != "ada@desk: flood" {
			t.Errorf("%+v", stop)
		}
		s.want(Request{Kind: Go}, "0 sat-a done")
		if s.memory.Stopped().On {
			t.Error("still stopped")
		}
		s.want(Request{Kind: FenceClear, Credential: "default"}, "0 sat-a done")
		login := func() memory.Decision {
			_, permit, err := s.memory.Begin(t.Context(), time.Now(), "bmc-2", "default", "1", checks.Round{BMC: "bmc-2", Why: checks.Routine})
			if err != nil {
				t.Fatal(err)
			}
			return permit.Decision
		}
		if login() != memory.Allowed || login() == memory.Allowed {
			t.Fatal("want one login allowed, and no second one while its outcome is not known")
		}
		s.want(Request{Kind: FenceClear, BMC: "bmc-2"}, "0 sat-a done")
		if login() != memory.Allowed {
			t.Error("the fence still stands")
		}
	})
}

func TestALongRoundIsReportedOnAndAnUnansweredRequestExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, "sat-a")
		got, err := s.ask(Request{Kind: Recheck, BMC: "slow"})
		if err != nil || len(got) < 14 || !strings.HasSuffix(got[len(got)-1], "done") {
			t.Errorf("%q, %v", got, err)
		}
		s.close("sat-a")
		began := time.Now()
		if _, err := s.ask(Request{Kind: Stop}); err == nil || !strings.Contains(err.Error(), "no satellite answered") || time.Since(began) > 36*time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		s.open("sat-a")
		synctest.Wait()
		if s.memory.Stopped().On {
			t.Error("an expired request was done")
		}
		if !strings.Contains(s.log.String(), "request expired") {
			t.Errorf("the log says nothing of it: %s", s.log.String())
		}
	})
}

func TestAProcessThatSyncsDoesWhatIsAskedOfItsInventoryAndNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, "sat-a")
		var asked []Request
		d := NewDesk(Config{Site: "ams1", Satellite: "inventory", Bus: s.bus, Log: slog.New(slog.DiscardHandler), Inventory: func(_ context.Context, r Request) (string, error) {
			asked = append(asked, r)
			if r.Digest == "old" {
				return "", errors.New("what is withheld is another by now")
			}
			return "30 removed", nil
		}})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- d.Run(ctx) }()
		s.want(Request{Kind: InventoryApprove, Digest: "abc"}, "0 inventory accepted", "0 inventory done")
		if _, err := s.ask(Request{Kind: InventoryApprove, Digest: "old"}); err == nil || !strings.Contains(err.Error(), "another by now") {
			t.Error(err)
		}
		if _, err := s.ask(Request{Kind: InventoryApprove}); err == nil || !strings.Contains(err.Error(), "want the digest") {
			t.Error(err)
		}
		s.want(Request{Kind: Stop}, "0 sat-a done") // it is the satellites' to do
		if len(asked) != 2 || asked[0].Who != "ada@desk" || asked[0].Digest != "abc" {
			t.Errorf("%+v", asked)
		}
		body, err := json.Marshal(Request{ID: "x", Kind: Stop, Who: "ada", Expires: time.Now().Add(TimeToLive), Reply: bus.Reply("x")})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.work(t.Context(), Request{Kind: Stop}); err == nil || d.take(t.Context(), bus.Message{Body: body}) != nil {
			t.Error("a process that syncs stopped a site")
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestWhoStoppedASiteIsWrittenDownAndWhoOnlyLookedIsNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		var did []results.Act
		d := NewDesk(Config{Site: "ams1", Satellite: "sat-a", Bus: s.bus, Memory: s.memory, Log: slog.New(slog.DiscardHandler), Did: func(_ context.Context, r Request) error {
			did = append(did, r.Act("ams1", time.Now()))
			return errors.New("the disk is full") // it is done all the same
		}})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- d.Run(ctx) }()
		s.want(Request{Kind: FenceList}, "0 sat-a fences", "0 sat-a done")
		s.want(Request{Kind: Stop, Text: "flood"}, "0 sat-a done")
		s.want(Request{Kind: Go}, "0 sat-a done")
		s.want(Request{Kind: FenceClear, BMC: "bmc-1"}, "0 sat-a done")
		s.want(Request{Kind: FenceClear, Credential: "default"}, "0 sat-a done")
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		var got []string
		for _, a := range did {
			got = append(got, fmt.Sprintf("%s %s %s %s", a.Do, a.Who, a.BMC, a.Note))
		}
		want := []string{"stop ada@desk  flood", "go ada@desk  ", "fence_clear ada@desk bmc-1 ", "fence_clear ada@desk  credential default"}
		if !slices.Equal(got, want) || did[0].ID == "" || did[0].ID == did[1].ID {
			t.Errorf("%q", got)
		}
	})
}

func TestADuplicateDoesNothingTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, "sat-a")
		r := Request{ID: "one", Kind: Recheck, BMC: "bmc-1", Who: "ada", Expires: time.Now().Add(TimeToLive), Reply: bus.Reply("one")}
		for range 3 {
			if err := send(t.Context(), s.bus, Mailbox("ams1"), "", r); err != nil {
				t.Fatal(err)
			}
			time.Sleep(5 * time.Second)
		}
		synctest.Wait()
		if s.rounds["sat-a"] != 1 {
			t.Errorf("%d rounds for one request", s.rounds["sat-a"])
		}
	})
}

func TestAnotherSatelliteTakesWhatAShutdownCutShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, "sat-a", "sat-b")
		go func() {
			time.Sleep(1500 * time.Millisecond)
			s.own("sat-b")
			s.close("sat-a")
		}()
		got, err := s.ask(Request{Kind: Recheck, BMC: "bmc-1"})
		if err != nil || !strings.Contains(got[len(got)-1], "sat-b done") {
			t.Errorf("%q, %v", got, err)
		}
	})
}

func TestNoRequestHasAnswersSentAmongTasks(t *testing.T) {
	good := Request{ID: "one", Kind: FenceList, Who: "ada", Expires: time.Now(), Reply: bus.Reply("one")}
	for name, change := range map[string]func(*Request){
		"another mailbox":  func(r *Request) { r.Reply = "ams1.ping" },
		"another's":        func(r *Request) { r.Reply = bus.Reply("two") },
		"no kind":          func(r *Request) { r.Kind = "" },
		"an answer's kind": func(r *Request) { r.Kind = Done },
		"nobody asks":      func(r *Request) { r.Who = "" },
		"a line break":     func(r *Request) { r.Who = "ada\nroot" },
		"never expires":    func(r *Request) { r.Expires = time.Time{} },
		"a long reason":    func(r *Request) { r.Text = strings.Repeat("x", maxWord+1) },
		"no BMC":           func(r *Request) { r.Kind = Recheck },
	} {
		r := good
		change(&r)
		body, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := decode(body); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	body, _ := json.Marshal(good)
	if _, err := decode(body); err != nil {
		t.Error(err)
	}
}

func TestGarbageGoesToTheDead(t *testing.T) {
	d := NewDesk(Config{})
	if err := d.take(t.Context(), bus.Message{Body: []byte("garbage")}); !bus.Rejected(err) {
		t.Error(err)
	}
}

func FuzzRequest(f *testing.F) {
	f.Add([]byte(`{"id":"1","kind":"recheck","who":"ada","bmc":"b","expires":"2026-01-02T03:04:05Z","reply":"reply.1"}`))
	f.Add([]byte(`{"id":"1","kind":"fence_clear","who":"ada","credential":"c","expires":"2026-01-02T03:04:05Z","reply":"reply.1","hops":3}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := decode(body)
		if err != nil {
			return
		}
		if r.Reply != bus.Reply(r.ID) || !r.Reply.IsReply() {
			t.Fatalf("answers go to %q", r.Reply)
		}
	})
}
