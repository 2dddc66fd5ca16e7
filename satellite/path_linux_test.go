package main

import (
	"cmp"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"lamplighter/checks"
	"lamplighter/checks/netnstest"
	"lamplighter/checks/peers"
	"lamplighter/inventory"
	"lamplighter/results"
)

// stranger is the user that sat-b runs as, so that the kernel can send its packets another way.
const stranger = 12345

// lost are the addresses that sat-b has no way to: the first rack, and half of the second.
const lost = "127.10.0.0/28"

// TestTwoSatellitesTellADeadRackFromALostRoute takes the route to some BMCs away from one of two real satellites, and kills a rack of
// another site under two others.
func TestTwoSatellitesTellADeadRackFromALostRoute(t *testing.T) {
	if testing.Short() {
		t.Skip("NOT TESTED: a route that one of two satellites loses, with -short")
	}
	peers.Need(t, peers.RabbitMQ)
	peers.Need(t, peers.KafkaPeer)
	if !netnstest.EnterFor(t, 3*time.Minute) {
		return
	}
	x := openExchange(t)
	p := newPair(t, x, room(t, "path", 40, time.Second), 4*time.Second,
		"timeouts: {ping: 1s, tls: 2s, redfish-login: 3s, ipmi-login: 3s, power: 3s}\n")
	p.logs(t)
	p.strange(t, "sat-b")
	rack := newDyingRack(t, x)
	hole(t)
	rack.start(t, "sat-a", "sat-b")
	p.both(t)
	p.wantSight(t, time.Now())
	rack.judging(t, time.Now(), "sat-a", "sat-b")

	since := time.Now()
	netnstest.Run(t, "ip rule add pref 5 to "+lost+" uidrange 12345-12345 lookup 77")
	rack.die(t)
	p.wantPath(t, since)
	p.wantPath(t, time.Now().Add(8*time.Second)) // as many rounds as a failure needs to be believed
	since = time.Now()
	netnstest.Run(t, "ip rule del pref 5")
	p.wantSight(t, since)
	p.stop(t, "sat-b", "sat-a")
	p.wantNobodyAccused(t)
	rack.wantKnownWhole(t)
	rack.stop(t, "sat-a", "sat-b")
}

// hole is a link on which everything vanishes, in table 77, which nobody uses yet. The table of local addresses comes after it.
func hole(t *testing.T) {
	t.Helper()
	netnstest.Link(t)
	netnstest.Sysctl(t, "net.ipv4.conf.near.route_localnet", "1")
	for _, line := range []string{"ip rule add pref 10 lookup local", "ip rule del pref 0", "ip route add " + lost + " via 10.9.0.2 dev near table 77"} {
		netnstest.Run(t, line)
	}
}

// strange has a satellite run as another user, to whom all files are given.
func (p *pair) strange(t *testing.T, name string) {
	t.Helper()
	p.as = map[string]*syscall.SysProcAttr{name: {Credential: &syscall.Credential{Uid: stranger, Gid: stranger}}}
	for _, dir := range []string{p.dir, p.simulated.dir} {
		if err := os.Chmod(filepath.Dir(dir), 0o711); err != nil {
			t.Fatal(err)
		}
		err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
			return cmp.Or(err, os.Chown(path, stranger, stranger))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// wantPath waits until each BMC that sat-b owns and cannot reach has a verdict of a disagreement, and each other one is available.
func (p *pair) wantPath(t *testing.T, since time.Time) {
	t.Helper()
	eventually(t, 60*time.Second, "a verdict of each BMC: self.path by sat-b where it has no way, else available", func() bool {
		newest := map[inventory.ID]results.Verdict{}
		for _, v := range p.verdicts(t) {
			if v.At.After(since) && v.At.After(newest[v.BMC].At) {
				newest[v.BMC] = v
			}
		}
		paths := 0
		for _, v := range newest {
			if p.lost(v.BMC) && v.Satellite == "sat-b" {
				paths++
			}
			if (p.lost(v.BMC) && v.Satellite == "sat-b") != (v.Reason == checks.SelfPath) || v.Reason != checks.SelfPath && v.Health != checks.Available {
				return false
			}
		}
		return len(newest) == len(p.BMCs()) && paths > 0
	})
}

func (p *pair) lost(id inventory.ID) bool {
	i := slices.IndexFunc(p.BMCs(), func(b inventory.BMC) bool { return b.ID == id })
	return p.BMCs()[i].Address.As4()[3] < 16
}

// wantNobodyAccused holds all verdicts, and the states that follow from them, against what was broken.
func (p *pair) wantNobodyAccused(t *testing.T) {
	t.Helper()
	all, states, said := p.verdicts(t), map[inventory.ID]results.State{}, map[checks.Reason]int{}
	slices.SortFunc(all, func(a, b results.Verdict) int { return a.Round.Due.Compare(b.Round.Due) })
	for _, v := range all {
		said[v.Reason]++
		states[v.BMC], _ = results.Apply(states[v.BMC], v, 1, false)
		if v.Health == checks.Unavailable || states[v.BMC].Health == checks.Unavailable {
			t.Errorf("%s: %s by %s, and the state is %s: %+v", v.Round, v.Health, v.Reason, states[v.BMC].Health, v.Trail)
		}
		if v.Reason != checks.SelfPath {
			continue
		}
		last := v.Trail[len(v.Trail)-1]
		if v.Satellite != "sat-b" || !p.lost(v.BMC) || !strings.Contains(last.Error, "by sat-b: ") || !strings.Contains(last.Error, "sat-a got an answer") {
			t.Errorf("%s by %s: %+v: want both names, and only of what sat-b has no way to", v.Round, v.Satellite, last)
		}
	}
	t.Logf("verdicts by reason: %v", said)
}
