package ticket

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"lamplighter/results"
)

// frozen is how long ago a desk may have been asked when it is told: this process may have stood still since, and another taken over.
const frozen = 40 * time.Second

var errFrozen = errors.New("this process stood still after it had asked the desk")

// work looks at one job and does what there is to do.
func (k *Keeper) work(ctx context.Context, j *job) {
	k.mu.Lock()
	doc, known, unwritten := j.held.doc, k.tickets[j.place()], j.unwritten
	k.mu.Unlock()
	t, err := k.tell(ctx, j, doc, known, unwritten)
	k.finish(ctx, j, doc, t, err)
}

// tell asks the desk, decides, tells it, and keeps what it has then.
func (k *Keeper) tell(ctx context.Context, j *job, doc results.Incident, known results.Ticket, unwritten bool) (results.Ticket, error) {
	now := time.Now()
	if unwritten {
		if err := k.config.Write(ctx, known); err != nil {
			return known, &unkept{err}
		}
	}
	if known.In != "" {
		return k.ofStorm(ctx, doc, known, now)
	}
	desk := k.config.Desks[j.line.desk]
	asked := results.Ticket{Incident: doc.ID, Desk: j.line.desk}
	if known.Incident != "" {
		asked = known
	}
	f, err := desk.Find(ctx, asked)
	if err != nil {
		return known, err
	}
	d := Decide(known, f, doc, now, k.config.Rules)
	if d.Act == Open && !k.allow(j, doc, now) {
		return k.hold(ctx, j, doc, now)
	}
	if time.Since(now) > frozen {
		return known, errFrozen
	}
	m := k.message(doc, d, f)
	if f.Double != nil {
		if _, err := desk.Tell(ctx, mergeOf(m, f)); err != nil {
			return known, err
		}
		k.count(Merge)
	}
	told := d.Act != Nothing || k.resending(j, f, now)
	if told {
		if f, err = desk.Tell(ctx, m); err != nil {
			return known, err
		}
	}
	k.said(j, d, doc, told)
	return k.kept(ctx, known, ticketOf(known, f, d, doc, j.line.desk, now))
}

// resending says that a desk that forgets is to be told again what it knows.
func (k *Keeper) resending(j *job, f Found, now time.Time) bool {
	resend := k.config.Resend[j.line.desk]
	return resend > 0 && f.There && f.Open && !now.Before(j.told.Add(resend))
}

func (k *Keeper) message(doc results.Incident, d Decision, f Found) Message {
	m := Message{Act: d.Act, Incident: doc, Title: Title(doc), Comment: d.Comment, Ticket: f}
	if k.config.Link != "" && doc.Cause.Kind != causeStorm {
		m.Link = Link(k.config.Link, doc.ID)
	}
	m.Body = Body(doc, m.Link)
	switch {
	case d.Act == Nothing:
		m.Act = Comment // to a desk that forgets
	case d.Act == Open && d.Fresh && f.Ref != "":
		m.Body += "\nBefore: " + f.Ref + "\n"
	case d.Act == Comment && doc.Cause.Kind == causeStorm && doc.Failing > 0:
		m.Comment += "\n\n" + m.Body
	}
	return m
}

// ticketOf is what is known of a ticket after an act.
func ticketOf(known results.Ticket, f Found, d Decision, doc results.Incident, desk string, now time.Time) results.Ticket {
	t := results.Ticket{
		Schema: results.TicketSchema, Incident: doc.ID, Desk: desk, Ref: f.Ref, URL: f.URL, Open: f.There && f.Open,
		Seq: doc.Seq, At: now.UTC(), OpenedAt: known.OpenedAt, ByHand: d.ByHand, Said: results.SaidOf(doc),
	}
	switch {
	case d.Act == Open || f.There && t.OpenedAt.IsZero():
		t.OpenedAt = t.At
	case d.ByHand && !f.There:
		t.Ref, t.URL = known.Ref, known.URL
	}
	if d.ByHand && known.ByHand && d.Act == Nothing { // how it was when it was closed stays what it is measured by
		t.Said, t.At = known.Said, known.At
	}
	return t
}

// kept keeps a ticket, unless nothing of it is another.
func (k *Keeper) kept(ctx context.Context, known, t results.Ticket) (results.Ticket, error) {
	same := t
	same.Seq, same.At = known.Seq, known.At
	if same == known || known.Incident == "" && t.OpenedAt.IsZero() {
		return known, nil
	}
	if err := k.config.Write(ctx, t); err != nil {
		return t, &unkept{err}
	}
	return t, nil
}

// unkept: the desk was told, and what it has could not be kept.
type unkept struct{ error }

func (u *unkept) Unwrap() error { return u.error }

// finish notes how a job ended, and when it is looked at again.
func (k *Keeper) finish(ctx context.Context, j *job, doc results.Incident, t results.Ticket, err error) {
	k.mu.Lock()
	defer k.ended.Broadcast()
	defer k.mu.Unlock()
	j.running = false
	j.line.running--
	k.running--
	now := time.Now()
	before := k.tickets[j.place()].In
	if t.Incident != "" {
		k.tickets[place{t.Incident, t.Desk}] = t
	}
	j.unwritten = errors.As(err, new(*unkept))
	for _, storm := range []string{before, t.In} {
		if storm != "" && err == nil {
			k.refresh(j.line.desk, storm, j.held.from, storm == j.line.storm)
		}
	}
	if !j.dropped {
		j.seen = max(j.seen, doc.Seq)
		if err != nil {
			k.failed(ctx, j, doc, t, err, now)
		} else {
			k.worked(j, now)
		}
		k.release(j.held)
	}
	k.nudge()
}

// worked: the desk does what it should. What was given up before is tried again.
func (k *Keeper) worked(j *job, now time.Time) {
	l := j.line
	if l.fails > 0 || l.refused != nil {
		k.log.Info("the desk works again", "desk", l.desk)
		for _, other := range append([]*job{}, l.jobs...) {
			if other.tries > 0 {
				l.put(other, now)
			}
		}
	}
	l.fails, l.refused, l.paused = 0, nil, time.Time{}
	j.tries = 0
	k.schedule(j, now)
	if !j.look.IsZero() && j.index == idle {
		l.put(j, j.look)
	}
}

// failed counts a failure, and gives up after too many.
func (k *Keeper) failed(ctx context.Context, j *job, doc results.Incident, t results.Ticket, err error, now time.Time) {
	l := j.line
	j.tries++
	k.numbers.Failures++
	wait := backoff(j.tries)
	var f *Failure
	if !errors.As(err, &f) {
		f = &Failure{Kind: Away}
	} else {
		l.blame(f, now)
	}
	if f.Kind == Wrong {
		j.tries = max(j.tries, k.config.Tries)
	}
	k.log.Warn("a desk was not told", "desk", l.desk, "incident", doc.ID, "try", j.tries, "error", err)
	if j.tries >= k.config.Tries && !j.unwritten {
		wait = later + backoff(j.tries)
		if j.buried < doc.Seq {
			k.bury(ctx, j, doc, t, err)
		}
	}
	if j.held.doc.Seq > doc.Seq { // it changed meanwhile
		j.tries, wait = 0, backoff(1)
	}
	l.put(j, now.Add(max(wait, f.After)))
}

// blame pauses a desk: as long as it wants, for long where it does not let us in, for a while where it is away.
func (l *line) blame(f *Failure, now time.Time) {
	switch {
	case f.Kind == Refused:
		l.fails, l.refused, l.paused = l.fails+1, f, now.Add(locked)
	case f.Kind == Away:
		l.fails++
		l.paused = now.Add(max(f.After, min(backoff(l.fails), time.Minute)))
	}
}

// bury says that an incident cannot be told, in a dead letter and in its ticket. The lock is held, and let go meanwhile.
func (k *Keeper) bury(ctx context.Context, j *job, doc results.Incident, t results.Ticket, why error) {
	j.buried, j.running = doc.Seq, true
	k.numbers.Dead++
	k.mu.Unlock()
	k.log.Error("an incident could not be told to a desk", "desk", j.line.desk, "incident", doc.ID, "tries", j.tries, "error", why)
	body, err := json.Marshal(doc)
	if err == nil && k.config.Bury != nil {
		err = k.config.Bury(ctx, results.DeadLetter{
			Schema: results.DeadLetterSchema, Site: doc.Site, Satellite: k.config.Name, ID: fmt.Sprintf("ticket/%s/%s/%d", doc.ID, j.line.desk, doc.Seq),
			Why: "ticket: " + why.Error(), Body: body, At: time.Now().UTC(),
		})
	}
	if err != nil {
		k.log.Error("a dead letter cannot be kept", "incident", doc.ID, "error", err)
	}
	t.Schema, t.Incident, t.Desk, t.Error, t.At = results.TicketSchema, doc.ID, j.line.desk, why.Error(), time.Now().UTC()
	err = k.config.Write(ctx, t)
	k.mu.Lock()
	j.running = false
	k.tickets[j.place()] = t
	if err != nil {
		k.log.Error("a ticket's trouble cannot be kept", "incident", doc.ID, "error", err)
	}
}
