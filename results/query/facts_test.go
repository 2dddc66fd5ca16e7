package query

import (
	"slices"
	"testing"

	"lamplighter/results"
)

func TestEveryFactThatIsKeptCanBeAskedFor(t *testing.T) {
	for _, name := range results.FactNames {
		if field, ok := FieldNamed(name); !ok || !field.Fact {
			t.Errorf("%s is no field", name)
		}
	}
	for _, field := range Fields {
		if field.Fact && !slices.Contains(results.FactNames, field.Name) {
			t.Errorf("%s is a field, but not kept as a fact", field.Name)
		}
		if len(operators[field.Kind]) == 0 {
			t.Errorf("%s is of the kind %q, which has no operators", field.Name, field.Kind)
		}
	}
}
