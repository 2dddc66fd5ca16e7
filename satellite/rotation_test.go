package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"lamplighter/checks"
	"lamplighter/checks/bmcsim"
	"lamplighter/inventory"
)

// rotationKeyring writes the keyring of a simulated fleet as it is before, during and after a rotation. A BMC that got WrongPassword planted
// has the new one.
func (s simulated) rotationKeyring(t *testing.T, old map[string]inventory.Credentials, write func(c inventory.Credentials, next string) string) {
	t.Helper()
	var text strings.Builder
	text.WriteString("credentials:\n")
	for name, c := range old {
		fmt.Fprintf(&text, "  %q:\n    username: %q\n%s", name, c.Username, write(c, "not-"+c.Password.Reveal()[:12]))
	}
	made := s.file("keyring.new")
	if err := os.WriteFile(made, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(made, s.file("keyring.yaml")); err != nil {
		t.Fatal(err)
	}
}

// The passwords of many BMCs are changed, a tenth at a time, while they are checked: first the keyring is told what is next, then the BMCs are
// changed, then it is told that it is done.
func TestARotationUnderRunningChecksLocksNobodyOut(t *testing.T) {
	bmcs, interval := 100, 4*time.Second
	if os.Getenv("LAMPLIGHTER_LONG") != "" {
		bmcs, interval = 500, 10*time.Second
	}
	w := watch(t, bmcsim.Plan{Seed: 1, Shared: true, Sites: []bmcsim.Site{{Name: "ams1", BMCs: bmcs, PerRack: 20}}}, func(_ simulated, tour *tour) { tour.config.Interval = interval })
	keyring, err := inventory.OpenKeyring(w.file("keyring.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	old := map[string]inventory.Credentials{}
	for _, name := range inventory.Logins(w.BMCs()) {
		if old[name], err = keyring.Credentials(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	before := w.Counters()
	unavailable := w.noteUnavailable(t)

	w.rotationKeyring(t, old, func(c inventory.Credentials, next string) string {
		return fmt.Sprintf("    password: %q\n    next_password: %q\n", c.Password.Reveal(), next)
	})
	tenth := time.NewTicker(interval / 5) // as long as whoever rotates takes for a tenth
	defer tenth.Stop()
	for i, b := range w.BMCs() {
		if i%(bmcs/10) == 0 {
			<-tenth.C
		}
		w.plant(t, b.ID, bmcsim.WrongPassword)
	}
	refused := func(id inventory.ID) int64 { return w.Counters().BMCs[id].Refused - before.BMCs[id].Refused }
	eventually(t, 90*time.Second, "all have refused the old one once", func() bool {
		now := w.Counters()
		return now.Total.Refused-before.Total.Refused >= int64(len(w.BMCs()))
	})
	w.rotationKeyring(t, old, func(_ inventory.Credentials, next string) string { return fmt.Sprintf("    password: %q\n", next) })
	logins := w.Counters().Total.Logins
	eventually(t, 90*time.Second, "two more rounds of each", func() bool { return w.Counters().Total.Logins-logins >= 2*int64(len(w.BMCs())) })

	for _, b := range w.BMCs() {
		if n := refused(b.ID); n > 1 {
			t.Errorf("%s refused %d logins", b.ID, n)
		}
	}
	all, _ := w.Live().All()
	for _, b := range all {
		if b.State.Health != checks.Available {
			t.Errorf("%s is %s by %q", b.State.BMC, b.State.Health, b.State.Reason)
		}
	}
	for id, reason := range unavailable() {
		t.Errorf("%s was unavailable by %q", id, reason)
	}
	w.noneElse(t, 0)
}

// noteUnavailable notes who is ever believed to be unavailable, until it is asked.
func (w *watched) noteUnavailable(t *testing.T) func() map[inventory.ID]checks.Reason {
	t.Helper()
	found := map[inventory.ID]checks.Reason{}
	_, deltas, leave := w.Live().Subscribe()
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() {
		for {
			select {
			case d, ok := <-deltas:
				if !ok {
					t.Error("what is believed came faster than it was noted")
					return
				}
				for _, b := range d.BMCs {
					if b.State.Health == checks.Unavailable {
						found[b.State.BMC] = b.State.Reason
					}
				}
			case <-ctx.Done():
				return
			}
		}
	})
	return func() map[inventory.ID]checks.Reason {
		cancel()
		group.Wait()
		leave()
		return found
	}
}
