package inventory

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"strings"
	"sync"
	"time"

	vault "github.com/hashicorp/vault/api"
)

// vaultPrefix is what a keyring begins with that lies in Vault: vault:FILE.
const vaultPrefix = "vault:"

// vaultAgain is how soon Vault is asked again for a credential that it did not give.
const vaultAgain = 30 * time.Second

// vaultKeyring takes credentials from HashiCorp Vault, or what speaks as it does (OpenBao): a KV engine, version 2.
//
// A credential is read once per cache lifetime, however many BMCs use it. After that the old one is handed out while the new one is read,
// and so long as Vault does not answer, up to stale: a slow or dead Vault delays no check.
type vaultKeyring struct {
	vaultSettings
	client *vault.Client
	now    func() time.Time

	signIn   sync.Mutex // held while signing in; guards the following
	signedIn time.Time
	renewAt  time.Time // when the token is to be renewed; zero: sign in anew

	mu        sync.Mutex
	kept      map[string]*vaultSecret
	versions  versions
	log       *slog.Logger         // nil: nobody wants to know of outages
	failing   map[string]time.Time // the credentials that cannot be read, and since when that was last so
	outage    error                // why, the last time; nil: all can
	staleUses uint64
}

// vaultSecret is a credential as it was read last. What is in it is guarded by the keyring's lock.
type vaultSecret struct {
	Credentials
	err     error         // of the last reading
	good    time.Time     // when Credentials were read; zero: never
	next    time.Time     // not to be read again before
	asked   time.Time     // when it was last asked for
	reading chan struct{} // closed when the reading that goes on has ended; nil: none does
}

// openVaultKeyring does not ask Vault yet: it may be away when a satellite starts.
func openVaultKeyring(file string) (*vaultKeyring, error) {
	s, err := readVaultSettings(file)
	if err != nil {
		return nil, err
	}
	config := vault.DefaultConfig()
	if config.Error != nil {
		return nil, fmt.Errorf("%w: vault: %w", ErrKeyring, config.Error)
	}
	config.Address, config.Timeout, config.MaxRetries = s.address, s.timeout, 0 // we ask again ourselves
	if err := config.ConfigureTLS(&vault.TLSConfig{CACert: s.caFile}); err != nil {
		return nil, fmt.Errorf("%w: ca_file %s: %w", ErrKeyring, s.caFile, err)
	}
	client, err := vault.NewClient(config)
	if err != nil {
		return nil, fmt.Errorf("%w: vault %s: %w", ErrKeyring, s.address, err)
	}
	client.ClearToken() // of the environment: the file says who we are
	client.ClearNamespace()
	if s.namespace != "" {
		client.SetNamespace(s.namespace)
	}
	return &vaultKeyring{vaultSettings: *s, client: client, now: time.Now, kept: map[string]*vaultSecret{}, failing: map[string]time.Time{}, versions: versions{}}, nil
}

// Credentials hands out what is kept; a reading that it begins goes on when ctx ends, for the others who wait.
func (k *vaultKeyring) Credentials(ctx context.Context, name string) (Credentials, error) {
	if err := incomplete(name); err != nil {
		return Credentials{}, err
	}
	if !vaultName(name) {
		return Credentials{}, noCredential(name, k.where("")+": want a path of plain names")
	}
	k.mu.Lock()
	secret := k.kept[name]
	if secret == nil {
		secret = &vaultSecret{}
		k.kept[name] = secret
	}
	now := k.now()
	secret.asked = now
	if secret.reading == nil && !now.Before(secret.next) {
		secret.reading = make(chan struct{})
		go k.refresh(context.WithoutCancel(ctx), name, secret, secret.reading)
	}
	reading := secret.reading
	if c, err, ok := secret.answer(now, k.stale); ok || reading == nil {
		if ok && secret.err != nil {
			k.staleUses++
		}
		k.mu.Unlock()
		return c, err
	}
	k.mu.Unlock()
	select {
	case <-reading:
	case <-ctx.Done():
		return Credentials{}, badCredential(name, k.where(name), context.Cause(ctx))
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	c, err, _ := secret.answer(k.now(), k.stale)
	return c, err
}

// answer is what can be said without reading: what was read, if it is not too old. Otherwise ok is false, and err says why it could not be
// read, if it was tried.
func (s *vaultSecret) answer(now time.Time, stale time.Duration) (c Credentials, err error, ok bool) {
	if !s.good.IsZero() && now.Sub(s.good) < stale && !errors.Is(s.err, ErrNoCredential) {
		return s.Credentials, nil, true
	}
	if s.err != nil && !s.good.IsZero() {
		return Credentials{}, fmt.Errorf("%w (it was read last at %s)", s.err, s.good.UTC().Format(time.RFC3339)), false
	}
	return Credentials{}, s.err, false
}

// refresh reads a credential anew.
func (k *vaultKeyring) refresh(ctx context.Context, name string, secret *vaultSecret, reading chan struct{}) {
	ctx, cancel := context.WithTimeout(ctx, 2*k.timeout)
	defer cancel()
	c, err := k.read(ctx, name)
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	secret.err, secret.next, secret.reading = err, now.Add(min(vaultAgain, k.cache)), nil
	if err == nil {
		secret.Credentials, secret.good, secret.next = k.versions.rotating(name, c.username, c.password, c.next), now, now.Add(k.cache)
	} else if secret.good.IsZero() {
		k.forgetSome()
	}
	k.note(name, err)
	close(reading)
}

// mostUnknown bounds what is kept of names that Vault does not have.
const mostUnknown = 100_000

func (k *vaultKeyring) forgetSome() {
	if len(k.kept) <= mostUnknown {
		return
	}
	for name, s := range k.kept {
		if s.good.IsZero() && s.reading == nil {
			delete(k.kept, name)
		}
	}
}

// kvFields are what a secret holds.
type kvFields struct {
	username       string
	password, next Secret
}

// read asks Vault, once more where our token had ended.
func (k *vaultKeyring) read(ctx context.Context, name string) (kvFields, error) {
	var err error
	for again := range 2 {
		if err = k.authorise(ctx, again > 0); err != nil {
			break
		}
		var found *vault.KVSecret
		found, err = k.client.KVv2(k.mount).Get(ctx, path.Join(k.prefix, name))
		if isDenied(err) && again == 0 && k.auth != vaultToken {
			continue
		}
		return k.fields(name, found, err)
	}
	return kvFields{}, badCredential(name, k.where(name), away(err))
}

// fields are the username and passwords of what was found.
func (k *vaultKeyring) fields(name string, found *vault.KVSecret, err error) (c kvFields, _ error) {
	switch {
	case errors.Is(err, vault.ErrSecretNotFound):
		return c, noCredential(name, k.where(name))
	case err != nil:
		return c, badCredential(name, k.where(name), away(vaultError(err)))
	case found.Data == nil:
		return c, noCredential(name, k.where(name)+": its newest version was deleted")
	}
	c.username, _ = found.Data[k.username].(string) // a missing one is an empty one
	c.password, err = passwordIn(found.Data, k.password)
	if err == nil && found.Data[nextField+k.password] != nil {
		c.next, err = passwordIn(found.Data, nextField+k.password)
	}
	if err == nil {
		err = checkUsername(c.username)
	}
	if err != nil {
		return kvFields{}, badCredential(name, k.where(name), err)
	}
	return c, nil
}

// nextField begins the name of the field that has the password of a rotation under way.
const nextField = "next_"

func passwordIn(data map[string]any, field string) (Secret, error) {
	text, ok := data[field].(string)
	if !ok {
		return Secret{}, fmt.Errorf("want a field %q that is text, got none", field)
	}
	password, err := newPassword(text)
	if err != nil {
		err = fmt.Errorf("field %q: %w", field, err)
	}
	return password, err
}

func away(err error) error { return fmt.Errorf("%w; %w", err, ErrAway) }

// where names a secret for people.
func (k *vaultKeyring) where(name string) string {
	return "vault " + k.address + " " + path.Join(k.mount, k.prefix, name)
}

// vaultName says whether a name, which comes from the CMDB, leads to nowhere but to a secret under the prefix.
func vaultName(name string) bool {
	for step := range strings.SplitSeq(name, "/") {
		if !plainStep(step) {
			return false
		}
	}
	return len(name) <= 512
}
