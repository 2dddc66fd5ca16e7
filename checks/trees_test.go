package checks

import (
	"path/filepath"
	"testing"
	"time"

	"lamplighter/checks/peers"
	"lamplighter/inventory"
)

func TestRecordedMachinesAreToldRight(t *testing.T) {
	states := map[string]string{"On": "on", "Off": "off", "PoweringOn": "poweringon", "null": "unknown", "absent": "unknown"}
	for _, dir := range peers.Trees(t) {
		for said, want := range states {
			t.Run(filepath.Base(dir)+" says "+said, func(t *testing.T) {
				tree := peers.RedfishTree(t, dir, said)
				v := visitTo(t, tree.URL, Known{})
				v.Login = inventory.Credentials{Username: peers.TreeUsername, Password: inventory.NewSecret(peers.TreePassword)}
				r := goRound(t.Context(), t, v, 10*time.Second)
				reason := Reason("")
				if want == "unknown" {
					reason = PowerUnreadable
				}
				if last := mustEnd(t, r, Power, reason); last.Facts[FactPower] != want {
					t.Errorf("power is %q, want %q", last.Facts[FactPower], want)
				}
				if logins, refused, open := tree.Counts(); logins != 1 || refused != 0 || open != 0 {
					t.Errorf("%d logins, %d refused, %d sessions open; want 1, 0, 0", logins, refused, open)
				}
				if n := len(tree.Requests()); n > 5 {
					t.Errorf("%d requests: %v", n, tree.Requests())
				}
			})
		}
	}
}

func TestARecordedMachineRefusesAWrongPassword(t *testing.T) {
	for _, dir := range peers.Trees(t) {
		tree := peers.RedfishTree(t, dir, "On")
		r := goRound(t.Context(), t, visitTo(t, tree.URL, Known{}), 10*time.Second)
		mustEnd(t, r, RedfishLogin, AuthRejected)
		if _, refused, _ := tree.Counts(); refused != 1 {
			t.Errorf("%s: %d refused logins, want 1", filepath.Base(dir), refused)
		}
	}
}
