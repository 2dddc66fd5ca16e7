package actor_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
)

// rotated is a keyring whose credential is being changed, and BMCs that each take one version of it.
type rotated struct {
	mu    sync.Mutex
	now   inventory.Credentials
	takes map[inventory.ID]string
	tried map[string]int // by BMC and version
}

func (r *rotated) Credentials(_ context.Context, name string) (inventory.Credentials, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.now
	c.Name = name
	return c, nil
}

func (r *rotated) set(versions ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	made := func(version string) inventory.Credentials {
		return inventory.Credentials{Username: "u", Password: inventory.NewSecret(version), Version: version}
	}
	r.now = made(versions[0])
	if len(versions) > 1 {
		next := made(versions[1])
		r.now.Next = &next
	}
}

func (r *rotated) run(_ context.Context, v *checks.Visit) (checks.Finding, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tried[string(v.BMC.ID)+" "+v.Login.Version]++
	if r.takes[v.BMC.ID] != v.Login.Version {
		return checks.Finding{}, checks.Blame(checks.AuthRejected, errors.New("log in: 401"))
	}
	return checks.Finding{}, nil
}

func TestWhileACredentialIsChangedABMCRefusesOneLoginAndNobodyIsToldOfIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const bmcs = 30
		var all []inventory.ID
		for i := range bmcs {
			all = append(all, inventory.ID(fmt.Sprintf("b%02d", i)))
		}
		r := &rotated{takes: map[inventory.ID]string{}, tried: map[string]int{}}
		s := newSite(t, loginChain(r.run), all...)
		s.Logins.Keyring = r
		stop := s.run(t, 4)
		round := 0
		ask := func() {
			for _, id := range all {
				s.send(t, s.task(id, round, checks.Routine))
			}
			round++
			pass(time.Minute)
		}
		takes := func(version string, which []inventory.ID) {
			r.mu.Lock()
			defer r.mu.Unlock()
			for _, id := range which {
				r.takes[id] = version
			}
		}
		takes("old", all)
		r.set("old")
		ask()
		r.set("old", "new") // told before the first BMC is changed
		ask()
		for i := range 3 { // ten at a time: more than would stop a credential
			takes("new", all[i*10:(i+1)*10])
			ask()
			ask()
		}
		r.set("new") // it is done
		ask()
		stop()
		for _, v := range s.verdicts {
			if v.Health != checks.Available {
				t.Fatalf("%s: %s by %q", v.Round, v.Health, v.Reason)
			}
		}
		for i, id := range all {
			refused := 1 // of the old one, by a BMC that had the new one
			if old, want := r.tried[string(id)+" old"], 2+i/10*2+refused; old != want {
				t.Errorf("%s was asked %d times with the old version, want %d", id, old, want)
			}
		}
	})
}

// oneRotated asks a BMC twenty times, a minute apart, while its credential is being changed.
func oneRotated(t *testing.T, takes string) (r *rotated, verdicts []results.Verdict) {
	t.Helper()
	r = &rotated{takes: map[inventory.ID]string{"a": takes}, tried: map[string]int{}}
	r.set("old", "new")
	s := newSite(t, loginChain(r.run), "a")
	s.Logins.Keyring = r
	stop := s.run(t, 4)
	for i := range 20 {
		s.send(t, s.task("a", i, checks.Routine))
		pass(time.Minute)
	}
	stop()
	return r, s.verdicts
}

func TestABMCThatRefusesBothVersionsIsNotAskedInTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, verdicts := oneRotated(t, "another")
		if r.tried["a old"] != 1 || r.tried["a new"] != 1 {
			t.Errorf("tried %v, want each once", r.tried)
		}
		for _, v := range verdicts {
			if v.Reason != checks.AuthRejected && v.Reason != checks.AuthFenced {
				t.Errorf("%s: %s by %q", v.Round, v.Health, v.Reason)
			}
		}
	})
}

func TestANextVersionIsNotTriedWhereThePresentOneIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if r, _ := oneRotated(t, "old"); r.tried["a new"] != 0 || r.tried["a old"] != 20 {
			t.Errorf("tried %v", r.tried)
		}
	})
}
