package api

import (
	"fmt"
	"io"
	"net/http"
	"time"

	"lamplighter/results"
	"lamplighter/results/follow"
)

// Snapshot is what a client of the stream begins with. It is written row by row.
type Snapshot struct {
	Epoch   string    `json:"epoch"`
	Version uint64    `json:"version"`
	Since   string    `json:"since"`
	At      time.Time `json:"at"`
	// Incidents are all that are not closed, whatever the filter.
	Incidents []Incident `json:"incidents"`
	Rows      []Row      `json:"rows"`
	Count     int        `json:"count"`
}

// snapshot answers with the rows that a client of the stream begins with, and the position that it goes on from: GET /snapshot.
func (s *Server) snapshot(w http.ResponseWriter, _ *http.Request, a ask) error {
	if s.snapshots.Add(1) > mostSnapshots {
		s.snapshots.Add(-1)
		return problem(http.StatusServiceUnavailable, "%d snapshots are being fetched already; try again in a moment", mostSnapshots)
	}
	defer s.snapshots.Add(-1)
	w.Header().Set("Content-Type", "application/json")
	out := http.NewResponseController(w)
	s.hub.mu.Lock()
	epoch, version := s.hub.epoch, s.hub.version // what Live knows already beyond that comes again in the stream
	open := s.hub.allOpen()
	s.hub.mu.Unlock()
	_, err := fmt.Fprintf(w, `{"epoch":%q,"version":%d,"since":%q,"at":%q,"incidents":%s,"rows":[`, epoch, version, position(epoch, version), results.MomentText(a.now), encode(open))
	lines, l := 0, s.lens(a)
	s.matching(a, func(b *follow.BMC) bool {
		if lines%500 == 0 {
			_ = out.SetWriteDeadline(time.Now().Add(patience))
		}
		if lines++; lines > 1 && err == nil {
			_, err = io.WriteString(w, ",\n")
		}
		if err == nil {
			_, err = w.Write(encode(rowOf(&b.State, l.overlay(b))))
		}
		return err == nil
	})
	if err == nil {
		_, err = fmt.Fprintf(w, "],\"count\":%d}\n", lines)
	}
	if err != nil {
		return fmt.Errorf("send a snapshot: %w", err)
	}
	return nil
}
