// Package memory is a site's memory: the small records that a login must not go wrong by. It keeps what was refused (fence),
// what earlier rounds learned (known), which credential is stopped (hold), and whether all probes are (stop).
//
// The actors ask it before each login and tell it after each check. It is one append-only file that several processes may
// share, the newest record of a key counts; or, without a file, the memory of one process.
package memory

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strconv"
	"sync"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results/journal"
)

// Memory is safe for concurrent use.
type Memory struct {
	// Rule may be changed before the first login.
	Rule Rule

	file *journal.File // nil: in memory only

	mu     sync.Mutex // guards the following; no I/O other than the journal's own happens while it is held
	fences map[inventory.ID]Fence
	known  map[inventory.ID]checks.Known
	holds  map[string]hold // by credential
	stop   Stop
	lines  int
}

// Stop is the switch that stops all probes of a site.
type Stop struct {
	On bool      `json:"on"`
	By string    `json:"by"`
	At time.Time `json:"at"`
}

// hold stops the logins with one version of a credential.
type hold struct {
	Version string    `json:"version"`
	Until   time.Time `json:"until"`
}

// record is a line of the file: a kind, its key, and its value.
type record struct {
	Kind       string        `json:"kind"`
	BMC        inventory.ID  `json:"bmc,omitempty"`
	Credential string        `json:"credential,omitempty"`
	Fence      *Fence        `json:"fence,omitempty"`
	Known      *checks.Known `json:"known,omitempty"`
	Hold       *hold         `json:"hold,omitempty"`
	Stop       *Stop         `json:"stop,omitempty"`
}

// Open reads the memory kept at path, or makes it. An empty path remembers for as long as the process lives.
func Open(path string) (*Memory, error) {
	m := &Memory{
		Rule:   DefaultRule(),
		fences: map[inventory.ID]Fence{}, known: map[inventory.ID]checks.Known{}, holds: map[string]hold{},
	}
	if path == "" {
		return m, nil
	}
	file, err := journal.Open(path, 0o600)
	if err != nil {
		return nil, fmt.Errorf("site memory: %w", err)
	}
	m.file = file
	if err := m.refresh(); err != nil {
		return nil, errors.Join(fmt.Errorf("site memory: %w", err), file.Close())
	}
	if err := m.compact(); err != nil {
		return nil, errors.Join(fmt.Errorf("site memory: %w", err), file.Close())
	}
	return m, nil
}

// Close closes the file.
func (m *Memory) Close() error {
	if m.file == nil {
		return nil
	}
	return m.file.Close()
}

// Known is what is remembered of a BMC.
func (m *Memory) Known(bmc inventory.ID) checks.Known {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.known[bmc]
}

// Learn remembers what is known of a BMC; on return it is on the disk.
func (m *Memory) Learn(bmc inventory.ID, known checks.Known) error {
	return m.write(func() *record {
		if reflect.DeepEqual(m.known[bmc], known) {
			return nil
		}
		return &record{Kind: "known", BMC: bmc, Known: &known}
	})
}

// Attempt is a login that Begin allowed.
type Attempt struct {
	memory           *Memory
	bmc              inventory.ID
	round            checks.Round
	before, intended Fence
}

// Begin asks whether a login may be tried. When the answer is Allowed the intent is on the disk, and End must follow; a login
// whose End never comes counts as one that was used up. Two that ask at once, in whatever process, are never both allowed,
// unless a person asks.
func (m *Memory) Begin(now time.Time, bmc inventory.ID, credential, version string, round checks.Round) (Attempt, Permit, error) {
	var permit Permit
	now = now.UTC()
	a := Attempt{memory: m, bmc: bmc, round: round}
	err := m.write(func() *record {
		a.before = m.fences[bmc]
		permit = decide(a.before, m.holds[credential], credential, version, round.Why, now)
		if m.stop.On {
			permit.Decision = Stopped
		}
		if permit.Decision != Allowed {
			return nil
		}
		a.intended = m.Rule.intend(a.before, bmc, credential, version, intent(), now)
		return &record{Kind: "fence", BMC: bmc, Fence: &a.intended}
	})
	return a, permit, err
}

// intent names one login; it only has to differ from the others at the same BMC.
func intent() string { return strconv.FormatUint(rand.Uint64()|1, 36) }

// End tells how the login ended, and returns the fence that now stands.
func (a Attempt) End(now time.Time, o Outcome) (Fence, error) {
	m, after := a.memory, Fence{}
	now = now.UTC()
	err := m.write(func() *record {
		after = m.Rule.settle(a.before, m.fences[a.bmc], a.bmc, a.round, a.intended, o, now)
		return &record{Kind: "fence", BMC: a.bmc, Fence: &after}
	})
	if err != nil || o != Refused {
		return after, err
	}
	return after, m.holdGroup(now, after)
}

// holdGroup stops the credential of a refusal when too many BMCs refuse it.
func (m *Memory) holdGroup(now time.Time, refused Fence) error {
	return m.write(func() *record {
		h := m.holds[refused.Credential]
		if !m.groupFails(now, refused) || (h.Version == refused.Version && now.Before(h.Until)) {
			return nil
		}
		pause := m.Rule.pause(inventory.ID(refused.Credential), now)
		return &record{Kind: "hold", Credential: refused.Credential, Hold: &hold{refused.Version, now.Add(pause)}}
	})
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

// Fence is what stands against logins at a BMC, whatever the credential.
func (m *Memory) Fence(bmc inventory.ID) (Fence, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.fences[bmc]
	return f, f.Tries > 0
}

// Clear removes a BMC's fence: an operator says that the cause is gone.
func (m *Memory) Clear(bmc inventory.ID) error {
	return m.write(func() *record { return &record{Kind: "fence", BMC: bmc, Fence: &Fence{}} })
}

// ClearGroup lets the logins of a credential go on.
func (m *Memory) ClearGroup(credential string) error {
	return m.write(func() *record { return &record{Kind: "hold", Credential: credential, Hold: &hold{}} })
}

// SetStop stops all probes of the site, or lets them go on.
func (m *Memory) SetStop(s Stop) error {
	return m.write(func() *record { return &record{Kind: "stop", Stop: &s} })
}

// Stopped says whether probes are stopped, as far as was read: Refresh reads on.
func (m *Memory) Stopped() Stop {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.stop
}

// Refresh reads what other processes wrote.
func (m *Memory) Refresh() error {
	if m.file == nil {
		return nil
	}
	return m.refresh()
}

func (m *Memory) refresh() error { return m.write(func() *record { return nil }) }

// write decides under the lock of the file and writes down what was decided, if anything.
func (m *Memory) write(decide func() *record) error {
	if m.file == nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		if r := decide(); r != nil {
			m.apply(*r)
		}
		return nil
	}
	var before *record // what the record that is written takes the place of
	err := m.file.Update(m.see, func() ([]byte, error) {
		m.mu.Lock()
		defer m.mu.Unlock()
		r := decide()
		if r == nil {
			return nil, nil
		}
		line, err := json.Marshal(r)
		if err != nil {
			return nil, fmt.Errorf("encode %s record: %w", r.Kind, err)
		}
		before = m.current(*r)
		m.apply(*r)
		return line, nil
	})
	if err != nil && before != nil { // the disk is full: what is not in the file has not happened
		m.mu.Lock()
		defer m.mu.Unlock()
		m.apply(*before)
	}
	return err
}

// current is the record that counts now for r's key. m.mu is held.
func (m *Memory) current(r record) *record {
	fence, known, hold, stop := m.fences[r.BMC], m.known[r.BMC], m.holds[r.Credential], m.stop
	return &record{Kind: r.Kind, BMC: r.BMC, Credential: r.Credential, Fence: &fence, Known: &known, Hold: &hold, Stop: &stop}
}

// see takes in a line of the file; our own come by again, and change nothing.
func (m *Memory) see(line []byte) error {
	var r record
	if err := json.Unmarshal(line, &r); err != nil {
		return fmt.Errorf("record %.80q: %w", line, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lines++
	m.apply(r)
	return nil
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
		m.stop = *r.Stop
	}
}
