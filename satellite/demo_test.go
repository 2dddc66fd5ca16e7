package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"lamplighter/checks"
	"lamplighter/checks/bmcsim"
	"lamplighter/inventory"
	"lamplighter/results"
)

// nobody is an ordinary user that every machine has.
const nobody = 65534

// asNobody is how a process runs as an ordinary user, in a directory that this user may write to. Who is not root runs it as
// himself: nil.
func asNobody(t *testing.T) (dir string, attributes *syscall.SysProcAttr) {
	t.Helper()
	dir = t.TempDir()
	if os.Getuid() != 0 {
		return dir, nil
	}
	attributes = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	for _, err := range []error{os.Chown(dir, nobody, nobody), os.Chmod(filepath.Dir(dir), 0o755)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	program, err := build()
	if err != nil {
		t.Fatal(err)
	}
	try := exec.Command(program, "version")
	try.SysProcAttr, try.Dir = attributes, dir
	if out, err := try.CombinedOutput(); err != nil {
		t.Logf("NOT TESTED: the demo as an ordinary user: %s as user %d: %v: %s", program, nobody, err, out)
		return dir, nil
	}
	return dir, attributes
}

// TestDemoShowsEveryFaultWithinTenSeconds is not parallel: it measures time, so a machine that is busy gets three tries.
func TestDemoShowsEveryFaultWithinTenSeconds(t *testing.T) {
	if _, err := build(); err != nil {
		t.Fatal(err)
	}
	for try := 1; ; try++ {
		dir, attributes := asNobody(t)
		started := time.Now()
		p := start(t, attributes, "demo", "--for", "12s", "--dir", dir)
		eventually(t, 20*time.Second, "the page that says what is wrong", func() bool { return strings.Contains(p.stdout.String(), "What is wrong") })
		shown, page := time.Since(started), p.stdout.String()
		if code := p.wait(t, 20*time.Second); code != 0 || p.stderr.String() != "" {
			t.Errorf("exit code %d; stderr: %s", code, p.stderr.String())
		}
		whole := strings.Contains(page, "500 with a verdict") && shown < 10*time.Second
		if !whole && try < 3 {
			t.Logf("not all had a verdict after %s: once more", shown)
			continue
		}
		if !whole || strings.Contains(page, "not (yet) named rightly") || !strings.Contains(page, "healthy BMCs shown as failed: 0") {
			t.Errorf("the page after %s:\n%s", shown, page)
		}
		t.Logf("shown after %s", shown)
		demoNamesAll(t, started, filepath.Join(dir, "verdicts.ndjson"), page)
		return
	}
}

// demoNamesAll compares the verdicts of the first ten seconds, and the page, with what the demo plants.
func demoNamesAll(t *testing.T, started time.Time, path, page string) {
	t.Helper()
	fleet, err := demoFleet()
	if err != nil {
		t.Fatal(err)
	}
	found, planted := map[inventory.ID]results.Verdict{}, fleet.Planted()
	kinds := map[bmcsim.Fault]int{}
	for _, faults := range planted {
		kinds[faults[0]]++
	}
	for _, info := range bmcsim.Faults {
		if kinds[info.Fault] == 0 && (info.Trust == "" || info.Trust == inventory.TrustCA) {
			t.Errorf("the demo does not plant %s", info.Name)
		}
	}
	seen := map[inventory.ID]bool{}
	for _, v := range verdicts(t, readFile(t, path)) {
		seen[v.BMC] = seen[v.BMC] || v.Health == checks.Available
		if v.At.Sub(started) < 10*time.Second {
			found[v.BMC] = v
		}
	}
	for _, bmc := range rackThatDies(fleet.BMCs()) {
		if !seen[bmc.ID] {
			t.Errorf("%s of the dead rack was never seen to work: its incident wakes nobody", bmc.ID)
		}
	}
	for _, bmc := range fleet.BMCs() {
		v, known := found[bmc.ID]
		switch faults := planted[bmc.ID]; {
		case !known:
			t.Errorf("%s has no verdict within 10 s, planted %v", bmc.ID, faults)
		case len(faults) == 0 || faults[0].Info().Reason == "":
			if v.Health != checks.Available {
				t.Errorf("%s is healthy, yet %s at %q by %q: %+v", bmc.ID, v.Health, v.Failed, v.Reason, v.Trail)
			}
		default:
			failed, reason := wanted(faults[0], spoken(v))
			mustEnd(t, v, failed, reason)
			if !strings.Contains(page, reason) || len(faults) > 1 {
				t.Errorf("%s: %q is not on the page, planted %v", bmc.ID, reason, faults)
			}
		}
	}
}

// spoken is the protocol by which a BMC was asked, also where its record says auto.
func spoken(v results.Verdict) inventory.Protocol {
	for _, r := range v.Trail {
		if r.Check == checks.IPMILogin {
			return inventory.IPMI
		}
	}
	return inventory.Redfish
}
