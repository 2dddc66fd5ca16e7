package owners

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"lamplighter/inventory"
)

const (
	maxHello = 1 << 20 // bytes
	maxHolds = 4000    // a satellite has at most 2000 visits
	maxSees  = 1000
	maxName  = 255
)

// peer is one life of a satellite: after a restart it has the same name and another start.
type peer struct {
	Name    string    `json:"name"`
	Started time.Time `json:"started"`
}

func (p peer) same(o peer) bool { return p.Name == o.Name && p.Started.Equal(o.Started) }

func byName(a, b peer) int { return cmp.Or(cmp.Compare(a.Name, b.Name), a.Started.Compare(b.Started)) }

// word is the newest that was heard of a satellite.
type word struct {
	peer
	Seq uint64 `json:"seq"`
	// Ready is set once it has listened for long enough to start rounds.
	Ready bool `json:"ready,omitempty"`
}

// hello is what a satellite tells the others of its site.
type hello struct {
	word
	// Sees is the teller's view, itself included. It also tells each of the others how far it was heard.
	Sees []word `json:"sees"`
	// Holds are the BMCs that the teller is busy with, and does not own.
	Holds []inventory.ID `json:"holds,omitempty"`
	// Frontier: each routine round of the teller's BMCs that was due before it was started, or skipped with a record.
	Frontier time.Time `json:"frontier,omitzero"`
	Stopped  bool      `json:"stopped,omitempty"`
	// Leaving is set in the last hello of a satellite that shuts down: it holds nothing any more.
	Leaving bool `json:"leaving,omitempty"`
}

func (h hello) encode() ([]byte, error) {
	h.Holds = h.Holds[:min(len(h.Holds), maxHolds)]
	body, err := json.Marshal(h)
	if err != nil {
		return nil, fmt.Errorf("encode hello: %w", err)
	}
	return body, nil
}

// decode reads a hello. Fields of a newer version are passed over.
func decode(body []byte) (hello, error) {
	if len(body) > maxHello {
		return hello{}, fmt.Errorf("hello of %d bytes: want at most %d", len(body), maxHello)
	}
	var h hello
	if err := json.Unmarshal(body, &h); err != nil {
		return hello{}, fmt.Errorf("hello %.80q: %w", body, err)
	}
	if len(h.Holds) > maxHolds || len(h.Sees) > maxSees {
		return hello{}, fmt.Errorf("hello of %q holds %d and sees %d: want at most %d and %d", h.Name, len(h.Holds), len(h.Sees), maxHolds, maxSees)
	}
	for _, p := range append([]word{h.word}, h.Sees...) {
		if p.Name == "" || len(p.Name) > maxName || strings.ContainsFunc(p.Name, isControl) || p.Started.IsZero() {
			return hello{}, fmt.Errorf("hello %.80q: want a name and a start of each satellite", body)
		}
	}
	slices.SortFunc(h.Sees, func(a, b word) int { return byName(a.peer, b.peer) })
	return h, nil
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }
