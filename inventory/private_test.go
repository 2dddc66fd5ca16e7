package inventory

import (
	"os"
	"path/filepath"
	"testing"
)

// A file written just now is read at each call, but thousands of logins must not parse it thousands of times.
func TestAPrivateFileIsAnewOnlyWithAnotherContent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	p := &privateFile{path: path}
	for _, step := range []struct {
		content string
		anew    bool
	}{{"one", true}, {"one", false}, {"two", true}, {"two", false}, {"one", true}} {
		if err := os.WriteFile(path, []byte(step.content), 0o600); err != nil {
			t.Fatal(err)
		}
		text, anew, err := p.read()
		if err != nil || anew != step.anew || text.Reveal() != step.content {
			t.Errorf("%q: %q, anew %v, %v; want anew %v", step.content, text.Reveal(), anew, err, step.anew)
		}
	}
	p.forget()
	if _, anew, err := p.read(); err != nil || !anew {
		t.Errorf("after forget: anew %v, %v", anew, err)
	}
}
