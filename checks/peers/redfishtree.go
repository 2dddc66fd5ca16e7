package peers

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// The login that a Tree accepts.
const (
	TreeUsername = "lamplighter"
	TreePassword = "tree-s3cret/\"ä"
)

// TreesVariable names the environment variable with the folder of the vendor trees.
const TreesVariable = "LAMPLIGHTER_REDFISH_TREES"

// Trees are the folders of recorded Redfish answers, one per machine; without any the test is skipped, loudly.
func Trees(t testing.TB) []string {
	t.Helper()
	root := os.Getenv(TreesVariable)
	if root == "" {
		t.Skipf("NOT TESTED: the vendors' Redfish trees, since %s is not set", TreesVariable)
	}
	roots, err := filepath.Glob(filepath.Join(root, "*", "_redfish_v1.json"))
	if err != nil || len(roots) == 0 {
		t.Fatalf("%s=%s holds no tree (%v)", TreesVariable, root, err)
	}
	var dirs []string
	for _, file := range roots {
		dirs = append(dirs, filepath.Dir(file))
	}
	return dirs
}

// Tree is a recorded machine, served over TLS, with a session service that the recording lacks.
type Tree struct {
	*httptest.Server
	dir, power string

	mu       sync.Mutex
	sessions map[string]bool
	logins   int
	refused  int
	requests []string
}

// RedfishTree serves the recording in dir, PowerState set to power; "null" and "absent" mean just that. It ends with the test.
func RedfishTree(t testing.TB, dir, power string) *Tree {
	t.Helper()
	tree := &Tree{dir: dir, power: power, sessions: map[string]bool{}}
	tree.Server = httptest.NewTLSServer(tree)
	t.Cleanup(tree.Close)
	return tree
}

// Pin is what trust pin: takes for this server.
func (t *Tree) Pin() string {
	sum := sha256.Sum256(t.Certificate().RawSubjectPublicKeyInfo)
	return hex.EncodeToString(sum[:])
}

// Counts are how many logins were accepted and refused so far, and how many sessions are open.
func (t *Tree) Counts() (logins, refused, open int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.logins, t.refused, len(t.sessions)
}

// Requests are method and path of each request so far.
func (t *Tree) Requests() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]string(nil), t.requests...)
}

const treeSessions = "/redfish/v1/SessionService/Sessions"

func (t *Tree) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.requests = append(t.requests, r.Method+" "+r.URL.Path)
	token := r.Header.Get("X-Auth-Token")
	path := strings.TrimSuffix(r.URL.Path, "/")
	switch {
	case r.Method == http.MethodPost && path == treeSessions:
		t.logIn(w, r)
	case path == "/redfish/v1" && r.Method == http.MethodGet:
		t.serve(w, path)
	case !t.sessions[token]:
		w.WriteHeader(http.StatusUnauthorized)
	case r.Method == http.MethodDelete && path == treeSessions+"/"+token:
		delete(t.sessions, token)
		w.WriteHeader(http.StatusNoContent)
	default:
		t.serve(w, path)
	}
}

func (t *Tree) logIn(w http.ResponseWriter, r *http.Request) {
	var login struct{ UserName, Password string }
	if err := json.NewDecoder(r.Body).Decode(&login); err != nil || login.UserName != TreeUsername || login.Password != TreePassword {
		t.refused++
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	t.logins++
	token := "token" + string(rune('a'+t.logins))
	t.sessions[token] = true
	w.Header().Set("X-Auth-Token", token)
	w.Header().Set("Location", treeSessions+"/"+token)
	w.WriteHeader(http.StatusCreated)
}

// serve answers with a file of the recording; its name is the resource's path with / written as _.
func (t *Tree) serve(w http.ResponseWriter, path string) {
	body, err := os.ReadFile(filepath.Join(t.dir, strings.ReplaceAll(path, "/", "_")+".json"))
	if err != nil {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	if strings.HasPrefix(path, "/redfish/v1/Systems/") {
		body = withPower(body, t.power)
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body)
}

func withPower(body []byte, power string) []byte {
	system := map[string]any{}
	if err := json.Unmarshal(body, &system); err != nil {
		return body
	}
	system["PowerState"] = power
	switch power {
	case "null":
		system["PowerState"] = nil
	case "absent":
		delete(system, "PowerState")
	}
	changed, err := json.Marshal(system)
	if err != nil {
		return body
	}
	return changed
}
