package api

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
	"unicode"

	"lamplighter/inventory"
	"lamplighter/results/store"
)

// Limits of what people write.
const (
	mostNote = 1000
	mostAck  = 90 * 24 * time.Hour
)

// ackBody is what a person says when they acknowledge.
type ackBody struct {
	Note string `json:"note"`
	// Until is when it ends by itself; without it when the BMC is healthy again.
	Until time.Time `json:"until,omitzero"`
	// Who is believed only from this machine's own people, who show no token.
	Who string `json:"who,omitempty"`
}

func (b ackBody) validate(now time.Time) error {
	for name, text := range map[string]string{"note": b.Note, "who": b.Who} {
		if err := validText(name, text); err != nil {
			return err
		}
	}
	if !b.Until.IsZero() && (!b.Until.After(now) || b.Until.After(now.Add(mostAck))) {
		return mistake("until", fmt.Errorf("%s: want a time within the next %d days", b.Until.Format(time.RFC3339), int(mostAck.Hours()/24)))
	}
	return nil
}

func validText(name, text string) error {
	if len(text) > mostNote || strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) && r != '\n' }) {
		return mistake(name, fmt.Errorf("want at most %d bytes, none a control character", mostNote))
	}
	return nil
}

// readBody reads a JSON document and nothing else.
func readBody(r *http.Request, into any) error {
	if err := isJSON(r); err != nil {
		return err
	}
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	err := decoder.Decode(into)
	if err == nil {
		if _, more := decoder.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("want one JSON document")
		}
	}
	if large := new(http.MaxBytesError); errors.As(err, &large) {
		return err
	}
	if err != nil {
		return mistake("body", err)
	}
	return nil
}

// ack keeps that somebody is on it: PUT /bmcs/{bmc}/ack.
func (s *Server) ack(w http.ResponseWriter, r *http.Request, a ask) error {
	b, err := s.named(r)
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
	ack := body.ofBMC(a, b.State.BMC)
	if err := s.keepAcks(r, ack); err != nil {
		return err
	}
	s.note(a, Act{Do: "ack", BMC: ack.BMC, Note: ack.Note, Who: ack.Who})
	return reply(w, ack)
}

func (b ackBody) ofBMC(a ask, bmc inventory.ID) store.Ack {
	return store.Ack{BMC: bmc, Who: a.name(b.Who), Note: b.Note, At: a.now.UTC().Truncate(time.Millisecond), Until: b.ackUntil()}
}

// keepAcks keeps acknowledgements and tells them, all or none.
func (s *Server) keepAcks(r *http.Request, all ...store.Ack) error {
	if err := s.Store.Ack(r.Context(), all...); err != nil {
		return fmt.Errorf("acknowledge %d BMCs, the first %s: %w", len(all), all[0].BMC, err)
	}
	changed := make(map[inventory.ID]*store.Ack, len(all))
	for _, ack := range all {
		changed[ack.BMC] = &ack
	}
	s.hub.ack(changed, time.Now())
	return nil
}

// name is who acts. Whoever shows a token has that name.
func (a ask) name(said string) string {
	if a.who.home {
		return cmp.Or(strings.TrimSpace(said), local.name)
	}
	return a.who.name
}

// unack takes an acknowledgement back: DELETE /bmcs/{bmc}/ack.
func (s *Server) unack(w http.ResponseWriter, r *http.Request, a ask) error {
	id := inventory.ID(r.PathValue("bmc"))
	was, err := s.Store.Unack(r.Context(), id)
	if err != nil {
		return fmt.Errorf("take back the acknowledgement of %s: %w", id, err)
	}
	if !was {
		return problem(http.StatusNotFound, "%.200q is not acknowledged", id)
	}
	s.hub.ack(map[inventory.ID]*store.Ack{id: nil}, time.Now())
	s.note(a, Act{Do: "unack", BMC: id, Who: a.who.name})
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// recheck has a BMC checked now, and answers with each step as it comes, a line of JSON each; the last one is done or error:
// POST /bmcs/{bmc}/recheck.
func (s *Server) recheck(w http.ResponseWriter, r *http.Request, a ask) error {
	b, err := s.named(r)
	if err != nil {
		return err
	}
	if err := isJSON(r); err != nil { // so that no page of somebody else can send it
		return err
	}
	if s.Recheck == nil {
		return problem(http.StatusServiceUnavailable, "the role results has no way to ask satellites: its configuration names no bus")
	}
	if s.rechecks.Add(1) > mostRechecks {
		s.rechecks.Add(-1)
		return problem(http.StatusTooManyRequests, "%d BMCs are being checked again already", mostRechecks)
	}
	defer s.rechecks.Add(-1)
	s.note(a, Act{Do: "recheck", BMC: b.State.BMC, Who: a.who.name})
	t := teller{w: w, out: http.NewResponseController(w)}
	err = s.Recheck.Recheck(r.Context(), b.State.Site, b.State.BMC, a.who.name, t.tell)
	return t.end(err)
}

// teller writes steps.
type teller struct {
	w     http.ResponseWriter
	out   *http.ResponseController
	told  bool
	ended bool
}

func (t *teller) tell(step Step) error {
	if step.At.IsZero() {
		step.At = time.Now()
	}
	step.At = step.At.UTC()
	t.ended = t.ended || step.Kind == "done"
	return t.line(step)
}

// line writes a document on a line, and sends it.
func (t *teller) line(document any) error {
	if !t.told {
		t.told = true
		t.w.Header().Set("Content-Type", "application/x-ndjson")
	}
	_ = t.out.SetWriteDeadline(time.Now().Add(patience)) // where that is not possible the server's own limit counts
	if _, err := t.w.Write(append(encode(document), '\n')); err != nil {
		return err
	}
	return t.out.Flush()
}

// end tells how it ended. Before the first step an error is a problem of its own.
func (t *teller) end(err error) error {
	refused := new(NotDone)
	isRefused := errors.As(err, &refused)
	switch {
	case err == nil && t.ended:
		return nil
	case err == nil:
		return t.tell(Step{Kind: "done"})
	case t.told && isRefused:
		return t.tell(Step{Kind: "error", Text: refused.Text})
	case t.told:
		return t.tell(Step{Kind: "error", Text: "it broke off; the log has more"})
	case isRefused && refused.Silent:
		return problem(http.StatusGatewayTimeout, "%s", refused.Text)
	case isRefused:
		return problem(http.StatusBadGateway, "%s", refused.Text)
	}
	return fmt.Errorf("check again: %w", err)
}
