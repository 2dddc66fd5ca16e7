package checks

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"lamplighter/inventory"
)

// watched counts what comes to a TCP and a UDP port of 127.0.0.1.
func watched(t *testing.T) (tcp, udp uint16, count *atomic.Int64) {
	t.Helper()
	count = new(atomic.Int64)
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	packets, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{}, 2)
	go func() {
		defer func() { ended <- struct{}{} }()
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			count.Add(1)
			_ = conn.Close()
		}
	}()
	go func() {
		defer func() { ended <- struct{}{} }()
		for buf := make([]byte, 2048); ; {
			if _, _, err := packets.ReadFromUDP(buf); err != nil {
				return
			}
			count.Add(1)
		}
	}()
	t.Cleanup(func() {
		_, _ = listener.Close(), packets.Close()
		<-ended
		<-ended
	})
	return uint16(listener.Addr().(*net.TCPAddr).Port), uint16(packets.LocalAddr().(*net.UDPAddr).Port), count
}

// Whatever record a satellite has, its sockets send nothing to where no BMC may be: each check and each way of ping is tried.
func TestChecksSendNothingToAForbiddenAddress(t *testing.T) {
	for _, name := range []string{"bounded", "anywhere"} { // the other one proves that this test could fail
		tcp, udp, count := watched(t) // of its own: what comes late is not another's
		bounds := inventory.DefaultTargets()
		bounds.Ports = append(bounds.Ports, tcp, udp)
		targets := &bounds
		if name == "anywhere" {
			targets = nil
		}
		settings := DefaultSettings()
		settings.Targets = targets
		wires, err := OpenWires(settings)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- wires.Run(ctx) }()
		asked := 0
		for _, address := range []string{"127.0.0.1", "::ffff:127.0.0.1"} {
			for _, protocol := range []inventory.Protocol{inventory.Auto, inventory.Redfish, inventory.IPMI} {
				bmc := inventory.BMC{ID: "x", Address: netip.MustParseAddr(address), Protocol: protocol, Port: tcp, Login: "x",
					Labels: map[string]string{inventory.RMCPPortLabel: strconv.Itoa(int(udp))}}
				for _, check := range Default() {
					visit := wires.Visit(bmc, Known{})
					visit.Login = inventory.Credentials{Username: "u", Password: inventory.NewSecret("p4ssword"), Version: "1"}
					within, done := context.WithTimeout(ctx, 300*time.Millisecond)
					_, err := check.Run(within, visit)
					done()
					if fault := FaultOf(err); targets != nil && (err == nil || fault.Reason.Info().Owner != OwnerUs) {
						t.Errorf("%s of %s over %s: %v", check.Name, address, protocol, err)
					}
					_ = visit.Close(ctx)
					asked++
				}
				if err := wires.Ask(ctx, bmc.Address, &bmc); targets != nil && err == nil {
					t.Errorf("%s answered a proof of sight", address)
				}
			}
		}
		// Both queues are first in, first out: once our own knocks are counted, all that came before them is.
		knocks := 0
		for network, port := range map[string]uint16{"tcp": tcp, "udp": udp} {
			conn, err := net.Dial(network, net.JoinHostPort("127.0.0.1", strconv.Itoa(int(port))))
			if err == nil {
				_, err = conn.Write([]byte("x"))
				_ = conn.Close()
			}
			if err != nil {
				t.Fatal(err)
			}
			knocks++
		}
		for deadline := time.Now().Add(30 * time.Second); int(count.Load()) < knocks && time.Now().Before(deadline); {
			time.Sleep(5 * time.Millisecond)
		}
		if n := int(count.Load()) - knocks; n < 0 || (targets == nil) != (n > 0) {
			t.Errorf("%s: %d connections and datagrams in %d checks", name, n, asked)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}
