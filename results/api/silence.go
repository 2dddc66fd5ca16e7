package api

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"lamplighter/checks"
	"lamplighter/results"
	"lamplighter/results/follow"
	"lamplighter/results/query"
)

// How long a silence may hold.
const (
	MostSilence     = 7 * 24 * time.Hour
	MostMaintenance = 90 * 24 * time.Hour
)

// silenceBody is what a person says when they make a silence.
type silenceBody struct {
	Kind  results.SilenceKind `json:"kind"`
	Where string              `json:"where"`
	// From is now where it is not said; Until, or For, such as 2h or 3d, is needed.
	From   time.Time `json:"from,omitzero"`
	Until  time.Time `json:"until,omitzero"`
	For    string    `json:"for,omitempty"`
	Reason string    `json:"reason"`
	Ticket string    `json:"ticket,omitempty"`
	Who    string    `json:"who,omitempty"`
	bulk
}

// silence reads what was said, or says what is wrong with it.
func (b silenceBody) silence(s *Server, a ask) (made results.Silence, filter query.Filter, err error) {
	if b.Kind != results.Silencing && b.Kind != results.Maintenance {
		return made, filter, mistake("kind", fmt.Errorf("%.20q: want %s or %s", b.Kind, results.Silencing, results.Maintenance))
	}
	if filter, err = s.silenceable(b.Where); err != nil {
		return made, filter, err
	}
	if strings.TrimSpace(b.Reason) == "" {
		return made, filter, mistake("reason", errors.New("want why, for those who wonder later"))
	}
	for name, text := range map[string]string{"reason": b.Reason, "ticket": b.Ticket, "who": b.Who} {
		if err := validText(name, text); err != nil {
			return made, filter, err
		}
	}
	made = results.Silence{Kind: b.Kind, Where: b.Where, Who: a.name(b.Who), Reason: b.Reason, Ticket: b.Ticket, MadeAt: a.now.UTC().Truncate(time.Millisecond)}
	made.From, made.Until, err = b.span(a.now)
	return made, filter, err
}

// silenceable reads a filter of what stays the same while a silence holds.
func (s *Server) silenceable(where string) (query.Filter, error) {
	filter, err := s.parse(where)
	if err == nil && filter.String() == "" {
		err = &query.Error{Position: 1, Expected: "which BMCs, such as site=ams1 and rack=C01"}
	}
	if err == nil {
		err = filter.Without("a silence holds for BMCs by what they are, not by how long, or by what lies over them", func(f query.Field) bool {
			return f.Timed() || slices.Contains([]string{"incident", "silenced", "maintenance"}, f.Name)
		})
	}
	if err != nil {
		return filter, mistake("where", err)
	}
	return filter, nil
}

// span is when it holds.
func (b silenceBody) span(now time.Time) (from, until time.Time, err error) {
	from = b.From
	if from.Before(now) {
		from = now
	}
	switch {
	case b.For != "" && !b.Until.IsZero():
		return from, until, mistake("for", errors.New("want either until or for"))
	case b.For != "":
		lasting, ok := query.ParseDuration(b.For)
		if !ok {
			return from, until, mistake("for", fmt.Errorf("%.20q: want a time span: 90s, 15m, 2h or 3d", b.For))
		}
		until = from.Add(lasting)
	case b.Until.IsZero():
		return from, until, mistake("until", errors.New("want when it ends: until, or for such as 2h; none holds for ever"))
	default:
		until = b.Until
	}
	most := MostSilence
	if b.Kind == results.Maintenance {
		most = MostMaintenance
	}
	if from.After(now.Add(MostMaintenance)) {
		return from, until, mistake("from", fmt.Errorf("%s: want a time within the next %d days", b.From.Format(time.RFC3339), days(MostMaintenance)))
	}
	if !until.After(from) || until.After(from.Add(most)) {
		return from, until, mistake(cmp.Or(map[bool]string{true: "for"}[b.For != ""], "until"),
			fmt.Errorf("%s: a %s ends after it began, at most %d days later", until.UTC().Format(time.RFC3339), b.Kind, days(most)))
	}
	return from.UTC().Truncate(time.Millisecond), until.UTC().Truncate(time.Millisecond), nil
}

func days(d time.Duration) int { return int(d.Hours() / 24) }

// MadeSilence is a silence that was made, or would be, and what it keeps quiet now.
type MadeSilence struct {
	Done bool `json:"done"`
	Reach
	Silence results.Silence `json:"silence"`
}

// silence makes a silence or a maintenance: POST /silences.
func (s *Server) silence(w http.ResponseWriter, r *http.Request, a ask) error {
	var body silenceBody
	if err := readBody(r, &body); err != nil {
		return err
	}
	silence, filter, err := body.silence(s, a)
	if err != nil {
		return err
	}
	a.filter = filter
	result := MadeSilence{Done: !body.DryRun, Reach: s.reach(a, nil), Silence: silence}
	if body.Expect != nil || body.DryRun {
		err = body.agreed(result.Matched)
	}
	if err != nil || body.DryRun {
		return orReply(w, err, result)
	}
	if result.Silence, err = s.Incidents.Silence(r.Context(), silence); err != nil {
		return fmt.Errorf("make a %s of %s: %w", silence.Kind, silence.Where, err)
	}
	s.note(a, Act{Do: string(silence.Kind), Silence: result.Silence.ID, Where: silence.Where, Count: result.Matched, Note: silence.Reason, Who: silence.Who})
	s.lookAtIncidents(time.Now())
	return reply(w, result)
}

func orReply(w http.ResponseWriter, err error, document any) error {
	if err != nil {
		return err
	}
	return reply(w, document)
}

// endSilence ends one before its time: DELETE /silences/{silence}.
func (s *Server) endSilence(w http.ResponseWriter, r *http.Request, a ask) error {
	id := r.PathValue("silence")
	all := s.Incidents.Silences()
	at := slices.IndexFunc(all, func(one results.Silence) bool { return one.ID == id })
	switch {
	case at < 0:
		return problem(http.StatusNotFound, "no silence with the ID %.200q is known", id)
	case statusOf(all[at], a.now) == Over:
		return problem(http.StatusConflict, "the silence %s is over", id)
	}
	ended, err := s.Incidents.EndSilence(r.Context(), id, a.who.name, a.now.UTC().Truncate(time.Millisecond))
	if err != nil {
		return fmt.Errorf("end the silence %s: %w", id, err)
	}
	s.note(a, Act{Do: "end", Silence: id, Where: ended.Where, Who: a.who.name})
	s.lookAtIncidents(time.Now())
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// The statuses of a silence.
const (
	Holds = "holds"
	Waits = "waits" // for its beginning
	Over  = "over"
)

func statusOf(s results.Silence, now time.Time) string {
	switch {
	case s.Holds(now):
		return Holds
	case s.EndedAt.IsZero() && now.Before(s.From):
		return Waits
	}
	return Over
}

// Silence is a silence with what it keeps quiet now.
type Silence struct {
	results.Silence
	Status  string `json:"status"`
	Matched int    `json:"matched"`
	Failing int    `json:"failing"`
	// Idle: it holds, and no BMC matched for a day. It is written wrongly, or what it was for is gone.
	Idle bool `json:"idle"`
}

// silences answers with all that are not over, and if asked with those that ended in the last day: GET /silences.
func (s *Server) silences(w http.ResponseWriter, _ *http.Request, a ask) error {
	which, err := a.choice("status", "", Holds, Waits, Over, "all")
	if err != nil {
		return err
	}
	p := page[Silence]{Items: []Silence{}}
	for _, one := range s.counted(a.now) {
		if which == "all" || which == one.Status || which == "" && one.Status != Over {
			p.Items = append(p.Items, one)
		}
	}
	return reply(w, p)
}

// counted are all silences with what they match now.
func (s *Server) counted(now time.Time) (all []Silence) {
	var filters []query.Filter
	for _, one := range s.Incidents.Silences() {
		filter, _ := query.Parse(one.Where) // it was read when it was made
		all, filters = append(all, Silence{Silence: one, Status: statusOf(one, now), Idle: one.Idle(now)}), append(filters, filter)
	}
	l := lens{labels: s.Labels, now: now}
	bmcs, _ := s.Live.All()
	for i := range all {
		if all[i].Status == Over {
			continue
		}
		for _, b := range bmcs {
			if l.match(filters[i], b) {
				all[i].count(b)
			}
		}
		all[i].Idle = all[i].Idle && all[i].Matched == 0
	}
	return all
}

func (s *Silence) count(b *follow.BMC) {
	s.Matched++
	if b.State.Health == checks.Unavailable {
		s.Failing++
	}
}
