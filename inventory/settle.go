package inventory

import (
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"strings"
)

// settling is the work of telling which records of an answer are taken.
type settling struct {
	before  []BMC       // by ID
	barred  map[ID]bool // of before those who may not be where they were any more
	taken   []*BMC      // records of the answer, by ID
	held    map[ID]bool // BMCs that keep the record that they had, if they had one
	leaving map[ID]bool // BMCs in quarantine, with the record that they had
	found   []Conflict
}

// settle says which BMCs there are, by ID, and which records of the answer contradict each other. leaving are the missing BMCs; those
// for which it is true stay if they can. Where nothing changes the answer is before itself.
func (r Rule) settle(before []BMC, answer Answer, leaving map[ID]bool) ([]BMC, []Conflict) {
	s := settling{before: before, barred: map[ID]bool{}, held: map[ID]bool{}, leaving: map[ID]bool{}}
	for id, stays := range leaving {
		if stays && r.Targets.Allow(*s.former(id)) == nil {
			s.leaving[id] = true
		}
	}
	for _, bad := range answer.Bad {
		s.conflict(bad)
	}
	for records := recordsByID(answer.BMCs); len(records) > 0; {
		n := 1
		for n < len(records) && records[n].ID == records[0].ID && records[0].ID != "" {
			n++
		}
		s.take(r, records[0], n)
		records = records[n:]
	}
	for id := range s.held {
		if was := s.former(id); was != nil && r.Targets.Allow(*was) != nil {
			s.barred[id] = true
		}
	}
	// Of a record that was read well, too, where another one with its ID was not.
	s.taken = slices.DeleteFunc(s.taken, func(b *BMC) bool { return s.held[b.ID] })
	for s.separate() {
	}
	s.makeRoom()
	return s.bmcs(), s.found
}

// recordsByID are records by ID; those that are sorted already are not copied.
func recordsByID(records []*BMC) []*BMC {
	order := func(a, b *BMC) int { return strings.Compare(string(a.ID), string(b.ID)) }
	if !slices.IsSortedFunc(records, order) {
		records = slices.Clone(records)
		slices.SortStableFunc(records, order)
	}
	return records
}

// former is the record that a BMC had, if it may go on with it; nil: there is none.
func (s *settling) former(id ID) *BMC {
	if s.barred[id] {
		return nil
	}
	return lookUpIn(s.before, id)
}

// take takes a record, of n with that ID, that contradicts nothing on its own.
func (s *settling) take(r Rule, b *BMC, n int) {
	switch err := r.Targets.Allow(*b); {
	case b.ID == "":
		s.conflict(Conflict{Kind: BadRecord, Text: fmt.Sprintf("a record at %v has no ID", b.Address)})
	case n > 1:
		s.conflict(Conflict{Kind: SameID, BMCs: []ID{b.ID}, Text: fmt.Sprintf("%d records have the ID %s", n, b.ID)})
	case !b.Address.IsValid():
		s.conflict(Conflict{Kind: BadRecord, BMCs: []ID{b.ID}, Text: fmt.Sprintf("%s has no address", b.ID)})
	case overlong(b) != "":
		s.conflict(Conflict{Kind: BadRecord, BMCs: []ID{b.ID}, Text: fmt.Sprintf("%s: %s", b.ID, overlong(b))})
	case err != nil:
		s.conflict(Conflict{Kind: Outside, BMCs: []ID{b.ID}, Text: err.Error()})
	default:
		if was := s.former(b.ID); was != nil && sameRecord(was, b) {
			b = was // so that what an answer was read into can go
		}
		s.taken = append(s.taken, b)
	}
}

func (s *settling) conflict(c Conflict) {
	s.found = append(s.found, c)
	for _, id := range c.BMCs {
		s.held[id] = true
	}
}

// separate looks for BMCs at one door of which the new records are not taken, and says whether it found any. A record that stays may
// be in the way of another new one, so it is called until it finds none: each time it takes fewer.
func (s *settling) separate() (again bool) {
	clashes := s.clashes(s.staying)
	s.taken = slices.DeleteFunc(s.taken, func(b *BMC) bool { // one that stays as it was is not to blame; two that stay have no door in common
		c, hindered := clashes[b.ID]
		if hindered {
			s.conflict(Conflict{Kind: SameAddress, BMCs: []ID{b.ID}, Text: fmt.Sprintf("%s is at %s, where %s is, too", b.ID, c.at, c.with)})
			again = true
		}
		return hindered
	})
	return again
}

// makeRoom has those go at once who are leaving, and at whose door another one is by now.
func (s *settling) makeRoom() {
	for id := range s.clashes(s.all) {
		delete(s.leaving, id)
	}
}

// clash is what a BMC has in common with another.
type clash struct {
	at   door
	with ID // the first, by name
}

// clashes are the BMCs that have a door in common with another. Nearly all have an address of their own, which tells it sooner.
func (s *settling) clashes(among iter.Seq2[ID, *BMC]) map[ID]clash {
	times := make(map[netip.Addr]uint32, len(s.taken)+len(s.held))
	for _, b := range among {
		times[b.Address]++
	}
	behind := map[door][]ID{}
	for id, b := range among {
		if times[b.Address] > 1 {
			for _, d := range b.doors() {
				behind[d] = append(behind[d], id)
			}
		}
	}
	found := map[ID]clash{}
	for d, ids := range behind {
		slices.Sort(ids)
		for i, id := range ids {
			if len(ids) == 1 {
				break
			}
			with := ids[0]
			if i == 0 {
				with = ids[1]
			}
			if c, known := found[id]; !known || with < c.with || with == c.with && d.String() < c.at.String() {
				found[id] = clash{d, with}
			}
		}
	}
	return found
}

// all yields every BMC with the record that it has now.
func (s *settling) all(yield func(ID, *BMC) bool) {
	for id, b := range s.staying {
		if !yield(id, b) {
			return
		}
	}
	for id := range s.leaving {
		if !yield(id, s.former(id)) {
			return
		}
	}
}

// staying yields those who are not leaving.
func (s *settling) staying(yield func(ID, *BMC) bool) {
	for _, b := range s.taken {
		if !yield(b.ID, b) {
			return
		}
	}
	for id := range s.held {
		if b := s.former(id); b != nil && !yield(id, b) {
			return
		}
	}
}

// bmcs are all that are there now, by ID: before itself, if they are the same.
func (s *settling) bmcs() []BMC {
	records := make([]*BMC, 0, len(s.taken)+len(s.held)+len(s.leaving))
	for _, b := range s.all {
		records = append(records, b)
	}
	records = recordsByID(records)
	same := len(records) == len(s.before)
	for i := 0; same && i < len(records); i++ {
		same = records[i] == &s.before[i]
	}
	if same {
		return s.before
	}
	list := make([]BMC, len(records))
	for i, b := range records {
		list[i] = *b
	}
	return list
}
