// Package command carries what a person asks of a site, and the answers: check a BMC again, list and clear fences, stop and go.
//
// The command line asks with Ask; each satellite has a Desk that receives, sends rechecks on to the BMC's owner, does the rest
// itself and answers. Both speak over the bus: the shared command mailbox, one per satellite, and one for each asker's answers.
package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/satellite/bus"
	"lamplighter/satellite/memory"
)

// TimeToLive is how long a request may wait to be taken.
const TimeToLive = 30 * time.Second

// Mailbox is where a site's requests go.
func Mailbox(site string) bus.Mailbox { return bus.Mailbox(site + ".command") }

// InventoryMailbox is where requests go that the process which syncs a site's inventory must see to.
func InventoryMailbox(site string) bus.Mailbox { return bus.Mailbox(site + ".inventory") }

// ofInventory says that a request is one for that process.
func (k Kind) ofInventory() bool { return k == InventorySync || k == InventoryApprove }

// mailbox is where a request goes.
func (r Request) mailbox(site string) bus.Mailbox {
	if r.Kind.ofInventory() {
		return InventoryMailbox(site)
	}
	return Mailbox(site)
}

// own is where the requests go that one satellite must see to.
func own(site, satellite string) bus.Mailbox { return bus.Own(string(Mailbox(site)), satellite) }

// Kind is what is asked, or answered.
type Kind string

// The kinds of requests.
const (
	Recheck    Kind = "recheck"
	FenceList  Kind = "fence_list"
	FenceClear Kind = "fence_clear"
	Stop       Kind = "stop"
	Go         Kind = "go"

	InventorySync    Kind = "inventory_sync"
	InventoryApprove Kind = "inventory_approve"
)

// The kinds of answers. A request's last one is Done or Failed; Accepted is repeated while it takes time.
const (
	Accepted Kind = "accepted"
	Result   Kind = "result"
	Verdict  Kind = "verdict"
	Fences   Kind = "fences"
	Done     Kind = "done"
	Failed   Kind = "error"
)

// Request is what a person asks.
type Request struct {
	ID   string `json:"id"`
	Kind Kind   `json:"kind"`
	// Who asks; it stands in the log beside what was done.
	Who        string       `json:"who"`
	BMC        inventory.ID `json:"bmc,omitempty"`        // of Recheck and FenceClear
	Credential string       `json:"credential,omitempty"` // of FenceClear, instead of BMC
	Text       string       `json:"text,omitempty"`       // why
	Digest     string       `json:"digest,omitempty"`     // of InventoryApprove: what is withheld
	Expires    time.Time    `json:"expires"`
	Reply      bus.Mailbox  `json:"reply"`
	// Hops is how often it was sent on.
	Hops int `json:"hops,omitempty"`
}

// Answer is a part of what is answered.
type Answer struct {
	ID        string            `json:"id"`
	Kind      Kind              `json:"kind"`
	Satellite string            `json:"satellite"`
	Round     *checks.Round     `json:"round,omitempty"`
	Result    *checks.Result    `json:"result,omitempty"`
	Verdict   *results.Verdict  `json:"verdict,omitempty"`
	Fences    []memory.Standing `json:"fences,omitempty"`
	Held      []memory.Held     `json:"held,omitempty"`
	// Text says what was done, or why not.
	Text string `json:"text,omitempty"`
}

const (
	maxRequest = 16 << 10 // bytes
	maxWord    = 512      // of a name or a text in a request
)

// decode reads a request.
func decode(body []byte) (Request, error) {
	if len(body) > maxRequest {
		return Request{}, fmt.Errorf("request of %d bytes: want at most %d", len(body), maxRequest)
	}
	var r Request
	if err := json.Unmarshal(body, &r); err != nil {
		return Request{}, fmt.Errorf("request %.80q: %w", body, err)
	}
	if err := r.validate(); err != nil {
		return Request{}, fmt.Errorf("request %q: %w", r.ID, err)
	}
	return r, nil
}

// validate also sees to it that no request has answers sent into a mailbox of tasks.
func (r Request) validate() error {
	for _, word := range []string{r.ID, r.Who, string(r.BMC), r.Credential, r.Text, r.Digest, string(r.Reply)} {
		if len(word) > maxWord || strings.ContainsFunc(word, isControl) {
			return fmt.Errorf("%.80q: want at most %d characters, none a control character", word, maxWord)
		}
	}
	switch {
	case r.ID == "" || r.Who == "" || r.Expires.IsZero() || r.Hops < 0:
		return errors.New("want an ID, who asks, and until when it holds")
	case r.Reply != bus.Reply(r.ID):
		return fmt.Errorf("reply mailbox %q: want %q", r.Reply, bus.Reply(r.ID))
	}
	switch r.Kind {
	case FenceList, Stop, Go, InventorySync:
		return nil
	case InventoryApprove:
		if r.Digest == "" {
			return errors.New("approve an inventory: want the digest of what is withheld")
		}
		return nil
	case Recheck:
		if r.BMC == "" {
			return errors.New("recheck: want a BMC")
		}
		return nil
	case FenceClear:
		if (r.BMC == "") == (r.Credential == "") {
			return errors.New("clear a fence: want either a BMC or a credential")
		}
		return nil
	}
	return fmt.Errorf("kind %q: want one of %s, %s, %s, %s, %s, %s, %s", r.Kind, Recheck, FenceList, FenceClear, Stop, Go, InventorySync, InventoryApprove)
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }
