package sqlite

import (
	"bytes"
	"reflect"
	"testing"
	"time"

	"lamplighter/checks"
	"lamplighter/results"
	"lamplighter/results/store/storetest"
)

func TestFactsComeBackAsTheyWere(t *testing.T) {
	all, _ := results.Learn(nil, storetest.Verdict("a", 3, ""))
	all = append(all, results.Fact{Name: "of later", Value: "", Stale: true, At: time.Unix(5, 7).UTC()})
	got, err := unpackFacts(packFacts(all))
	if err != nil || !reflect.DeepEqual(got, all) {
		t.Errorf("got %+v, %v; want %+v", got, err, all)
	}
}

func FuzzFacts(f *testing.F) {
	all, _ := results.Learn(nil, storetest.Verdict("a", 3, ""))
	packed := packFacts(all)
	for _, n := range []int{0, 1, 2, 20, len(packed) - 1, len(packed)} {
		f.Add(packed[:n])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		all, err := unpackFacts(b)
		if err != nil {
			return
		}
		if again, err := unpackFacts(packFacts(all)); err != nil || len(again) != len(all) {
			t.Errorf("got %v, %v; want %v", again, err, all)
		}
	})
}

func TestADocumentComesBackAsItWas(t *testing.T) {
	var p packer
	for _, reason := range []checks.Reason{"", checks.NetTimeout, checks.APITimeout} {
		v := storetest.Verdict("a", 3, reason)
		packed, err := p.pack(v)
		if err != nil {
			t.Fatal(err)
		}
		var got results.Verdict
		if err := unpack(packed, &got); err != nil || !reflect.DeepEqual(got, v) {
			t.Errorf("got %+v, %v; want %+v", got, err, v)
		}
		if len(packed) > 700 {
			t.Errorf("%s: %d bytes packed", reason, len(packed))
		}
	}
}

func FuzzUnpack(f *testing.F) {
	var p packer
	packed, err := p.pack(storetest.Verdict("a", 3, checks.NetTimeout))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(packed)
	f.Add(packed[:len(packed)/2])
	f.Add([]byte(`{"bmc":"a"}`))
	f.Add([]byte{packedV1})
	f.Add(bytes.Repeat([]byte{0}, 9))
	f.Fuzz(func(_ *testing.T, b []byte) {
		var v results.Verdict
		_ = unpack(b, &v)
	})
}
