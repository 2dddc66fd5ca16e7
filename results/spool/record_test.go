package spool

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func sample() Record {
	return Record{BMC: "bmc-1", ID: "bmc-1@x#routine", At: noon, State: "available  ", Rounds: 3, Value: []byte(`{"a":1}`)}
}

func TestReadFrame(t *testing.T) {
	whole := appendFrame(nil, sample())
	changed := func(at int, to byte) []byte {
		b := bytes.Clone(whole)
		b[at] = to
		return b
	}
	for name, test := range map[string]struct {
		in  []byte
		err error
	}{
		"a whole record":                       {whole, nil},
		"nothing":                              {nil, io.EOF},
		"a length without an end":              {whole[:3], errTorn},
		"a header without a record":            {whole[:frameHeader], errTorn},
		"half a record":                        {whole[:len(whole)/2], errTorn},
		"all but the last byte":                {whole[:len(whole)-1], errTorn},
		"zeros after a power cut":              {make([]byte, 4096), errTorn},
		"a byte of the content changed":        {changed(frameHeader+9, 'X'), errTorn},
		"a byte of the checksum changed":       {changed(4, whole[4]+1), errTorn},
		"a length of four gigabytes":           {changed(3, 0xff), errTorn},
		"a length that is one too small":       {changed(0, whole[0]-1), errTorn},
		"a right checksum over nothing at all": {[]byte{0, 0, 0, 0, 0, 0, 0, 0}, errTorn},
	} {
		t.Run(name, func(t *testing.T) {
			r, n, err := readFrame(bytes.NewReader(test.in))
			if !errors.Is(err, test.err) || errors.Is(err, io.EOF) && test.err != io.EOF {
				t.Fatalf("got %v, want %v", err, test.err)
			}
			if err == nil && (n != int64(len(whole)) || !reflect.DeepEqual(r, sample())) {
				t.Errorf("got %+v of %d bytes", r, n)
			}
		})
	}
}

func FuzzReadFrame(f *testing.F) {
	f.Add(appendFrame(nil, sample()))
	f.Add(appendFrame(appendFrame(nil, Record{Kind: Gap}), sample()))
	f.Add(make([]byte, 64))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, n, err := readFrame(bytes.NewReader(b))
		if err != nil {
			return
		}
		again, m, err := readFrame(bytes.NewReader(appendFrame(nil, r)))
		if err != nil || n > int64(len(b)) || m > n || !reflect.DeepEqual(r, again) {
			t.Fatalf("read %+v of %d bytes, written again it is %+v of %d, %v", r, n, again, m, err)
		}
	})
}

// A checksum protects decode from chance, not from whatever a fuzzer cannot get past the checksum.
func FuzzDecode(f *testing.F) {
	f.Add(appendFrame(nil, sample())[frameHeader:])
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) == 0 {
			return
		}
		if r, ok := decode(b); ok {
			again, _ := decode(appendFrame(nil, r)[frameHeader:])
			if !reflect.DeepEqual(r, again) {
				t.Fatalf("read %+v, written again it is %+v", r, again)
			}
		}
	})
}

// A spool of an earlier version opens: its kinds are what they were.
func TestKindsKeepTheirNumbers(t *testing.T) {
	if Verdict != 0 || Gap != 1 || Skip != 2 || Tally != 3 || DeadLetter != 4 {
		t.Error("a kind has another number")
	}
	old := appendFrame(nil, sample())
	if r, _, err := readFrame(bytes.NewReader(old)); err != nil || r.Kind != Verdict {
		t.Errorf("%+v, %v", r, err)
	}
	if _, ok := decode([]byte{byte(kinds), 1, 0, 0, 0, 0}); ok {
		t.Error("a kind that nobody knows was read")
	}
}
