package checks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"lamplighter/checks/rmcp"
)

// after is a question that is answered, or ends with err, after d.
func after(way Way, d time.Duration, err error) question {
	return question{way, func(ctx context.Context) (heard, error) {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			return heard{how: string(way)}, err
		case <-ctx.Done():
			return heard{}, silent(ctx.Err())
		}
	}}
}

func TestRace(t *testing.T) {
	const ms, never = time.Millisecond, time.Hour
	for _, c := range []struct {
		name      string
		questions []question
		want      string // empty: silence
		took      time.Duration
	}{
		{"ICMP that answers in time is asked alone", []question{after(WayICMP, 299*ms, nil), after(WayTCP, 0, nil)}, "icmp", 299 * ms},
		{"the others are asked after the head start", []question{after(WayICMP, never, nil), after(WayTCP, 50*ms, nil), after(WayRMCP, 20*ms, nil)}, "rmcp", 320 * ms},
		{"late ICMP wins all the same", []question{after(WayICMP, 500*ms, nil), after(WayTCP, never, nil)}, "icmp", 500 * ms},
		{"the others are asked at once when ICMP cannot", []question{after(WayICMP, 0, errNotAsked), after(WayTCP, 5*ms, nil)}, "tcp", 5 * ms},
		{"the others are asked at once without ICMP", []question{after(WayTCP, never, nil), after(WayRMCP, 7*ms, nil)}, "rmcp", 7 * ms},
		{"one failure does not end the race", []question{after(WayTCP, ms, errUnreachable), after(WayRMCP, 90*ms, nil)}, "rmcp", 90 * ms},
		{"all failures do", []question{after(WayICMP, ms, errUnreachable), after(WayTCP, ms, errUnreachable)}, "", 2 * ms},
		{"silence lasts until the deadline", []question{after(WayICMP, never, nil), after(WayTCP, never, nil)}, "", 3 * time.Second},
		{"no question is an error", nil, "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
				defer cancel()
				start := time.Now()
				got, err := race(ctx, c.questions)
				if (err == nil) != (c.want != "") || err == nil && got.how != c.want {
					t.Errorf("race = %+v, %v; want %q", got, err, c.want)
				}
				if took := time.Since(start); took != c.took {
					t.Errorf("took %v, want %v", took, c.took)
				}
			})
		})
	}
}

// udpCapabilities asks as the RMCP client does, of a responder that sends anything back.
func udpCapabilities(ctx context.Context, addr netip.AddrPort) (rmcp.Capabilities, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "udp", addr.String())
	if err != nil {
		return rmcp.Capabilities{}, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	if _, err := conn.Write([]byte{6, 0, 0xff, 7}); err != nil {
		return rmcp.Capabilities{}, err
	}
	if _, err = conn.Read(make([]byte, 64)); ctx.Err() != nil {
		return rmcp.Capabilities{}, fmt.Errorf("%w: %w", rmcp.ErrTimeout, ctx.Err())
	}
	return rmcp.Capabilities{IPMI20: err == nil}, err
}

// udpResponder answers, or keeps silent.
func udpResponder(t *testing.T, answers bool) netip.AddrPort {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 64)
		for {
			n, from, err := conn.ReadFrom(b)
			if err != nil {
				return
			}
			if answers {
				_, _ = conn.WriteTo(b[:n], from)
			}
		}
	}()
	t.Cleanup(func() { _ = conn.Close(); <-done })
	return netip.MustParseAddrPort(conn.LocalAddr().String())
}

func TestRaceOfRMCP(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := race(ctx, []question{askRMCP(udpCapabilities, udpResponder(t, false))})
	if got := FaultOf(pingFault(ctx, netip.MustParseAddr("127.0.0.1"), nil, err)).Reason; got != NetTimeout {
		t.Errorf("a silent BMC: %s (%v)", got, err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if got, err := race(ctx, []question{askRMCP(udpCapabilities, udpResponder(t, true))}); err != nil || got.how != "rmcp" {
		t.Errorf("race = %+v, %v", got, err)
	}
}

func TestAskNamesTheAddress(t *testing.T) {
	w := runningWires(t)
	bmc := labelled("127.31.0.3", tcpPort(t, "127.31.0.3"), "tcp")
	if err := w.Ask(t.Context(), bmc.Address, &bmc); err != nil {
		t.Errorf("Ask: %v", err)
	}
	if w.icmpMode(bmc.Address) == icmpNotPermitted {
		t.Skip("NOT TESTED: an anchor asked by ICMP: not permitted (want: run as root)")
	}
	if err := w.Ask(t.Context(), bmc.Address, nil); err != nil {
		t.Errorf("Ask an anchor: %v", err)
	}
}

func TestRaceReturnsAfterItsLosers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := false
		_, err := race(t.Context(), []question{after(WayTCP, time.Millisecond, nil), {WayRMCP, func(ctx context.Context) (heard, error) {
			<-ctx.Done()
			time.Sleep(10 * time.Millisecond) // hanging up takes a while
			ended = true
			return heard{}, ctx.Err()
		}}})
		if err != nil || !ended {
			t.Errorf("race returned %v, its loser ended: %v", err, ended)
		}
	})
}

func TestTCPQuestionHangsUp(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := race(t.Context(), []question{askTCP(netip.MustParseAddrPort(l.Addr().String()), nil)}); err != nil {
		t.Fatal(err)
	}
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the other end reads %v, want the end of the connection", err)
	}
}
