package main

import (
	"testing"
	"time"

	"lamplighter/checks"
	"lamplighter/checks/netnstest"
	"lamplighter/checks/peers"
	"lamplighter/inventory"
)

// TestASiteThatLosesItsNetworkAccusesNobody takes the network away from two real satellites: first that of the BMCs, while
// RabbitMQ and Kafka stay, then all of it.
func TestASiteThatLosesItsNetworkAccusesNobody(t *testing.T) {
	if testing.Short() {
		t.Skip("NOT TESTED: a site without its uplink, with -short")
	}
	peers.Need(t, peers.RabbitMQ)
	peers.Need(t, peers.KafkaPeer)
	if !netnstest.EnterFor(t, 3*time.Minute) {
		return
	}
	p := newPair(t, openExchange(t), room(t, "uplink", 40, time.Second), 4*time.Second,
		"timeouts: {ping: 1s, tls: 2s, redfish-login: 3s, ipmi-login: 3s, power: 3s}\n")
	p.logs(t)
	p.both(t)
	t.Run("of the BMCs", func(t *testing.T) {
		// To the kernel their addresses are now somebody else's: what is sent there vanishes.
		for _, line := range []string{
			"ip route del local 127.0.0.0/8 dev lo table local", "ip route add local 127.0.0.0/16 dev lo table local", "ip route add 127.10.0.0/16 dev lo",
		} {
			netnstest.Run(t, line)
		}
		p.wantBlind(t, time.Now())
		netnstest.Run(t, "ip route add local 127.10.0.0/16 dev lo table local")
		p.wantSight(t, time.Now())
	})
	t.Run("and of the brokers", func(t *testing.T) {
		netnstest.Run(t, "ip link set lo down")
		time.Sleep(12 * time.Second)
		netnstest.Run(t, "ip link set lo up")
		p.wantSight(t, time.Now())
	})
	p.stop(t, "sat-a", "sat-b")
	said := map[checks.Reason]int{}
	for _, v := range p.verdicts(t) {
		said[v.Reason]++
		if v.Health == checks.Unavailable { // an IPMI power question that was cut off may read power.unreadable: Degraded
			t.Errorf("%s: %s by %s: %+v", v.Round, v.Health, v.Reason, v.Trail)
		}
	}
	t.Logf("verdicts by reason: %v", said)
}

// wantBlind waits until each BMC has a verdict of our blindness later than since.
func (p *pair) wantBlind(t *testing.T, since time.Time) {
	t.Helper()
	p.wantEach(t, "blind", func(reason checks.Reason, _ checks.Health) bool { return reason == checks.SelfBlind }, since)
}

func (p *pair) wantSight(t *testing.T, since time.Time) {
	t.Helper()
	p.wantEach(t, "available", func(_ checks.Reason, health checks.Health) bool { return health == checks.Available }, since)
}

func (p *pair) wantEach(t *testing.T, what string, ok func(checks.Reason, checks.Health) bool, since time.Time) {
	t.Helper()
	eventually(t, 60*time.Second, "a verdict of each BMC: "+what, func() bool {
		found := map[inventory.ID]bool{}
		for _, v := range p.verdicts(t) {
			if v.At.After(since) && ok(v.Reason, v.Health) {
				found[v.BMC] = true
			}
		}
		return len(found) == len(p.BMCs())
	})
}
