package checks

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"lamplighter/checks/peers"
	"lamplighter/checks/rmcp"
	"lamplighter/inventory"
)

// ipmiWires are wires for IPMI alone that end with the test.
func ipmiWires(t testing.TB) *Wires {
	t.Helper()
	client, err := rmcp.Listen()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- client.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("run the RMCP client: %v", err)
		}
	})
	return &Wires{Settings: DefaultSettings(), rmcp: client}
}

func ipmiVisit(t testing.TB, w *Wires, addr netip.AddrPort, user, password string) *Visit {
	t.Helper()
	v := w.Visit(inventory.BMC{ID: "bmc", Address: addr.Addr(), Port: addr.Port(), Protocol: inventory.IPMI}, Known{})
	v.Login = inventory.Credentials{Username: user, Password: inventory.NewSecret(password)}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = v.Close(ctx) // some peers are dead by now
	})
	return v
}

// wantFault checks reason and that no secret is in the text.
func wantFault(t *testing.T, v *Visit, err error, want Reason) {
	t.Helper()
	if err == nil || FaultOf(err).Reason != want {
		t.Errorf("%v: reason %q, want %q", err, FaultOf(err).Reason, want)
	}
	if secret := v.Login.Password.Reveal(); err != nil && secret != "" && strings.Contains(err.Error(), secret) {
		t.Errorf("the error holds the password: %v", err)
	}
}

func TestIPMILoginAndPower(t *testing.T) {
	t.Parallel()
	w, sim := ipmiWires(t), peers.StartIPMISim(t, 1)
	bmc := sim.BMCs[0]
	relay := peers.StartRelay(t, bmc.Address, nil)
	known := Known{}
	for _, on := range []bool{true, false} {
		bmc.SetPower(t, on)
		v := ipmiVisit(t, w, relay.Address, bmc.Username, bmc.Password)
		v.Known = known
		ctx := within(t, 10*time.Second)
		finding, err := runIPMILogin(ctx, v)
		if err != nil {
			t.Fatal(err)
		}
		if finding.Facts["ipmi_version"] != "2.0" || finding.Facts["cipher_suite"] != "3" || v.Known.Suite != 3 {
			t.Errorf("facts %v, known suite %d", finding.Facts, v.Known.Suite)
		}
		if want := map[uint8]string{0: "", 3: "9.08"}[known.Suite]; finding.Facts["firmware"] != want {
			t.Errorf("firmware %q, want %q: asked only when the first suite was accepted", finding.Facts["firmware"], want)
		}
		if state, err := v.session.client.GetPowerState(ctx); err != nil || (state == "on") != on {
			t.Errorf("power %q, %v, want on: %v", state, err, on)
		}
		for range 2 {
			if err := v.Close(ctx); err != nil {
				t.Errorf("close: %v", err)
			}
		}
		known = v.Known
	}
	if relay.Requests() != 12 { // and one of each ping
		t.Errorf("%d requests in two rounds, want 12: %v", relay.Requests(), relay.Counts())
	}
}

func TestIPMILoginKnowsTheMake(t *testing.T) {
	t.Parallel()
	w, bmc := ipmiWires(t), peers.StartGoIPMI(t)
	v := ipmiVisit(t, w, bmc.Address, bmc.Username, bmc.Password)
	finding, err := runIPMILogin(within(t, 10*time.Second), v)
	if err != nil {
		t.Fatal(err)
	}
	want := Facts{"ipmi_version": "2.0", "cipher_suite": "17", "manufacturer_id": "343", "vendor": "Intel", "product_id": "1", "firmware": "1.00"}
	if fmt.Sprint(finding.Facts) != fmt.Sprint(want) {
		t.Errorf("facts %v, want %v", finding.Facts, want)
	}
}

func TestIPMILoginFaults(t *testing.T) {
	t.Parallel()
	w, sim, frozen := ipmiWires(t), peers.StartIPMISim(t, 1), peers.StartIPMISim(t, 1)
	pyghmi, go17 := peers.StartPyghmi(t, true), peers.StartGoIPMI(t, 17)
	bmc := sim.BMCs[0]
	frozen.Freeze(t)
	tests := []struct {
		name           string
		addr           netip.AddrPort
		user, password string
		want           Reason
	}{
		{"wrong password", bmc.Address, bmc.Username, "wrong-password", AuthRejected},
		{"wrong user", bmc.Address, "nobody", bmc.Password, AuthRejected},
		{"wrong user of a BMC that hides that", go17.Address, "nobody", go17.Password, AuthRejected},
		{"wrong user of a BMC that is silent about it", pyghmi.Address, "nobody", pyghmi.Password, IPMITimeout},
		{"wrong password of pyghmi", pyghmi.Address, pyghmi.Username, "wrong-password", AuthRejected},
		{"frozen", frozen.BMCs[0].Address, "admin", "x", IPMITimeout},
		{"no listener", netip.MustParseAddrPort("127.63.1.1:1"), "admin", "x", IPMITimeout},
		{"too long a password", bmc.Address, bmc.Username, "a-password-of-22-bytes", SelfNoCredential},
		{"too long a user name", bmc.Address, "seventeen--------", "x", SelfNoCredential},
		{"no password", bmc.Address, bmc.Username, "", SelfNoCredential},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := ipmiVisit(t, w, tt.addr, tt.user, tt.password)
			_, err := runIPMILogin(within(t, 1500*time.Millisecond), v)
			wantFault(t, v, err, tt.want)
			if v.session != nil {
				t.Error("a session is left")
			}
		})
	}
}

func TestEachIPMIErrorHasAReason(t *testing.T) {
	t.Parallel()
	tests := map[byte]Reason{
		0x01: SessionLimit, 0x0b: SessionLimit, 0x02: IPMIMalformed, 0x08: IPMIMalformed,
		0x04: IPMISuite, 0x05: IPMISuite, 0x10: IPMISuite, 0x11: IPMISuite,
		0x09: AuthPrivilege, 0x0a: AuthPrivilege, 0x0d: AuthRejected, 0x0f: AuthRejected, 0x12: IPMIMalformed, 0xee: IPMIMalformed,
	}
	for code, want := range tests {
		err := fmt.Errorf("log in: %w", &rmcp.StatusError{Stage: rmcp.StageOpen, Code: code})
		if got := FaultOf(ipmiFault(err)).Reason; got != want {
			t.Errorf("status 0x%02x: %q, want %q", code, got, want)
		}
	}
	for err, want := range map[error]Reason{
		rmcp.ErrSuite: IPMISuite, rmcp.ErrForged: IPMIMalformed, rmcp.ErrMalformed: IPMIMalformed,
		rmcp.ErrUnreachable: NetUnreachable, errors.New("no file descriptors"): SelfError,
	} {
		if got := FaultOf(ipmiFault(fmt.Errorf("log in: %w", err))).Reason; got != want {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
	}
	for code, want := range map[byte]Reason{0xc0: PowerUnreadable, 0xc3: PowerUnreadable, 0xd4: AuthPrivilege, 0xd5: PowerUnreadable, 0xff: PowerUnreadable} {
		err := fmt.Errorf("ask: %w", &rmcp.CompletionError{Command: "get chassis status", Code: code})
		if got := FaultOf(chassisFault(err)).Reason; got != want {
			t.Errorf("completion code 0x%02x: %q, want %q", code, got, want)
		}
	}
}

func TestAHalfDeadBMCIsUnreadable(t *testing.T) {
	t.Parallel()
	w, sim := ipmiWires(t), peers.StartIPMISim(t, 1)
	bmc := sim.BMCs[0]
	bmc.Disable(t)
	v := ipmiVisit(t, w, bmc.Address, bmc.Username, bmc.Password)
	if _, err := runIPMILogin(within(t, 5*time.Second), v); err != nil {
		t.Fatal(err)
	}
	_, err := v.session.client.GetPowerState(within(t, 5*time.Second))
	wantFault(t, v, err, PowerUnreadable)
	bmc.Enable(t)
	if state, err := v.session.client.GetPowerState(within(t, 5*time.Second)); err != nil || state != "on" {
		t.Errorf("healed: %q, %v", state, err)
	}
	sim.Freeze(t)
	_, err = v.session.client.GetPowerState(within(t, 300*time.Millisecond))
	wantFault(t, v, err, PowerUnreadable)
	sim.Thaw(t)
}

func TestACancelledIPMILoginIsNobodysFault(t *testing.T) {
	t.Parallel()
	w, sim := ipmiWires(t), peers.StartIPMISim(t, 1)
	sim.Freeze(t)
	relay := peers.StartRelay(t, sim.BMCs[0].Address, nil)
	v := ipmiVisit(t, w, relay.Address, "admin", "x")
	ctx, cancel := context.WithCancel(context.Background())
	got := make(chan error)
	go func() {
		_, err := runIPMILogin(ctx, v)
		got <- err
	}()
	for deadline := within(t, 5*time.Second); relay.Requests() == 0 && deadline.Err() == nil; {
		waitABit(t)
	}
	cancel()
	if err := <-got; !errors.Is(err, context.Canceled) || FaultOf(err).Reason.Info().Owner != OwnerUs {
		t.Errorf("%v: %q, want %v of our own", err, FaultOf(err).Reason, context.Canceled)
	}
}

func waitABit(t testing.TB) { <-within(t, 5*time.Millisecond).Done() }

func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}
