package rmcp_test

import (
	"context"
	"net/netip"
	"sync"
	"testing"
	"time"

	"lamplighter/checks/peers"
	"lamplighter/checks/rmcp"
)

func TestLostAndRepeatedDatagramsAreSurvived(t *testing.T) {
	t.Parallel()
	c := client(t)
	bmcs := map[string]peers.BMC{
		"ipmi_sim":      *peers.StartIPMISim(t, 1).BMCs[0],
		"pyghmi":        peers.StartPyghmi(t, false).BMC,
		"goipmi-server": peers.StartGoIPMI(t).BMC,
	}
	disturbances := map[string]peers.Disturb{"answers twice": repeatAnswers}
	for _, lost := range []peers.Kind{peers.OpenSession, peers.OpenAnswer, peers.RAKP1, peers.RAKP2, peers.RAKP3, peers.RAKP4, peers.Session} {
		disturbances[string(lost)+" lost"] = lose(lost)
	}
	var together sync.WaitGroup // they mostly wait
	defer together.Wait()
	for name, b := range bmcs {
		together.Go(func() {
			for what, disturb := range disturbances {
				relay := peers.StartRelay(t, b.Address, disturb)
				mustRound(t, c, name+", "+what, relay.Address, b)
			}
		})
	}
}

func repeatAnswers(kind peers.Kind, _ int, d []byte) [][]byte {
	if kind == peers.OpenAnswer || kind == peers.RAKP2 || kind == peers.RAKP4 || kind == peers.Session {
		return [][]byte{d, d}
	}
	return [][]byte{d}
}

// lose drops the first datagram of a kind.
func lose(lost peers.Kind) peers.Disturb {
	return func(kind peers.Kind, nth int, d []byte) [][]byte {
		if kind == lost && nth == 1 {
			return nil
		}
		return [][]byte{d}
	}
}

func mustRound(t *testing.T, c *rmcp.Client, name string, addr netip.AddrPort, b peers.BMC) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	session, err := c.Open(ctx, addr, login(b.Username, b.Password, 3))
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	if _, err := session.ChassisStatus(ctx); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	if err := session.Close(ctx); err != nil {
		t.Errorf("%s: %v", name, err)
	}
}

func TestPyghmiTakesASecondLoginFromTheSameAddress(t *testing.T) {
	t.Parallel()
	c, b := client(t), peers.StartPyghmi(t, true)
	for range 2 {
		mustRound(t, c, "login without a question before", b.Address, b.BMC)
	}
}
