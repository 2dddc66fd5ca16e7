package api

import (
	"net/http"
	"slices"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/results/store"
)

// Elevation is a rack as it stands: what is in which unit.
type Elevation struct {
	Site string `json:"site"`
	Room string `json:"room"`
	Row  string `json:"row"`
	Rack string `json:"rack"`
	// Height is in units.
	Height float64 `json:"height"`
	// Placed: the inventory knows heights, faces and slots; otherwise each BMC is shown one unit high.
	Placed bool    `json:"placed"`
	Units  []Place `json:"units"`
}

// Place is a BMC in its rack, from the top down.
type Place struct {
	BMC inventory.ID `json:"bmc"`
	// Look is its letter, and marks after that, as on the map.
	Look    string        `json:"look"`
	Unit    float64       `json:"unit"`
	Height  float64       `json:"height"`
	Face    string        `json:"face"`
	Slot    string        `json:"slot"`
	Chassis string        `json:"chassis"`
	Vendor  string        `json:"vendor"`
	Model   string        `json:"model"`
	Health  checks.Health `json:"health"`
	Failed  checks.Name   `json:"failed"`
	Reason  checks.Reason `json:"reason"`
	// Since and LastAt are missing for one that was never heard of.
	Since     time.Time `json:"since,omitzero"`
	LastAt    time.Time `json:"last_at,omitzero"`
	NeverSeen bool      `json:"never_seen"`
	// Ack, Silenced and Incident are null or missing where there is none.
	Ack      *store.Ack        `json:"ack"`
	Silenced *results.Silenced `json:"silenced"`
	Incident string            `json:"incident,omitempty"`
}

// elevation answers with a rack: GET /elevation.
func (s *Server) elevation(w http.ResponseWriter, _ *http.Request, a ask) error {
	e := Elevation{Site: a.text("site"), Room: a.text("room"), Row: a.text("row"), Rack: a.text("rack"), Height: inventory.DefaultRackHeight, Units: []Place{}}
	spots, placed := s.standing(e, a.then)
	if len(spots) == 0 {
		return problem(http.StatusNotFound, "no BMC is known in rack %.200q of row %.200q, room %.200q, site %.200q", e.Rack, e.Row, e.Room, e.Site)
	}
	slices.SortFunc(spots, bySpot)
	e.Placed = placed
	for _, sp := range spots {
		if placed {
			e.Height = max(e.Height, sp.RackHeight())
		}
		e.Units = append(e.Units, s.placeOf(sp, a))
	}
	return reply(w, e)
}

// standing are the BMCs of a rack, as they are or were.
func (s *Server) standing(e Elevation, t *then) (spots []spot, placed bool) {
	listed := s.inventory()
	elsewhere := make(map[inventory.ID]bool, len(listed))
	for _, b := range listed {
		elsewhere[b.ID] = true
		if b.Site == e.Site && b.Room == e.Room && b.Row == e.Row && b.Rack == e.Rack {
			spots = append(spots, s.known(b))
		}
	}
	all, _ := s.Live.All()
	for _, b := range all {
		if st := &b.State; st.Site == e.Site && st.Room == e.Room && st.Row == e.Row && st.Rack == e.Rack && !elsewhere[st.BMC] {
			spots = append(spots, heardOf(st))
		}
	}
	for i, sp := range spots {
		if heard := t.bmc(s.Live.Get(sp.ID)); heard != nil {
			spots[i].state = &heard.State
		}
	}
	return spots, listed != nil
}

func (s *Server) placeOf(sp spot, a ask) Place {
	st := sp.state
	if st == nil {
		st = &results.State{NeverSeen: true}
	}
	p := Place{
		BMC: sp.ID, Unit: sp.Unit, Height: sp.Height, Face: sp.Face, Slot: sp.Slot, Chassis: sp.Chassis, Vendor: sp.Vendor, Model: sp.Model,
		Health: st.Health, Failed: st.Failed, Reason: st.Reason, Since: st.Since, LastAt: st.LastAt, NeverSeen: st.NeverSeen,
	}
	over := s.over(a, sp.ID)
	p.Look, p.Ack, p.Silenced, p.Incident = s.look(a, sp.ID), over.ack, over.silenced(), over.incident
	return p
}
