package inventory

import (
	"bytes"
	"encoding/base64"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

const canary = "c4nary-S3cret!"

// leaks says whether text holds the canary in a form that a reader could undo.
func leaks(text string) bool {
	for _, form := range []string{canary, base64.StdEncoding.EncodeToString([]byte(canary))[:16], hex.EncodeToString([]byte(canary)),
		strings.Trim(fmt.Sprint([]byte(canary)), "[]")} {
		if strings.Contains(strings.ToLower(text), strings.ToLower(form)) {
			return true
		}
	}
	return false
}

type holder struct{ hidden Credentials }
type pointing struct{ hidden *Credentials }
type mapping struct{ hidden map[string]Secret }

func holders() map[string]any {
	c := Credentials{Name: "n", Username: "u", Password: NewSecret(canary)}
	return map[string]any{
		"a secret":                        c.Password,
		"a pointer to a secret":           &c.Password,
		"credentials":                     c,
		"a pointer to credentials":        &c,
		"credentials with next ones":      Credentials{Next: &c},
		"a slice of credentials":          []Credentials{c},
		"a map of secrets":                map[string]Secret{"x": c.Password},
		"an unexported field":             holder{c},
		"a pointer to an unexported one":  &holder{c},
		"an unexported pointer":           pointing{&c},
		"an unexported map":               mapping{map[string]Secret{"x": c.Password}},
		"a single keyring":                singleKeyring{c},
		"an entry of a file":              map[string]entry{"x": {password: kept{text: c.Password}}},
		"a keyring with cached versions":  &dirKeyring{versions: versions{"n": c}},
		"a keyring's file":                fileKeyring{file: &privateFile{text: c.Password}, passwords: map[string]*privateFile{"p": {text: c.Password}}},
		"an interface in a slice":         []any{c.Password, &c},
		"a secret in an unexported array": struct{ s [1]any }{[1]any{c.Password}},
	}
}

func TestASecretNeverPrints(t *testing.T) {
	const verbs = "vTtbcdoOqxXUeEfFgGspw"
	for name, value := range holders() {
		for _, verb := range verbs {
			for _, flags := range []string{"", "+", "#", "-30", "030", " ", ".3", "+#"} {
				format := "%" + flags + string(verb)
				if text := fmt.Sprintf(format, value); leaks(text) {
					t.Errorf("%s under %s: %s", name, format, text)
				}
				if text := fmt.Errorf(format, value).Error(); leaks(text) {
					t.Errorf("%s in an error under %s: %s", name, format, text)
				}
			}
		}
	}
	for _, verb := range verbs {
		if verb == 'T' || verb == 'p' || verb == 'w' { // answered by fmt itself
			continue
		}
		if text := fmt.Sprintf("%"+string(verb), NewSecret(canary)); text != "REDACTED" {
			t.Errorf("%%%c: %s", verb, text)
		}
	}
}

func TestASecretIsNeverMarshalled(t *testing.T) {
	for name, value := range holders() {
		var out bytes.Buffer
		_ = json.NewEncoder(&out).Encode(value)
		_ = gob.NewEncoder(&out).Encode(value)
		_ = xml.NewEncoder(&out).Encode(value)
		_ = yaml.NewEncoder(&out).Encode(value)
		for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
			slog.New(handler).Info("x", "value", value, slog.Group("g", "value", value))
			slog.New(handler).With("value", value).Info("x")
		}
		if leaks(out.String()) {
			t.Errorf("%s: %s", name, out.String())
		}
	}
	s := NewSecret(canary)
	for name, marshal := range map[string]func() error{
		"json": func() error { _, err := json.Marshal(struct{ S Secret }{s}); return err },
		"yaml": func() error { _, err := yaml.Marshal(struct{ S Secret }{s}); return err },
		"xml":  func() error { _, err := xml.Marshal(s); return err },
		"gob":  func() error { return gob.NewEncoder(new(bytes.Buffer)).Encode(struct{ S Secret }{s}) },
		"text": func() error { _, err := s.MarshalText(); return err },
	} {
		if err := marshal(); err == nil || !strings.Contains(err.Error(), errSecret.Error()) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestASecretKeepsItsValue(t *testing.T) {
	var zero Secret
	if !zero.Empty() || zero.Reveal() != "" || !NewSecret("").Empty() || !zero.Equal(NewSecret("")) {
		t.Error("the zero secret is not empty")
	}
	s := NewSecret(canary)
	if s.Empty() || s.Reveal() != canary || !s.Equal(NewSecret(canary)) || s.Equal(zero) {
		t.Error("a secret lost its value")
	}
}

func TestAVersionChangesWithUsernameAndPasswordAndShowsNeither(t *testing.T) {
	a, b, c := VersionOf("u", NewSecret(canary)), VersionOf("u", NewSecret(canary+"2")), VersionOf("v", NewSecret(canary))
	if a == b || a == c || a != VersionOf("u", NewSecret(canary)) || len(a) != 5 {
		t.Errorf("versions %s %s %s", a, b, c)
	}
	if !errors.Is(fmt.Errorf("x: %w", ErrKeyring), ErrKeyring) {
		t.Error("ErrKeyring is not wrapped")
	}
}
