// Package snapshot carries numbered snapshots of a site's fleet over Kafka: the role inventory publishes them, and satellites and
// results follow, each with the last good one on its disk.
//
// A BMC is a record under SITE/ID, and a snapshot one under SITE/, with its number, how many BMCs it has and the sum of their hashes. Only
// when the records that are there add up to that is a snapshot whole, and taken: partitions come in any order, and a publisher may end
// between two records.
package snapshot

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"lamplighter/inventory"
)

// Schema is what every document says that it is.
const Schema = "lamplighter.inventory.v1"

// Document is a record of the topic: a BMC, or a snapshot as a whole.
type Document struct {
	Schema string `json:"schema"`
	Site   string `json:"site"`
	// Number is the snapshot's; of a BMC that of the one in which its record became what it is.
	Number uint64 `json:"number"`
	// BMC is nil in the document of a snapshot, which has all below.
	BMC  *inventory.BMC `json:"bmc,omitempty"`
	Made time.Time      `json:"made,omitzero"` // when the fleet became this
	BMCs int            `json:"bmcs,omitempty"`
	Sum  string         `json:"sum,omitempty"` // of the BMCs' hashes (the first 8 bytes of the SHA-256 of the record), exclusive or
}

// ReportSchema is what a ReportDocument says that it is.
const ReportSchema = "lamplighter.inventory_report.v1"

// ReportDocument is the record under a site's name alone, without a slash, which those who only want the fleet pass over: what the
// process that publishes says of its inventory.
type ReportDocument struct {
	Schema string `json:"schema"`
	inventory.Report
}

// key is a record's; of the snapshot itself without an ID. A site's name may have slashes; it is written as it is otherwise.
func key(site string, id inventory.ID) string { return inKey.Replace(site) + "/" + string(id) }

var inKey, outOfKey = strings.NewReplacer("%", "%25", "/", "%2F"), strings.NewReplacer("%25", "%", "%2F", "/")

// sum is of the hashes of BMCs, in whatever order they come.
type sum uint64

func (s *sum) toggle(b inventory.BMC) {
	hash, _ := hex.DecodeString(b.Rev()) // 8 bytes in hex
	*s ^= sum(binary.BigEndian.Uint64(hash))
}

func (s sum) String() string { return fmt.Sprintf("%016x", uint64(s)) }

// Assembly puts a site's records together. It is pure: no clock, no network.
type Assembly struct {
	site  string
	bmcs  map[inventory.ID]*inventory.BMC
	share func(*inventory.BMC)
	sum   sum
	head  Document
}

// NewAssembly begins with nothing.
func NewAssembly(site string) *Assembly {
	return &Assembly{site: site, bmcs: map[inventory.ID]*inventory.BMC{}, share: inventory.Sharing()}
}

// Site is the site of a record by its key; false where that is none of ours.
func Site(key string) (site string, id inventory.ID, ok bool) {
	site, rest, ok := strings.Cut(key, "/")
	return outOfKey.Replace(site), inventory.ID(rest), ok
}

// See takes a record; without a value, what was said under that key is forgotten.
func (a *Assembly) See(recordKey string, value []byte) error {
	site, id, ok := Site(recordKey)
	if !ok || site != a.site {
		return fmt.Errorf("record %q: want a key of site %q", recordKey, a.site)
	}
	if value == nil {
		if id == "" {
			a.head = Document{}
		}
		a.forget(id)
		return nil
	}
	var d Document
	if err := json.Unmarshal(value, &d); err != nil {
		return fmt.Errorf("record %q: %w", recordKey, err)
	}
	switch {
	case d.Schema != Schema:
		return fmt.Errorf("record %q: schema %q: want %s", recordKey, d.Schema, Schema)
	case d.BMC == nil && id == "":
		a.head = d
	case d.BMC == nil || d.BMC.ID != id || !d.BMC.Address.IsValid():
		return fmt.Errorf("record %q: it is of no BMC of that ID, or without an address", recordKey)
	default:
		a.forget(id)
		a.share(d.BMC)
		a.bmcs[id] = d.BMC
		a.sum.toggle(*d.BMC)
	}
	return nil
}

func (a *Assembly) forget(id inventory.ID) {
	if b, known := a.bmcs[id]; known {
		a.sum.toggle(*b)
		delete(a.bmcs, id)
	}
}

// ErrNotWhole: the records do not add up to a snapshot.
var ErrNotWhole = errors.New("the snapshot is not whole")

// Number is of the snapshot that is announced; 0: none is.
func (a *Assembly) Number() uint64 { return a.head.Number }

// Whole is the snapshot, if it is whole, by ID.
func (a *Assembly) Whole() (inventory.Register, error) {
	if a.head.Number == 0 || a.head.BMCs != len(a.bmcs) || a.head.Sum != a.sum.String() {
		return inventory.Register{}, fmt.Errorf("%w: number %d of site %q has %d BMCs, and %d are there", ErrNotWhole, a.head.Number, a.site, a.head.BMCs, len(a.bmcs))
	}
	return inventory.Register{Number: a.head.Number, Made: a.head.Made, BMCs: a.list()}, nil
}

// list are the BMCs that are there, by ID.
func (a *Assembly) list() []inventory.BMC {
	var list []inventory.BMC
	for _, id := range slices.Sorted(maps.Keys(a.bmcs)) {
		list = append(list, *a.bmcs[id])
	}
	return list
}

// Record is what is to be sent; without a Value the key is forgotten.
type Record struct {
	Key   string
	Value []byte
}

// Records are what has to be sent so that the topic, as a has it, becomes r; none where it is that already. The snapshot itself comes
// last, with a number above that of the topic's, and is right only if all before it were taken.
func (a *Assembly) Records(r inventory.Register) ([]Record, error) {
	var wanted sum
	for _, b := range r.BMCs {
		wanted.toggle(b)
	}
	if a.head.Number != 0 && a.sum == wanted && len(a.bmcs) == len(r.BMCs) && a.head.Sum == wanted.String() && a.head.BMCs == len(r.BMCs) {
		return nil, nil
	}
	number := max(r.Number, a.head.Number+1)
	diff := inventory.DiffOf(a.list(), r.BMCs)
	var records []Record
	add := func(id inventory.ID, d Document) error {
		d.Schema, d.Site, d.Number = Schema, a.site, number
		value, err := json.Marshal(d)
		records = append(records, Record{key(a.site, id), value})
		return err
	}
	for _, list := range [][]inventory.BMC{diff.Added, diff.Changed, diff.Moved} {
		for i := range list {
			if err := add(list[i].ID, Document{BMC: &list[i]}); err != nil {
				return nil, err
			}
		}
	}
	for _, b := range diff.Removed {
		records = append(records, Record{Key: key(a.site, b.ID)})
	}
	err := add("", Document{Made: r.Made, BMCs: len(r.BMCs), Sum: wanted.String()})
	return records, err
}
