package api

import (
	"net/http"
	"time"

	"lamplighter/results/audit"
)

// Rounds say which routine rounds are missing, site by site.
type Rounds struct {
	At time.Time `json:"at"`
	// Known: the process has an inventory, and so knows which rounds there should be. Where not, only what satellites say is there.
	Known bool `json:"known"`
	// SettleS is how many seconds after its planned start a round is left alone.
	SettleS float64      `json:"settle_s"`
	Sites   []audit.Site `json:"sites"`
}

// auditRounds answers with which rounds are missing: GET /audit/rounds.
func (s *Server) auditRounds(w http.ResponseWriter, _ *http.Request, a ask) error {
	return reply(w, Rounds{a.now.UTC(), s.Rounds.Knows(), s.Rounds.Settle().Seconds(), orEmpty(s.Rounds.Sites())})
}
