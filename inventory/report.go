package inventory

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Bounds of a Report: it is a record on Kafka, and a page.
const (
	mostListed  = 100
	mostNamed   = 10  // BMCs of a conflict
	mostText    = 300 // bytes
	mostSources = 50
)

// Report is what the process that syncs says of an inventory, for people: how current it is, what waits, what contradicts itself. It is
// bounded: of long lists it has the first, and says how many there are.
type Report struct {
	Site string `json:"site"`
	// At is when it was said, and EveryS how often the sources are asked.
	At     time.Time `json:"at"`
	EveryS int       `json:"every_s"`
	// Reached: the process receives what people ask in the site's mailbox of the inventory.
	Reached bool `json:"reached"`
	// Number and Made are the snapshot's; 0: nothing was synced yet.
	Number uint64    `json:"number"`
	Made   time.Time `json:"made,omitzero"`
	BMCs   int       `json:"bmcs"`
	Status
	// Missing is how many BMCs are in quarantine: still checked, and named by no source any more.
	Missing   int `json:"missing"`
	Conflicts int `json:"conflicts"`
	Hindering int `json:"hindering"` // of the conflicts; such a record is not taken
	// Listed are the first of the conflicts, those that hinder first.
	Listed   []Conflict `json:"listed"`
	Withheld *Held      `json:"withheld"`
	// Waiting are the first of the BMCs that are missing, or that would be others if what is withheld were approved.
	Waiting []Difference `json:"waiting"`
}

// Held is what of an answer is withheld.
type Held struct {
	Digest string    `json:"digest"`
	Since  time.Time `json:"since"`
	// Until is when it is believed by itself, if the sources go on to say so.
	Until time.Time `json:"until"`
	// Gone of Of BMCs are missing, the first of them First; what else the answer says is counted beside.
	Gone    int `json:"gone"`
	Of      int `json:"of"`
	First   ID  `json:"first"`
	Added   int `json:"added"`
	Changed int `json:"changed"`
	Moved   int `json:"moved"`
}

// LastChange counts what made a snapshot another than the one before.
type LastChange struct {
	Added   int `json:"added"`
	Removed int `json:"removed"`
	Changed int `json:"changed"`
	Moved   int `json:"moved"`
}

// Difference is a BMC that is missing, or that would be another if what is withheld were approved.
type Difference struct {
	Change string     `json:"change"` // missing, added, moved, changed
	BMC    ID         `json:"bmc"`
	Was    string     `json:"was,omitempty"` // where it stands
	Is     string     `json:"is,omitempty"`
	Since  *time.Time `json:"missing_since,omitempty"`
}

// Differences are all that wait: those that are missing, then what of the withheld answer is new, by ID.
func (r Register) Differences() []Difference {
	all := []Difference{}
	for _, b := range r.BMCs {
		if since, missing := r.Missing[b.ID]; missing {
			all = append(all, Difference{Change: "missing", BMC: b.ID, Was: b.Standing(), Since: &since})
		}
	}
	if r.Withheld == nil {
		return all
	}
	diff := DiffOf(r.BMCs, r.Withheld.Answer.List())
	for _, part := range []struct {
		change string
		bmcs   []BMC
	}{{"added", diff.Added}, {"moved", diff.Moved}, {"changed", diff.Changed}} {
		for _, b := range part.bmcs {
			d := Difference{Change: part.change, BMC: b.ID, Is: b.Standing()}
			if old := lookUpIn(r.BMCs, b.ID); old != nil {
				d.Was = old.Standing()
			}
			all = append(all, d)
		}
	}
	return all
}

// Standing is where a BMC is, on one line: its address, and its place.
func (b BMC) Standing() string {
	unit := ""
	if b.Unit > 0 {
		unit = "U" + strconv.FormatFloat(b.Unit, 'f', -1, 64)
	}
	words := []string{b.Address.String()}
	for _, word := range []string{b.Site, b.Room, b.Row, b.Rack, unit} {
		if word != "" {
			words = append(words, word)
		}
	}
	return strings.Join(words, " ")
}

// ReportOf says of a site's register and status what a person has to know.
func ReportOf(site string, r Register, s Status, settle time.Duration) Report {
	out := Report{Site: site, Number: r.Number, Made: r.Made, BMCs: len(r.BMCs), Status: s, Missing: len(r.Missing), Conflicts: len(r.Conflicts), Listed: []Conflict{}}
	out.Error = cut(s.Error)
	out.Sources = nil
	for _, one := range s.Sources[:min(len(s.Sources), mostSources)] {
		one.Name, one.Error = cut(one.Name), cut(one.Error)
		out.Sources = append(out.Sources, one)
	}
	for _, hinders := range []bool{true, false} {
		for _, c := range r.Conflicts {
			if c.Kind.Hinders() != hinders {
				continue
			}
			if hinders {
				out.Hindering++
			}
			if len(out.Listed) < mostListed {
				out.Listed = append(out.Listed, Conflict{c.Kind, short(c.BMCs), cut(c.Text)})
			}
		}
	}
	all := r.Differences()
	if w := r.Withheld; w != nil {
		out.Withheld = &Held{Digest: w.Digest, Since: w.Since, Until: w.Since.Add(settle), Gone: w.Gone, Of: w.Of, First: ID(cut(string(w.First)))}
		for _, d := range all {
			switch d.Change {
			case "added":
				out.Withheld.Added++
			case "moved":
				out.Withheld.Moved++
			case "changed":
				out.Withheld.Changed++
			}
		}
	}
	out.Waiting = few(all, out.Missing)
	for i, d := range out.Waiting {
		out.Waiting[i].BMC, out.Waiting[i].Was, out.Waiting[i].Is = ID(cut(string(d.BMC))), cut(d.Was), cut(d.Is)
	}
	return out
}

// few are the first differences: of those that are missing, which come first, half of what may be listed, if there are others.
func few(all []Difference, missing int) []Difference {
	others := min(len(all)-missing, mostListed/2)
	first := min(missing, mostListed-others)
	return append(all[:first:first], all[missing:min(len(all), missing+mostListed-first)]...)
}

// short are the first few of many.
func short(ids []ID) []ID {
	var few []ID
	for _, id := range ids[:min(len(ids), mostNamed)] {
		few = append(few, ID(cut(string(id))))
	}
	return few
}

// cut bounds a text of a source's.
func cut(text string) string {
	if len(text) <= mostText {
		return text
	}
	end := mostText
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}
