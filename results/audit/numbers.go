package audit

// numbers is a set of a BMC's rounds, by their number. The lowest can be forgotten, 64 at a time.
type numbers struct {
	base  int // the number of the first bit, a multiple of 64
	words []uint64
}

func (b *numbers) has(i int) bool {
	at := i - b.base
	return at >= 0 && at/64 < len(b.words) && b.words[at/64]>>(at%64)&1 == 1
}

// set does nothing for what is forgotten.
func (b *numbers) set(i int) {
	at := i - b.base
	if at < 0 {
		return
	}
	for at/64 >= len(b.words) {
		b.words = append(b.words, 0)
	}
	b.words[at/64] |= 1 << (at % 64)
}

// forget lets go of what is below i, as far as it can.
func (b *numbers) forget(i int) {
	for b.base+64 <= i {
		b.base += 64
		if len(b.words) > 0 {
			b.words = b.words[1:]
		}
	}
}
