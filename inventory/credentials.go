package inventory

import (
	"context"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"strings"
)

// DefaultLogin is the credential of a BMC whose record names none.
const DefaultLogin = "default"

// Secret is a password or token. It prints REDACTED under every verb and refuses to be marshalled; Reveal is the only way
// to its value, so that a search for Reveal finds every place where a secret leaves.
//
// The value is in a closure because fmt and other printers by reflection print unexported string fields, and call no
// method on a Secret that lies in one. It also makes a comparison with == an error of the compiler.
type Secret struct{ reveal func() string }

// NewSecret keeps a value secret.
func NewSecret(value string) Secret {
	if value == "" {
		return Secret{}
	}
	return Secret{func() string { return value }}
}

// Reveal returns the value. Only what puts it on the wire to its own BMC calls this.
func (s Secret) Reveal() string {
	if s.reveal == nil {
		return ""
	}
	return s.reveal()
}

// Empty says whether there is no value.
func (s Secret) Empty() bool { return s.reveal == nil }

// Equal says whether both have the same value.
func (s Secret) Equal(other Secret) bool { return s.Reveal() == other.Reveal() }

// Scrub replaces the value in text, plain and as JSON, URLs and basic authentication of username write it: a BMC may echo
// what it was sent. Values under four bytes are left, since they would be found everywhere.
func (s Secret) Scrub(username, text string) string {
	value := s.Reveal()
	if len(value) < 4 {
		return text
	}
	asJSON, err := json.Marshal(value)
	if err != nil {
		return redacted // a string always marshals
	}
	for _, form := range []string{
		base64.StdEncoding.EncodeToString([]byte(username + ":" + value)), base64.StdEncoding.EncodeToString([]byte(value)),
		value, string(asJSON[1 : len(asJSON)-1]), url.QueryEscape(value), url.PathEscape(value),
	} {
		text = strings.ReplaceAll(text, form, redacted)
	}
	return text
}

const redacted = "REDACTED"

var errSecret = errors.New("a secret is never marshalled")

// Format prints REDACTED whatever the verb and flags; String alone would leak under %d and %#v.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// String is for what does not go through fmt.
func (Secret) String() string { return redacted }

// GoString is String.
func (Secret) GoString() string { return redacted }

// LogValue is String for slog.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText always fails.
func (Secret) MarshalText() ([]byte, error) { return nil, errSecret }

// MarshalJSON always fails.
func (Secret) MarshalJSON() ([]byte, error) { return nil, errSecret }

// MarshalYAML always fails.
func (Secret) MarshalYAML() (any, error) { return nil, errSecret }

// MarshalBinary always fails, for encoding/gob.
func (Secret) MarshalBinary() ([]byte, error) { return nil, errSecret }

// Credentials are what one login needs.
type Credentials struct {
	Name     string
	Username string
	Password Secret
	// Version changes whenever username or password do; a fence names it. It reveals neither.
	Version string
	// Next is what a rotation that is under way changes them to, BMC by BMC; nil: none is. It is for a BMC that refuses these, and is
	// tried there once. Its own Next is nil.
	Next *Credentials
}

// VersionOf derives a version where the keyring has none of its own: 20 bits of a hash, enough to notice a change, far too
// few to find a password by: one in a million of all passwords has the same. It costs some 20 us, for each login of a sweep.
func VersionOf(username string, password Secret) string {
	sum, err := pbkdf2.Key(sha256.New, username+"\x00"+password.Reveal(), []byte("lamplighter credential version"), 64, 3)
	if err != nil {
		panic("inventory: derive credential version: " + err.Error()) // fixed parameters
	}
	return hex.EncodeToString(sum)[:5]
}

// Errors of a Keyring. Neither is ever the BMC's fault.
var (
	ErrNoCredential = errors.New("no such credential")
	ErrKeyring      = errors.New("keyring cannot be read")
	// ErrAway is an ErrKeyring that may be over soon: where credentials are kept gives none now.
	ErrAway = errors.New("try again when it answers")
)

// Keyring hands out credentials by name.
//
// Actors ask right before a login, concurrently; whoever asked does not retry within a round. The error wraps
// ErrNoCredential where the name is unknown, ErrKeyring where the keyring could not be read. On return without error
// Version is set.
type Keyring interface {
	Credentials(ctx context.Context, name string) (Credentials, error)
}
