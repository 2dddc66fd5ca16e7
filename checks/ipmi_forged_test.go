package checks

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"lamplighter/checks/peers"
	"lamplighter/checks/rmcp"
)

func TestForgedAnswersAreNoPowerStateThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]Reason{
		rmcp.ErrForged: IPMIMalformed, rmcp.ErrMalformed: IPMIMalformed,
		rmcp.ErrShort: PowerUnreadable, rmcp.ErrTimeout: PowerUnreadable, rmcp.ErrRefused: PowerUnreadable,
	} {
		if got := FaultOf(chassisFault(fmt.Errorf("get chassis status: %w", err))).Reason; got != want {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
	}
}

// TestALoginWhoseSessionIsForgedFails has each answer within the session changed on its way: nobody has logged in to that.
func TestALoginWhoseSessionIsForgedFails(t *testing.T) {
	t.Parallel()
	w, sim := ipmiWires(t), peers.StartIPMISim(t, 1)
	bmc := sim.BMCs[0]
	for _, known := range []Known{{Suite: 3}, {}} {
		var console []byte // our session ID, which answers carry
		relay := peers.StartRelay(t, bmc.Address, func(kind peers.Kind, _ int, d []byte) [][]byte {
			switch {
			case kind == peers.OpenSession:
				console = d[20:24]
			case kind == peers.Session && bytes.Equal(d[6:10], console):
				d[len(d)-1] ^= 1
			}
			return [][]byte{d}
		})
		v := ipmiVisit(t, w, relay.Address, bmc.Username, bmc.Password)
		v.Known = known
		ctx := within(t, 10*time.Second)
		_, err := runIPMILogin(ctx, v)
		if known.Suite == 0 { // the first suite was refused, so that the make was not asked for
			if err != nil {
				t.Fatal(err)
			}
			_, err = runPower(within(t, 2*time.Second), v)
		}
		wantFault(t, v, err, IPMIMalformed)
	}
}
