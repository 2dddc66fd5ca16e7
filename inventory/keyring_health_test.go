package inventory

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"lamplighter/inventory/vaultstandin"
)

func TestAnOutageOfVaultIsSaidOnceAndCounted(t *testing.T) {
	s := vaultstandin.Start(t)
	names := []string{"a", "b", "c"}
	for _, name := range names {
		s.Write("bmc", "ams1/"+name, map[string]any{"username": "u", "password": "secret-of-" + name})
	}
	k := openVault(t, s, "cache: 10m\nstale: 1h\n")
	now, elsewhere := HealthOf(k)
	if !elsewhere {
		t.Fatal("it has no health")
	}
	log := &lockedBuffer{}
	LogOutages(k, slog.New(slog.NewTextHandler(log, nil)))
	all := func() {
		t.Helper()
		for _, name := range names {
			credentialsOf(t, k, name)
			k.settled(t, name)
		}
	}
	all()
	if h := now(); h.Secrets != 3 || h.Err != nil || h.Failing != 0 || h.StaleUses != 0 || k.now().Sub(h.Oldest) > time.Minute {
		t.Errorf("in good health: %+v", h)
	}

	s.Seal()
	k.later(11 * time.Minute)
	all() // hands out what is known, and finds out
	for range 4 {
		k.later(time.Minute)
		all()
	}
	if h := now(); h.Err == nil || h.Failing != 3 || h.StaleUses != 12 || k.now().Sub(h.Oldest) < 14*time.Minute {
		t.Errorf("in an outage: %+v", h)
	}
	if text := log.String(); strings.Count(text, "level=WARN") != 1 || strings.Contains(text, "secret-of-") || !strings.Contains(text, "sealed") {
		t.Error(text)
	}

	s.Heal()
	k.later(time.Minute)
	all()
	if h := now(); h.Err != nil || h.Failing != 0 {
		t.Errorf("after it: %+v", h)
	}
	if text := log.String(); strings.Count(text, "read from vault again") != 1 || strings.Count(text, "level=WARN") != 1 {
		t.Error(text)
	}
	k.later(2 * time.Hour)
	if h := now(); h.Secrets != 0 || !h.Oldest.IsZero() {
		t.Errorf("nobody asked for an hour: %+v", h)
	}
}

func TestASecretThatIsMissingIsNoOutage(t *testing.T) {
	s := vaultstandin.Start(t)
	k := openVault(t, s, "")
	if _, err := k.Credentials(t.Context(), "none"); err == nil {
		t.Fatal("there is none")
	}
	if h := k.health(); h.Err != nil || h.Failing != 0 {
		t.Errorf("%+v", h)
	}
	if _, elsewhere := HealthOf(newEnvKeyring(nil)); elsewhere {
		t.Error("the environment is on this host")
	}
}

// A credential that nobody asks for any more does not keep an outage open for ever.
func TestAnOutageOfOneForgottenCredentialEnds(t *testing.T) {
	s := vaultstandin.Start(t)
	s.Write("bmc", "ams1/good", map[string]any{"username": "u", "password": "p"})
	s.Write("bmc", "ams1/broken", map[string]any{"username": "u"})
	k := openVault(t, s, "cache: 1m\nstale: 10m\n")
	if _, err := k.Credentials(t.Context(), "broken"); err == nil {
		t.Fatal("it has no password")
	}
	for minute := range 12 {
		k.later(time.Minute)
		credentialsOf(t, k, "good")
		k.settled(t, "good")
		if open := k.health().Err != nil; minute != 9 && open != (minute < 9) { // after ten minutes it may be either
			t.Errorf("after %d minutes open: %v", minute+1, open)
		}
	}
}
