package inventory

import (
	"errors"
	"log/slog"
	"time"
)

// KeyringHealth is how it goes with a keyring whose secrets lie elsewhere and may be away.
type KeyringHealth struct {
	// Secrets are those that were asked for within the last hour, and Oldest when the oldest of them was read; zero: there is none.
	Secrets int
	Oldest  time.Time
	// StaleUses counts how often a secret was handed out although it could not be read anew.
	StaleUses uint64
	// Failing is how many secrets cannot be read, and Err why the last could not be; nil: all can.
	Failing int
	Err     error
}

// HealthOf says how it goes with a keyring; false where it lies on this host, which is read before each login.
func HealthOf(k Keyring) (now func() KeyringHealth, ok bool) {
	v, ok := k.(*vaultKeyring)
	if !ok {
		return nil, false
	}
	return v.health, true
}

// LogOutages has a keyring log when its secrets cannot be read, and when they can again: once each, however many BMCs use them.
func LogOutages(k Keyring, log *slog.Logger) {
	if v, ok := k.(*vaultKeyring); ok {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.log = log
	}
}

// inUse is for how long a secret is in use after it was asked for: logins are hourly.
const inUse = time.Hour

func (k *vaultKeyring) health() KeyringHealth {
	k.mu.Lock()
	defer k.mu.Unlock()
	h := KeyringHealth{StaleUses: k.staleUses, Failing: len(k.failing), Err: k.outage}
	now := k.now()
	for _, s := range k.kept {
		if s.good.IsZero() || now.Sub(s.asked) > inUse {
			continue
		}
		h.Secrets++
		if h.Oldest.IsZero() || s.good.Before(h.Oldest) {
			h.Oldest = s.good
		}
	}
	return h
}

// note notes how a reading ended; mu is held. That there is no such secret is an answer, and no outage.
func (k *vaultKeyring) note(name string, err error) {
	now := k.now()
	if err != nil && !errors.Is(err, ErrNoCredential) {
		k.failing[name] = now
		if k.outage == nil && k.log != nil {
			k.log.Warn("a credential cannot be read from vault: the known ones are used on until they are too old", "credential", name, "stale", k.stale, "error", err)
		}
		k.outage = err
		return
	}
	delete(k.failing, name)
	for other, at := range k.failing { // what nobody asks for any more is no outage for ever
		if now.Sub(at) > k.stale {
			delete(k.failing, other)
		}
	}
	if len(k.failing) == 0 && k.outage != nil {
		k.outage = nil
		if k.log != nil {
			k.log.Info("credentials are read from vault again")
		}
	}
}
