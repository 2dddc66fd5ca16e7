package memory

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
)

func TestOfManyAtOnceOneIsAllowed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m")
	memories := []*Memory{open(t, path), open(t, path)}
	var mu sync.Mutex
	count := map[Decision]int{}
	var group sync.WaitGroup
	for i := range 200 {
		group.Go(func() {
			_, permit, err := memories[i%2].Begin(context.Background(), start, "a", "c", "1", round(checks.Routine))
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			count[permit.Decision]++
		})
	}
	group.Wait()
	if count[Allowed] != 1 || count[Unsure] != 199 {
		t.Errorf("decisions %v, want 1 allowed and 199 unsure", count)
	}
}

// intendAndHang is the child process: it begins a login, says so, and waits to be killed.
func intendAndHang(path string) {
	m, err := Open(path)
	if err != nil {
		panic(err)
	}
	_, permit, err := m.Begin(context.Background(), start, "a", "c", "1", round(checks.Routine))
	fmt.Println("decision", permit.Decision, err)
	select {}
}

func TestKilledBetweenIntentAndOutcome(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m")
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), "LAMPLIGHTER_TEST_INTEND="+path)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	parent := open(t, path) // shares the file with the child while it lives
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	said, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || strings.TrimSpace(said) != "decision 1 <nil>" {
		t.Errorf("child said %q, %v", said, err)
	}
	if got := login(t, parent, start, "a", "1", checks.Routine, Refused); got != Unsure {
		t.Errorf("while the other process logs in: got %d, want unsure", got)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // killed is an error
	after := open(t, path)
	for i, want := range []struct {
		after time.Duration
		Decision
	}{{29 * time.Minute, Unsure}, {61 * time.Minute, Allowed}, {62 * time.Minute, Fenced}, {100 * time.Hour, Fenced}} {
		if got := login(t, after, start.Add(want.after), "a", "1", checks.Routine, Refused); got != want.Decision {
			t.Errorf("step %d: got %d, want %d", i+1, got, want.Decision)
		}
	}
}

func TestMemoryOutlivesTheProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m")
	known := checks.Known{Protocol: inventory.IPMI, TLSProfile: "lenient", Pin: "ab", Systems: []string{"/redfish/v1/Systems/1"}, Suite: 17}
	m := open(t, path)
	if err := m.Learn(context.Background(), "a", known); err != nil {
		t.Fatal(err)
	}
	if err := m.SetStop(context.Background(), Stop{On: true, By: "somebody", At: start}); err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = file.WriteString(`{"kind":"known","bmc":"a","kno`) // its writer died
	}
	if err != nil {
		t.Fatal(err)
	}
	_ = file.Close()
	again := open(t, path)
	if got := again.Known("a"); fmt.Sprint(got) != fmt.Sprint(known) {
		t.Errorf("known %+v, want %+v", got, known)
	}
	if s := again.Stopped(); !s.On || s.By != "somebody" {
		t.Errorf("stop %+v, want on by somebody", s)
	}
	if got := login(t, again, start, "a", "1", checks.Person, None); got != Stopped {
		t.Errorf("login while stopped: got %d, want stopped", got)
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, want 0600", info.Mode().Perm())
	}
}

func TestCompactionKeepsWhatCounts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m")
	var text strings.Builder
	for i := range compactFrom {
		fmt.Fprintf(&text, `{"kind":"known","bmc":"b%d","known":{"suite":%d}}`+"\n", i%10, i/10%17)
	}
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	other := open(t, path) // compacts
	login(t, other, start, "a", "1", checks.Routine, Refused)
	info, _ := os.Stat(path)
	if info.Size() > 4096 {
		t.Errorf("%d bytes after compaction", info.Size())
	}
	again := open(t, path)
	if got := again.Known("b7").Suite; got != uint8((compactFrom-1)/10%17) {
		t.Errorf("suite %d, want the newest", got)
	}
	if _, fenced := again.Fence("a"); !fenced {
		t.Error("the fence is gone")
	}
}

func TestABrokenFileIsAnErrorThatNamesTheLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m")
	if err := os.WriteFile(path, []byte("{\"kind\":\"stop\"}\ngarbage\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(path)
	if err == nil || !strings.Contains(err.Error(), "garbage") || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v", err)
	}
}
