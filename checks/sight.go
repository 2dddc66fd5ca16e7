package checks

// Proof says whether a network failure was the BMC's (design section 6): whether this satellite got an answer from elsewhere
// during the probe's own window.
type Proof struct {
	Seen bool
	// None says that the fleet has neither anchors nor other racks, so that there is nothing to compare with.
	None bool
	Text string
}
