package inventory

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	vault "github.com/hashicorp/vault/api"
)

// authorise sees to a token that holds: it renews it when two thirds of its time are over, and signs in where that does not help or anew is
// asked for. Who is second waits, and finds it done.
func (k *vaultKeyring) authorise(ctx context.Context, anew bool) error {
	began := k.now()
	k.signIn.Lock()
	defer k.signIn.Unlock()
	switch {
	case k.auth == vaultToken:
		token, _, err := readPrivate(k.tokenFile) // each time: whoever renews it writes it there
		if err != nil {
			return err
		}
		k.client.SetToken(trimNewline(token.Reveal()))
		return nil
	case anew && k.signedIn.Before(began), k.renewAt.IsZero():
	case k.now().Before(k.renewAt):
		return nil
	default:
		if lease, err := k.client.Auth().Token().RenewSelfWithContext(ctx, 0); err == nil && k.hold(lease) {
			return nil
		}
	}
	return k.login(ctx)
}

// login signs in with a role.
func (k *vaultKeyring) login(ctx context.Context) error {
	k.renewAt = time.Time{}
	who, err := k.who()
	if err != nil {
		return fmt.Errorf("sign in to vault by %s: %w", k.auth, err)
	}
	k.client.ClearToken()
	lease, err := k.client.Logical().WriteWithContext(ctx, "auth/"+strings.Trim(k.authMount, "/")+"/login", who)
	if err != nil {
		return fmt.Errorf("sign in to vault by %s: %w", k.auth, vaultError(err))
	}
	if !k.hold(lease) {
		return fmt.Errorf("sign in to vault by %s: the answer holds no token", k.auth)
	}
	k.client.SetToken(lease.Auth.ClientToken)
	k.signedIn = k.now()
	return nil
}

// who is what we sign in with, read each time: whoever renews it writes it there.
func (k *vaultKeyring) who() (map[string]any, error) {
	if k.auth == vaultKubernetes {
		token, err := readServiceToken(k.jwtFile)
		return map[string]any{"role": k.role, "jwt": trimNewline(token.Reveal())}, err
	}
	role, _, err := readPrivate(k.roleIDFile)
	if err != nil {
		return nil, err
	}
	secret, _, err := readPrivate(k.secretIDFile)
	return map[string]any{"role_id": trimNewline(role.Reveal()), "secret_id": trimNewline(secret.Reveal())}, err
}

// hold notes until when a token is good; false: there is none.
func (k *vaultKeyring) hold(lease *vault.Secret) bool {
	if lease == nil || lease.Auth == nil || lease.Auth.ClientToken == "" {
		return false
	}
	const unlimited = 24 * time.Hour // a token without a lease is renewed now and then, all the same
	lasts := time.Duration(lease.Auth.LeaseDuration) * time.Second
	if lasts <= 0 {
		lasts = unlimited
	}
	k.renewAt = k.now().Add(lasts * 2 / 3)
	return true
}

// readServiceToken reads the token of a Kubernetes service account. Everybody in the pod may read it, so its mode says nothing.
func readServiceToken(file string) (Secret, error) {
	f, err := os.Open(file)
	if err != nil {
		return Secret{}, err
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, largestPrivate))
	return NewSecret(string(text)), err
}

func isDenied(err error) bool {
	var answer *vault.ResponseError
	return errors.As(err, &answer) && answer.StatusCode == http.StatusForbidden
}

// vaultError says in few words what Vault answered: its own error shows the whole address and body.
func vaultError(err error) error {
	var answer *vault.ResponseError
	if !errors.As(err, &answer) {
		return fmt.Errorf("vault cannot be asked: %w", err)
	}
	said := strings.Join(answer.Errors, "; ")
	if answer.RawError {
		said = "no answer of Vault: " + quote(said)
	}
	switch answer.StatusCode {
	case http.StatusForbidden:
		return fmt.Errorf("vault denies it: the policy of our role must let it read this path: %s", said)
	case http.StatusServiceUnavailable:
		return fmt.Errorf("vault is sealed or not ready: unseal it: %s", said)
	case http.StatusTooManyRequests:
		return fmt.Errorf("vault wants fewer questions: %s", said)
	}
	return fmt.Errorf("vault answered %d: %s", answer.StatusCode, said)
}
