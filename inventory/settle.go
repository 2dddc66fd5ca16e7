package inventory

import (
	"fmt"
	"iter"
	"maps"
	"net/netip"
	"slices"
)

// settling is the work of telling which records of an answer are taken.
type settling struct {
	former  map[ID]*BMC
	taken   map[ID]*BMC // records of the answer
	held    map[ID]bool // BMCs that keep the record that they had, if they had one
	leaving map[ID]bool // BMCs in quarantine, with the record that they had
	found   []Conflict
}

// settle says which BMCs there are, by ID, and which records of the answer contradict each other. leaving are the missing BMCs; those
// for which it is true stay if they can.
func (r Rule) settle(before []BMC, answer Answer, leaving map[ID]bool) ([]BMC, []Conflict) {
	s := settling{former: byID(before), taken: make(map[ID]*BMC, len(answer.BMCs)), held: map[ID]bool{}, leaving: map[ID]bool{}}
	for id, stays := range leaving {
		if stays && r.Targets.Allow(*s.former[id]) == nil {
			s.leaving[id] = true
		}
	}
	for _, bad := range answer.Bad {
		s.conflict(bad)
	}
	times := make(map[ID]int, len(answer.BMCs))
	for _, b := range answer.BMCs {
		times[b.ID]++
	}
	for i := range answer.BMCs {
		s.take(r, &answer.BMCs[i], times)
	}
	for id := range s.held { // of a record that was read well, too, where another one with its ID was not
		delete(s.taken, id)
		if was, known := s.former[id]; known && r.Targets.Allow(*was) != nil {
			delete(s.former, id)
		}
	}
	for s.separate() {
	}
	s.makeRoom()
	return s.bmcs(), s.found
}

// take takes a record that contradicts nothing on its own.
func (s *settling) take(r Rule, b *BMC, times map[ID]int) {
	switch err := r.Targets.Allow(*b); {
	case b.ID == "":
		s.conflict(Conflict{Kind: BadRecord, Text: fmt.Sprintf("a record at %v has no ID", b.Address)})
	case times[b.ID] > 1:
		if !s.held[b.ID] {
			s.conflict(Conflict{Kind: SameID, BMCs: []ID{b.ID}, Text: fmt.Sprintf("%d records have the ID %s", times[b.ID], b.ID)})
		}
	case !b.Address.IsValid():
		s.conflict(Conflict{Kind: BadRecord, BMCs: []ID{b.ID}, Text: fmt.Sprintf("%s has no address", b.ID)})
	case err != nil:
		s.conflict(Conflict{Kind: Outside, BMCs: []ID{b.ID}, Text: err.Error()})
	default:
		if was := s.former[b.ID]; was != nil && sameRecord(*was, *b) {
			b = was // so that what an answer was read into can go
		}
		s.taken[b.ID] = b
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
	for _, id := range slices.Sorted(maps.Keys(clashes)) {
		if _, fresh := s.taken[id]; !fresh {
			continue // it stays as it was; two that stay have no door in common
		}
		c := clashes[id]
		s.conflict(Conflict{Kind: SameAddress, BMCs: []ID{id}, Text: fmt.Sprintf("%s is at %s, where %s is, too", id, c.at, c.with)})
		delete(s.taken, id)
		again = true
	}
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
	times := make(map[netip.Addr]uint32, len(s.taken))
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
		if !yield(id, s.former[id]) {
			return
		}
	}
}

// staying yields those who are not leaving.
func (s *settling) staying(yield func(ID, *BMC) bool) {
	for id, b := range s.taken {
		if !yield(id, b) {
			return
		}
	}
	for id := range s.held {
		if b, known := s.former[id]; known && !yield(id, b) {
			return
		}
	}
}

func (s *settling) bmcs() []BMC {
	all := make([]BMC, 0, len(s.taken)+len(s.leaving))
	for _, b := range s.all {
		all = append(all, *b)
	}
	slices.SortFunc(all, compareID)
	return all
}
