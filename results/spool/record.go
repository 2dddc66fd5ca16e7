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

// The kinds.
const (
	Verdict Kind = iota
	Gap
)

// Record is one document on its way to Kafka.
type Record struct {
	Kind Kind
	// BMC is empty for a gap.
	BMC inventory.ID
	// ID is the round's; who reads drops a second record of the same ID.
	ID string
	At time.Time // milliseconds
	// State is what a repeat has in common with the record before it: health, failed check and reason.
	State string
	// Rounds is how many rounds the record stands for: 1, or more after repeats were coalesced.
	Rounds uint64
	// Value is the JSON document.
	Value []byte
}

// Of is the record of a verdict.
func Of(v results.Verdict) (Record, error) {
	value, err := json.Marshal(v)
	if err != nil {
		return Record{}, fmt.Errorf("encode verdict of %s: %w", v.Round, err)
	}
	return Record{
		BMC: v.BMC, ID: v.Round.String(), At: v.At, Rounds: 1, Value: value,
		State: v.Health.String() + " " + string(v.Failed) + " " + string(v.Reason),
	}, nil
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
	if b[0] > byte(Gap) {
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
