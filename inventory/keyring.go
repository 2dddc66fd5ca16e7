package inventory

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
)

// OpenKeyring opens the keyring that spec names: the path of a YAML file, the path of a directory of files, or env for the
// environment. What is wrong with it already now is an error, which wraps ErrKeyring.
func OpenKeyring(spec string) (Keyring, error) {
	switch spec {
	case "":
		return nil, fmt.Errorf("%w: no keyring is named: want a file, a directory or env", ErrKeyring)
	case "env":
		return newEnvKeyring(os.LookupEnv), nil
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
func CheckNames(ctx context.Context, keyring Keyring, names []string) error {
	var errs []error
	left := 0
	for _, name := range slices.Compact(slices.Sorted(slices.Values(names))) {
		switch _, err := keyring.Credentials(ctx, name); {
		case err == nil:
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
