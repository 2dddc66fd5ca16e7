package inventory

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// largestPrivate bounds what is read of a keyring or password file.
const largestPrivate = 16 << 20

// privateFile is a file that only its owner may use. It is read again when it changed. Its user locks.
type privateFile struct {
	path string
	text Secret      // its content as last read
	seen fs.FileInfo // nil: read again
}

// read returns the content and whether it is another than the last time.
func (p *privateFile) read() (text Secret, anew bool, err error) {
	if info, err := os.Stat(p.path); err == nil && p.seen != nil && unchanged(p.seen, info) {
		return p.text, false, nil
	}
	last := p.text
	p.forget()
	text, info, err := readPrivate(p.path)
	if err != nil {
		return Secret{}, false, err
	}
	// A file written just now may be written again within the same tick of the file system's clock.
	if time.Since(info.ModTime()) > time.Second {
		p.seen = info
	}
	p.text = text
	return text, last.Empty() || !last.Equal(text), nil
}

// forget has the next read be anew.
func (p *privateFile) forget() { p.text, p.seen = Secret{}, nil }

func unchanged(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime()) && a.Mode() == b.Mode()
}

// readPrivate reads a file whose mode is 0600 or stricter, or a pipe. Its error wraps ErrKeyring.
func readPrivate(path string) (Secret, fs.FileInfo, error) {
	info, err := os.Stat(path) // before opening: a device may do anything when opened
	if err == nil {
		err = checkPrivate(path, info)
	}
	if err != nil {
		return Secret{}, nil, fmt.Errorf("%w: %w", ErrKeyring, err)
	}
	f, err := os.Open(path)
	if err != nil {
		return Secret{}, nil, fmt.Errorf("%w: %w", ErrKeyring, err)
	}
	defer func() { _ = f.Close() }()
	info, data, err := readOpen(path, f)
	if err != nil {
		return Secret{}, nil, fmt.Errorf("%w: %w", ErrKeyring, err)
	}
	return NewSecret(string(data)), info, nil
}

func readOpen(path string, f *os.File) (fs.FileInfo, []byte, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	if err := checkPrivate(path, info); err != nil { // what is open may be another file than what was looked at
		return nil, nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, largestPrivate+1))
	if err == nil && len(data) > largestPrivate {
		err = fmt.Errorf("%s: larger than %d bytes", path, largestPrivate)
	}
	return info, data, err
}

func checkPrivate(path string, info fs.FileInfo) error {
	if !info.Mode().IsRegular() && info.Mode()&fs.ModeNamedPipe == 0 {
		return fmt.Errorf("%s: not a file", path)
	}
	if perm := info.Mode().Perm(); perm&0o077 != 0 && !(perm == 0o440 && isServiceCredential(path)) {
		return fmt.Errorf("%s: mode is %04o, want 0600 or stricter, so that only its owner can read it: chmod 600 %s", path, perm, path)
	}
	return nil
}

// isServiceCredential is true for a file that systemd made for this service alone with LoadCredential. Under DynamicUser it
// gives the user access by an ACL, whose mask shows as mode 0440 although no group may read it (systemd 254, systemd#29435).
func isServiceCredential(path string) bool {
	dir := os.Getenv("CREDENTIALS_DIRECTORY")
	return filepath.IsAbs(dir) && filepath.Dir(filepath.Clean(path)) == filepath.Clean(dir)
}

// trimNewline strips one newline, which editors and echo add.
func trimNewline(text string) string {
	if line, had := strings.CutSuffix(text, "\n"); had {
		return strings.TrimSuffix(line, "\r")
	}
	return text
}

// newPassword refuses what no BMC takes as a password; its error does not show it.
func newPassword(text string) (Secret, error) {
	if text == "" {
		return Secret{}, errors.New("the password is empty")
	}
	if strings.ContainsAny(text, "\x00\r\n") {
		return Secret{}, errors.New("the password has a newline or a NUL in it")
	}
	return NewSecret(text), nil
}

func checkUsername(text string) error {
	if strings.ContainsAny(text, "\x00\r\n") {
		return errors.New("the username has a newline or a NUL in it")
	}
	return nil
}
