package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"mime"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/results/audit"
	"lamplighter/results/pace"
	"lamplighter/results/query"
	"lamplighter/results/store"
)

// document is docs/openapi.yaml.
type document struct {
	whole    any
	compiler *jsonschema.Compiler
	url      string

	mu       sync.Mutex // the compiler is for one at a time
	compiled map[string]*jsonschema.Schema
}

// described reads the document once.
var described = sync.OnceValues(func() (*document, error) {
	path, err := filepath.Abs("../../docs/openapi.yaml")
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	asJSON, err := yaml.YAMLToJSON(text)
	if err != nil {
		return nil, err
	}
	whole, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
	if err != nil {
		return nil, err
	}
	d := &document{whole: whole, compiler: jsonschema.NewCompiler(), url: "file://" + path, compiled: map[string]*jsonschema.Schema{}}
	d.compiler.AssertFormat()
	return d, d.compiler.AddResource(d.url, whole)
})

func openapi(t testing.TB) *document {
	t.Helper()
	d, err := described()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// at follows keys from the document's root; nil where there is nothing.
func (d *document) at(keys ...string) any {
	now := d.whole
	for _, key := range keys {
		m, _ := now.(map[string]any)
		now = m[key]
		m, _ = now.(map[string]any)
		if ref, ok := m["$ref"].(string); ok && strings.HasPrefix(ref, "#/components/") && !strings.Contains(ref, "/schemas/") {
			now = d.at(strings.Split(ref, "/")[1:]...)
		}
	}
	return now
}

// keys are those of an object, sorted.
func keys(of any) []string {
	m, _ := of.(map[string]any)
	return slices.Sorted(maps.Keys(m))
}

func TestTheDocumentAndTheRoutesAreTheSame(t *testing.T) {
	d := openapi(t)
	var got, want []string
	for _, path := range keys(d.at("paths")) {
		for _, method := range keys(d.at("paths", path)) {
			got = append(got, strings.ToUpper(method)+" "+path)
		}
	}
	for _, to := range routes {
		path, method := strings.TrimPrefix(to.path, base), strings.ToLower(to.method)
		want = append(want, to.method+" "+path)
		operation, _ := d.at("paths", path, method).(map[string]any)
		if operation == nil {
			continue
		}
		if about, _ := operation["description"].(string); about != "scope: "+string(to.scope) {
			t.Errorf("%s %s: the document says %q, the route wants a %s", to.method, path, about, to.scope)
		}
		d.sameParameters(t, to, operation)
		var statuses []string
		for _, status := range to.mayAnswer() {
			statuses = append(statuses, strconv.Itoa(status))
		}
		if got := keys(operation["responses"]); !slices.Equal(got, slices.Sorted(slices.Values(statuses))) {
			t.Errorf("%s %s: the document has the statuses %v, the route %v", to.method, path, got, statuses)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("the document has\n%v\nthere are\n%v", got, want)
	}
}

func (d *document) sameParameters(t *testing.T, to route, operation map[string]any) {
	t.Helper()
	got := map[string][]string{}
	all, _ := operation["parameters"].([]any)
	for _, one := range all {
		ref, _ := one.(map[string]any)["$ref"].(string)
		parameter, _ := d.at(strings.Split(ref, "/")[1:]...).(map[string]any)
		in, _ := parameter["in"].(string)
		name, _ := parameter["name"].(string)
		got[in] = append(got[in], name)
	}
	var inPath []string
	for part := range strings.SplitSeq(to.path, "/") {
		if strings.HasPrefix(part, "{") {
			inPath = append(inPath, strings.Trim(part, "{}"))
		}
	}
	for in, want := range map[string][]string{"path": inPath, "query": to.parameters} {
		if !slices.Equal(slices.Sorted(slices.Values(got[in])), slices.Sorted(slices.Values(want))) {
			t.Errorf("%s %s: the document has %s parameters %v, the route %v", to.method, to.path, in, got[in], want)
		}
	}
}

func TestTheDocumentsSchemasHaveTheFieldsOfTheirTypes(t *testing.T) {
	d := openapi(t)
	for name, of := range map[string]any{
		"Problem": Problem{}, "State": results.State{}, "Change": results.Change{}, "Fact": results.Fact{}, "Ack": store.Ack{}, "AckBody": ackBody{},
		"Span": store.Span{}, "ReasonCount": ReasonCount{}, "Summary": Summary{}, "Site": Site{}, "Rack": Rack{}, "BMC": BMC{}, "Neighbour": Neighbour{},
		"Detail": Detail{}, "History": History{}, "Hit": Hit{}, "Act": Act{}, "Reason": Reason{}, "Field": query.Field{}, "Step": Step{}, "Row": Row{},
		"Me": Me{}, "Map": Map{}, "MapRack": MapRack{}, "Elevation": Elevation{}, "Place": Place{}, "Snapshot": Snapshot{}, "Soft": results.Soft{}, "Found": results.Found{}, "Missed": results.Missed{}, "LastKnown": results.LastKnown{},
		"Incident": Incident{}, "IncidentDetail": IncidentDetail{}, "CauseOf": results.Cause{}, "Child": results.Child{}, "IncidentMember": IncidentMember{},
		"IncidentAck": results.IncidentAck{}, "Silenced": results.Silenced{}, "Ticket": results.Ticket{}, "SilenceDocument": results.Silence{}, "Silence": Silence{},
		"SilenceBody": silenceBody{}, "BulkAckBody": bulkAckBody{}, "Reach": Reach{}, "MadeSilence": MadeSilence{}, "AckedBMCs": AckedBMCs{},
		"AckedIncidents": AckedIncidents{}, "IncidentCounts": IncidentCounts{}, "CauseCount": CauseCount{}, "SilenceCounts": SilenceCounts{},
		"Spread": pace.Spread{}, "CheckPace": pace.Check{}, "WholePace": pace.Whole{}, "GroupPace": pace.Group{}, "Chain": pace.Report{}, "Certificates": Certificates{},
		"CertificateDay": CertificateDay{}, "Satellites": Satellites{}, "Cover": Cover{}, "Satellite": Satellite{}, "Rounds": Rounds{}, "SiteRounds": audit.Site{},
		"RoundsRead": audit.Stats{}, "SatelliteRounds": audit.Satellite{}, "LostRound": audit.Loss{}, "SilentBMC": audit.Silence{},
		"Paint": results.Paint{}, "StateCode": results.StateCode{}, "Overlay": Overlay{}, "Codes": Codes{}, "RechecksBody": rechecksBody{}, "BulkStep": BulkStep{},
		"Listing": Listing{}, "Groups": Groups{}, "Group": Group{}, "Strips": Strips{}, "Strip": Strip{}, "Inventory": Inventory{}, "InventorySource": inventory.SourceStatus{}, "InventoryChange": inventory.LastChange{}, "InventoryConflict": inventory.Conflict{},
		"InventoryHeld": inventory.Held{}, "InventoryDifference": inventory.Difference{}, "InventoryBody": inventoryBody{}, "InventoryDone": InventoryDone{},
	} {
		all, required := fieldsOf(reflect.TypeOf(of))
		schema, _ := d.at("components", "schemas", name).(map[string]any)
		if got := keys(schema["properties"]); !slices.Equal(got, slices.Sorted(slices.Values(all))) {
			t.Errorf("%s has %v, the document says %v", name, all, got)
		}
		var got []string
		for _, one := range orEmptyAny(schema["required"]) {
			got = append(got, one.(string))
		}
		if !slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(required))) {
			t.Errorf("%s always has %v, the document says %v", name, required, got)
		}
	}
}

func orEmptyAny(v any) []any {
	all, _ := v.([]any)
	return all
}

// fieldsOf are the JSON names of a struct's fields, and which of them are always there. A field takes the place of one of its
// name that is embedded.
func fieldsOf(of reflect.Type) (all, required []string) {
	is := map[string]bool{} // whether it is always there
	for field := range of.Fields() {
		if field.Anonymous && field.Tag.Get("json") == "" {
			a, r := fieldsOf(field.Type)
			for _, name := range a {
				is[name] = slices.Contains(r, name)
			}
		}
	}
	for field := range of.Fields() {
		if tag := field.Tag.Get("json"); field.IsExported() && tag != "" {
			name, option, _ := strings.Cut(tag, ",")
			is[name] = option == ""
		}
	}
	for name, always := range is {
		if all = append(all, name); always {
			required = append(required, name)
		}
	}
	return all, required
}

// hold says what is wrong with an answer by the document: its status, its type, or what is in it.
func (d *document) hold(method, path string, status int, kind string, body []byte) error {
	path, _, _ = strings.Cut(path, "?")
	at := slices.IndexFunc(routes, func(to route) bool { return to.method == method && matches(to.path, path) })
	if at < 0 {
		return nil // the answer that there is no such path
	}
	where := []string{"paths", strings.TrimPrefix(routes[at].path, base), strings.ToLower(method), "responses", strconv.Itoa(status)}
	response, _ := d.at(where...).(map[string]any)
	if response == nil {
		return fmt.Errorf("%s %s answers %d, which is not described", method, path, status)
	}
	media, _, err := mime.ParseMediaType(kind)
	content, _ := response["content"].(map[string]any)
	if content == nil && len(body) == 0 {
		return nil
	}
	described, isDescribed := content[media].(map[string]any)
	if err != nil || !isDescribed {
		return fmt.Errorf("%s %s answers %d with %q, which is not described", method, path, status, kind)
	}
	documents := [][]byte{body}
	switch media {
	case "text/csv", "text/event-stream":
		return nil
	case "application/x-ndjson":
		documents = bytes.Split(bytes.TrimSpace(body), []byte("\n"))
	}
	for _, one := range documents {
		if err := d.valid(described["schema"], one); err != nil && len(bytes.TrimSpace(one)) > 0 {
			return fmt.Errorf("%s %s: %w\n%.2000s", method, path, err, one)
		}
	}
	return nil
}

// valid holds a document against a schema of the document.
func (d *document) valid(schema any, body []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	text, err := json.Marshal(schema)
	if err != nil {
		return err
	}
	compiled := d.compiled[string(text)]
	if compiled == nil {
		here := fmt.Sprintf("%s.%d.json", d.url, len(d.compiled))
		pointed := strings.ReplaceAll(string(text), `"#/`, `"`+d.url+`#/`)
		value, err := jsonschema.UnmarshalJSON(strings.NewReader(pointed))
		if err != nil {
			return err
		}
		if err := d.compiler.AddResource(here, value); err != nil {
			return err
		}
		if compiled, err = d.compiler.Compile(here); err != nil {
			return err
		}
		d.compiled[string(text)] = compiled
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return err
	}
	return compiled.Validate(value)
}

func TestAnAnswerThatIsNotAsDescribedIsCaught(t *testing.T) {
	d := openapi(t)
	whole := `{"items":[{"bmc":"a","unit":1,"health":"available","field":"bmc","value":"a","site":"s","rack":"r"}],"next":""}`
	if err := d.hold("GET", base+"/search", 200, "application/json", []byte(whole)); err != nil {
		t.Error(err)
	}
	for _, change := range [][2]string{{`"available"`, `"up"`}, {`"unit":1`, `"unit":"1"`}, {`"rack":"r"`, `"rock":"r"`}, {`,"next":""`, ``}} {
		if d.hold("GET", base+"/search", 200, "application/json", []byte(strings.Replace(whole, change[0], change[1], 1))) == nil {
			t.Errorf("%v is not caught", change)
		}
	}
	if d.hold("GET", base+"/search", 418, "application/json", []byte(whole)) == nil || d.hold("GET", base+"/search", 200, "text/html", []byte(whole)) == nil {
		t.Error("another status or type is not caught")
	}
}
