package results_test

import (
	"encoding/json"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/results/schematest"
	"lamplighter/results/snapshot"
)

// fields are the JSON names of a struct's fields, and which of them may be left out.
func fields(of any) (all, required []string) {
	for field := range reflect.TypeOf(of).Fields() {
		name, option, _ := strings.Cut(field.Tag.Get("json"), ",")
		all = append(all, name)
		if option == "" {
			required = append(required, name)
		}
	}
	return all, required
}

func TestSchemasHaveTheFieldsOfTheirDocuments(t *testing.T) {
	for name, test := range map[string]struct {
		document any
		at       []string // where in the schema
	}{
		"verdict.v1":        {results.Verdict{}, nil},
		"gap.v1":            {results.Gap{}, nil},
		"skip.v1":           {results.Skip{}, nil},
		"tally.v1":          {results.Tally{}, nil},
		"dead.v1":           {results.DeadLetter{}, nil},
		"act.v1":            {results.Act{}, nil},
		"state.v1":          {results.State{}, nil},
		"change.v1":         {results.Change{}, nil},
		"incident.v1":       {results.Incident{}, nil},
		"silence.v1":        {results.Silence{}, nil},
		"ticket.v1":         {results.Ticket{}, nil},
		"inventory.v1":      {snapshot.Document{}, nil},
		"inventory.v1 bmc":  {inventory.BMC{}, []string{"$defs", "bmc"}},
		"verdict.v1 result": {checks.Result{}, []string{"$defs", "result"}},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(schematest.Path(strings.Fields(name)[0]))
			if err != nil {
				t.Fatal(err)
			}
			var schema map[string]any
			if err := json.Unmarshal(text, &schema); err != nil {
				t.Fatal(err)
			}
			for _, key := range test.at {
				schema = schema[key].(map[string]any)
			}
			wantAll, wantRequired := fields(test.document)
			if got := slices.Collect(maps.Keys(schema["properties"].(map[string]any))); !sameSet(got, wantAll) {
				t.Errorf("properties %v, want %v", got, wantAll)
			}
			var required []string
			for _, field := range schema["required"].([]any) {
				required = append(required, field.(string))
			}
			if !sameSet(required, wantRequired) {
				t.Errorf("required %v, want %v", required, wantRequired)
			}
		})
	}
}

func sameSet(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// Whatever Judge makes of whatever happened is valid, with every reason, check, health and owner there is.
func TestEveryVerdictIsValidByItsSchema(t *testing.T) {
	validate := func(task checks.Task) {
		t.Helper()
		text, err := json.Marshal(results.Judge(task, bmc, checks.Default(), "sat", due.Add(time.Minute)))
		if err != nil {
			t.Fatal(err)
		}
		schematest.Validate(t, "verdict.v1", text)
	}
	for _, check := range checks.Default() {
		for _, info := range checks.Reasons {
			validate(task(ended(check.Name, checks.Failed, info.Reason)))
			validate(task(ended(check.Name, checks.OutcomeUnknown, info.Reason)))
			validate(task(ok(check.Name, info.Reason)))
		}
	}
	validate(task())
}

func TestASchemaCatchesWhatItMust(t *testing.T) {
	whole, err := json.Marshal(results.Judge(task(ok(checks.Ping)), bmc, chain, "sat", due))
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string][2]string{
		"a health that is none":            {`"health":"unknown"`, `"health":"dead"`},
		"a field that is missing":          {`"owner":"us",`, ``},
		"a round without its why":          {`#routine`, ``},
		"a time that is none":              {`"at":"2026-11-22T03:00:00Z"`, `"at":"yesterday"`},
		"another version of the document":  {`verdict.v1`, `verdict.v2`},
		"a check that nobody has heard of": {`"check":"ping"`, `"check":"smell"`},
		"notes that are null":              {`"notes":[]`, `"notes":null`},
		"facts that are not texts":         {`"facts":{}`, `"facts":{"a":1}`},
	} {
		t.Run(name, func(t *testing.T) {
			changed := strings.Replace(string(whole), change[0], change[1], 1)
			if changed == string(whole) {
				t.Fatalf("nothing to change in %s", whole)
			}
			if err := schematest.Check("verdict.v1", []byte(changed)); err == nil {
				t.Errorf("valid: %s", changed)
			}
		})
	}
}

// checkDocuments holds a state and its changes against their schemas, and wants to read back what was written.
func checkDocuments(t *testing.T, s results.State, changes []results.Change) {
	t.Helper()
	if s.Seq > 0 {
		var back results.State
		roundTrip(t, "state.v1", s, &back)
		if !reflect.DeepEqual(back, s) {
			t.Errorf("state read back:\n%+v, want\n%+v", back, s)
		}
	}
	for _, change := range changes {
		var back results.Change
		roundTrip(t, "change.v1", change, &back)
		if !reflect.DeepEqual(back, change) {
			t.Errorf("change read back:\n%+v, want\n%+v", back, change)
		}
	}
}

func roundTrip(t *testing.T, schema string, document, back any) {
	t.Helper()
	text, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	schematest.Validate(t, schema, text)
	if err := json.Unmarshal(text, back); err != nil {
		t.Fatal(err)
	}
}
