package main

import (
	"go/ast"
	"strings"
	"testing"
)

// TestPackagesWithGoroutinesLookForLeaks: a package that starts goroutines has a TestMain that looks for those left over.
// Packages that only serve tests are looked after by the tests that they serve.
func TestPackagesWithGoroutinesLookForLeaks(t *testing.T) {
	_, all := sources(t)
	starts, looks, servesTests := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, s := range all {
		imports := map[string]bool{}
		for _, i := range s.ast.Imports {
			imports[strings.Trim(i.Path.Value, `"`)] = true
		}
		looks[s.dir] = looks[s.dir] || s.test && imports["go.uber.org/goleak"]
		servesTests[s.dir] = servesTests[s.dir] || !s.test && imports["testing"]
		starts[s.dir] = starts[s.dir] || startsGoroutine(s.ast)
	}
	for dir := range starts {
		if starts[dir] && !looks[dir] && !servesTests[dir] {
			t.Errorf("%s starts goroutines: want a TestMain with goleak", dir)
		}
	}
}

// startsGoroutine finds go statements and the Go method of sync.WaitGroup and errgroup.Group.
func startsGoroutine(file *ast.File) (found bool) {
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			found = true
		case *ast.CallExpr:
			method, ok := n.Fun.(*ast.SelectorExpr)
			found = found || ok && method.Sel.Name == "Go"
		}
		return !found
	})
	return found
}
