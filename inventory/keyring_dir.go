package inventory

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
)

// The files of a directory keyring. A missing username is an empty one.
const (
	usernameFile = ".username"
	passwordFile = ".password"
	nextFile     = ".next_password"
)

// dirKeyring takes credentials from the files NAME.username and NAME.password, as mounted secrets come, and NAME.next_password while a
// rotation is under way. A NAME with slashes is in a directory of it.
type dirKeyring struct {
	dir string

	mu       sync.Mutex
	files    map[string]*privateFile
	versions versions
}

// openDirKeyring refuses a directory that has a file which others can read, in it or in directories of it.
func openDirKeyring(dir string) (*dirKeyring, error) {
	var errs []error
	root := dir + string(filepath.Separator) // so that one that is a link is followed
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch ext := filepath.Ext(path); {
		case err != nil:
			return err
		case entry.IsDir() && path != root && strings.HasPrefix(entry.Name(), "."):
			return fs.SkipDir // no name leads there; mounted secrets keep their versions in such
		case !entry.IsDir() && (ext == usernameFile || ext == passwordFile || ext == nextFile):
			info, err := os.Stat(path)
			if err == nil {
				err = checkPrivate(path, info)
			}
			errs = append(errs, err)
		}
		return nil
	})
	if err := errors.Join(append(errs, err)...); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKeyring, err)
	}
	return &dirKeyring{dir: dir, files: map[string]*privateFile{}, versions: versions{}}, nil
}

func (k *dirKeyring) Credentials(_ context.Context, name string) (Credentials, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := incomplete(name); err != nil {
		return Credentials{}, err
	}
	for step := range strings.SplitSeq(name, "/") { // a name comes from the CMDB: it must not lead out of the directory
		if step == "" || strings.HasPrefix(step, ".") || strings.ContainsAny(step, "\\\x00") {
			return Credentials{}, noCredential(name, k.dir)
		}
	}
	text, err := k.read(name + passwordFile)
	if errors.Is(err, fs.ErrNotExist) {
		return Credentials{}, noCredential(name, k.dir+": no file "+name+passwordFile)
	}
	if err != nil {
		return Credentials{}, err
	}
	password, err := newPassword(text)
	if err != nil {
		return Credentials{}, badCredential(name, k.dir, err)
	}
	username, err := k.read(name + usernameFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Credentials{}, err
	}
	if err := checkUsername(username); err != nil {
		return Credentials{}, badCredential(name, k.dir, err)
	}
	text, err = k.read(name + nextFile)
	if errors.Is(err, fs.ErrNotExist) {
		return k.versions.credentials(name, username, password), nil
	}
	var next Secret
	if err == nil {
		next, err = newPassword(text)
	}
	if err != nil {
		return Credentials{}, badCredential(name, k.dir, fmt.Errorf("%s: %w", name+nextFile, err))
	}
	return k.versions.rotating(name, username, password, next), nil
}

func (k *dirKeyring) read(name string) (string, error) {
	f := k.files[name]
	if f == nil {
		f = &privateFile{path: filepath.Join(k.dir, name)}
	}
	text, _, err := f.read()
	if err != nil {
		delete(k.files, name) // a name that nobody has must not be remembered
		// No file can have a name that is too long, or that leads through a file.
		if errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ENAMETOOLONG) {
			err = fmt.Errorf("%w: %w", fs.ErrNotExist, err)
		}
		return "", err
	}
	k.files[name] = f
	return trimNewline(text.Reveal()), nil
}
