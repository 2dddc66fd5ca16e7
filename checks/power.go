package checks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"lamplighter/inventory"
)

// FactPower is the fact that says the power state; with several systems there is one more per system, "power.ID".
const FactPower = "power"

// FactGUID is the fact that says which server a BMC is of, over IPMI.
const FactGUID = "guid"

// The facts that say, beside serial, uuid and guid, which server the inventory means when the BMC is another's.
const (
	FactInventorySerial = "inventory_serial"
	FactInventoryUUID   = "inventory_uuid"
)

// PowerState is whether a server is on, as every protocol's driver says it.
type PowerState string

// The power states. Mixed is for several systems behind one BMC that differ.
const (
	PowerOn          PowerState = "on"
	PowerOff         PowerState = "off"
	PowerPoweringOn  PowerState = "poweringon"
	PowerPoweringOff PowerState = "poweringoff"
	PowerUnknown     PowerState = "unknown"
	PowerMixed       PowerState = "mixed"
)

// runPower asks for the power state through the session that the login left in the visit.
func runPower(ctx context.Context, v *Visit) (Finding, error) {
	if v.session == nil {
		return Finding{}, Ours(SelfError, errors.New("ask for the power state: the visit has not logged in"))
	}
	state, err := v.session.client.GetPowerState(ctx)
	found, timeout := Finding{Facts: Facts{}}, IPMITimeout
	switch d := v.session.driver.(type) {
	case *redfishDriver:
		found, timeout = d.found, APITimeout
	case *ipmiDriver:
		if err == nil {
			found = judgeGUID(v.BMC, d.session.GUID())
		}
	}
	for name, value := range found.Facts {
		found.Facts[name] = v.scrub(value)
	}
	found.Facts = merge(found.Facts, Facts{FactPower: string(PowerUnknown)})
	if err != nil {
		return Finding{Notes: found.Notes}, v.sessionFault(ctx, timeout, found.Facts, err)
	}
	found.Facts[FactPower] = state
	return found, nil
}

// powerState normalises what a system says: "On", "PoweringOn", "Powering On". Paused (Redfish DSP2046) and whatever else
// says neither on nor off are unknown.
func powerState(said string) PowerState {
	switch s := PowerState(strings.ToLower(strings.Join(strings.Fields(said), ""))); s {
	case PowerOn, PowerOff, PowerPoweringOn, PowerPoweringOff:
		return s
	}
	return PowerUnknown
}

// judgeSystems says what the systems behind a BMC together amount to.
func judgeSystems(bmc inventory.BMC, systems []system) (PowerState, Finding) {
	found := Finding{Facts: Facts{}}
	all, unread := PowerUnknown, 0
	for i, s := range systems {
		state := powerState(string(s.PowerState))
		if state == PowerUnknown {
			unread++
		}
		if i == 0 {
			all = state
		} else if all != state {
			all = PowerMixed
		}
		if len(systems) > 1 {
			found.Facts[FactPower+"."+string(s.ID)] = string(state)
		}
	}
	if all != PowerUnknown && unread > 0 {
		found.Notes = append(found.Notes, PowerUnreadable)
	}
	if len(systems) == 1 {
		found.Facts = merge(found.Facts, identity(systems[0]))
	}
	if isAnother(bmc, systems) {
		found.Notes = append(found.Notes, IdentityMismatch)
		for name, want := range map[string]string{FactInventorySerial: bmc.Serial, FactInventoryUUID: bmc.UUID} {
			if want != "" {
				found.Facts[name] = want
			}
		}
	}
	found.Facts["systems"] = strconv.Itoa(len(systems))
	return all, found
}

func identity(s system) Facts {
	facts := Facts{}
	for name, value := range map[string]text{"vendor": s.Manufacturer, "model": s.Model, "serial": s.SerialNumber, "uuid": s.UUID} {
		if trimmed := strings.TrimSpace(string(value)); trimmed != "" {
			facts[name] = trimmed
		}
	}
	return facts
}

// isAnother says whether serial or UUID prove that the inventory means another server. On a Dell the number that people
// write down, the service tag, is the SKU.
func isAnother(bmc inventory.BMC, systems []system) bool {
	var serials, tags, uuids []string
	for _, s := range systems {
		serials, tags, uuids = append(serials, string(s.SerialNumber)), append(tags, string(s.SKU)), append(uuids, string(s.UUID))
	}
	return differs(bmc.Serial, serials, tags) || differs(bmc.UUID, uuids, nil)
}

// judgeGUID compares the system GUID that a BMC showed at the login over IPMI with the inventory's UUID.
func judgeGUID(bmc inventory.BMC, guid [16]byte) Finding {
	found := Finding{Facts: Facts{}}
	all := writings(guid)
	if significant(all[0]) == "" {
		return found
	}
	found.Facts[FactGUID] = all[0]
	if differs(bmc.UUID, all, nil) {
		found.Notes = []Reason{IdentityMismatch}
		found.Facts[FactInventoryUUID] = bmc.UUID
	}
	return found
}

// writings are the UUIDs that a GUID may stand for, first as it was sent: IPMI has the last byte first, SMBIOS the bytes of the first three
// fields the other way round, and BMCs send all four.
func writings(guid [16]byte) []string {
	var all []string
	for range 2 {
		for range 2 {
			all = append(all, fmt.Sprintf("%x-%x-%x-%x-%x", guid[:4], guid[4:6], guid[6:8], guid[8:10], guid[10:]))
			slices.Reverse(guid[:4])
			slices.Reverse(guid[4:6])
			slices.Reverse(guid[6:8])
		}
		slices.Reverse(guid[:])
	}
	return all
}

// differs says whether want is evidence, some of have are, and want is neither among them nor among also.
func differs(want string, have, also []string) bool {
	want, evidence := significant(want), false
	if want == "" {
		return false
	}
	for _, h := range have {
		h = significant(h)
		if h == want {
			return false
		}
		evidence = evidence || h != ""
	}
	for _, a := range also {
		if significant(a) == want {
			return false
		}
	}
	return evidence
}

// separators are left out of comparisons. Made once: a Replacer builds a table of 4 kB at its first use.
var separators = strings.NewReplacer("-", "", " ", "")

// significant is what a serial number or UUID is compared by; blanks, zeros and what firmware writes for "none" are nothing
// (Supermicro X10: ten spaces).
func significant(id string) string {
	id = strings.ToLower(separators.Replace(strings.TrimSpace(id)))
	switch {
	case strings.Trim(id, "0") == "", strings.Trim(id, "f") == "",
		id == "n/a", id == "none", id == "null", id == "unknown", id == "notspecified", id == "defaultstring", id == "tobefilledbyo.e.m.":
		return ""
	}
	return id
}
