package memory

import (
	"encoding/json"
	"fmt"
)

// compactFrom is how many lines a file must have before it is worth writing it anew.
const compactFrom = 10_000

// compact writes the file anew when most of its lines are history.
func (m *Memory) compact() error {
	if m.lines < compactFrom || m.lines < 4*len(m.live()) {
		return nil
	}
	return m.file.Replace(m.see, func() ([][]byte, error) {
		var lines [][]byte
		for _, r := range m.live() {
			line, err := json.Marshal(r)
			if err != nil {
				return nil, fmt.Errorf("encode %s record: %w", r.Kind, err)
			}
			lines = append(lines, line)
		}
		return lines, nil
	})
}

// live are the records that count.
func (m *Memory) live() []record {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := []record{{Kind: "stop", Stop: &m.stop}}
	for bmc, f := range m.fences {
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
