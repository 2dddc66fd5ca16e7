package checks

import (
	"context"
	"crypto/x509"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"lamplighter/checks/bmcsim"
)

// TestWhatTheFirstRoundOnAutoCosts: finding out the protocol costs a BMC nothing more than a round whose protocol is known.
func TestWhatTheFirstRoundOnAutoCosts(t *testing.T) {
	fleet, err := bmcsim.NewFleet(bmcsim.Plan{Seed: 3, Auto: 1, Sites: []bmcsim.Site{{Name: "s", BMCs: 12, IPMI: 0.5}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := fleet.Listen(0, 0); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var server errgroup.Group
	server.Go(func() error { return fleet.Run(ctx) })
	t.Cleanup(func() {
		stop()
		if err := server.Wait(); err != nil {
			t.Error(err)
		}
	})
	wires := ipmiWires(t)
	wires.Settings.Roots = x509.NewCertPool()
	wires.Settings.Roots.AppendCertsFromPEM(fleet.CA())
	redfish := 0
	for _, bmc := range fleet.BMCs() {
		v := wires.Visit(bmc, Known{})
		if v.Login, err = fleet.Credentials(ctx, bmc.Login); err != nil {
			t.Fatal(err)
		}
		if last := goChain(ctx, t, v); last.Check != Power || last.Outcome != OK {
			t.Errorf("%s ended with %+v, want power ok", bmc.ID, last)
		}
		cost := fleet.Counters().BMCs[bmc.ID]
		if cost.Datagrams > 7 || cost.Handshakes > 1 || cost.Requests > 5 || cost.Logins != 1 || cost.Open != 0 {
			t.Errorf("%s: %+v, want at most 7 datagrams, 1 handshake, 5 requests, 1 login", bmc.ID, cost)
		}
		redfish += int(cost.Handshakes)
	}
	if redfish != 6 {
		t.Errorf("%d BMCs were asked by Redfish, want 6", redfish)
	}
}

// goChain runs the default chain until it ends, closes the visit, and returns the last result.
func goChain(ctx context.Context, t *testing.T, v *Visit) Result {
	t.Helper()
	var done []Result
	for {
		check, more := Default().After(v.BMC, done)
		if !more {
			break
		}
		start := time.Now()
		one, cancel := context.WithTimeout(ctx, check.Timeout)
		found, err := check.Run(one, v)
		cancel()
		done = append(done, NewResult(check.Name, found, err, start, time.Now()))
	}
	if err := v.Close(ctx); err != nil {
		t.Errorf("close the visit to %s: %v", v.BMC.ID, err)
	}
	return done[len(done)-1]
}
