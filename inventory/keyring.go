package inventory

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// OpenKeyring opens the keyring that spec names: the path of a YAML file, the path of a directory of files, vault:FILE where FILE says which
// Vault, or env for the environment. What is wrong with it already now is an error, which wraps ErrKeyring.
func OpenKeyring(spec string) (Keyring, error) {
	switch spec {
	case "":
		return nil, fmt.Errorf("%w: no keyring is named: want a file, a directory, vault:FILE or env", ErrKeyring)
	case "env":
		return newEnvKeyring(os.LookupEnv), nil
	}
	if file, ok := strings.CutPrefix(spec, vaultPrefix); ok {
		return openVaultKeyring(file)
	}
	info, err := os.Stat(spec)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKeyring, err)
	}
	if info.IsDir() {
		return openDirKeyring(spec)
	}
	return openFileKeyring(spec)
}

// CheckNames asks for each name once and joins the first errors, so that a command can say at its start what will be missing.
//
// Of a Vault it asks for some only: there may be as many as BMCs. It stops where the Vault is away (ErrAway).
func CheckNames(ctx context.Context, keyring Keyring, names []string) error {
	var errs []error
	left := 0
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	if _, ok := keyring.(*vaultKeyring); ok {
		names = names[:min(len(names), 20)]
	}
	for _, name := range names {
		switch _, err := keyring.Credentials(ctx, name); {
		case err == nil:
		case errors.Is(err, ErrAway):
			return err
		case len(errs) < 10:
			errs = append(errs, err)
		default:
			left++
		}
	}
	if left > 0 {
		errs = append(errs, fmt.Errorf("and %d more", left))
	}
	return errors.Join(errs...)
}

// Logins are the names of the credentials that BMCs need, sorted.
func Logins(bmcs []BMC) []string {
	names := map[string]bool{}
	for _, b := range bmcs {
		names[b.Login] = true
	}
	return slices.Sorted(maps.Keys(names))
}

func noCredential(name, where string) error {
	return fmt.Errorf("%w: %s in %s", ErrNoCredential, quote(name), where)
}

func badCredential(name, where string, err error) error {
	return fmt.Errorf("%w: credential %s in %s: %w", ErrKeyring, quote(name), where, err)
}

// versions keeps the latest credentials of each name, because deriving a version costs more than looking one up. Its user locks.
type versions map[string]Credentials

func (v versions) credentials(name, username string, password Secret) Credentials {
	if last, ok := v[name]; ok && last.Username == username && last.Password.Equal(password) {
		return last
	}
	c := Credentials{Name: name, Username: username, Password: password, Version: VersionOf(username, password)}
	v[name] = c
	return c
}

// rotating are credentials with those that they are changed to; an empty password: to none.
func (v versions) rotating(name, username string, password, next Secret) Credentials {
	c := v.credentials(name, username, password)
	if next.Empty() || next.Equal(password) {
		return c
	}
	to := v.credentials(name+"\x00next", username, next) // no credential has a NUL in its name
	to.Name = name
	c.Next = &to
	return c
}

// singleKeyring answers every name with the same credentials.
type singleKeyring struct{ credentials Credentials }

// SingleCredential is a keyring of one username and one password file, which is read once, for a person who typed them.
func SingleCredential(username, passwordFile string) (Keyring, error) {
	text, _, err := readPrivate(passwordFile)
	if err != nil {
		return nil, err
	}
	password, err := newPassword(trimNewline(text.Reveal()))
	if err == nil {
		err = checkUsername(username)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrKeyring, passwordFile, err)
	}
	return singleKeyring{versions{}.credentials("", username, password)}, nil
}

func (s singleKeyring) Credentials(_ context.Context, name string) (Credentials, error) {
	c := s.credentials
	c.Name = name
	return c, nil
}
