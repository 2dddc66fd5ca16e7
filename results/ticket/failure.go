package ticket

import (
	"fmt"
	"net/http"
	"time"
)

// Failure is why a desk could not be asked or told.
type Failure struct {
	Desk string
	// Did is what was attempted on what: POST https://...
	Did  string
	Kind FailureKind
	// Status is the answer's, Said how the answer began; 0 and empty where there was none.
	Status int
	Said   string
	// HTML: the answer is a page for people.
	HTML bool
	// After is how long the desk wants us to wait; 0: it did not say.
	After time.Duration
	Err   error // nil where there was an answer
}

// FailureKind says whether it makes sense to try again.
type FailureKind uint8

// The kinds.
const (
	// Away: later it may work.
	Away FailureKind = iota
	// Refused: the desk does not let us in; nobody hammers on it.
	Refused
	// Wrong: the desk will not take this as it is.
	Wrong
)

func (k FailureKind) String() string { return [...]string{"away", "refused", "wrong"}[k] }

// next is what the reader can do.
var next = map[FailureKind]string{
	Away:    "it is tried again by itself; is the desk up, and is its url right?",
	Refused: "correct the desk's user and token_file or password_file, and what they may do there, and restart",
	Wrong:   "correct the desk's settings, or what the desk demands of tickets",
}

func (f *Failure) Error() string {
	if f.Err != nil {
		return fmt.Sprintf("desk %s: %s: %v; %s", f.Desk, f.Did, f.Err, next[f.Kind])
	}
	said := f.Said
	switch {
	case f.HTML:
		said = "a web page instead of an answer, " + said
	case said == "":
		said = "no words"
	}
	return fmt.Sprintf("desk %s: %s: %d %s: %s; %s", f.Desk, f.Did, f.Status, http.StatusText(f.Status), said, f.next())
}

func (f *Failure) next() string {
	switch {
	case f.Status == http.StatusTooManyRequests && f.After > 0:
		return fmt.Sprintf("it is tried again by itself after %s, as the desk wants", f.After)
	case f.Status == http.StatusTooManyRequests:
		return "it is tried again by itself, later"
	case f.Status/100 == 3:
		return "set the desk's url to where it is now: no password is sent elsewhere"
	}
	return next[f.Kind]
}

func (f *Failure) Unwrap() error { return f.Err }
