package checks

import (
	"crypto/x509"
	"time"

	"lamplighter/inventory"
)

// Way is a way in which ping asks.
type Way string

// The ways, in the order of Settings.Ways' default.
const (
	WayICMP Way = "icmp"
	WayTCP  Way = "tcp"
	WayRMCP Way = "rmcp"
)

// WaysLabel is the label by which the inventory says which ways one BMC is asked, as "icmp+tcp+rmcp" or a part of that.
const WaysLabel = "ping"

// Settings are what the checks need to know beside the BMC.
type Settings struct {
	// Ways that ping asks, unless the BMC's label says otherwise.
	Ways []Way
	// Trust is for BMCs whose record says nothing.
	Trust inventory.Trust
	// Roots are the authorities of trust ca; nil: the system's.
	Roots *x509.CertPool
	// ExpirySoon is how long before its end a certificate is noted.
	ExpirySoon time.Duration
	// Slow is how long a login may take before it is noted.
	Slow time.Duration
	// Targets bound where BMCs may be; nil: anywhere, for a person who typed where.
	Targets *inventory.Targets
}

// DefaultSettings asks all ways, trusts authorities, and notes certificates that end within 30 days and logins over 10 s.
func DefaultSettings() Settings {
	return Settings{
		Ways:       []Way{WayICMP, WayTCP, WayRMCP},
		Trust:      inventory.Trust{Mode: inventory.TrustCA},
		ExpirySoon: 30 * 24 * time.Hour,
		Slow:       10 * time.Second,
	}
}

// Visit begins a visit to a BMC of which known is remembered.
func (w *Wires) Visit(bmc inventory.BMC, known Known) *Visit {
	if bmc.Protocol == inventory.Auto && known.Protocol != "" {
		bmc.Protocol = known.Protocol
	}
	return &Visit{BMC: bmc, Trust: bmc.Trust.Or(w.Settings.Trust), Known: known, Wires: w}
}
