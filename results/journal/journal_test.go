package journal_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"lamplighter/results/journal"
)

func open(t *testing.T, path string) *journal.File {
	t.Helper()
	f, err := journal.Open(path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func lines(t *testing.T, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

func TestAppendManyAtOnceFromTwoFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	files := []*journal.File{open(t, path), open(t, path)} // two open files lock each other out as two processes do
	var group sync.WaitGroup
	for i := range 200 {
		group.Go(func() {
			if err := files[i%2].Append(fmt.Appendf(nil, "line %03d", i)); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	got := lines(t, path)
	slices.Sort(got)
	if len(got) != 200 || got[0] != "line 000" || got[199] != "line 199" {
		t.Errorf("got %d lines, first %q, last %q", len(got), got[0], got[len(got)-1])
	}
}

func TestTornLastLineIsCutOff(t *testing.T) {
	for name, test := range map[string]struct{ before, want string }{
		"an empty file":                   {"", "new\n"},
		"a whole line":                    {"old\n", "old\nnew\n"},
		"a torn line after a whole one":   {"old\nto", "old\nnew\n"},
		"nothing but a torn line":         {"to", "new\n"},
		"a torn line longer than a block": {"old\n" + strings.Repeat("x", 10_000), "old\nnew\n"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "j")
			if err := os.WriteFile(path, []byte(test.before), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := open(t, path).Append([]byte("new")); err != nil {
				t.Fatal(err)
			}
			if got, _ := os.ReadFile(path); string(got) != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestUpdateSeesWhatOthersWroteBeforeItDecides(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	count := func(f *journal.File, seen *int) {
		err := f.Update(func([]byte) error { *seen++; return nil },
			func() ([]byte, error) { return fmt.Appendf(nil, "%d", *seen), nil })
		if err != nil {
			t.Error(err)
		}
	}
	var group sync.WaitGroup
	for range 4 {
		f, seen := open(t, path), 0
		group.Go(func() {
			for range 50 {
				count(f, &seen)
			}
		})
	}
	group.Wait()
	for i, line := range lines(t, path) {
		if line != fmt.Sprint(i) {
			t.Fatalf("line %d was decided on %s lines seen", i, line)
		}
	}
}

func TestARotatedFileIsMadeAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	f := open(t, path)
	_ = f.Append([]byte("one"))
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	if err := f.Append([]byte("two")); err != nil {
		t.Fatal(err)
	}
	if got := lines(t, path); !slices.Equal(got, []string{"two"}) {
		t.Errorf("got %q, want two alone", got)
	}
}

func TestReplaceIsSeenByEverybody(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	a, b := open(t, path), open(t, path)
	_, _ = a.Append([]byte("one")), b.Append([]byte("two"))
	var seen []string
	see := func(line []byte) error { seen = append(seen, string(line)); return nil }
	if err := a.Replace(see, func() ([][]byte, error) { return [][]byte{[]byte("both")}, nil }); err != nil {
		t.Fatal(err)
	}
	_, _ = b.Append([]byte("three")), a.Append([]byte("four"))
	if got := lines(t, path); !slices.Equal(got, []string{"both", "three", "four"}) || !slices.Equal(seen, []string{"one", "two"}) {
		t.Errorf("file %q after seeing %q", got, seen)
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, want 0600", info.Mode())
	}
}
