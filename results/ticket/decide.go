package ticket

import (
	"fmt"
	"time"

	"lamplighter/checks"
	"lamplighter/results"
)

// Rules are how often a desk is told what.
type Rules struct {
	// Quiet is how long a desk hears nothing more after it was told, of what only are other numbers of BMCs.
	Quiet time.Duration
	// Reopen is for how long a closed ticket is opened again; later there is a new one.
	Reopen time.Duration
}

// Decision is what to do at a desk.
type Decision struct {
	Act     Act
	Comment string
	// Why says why, for the log.
	Why string
	// ByHand: the ticket was closed or deleted by hand, and stays so.
	ByHand bool
	// Fresh: a new ticket, though there was another.
	Fresh bool
}

// Due says whether a desk has to be asked what it has of an incident, because there may be something to do. If not, again is when
// there may be; zero: when the incident changes.
func Due(known results.Ticket, i results.Incident, now time.Time, r Rules) (due bool, again time.Time) {
	has, is := !known.OpenedAt.IsZero(), results.SaidOf(i)
	switch {
	case known.In != "":
		return (i.Status == results.Resolved) != (known.Said.Status == results.Resolved), time.Time{}
	case i.Status == results.Resolved:
		return known.Said.Status != results.Resolved && (has || known.Error != ""), time.Time{}
	case silenced(i, now):
		return false, i.Silenced.Until
	case !has || known.Error != "" || known.Said.Status == results.Resolved:
		return true, time.Time{}
	case known.Said == is || known.ByHand && !worse(known.Said, i):
		return false, time.Time{}
	case numbersOnly(known.Said, is) && now.Before(known.At.Add(r.Quiet)):
		return false, known.At.Add(r.Quiet)
	}
	return true, time.Time{}
}

// silenced: nobody is to be woken. A silence that nobody told us has ended ends by itself.
func silenced(i results.Incident, now time.Time) bool {
	return i.Silenced != nil && now.Before(i.Silenced.Until)
}

// numbersOnly says that nothing but how many BMCs fail is another.
func numbersOnly(a, b results.Said) bool {
	a.Total, a.Failing = b.Total, b.Failing
	return a == b
}

// Decide says what to do, of what is known of a ticket, what the desk has of it, and the incident as it is. It never reopens what a
// person closed, unless more BMCs fail than did then, or they fail worse.
func Decide(known results.Ticket, f Found, i results.Incident, now time.Time, r Rules) Decision {
	ours := known.Said.Status == results.Resolved // it is closed because the incident was
	recent := now.Sub(known.At) <= r.Reopen && !f.Final
	switch {
	case i.Status == results.Resolved && f.There && f.Open:
		return Decision{Act: Close, Comment: ending(i), Why: "the incident is closed"}
	case i.Status == results.Resolved:
		return Decision{Act: Nothing, Why: "the incident is closed, and so is its ticket"}
	case silenced(i, now):
		return Decision{Act: Nothing, Why: "the incident is silenced"}
	case known.OpenedAt.IsZero() && !f.There:
		return Decision{Act: Open, Why: "the incident has no ticket"}
	case known.OpenedAt.IsZero() && f.Open:
		return Decision{Act: Nothing, Why: "the desk has a ticket of it that nobody wrote down"}
	case known.OpenedAt.IsZero() && i.Reopened > 0 && !f.Final:
		return Decision{Act: Reopen, Comment: again(i), Why: "the incident is open again"}
	case known.OpenedAt.IsZero():
		return Decision{Act: Nothing, ByHand: true, Why: "the desk has a closed ticket of it that nobody wrote down"}
	case f.There && f.Open:
		return comment(known, i)
	case !f.There && ours:
		return Decision{Act: Open, Fresh: true, Why: "the incident is open again, and its ticket is gone"}
	case ours && recent:
		return Decision{Act: Reopen, Comment: again(i), Why: "the incident is open again"}
	case ours:
		return Decision{Act: Open, Fresh: true, Why: "the incident is open again, and its ticket is closed for too long"}
	}
	return byHand(known, f, i, recent)
}

// comment says what changed, if anything that is worth it.
func comment(known results.Ticket, i results.Incident) Decision {
	text := difference(known.Said, results.SaidOf(i), i)
	if text == "" {
		return Decision{Act: Nothing, Why: "nothing changed that is worth a comment"}
	}
	return Decision{Act: Comment, Comment: text, Why: "the incident changed"}
}

// byHand is for a ticket that a person closed or deleted while the incident is open.
func byHand(known results.Ticket, f Found, i results.Incident, recent bool) Decision {
	before := known.Said
	switch {
	case worse(before, i) && f.There && recent:
		return Decision{Act: Reopen, Comment: fmt.Sprintf("Opened again: it is worse than when this was closed by hand.\n\n%s", difference(before, results.SaidOf(i), i)), Why: "it is worse than when the ticket was closed by hand"}
	case worse(before, i):
		return Decision{Act: Open, Fresh: true, Why: "it is worse than when the ticket was closed or deleted by hand"}
	case f.There && !known.ByHand:
		return Decision{Act: Comment, ByHand: true, Comment: fmt.Sprintf("This was closed while %s: Lamplighter leaves it closed unless it gets worse.", failing(i)), Why: "the ticket was closed by hand"}
	}
	return Decision{Act: Nothing, ByHand: true, Why: "the ticket was closed or deleted by hand"}
}

// worse: more BMCs fail, or they fail worse.
func worse(before results.Said, i results.Incident) bool {
	return i.Failing > before.Failing || rank(i.Health) > rank(before.Health)
}

// rank orders healths by how bad they are. Unknown is no worse than what was known.
func rank(h checks.Health) int {
	return map[checks.Health]int{checks.Degraded: 1, checks.Unavailable: 2}[h]
}
