package spool

import (
	"bufio"
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"lamplighter/inventory"
)

// childVariable makes the test's own program the process that is killed: mode and directory.
const childVariable = "LAMPLIGHTER_SPOOL_CHILD"

const writers = 8

// written is the nth record of a writer; its state changes now and then.
func written(writer, n int) Record {
	r := record(fmt.Sprint("w", writer), n, fmt.Sprint(n/9%3))
	r.Value = bytes.Repeat([]byte(r.ID+" "), 10)
	return r
}

// child appends, and says of each record that it is kept, until it is killed. Meanwhile it coalesces or drains.
func child(job string) {
	mode, dir, _ := strings.Cut(job, ":")
	s, err := Open(Config{Dir: dir, Limits: Limits{Bytes: 1 << 30}, Segment: 16 << 10, Batch: 2 * time.Millisecond})
	if err != nil {
		panic(err)
	}
	var group sync.WaitGroup
	for writer := range writers {
		group.Go(func() {
			for n := 0; ; n++ {
				r := written(writer, n)
				if err := s.Append(r); err != nil {
					panic(err)
				}
				fmt.Printf("kept %s\n", r.ID)
			}
		})
	}
	for range s.News() {
		if err := consume(s, mode); err != nil {
			panic(err)
		}
	}
	group.Wait()
}

func consume(s *Spool, mode string) error {
	if mode == "coalesce" {
		return s.Coalesce(noon)
	}
	records, err := s.Head(3)
	if err != nil {
		return err
	}
	for _, r := range records {
		fmt.Printf("kept elsewhere %s\n", r.ID)
	}
	return s.Done(len(records))
}

func TestKilledAtRandomPointsEveryKeptRecordIsThere(t *testing.T) {
	kills := 20
	if os.Getenv("LAMPLIGHTER_LONG") != "" {
		kills = 200
	}
	for seed := range kills {
		r := rand.New(rand.NewPCG(uint64(seed), 9))
		mode := []string{"coalesce", "drain"}[seed%2]
		dir := t.TempDir()
		said := killAfter(t, mode, dir, 1+r.IntN(600))
		kept, elsewhere := map[inventory.ID]int{}, map[string]bool{}
		for _, line := range said {
			if id, ok := strings.CutPrefix(line, "kept elsewhere "); ok {
				elsewhere[id] = true
			} else if id, ok := strings.CutPrefix(line, "kept "); ok {
				bmc, _, _ := strings.Cut(id, "/")
				kept[inventory.ID(bmc)]++
			}
		}
		s := open(t, Config{Dir: dir})
		left := drain(t, s, 100)
		shut(t, s)
		checkWhole(t, seed, left)
		if mode == "coalesce" {
			checkCoalesced(t, seed, left, kept)
		} else {
			checkDrained(t, seed, left, kept, elsewhere)
		}
	}
}

// killAfter runs a child, kills it with -9 after it has said so many lines, and returns all that it said.
func killAfter(t *testing.T, mode, dir string, lines int) (said []string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+mode+":"+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() }).Stop() // a child that says nothing
	for scanner := bufio.NewScanner(out); scanner.Scan(); {
		if said = append(said, scanner.Text()); len(said) == lines {
			_ = cmd.Process.Kill()
		}
	}
	_ = cmd.Wait()
	if len(said) < lines {
		t.Fatalf("the child ended after %d lines, want %d", len(said), lines)
	}
	return said
}

// checkWhole: what was read is what was written, byte for byte.
func checkWhole(t *testing.T, seed int, left []Record) {
	t.Helper()
	for _, r := range left {
		var writer, n int
		if r.Kind == Gap {
			continue
		}
		if _, err := fmt.Sscanf(r.ID, "w%d/%d", &writer, &n); err != nil || !bytes.Equal(r.Value, written(writer, n).Value) {
			t.Fatalf("seed %d: a torn record was read: %.60q %v", seed, r.Value, err)
		}
	}
}

// checkCoalesced: what is left stands for every record that was kept, and for no more than one that was just being written.
func checkCoalesced(t *testing.T, seed int, left []Record, kept map[inventory.ID]int) {
	t.Helper()
	of := map[inventory.ID][]Record{}
	for _, r := range left {
		of[r.BMC] = append(of[r.BMC], r)
	}
	for bmc, n := range kept {
		stands := int(total(of[bmc]))
		if stands < n || stands > n+1 {
			t.Errorf("seed %d: %d records of %s were kept, %d are accounted for", seed, n, bmc, stands)
		}
		var want []Record
		for i := range stands {
			want = append(want, record(string(bmc), i, fmt.Sprint(i/9%3)))
		}
		if got, want := fmt.Sprint(transitions(of[bmc])), fmt.Sprint(transitions(want)); got != want {
			t.Errorf("seed %d: transitions %s, want %s", seed, got, want)
		}
	}
}

// checkDrained: every record that was kept is left, or elsewhere.
func checkDrained(t *testing.T, seed int, left []Record, kept map[inventory.ID]int, elsewhere map[string]bool) {
	t.Helper()
	for _, r := range left {
		elsewhere[r.ID] = true
	}
	for bmc, n := range kept {
		for i := range n {
			if id := fmt.Sprintf("%s/%d", bmc, i); !elsewhere[id] {
				t.Errorf("seed %d: %s was kept and is gone", seed, id)
			}
		}
	}
}
