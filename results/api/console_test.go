package api

import (
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestEveryPathOfTheConsoleSaysWhoMayAskAndHoldsToIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens")
	until := time.Now().Add(time.Hour)
	viewer, _ := CreateToken(path, "wall", Viewer, time.Now(), until)
	operator, err := CreateToken(path, "ada", Operator, time.Now(), until)
	if err != nil {
		t.Fatal(err)
	}
	f := newFleet(t, func(f *fleet) { f.tokens, f.address = path, "0.0.0.0:0" })
	f.good(0, 1, nil)
	f.address = "127.0.0.1" + f.address[strings.LastIndexByte(f.address, ':'):]
	shown := map[Scope]string{Anyone: "", Viewer: viewer, Operator: operator}
	order := []Scope{Anyone, Viewer, Operator}
	try := func(method, path string, needs Scope) {
		if !slices.Contains(order, needs) {
			t.Errorf("%s %s says %q, want one of %q", method, path, needs, order)
			return
		}
		for scope, token := range shown {
			status := f.status(t, method, path, token)
			lets := status != http.StatusUnauthorized && status != http.StatusForbidden
			if want := slices.Index(order, scope) >= slices.Index(order, needs); lets != want {
				t.Errorf("%s %s, which needs %s: %s is answered %d", method, path, needs, scope, status)
			}
		}
	}
	for _, to := range routes { // what they hold to is tried beside them
		if !slices.Contains([]Scope{Viewer, Operator}, to.scope) {
			t.Errorf("%s %s says %q", to.method, to.path, to.scope)
		}
	}
	for _, p := range sights() {
		try(p.method, strings.NewReplacer("{version}", "x", "{file...}", "y", "{$}", "").Replace(p.path), p.scope)
	}
}

// status asks and reads no more than how it is answered, because streams do not end.
func (f *fleet) status(t *testing.T, method, path, token string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+f.address+path, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

func TestTheConsoleIsBesideTheAPI(t *testing.T) {
	f := newFleet(t)
	for path, want := range map[string]string{
		"/": "text/html", "/bmc?id=x": "text/html", "/site": "text/html", "/incidents": "text/html", "/incidents/inc-1": "text/html", "/silences": "text/html", "/incidents/a/b": "application/problem+json", "/nothing": "application/problem+json", "/bmc/x": "application/problem+json",
		"/api/v1/nothing": "application/problem+json", "/api/v1/me": "application/json",
	} {
		if _, _, header := f.call("GET", path, ""); !strings.HasPrefix(header.Get("Content-Type"), want) {
			t.Errorf("%s: %s, want %s", path, header.Get("Content-Type"), want)
		}
	}
	for path, want := range map[string]string{"/nothing": "text/html", "/incidents/a/b": "text/html", "/api/v1/nothing": "application/problem+json", "/api/": "application/problem+json"} {
		status, _, header := f.call("GET", path, "", "Accept", "text/html,*/*;q=0.8")
		if status != http.StatusNotFound || !strings.HasPrefix(header.Get("Content-Type"), want) {
			t.Errorf("a browser at %s: %d %s, want 404 %s", path, status, header.Get("Content-Type"), want)
		}
	}
	if got := get[Me](f, "/me"); !got.Local || got.Scope != Operator {
		t.Errorf("%+v", got)
	}
}
