package checks

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"lamplighter/checks/rmcp"
	"lamplighter/inventory"
)

func TestDecide(t *testing.T) {
	for _, c := range []struct {
		name          string
		r             root
		i             ipmi
		want          inventory.Protocol
		proven, final bool
	}{
		{"nothing is known yet", root{}, ipmi{}, inventory.Redfish, false, false},
		{"a service root proves Redfish", root{done: true, redfish: true, answered: true}, ipmi{}, inventory.Redfish, true, true},
		{"a service root wins over IPMI", root{done: true, redfish: true, answered: true}, ipmi{true, true}, inventory.Redfish, true, true},
		{"IPMI waits for the root", root{}, ipmi{true, true}, inventory.IPMI, false, false},
		{"IPMI beside another web page is proven", root{done: true, answered: true}, ipmi{true, true}, inventory.IPMI, true, true},
		{"IPMI beside a silent web port is not remembered", root{done: true}, ipmi{true, true}, inventory.IPMI, false, true},
		{"no root waits for IPMI", root{done: true, answered: true}, ipmi{}, inventory.Redfish, false, false},
		{"neither is Redfish for this round", root{done: true}, ipmi{true, false}, inventory.Redfish, false, true},
		{"IPMI 1.5 alone is Redfish for this round", root{done: true, answered: true}, ipmi{true, false}, inventory.Redfish, false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, proven, final := decide(c.r, c.i)
			if final != c.final || final && (p != c.want || proven != c.proven) {
				t.Errorf("decide = %s, proven %v, final %v", p, proven, final)
			}
		})
	}
}

func TestDiscoverEndsBeforeItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start := time.Now()
		p, proven := discover(ctx, func(ctx context.Context) (bool, bool, error) {
			<-ctx.Done()
			return false, false, ctx.Err()
		}, func(ctx context.Context) (rmcp.Capabilities, error) { return rmcp.Capabilities{IPMI20: true}, nil })
		if p != inventory.IPMI || proven {
			t.Errorf("discover = %s, %v", p, proven)
		}
		if took := time.Since(start); took != 2500*time.Millisecond {
			t.Errorf("took %v, want 2.5s", took)
		}
	})
}

func TestDiscoverDoesNotWaitForIPMIOfARedfishBMC(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		p, proven := discover(t.Context(), func(ctx context.Context) (bool, bool, error) { return true, true, nil },
			func(ctx context.Context) (rmcp.Capabilities, error) {
				<-ctx.Done()
				return rmcp.Capabilities{}, ctx.Err()
			})
		if p != inventory.Redfish || !proven || time.Since(start) != 0 {
			t.Errorf("discover = %s, %v after %v", p, proven, time.Since(start))
		}
	})
}
