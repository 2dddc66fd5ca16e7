package main

import (
	"bytes"
	"slices"
	"testing"

	"lamplighter/checks"
	"lamplighter/inventory"
)

// Two BMCs exchange their cables: each answers at the other's address, and lets the other's login in.
func TestSwappedCablesAreTwoMismatchesThatNameBothServers(t *testing.T) {
	t.Parallel()
	for _, protocol := range []inventory.Protocol{inventory.Redfish, inventory.IPMI} {
		t.Run(string(protocol), func(t *testing.T) {
			t.Parallel()
			swapCables(t, protocol)
		})
	}
}

func swapCables(t *testing.T, protocol inventory.Protocol) {
	t.Helper()
	fleet := simulateN(t, 6)
	all := slices.Clone(fleet.BMCs())
	var swapped []int
	for i, b := range all {
		if b.Protocol == protocol && len(swapped) < 2 {
			swapped = append(swapped, i)
		}
	}
	a, b := &all[swapped[0]], &all[swapped[1]]
	if a.Serial == "" || a.Serial == b.Serial || a.UUID == "" || a.UUID == b.UUID {
		t.Fatalf("serials %q and %q, UUIDs %q and %q", a.Serial, b.Serial, a.UUID, b.UUID)
	}
	a.Address, b.Address = b.Address, a.Address
	a.Port, b.Port, a.Login, b.Login = b.Port, a.Port, b.Login, a.Login
	a.Labels, b.Labels = b.Labels, a.Labels
	var text bytes.Buffer
	if err := inventory.WriteCSV(&text, all); err != nil {
		t.Fatal(err)
	}
	fleet.put(t, "swapped.csv", text.String(), 0o644)
	out := lamplighter(t, "sweep", "--inventory", fleet.file("swapped.csv"), "--keyring", fleet.file("keyring.yaml"), "--ca", fleet.file("ca.pem"), "-o", "ndjson", "--memory", "none")
	mismatches := 0
	for _, v := range verdicts(t, out.stdout) {
		if v.Reason != checks.IdentityMismatch {
			continue
		}
		mismatches++
		mine, other := *a, *b
		if v.BMC == b.ID {
			mine, other = *b, *a
		}
		facts := v.Trail[len(v.Trail)-1].Facts
		if protocol == inventory.IPMI { // which tells no serial
			facts[checks.FactInventorySerial], facts["serial"], facts["uuid"] = mine.Serial, other.Serial, facts[checks.FactGUID]
		}
		if v.BMC != mine.ID || v.Owner != checks.OwnerInventory || v.Health != checks.Degraded || facts["serial"] != other.Serial || facts[checks.FactInventorySerial] != mine.Serial ||
			facts["uuid"] != other.UUID || facts[checks.FactInventoryUUID] != mine.UUID {
			t.Errorf("%s: %s, owner %s, facts %v; want the serials %s and %s", v.BMC, v.Health, v.Owner, facts, other.Serial, mine.Serial)
		}
	}
	if mismatches != 2 {
		t.Errorf("%d mismatches, want 2:\n%s", mismatches, out.stdout)
	}
}
