package bmcsim

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"lamplighter/inventory"
)

// Script says what goes wrong when: a list of steps.
type Script []Step

// Step plants one fault in some BMCs for some time. The selectors that are set must all agree; without any, every BMC that
// can have the fault gets it.
type Step struct {
	// BMCs are globs over IDs.
	BMCs Globs
	Site string
	Row  string
	Rack string
	// Vendor is all machines of one: with Plan.Shared those of one credential, too, and at a site those of one batch of certificates.
	Vendor string
	// Share takes that part of the selected BMCs, always the same ones, and none that a step before has taken.
	Share Share
	Fault Fault
	// From and To count from the start of Run; a To of zero is never.
	From time.Duration
	To   time.Duration
}

// Globs is a list of globs; in YAML a single one needs no list.
type Globs []string

// UnmarshalYAML reads a string or a list of strings.
func (g *Globs) UnmarshalYAML(read func(any) error) error {
	var one string
	if read(&one) == nil {
		*g = Globs{one}
		return nil
	}
	return read((*[]string)(g))
}

// Share is a part of a whole, from 0 to 1; in YAML a percentage such as 2.5%.
type Share float64

// UnmarshalText reads a percentage.
func (s *Share) UnmarshalText(text []byte) error {
	number, ok := strings.CutSuffix(string(text), "%")
	percent, err := strconv.ParseFloat(number, 64)
	if !ok || err != nil || !(percent > 0 && percent <= 100) {
		return fmt.Errorf("share %q: want more than 0%% and at most 100%%", text)
	}
	*s = Share(percent / 100)
	return nil
}

// maxScript is more than anybody writes by hand.
const maxScript = 1 << 20

// LoadScript reads a script in YAML. It is strict; its errors show the line.
func LoadScript(r io.Reader) (Script, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxScript+1))
	if err != nil {
		return nil, fmt.Errorf("read the script: %w", err)
	}
	if len(text) > maxScript {
		return nil, fmt.Errorf("read the script: longer than %d bytes", maxScript)
	}
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		return nil, fmt.Errorf("read the script: %s", yaml.FormatError(err, false, true))
	}
	var script Script
	for _, doc := range file.Docs {
		steps, err := readSteps(doc.Body)
		if err != nil {
			return nil, err
		}
		script = append(script, steps...)
	}
	return script, nil
}

// readSteps reads step by step, so that every mistake can be given its line.
func readSteps(body ast.Node) (Script, error) {
	if body == nil {
		return nil, nil // an empty script is a script
	}
	list, ok := body.(*ast.SequenceNode)
	if !ok {
		return nil, fmt.Errorf("read the script: line %d: want a list of steps", lineOf(body))
	}
	var script Script
	for i, node := range list.Values {
		if odd := findOdd(node); odd != nil {
			return nil, fmt.Errorf("script step %d, line %d: anchors, aliases and tags are not understood here", i+1, lineOf(odd))
		}
		var line scriptLine
		if err := yaml.NodeToValue(node, &line, yaml.Strict()); err != nil {
			return nil, fmt.Errorf("script step %d, line %d: %s", i+1, lineOf(node), yaml.FormatError(err, false, true))
		}
		if line.Fault == nil {
			return nil, fmt.Errorf("script step %d, line %d: no fault is named", i+1, lineOf(node))
		}
		step := line.step()
		if err := step.validate(); err != nil {
			return nil, fmt.Errorf("script step %d, line %d: %w", i+1, lineOf(node), err)
		}
		script = append(script, step)
	}
	return script, nil
}

// findOdd finds what no script needs: goccy/go-yaml v1.19.2 panics on an anchor before a tag where a list is wanted, and
// aliases let a short text stand for a huge one.
func findOdd(node ast.Node) (odd ast.Node) {
	for _, kind := range []ast.NodeType{ast.AnchorType, ast.AliasType, ast.TagType, ast.MergeKeyType} {
		if found := ast.Filter(kind, node); len(found) > 0 {
			return found[0]
		}
	}
	return nil
}

func lineOf(node ast.Node) int {
	if token := node.GetToken(); token != nil && token.Position != nil {
		return token.Position.Line
	}
	return 0
}

// scriptLine is a Step as it is written, with a fault that can be missing.
type scriptLine struct {
	BMCs   Globs         `yaml:"bmcs"`
	Site   string        `yaml:"site"`
	Row    string        `yaml:"row"`
	Rack   string        `yaml:"rack"`
	Vendor string        `yaml:"vendor"`
	Share  Share         `yaml:"share"`
	Fault  *Fault        `yaml:"fault"`
	From   time.Duration `yaml:"from"`
	To     time.Duration `yaml:"to"`
}

func (l scriptLine) step() Step {
	return Step{BMCs: l.BMCs, Site: l.Site, Row: l.Row, Rack: l.Rack, Vendor: l.Vendor, Share: l.Share, Fault: *l.Fault, From: l.From, To: l.To}
}

func (s Step) validate() error {
	for _, glob := range s.BMCs {
		if _, err := path.Match(glob, ""); err != nil {
			return fmt.Errorf("bmcs %q: %w", glob, err)
		}
	}
	switch {
	case s.Fault >= faultCount:
		return fmt.Errorf("fault %d: not in the table", s.Fault)
	case s.Share < 0 || s.Share > 1:
		return fmt.Errorf("share %v: want 0 to 1", float64(s.Share))
	case s.From < 0 || s.To < 0 || s.To != 0 && s.To <= s.From:
		return fmt.Errorf("from %s to %s: want an end after the beginning", s.From, s.To)
	}
	return nil
}

// selects says whether a BMC is meant, Share apart.
func (s Step) selects(b inventory.BMC) bool {
	for _, want := range [][2]string{{s.Site, b.Site}, {s.Row, b.Row}, {s.Rack, b.Rack}, {s.Vendor, b.Vendor}} {
		if want[0] != "" && want[0] != want[1] {
			return false
		}
	}
	return len(s.BMCs) == 0 || slices.ContainsFunc(s.BMCs, func(glob string) bool {
		ok, _ := path.Match(glob, string(b.ID))
		return ok
	})
}

// activeAt says whether the step's fault is there after so much time.
func (s Step) activeAt(elapsed time.Duration) bool {
	return s.From <= elapsed && (s.To == 0 || elapsed < s.To)
}

// step is a Step and the BMCs that it was found to mean.
type step struct {
	Step
	bmcs []*bmc
}

// resolve finds the BMCs of each step. A step that means nobody is an error: it is a typing mistake.
func (s Script) resolve(fleet []*bmc, seed uint64) ([]step, error) {
	steps, taken := make([]step, 0, len(s)), map[*bmc]bool{}
	for i, wanted := range s {
		if err := wanted.validate(); err != nil {
			return nil, fmt.Errorf("script step %d: %w", i+1, err)
		}
		found := wanted.find(fleet, taken, seed)
		if len(found) == 0 {
			return nil, fmt.Errorf("script step %d: no BMC left that it selects and that can have the fault %s", i+1, wanted.Fault)
		}
		for _, b := range found {
			taken[b] = true
		}
		steps = append(steps, step{wanted, found})
	}
	return steps, nil
}

func (s Step) find(fleet []*bmc, taken map[*bmc]bool, seed uint64) []*bmc {
	var found, free []*bmc
	for _, b := range fleet {
		if s.selects(b.record) && s.Fault.fits(b.speaks) {
			found = append(found, b)
			if !taken[b] {
				free = append(free, b)
			}
		}
	}
	if s.Share == 0 {
		return found
	}
	want := min(max(1, int(float64(s.Share)*float64(len(found))+0.5)), len(free)) // a share is never nobody
	rank := func(b *bmc) string { sum := derive(b.seed, fmt.Sprint("share ", seed)); return string(sum[:]) }
	slices.SortFunc(free, func(a, b *bmc) int { return cmp.Compare(rank(a), rank(b)) })
	return free[:want]
}

// play applies the script until ctx ends. Its beginning was applied when the fleet was made, so that Planted tells it at once.
func (f *Fleet) play(ctx context.Context) {
	start := time.Now()
	for _, at := range moments(f.script) {
		if !wait(ctx, time.Until(start.Add(at))) {
			return
		}
		f.apply(at)
	}
}

// moments are the times after the start at which a script changes something.
func moments(steps []step) []time.Duration {
	var at []time.Duration
	for _, s := range steps {
		at = append(at, s.From, s.To)
	}
	slices.Sort(at)
	at = slices.Compact(at)
	if len(at) > 0 && at[0] == 0 {
		at = at[1:]
	}
	return at
}

// apply gives every BMC the scripted faults of a moment.
func (f *Fleet) apply(elapsed time.Duration) {
	now := map[*bmc]faultSet{}
	for _, s := range f.script {
		for _, b := range s.bmcs {
			if s.activeAt(elapsed) {
				now[b] |= setOf(s.Fault)
			}
		}
	}
	for _, b := range f.bmcs {
		b.scripted.Store(uint64(now[b]))
	}
}
