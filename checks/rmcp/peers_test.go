package rmcp_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"syscall"
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

func TestRefusedLoginsAreNotRepeated(t *testing.T) {
	t.Parallel()
	c, b, g, p := client(t), peers.StartIPMISim(t, 1).BMCs[0], peers.StartGoIPMI(t), peers.StartPyghmi(t, true)
	tests := []struct {
		name           string
		bmc            netip.AddrPort
		user, password string
		want           error
		opens, rakps   int
	}{
		{"wrong password at ipmi_sim, which refuses suite 17", b.Address, b.Username, "wrong", rmcp.ErrPassword, 2, 1},
		{"wrong user at ipmi_sim", b.Address, "nobody", b.Password, &rmcp.StatusError{Stage: rmcp.StageRAKP1, Code: 0x0d}, 2, 1},
		{"wrong password at goipmi-server, which accepts suite 17", g.Address, g.Username, "wrong", rmcp.ErrPassword, 1, 1},
		{"wrong user at goipmi-server, which hides that", g.Address, "nobody", g.Password, rmcp.ErrPassword, 1, 1},
		{"wrong password at pyghmi, which names other algorithms than those of suite 17", p.Address, p.Username, "wrong", rmcp.ErrPassword, 2, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			relay := peers.StartRelay(t, tt.bmc, nil)
			_, err := c.Open(within(t, 10*time.Second), relay.Address, login(tt.user, tt.password))
			var got, want *rmcp.StatusError
			if errors.As(tt.want, &want) {
				if !errors.As(err, &got) || *got != *want {
					t.Errorf("%v, want %v", err, want)
				}
			} else if !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
			n := relay.Counts()
			if n[peers.OpenSession] != tt.opens || n[peers.RAKP1] != tt.rakps || n[peers.RAKP2] != tt.rakps || n[peers.RAKP3] > 1 {
				t.Errorf("datagrams %v, want %d Open Session and %d RAKP 1", n, tt.opens, tt.rakps)
			}
		})
	}
}

func TestPyghmiGetsNoHMACUnderASuiteThatItChanged(t *testing.T) {
	t.Parallel()
	c, b := client(t), peers.StartPyghmi(t, true)
	relay := peers.StartRelay(t, b.Address, nil)
	if _, err := c.Open(within(t, 5*time.Second), relay.Address, login(b.Username, b.Password, 17)); !errors.Is(err, rmcp.ErrSuite) {
		t.Errorf("%v, want %v", err, rmcp.ErrSuite)
	}
	if n := relay.Counts(); n[peers.RAKP1]+n[peers.RAKP3] > 0 {
		t.Errorf("datagrams %v, want no RAKP", n)
	}
}

func TestARoundTakesSevenDatagrams(t *testing.T) {
	t.Parallel()
	c, b := client(t), peers.StartIPMISim(t, 1).BMCs[0]
	for name, l := range map[string]rmcp.Login{
		"without device ID, the first suite refused": login(b.Username, b.Password, 17, 3),
		"with device ID": login(b.Username, b.Password, 3),
	} {
		relay := peers.StartRelay(t, b.Address, nil)
		if round(t, c, relay.Address, l); relay.Requests() != 7 {
			t.Errorf("%s: %d requests, want 7: %v", name, relay.Requests(), relay.Counts())
		}
	}
}

func TestAFrozenBMCTimesOutAndRecovers(t *testing.T) {
	t.Parallel()
	sim, c := peers.StartIPMISim(t, 1), client(t)
	b := sim.BMCs[0]
	session, err := c.Open(within(t, 5*time.Second), b.Address, login(b.Username, b.Password))
	if err != nil {
		t.Fatal(err)
	}
	sim.Freeze(t)
	if _, err := c.Open(within(t, 300*time.Millisecond), b.Address, login(b.Username, b.Password)); !errors.Is(err, rmcp.ErrTimeout) {
		t.Errorf("log in: %v, want %v", err, rmcp.ErrTimeout)
	}
	if _, err := session.ChassisStatus(within(t, 300*time.Millisecond)); !errors.Is(err, rmcp.ErrTimeout) {
		t.Errorf("chassis status: %v, want %v", err, rmcp.ErrTimeout)
	}
	if _, err := c.Capabilities(within(t, 300*time.Millisecond), b.Address); !errors.Is(err, rmcp.ErrTimeout) {
		t.Errorf("capabilities: %v, want %v", err, rmcp.ErrTimeout)
	}
	sim.Thaw(t)
	round(t, c, b.Address, login(b.Username, b.Password))
}

func TestAClosedPortIsSeenAtOnceAndHarmsNobodyElse(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("NOT TESTED: closed UDP ports are seen on Linux only")
	}
	c, b := client(t), peers.StartIPMISim(t, 1).BMCs[0]
	var together sync.WaitGroup
	for i := range 50 {
		nobody := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 63, 0, byte(i)}), 1)
		together.Go(func() {
			if _, err := c.Open(within(t, 5*time.Second), nobody, login("admin", "x")); !errors.Is(err, rmcp.ErrRefused) {
				t.Errorf("%v, want %v", err, rmcp.ErrRefused)
			}
		})
		round(t, c, b.Address, login(b.Username, b.Password))
	}
	together.Wait()
}

func TestIPv6(t *testing.T) {
	t.Parallel()
	c := client(t)
	if _, err := c.Capabilities(within(t, time.Second), netip.MustParseAddrPort("[::1]:1")); runtime.GOOS == "linux" && !errors.Is(err, rmcp.ErrRefused) && !errors.Is(err, rmcp.ErrUnreachable) {
		t.Errorf("%v, want %v, or %v where there is no IPv6", err, rmcp.ErrRefused, rmcp.ErrUnreachable)
	}
	b := peers.StartGoIPMI(t) // it listens on all addresses
	if addr := netip.AddrPortFrom(netip.IPv6Loopback(), b.Address.Port()); listensOnIPv6(addr) {
		round(t, c, addr, login(b.Username, b.Password))
	} else {
		t.Skip("NOT TESTED: IPMI over IPv6, which this machine or goipmi-server does not have")
	}
}

func listensOnIPv6(addr netip.AddrPort) bool {
	conn, err := net.ListenUDP("udp6", net.UDPAddrFromAddrPort(addr))
	if err != nil {
		return errors.Is(err, syscall.EADDRINUSE)
	}
	_ = conn.Close()
	return false
}

func BenchmarkRound(b *testing.B) {
	bmc, c := peers.StartIPMISim(b, 1).BMCs[0], client(b)
	b.ReportAllocs()
	for b.Loop() {
		session, err := c.Open(context.Background(), bmc.Address, login(bmc.Username, bmc.Password, 3))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := session.ChassisStatus(context.Background()); err != nil {
			b.Fatal(err)
		}
		if err := session.Close(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
}
