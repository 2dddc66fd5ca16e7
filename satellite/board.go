package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
)

// board keeps the newest verdict of each BMC and draws racks and causes for a terminal. It is a results.Sink.
type board struct {
	bmcs []inventory.BMC // by place

	mu     sync.Mutex // protects all following fields
	newest map[inventory.ID]results.Verdict
}

func newBoard(bmcs []inventory.BMC) *board {
	b := &board{bmcs: slices.Clone(bmcs), newest: map[inventory.ID]results.Verdict{}}
	slices.SortStableFunc(b.bmcs, func(x, y inventory.BMC) int {
		return cmp.Or(cmp.Compare(x.Site, y.Site), cmp.Compare(x.Room, y.Room), cmp.Compare(x.Row, y.Row), cmp.Compare(x.Rack, y.Rack), cmp.Compare(x.Unit, y.Unit))
	})
	return b
}

// Emit keeps v unless a newer one is there.
func (b *board) Emit(_ context.Context, v results.Verdict) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if old, ok := b.newest[v.BMC]; !ok || !v.Round.Due.Before(old.Round.Due) {
		b.newest[v.BMC] = v
	}
	return nil
}

// snapshot copies the newest verdicts.
func (b *board) snapshot() map[inventory.ID]results.Verdict {
	b.mu.Lock()
	defer b.mu.Unlock()
	newest := make(map[inventory.ID]results.Verdict, len(b.newest))
	for id, v := range b.newest {
		newest[id] = v
	}
	return newest
}

// letter is how a verdict looks in a rack's strip: a dot is available, a capital names the check that failed (P ping, T tls,
// L login, W power), d is degraded with the chain gone through, ? is unknown.
func letter(v results.Verdict, known bool) string {
	switch {
	case !known:
		return " "
	case v.Health == checks.Unknown:
		return "?"
	case v.Health == checks.Available:
		return "·"
	case v.Failed == "":
		return "d"
	case v.Failed == checks.Ping:
		return "P"
	case v.Failed == checks.TLS:
		return "T"
	case v.Failed == checks.Power:
		return "W"
	}
	return "L"
}

// drawRacks writes a line per rack: place, a letter per BMC from the lowest unit up, and counts.
func (b *board) drawRacks(w io.Writer, newest map[inventory.ID]results.Verdict) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "SITE\tRACK\tBMCs, lowest unit first\tHEALTH")
	for _, rack := range b.racks() {
		strip, counts := strings.Builder{}, newSummary()
		for _, bmc := range rack {
			v, known := newest[bmc.ID]
			strip.WriteString(letter(v, known))
			if known {
				counts.add(v)
			}
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", dash(rack[0].Site), dash(rack[0].Rack), &strip, counts.healthLine())
	}
	_ = table.Flush()
}

// racks are the BMCs, rack by rack.
func (b *board) racks() (racks [][]inventory.BMC) {
	for start := 0; start < len(b.bmcs); {
		end := start
		for end < len(b.bmcs) && sameRack(b.bmcs[start], b.bmcs[end]) {
			end++
		}
		racks = append(racks, b.bmcs[start:end])
		start = end
	}
	return racks
}

func sameRack(a, b inventory.BMC) bool {
	return a.Site == b.Site && a.Room == b.Room && a.Row == b.Row && a.Rack == b.Rack
}

// wrongLine is BMCs of one rack with the same cause.
type wrongLine struct {
	site, rack string
	cause      cause
	bmcs       []string
}

// drawWrong writes a line per rack and cause.
func (b *board) drawWrong(w io.Writer, newest map[inventory.ID]results.Verdict) {
	var lines []*wrongLine
	index := map[string]*wrongLine{}
	for _, bmc := range b.bmcs {
		v, known := newest[bmc.ID]
		if !known || v.Health == checks.Available {
			continue
		}
		c := cause{v.Health, v.Failed, v.Reason}
		key := fmt.Sprint(bmc.Site, "\x00", bmc.Rack, "\x00", c)
		if index[key] == nil {
			index[key] = &wrongLine{site: bmc.Site, rack: bmc.Rack, cause: c}
			lines = append(lines, index[key])
		}
		index[key].bmcs = append(index[key].bmcs, string(bmc.ID))
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "SITE\tRACK\tBMC\tHEALTH\tFAILED\tREASON\tOWNER\tNEXT STEP")
	for _, l := range lines {
		info := l.cause.reason.Info()
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", dash(l.site), dash(l.rack), named(l.bmcs), l.cause.health,
			dash(l.cause.failed), l.cause.reason, info.Owner, info.NextStep)
	}
	_ = table.Flush()
}

// named is one name, or the first and how many more.
func named(ids []string) string {
	if len(ids) == 1 {
		return ids[0]
	}
	return fmt.Sprintf("%s and %d more", ids[0], len(ids)-1)
}
