package checks

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"lamplighter/checks/bmcsim"
	"lamplighter/checks/peers"
	"lamplighter/inventory"
)

// simulated is a simulated IPMI BMC in this process, and its login.
func simulated(b *testing.B) (inventory.BMC, inventory.Credentials) {
	b.Helper()
	fleet, err := bmcsim.NewFleet(bmcsim.One(1, 1))
	if err != nil {
		b.Fatal(err)
	}
	if err := fleet.Listen(0, 0); err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- fleet.Run(ctx) }()
	b.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			b.Error(err)
		}
	})
	bmc := fleet.BMCs()[0]
	login, err := fleet.Credentials(ctx, bmc.Login)
	if err != nil {
		b.Fatal(err)
	}
	return bmc, login
}

// BenchmarkIPMIRound is login, make, power and logout through bmclib, beside programs that do the same. Ours counts the
// simulated BMC's CPU time too, children-cpu-us/op counts the program only.
func BenchmarkIPMIRound(b *testing.B) {
	bmc, login := simulated(b)
	b.Run("ours", func(b *testing.B) {
		w := ipmiWires(b)
		b.ReportAllocs()
		before := peers.UsedCPU(b)
		for b.Loop() {
			ipmiRound(b, w.Visit(bmc, Known{Suite: 17}), login)
		}
		before.Report(b, b.N)
	})
	address, port := bmc.Address.String(), fmt.Sprint(bmc.Port)
	user, password := login.Username, login.Password.Reveal()
	b.Run("ipmitool", func(b *testing.B) {
		programRounds(b, "ipmitool", "-I", "lanplus", "-C", "17", "-L", "USER", "-H", address, "-p", port, "-U", user, "-P", password, "chassis", "power", "status")
	})
	b.Run("ipmipower", func(b *testing.B) {
		programRounds(b, "ipmipower", "-D", "LAN_2_0", "-I", "17", "-l", "USER", "-h", address+":"+port, "-u", user, "-p", password, "--stat")
	})
}

func ipmiRound(b *testing.B, v *Visit, login inventory.Credentials) {
	v.Login = login
	if _, err := runIPMILogin(b.Context(), v); err != nil {
		b.Fatal(err)
	}
	if state, err := v.session.client.GetPowerState(b.Context()); err != nil || state != "on" {
		b.Fatal(state, err)
	}
	if err := v.Close(b.Context()); err != nil {
		b.Fatal(err)
	}
}

func programRounds(b *testing.B, name string, args ...string) {
	program, err := exec.LookPath(name)
	if err != nil {
		b.Skipf("NOT TESTED: %s beside our IPMI client: it is not installed", name)
	}
	before := peers.UsedCPU(b)
	for b.Loop() {
		out, err := exec.CommandContext(b.Context(), program, args...).CombinedOutput()
		if err != nil || !strings.Contains(strings.TrimSpace(string(out)), "on") {
			b.Fatalf("%s: %v: %.200s", name, err, out)
		}
	}
	before.Report(b, b.N)
}
