package rmcp

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"testing"
	"time"

	"lamplighter/checks/peers"
	"lamplighter/inventory"
)

// TestABMCSlowerThanARepetitionIsNeitherMisjudgedNorAskedTwice: each answer takes longer than the first wait. pyghmi keeps the
// newest session only, goipmi-server a new random number for each RAKP 1, ipmi_sim both.
func TestABMCSlowerThanARepetitionIsNeitherMisjudgedNorAskedTwice(t *testing.T) {
	t.Parallel()
	c := running(t)
	ipmiSim, goIPMI := peers.StartIPMISim(t, 1), peers.StartGoIPMI(t, 17)
	right, wrong := peers.StartPyghmi(t, true), peers.StartPyghmi(t, true) // one client each
	tests := []struct {
		name           string
		addr           netip.AddrPort
		user, password string
		want           error
	}{
		{"ipmi_sim", ipmiSim.BMCs[0].Address, "admin", ipmiSim.BMCs[0].Password, nil},
		{"ipmi_sim, wrong password", ipmiSim.BMCs[0].Address, "admin", "wrong", ErrPassword},
		{"goipmi-server", goIPMI.Address, goIPMI.Username, goIPMI.Password, nil},
		{"goipmi-server, wrong password", goIPMI.Address, goIPMI.Username, "wrong", ErrPassword},
		{"pyghmi", right.Address, right.Username, right.Password, nil},
		{"pyghmi, wrong password", wrong.Address, wrong.Username, "wrong", ErrPassword},
	}
	long := func(t *testing.T) context.Context {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		t.Cleanup(cancel)
		return ctx
	}
	var together sync.WaitGroup // they mostly wait
	defer together.Wait()
	for _, tt := range tests {
		together.Go(func() {
			relay := peers.StartSlowRelay(t, tt.addr, 1500*time.Millisecond, nil)
			session, err := c.Open(long(t), relay.Address, Login{Username: tt.user, Password: inventory.NewSecret(tt.password)})
			if !errors.Is(err, tt.want) {
				t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
			}
			if n := relay.Counts()[peers.RAKP1]; n != 1 {
				t.Errorf("%s: %d RAKP 1, want 1", tt.name, n)
			}
			if session != nil {
				_ = session.Close(long(t))
			}
		})
	}
}
