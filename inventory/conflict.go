package inventory

import (
	"fmt"
	"slices"
)

// ConflictKind is what a conflict is about.
type ConflictKind string

// The kinds. Those up to BadRecord hinder: the record is not taken, and the one before it stays if there was one.
const (
	SameID      ConflictKind = "same-id"      // two records have one asset ID
	SameAddress ConflictKind = "same-address" // two BMCs have one address and port
	Outside     ConflictKind = "outside"      // an address or port that is not allowed
	BadRecord   ConflictKind = "bad-record"   // a field that cannot be, such as a host name for an address
	SamePlace   ConflictKind = "same-place"   // two BMCs take the same unit of a rack
	NoRack      ConflictKind = "no-rack"      // nobody knows where it stands
	NoLogin     ConflictKind = "no-login"     // the name of its credential cannot be made
)

// Hinders says whether a record with such a conflict is not taken.
func (k ConflictKind) Hinders() bool { return k != SamePlace && k != NoRack && k != NoLogin }

// Conflict is something that the sources contradict themselves, or the site's rules, in. Nobody guesses which side is right.
type Conflict struct {
	Kind ConflictKind `json:"kind"`
	// BMCs are whom it is about; empty for a record without an ID.
	BMCs []ID   `json:"bmcs,omitempty"`
	Text string `json:"text"`
}

func (c Conflict) String() string { return c.Text }

func idsOf(bmcs []*BMC) []ID {
	ids := make([]ID, len(bmcs))
	for i, b := range bmcs {
		ids[i] = b.ID
	}
	slices.Sort(ids)
	return ids
}

// rackless is one conflict for all BMCs that stand nowhere: there may be thousands.
func rackless(bmcs []BMC) []Conflict {
	var ids []ID
	for i := range bmcs {
		if bmcs[i].Rack == "" {
			ids = append(ids, bmcs[i].ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	slices.Sort(ids)
	return []Conflict{{Kind: NoRack, BMCs: ids, Text: fmt.Sprintf("%d BMCs stand in no rack (the first is %s): they are in no incident of a rack", len(ids), ids[0])}}
}
