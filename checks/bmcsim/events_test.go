package bmcsim

import (
	"net/http"
	"slices"
	"testing"
	"time"
)

// kinds are what the event log of f has, and whose sessions.
func kinds(t *testing.T, f *Fleet) (all []EventKind) {
	t.Helper()
	events, dropped := f.Events()
	open := map[string]bool{}
	for _, e := range events {
		all = append(all, e.Kind)
		switch e.Kind {
		case Login:
			open[e.Session] = true
		case Logout, Expired:
			if !open[e.Session] {
				t.Errorf("%+v ends a session that nobody opened", e)
			}
		}
		if e.BMC == "" || e.At.IsZero() || !e.Peer.IsValid() {
			t.Errorf("an event without BMC, time or peer: %+v", e)
		}
	}
	if dropped != 0 {
		t.Errorf("%d events dropped", dropped)
	}
	return all
}

func TestTheEventLogTellsWhoLoggedInAndOut(t *testing.T) {
	p := plan(1, 0)
	p.Events, p.SessionLife = 100, 500*time.Millisecond
	f := start(t, p)
	b := f.bmcs[0]
	c := dial(t, f, f.BMCs()[0], oldTLS(f))
	c.must(t, http.StatusUnauthorized, http.MethodPost, b.model.path, object{"UserName": username, "Password": "wrong"})
	location := c.login(t, b.model.path, b.password)
	c.must(t, http.StatusNoContent, http.MethodDelete, location, nil)
	want := []EventKind{Handshake, RefusedLogin, Login, Logout}
	if got := kinds(t, f); !slices.Equal(got, want) {
		t.Fatalf("logged %q, want %q", got, want)
	}
	c.login(t, b.model.path, b.password)
	eventually(t, "the session to expire", func() bool { return f.Counters().Total.Open == 0 })
	if got, want := kinds(t, f), append(want, Login, Expired); !slices.Equal(got, want) {
		t.Errorf("logged %q, want %q", got, want)
	}
}

func TestTheEventLogTellsOfIPMIToo(t *testing.T) {
	p := plan(1, 1)
	p.Events = 3
	f, err := NewFleet(p)
	if err != nil {
		t.Fatal(err)
	}
	c := &console{t: t, b: f.bmcs[0]}
	c.open()
	c.rakp1()
	right := c.e.user
	c.e.user = []byte("another")
	c.rakp3()
	c.e.user = right
	c.login()
	if c.b.outlive(c.e.managed, c.b.ipmi[c.e.managed], time.Now().Add(ipmiSessionLife-time.Second)) {
		t.Error("a session ended before its time")
	}
	c.b.outlive(c.e.managed, c.b.ipmi[c.e.managed], time.Now().Add(ipmiSessionLife+time.Second))
	c.login()
	events, dropped := f.Events()
	if len(events) != 3 || events[0].Kind != RefusedLogin || events[1].Kind != Login || events[2].Kind != Expired || events[1].Session != events[2].Session {
		t.Errorf("logged %+v", events)
	}
	if dropped != 1 {
		t.Errorf("%d events found no room, want 1", dropped)
	}
}
