package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"lamplighter/inventory"
)

// Inventories are how the lists of BMCs follow the CMDB: one, that this process syncs, or one of each site, that others do.
//
// Its methods are called concurrently, and not retried.
type Inventories interface {
	// Reports are what was last said of each, by site.
	Reports() []inventory.Report
	// Barred says why the process that syncs a site cannot be asked from here; "": it can.
	Barred(site string) string
	// Ask has it sync now, which it begins and returns, or approve what is withheld, and says what came of that. The error of one that
	// refused, or did not answer, is a *NotDone.
	Ask(ctx context.Context, site string, r inventory.Request) (string, error)
}

// Inventory is one of them.
type Inventory struct {
	inventory.Report
	// Late: nothing was said of it for two intervals.
	Late bool `json:"late"`
	// Barred says why nobody can have it sync, or approve anything, from here; "": an operator can.
	Barred string `json:"barred"`
}

// Listing is where the list of BMCs comes from.
type Listing struct {
	At time.Time `json:"at"`
	// From is cmdb, file (it is read as it is), or none: whoever has a verdict is listed.
	From string `json:"from"`
	// BMCs is how many are listed here, of all sites.
	BMCs  int         `json:"bmcs"`
	Items []Inventory `json:"items"`
}

// lateAfter is after how many intervals of silence a process that syncs is late, and what is added for a slow source.
const (
	lateAfter = 2
	lateMore  = time.Minute
)

// listing answers with how the inventories stand: GET /inventory.
func (s *Server) listing(w http.ResponseWriter, _ *http.Request, a ask) error {
	l := Listing{At: a.now.UTC(), From: "none", BMCs: len(s.inventory()), Items: []Inventory{}}
	switch {
	case s.Inventories != nil:
		l.From = "cmdb"
		for _, r := range s.Inventories.Reports() {
			late := a.now.Sub(r.At) > lateAfter*time.Duration(r.EveryS)*time.Second+lateMore
			l.Items = append(l.Items, Inventory{r, late, s.Inventories.Barred(r.Site)})
		}
	case s.Inventory != nil:
		l.From = "file"
	}
	return reply(w, l)
}

// inventoryBody is what a person asks of an inventory.
type inventoryBody struct {
	Site string `json:"site"`
	// Digest is of what is withheld, as it was seen.
	Digest string `json:"digest,omitempty"`
	Note   string `json:"note,omitempty"`
	Who    string `json:"who,omitempty"`
}

// InventoryDone is what came of it.
type InventoryDone struct {
	Text string `json:"text"`
}

// syncInventory has an inventory synced now, and does not wait for that: POST /inventory/sync.
func (s *Server) syncInventory(w http.ResponseWriter, r *http.Request, a ask) error {
	return s.askInventory(w, r, a, false)
}

// approveInventory has what is withheld be believed: POST /inventory/approve.
func (s *Server) approveInventory(w http.ResponseWriter, r *http.Request, a ask) error {
	return s.askInventory(w, r, a, true)
}

func (s *Server) askInventory(w http.ResponseWriter, r *http.Request, a ask, approve bool) error {
	var body inventoryBody
	if err := readBody(r, &body); err != nil {
		return err
	}
	for name, text := range map[string]string{"site": body.Site, "digest": body.Digest, "note": body.Note, "who": body.Who} {
		if err := validText(name, text); err != nil {
			return err
		}
	}
	if approve != (body.Digest != "") {
		return mistake("digest", errors.New("want the digest of what is withheld to approve it, and none to sync"))
	}
	if err := s.reachable(body.Site); err != nil {
		return err
	}
	who := a.name(body.Who)
	text, err := s.Inventories.Ask(r.Context(), body.Site, inventory.Request{Approve: body.Digest, Who: who})
	if refused := new(NotDone); errors.As(err, &refused) {
		return problem(map[bool]int{true: http.StatusGatewayTimeout, false: http.StatusConflict}[refused.Silent], "%s", refused.Text)
	}
	if err != nil {
		return fmt.Errorf("ask the inventory of site %s: %w", body.Site, err)
	}
	act := Act{Do: "inventory_sync", Site: body.Site, Note: body.Note, Who: who}
	if approve {
		act.Do, act.Digest = "inventory_approve", body.Digest
	}
	s.note(a, act)
	return reply(w, InventoryDone{text})
}

// reachable says why a site's inventory cannot be asked.
func (s *Server) reachable(site string) error {
	if s.Inventories == nil {
		return problem(http.StatusNotFound, "no inventory is synced: the list of BMCs is a file, or is not known here")
	}
	for _, r := range s.Inventories.Reports() {
		if r.Site == site {
			if barred := s.Inventories.Barred(site); barred != "" {
				return problem(http.StatusServiceUnavailable, "%s", barred)
			}
			return nil
		}
	}
	return problem(http.StatusNotFound, "no inventory of site %.200q is known here", site)
}
