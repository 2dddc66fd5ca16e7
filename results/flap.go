package results

import (
	"time"

	"lamplighter/checks"
)

// The rounds that count for flapping, and the shares of changes among them, in percent, at which it starts and stops.
const (
	window    = 20
	flapStart = 30
	flapStop  = 25
)

// shaken is the weight of the changes in a window, and of all its rounds: the newest weighs half as much again as the oldest.
func shaken(bits uint32) (changed, all int) {
	for age := range window {
		weight := 80 + 2*(window-1-age)
		all += weight
		if bits>>age&1 == 1 {
			changed += weight
		}
	}
	return changed, all
}

// shake takes the health of some equal rounds into the window: the first may be a change, the others are none.
func (s *State) shake(health checks.Health, at time.Time, rounds int) {
	s.Window <<= 1
	if s.Found != nil && s.Found.Health != health {
		s.Window |= 1
	}
	s.Window &= 1<<window - 1
	s.flap(at)
	s.Window = s.Window << min(rounds-1, window) & (1<<window - 1)
	s.flap(at)
}

func (s *State) flap(at time.Time) {
	changed, all := shaken(s.Window)
	share := 100 * changed / all
	switch {
	case s.Flapping == nil && 100*changed >= flapStart*all:
		s.Flapping = &Flapping{Since: at, Share: share}
	case s.Flapping != nil && 100*changed <= flapStop*all:
		s.Flapping = nil
	case s.Flapping != nil && share != s.Flapping.Share:
		s.Flapping = &Flapping{Since: s.Flapping.Since, Share: share}
	}
}
