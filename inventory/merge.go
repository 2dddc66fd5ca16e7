package inventory

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
)

// Merged is a Source of several, the one that has precedence first: of each BMC it takes what the first says, and what that leaves
// empty from the next that knows the BMC by its ID. When one cannot be read the whole cannot.
type Merged []Source

// BMCs asks one source after the other. Records are complete only once they are merged.
func (m Merged) BMCs(ctx context.Context, known Known) (Answer, error) {
	if len(m) == 1 {
		return m[0].BMCs(ctx, known)
	}
	var all Answer
	at := map[ID]int{}
	for _, source := range m {
		answer, err := source.BMCs(ctx, Known{})
		if err != nil {
			return Answer{Sources: all.Sources}, err
		}
		all.Sources = append(all.Sources, answer.Sources...)
		all.Bad = append(all.Bad, answer.Bad...)
		all.Read, all.Of = all.Read+answer.Read, all.Of+answer.Of
		here := make(map[ID]bool, len(answer.BMCs))
		for _, b := range answer.BMCs {
			i, before := at[b.ID]
			once := !here[b.ID]
			here[b.ID] = true // twice in one source is a conflict
			if before && once && b.ID != "" {
				both := filled(*all.BMCs[i], *b)
				all.BMCs[i] = &both
				continue
			}
			at[b.ID] = len(all.BMCs)
			all.BMCs = append(all.BMCs, b)
		}
	}
	for i, b := range all.BMCs {
		merged := *b // it may be the source's own
		all.BMCs[i] = cmp.Or(known.same(&merged), &merged)
	}
	return all, nil
}

// filled is b with what it leaves empty taken from other.
func filled(b, other BMC) BMC {
	was := b.Labels
	b.Labels = maps.Clone(other.Labels)
	if b.Labels == nil {
		b.Labels = map[string]string{}
	}
	maps.Copy(b.Labels, was)
	if len(b.Labels) == 0 {
		b.Labels = nil
	}
	for _, c := range columns {
		own, theirs := c.get(b), c.get(other)
		unsaid := own == "" || c.name == "protocol" && b.Protocol == Auto || c.name == "login" && b.Login == DefaultLogin
		if !unsaid || theirs == "" || c.name == "address" {
			continue
		}
		if want := c.set(&b, theirs); want != "" {
			panic(fmt.Sprintf("inventory: column %s of %s cannot be read again", c.name, other.ID)) // it was read by the same function
		}
	}
	return b
}

// OfSite is a Source of one site's BMCs; without a site of all.
type OfSite struct {
	Source Source
	Site   string
}

// BMCs asks the source. What is read and of how many stays what the source said.
func (o OfSite) BMCs(ctx context.Context, known Known) (Answer, error) {
	answer, err := o.Source.BMCs(ctx, known)
	if err != nil || o.Site == "" {
		return answer, err
	}
	answer.BMCs = slices.DeleteFunc(slices.Clone(answer.BMCs), func(b *BMC) bool { return b.Site != o.Site })
	return answer, nil
}
