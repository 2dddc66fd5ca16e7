// Package schematest holds the records that tests produce against the published schemas in docs/schemas. Only tests import it.
package schematest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

var compiled sync.Map // schemas by name: a test validates thousands of documents

// Validate wants doc to be valid by the schema docs/schemas/NAME.json.
func Validate(t testing.TB, name string, doc []byte) {
	t.Helper()
	if err := Check(name, doc); err != nil {
		t.Errorf("by docs/schemas/%s.json: %v\n%s", name, err, doc)
	}
}

// Check says what is wrong with doc.
func Check(name string, doc []byte) error {
	schema, ok := compiled.Load(name)
	if !ok {
		compiler := jsonschema.NewCompiler()
		compiler.AssertFormat()
		fresh, err := compiler.Compile(Path(name))
		if err != nil {
			return err
		}
		schema, _ = compiled.LoadOrStore(name, fresh)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(doc))
	if err != nil {
		return fmt.Errorf("it is no JSON: %w", err)
	}
	return schema.(*jsonschema.Schema).Validate(value)
}

// Path is where a schema is, from any package of the module.
func Path(name string) string {
	dir, err := os.Getwd()
	for err == nil && dir != filepath.Dir(dir) {
		path := filepath.Join(dir, "docs", "schemas", name+".json")
		if _, missing := os.Stat(path); missing == nil {
			return path
		}
		dir = filepath.Dir(dir)
	}
	return name + ".json"
}
