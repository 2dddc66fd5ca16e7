package sqlite

import (
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"lamplighter/results"
)

// factsV1 is what facts begin with: all facts of all BMCs are read at every start, and JSON takes ten times as long. After it
// comes for each fact its name and value, each after its length, since and at, and 1 where it is stale.
const factsV1 = 1

var errFacts = errors.New("facts that this program cannot read")

func packFacts(all []results.Fact) []byte {
	b := []byte{factsV1}
	for _, f := range all {
		for _, text := range []string{f.Name, f.Value} {
			b = binary.AppendUvarint(b, uint64(len(text)))
			b = append(b, text...)
		}
		for _, at := range []time.Time{f.Since, f.At} {
			b = binary.AppendVarint(b, nanos(at))
		}
		stale := byte(0)
		if f.Stale {
			stale = 1
		}
		b = append(b, stale)
	}
	return b
}

func unpackFacts(b []byte) (all []results.Fact, err error) {
	if len(b) == 0 || b[0] != factsV1 {
		return nil, errFacts
	}
	all = make([]results.Fact, 0, len(results.FactNames))
	for b = b[1:]; len(b) > 0; {
		var f results.Fact
		var name []byte
		if name, b, err = cut(b); err != nil {
			return nil, err
		}
		f.Name = nameOf(name)
		var value []byte
		if value, b, err = cut(b); err != nil {
			return nil, err
		}
		f.Value = string(value)
		for _, at := range []*time.Time{&f.Since, &f.At} {
			n, length := binary.Varint(b)
			if length <= 0 {
				return nil, errFacts
			}
			*at, b = momentOf(n), b[length:]
		}
		if len(b) == 0 {
			return nil, errFacts
		}
		f.Stale, b = b[0] == 1, b[1:]
		all = append(all, f)
	}
	return slices.Clip(all), nil
}

// cut takes a text off the front.
func cut(b []byte) (text, rest []byte, err error) {
	length, n := binary.Uvarint(b)
	if n <= 0 || length > uint64(len(b)-n) {
		return nil, nil, errFacts
	}
	return b[n : n+int(length)], b[n+int(length):], nil
}

// nameOf is a name without a copy of its own.
func nameOf(b []byte) string {
	for _, name := range results.FactNames {
		if name == string(b) {
			return name
		}
	}
	return string(b)
}

func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func momentOf(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}
