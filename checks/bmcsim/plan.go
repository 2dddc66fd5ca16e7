package bmcsim

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"lamplighter/inventory"
)

// Plan says which fleet to simulate. Only BMCs of at least one site must be set. The same plan makes the same fleet:
// addresses, passwords and keys included (RSA keys alone are new each time), so that a pin outlives a restart.
type Plan struct {
	Seed  uint64
	Sites []Site
	// First is the first BMC's address, 127.10.0.1 when zero.
	First netip.Addr
	// Trust is written into each record; under pin the pin of that BMC's key.
	Trust inventory.TrustMode
	// Auto is the share of BMCs, from 0 to 1, whose record says protocol auto.
	Auto float64
	// Multi is the share of Redfish BMCs that manage four systems.
	Multi float64
	// RSA is the share of Redfish BMCs with an RSA key; they share one.
	RSA float64
	// Off is the share of servers that are powered off.
	Off float64
	// Slow is how long a slow BMC's login takes, 11 s when zero.
	Slow time.Duration
	// Slots is the number of Redfish sessions per BMC, 8 when zero.
	Slots int
	// SessionLife is how long a session lives unused; when zero, 30 minutes over Redfish and 1 minute over IPMI.
	SessionLife time.Duration
	// Events is how many events the fleet keeps in its event log; 0: it keeps none.
	Events int
	// Shared has the machines of one vendor and site share one credential, as they do in many halls; otherwise each has its own.
	Shared bool
	// Secret begins each BMC's password, so that a test can search for it; at most 14 bytes: IPMI takes 20.
	Secret string
	// Script is what goes wrong while Run serves.
	Script Script
}

// Site is one data centre of a Plan.
type Site struct {
	Name string
	BMCs int
	// IPMI is the share of BMCs, from 0 to 1, that speak IPMI; the others speak Redfish.
	IPMI float64
	// PerRack is the number of servers in a rack, 20 when 0 and at most 40.
	PerRack int
}

// One is the plan of `sim --bmcs N --ipmi SHARE`: n BMCs in one site.
func One(n int, ipmiShare float64) Plan {
	return Plan{Seed: 1, Off: 0.1, Sites: []Site{{Name: "sim1", BMCs: n, IPMI: ipmiShare, PerRack: 40}}}
}

func (p Plan) withDefaults() Plan {
	if !p.First.IsValid() {
		p.First = netip.AddrFrom4([4]byte{127, 10, 0, 1})
	}
	if p.Slow == 0 {
		p.Slow = 11 * time.Second
	}
	if p.Slots == 0 {
		p.Slots = 8
	}
	sites := make([]Site, len(p.Sites))
	copy(sites, p.Sites)
	for i := range sites {
		if sites[i].PerRack == 0 {
			sites[i].PerRack = 20
		}
	}
	p.Sites = sites
	return p
}

// validate reports all mistakes of the plan at once.
func (p Plan) validate() error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf("plan: "+format, args...)) }
	if !p.First.Is4() || !p.First.IsLoopback() {
		wrong("first address %s: want one of 127.0.0.0/8", p.First)
	}
	for name, share := range map[string]float64{"auto": p.Auto, "multi": p.Multi, "rsa": p.RSA, "off": p.Off} {
		if share < 0 || share > 1 {
			wrong("%s %v: want a share from 0 to 1", name, share)
		}
	}
	if len(p.Secret) > 14 {
		wrong("the passwords' beginning has %d bytes: want at most 14", len(p.Secret))
	}
	names, total := map[string]bool{}, 0
	for _, site := range p.Sites {
		if site.Name == "" || names[site.Name] {
			wrong("site %q: want a name of its own", site.Name)
		}
		if site.BMCs < 0 || site.IPMI < 0 || site.IPMI > 1 || site.PerRack < 1 || site.PerRack > rackUnits {
			wrong("site %q: want 0 or more BMCs, an IPMI share from 0 to 1, 1 to %d servers a rack", site.Name, rackUnits)
		}
		names[site.Name] = true
		total += site.BMCs
	}
	if total < 1 || total > maxBMCs {
		wrong("%d BMCs: want 1 to %d", total, maxBMCs)
	}
	return errors.Join(errs...)
}

const (
	// rackUnits are filled with servers; a rack has 42, the top two hold switches.
	rackUnits = 40
	maxBMCs   = 200_000
)
