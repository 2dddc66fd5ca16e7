package api

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"lamplighter/results/follow"
	"lamplighter/results/query"
)

// Groups are BMCs by the value of a field.
type Groups struct {
	By string `json:"by"`
	// Items are the largest share of failing first; of more than 1,000 Other counts the rest.
	Items []Group `json:"items"`
	Other int     `json:"other"`
	// Labels are the names of the inventory's labels that some of the BMCs have, at most 100: each is a field, too.
	Labels []string `json:"labels"`
}

// Group is the BMCs with one value, "" where there is none; Where is the filter that finds them, "" where none does.
type Group struct {
	Value string `json:"value"`
	Where string `json:"where"`
	Count
}

const (
	mostGroups = 1000
	mostLabels = 100
)

// groupable are the kinds of fields whose values are shared.
var groupable = []query.Kind{query.Text, query.Company, query.Choice, query.Version, query.Number, query.Flag}

// by reads what is grouped by.
func (s *Server) by(a ask) (query.Field, error) {
	field, ok := query.FieldNamed(a.text("by"))
	switch {
	case !ok || !slices.Contains(groupable, field.Kind):
		return field, mistake("by", fmt.Errorf("%.100q: want a field that is no time and no address, such as vendor, firmware, row or label.tenant; /api/v1/fields lists them", a.text("by")))
	case field.IsLabel() && s.Labels == nil:
		return field, mistake("by", errors.New("labels are the inventory's, and this process knows none"))
	}
	return field, nil
}

// groups answers with what matches by the value of a field: GET /groups.
func (s *Server) groups(w http.ResponseWriter, _ *http.Request, a ask) error {
	field, err := s.by(a)
	if err != nil {
		return err
	}
	found, labels, l := map[string][]*follow.BMC{}, map[string]bool{}, s.lens(a)
	s.matching(a, func(b *follow.BMC) bool {
		value := l.subject(b)(field.Name)
		found[value] = append(found[value], b)
		if s.Labels != nil && len(labels) < mostLabels {
			for name := range s.Labels(b.State.BMC) {
				labels[name] = true
			}
		}
		return true
	})
	g := Groups{By: field.Name, Items: []Group{}, Labels: slices.Sorted(maps.Keys(labels))}
	g.Labels = orEmpty(g.Labels[:min(len(g.Labels), mostLabels)])
	for value, count := range countsOf(field, found, l) {
		g.Items = append(g.Items, Group{Value: value, Count: *count})
	}
	slices.SortFunc(g.Items, func(a, b Group) int {
		return cmp.Or(b.Unavailable*a.Total-a.Unavailable*b.Total, b.Total-a.Total, strings.Compare(a.Value, b.Value))
	})
	for _, rest := range g.Items[min(len(g.Items), mostGroups):] {
		g.Other += rest.Total
	}
	g.Items = g.Items[:min(len(g.Items), mostGroups)]
	for i := range g.Items {
		g.Items[i].Where = filterFor(field, g.Items[i].Value)
		g.Items[i].close()
	}
	return reply(w, g)
}

// countsOf counts what was found by its value. Values that a filter takes for the same are one group: its filter finds them all.
func countsOf(field query.Field, found map[string][]*follow.BMC, l lens) map[string]*Count {
	counts, same := map[string]*Count{}, field.Alike(slices.Collect(maps.Keys(found)))
	for value, all := range found {
		count := counts[same[value]]
		if count == nil {
			count = new(Count)
			counts[same[value]] = count
		}
		for _, b := range all {
			count.add(&b.State, l.overlay(b))
		}
	}
	return counts
}

// filterFor is the filter that finds the BMCs with a value: what is no version is only held by a field of one.
func filterFor(field query.Field, value string) string {
	name := field.Name
	if field.IsLabel() {
		name = quoted(name)
	}
	for _, operator := range []string{"=", "~"} {
		where := name + operator + quoted(value)
		if _, err := query.Parse(where); err == nil {
			return where
		}
	}
	return ""
}

// quoted is a text as a filter has it.
func quoted(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
}
