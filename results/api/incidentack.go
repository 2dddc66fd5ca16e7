package api

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"lamplighter/checks"
	"lamplighter/results"
	"lamplighter/results/follow"
	"lamplighter/results/store"
)

// bulk is what a request says that acts on all that match: how many its asker was shown, or that it wants to be shown.
type bulk struct {
	// Expect is how many the asker knows of. Where there are more or fewer nothing is done.
	Expect *int `json:"expect,omitempty"`
	// DryRun: say what would be done, and do nothing.
	DryRun bool `json:"dry_run,omitempty"`
}

// agreed says whether so many were expected.
func (b bulk) agreed(matched int) error {
	switch {
	case b.DryRun:
		return nil
	case b.Expect == nil:
		return mistake("expect", errors.New("want how many this is to act on; dry_run: true says it"))
	case *b.Expect != matched:
		return problem(http.StatusConflict, "%d were expected, %d match now: nothing was done; look again", *b.Expect, matched)
	}
	return nil
}

// bulkAckBody is an acknowledgement of all that match.
type bulkAckBody struct {
	ackBody
	bulk
}

// ackUntil is an acknowledgement's end; zero where it ends by itself.
func (b ackBody) ackUntil() time.Time {
	if b.Until.IsZero() {
		return time.Time{}
	}
	return b.Until.UTC()
}

func (b ackBody) ofIncident(a ask) results.IncidentAck {
	return results.IncidentAck{Who: a.name(b.Who), Note: b.Note, At: a.now.UTC().Truncate(time.Millisecond), Until: b.ackUntil()}
}

// ackIncident keeps that somebody is on it: PUT /incidents/{incident}/ack.
func (s *Server) ackIncident(w http.ResponseWriter, r *http.Request, a ask) error {
	i, err := s.anIncident(r)
	if err != nil {
		return err
	}
	var body ackBody
	if err := readBody(r, &body); err != nil {
		return err
	}
	if err := body.validate(a.now); err != nil {
		return err
	}
	if i.Status == results.Resolved {
		return problem(http.StatusConflict, "incident %s is closed; there is nothing to acknowledge", i.ID)
	}
	ack := body.ofIncident(a)
	if i, err = s.Incidents.AckIncident(r.Context(), i.ID, ack); err != nil {
		return fmt.Errorf("acknowledge incident %s: %w", r.PathValue("incident"), err)
	}
	s.note(a, Act{Do: "ack", Incident: i.ID, Note: ack.Note, Who: ack.Who})
	s.lookAtIncidents(time.Now())
	return reply(w, s.shown(i))
}

// unackIncident takes it back: DELETE /incidents/{incident}/ack.
func (s *Server) unackIncident(w http.ResponseWriter, r *http.Request, a ask) error {
	i, err := s.anIncident(r)
	if err != nil {
		return err
	}
	if i.Ack == nil {
		return problem(http.StatusNotFound, "incident %.200q is not acknowledged", i.ID)
	}
	if _, err = s.Incidents.UnackIncident(r.Context(), i.ID); err != nil {
		return fmt.Errorf("take back the acknowledgement of incident %s: %w", i.ID, err)
	}
	s.note(a, Act{Do: "unack", Incident: i.ID, Who: a.who.name})
	s.lookAtIncidents(time.Now())
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// AckedIncidents is what an acknowledgement of many incidents did, or would do.
type AckedIncidents struct {
	Done    bool `json:"done"`
	Matched int  `json:"matched"`
	// Failing is how many BMCs fail in them.
	Failing int        `json:"failing"`
	Sample  []Incident `json:"sample"`
}

// ackIncidents acknowledges all incidents that are asked for and not closed: POST /incidents/ack.
func (s *Server) ackIncidents(w http.ResponseWriter, r *http.Request, a ask) error {
	var body bulkAckBody
	if err := readBody(r, &body); err != nil {
		return err
	}
	if err := body.validate(a.now); err != nil {
		return err
	}
	want, err := a.wanted()
	if err != nil {
		return err
	}
	open := s.openOnes(a, want)
	result := AckedIncidents{Matched: len(open), Sample: []Incident{}}
	for _, i := range open {
		result.Failing += i.Failing
	}
	if err := body.agreed(result.Matched); err != nil {
		return err
	}
	ack := body.ofIncident(a)
	for n, i := range open {
		if !body.DryRun {
			if i, err = s.Incidents.AckIncident(r.Context(), i.ID, ack); err != nil {
				return fmt.Errorf("acknowledge incident %d of %d: %w", n+1, len(open), err)
			}
			s.note(a, Act{Do: "ack", Incident: i.ID, Note: ack.Note, Who: ack.Who, Where: a.filter.String()})
		}
		if n < mostSample {
			result.Sample = append(result.Sample, s.shown(i))
		}
	}
	result.Done = !body.DryRun
	s.lookAtIncidents(time.Now())
	return reply(w, result)
}

// mostSample is how many of what matches an answer names.
const mostSample = 10

// Reach is what a filter reaches now: how many BMCs, how many of them fail, and some of them, those that fail first.
type Reach struct {
	Matched int         `json:"matched"`
	Failing int         `json:"failing"`
	Sample  []Neighbour `json:"sample"`
}

// reach finds all BMCs that match.
func (s *Server) reach(a ask, each func(b *follow.BMC)) Reach {
	reach := Reach{Sample: []Neighbour{}}
	var others []Neighbour
	s.matching(a, func(b *follow.BMC) bool {
		reach.Matched++
		isFailing := b.State.Health == checks.Unavailable
		if isFailing {
			reach.Failing++
		}
		switch {
		case isFailing && len(reach.Sample) < mostSample:
			reach.Sample = append(reach.Sample, neighbour(&b.State))
		case !isFailing && len(others) < mostSample:
			others = append(others, neighbour(&b.State))
		}
		if each != nil {
			each(b)
		}
		return true
	})
	reach.Sample = append(reach.Sample, others[:min(len(others), mostSample-len(reach.Sample))]...)
	return reach
}

// AckedBMCs is what an acknowledgement of many BMCs did, or would do.
type AckedBMCs struct {
	Done bool `json:"done"`
	// Count is how many are acknowledged: those that match and are not available.
	Count int `json:"count"`
	Reach
}

// ackAll acknowledges all BMCs that match and are not available: PUT /acks.
func (s *Server) ackAll(w http.ResponseWriter, r *http.Request, a ask) error {
	if a.filter.String() == "" {
		return mistake("where", errors.New("want which BMCs, such as rack=C01"))
	}
	var body bulkAckBody
	if err := readBody(r, &body); err != nil {
		return err
	}
	if err := body.validate(a.now); err != nil {
		return err
	}
	var acks []store.Ack
	result := AckedBMCs{Reach: s.reach(a, func(b *follow.BMC) {
		if b.State.Health != checks.Available {
			acks = append(acks, body.ofBMC(a, b.State.BMC))
		}
	})}
	result.Count = len(acks)
	if err := body.agreed(result.Count); err != nil {
		return err
	}
	if !body.DryRun && len(acks) > 0 {
		if err := s.keepAcks(r, acks...); err != nil {
			return err
		}
		s.note(a, Act{Do: "ack", Where: a.filter.String(), Count: len(acks), Note: body.Note, Who: acks[0].Who})
	}
	result.Done = !body.DryRun
	return reply(w, result)
}
