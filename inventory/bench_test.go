package inventory

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The child of BenchmarkSync syncs with what this names, so that the CMDB's memory is not counted as ours.
const (
	syncFrom = "LAMPLIGHTER_TEST_SYNC_FROM"
	syncTo   = "LAMPLIGHTER_TEST_SYNC_TO"
)

// spent is what the child says.
type spent struct {
	First, Again, Start time.Duration
	CPU                 time.Duration
	PeakKB              int
	BMCs                int
}

// TestSyncInAProcessOfItsOwn is what BenchmarkSync starts.
func TestSyncInAProcessOfItsOwn(t *testing.T) {
	url := os.Getenv(syncFrom)
	if url == "" {
		t.Skip("BenchmarkSync starts it")
	}
	targets := DefaultTargets()
	rule := DefaultRule()
	rule.Targets = &targets
	s := opened(t, SyncConfig{Dir: os.Getenv(syncTo), Rule: rule, Source: netboxAt(url)})
	var got spent
	for _, took := range []*time.Duration{&got.First, &got.Again} {
		began := time.Now()
		if _, err := s.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		*took = time.Since(began)
	}
	got.PeakKB = peakKB(t)
	_ = s.Close()
	began := time.Now()
	again := opened(t, s.config)
	got.Start = time.Since(began)
	now, _ := again.Register()
	got.BMCs = len(now.BMCs)
	text, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(os.Getenv(syncTo), "spent"), text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func peakKB(t testing.TB) int {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skipf("NOT TESTED: the most memory: %v", err)
	}
	match := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(text)
	kb, err := strconv.Atoi(string(match[1]))
	if err != nil {
		t.Fatal(err)
	}
	return kb
}

// syncedApart syncs so many devices in another process, twice, and starts from the copy on the disk.
func syncedApart(t testing.TB, devices int) spent {
	t.Helper()
	s := netboxOf(0)
	s.many = devices
	for rack := range devices/20 + 1 {
		s.racks = append(s.racks, fmt.Sprintf(`{"id":%d,"name":"R%d","u_height":48}`, rack+2, rack+2))
	}
	dir := t.TempDir()
	child := exec.Command(os.Args[0], "-test.run=^TestSyncInAProcessOfItsOwn$")
	child.Env = append(os.Environ(), syncFrom+"="+s.start(t).URL, syncTo+"="+dir)
	if out, err := child.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	text, err := os.ReadFile(filepath.Join(dir, "spent"))
	if err != nil {
		t.Fatal(err)
	}
	var got spent
	if err := json.NewDecoder(strings.NewReader(string(text))).Decode(&got); err != nil || got.BMCs != devices {
		t.Fatalf("%+v, %v", got, err)
	}
	got.CPU = child.ProcessState.UserTime() + child.ProcessState.SystemTime()
	return got
}

// The limits are those that are promised for 100,000 devices, in proportion.
func TestALargeCMDBIsSyncedWithinBounds(t *testing.T) {
	devices, most := 10_000, 100
	if os.Getenv("LAMPLIGHTER_LONG") != "" {
		devices, most = 200_000, 600
	}
	got := syncedApart(t, devices)
	t.Logf("%d devices: %+v", devices, got)
	if got.PeakKB > most<<10 {
		t.Errorf("%d devices took %d MB, want at most %d", devices, got.PeakKB>>10, most)
	}
}

func BenchmarkSync(b *testing.B) {
	for _, devices := range []int{100_000, 200_000} {
		b.Run(fmt.Sprint(devices), func(b *testing.B) {
			for b.Loop() {
				got := syncedApart(b, devices)
				b.ReportMetric(got.First.Seconds(), "s/first")
				b.ReportMetric(got.Again.Seconds(), "s/again")
				b.ReportMetric(got.Start.Seconds(), "s/start")
				b.ReportMetric(got.CPU.Seconds(), "cpu-s")
				b.ReportMetric(float64(got.PeakKB)/1024, "MB-peak")
			}
		})
	}
}
