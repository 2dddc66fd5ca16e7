package rmcp_test

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"time"

	"go.uber.org/goleak"

	"lamplighter/checks/peers"
	"lamplighter/checks/rmcp"
	"lamplighter/inventory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// client is a running client that ends with the test.
func client(t testing.TB) *rmcp.Client {
	t.Helper()
	c, err := rmcp.Listen()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return c
}

func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

func login(user, password string, suites ...uint8) rmcp.Login {
	return rmcp.Login{Username: user, Password: inventory.NewSecret(password), Suites: suites}
}

// round is a whole round: capabilities, login, device ID, power, logout.
func round(t testing.TB, c *rmcp.Client, addr netip.AddrPort, l rmcp.Login) (rmcp.ChassisStatus, uint8) {
	t.Helper()
	ctx := within(t, 10*time.Second)
	if _, err := c.Capabilities(ctx, addr); err != nil {
		t.Fatal(err)
	}
	session, err := c.Open(ctx, addr, l)
	if err != nil {
		t.Fatal(err)
	}
	if session.Suite() == 3 && len(l.Suites) == 1 {
		if _, err := session.DeviceID(ctx); err != nil {
			t.Error(err)
		}
	}
	status, err := session.ChassisStatus(ctx)
	if err != nil {
		t.Error(err)
	}
	for range 2 {
		if err := session.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	return status, session.Suite()
}

func TestIPMISimSaysWhetherTheServerIsOn(t *testing.T) {
	t.Parallel()
	sim, c := peers.StartIPMISim(t, 20), client(t)
	for i, b := range sim.BMCs {
		b.SetPower(t, i%2 == 0)
	}
	for i, b := range sim.BMCs {
		status, suite := round(t, c, b.Address, login(b.Username, b.Password))
		if status.PowerOn != (i%2 == 0) || suite != 3 {
			t.Errorf("BMC %d: power on %v by suite %d, want %v by suite 3", i, status.PowerOn, suite, i%2 == 0)
		}
	}
}

func TestTheSessionIsClosedEachTime(t *testing.T) {
	t.Parallel()
	b, c := peers.StartIPMISim(t, 1).BMCs[0], client(t)
	for range 80 { // ipmi_sim has 63 slots
		round(t, c, b.Address, login(b.Username, b.Password, 3))
	}
}

func TestPyghmi(t *testing.T) {
	t.Parallel()
	c := client(t)
	b := peers.StartPyghmi(t, true)
	for range 3 {
		if status, suite := round(t, c, b.Address, login(b.Username, b.Password)); !status.PowerOn || suite != 3 {
			t.Errorf("power on %v by suite %d, want true by suite 3", status.PowerOn, suite)
		}
	}
	if _, err := c.Open(within(t, time.Second), b.Address, login("nobody", b.Password, 3)); !errors.Is(err, rmcp.ErrTimeout) {
		t.Errorf("unknown user: %v, want %v", err, rmcp.ErrTimeout)
	}
}

func TestGoIPMIServerSpeaksBothSuites(t *testing.T) {
	t.Parallel()
	c := client(t)
	b := peers.StartGoIPMI(t, 17, 3)
	for _, id := range []uint8{17, 3} {
		if _, suite := round(t, c, b.Address, login(b.Username, b.Password, id)); suite != id {
			t.Errorf("logged in by suite %d, want %d", suite, id)
		}
	}
}
