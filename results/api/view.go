package api

import (
	"bytes"
	"fmt"
	"time"

	"lamplighter/inventory"
	"lamplighter/results/follow"
	"lamplighter/results/query"
)

// view is what is told to all clients with the same filter. The hub's lock guards it.
type view struct {
	filter  query.Filter
	users   int
	members set
	version uint64 // up to which everything was told
	wake    chan struct{}
	over    frame // what lies over its BMCs; nil: to be made again

	// frames are the newest ones, first to last; the last has the number count.
	frames []frame
	bytes  int
	count  uint64
}

// frame is a part of the stream, as it is sent.
type frame []byte

// set is a set of small numbers.
type set []uint64

func (s set) has(i int) bool { return i/64 < len(s) && s[i/64]&(1<<(i%64)) != 0 }

// put adds or removes i, and says whether that changed anything.
func (s *set) put(i int, in bool) bool {
	for i/64 >= len(*s) {
		*s = append(*s, 0)
	}
	if s.has(i) == in {
		return false
	}
	(*s)[i/64] ^= 1 << (i % 64)
	return true
}

// sse writes an event of the stream. An id is where a client that comes back goes on; "" leaves it as it is.
func sse(event, id string, data []byte) frame {
	var f bytes.Buffer
	fmt.Fprintf(&f, "event: %s\n", event)
	if id != "" {
		fmt.Fprintf(&f, "id: %s\n", id)
	}
	fmt.Fprintf(&f, "data: %s\n\n", data)
	return f.Bytes()
}

// position names a place in the stream.
func position(epoch string, version uint64) string { return fmt.Sprintf("%s-%d", epoch, version) }

// matches says whether a BMC is in the view; known may be nil, then it is looked up.
func (v *view) matches(h *hub, at int, known *follow.BMC, now time.Time) bool {
	row := &h.held[at].row
	if row.Gone || v.filter.String() == "" {
		return !row.Gone
	}
	if known == nil {
		if known = h.find(row.BMC); known == nil {
			return false
		}
	}
	return h.lens(now).match(v.filter, known)
}

// fill finds the members of a new view.
func (v *view) fill(h *hub, now time.Time) {
	if v.filter.String() == "" {
		return
	}
	for at := range h.held {
		v.members.put(at, v.matches(h, at, nil, now))
	}
}

// tell makes a frame of the changes that the view sees.
func (v *view) tell(h *hub, changes []change, now time.Time) {
	var rows rows
	for _, c := range changes {
		in := v.matches(h, c.at, c.known, now)
		switch was := v.filter.String() == "" || v.members.has(c.at); {
		case in:
			rows.add(c.json)
		case was:
			rows.add(gone(h.held[c.at].row.BMC))
		}
		if v.filter.String() != "" {
			v.members.put(c.at, in)
		}
	}
	v.delta(h, rows)
}

// refresh looks at all BMCs again.
func (v *view) refresh(h *hub, now time.Time) {
	var rows rows
	for at := range h.held {
		in := v.matches(h, at, nil, now)
		switch changed := v.members.put(at, in); {
		case changed && in:
			rows.add(encode(h.held[at].row))
		case changed:
			rows.add(gone(h.held[at].row.BMC))
		}
	}
	v.delta(h, rows)
}

// delta tells rows, if there are any.
func (v *view) delta(h *hub, all rows) {
	if all.count == 0 {
		return
	}
	v.over = nil
	v.push("delta", h.version, all.document(v.version, h.version), h.epoch)
	v.version = h.version
}

// gone is the row of a BMC that a client shall forget.
func gone(id inventory.ID) []byte {
	return encode(struct {
		BMC  inventory.ID `json:"bmc"`
		Gone bool         `json:"gone"`
	}{id, true})
}

// rows are a list of rows that grows.
type rows struct {
	text  []byte
	count int
}

func (r *rows) add(row []byte) {
	if r.count++; r.count > 1 {
		r.text = append(r.text, ',')
	}
	r.text = append(r.text, row...)
}

// document is the data of a delta.
func (r *rows) document(from, to uint64) []byte {
	return fmt.Appendf(nil, `{"from":%d,"to":%d,"at":%q,"rows":[%s]}`, from, to, time.Now().UTC().Format(time.RFC3339Nano), r.text)
}

// push adds an event and wakes who listens. Frames that are too old or too many are forgotten.
func (v *view) push(event string, version uint64, data []byte, epoch ...string) {
	id := ""
	if len(epoch) > 0 {
		id = position(epoch[0], version)
	}
	f := sse(event, id, data)
	v.frames, v.bytes, v.count = append(v.frames, f), v.bytes+len(f), v.count+1
	for len(v.frames) > mostFrames || v.bytes > mostFrameBytes {
		v.bytes -= len(v.frames[0])
		v.frames[0] = nil
		v.frames = v.frames[1:]
	}
	v.rouse()
}

// reset forgets everything: each client is told to fetch a snapshot.
func (v *view) reset() {
	v.frames, v.bytes, v.members, v.version, v.over = nil, 0, nil, 0, nil
	v.count++
	v.rouse()
}

func (v *view) rouse() {
	close(v.wake)
	v.wake = make(chan struct{})
}
