package inventory

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// A register's file has a line for what it is, one for each BMC, one for each BMC of the answer that is withheld, and one with the
// SHA-256 of all before it: what was cut short is told from what is whole.
const (
	registerName = "register"
	followedName = "followed"
	statusName   = "status"
	format       = 1
)

// registerHead is the first line.
type registerHead struct {
	Format    int              `json:"format"`
	Number    uint64           `json:"number"`
	Made      time.Time        `json:"made"`
	BMCs      int              `json:"bmcs"`
	Missing   map[ID]time.Time `json:"missing,omitempty"`
	Conflicts []Conflict       `json:"conflicts,omitempty"`
	Withheld  *withheldHead    `json:"withheld,omitempty"`
}

type withheldHead struct {
	Digest string     `json:"digest"`
	Since  time.Time  `json:"since"`
	Gone   int        `json:"gone"`
	Of     int        `json:"of"`
	First  ID         `json:"first"`
	BMCs   int        `json:"bmcs"`
	Bad    []Conflict `json:"bad,omitempty"`
}

// Status is how the last syncs went. It is all that a sync without change writes.
type Status struct {
	// Synced is when the sources last answered; zero: never.
	Synced time.Time `json:"synced,omitzero"`
	// Read is how many records that answer had, Of how many the sources said they have.
	Read int `json:"read"`
	Of   int `json:"of"`
	// Tried is when they were last asked, and Error what went wrong then; empty: nothing.
	Tried time.Time `json:"tried,omitzero"`
	Error string    `json:"error,omitempty"`
	// Sources are the same of each source; Last is what the last change counted.
	Sources []SourceStatus `json:"sources,omitempty"`
	Last    *LastChange    `json:"last,omitempty"`
}

// ReadRegister reads what a Syncing keeps in a directory. One that does not exist is empty.
func ReadRegister(dir string) (Register, Status, error) {
	var status Status
	text, err := os.ReadFile(filepath.Join(dir, statusName))
	if err == nil {
		err = json.Unmarshal(text, &status) // it is replaced as a whole
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Register{}, status, fmt.Errorf("read the inventory's status in %s: %w", dir, err)
	}
	r, err := readRegisterFile(filepath.Join(dir, registerName))
	return r, status, err
}

// ReadFollowed reads what WriteFollowed wrote; an empty register where it never did.
func ReadFollowed(dir string) (Register, error) {
	return readRegisterFile(filepath.Join(dir, followedName))
}

// WriteFollowed keeps a register that another process made, for a start while nobody can be asked for it. The directory is made.
func WriteFollowed(dir string, r Register) error {
	err := os.MkdirAll(dir, 0o700)
	if err == nil {
		err = replaceFile(dir, followedName, func(w io.Writer) error { return writeRegister(w, r) })
	}
	if err != nil {
		return fmt.Errorf("keep the inventory in %s: %w", dir, err)
	}
	return nil
}

func readRegisterFile(path string) (Register, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Register{}, nil
	}
	if err != nil {
		return Register{}, fmt.Errorf("read the last good inventory: %w", err)
	}
	defer func() { _ = file.Close() }()
	r, err := readRegister(file)
	if err != nil {
		return Register{}, fmt.Errorf("read the last good inventory %s: %w; move it away to begin anew", path, err)
	}
	return r, nil
}

// lines reads a line at a time and sums them.
type lines struct {
	texts
	reader *bufio.Reader
	sum    hash.Hash
}

func (l lines) next(to any) error {
	line, err := l.reader.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		head := bytes.Clone(line)
		line, err = l.reader.ReadBytes('\n')
		line = append(head, line...)
	}
	if err != nil {
		return fmt.Errorf("it is cut short: %w", err)
	}
	l.sum.Write(line)
	return json.Unmarshal(line, to)
}

func (l lines) bmcs(n int) ([]BMC, error) {
	if n == 0 {
		return nil, nil
	}
	all := make([]BMC, 0, max(0, min(n, 1<<20)))
	for range n {
		var b BMC
		if err := l.next(&b); err != nil {
			return nil, err
		}
		l.share(&b)
		all = append(all, b)
	}
	return all, nil
}

func readRegister(from io.Reader) (Register, error) {
	l := lines{texts{}, bufio.NewReaderSize(from, 64<<10), sha256.New()}
	var head registerHead
	if err := l.next(&head); err != nil {
		return Register{}, err
	}
	if head.Format != format {
		return Register{}, fmt.Errorf("format %d: want %d", head.Format, format)
	}
	r := Register{Number: head.Number, Made: head.Made, Missing: head.Missing, Conflicts: head.Conflicts}
	var err error
	if r.BMCs, err = l.bmcs(head.BMCs); err != nil {
		return Register{}, err
	}
	if w := head.Withheld; w != nil {
		r.Withheld = &Withheld{Digest: w.Digest, Since: w.Since, Gone: w.Gone, Of: w.Of, First: w.First, Answer: Answer{Bad: w.Bad}}
		withheld, err := l.bmcs(w.BMCs)
		if err != nil {
			return Register{}, err
		}
		r.Withheld.Answer.BMCs = pointers(withheld)
	}
	want := hex.EncodeToString(l.sum.Sum(nil))
	var sum string
	if err := l.next(&sum); err != nil {
		return Register{}, err
	}
	if sum != want {
		return Register{}, errors.New("its sum is wrong: something else wrote to it")
	}
	_, err = newSnapshot(r.BMCs)
	return r, err
}

func writeRegister(to io.Writer, r Register) error {
	head := registerHead{Format: format, Number: r.Number, Made: r.Made, BMCs: len(r.BMCs), Missing: r.Missing, Conflicts: r.Conflicts}
	var withheld []*BMC
	if w := r.Withheld; w != nil {
		head.Withheld = &withheldHead{w.Digest, w.Since, w.Gone, w.Of, w.First, len(w.Answer.BMCs), w.Answer.Bad}
		withheld = w.Answer.BMCs
	}
	sum := sha256.New()
	out := json.NewEncoder(io.MultiWriter(to, sum))
	if err := out.Encode(head); err != nil {
		return err
	}
	for i := range r.BMCs {
		if err := out.Encode(&r.BMCs[i]); err != nil {
			return err
		}
	}
	for _, b := range withheld {
		if err := out.Encode(b); err != nil {
			return err
		}
	}
	return json.NewEncoder(to).Encode(hex.EncodeToString(sum.Sum(nil)))
}

// replaceFile has write fill a new file, which takes the place of the one of that name once it is on the disk.
func replaceFile(dir, name string, write func(io.Writer) error) (err error) {
	file, err := os.CreateTemp(dir, name+".*.new") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(file.Name())
		}
	}()
	if err := ownedAs(dir, file); err != nil {
		return err
	}
	buffered := bufio.NewWriterSize(file, 256<<10)
	if err := errors.Join(write(buffered), buffered.Flush(), file.Sync(), file.Close()); err != nil {
		return err
	}
	if err := os.Rename(file.Name(), filepath.Join(dir, name)); err != nil {
		return err
	}
	within, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(within.Sync(), within.Close())
}

// ownedAs gives a file that root makes to the owner of the directory: the service that lives there has to read it.
func ownedAs(dir string, file *os.File) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok {
		return file.Chown(int(owner.Uid), int(owner.Gid))
	}
	return nil
}
