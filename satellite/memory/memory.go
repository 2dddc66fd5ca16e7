// Package memory is a site's memory: the small records that a login must not go wrong by. It keeps what was refused (fence),
// what earlier rounds learned (known), which credential is stopped (hold), and whether all probes are (stop).
//
// The actors ask it before each login and tell it after each check. The newest record of a key counts. They are kept in a log
// that all satellites of a site follow (OpenShared), in a file that processes share, or for as long as the process lives (Open).
package memory

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strconv"
	"sync"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
)

// Memory is safe for concurrent use.
type Memory struct {
	// Rule may be changed before the first login.
	Rule Rule
	// Own says whose records this satellite renews before a log forgets them; nil: nobody's. Set it before Run.
	Own func(inventory.ID) bool

	store store

	mu      sync.Mutex // guards the following, and what the store says; no I/O other than the journal's own while it is held
	fences  map[inventory.ID]Fence
	known   map[inventory.ID]checks.Known
	holds   map[string]hold // by credential
	stop    Stop
	changed chan struct{} // closed and replaced when the stop switch is moved
}

// store is where the records are kept: a file, or a log.
type store interface {
	// agree has decide look at what stands and write down what it returns, nil for nothing; nobody decides in between. It may be
	// called several times. On an error the record may have been written, or may yet be, unless it is errNotTried.
	agree(ctx context.Context, decide func() *record) error
	// note writes down what has happened, whatever stands now. It counts on return.
	note(ctx context.Context, l *late) error
	// run follows what others write until ctx ends; ready waits until all that was written before run has been read.
	run(ctx context.Context) error
	ready(ctx context.Context) error
	close() error
}

var errNotTried = errors.New("nothing was written")

func empty() *Memory {
	return &Memory{
		Rule:   DefaultRule(),
		fences: map[inventory.ID]Fence{}, known: map[inventory.ID]checks.Known{}, holds: map[string]hold{},
		changed: make(chan struct{}),
	}
}

// Run follows what others write until ctx ends, and then writes down what is still to be written. One goroutine calls it.
func (m *Memory) Run(ctx context.Context) error { return m.store.run(ctx) }

// Ready waits until all that was written before Run has been read. With a context that has ended it says whether that is so.
func (m *Memory) Ready(ctx context.Context) error { return m.store.ready(ctx) }

// Close follows Run. It closes the file, if there is one.
func (m *Memory) Close() error { return m.store.close() }

// Known is what is remembered of a BMC.
func (m *Memory) Known(bmc inventory.ID) checks.Known {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.known[bmc]
}

// Learn remembers what is known of a BMC. It counts on return; no login of the BMC begins before it is written down.
func (m *Memory) Learn(ctx context.Context, bmc inventory.ID, known checks.Known) error {
	return m.store.note(ctx, &late{Record: &record{Kind: "known", BMC: bmc, Known: &known}})
}

// Refused says whether a BMC refused a version of a credential, and nobody has cleared that.
func (m *Memory) Refused(bmc inventory.ID, credential, version string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.fences[bmc].about(credential, version)
	return f.Tries > 0 && !f.At.IsZero()
}

// Attempt is a login that Begin allowed.
type Attempt struct {
	memory   *Memory
	login    outcome
	expected bool
}

// Expected is the attempt whose refusal would be no sign of a wrong credential: it is being changed, and the next one is known. It stops
// the logins of nobody else.
func (a Attempt) Expected() Attempt {
	a.expected = true
	return a
}

// Begin asks whether a login may be tried. When the answer is Allowed the intent is written down where it outlives us, and End
// must follow; a login whose End never comes counts as one that was used up. Two that ask at once, in whatever process, are
// never both allowed, unless a person asks. An error, after 5 s at most where a log is away, means: no login.
func (m *Memory) Begin(ctx context.Context, now time.Time, bmc inventory.ID, credential, version string, round checks.Round) (Attempt, Permit, error) {
	now = now.UTC()
	var permit Permit
	a := Attempt{memory: m}
	err := m.store.agree(ctx, func() *record {
		before := m.fences[bmc]
		permit = m.permit(before, credential, version, round.Why, now)
		if permit.Decision != Allowed {
			return nil
		}
		a.login = outcome{BMC: bmc, Round: round, Before: before, Intent: intent()}
		a.login.Intended = m.Rule.intend(before, bmc, credential, version, a.login.Intent, now)
		return &record{Kind: "fence", BMC: bmc, Fence: &a.login.Intended}
	})
	if permit.Decision != Allowed || errors.Is(err, errNotTried) {
		return a, permit, err
	}
	m.mu.Lock()
	still := m.permit(Fence{}, credential, version, round.Why, now) // a stop may have come in while the intent was written
	m.mu.Unlock()
	if err == nil && still.Decision == Allowed {
		return a, permit, nil
	}
	_, withdrawn := a.End(context.WithoutCancel(ctx), now, None) // no login follows the intent
	return a, still, cmp.Or(err, withdrawn)
}

// permit is what the rule and the switch say. m.mu is held.
func (m *Memory) permit(f Fence, credential, version string, why checks.Why, now time.Time) Permit {
	p := decide(f, m.holds[credential], credential, version, why, now)
	if m.stop.On {
		p.Decision = Stopped
	}
	return p
}

// intent names one login; it only has to differ from the others at the same BMC.
func intent() string { return strconv.FormatUint(rand.Uint64()|1, 36) }

// End tells how the login ended, and returns the fence that now stands.
func (a Attempt) End(ctx context.Context, now time.Time, o Outcome) (Fence, error) {
	m, login := a.memory, a.login
	login.Outcome, login.At = o, now.UTC()
	err := m.store.note(ctx, &late{Outcome: &login})
	m.mu.Lock()
	after := m.fences[login.BMC].about(login.Intended.Credential, login.Intended.Version)
	m.mu.Unlock()
	if err != nil || o != Refused || a.expected {
		return after, err
	}
	return after, m.holdGroup(ctx, login.At, after)
}

// holdGroup stops the credential of a refusal when too many BMCs refuse it.
func (m *Memory) holdGroup(ctx context.Context, now time.Time, refused Fence) error {
	m.mu.Lock()
	h := m.holds[refused.Credential]
	held := h.Version == refused.Version && now.Before(h.Until)
	fails := !held && m.groupFails(now, refused)
	m.mu.Unlock()
	if !fails {
		return nil
	}
	pause := m.Rule.pause(inventory.ID(refused.Credential), now)
	return m.store.note(ctx, &late{Record: &record{Kind: "hold", Credential: refused.Credential, Hold: &hold{refused.Version, now.Add(pause)}}})
}

func (m *Memory) groupFails(now time.Time, of Fence) bool {
	logins, refusals := 0, 0
	for _, f := range m.fences {
		if f.Credential == of.Credential && f.Version == of.Version && now.Sub(f.Login) <= m.Rule.Window {
			logins++
			if f.Login.Equal(f.At) {
				refusals++
			}
		}
	}
	return refusals >= m.Rule.GroupRefusals && float64(refusals) >= m.Rule.GroupShare*float64(logins)
}

// Clear removes a BMC's fence: an operator says that the cause is gone. On return everybody will read it.
func (m *Memory) Clear(ctx context.Context, bmc inventory.ID) error {
	return m.store.agree(ctx, func() *record { return &record{Kind: "fence", BMC: bmc, Fence: &Fence{}} })
}

// ClearGroup lets the logins of a credential go on.
func (m *Memory) ClearGroup(ctx context.Context, credential string) error {
	return m.store.agree(ctx, func() *record { return &record{Kind: "hold", Credential: credential, Hold: &hold{}} })
}

// SetStop stops all probes of the site, or lets them go on.
func (m *Memory) SetStop(ctx context.Context, s Stop) error {
	return m.store.agree(ctx, func() *record { return &record{Kind: "stop", Stop: &s} })
}

// Refresh reads what other processes wrote into the file. Run does so too.
func (m *Memory) Refresh() error {
	if f, ok := m.store.(*file); ok {
		return f.refresh(context.Background())
	}
	return nil
}

// happened is the record of what happened, given the fence that stands.
func (m *Memory) happened(l *late, stands Fence) *record {
	o := l.Outcome
	if o == nil {
		return l.Record
	}
	f := m.Rule.settle(stands, *o)
	return &record{Kind: "fence", BMC: o.BMC, Fence: &f, Ends: o.Intent}
}

// nothingNew says whether l is known already. m.mu is held.
func (m *Memory) nothingNew(l *late) bool {
	return l.Record != nil && l.Record.Kind == "known" && reflect.DeepEqual(m.known[l.Record.BMC], *l.Record.Known)
}

// apply is the one place where a record takes effect. Kinds of a newer version are passed over. m.mu is held.
func (m *Memory) apply(r record) {
	switch {
	case r.Kind == "fence" && r.Fence != nil:
		m.fences[r.BMC] = *r.Fence
	case r.Kind == "known" && r.Known != nil:
		m.known[r.BMC] = *r.Known
	case r.Kind == "hold" && r.Hold != nil:
		m.holds[r.Credential] = *r.Hold
	case r.Kind == "stop" && r.Stop != nil:
		if m.stop != *r.Stop {
			m.stop = *r.Stop
			close(m.changed)
			m.changed = make(chan struct{})
		}
	}
}

// live are the records that count. m.mu is held.
func (m *Memory) live(fences map[inventory.ID]Fence) []record {
	all := []record{}
	if stop := m.stop; stop != (Stop{}) {
		all = append(all, record{Kind: "stop", Stop: &stop})
	}
	for bmc, f := range fences {
		all = append(all, record{Kind: "fence", BMC: bmc, Fence: &f})
	}
	for bmc, k := range m.known {
		all = append(all, record{Kind: "known", BMC: bmc, Known: &k})
	}
	for credential, h := range m.holds {
		all = append(all, record{Kind: "hold", Credential: credential, Hold: &h})
	}
	return all
}

func (r record) String() string {
	return fmt.Sprintf("%s record of %q", r.Kind, string(r.BMC)+r.Credential)
}
