package memory

import (
	"cmp"
	"slices"
	"time"

	"lamplighter/inventory"
)

// underWay is how long a login that nobody settled is taken for one that still runs, not for a fence.
const underWay = 2 * time.Minute

// Standing is a fence as people list it.
type Standing struct {
	BMC        inventory.ID `json:"bmc"`
	Credential string       `json:"credential"`
	Version    string       `json:"version"`
	// Tries are the logins used up.
	Tries int `json:"tries"`
	// Since is when the last of them was refused or, where that is not known, begun.
	Since time.Time `json:"since,omitzero"`
	// Until is when the next may be tried, unless Final.
	Until time.Time `json:"until,omitzero"`
	Final bool      `json:"final"`
	// Unsure says that no refusal is known, only logins without an outcome.
	Unsure bool `json:"unsure"`
}

// Held is a credential whose logins are stopped because too many BMCs refused it.
type Held struct {
	Credential string    `json:"credential"`
	Version    string    `json:"version"`
	Until      time.Time `json:"until"`
}

// Fence is what stands against logins at a BMC, whatever the credential.
func (m *Memory) Fence(bmc inventory.ID) (Fence, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.fences[bmc]
	return f, f.Tries > 0
}

// Fences are all that stand, by BMC. A login that was begun just now is none yet.
func (m *Memory) Fences() []Standing {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := []Standing{}
	for bmc, f := range m.fences {
		for _, f := range append([]Fence{f}, f.Others...) {
			running := len(f.Intents) == f.Tries && time.Since(f.Begun) < underWay
			if f.Tries == 0 || running {
				continue
			}
			s := Standing{bmc, f.Credential, f.Version, f.Tries, f.At, f.Until, f.Final, f.At.IsZero()}
			if s.Unsure {
				s.Since = f.Begun
			}
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(a, b Standing) int {
		return cmp.Or(cmp.Compare(a.BMC, b.BMC), cmp.Compare(a.Credential, b.Credential), cmp.Compare(a.Version, b.Version))
	})
	return all
}

// Holds are the credentials that are stopped now.
func (m *Memory) Holds() []Held {
	m.mu.Lock()
	defer m.mu.Unlock()
	all, now := []Held{}, time.Now()
	for credential, h := range m.holds {
		if now.Before(h.Until) {
			all = append(all, Held{credential, h.Version, h.Until})
		}
	}
	slices.SortFunc(all, func(a, b Held) int { return cmp.Compare(a.Credential, b.Credential) })
	return all
}

// Stopped says whether probes are stopped, as far as was read.
func (m *Memory) Stopped() Stop {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.stop
}

// Changed is closed at the next change of the stop switch: get it before Stopped.
func (m *Memory) Changed() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.changed
}
