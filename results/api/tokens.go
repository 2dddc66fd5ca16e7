package api

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"lamplighter/results/journal"
)

// Scope is what a token's holder may do.
type Scope string

// The scopes: a viewer reads; an operator may also recheck and acknowledge.
const (
	Viewer   Scope = "viewer"
	Operator Scope = "operator"
)

// ParseScope reads viewer or operator.
func ParseScope(s string) (Scope, error) {
	switch scope := Scope(s); scope {
	case Viewer, Operator:
		return scope, nil
	}
	return "", fmt.Errorf("scope %q: want %s or %s", s, Viewer, Operator)
}

// Token is a line of the file of tokens. It holds the token's hash, never the token.
type Token struct {
	Name    string    `json:"name"`
	Scope   Scope     `json:"scope"`
	SHA256  string    `json:"sha256"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
}

// prefix tells people and secret scanners what a token is.
const prefix = "lamp_"

// Limits of the file of tokens.
const (
	mostTokens     = 10_000
	mostTokenBytes = 4 << 20
	mostName       = 100
)

// CreateToken makes a token, appends its hash to the file at path, which it makes where there is none, and returns the token.
// It is random enough that its hash needs no salt and no slowness.
func CreateToken(path, name string, scope Scope, now, expires time.Time) (string, error) {
	if err := validName(name); err != nil {
		return "", err
	}
	if !expires.After(now) {
		return "", fmt.Errorf("token %s: expires %s, which has passed", name, expires.UTC().Format(time.RFC3339))
	}
	secret := prefix + rand.Text()
	line, err := json.Marshal(Token{name, scope, hash(secret), now.UTC().Truncate(time.Second), expires.UTC().Truncate(time.Second)})
	if err != nil {
		return "", err
	}
	file, err := journal.Open(path, 0o600)
	if err != nil {
		return "", fmt.Errorf("tokens: %w", err)
	}
	if err := errors.Join(file.Append(line), file.Close()); err != nil {
		return "", fmt.Errorf("tokens: add %s to %s: %w", name, path, err)
	}
	return secret, nil
}

func validName(name string) error {
	if name == "" || len(name) > mostName || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return fmt.Errorf("token name %.100q: want 1 to %d characters, none a control character", name, mostName)
	}
	return nil
}

func hash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// ReadTokens reads a file of tokens; a mistake is named by its line. A file that others may read is refused.
func ReadTokens(path string) ([]Token, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("tokens: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("tokens: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("tokens: %s may be read by others (%v): want chmod 600", path, info.Mode().Perm())
	}
	text, err := io.ReadAll(io.LimitReader(file, mostTokenBytes))
	if err != nil {
		return nil, fmt.Errorf("tokens: %w", err)
	}
	return parseTokens(filepath.Base(path), text)
}

func parseTokens(name string, text []byte) (all []Token, err error) {
	number := 0
	for line := range bytes.Lines(text) {
		number++
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		var t Token
		decoder := json.NewDecoder(bytes.NewReader(line))
		decoder.DisallowUnknownFields()
		err := decoder.Decode(&t)
		if err == nil {
			err = t.validate()
		}
		if err == nil && len(all) == mostTokens {
			err = fmt.Errorf("want at most %d tokens", mostTokens)
		}
		if err != nil {
			return nil, fmt.Errorf("tokens: %s line %d: %w", name, number, err)
		}
		all = append(all, t)
	}
	return all, nil
}

func (t Token) validate() error {
	if err := validName(t.Name); err != nil {
		return err
	}
	if _, err := ParseScope(string(t.Scope)); err != nil {
		return err
	}
	if sum, err := hex.DecodeString(t.SHA256); err != nil || len(sum) != sha256.Size {
		return errors.New("sha256: want 64 hex digits")
	}
	if t.Expires.IsZero() {
		return errors.New("expires: want a time")
	}
	return nil
}

// Tokens are those of a file. A line that was added, or removed, counts from the next second on.
type Tokens struct {
	path string

	mu     sync.Mutex // guards the following
	looked time.Time
	stamp  os.FileInfo
	all    []Token
}

// OpenTokens reads the file of tokens.
func OpenTokens(path string) (*Tokens, error) {
	t := &Tokens{path: path}
	return t, t.look(time.Now())
}

// look reads the file again when it has changed, at most once a second. A file that cannot be read any more lets nobody in.
func (t *Tokens) look(now time.Time) error {
	if since := now.Sub(t.looked); since >= 0 && since < time.Second {
		return nil
	}
	stamp, err := os.Stat(t.path)
	if err == nil && t.stamp != nil && os.SameFile(stamp, t.stamp) && stamp.ModTime().Equal(t.stamp.ModTime()) && stamp.Size() == t.stamp.Size() {
		t.looked = now
		return nil
	}
	all, err := ReadTokens(t.path)
	t.looked, t.stamp, t.all = now, stamp, all
	return err
}

// find is the token that somebody showed.
func (t *Tokens) find(secret string, now time.Time) (found Token, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.look(now); err != nil {
		return Token{}, err
	}
	shown := []byte(hash(secret))
	at := slices.IndexFunc(t.all, func(one Token) bool {
		return subtle.ConstantTimeCompare(shown, []byte(strings.ToLower(one.SHA256))) == 1
	})
	switch {
	case at < 0:
		return Token{}, errors.New("the token is not known")
	case !now.Before(t.all[at].Expires):
		return Token{}, fmt.Errorf("the token of %s expired at %s", t.all[at].Name, t.all[at].Expires.Format(time.RFC3339))
	}
	return t.all[at], nil
}
