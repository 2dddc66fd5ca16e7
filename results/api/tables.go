package api

import (
	"net/http"

	"lamplighter/checks"
	"lamplighter/results"
	"lamplighter/results/query"
)

// reasons answers with the table of reasons: GET /reasons.
func (s *Server) reasons(w http.ResponseWriter, _ *http.Request, _ ask) error {
	var all []Reason
	for _, i := range checks.Reasons {
		all = append(all, Reason{i.Reason, i.Letter, i.Health, i.Owner, i.Meaning, i.NextStep})
	}
	return reply(w, page[Reason]{Items: all})
}

// Reason is a line of the table of reasons.
type Reason struct {
	Reason   checks.Reason `json:"reason"`
	Letter   string        `json:"letter"`
	Health   checks.Health `json:"health"`
	Owner    checks.Owner  `json:"owner"`
	Meaning  string        `json:"meaning"`
	NextStep string        `json:"next_step"`
}

// fields answers with what filters can ask for: GET /fields.
func (s *Server) fields(w http.ResponseWriter, _ *http.Request, _ ask) error {
	return reply(w, page[query.Field]{Items: query.Fields})
}

// Overlay is a sign beside a code.
type Overlay struct {
	Overlay string `json:"overlay"`
	Meaning string `json:"meaning"`
}

// overlays stand beside a code and never in its place.
var overlays = []Overlay{
	{results.OverlayFlapping, "flapping: its health changes too often to be believed"},
	{results.OverlayAcked, "acknowledged: somebody is on it"},
	{results.OverlaySilenced, "silenced: nobody is told until that ends"},
}

// Codes are the table of state codes and of what may stand beside them.
type Codes struct {
	Items    []results.StateCode `json:"items"`
	Overlays []Overlay           `json:"overlays"`
}

// statecode answers with the table of state codes: GET /statecode.
func (s *Server) statecode(w http.ResponseWriter, _ *http.Request, _ ask) error {
	return reply(w, Codes{results.StateCodes, overlays})
}
