package console

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"lamplighter/checks"
	"lamplighter/results"
)

// TestTheBrowsersTablesAreOurs holds web/tables.js against the table of codes, the chain and the pages. With
// LAMPLIGHTER_WRITE=1 it writes the file.
func TestTheBrowsersTablesAreOurs(t *testing.T) {
	var names []checks.Name
	for _, c := range checks.Default() {
		names = append(names, c.Name)
	}
	overlays := map[string]string{
		results.OverlayFlapping: "flapping: its health changes too often", results.OverlayAcked: "acknowledged: somebody is on it",
		results.OverlaySilenced: "silenced: kept quiet until an end",
	}
	var want strings.Builder
	want.WriteString("// Written by TestTheBrowsersTablesAreOurs (codes_test.go) from the tables in Go; they are the only ones.\n")
	for _, table := range []struct {
		name, about string
		of          any
	}{
		{"codes", "what a BMC looks like in one character", results.StateCodes}, {"overlays", "what stands beside a code", overlays},
		{"checks", "the chain's checks, in order", names}, {"causes", "what an incident may look like", results.CauseKinds},
		{"owners", "whose job it may be", []checks.Owner{checks.OwnerNetwork, checks.OwnerServer, checks.OwnerSecurity, checks.OwnerCredentials, checks.OwnerInventory, checks.OwnerUs}},
		{"acts", "what people can do, as the audit calls it", Acts},
		{"pages", "the paths that the server answers with the page", Pages},
	} {
		fmt.Fprintf(&want, "\n/** %s */\nexport const %s = %s;\n", table.about, table.name, lines(t, table.of))
	}
	if os.Getenv("LAMPLIGHTER_WRITE") != "" {
		if err := os.WriteFile("web/tables.js", []byte(want.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile("web/tables.js")
	if err != nil || string(got) != want.String() {
		t.Errorf("web/tables.js is not what Go says (%v): LAMPLIGHTER_WRITE=1 go test -run Tables ./results/console writes it", err)
	}
}

// lines writes a table as JSON: one that is too long for a line, a line for each of its rows.
func lines(t *testing.T, of any) string {
	t.Helper()
	text, err := json.Marshal(of)
	if err != nil {
		t.Fatal(err)
	}
	var rows []json.RawMessage
	if len(text) < 150 || json.Unmarshal(text, &rows) != nil {
		return string(text)
	}
	var all strings.Builder
	for _, row := range rows {
		fmt.Fprintf(&all, "\n  %s,", row)
	}
	return "[" + strings.TrimSuffix(all.String(), ",") + "\n]"
}
