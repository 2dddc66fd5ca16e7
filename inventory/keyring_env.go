package inventory

import (
	"context"
	"fmt"
	"strings"
	"sync"
)

// envKeyring takes credentials from LAMPLIGHTER_CREDENTIAL_<NAME>_USERNAME and _PASSWORD.
type envKeyring struct {
	lookup func(string) (string, bool)

	mu       sync.Mutex
	asked    map[string]string // the first name that asked for each variable
	versions versions
}

func newEnvKeyring(lookup func(string) (string, bool)) *envKeyring {
	return &envKeyring{lookup: lookup, asked: map[string]string{}, versions: versions{}}
}

// Credentials refuses two names that share a variable, since one of them would get the other's password.
func (k *envKeyring) Credentials(_ context.Context, name string) (Credentials, error) {
	if err := incomplete(name); err != nil {
		return Credentials{}, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if name == "" {
		return Credentials{}, noCredential(name, "the environment")
	}
	prefix := "LAMPLIGHTER_CREDENTIAL_" + envName(name)
	username, hasUsername := k.lookup(prefix + "_USERNAME")
	text, hasPassword := k.lookup(prefix + "_PASSWORD")
	if !hasUsername && !hasPassword {
		return Credentials{}, noCredential(name, "the environment: want "+prefix+"_USERNAME and "+prefix+"_PASSWORD")
	}
	first, taken := k.asked[prefix]
	if taken && first != name {
		return Credentials{}, badCredential(name, "the environment", fmt.Errorf("%s is for credential %s too: rename one", prefix, quote(first)))
	}
	k.asked[prefix] = name
	password, err := newPassword(text)
	if err == nil {
		err = checkUsername(username)
	}
	if err != nil {
		return Credentials{}, badCredential(name, "the environment", fmt.Errorf("%s_PASSWORD: %w", prefix, err))
	}
	return k.versions.credentials(name, username, password), nil
}

// envName is name in capitals, with _ for all but letters and digits.
func envName(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToUpper(name))
}
