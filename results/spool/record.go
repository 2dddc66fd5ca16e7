package spool

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"time"

	"lamplighter/inventory"
	"lamplighter/results"
)

// Kind says which document a record carries.
type Kind uint8

// The kinds. Their numbers are on disks: none is ever another.
const (
	Verdict Kind = iota
	Gap
	Skip
	Tally
	DeadLetter
	Act
	kinds // how many there are
)

// Record is one document on its way to Kafka.
type Record struct {
	Kind Kind
	// BMC is empty for what is about no BMC: gap, tally, dead letter, act. Records of a BMC stay in order.
	BMC inventory.ID
	// ID is the round's; who reads drops a second record of the same ID.
	ID string
	At time.Time // milliseconds
	// State is what a repeat has in common with the record before it: health, failed check and reason; why it was skipped.
	State string
	// Rounds is how many rounds the record stands for: 1, or more after repeats were coalesced. 1 also where it is about none.
	Rounds uint64
	// Value is the JSON document.
	Value []byte
}

// Of is the record of a verdict.
func Of(v results.Verdict) (Record, error) {
	state := v.Health.String() + " " + string(v.Failed) + " " + string(v.Reason)
	return document(Record{BMC: v.BMC, ID: v.Round.String(), At: v.At, State: state}, v)
}

// OfSkip is the record of a skip.
func OfSkip(s results.Skip) (Record, error) {
	return document(Record{Kind: Skip, BMC: s.BMC, ID: "skip/" + s.Round.String(), At: s.At, State: s.Why}, s)
}

// OfTally is the record of a tally.
func OfTally(t results.Tally) (Record, error) {
	id := fmt.Sprintf("tally/%s@%s/%s/%s#%d", t.Satellite, t.Since.Format(time.RFC3339Nano), t.Minute.Format(time.RFC3339), t.Tier, t.Part)
	return document(Record{Kind: Tally, ID: id, At: t.At}, t)
}

// mostBody is how much of a dead letter's bytes goes to Kafka; whoever buried it has them all.
const mostBody = 128 << 10

// OfDeadLetter is the record of a dead letter.
func OfDeadLetter(d results.DeadLetter) (Record, error) {
	if whole := len(d.Body); whole > mostBody {
		d.Body, d.Why = d.Body[:mostBody], fmt.Sprintf("%s (the body is the first %d of %d bytes)", d.Why, mostBody, whole)
	}
	id := fmt.Sprintf("dead/%s@%s/%s", d.Satellite, d.At.Format(time.RFC3339Nano), d.ID)
	return document(Record{Kind: DeadLetter, ID: id, At: d.At}, d)
}

// OfAct is the record of what a person did.
func OfAct(a results.Act) (Record, error) {
	return document(Record{Kind: Act, ID: "act/" + a.ID, At: a.At}, a)
}

// document is the record with its document.
func document(r Record, of any) (Record, error) {
	value, err := json.Marshal(of)
	if err != nil {
		return Record{}, fmt.Errorf("encode %s: %w", r.ID, err)
	}
	r.Rounds, r.Value = 1, value
	return r, nil
}

// MaxRecord is how long a record may be. A longer length in a file is no length.
const MaxRecord = 1 << 20

// frameHeader is the length of the record and its CRC32C, both little-endian.
const frameHeader = 8

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errTorn means that what follows is no record: its writer died before it was told that the record was on the disk.
var errTorn = errors.New("torn record")

// appendFrame appends length, checksum and record to b.
func appendFrame(b []byte, r Record) []byte {
	start := len(b)
	b = append(b, make([]byte, frameHeader)...)
	b = append(b, byte(r.Kind))
	b = binary.AppendUvarint(b, r.Rounds)
	b = binary.AppendVarint(b, r.At.UnixMilli())
	for _, text := range []string{string(r.BMC), r.ID, r.State} {
		b = binary.AppendUvarint(b, uint64(len(text)))
		b = append(b, text...)
	}
	b = append(b, r.Value...)
	payload := b[start+frameHeader:]
	binary.LittleEndian.PutUint32(b[start:], uint32(len(payload)))
	binary.LittleEndian.PutUint32(b[start+4:], crc32.Checksum(payload, castagnoli))
	return b
}

// readFrame reads one record and says how many bytes of r it was. io.EOF: r ended where a record ends. errTorn: it did not, or
// what is there was not written whole. A file system may leave zeros after a power cut: a record of no length is torn, too.
func readFrame(r io.Reader) (Record, int64, error) {
	var header [frameHeader]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return Record{}, 0, tornEnd(err)
	}
	length := binary.LittleEndian.Uint32(header[:])
	if length == 0 || length > MaxRecord {
		return Record{}, 0, errTorn
	}
	payload := make([]byte, length)
	if _, err := io.ReadFull(r, payload); err != nil {
		if errors.Is(err, io.EOF) {
			err = errTorn
		}
		return Record{}, 0, tornEnd(err)
	}
	if crc32.Checksum(payload, castagnoli) != binary.LittleEndian.Uint32(header[4:]) {
		return Record{}, 0, errTorn
	}
	record, ok := decode(payload)
	if !ok {
		return Record{}, 0, errTorn
	}
	return record, int64(frameHeader + length), nil
}

func tornEnd(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return errTorn
	}
	return err
}

func decode(b []byte) (r Record, ok bool) {
	if b[0] >= byte(kinds) {
		return r, false
	}
	r.Kind, b = Kind(b[0]), b[1:]
	rounds, n := binary.Uvarint(b)
	if n <= 0 {
		return r, false
	}
	at, m := binary.Varint(b[n:])
	if m <= 0 {
		return r, false
	}
	r.Rounds, r.At, b = rounds, time.UnixMilli(at).UTC(), b[n+m:]
	var texts [3]string
	for i := range texts {
		length, n := binary.Uvarint(b)
		if n <= 0 || length > uint64(len(b)-n) {
			return r, false
		}
		texts[i], b = string(b[n:n+int(length)]), b[n+int(length):]
	}
	r.BMC, r.ID, r.State, r.Value = inventory.ID(texts[0]), texts[1], texts[2], b
	return r, true
}
