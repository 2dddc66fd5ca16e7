package checks

import (
	"hash/fnv"
	"time"

	"lamplighter/inventory"
)

// Due is the first planned start of a routine round of a BMC that is not before from. Rounds are spread over the interval by
// a hash of the ID, and stay where they are over restarts and between satellites: so an auditor knows them, too.
func Due(bmc inventory.ID, interval time.Duration, from time.Time) time.Time {
	offset := time.Duration(Spread(bmc, "due") % uint64(interval.Milliseconds()) * uint64(time.Millisecond))
	periods := (time.Duration(from.UnixNano()) - offset + interval - 1) / interval
	return time.Unix(0, int64(periods*interval+offset)).UTC()
}

// Spread is a number by which BMCs are spread over something, evenly and always alike.
func Spread(bmc inventory.ID, salt string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(salt + "\x00" + string(bmc)))
	x := h.Sum64() // FNV's low bits follow the last characters; mix, so that consecutive IDs spread
	x ^= x >> 32
	x *= 0xd6e8feb86659fd93
	return x ^ x>>32
}
