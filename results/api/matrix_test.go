package api

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"lamplighter/results/console"
)

// declared is everything that the server answers, with who may ask: the tables that Handler reads, and no other list.
func declared() (all []route) {
	all = slices.Clone(routes)
	for _, one := range sights() {
		all = append(all, route{method: one.method, path: one.path, scope: one.scope})
	}
	return all
}

func TestARouteWithoutADeclaredRoleIsForNobody(t *testing.T) {
	for _, to := range declared() {
		if !slices.Contains([]Scope{Anyone, Viewer, Operator}, to.scope) {
			t.Errorf("%s %s: %q is no role", to.method, to.path, to.scope)
		}
		if is := strings.HasPrefix(to.path, base+"/"); is != (to.scope != Anyone) {
			t.Errorf("%s %s is for %s: the API is for those who signed in, the rest for everybody", to.method, to.path, to.scope)
		}
		if acts := to.method != "GET" && to.path != base+"/session"; acts != (to.scope == Operator) {
			t.Errorf("%s %s is for a %s: a viewer reads, an operator acts", to.method, to.path, to.scope)
		}
	}
	for _, scope := range []Scope{"", "admin", Anyone} {
		if local.may(scope) || (person{scope: scope}).may(Viewer) {
			t.Errorf("a role %q lets in", scope)
		}
	}
	files, _ := filepath.Glob("*.go")
	var registered []string
	for _, name := range files {
		if text, err := os.ReadFile(name); err != nil {
			t.Fatal(err)
		} else if !strings.HasSuffix(name, "_test.go") {
			registered = append(registered, regexp.MustCompile(`\.Handle(Func)?\(.*`).FindAllString(string(text), -1)...)
		}
	}
	if len(registered) != 3 {
		t.Errorf("routes are registered by\n%s\nwant the two tables, and what answers that there is no such path", strings.Join(registered, "\n"))
	}
}

// caller is somebody who asks, with what they show.
type caller struct {
	name   string
	is     Scope // "": nobody
	alien  bool  // a page of another origin
	header []string
}

// refused is the status that a caller is turned away with; 0 where they are not.
func (c caller) refused(to route) int {
	switch {
	case c.alien && to.method != "GET":
		return http.StatusForbidden
	case to.scope == Anyone:
		return 0
	case c.is == "":
		return http.StatusUnauthorized
	case c.is == Viewer && to.scope == Operator:
		return http.StatusForbidden
	}
	return 0
}

// try sends a request without waiting for the end of an answer, which streams do not have.
func (f *fleet) try(to route, client *http.Client, header []string) int {
	f.t.Helper()
	ctx, cancel := context.WithCancel(f.t.Context())
	defer cancel()
	path := strings.NewReplacer("{bmc}", "bmc-00000", "{round}", "x", "{incident}", "x", "{silence}", "x", "{id}", "x", "{$}", "", "{version}", "x", "{file...}", "main.js").Replace(to.path)
	r, err := http.NewRequestWithContext(ctx, to.method, "http://"+f.address+path, strings.NewReader("{}"))
	if err != nil {
		f.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	resp, err := client.Do(r)
	if err != nil {
		f.t.Fatalf("%s %s: %v", to.method, path, err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

// hold tries each route as each caller.
func (f *fleet) hold(client *http.Client, all ...caller) {
	f.t.Helper()
	for _, to := range declared() {
		for _, who := range all {
			status := f.try(to, client, who.header)
			if got := map[int]int{401: 401, 403: 403}[status]; got != who.refused(to) {
				f.t.Errorf("%s %s, for a %s, asked by %s: %d, want it turned away with %d", to.method, to.path, to.scope, who.name, status, who.refused(to))
			}
		}
	}
}

func plainClient(t *testing.T) *http.Client {
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// TestEachRouteForEachRole is the matrix, tried whole: whatever is wrong with a request, who may not is told that.
func TestEachRouteForEachRole(t *testing.T) {
	f, viewer, operator := guarded(t)
	expired, err := CreateToken(f.tokens, "old", Operator, time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	f.secrets = append(f.secrets, expired)
	bearer := func(token string) []string { return []string{"Authorization", "Bearer " + token} }
	kept := func(token string, more ...string) []string {
		return append([]string{"Cookie", cookie + "=" + token}, more...)
	}
	all := []caller{
		{"nobody", "", false, nil},
		{"nobody, on this machine where others can ask, too", "", false, []string{"X-Forwarded-For", "127.0.0.1"}},
		{"a viewer's token", Viewer, false, bearer(viewer)},
		{"an operator's token", Operator, false, bearer(operator)},
		{"an operator's token that expired", "", false, bearer(expired)},
		{"a token that nobody knows", "", false, bearer("lamp_WRONG")},
		{"another way to sign in", "", false, []string{"Authorization", "Basic " + operator}},
		{"a viewer's browser", Viewer, false, kept(viewer)},
		{"an operator's browser", Operator, false, kept(operator, "Sec-Fetch-Site", "same-origin")},
		{"a browser whose token expired", "", false, kept(expired)},
		{"an operator's browser, by a page of another origin", Operator, true, kept(operator, "Origin", "https://evil.example")},
		{"an operator's browser, by a page of another site", Operator, true, kept(operator, "Sec-Fetch-Site", "cross-site")},
		{"an operator's browser, by a page of a neighbour", Operator, true, kept(operator, "Sec-Fetch-Site", "same-site")},
		{"nobody who says a proxy knows them", "", false, []string{"X-Remote-User", "ada", "X-Remote-Groups", "noc"}},
	}
	f.hold(plainClient(t), all...)
	t.Run("a line of a role that there is not ends all", func(t *testing.T) {
		text, err := os.ReadFile(f.tokens)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(f.tokens, append(text, strings.ReplaceAll(string(text), `"operator"`, `"admin"`)...), 0o600); err != nil {
			t.Fatal(err)
		}
		until(t, "it was read", func() bool {
			return f.try(route{method: "GET", path: base + "/me"}, plainClient(t), bearer(viewer)) == 401
		})
		f.hold(plainClient(t), caller{"a token of another role", "", false, bearer(operator)})
	})
}

func TestOnThisMachineEachRouteIsOpenToItsOwnPages(t *testing.T) {
	f := newFleet(t)
	f.good(0, 1, nil)
	f.hold(plainClient(t),
		caller{"somebody on this machine", Operator, false, nil},
		caller{"a page of another origin", Operator, true, []string{"Origin", "https://evil.example"}},
		caller{"a page of another site", Operator, true, []string{"Sec-Fetch-Site", "cross-site"}},
		caller{"somebody by way of a proxy", "", false, []string{"X-Forwarded-For", "203.0.113.9"}},
		caller{"somebody with a token that nobody can check", "", false, []string{"Authorization", "Bearer lamp_x"}})
	if pages := len(console.Pages) + 1; len(declared()) != len(routes)+pages {
		t.Errorf("%d are declared, want %d routes and %d pages and files", len(declared()), len(routes), pages)
	}
}
