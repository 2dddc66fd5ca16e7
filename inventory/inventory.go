// Package inventory says which BMCs exist, where they stand and how to log in to them.
//
// It is the most upstream package: checks, results and the satellite import it, it imports nothing of ours.
package inventory

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"
)

// ID is the asset ID that the CMDB gave a BMC. It is stable and is not an address.
type ID string

// Protocol is how a BMC is logged in to.
type Protocol string

// The protocols. Auto means: found by unauthenticated questions and remembered.
const (
	Auto    Protocol = "auto"
	Redfish Protocol = "redfish"
	IPMI    Protocol = "ipmi"
)

// ParseProtocol reads redfish, ipmi or auto; an empty string is auto.
func ParseProtocol(s string) (Protocol, error) {
	switch p := Protocol(s); p {
	case "":
		return Auto, nil
	case Auto, Redfish, IPMI:
		return p, nil
	}
	return Auto, fmt.Errorf("protocol %q: want redfish, ipmi or auto", s)
}

// Default ports (Redfish DSP0266 section 7.1; IPMI 2.0 section 13.1.2).
const (
	DefaultRedfishPort = 443
	DefaultRMCPPort    = 623
)

// RMCPPortLabel is the label that names the UDP port a BMC answers RMCP on when that is not its Port.
const RMCPPortLabel = "rmcp_port"

// BMC is one service processor as the inventory knows it. Only ID and Address are always set.
type BMC struct {
	ID      ID         `json:"id"`
	Address netip.Addr `json:"address"`

	Site string `json:"site,omitempty"`
	Room string `json:"room,omitempty"`
	Row  string `json:"row,omitempty"`
	Rack string `json:"rack,omitempty"`
	// Unit is the lowest rack unit taken, 0 when unknown; Height is in units and may be a half.
	Unit    float64 `json:"unit,omitempty"`
	Height  float64 `json:"height,omitempty"`
	Face    string  `json:"face,omitempty"`
	Slot    string  `json:"slot,omitempty"`
	Chassis string  `json:"chassis,omitempty"`

	Vendor string `json:"vendor,omitempty"`
	Model  string `json:"model,omitempty"`
	Serial string `json:"serial,omitempty"`
	UUID   string `json:"uuid,omitempty"`

	Protocol Protocol `json:"protocol"`
	// Port is 0 for the protocol's default.
	Port uint16 `json:"port,omitempty"`
	// Login is the name of a credential in the keyring, "default" unless the inventory says otherwise.
	Login string `json:"login"`
	// Trust is zero where the inventory leaves it to the command or the configuration.
	Trust Trust `json:"trust,omitzero"`
	// Labels are the columns that Lamplighter has no word for.
	Labels map[string]string `json:"labels,omitempty"`
}

// RedfishPort is the TCP port that Redfish is asked on.
func (b BMC) RedfishPort() uint16 {
	if b.Port != 0 && b.Protocol != IPMI {
		return b.Port
	}
	return DefaultRedfishPort
}

// RMCPPort is the UDP port that IPMI and the RMCP question are asked on.
func (b BMC) RMCPPort() uint16 {
	if p, err := strconv.ParseUint(b.Labels[RMCPPortLabel], 10, 16); err == nil && p != 0 {
		return uint16(p)
	}
	if b.Port != 0 && b.Protocol != Redfish {
		return b.Port
	}
	return DefaultRMCPPort
}

// Rev is the hash of a BMC's record. A task carries it, so that a satellite with another record of that BMC notices.
func (b BMC) Rev() string {
	record, err := json.Marshal(b)
	if err != nil {
		panic(fmt.Sprintf("inventory: marshal record of %s: %v", b.ID, err)) // plain strings and numbers always marshal
	}
	sum := sha256.Sum256(record)
	return hex.EncodeToString(sum[:8])
}

// Source reads the whole list of BMCs from where a site keeps it.
//
// The caller asks periodically and one at a time, and retries by asking again; on an error the list it got before stays. On
// return without error the list is complete: a short read is an error. No context has a deadline of the caller's.
type Source interface {
	BMCs(ctx context.Context, known Known) (Answer, error)
}

// Known is what a source is told of the fleet as it was. A source that reads the same again answers with the record that is held, so that
// a hundred thousand are not held twice.
type Known struct {
	// Held finds the record that is held of a BMC; nil: none is.
	Held func(ID) *BMC
	// Complete, if any, puts into a record what the site's configuration says.
	Complete func(*BMC)
}

// same completes b, and is the record that is held, if it says the same; nil: none does.
func (k Known) same(b *BMC) *BMC {
	if k.Complete != nil {
		k.Complete(b)
	}
	if k.Held == nil {
		return nil
	}
	if was := k.Held(b.ID); was != nil && sameRecord(was, b) {
		return was
	}
	return nil
}

// Answer is what a source has now.
type Answer struct {
	// BMCs are the records, in any order; nobody writes to one.
	BMCs []*BMC
	// Bad are the records that are no BMC, such as one whose address is a host name: the source names them, so they are not gone.
	Bad []Conflict
	// Read is how many records were read, and Of how many the source said it has; both 0 where it says nothing.
	Read, Of int
	// Sources say it of each source by its name, of an answer with an error as far as they were asked (Named, Merged).
	Sources []Read
}

// List is a copy of the records.
func (a Answer) List() []BMC {
	list := make([]BMC, len(a.BMCs))
	for i, b := range a.BMCs {
		list[i] = *b
	}
	return list
}
