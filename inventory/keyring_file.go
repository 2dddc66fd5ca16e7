package inventory

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// fileKeyring takes credentials from a YAML file:
//
//	credentials:
//	  default: {username: monitor, password_file: default.password}
type fileKeyring struct {
	mu        sync.Mutex
	file      *privateFile
	entries   map[string]entry
	passwords map[string]*privateFile // by path
	versions  versions
}

// entry is one credential of the file; next is where a rotation goes to, the zero kept where none is.
type entry struct {
	username       string
	password, next kept
}

// kept is a password, or the file that it is in.
type kept struct {
	text Secret
	file string // empty: text
}

// openFileKeyring reads the file and every password file that it names.
func openFileKeyring(path string) (*fileKeyring, error) {
	k := &fileKeyring{file: &privateFile{path: path}, passwords: map[string]*privateFile{}, versions: versions{}}
	if err := k.load(); err != nil {
		return nil, err
	}
	var errs []error
	for name, e := range k.entries {
		for _, p := range []kept{e.password, e.next} {
			if _, err := k.password(p); err != nil {
				errs = append(errs, badCredential(name, path, err))
			}
		}
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return k, nil
}

func (k *fileKeyring) Credentials(_ context.Context, name string) (Credentials, error) {
	if err := incomplete(name); err != nil {
		return Credentials{}, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.load(); err != nil {
		return Credentials{}, err
	}
	e, ok := k.entries[name]
	if !ok {
		return Credentials{}, noCredential(name, k.file.path)
	}
	password, err := k.password(e.password)
	if err != nil {
		return Credentials{}, badCredential(name, k.file.path, err)
	}
	next, err := k.password(e.next)
	if err != nil {
		return Credentials{}, badCredential(name, k.file.path, fmt.Errorf("the next one: %w", err))
	}
	return k.versions.rotating(name, e.username, password, next), nil
}

// load reads the file if it changed.
func (k *fileKeyring) load() error {
	text, anew, err := k.file.read()
	if err != nil || !anew {
		return err
	}
	if k.entries, err = parseKeyring(k.file.path, []byte(text.Reveal())); err != nil {
		k.file.forget() // so that the next call says so too
		return fmt.Errorf("%w: %w", ErrKeyring, err)
	}
	return nil
}

func (k *fileKeyring) password(p kept) (Secret, error) {
	if p.file == "" {
		return p.text, nil
	}
	path := p.file
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(k.file.path), path)
	}
	if k.passwords[path] == nil {
		k.passwords[path] = &privateFile{path: path}
	}
	text, _, err := k.passwords[path].read()
	if err != nil {
		return Secret{}, err
	}
	password, err := newPassword(trimNewline(text.Reveal()))
	if err != nil {
		return Secret{}, fmt.Errorf("%s: %w", path, err)
	}
	return password, nil
}
