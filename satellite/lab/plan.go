package lab

import (
	"math/rand/v2"
	"time"
)

// Kind is a kind of fault.
type Kind string

// The kinds.
const (
	KillBroker       Kind = "broker killed"
	FreezeBroker     Kind = "broker frozen"
	CloseConnections Kind = "connections closed by the broker"
	Reset            Kind = "connections reset"
	MemoryAlarm      Kind = "memory alarm"
	KillSatellite    Kind = "satellite killed"
	FreezeSatellite  Kind = "satellite frozen"
	KillKafka        Kind = "Kafka killed"
)

// Kinds are all kinds, in the order of the table.
var Kinds = []Kind{KillBroker, FreezeBroker, CloseConnections, Reset, MemoryAlarm, KillSatellite, FreezeSatellite, KillKafka}

// holds are the shortest and the longest time that a fault lasts, besides what it takes to start again.
var holds = map[Kind][2]time.Duration{
	KillBroker:      {0, 4 * time.Second},
	FreezeBroker:    {10 * time.Second, 20 * time.Second},
	MemoryAlarm:     {4 * time.Second, 12 * time.Second},
	KillSatellite:   {12 * time.Second, 20 * time.Second},
	FreezeSatellite: {12 * time.Second, 20 * time.Second},
	KillKafka:       {2 * time.Second, 10 * time.Second},
}

// broker says whether a fault is one of the broker or of the way to it, so that what was sent just then may be confirmed or not.
func (k Kind) broker() bool {
	switch k {
	case KillBroker, FreezeBroker, CloseConnections, Reset, MemoryAlarm:
		return true
	}
	return false
}

// Fault is a fault to be injected.
type Fault struct {
	Kind Kind
	Hold time.Duration
	// Pause is how long nothing is broken after it was lifted.
	Pause time.Duration
	// Whom chooses among the satellites.
	Whom uint32
}

// Plan is as many faults as it takes to fill any run: the same for the same seed. All kinds come in turn, in a new order each
// time; the first three are those that a short run must have. Each third pause is so long that rounds pass that no fault
// disturbs.
func Plan(seed uint64, n int) (faults []Fault) {
	rng := rand.New(rand.NewPCG(seed, 9))
	first := []Kind{KillSatellite, KillBroker, FreezeSatellite}
	rest := []Kind{FreezeBroker, CloseConnections, Reset, MemoryAlarm, KillKafka}
	for len(faults) < n {
		shuffle(rng, first)
		shuffle(rng, rest)
		for _, kind := range append(append([]Kind(nil), first...), rest...) {
			hold := holds[kind]
			f := Fault{Kind: kind, Hold: between(rng, hold[0], hold[1]), Whom: rng.Uint32(), Pause: between(rng, 15*time.Second, 17*time.Second)}
			if len(faults)%3 == 2 {
				f.Pause = between(rng, 34*time.Second, 37*time.Second)
			}
			faults = append(faults, f)
		}
	}
	return faults[:n]
}

func shuffle(rng *rand.Rand, kinds []Kind) {
	rng.Shuffle(len(kinds), func(i, j int) { kinds[i], kinds[j] = kinds[j], kinds[i] })
}

func between(rng *rand.Rand, least, most time.Duration) time.Duration {
	if most == least {
		return least
	}
	return least + time.Duration(rng.Int64N(int64(most-least)))
}
