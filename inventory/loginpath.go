package inventory

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
)

// LoginPath makes the name of a BMC's credential of what the inventory says of it: bmc/{site}/{vendor}/{bmc}, say. It is for BMCs whose
// record names no credential. Its zero value names DefaultLogin for all.
type LoginPath struct{ path string }

// loginParts are what a path can have in braces.
var loginParts = map[string]func(*BMC) string{
	"bmc": func(b *BMC) string { return string(b.ID) }, "site": func(b *BMC) string { return b.Site }, "room": func(b *BMC) string { return b.Room },
	"row": func(b *BMC) string { return b.Row }, "rack": func(b *BMC) string { return b.Rack }, "vendor": func(b *BMC) string { return b.Vendor },
	"model": func(b *BMC) string { return b.Model }, "protocol": func(b *BMC) string { return string(b.Protocol) },
}

// ParseLoginPath reads a path. Between two slashes there may be one part in braces: with more, two BMCs could come to one name.
func ParseLoginPath(text string) (LoginPath, error) {
	if text == "" || text == DefaultLogin {
		return LoginPath{}, nil
	}
	for step := range strings.SplitSeq(text, "/") {
		before, rest, braces := strings.Cut(step, "{")
		part, after, closed := strings.Cut(rest, "}")
		switch {
		case step == "":
			return LoginPath{}, errors.New("something has to stand before, between and behind slashes")
		case braces && (!closed || loginParts[part] == nil):
			return LoginPath{}, fmt.Errorf("%s: want one of {%s}", quote(step), strings.Join(slices.Sorted(maps.Keys(loginParts)), "}, {"))
		case strings.ContainsAny(before+after, "{}"):
			return LoginPath{}, fmt.Errorf("%s: want at most one part in braces between two slashes, or two BMCs could come to one name", quote(step))
		case !plainStep(before + "x" + after):
			return LoginPath{}, fmt.Errorf("%s: want it without \\ ? # %% * +, without control characters, and not beginning with a dot", quote(step))
		}
	}
	return LoginPath{text}, nil
}

// String is what ParseLoginPath reads.
func (p LoginPath) String() string { return cmp.Or(p.path, DefaultLogin) }

// Complete gives a record that names no credential the one of the path. A part that the record leaves empty, or that could lead
// elsewhere, stays as it stands in the path: no keyring has such a name, so that the BMC gets no other's password.
func (p LoginPath) Complete(b *BMC) {
	if p.path == "" || b.Login != DefaultLogin {
		return
	}
	steps := strings.Split(p.path, "/")
	for i, step := range steps {
		before, rest, braces := strings.Cut(step, "{")
		part, after, _ := strings.Cut(rest, "}")
		if !braces {
			continue
		}
		if value := loginParts[part](b); value != "" && len(value) <= longestStep && plainStep(value) && plainStep(before+value+after) {
			steps[i] = before + value + after
		}
	}
	b.Login = strings.Join(steps, "/")
}

// longestStep is of what a file's name can be, with what follows it.
const longestStep = 128

// plainStep says whether a text is a name between two slashes that leads to nowhere else, in no keyring.
func plainStep(text string) bool {
	return text != "" && !strings.HasPrefix(text, ".") && !strings.ContainsFunc(text, func(r rune) bool {
		return r == unicode.ReplacementChar || unicode.IsControl(r) || strings.ContainsRune(`/\?#%*+{}`, r)
	})
}

// incomplete says what keeps a login from being one; nil: nothing does.
func incomplete(login string) error {
	_, rest, braces := strings.Cut(login, "{")
	part, _, closed := strings.Cut(rest, "}")
	if !braces || !closed {
		return nil
	}
	return fmt.Errorf("%w: %s: the BMC's record has no %s, or one that cannot be a part of a path", ErrNoCredential, quote(login), part)
}

// loginless is one conflict for all BMCs whose credential has no name: there may be thousands.
func loginless(bmcs []BMC) []Conflict {
	var ids []ID
	first := ""
	for i := range bmcs {
		if b := &bmcs[i]; incomplete(b.Login) != nil {
			if ids = append(ids, b.ID); len(ids) == 1 {
				first = fmt.Sprintf("%s: %s", b.ID, b.Login)
			}
		}
	}
	if len(ids) == 0 {
		return nil
	}
	slices.Sort(ids)
	return []Conflict{{Kind: NoLogin, BMCs: ids, Text: fmt.Sprintf("of %d BMCs the record lacks what the path of their credential needs, or has what cannot be in one (%s): nobody logs in to them", len(ids), first)}}
}
