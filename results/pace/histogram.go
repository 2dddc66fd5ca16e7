package pace

import (
	"math/bits"
	"time"
)

const (
	// exact is below how many milliseconds each has a bucket of its own; from there on an octave has half as many.
	exact = 16
	// buckets reach to 2^17 ms, 131 s, longer than any check may take.
	buckets = exact + (17-4)*exact/2
)

// histogram counts how long things took. Two can be added up, which loses nothing. A duration is found again to the millisecond
// below 16 ms, and within 6.25 % above: a bucket is an eighth of its octave, and stands for its middle.
type histogram [buckets]uint32

// bucketOf is the bucket of a duration; what is negative counts as nothing, what is too long as the longest.
func bucketOf(d time.Duration) int {
	ms := d.Milliseconds()
	if ms < exact {
		return int(max(0, ms))
	}
	octave := bits.Len64(uint64(ms)) - 5 // 0: 16 to 31 ms
	eighth := int(ms>>(octave+1)) - exact/2
	return min(buckets-1, exact+octave*exact/2+eighth)
}

// middle is what a bucket stands for, in milliseconds.
func middle(bucket int) float64 {
	if bucket < exact {
		return float64(bucket)
	}
	octave, eighth := (bucket-exact)/(exact/2), (bucket-exact)%(exact/2)
	width := float64(uint(1) << (octave + 1))
	return width*float64(exact/2+eighth) + (width-1)/2
}

func (h *histogram) add(d time.Duration) { h[bucketOf(d)]++ }

func (h *histogram) merge(other *histogram) {
	for i, n := range other {
		h[i] += n
	}
}

// Spread is how durations are spread, in milliseconds; nil where there was none. What is slower than half of them is P50, and so on.
type Spread struct {
	P50 *float64 `json:"p50_ms"`
	P95 *float64 `json:"p95_ms"`
	P99 *float64 `json:"p99_ms"`
}

func (h *histogram) spread() Spread {
	total := uint64(0)
	for _, n := range h {
		total += uint64(n)
	}
	at := func(percent uint64) *float64 {
		rank, seen := (total*percent+99)/100, uint64(0) // the smallest that so many are not above
		for i, n := range h {
			if seen += uint64(n); seen >= rank && seen > 0 {
				ms := middle(i)
				return &ms
			}
		}
		return nil
	}
	return Spread{at(50), at(95), at(99)}
}
