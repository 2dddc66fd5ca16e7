package owners

import (
	"hash/fnv"

	"lamplighter/inventory"
)

// weigh is a satellite's claim on a BMC; the highest claim wins. When a satellite leaves, only its BMCs move. It must never
// change: satellites of two versions have to agree.
func weigh(satellite uint64, bmc uint64) uint64 { return mix(bmc ^ satellite) }

func hashOf[T ~string](name T) uint64 {
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(name))
	return mix(hash.Sum64())
}

// mix is the finalizer of SplitMix64: FNV alone spreads names that differ in their last letter badly.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// best is the member among those that may that has the highest claim on bmc; nil if none may.
func best(members []*member, bmc inventory.ID, may func(*member) bool) *member {
	var winner *member
	var most uint64
	key := hashOf(bmc)
	for _, m := range members {
		if claim := weigh(m.hash, key); may(m) && (winner == nil || claim > most) {
			winner, most = m, claim
		}
	}
	return winner
}

func anybody(*member) bool { return true }
