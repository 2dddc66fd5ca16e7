package inventory

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// NetBox is a Source that reads the devices of a NetBox, 3.6 to 4.x, that have an out-of-band address (oob_ip).
//
// It pages by the device's number (id__gt, ordering=id): by offset a device that is deleted meanwhile would have another one passed
// over. A custom field bmc_COLUMN is that column of an inventory (bmc_protocol, bmc_login ...); all others are labels cf_NAME.
type NetBox struct {
	Endpoint
	// Filters are parameters of the query, such as site=ams1 or status=active. NetBox ignores one that it does not know.
	Filters [][2]string
	// ID is what the BMC's ID is: asset_tag, name, serial, id, or cf.NAME for a custom field; empty: asset_tag.
	ID string
	// Page is how many devices are asked for at once; 0: 1000, which is the most that NetBox gives unless it is set up otherwise.
	Page int
	// Health, if any, is told what its custom field has. The field is no label, or each change of it would be one of the BMC.
	Health *NetBoxHealth
}

// BMCs reads all devices.
func (n NetBox) BMCs(ctx context.Context, known Known) (Answer, error) {
	talk, err := n.talk(ctx, netboxToken)
	if err != nil {
		return Answer{}, err
	}
	defer talk.end()
	read := &netboxReading{NetBox: n, conversation: talk, reading: newReading(known), types: map[int64]string{}, racks: map[int64]string{},
		columns: map[string]customColumn{}, scalars: texts{}}
	if read.Page == 0 {
		read.Page = 1000
	}
	_, err = read.walk(ctx, "/api/dcim/device-types/", nil, heights(read.types))
	if err == nil {
		_, err = read.walk(ctx, "/api/dcim/racks/", nil, heights(read.racks))
	}
	if err != nil {
		return Answer{}, err
	}
	filters := url.Values{"exclude": {"config_context"}} // which would have NetBox render each device's configuration
	for _, f := range n.Filters {
		filters.Add(f[0], f[1])
	}
	if n.Health != nil {
		n.Health.begin()
		read.health = map[ID]healthOf{}
	}
	count, err := read.walk(ctx, "/api/dcim/devices/", filters, read.device)
	if err != nil {
		return Answer{}, err
	}
	if n.Health != nil {
		n.Health.end(read.health, read.healthSeen)
	}
	read.answer.Read, read.answer.Of = count, count
	return read.answer, nil
}

// netboxToken sends a token of either kind: those of NetBox 4.5 and later begin with nbt_.
func netboxToken(r *http.Request, c Credentials) {
	if strings.HasPrefix(c.Password.Reveal(), "nbt_") {
		bearer(r, c)
		return
	}
	r.Header.Set("Authorization", "Token "+c.Password.Reveal())
}

type netboxReading struct {
	NetBox
	*conversation
	*reading
	// types and racks have the heights of those that there are, by number.
	types, racks map[int64]string
	columns      map[string]customColumn // by the name of a custom field
	scalars      texts                   // what values of custom fields are as text, by how they are written
	health       map[ID]healthOf
	healthSeen   bool // some device has the field
}

// heights makes what takes a device type, or a rack, and notes its height.
func heights(of map[int64]string) func(record []byte) (int64, error) {
	return func(record []byte) (int64, error) {
		var r struct {
			ID     int64   `json:"id"`
			Height float64 `json:"u_height"`
		}
		err := json.Unmarshal(record, &r)
		of[r.ID] = number(r.Height)
		return r.ID, err
	}
}

// netboxPage is what a page said of itself.
type netboxPage struct {
	after int64 // the number that it begins after; -1: it is the first
	last  int64 // of its records
	read  int
	left  int // how many there are from its beginning on; -1: it did not say
	more  bool
}

// walk reads a list of NetBox page by page, by number, and says how many records there were. Each page says how many are left: as
// many must come. take takes a record and says its number; the bytes are its own only until it returns.
func (n *netboxReading) walk(ctx context.Context, path string, filters url.Values, take func(record []byte) (int64, error)) (total int, err error) {
	was := netboxPage{last: -1, more: true}
	for was.more {
		p := netboxPage{after: was.last}
		if err := n.readPage(ctx, path, filters, &p, total, take); err != nil {
			return total, err
		}
		if total > 0 && p.left < was.left-was.read { // some of those that were to come are gone: deleted, or left out before
			if err := n.recount(ctx, path, filters, was); err != nil {
				return total, err
			}
		}
		total += p.read
		was = p
	}
	return total, nil
}

// query asks for what comes after a number.
func (n *netboxReading) query(filters url.Values, limit int, after int64) url.Values {
	query := url.Values{"limit": {strconv.Itoa(limit)}, "ordering": {"id"}}
	maps.Copy(query, filters)
	if after >= 0 {
		query.Set("id__gt", strconv.FormatInt(after, 10))
	}
	return query
}

// readPage reads a page; before is how many records came before it.
func (n *netboxReading) readPage(ctx context.Context, path string, filters url.Values, p *netboxPage, before int, take func([]byte) (int64, error)) error {
	begin := *p
	return n.page(ctx, path, n.query(filters, n.Page, p.after), func(_ http.Header, body io.Reader) error {
		*p = begin
		p.last, p.left = p.after, -1
		err := p.scan(body, func(record []byte) error {
			id, err := take(record)
			if err != nil {
				return fmt.Errorf("record %d: %w", before+p.read+1, err)
			}
			if id <= p.last {
				return fmt.Errorf("number %d comes after number %d: the order by id, or the filter id__gt, is not obeyed", id, p.last)
			}
			p.last = id
			p.read++
			return nil
		})
		if err != nil {
			return err
		}
		return complete(before, p.read, p.left, p.more)
	})
}

// scan reads the document of a page, and what it says of itself.
func (p *netboxPage) scan(body io.Reader, each func(record []byte) error) error {
	var record json.RawMessage
	s := stream{
		each: func(d *json.Decoder) error {
			if err := d.Decode(&record); err != nil {
				return fmt.Errorf("record after number %d: %w", p.last, err)
			}
			return each(record)
		},
		beside: func(name string, value json.RawMessage) {
			switch name {
			case "count":
				_ = json.Unmarshal(value, &p.left)
			case "next":
				p.more = string(value) != "null"
			}
		},
	}
	return s.read(body, "results")
}

// recount asks how many records a page should have had.
func (n *netboxReading) recount(ctx context.Context, path string, filters url.Values, was netboxPage) error {
	query := n.query(filters, 1, was.after)
	query.Set("id__lte", strconv.FormatInt(was.last, 10))
	return n.page(ctx, path, query, func(_ http.Header, body io.Reader) error {
		p := netboxPage{left: -1}
		if err := p.scan(body, func([]byte) error { return nil }); err != nil {
			return err
		}
		if p.left > was.read {
			return fmt.Errorf("a page had %d of the %d devices up to number %d: the list is not whole", was.read, p.left, was.last)
		}
		return nil
	})
}

// complete says what is wrong with a page of read records, of which left were to come in all.
func complete(before, read, left int, more bool) error {
	switch {
	case left < 0:
		return fmt.Errorf("it does not say how many records there are (count)")
	case read > left, !more && read != left:
		return fmt.Errorf("read %d of %d records: the list is not whole", before+read, before+left)
	case more && read == 0:
		return fmt.Errorf("read %d of %d records, and then an empty page", before, before+left)
	}
	return nil
}
