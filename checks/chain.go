package checks

import (
	"maps"
	"time"

	"lamplighter/inventory"
)

// Chain is the ordered list of checks: each success spawns the next, the first failure ends it.
type Chain []Check

// Default is THE list, one line per check. Adding a check is one file and one line here.
func Default() Chain {
	return Chain{
		{Name: Ping, Timeout: 3 * time.Second, Run: runPing},
		{Name: TLS, Timeout: 10 * time.Second, Applies: speaks(inventory.Redfish), Run: runTLS},
		{Name: RedfishLogin, Timeout: 30 * time.Second, Every: time.Hour, Logs: true, Applies: speaks(inventory.Redfish), Run: runRedfishLogin},
		{Name: IPMILogin, Timeout: 10 * time.Second, Every: time.Hour, Logs: true, Applies: speaks(inventory.IPMI), Run: runIPMILogin},
		{Name: Power, Timeout: 15 * time.Second, Every: time.Hour, Run: runPower},
	}
}

// After is the check that follows done, the round's results so far; false when the chain has ended.
func (c Chain) After(bmc inventory.BMC, done []Result) (Check, bool) {
	if len(done) > 0 && done[len(done)-1].Outcome != OK {
		return Check{}, false
	}
	facts, asked := Facts{}, map[Name]bool{}
	for _, r := range done {
		asked[r.Check] = true
		maps.Copy(facts, r.Facts)
	}
	for _, check := range c {
		if !asked[check.Name] && (check.Applies == nil || check.Applies(bmc, facts)) {
			return check, true
		}
	}
	return Check{}, false
}

// Check finds a check of the chain by name.
func (c Chain) Check(name Name) (Check, bool) {
	for _, check := range c {
		if check.Name == name {
			return check, true
		}
	}
	return Check{}, false
}

// FactProtocol is the fact by which ping says which protocol a BMC on auto speaks.
const FactProtocol = "protocol"

// speaks applies a check to BMCs of one protocol; a BMC on auto that said nothing is taken for Redfish.
func speaks(p inventory.Protocol) func(inventory.BMC, Facts) bool {
	return func(bmc inventory.BMC, facts Facts) bool {
		spoken := bmc.Protocol
		if spoken == inventory.Auto {
			spoken = inventory.Redfish
			if facts[FactProtocol] == string(inventory.IPMI) {
				spoken = inventory.IPMI
			}
		}
		return spoken == p
	}
}
