package checks

import (
	"testing"
	"time"

	"lamplighter/checks/peers"
	"lamplighter/inventory"
)

func TestSushyToolsIsAskedByBasicAuthentication(t *testing.T) {
	url := peers.Sushy(t)
	visit := func(password string) *Visit {
		v := visitTo(t, url, Known{})
		v.Login = inventory.Credentials{Username: peers.SushyUsername, Password: inventory.NewSecret(password)}
		return v
	}
	facts := mustEnd(t, goRound(t.Context(), t, visit(peers.SushyPassword), 10*time.Second), Power, "").Facts
	if facts[FactPower] != "mixed" || facts["systems"] != "2" {
		t.Errorf("facts %v", facts)
	}
	mustEnd(t, goRound(t.Context(), t, visit("wrong"), 10*time.Second), RedfishLogin, AuthRejected)
}
