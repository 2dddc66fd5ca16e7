package peers

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRequiredPeers(t *testing.T) {
	t.Parallel()
	for list, want := range map[string]bool{
		"": false, "ipmi_sim": true, "pyghmi,ipmi_sim": true, "pyghmi ipmi_sim, goipmi-server": true, "ipmi_simulator": false,
	} {
		if got := required(IPMISim, list); got != want {
			t.Errorf("required(ipmi_sim, %q) = %v, want %v", list, got, want)
		}
	}
}

func TestManyBMCsInOneProcess(t *testing.T) {
	t.Parallel()
	sim := StartIPMISim(t, 60)
	seen := map[int]bool{}
	for _, b := range sim.BMCs {
		if seen[b.controller] || b.controller%2 != 0 || b.controller > 0xfc {
			t.Errorf("controller %#x", b.controller)
		}
		seen[b.controller] = true
	}
	sim.BMCs[1].Disable(t)
	sim.BMCs[1].Enable(t)
}
