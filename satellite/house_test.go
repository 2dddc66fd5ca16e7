package main

import (
	"bytes"
	"cmp"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The rules of the house: docs/architecture.md says why.
const (
	module        = "lamplighter"
	longestFile   = 300
	longestFunc   = 60
	repository    = ".."
	forbiddenName = " util utils common helper helpers type types model models misc manager "
)

// upstream says which parts a part may import besides itself; the satellite may import all.
var upstream = map[string][]string{
	"inventory": {},
	"checks":    {"inventory"},
	"results":   {"inventory", "checks"},
	"satellite": {"inventory", "checks", "results"},
}

// onlyIn names the one package that may import a module.
var onlyIn = map[string]string{
	"github.com/rabbitmq/amqp091-go": "satellite/bus/amqp",
	"github.com/IBM/sarama":          "results/kafka",
	"github.com/prometheus":          "satellite/metrics",
	"modernc.org/sqlite":             "results/store/sqlite",
}

// topLevel is all that the repository's root may hold besides dot files.
var topLevel = []string{"satellite", "checks", "results", "inventory", "deploy", "docs", "go.mod", "go.sum", "Makefile", "README.md"}

// exceptions are files, or functions as file:name, that may be longer, each with its reason.
var exceptions = map[string]string{}

// source is one Go file of ours.
type source struct {
	path  string // from the repository's root, with slashes
	dir   string
	test  bool
	lines int
	ast   *ast.File
}

// sources parses every Go file of the tree, tests too.
func sources(t *testing.T) (*token.FileSet, []source) {
	t.Helper()
	files := token.NewFileSet()
	var all []source
	for part := range upstream {
		err := filepath.WalkDir(filepath.Join(repository, part), func(name string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() && entry.Name() == "testdata" {
				return cmp.Or(err, fs.SkipDir)
			}
			if entry.IsDir() || !strings.HasSuffix(name, ".go") {
				return nil
			}
			text, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			parsed, err := parser.ParseFile(files, name, text, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			rel := filepath.ToSlash(strings.TrimPrefix(name, repository+string(filepath.Separator)))
			all = append(all, source{rel, path.Dir(rel), strings.HasSuffix(name, "_test.go"), bytes.Count(text, []byte("\n")), parsed})
			return nil
		})
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	if len(all) < 10 {
		t.Fatalf("found only %d Go files", len(all))
	}
	return files, all
}

func TestEveryPackageHasADoc(t *testing.T) {
	_, all := sources(t)
	docs, names := map[string]string{}, map[string]string{}
	for _, s := range all {
		if !s.test {
			names[s.dir] = s.ast.Name.Name
			docs[s.dir] += s.ast.Doc.Text()
		}
	}
	for dir, name := range names {
		if !strings.HasPrefix(docs[dir], "Package "+name+" ") && !(name == "main" && strings.HasPrefix(docs[dir], "Command ")) {
			t.Errorf("%s: want one package doc that starts with %q, got %.60q", dir, "Package "+name, docs[dir])
		}
		if strings.Contains(forbiddenName, " "+path.Base(dir)+" ") || strings.Contains(forbiddenName, " "+name+" ") {
			t.Errorf("%s: a package is named after what it is about", dir)
		}
	}
}

// arrow says what is wrong when a package imports another; nothing where it may.
func arrow(dir, imported string) string {
	for name, owner := range onlyIn {
		if (imported == name || strings.HasPrefix(imported, name+"/")) && dir != owner && !strings.HasPrefix(dir, owner+"/") {
			return "only " + owner + " may"
		}
	}
	ours, isOurs := strings.CutPrefix(imported, module+"/")
	from, _, _ := strings.Cut(dir, "/")
	to, _, _ := strings.Cut(ours, "/")
	if isOurs && from != to && !slices.Contains(upstream[from], to) {
		return "arrows go inventory <- checks <- results <- satellite"
	}
	return ""
}

func TestArrowsBetweenPackagesGoUpstream(t *testing.T) {
	_, all := sources(t)
	for _, s := range all {
		for _, spec := range s.ast.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if wrong := arrow(s.dir, imported); wrong != "" {
				t.Errorf("%s imports %s: %s", s.path, imported, wrong)
			}
		}
	}
}

func TestAnArrowIsToldRight(t *testing.T) {
	for _, test := range []struct {
		dir, imported string
		ok            bool
	}{
		{"inventory", "fmt", true},
		{"inventory", "lamplighter/checks", false},
		{"checks", "lamplighter/inventory", true},
		{"checks/bmcsim", "lamplighter/checks/rmcp", true},
		{"checks", "lamplighter/results", false},
		{"results", "lamplighter/satellite/bus", false},
		{"results/kafka", "lamplighter/checks", true},
		{"satellite", "lamplighter/results", true},
		{"satellite/bus", "github.com/rabbitmq/amqp091-go", false},
		{"satellite/bus/amqp", "github.com/rabbitmq/amqp091-go", true},
		{"results", "github.com/IBM/sarama/mocks", false},
		{"results/kafka", "github.com/IBM/sarama", true},
	} {
		if wrong := arrow(test.dir, test.imported); (wrong == "") != test.ok {
			t.Errorf("%s imports %s: %q", test.dir, test.imported, wrong)
		}
	}
}

func TestFilesAndFunctionsAreShort(t *testing.T) {
	files, all := sources(t)
	used := map[string]bool{}
	long := func(name string, lines, most int) {
		if lines <= most {
			return
		}
		used[name] = true
		if exceptions[name] == "" {
			t.Errorf("%s has %d lines, at most %d are allowed", name, lines, most)
		}
	}
	for _, s := range all {
		if s.test || importsTesting(s.ast) {
			continue
		}
		long(s.path, s.lines, longestFile)
		for _, decl := range s.ast.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok {
				long(s.path+":"+f.Name.Name, files.Position(f.End()).Line-files.Position(f.Pos()).Line+1, longestFunc)
			}
		}
	}
	for name := range exceptions {
		if !used[name] {
			t.Errorf("%s is an exception that nothing needs any more", name)
		}
	}
}

// importsTesting is true for suites such as bustest, which are tests outside of test files.
func importsTesting(file *ast.File) bool {
	return slices.ContainsFunc(file.Imports, func(i *ast.ImportSpec) bool { return i.Path.Value == `"testing"` })
}

func TestTheTopLevelHoldsOnlyWhatItMay(t *testing.T) {
	git := exec.Command("git", "ls-files", "-z")
	git.Dir = repository
	listed, err := git.Output()
	if err != nil {
		t.Skipf("NOT TESTED: what the top level holds: git ls-files: %v", err)
	}
	for name := range strings.SplitSeq(strings.Trim(string(listed), "\x00"), "\x00") {
		top, _, _ := strings.Cut(name, "/")
		if !slices.Contains(topLevel, top) && !strings.HasPrefix(top, ".") {
			t.Errorf("%s does not belong to the top level", name)
		}
	}
}
