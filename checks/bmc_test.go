package checks

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

const (
	bmcUser     = "admin"
	bmcPassword = "canary-7f3a\"/&ß"
)

// scripted is a Redfish service for tests: a healthy BMC, of which answers can be replaced one by one.
type scripted struct {
	*httptest.Server
	// answers replace those of a healthy BMC, by method and path.
	answers map[string]http.HandlerFunc

	mu         sync.Mutex
	requests   []string
	sessions   map[string]bool
	logins     int
	handshakes atomic.Int64
}

const sessionsPath = "/redfish/v1/SessionService/Sessions"

func newBMC(t testing.TB, answers map[string]http.HandlerFunc) *scripted {
	t.Helper()
	return newBMCWith(t, answers, nil)
}

func newBMCWith(t testing.TB, answers map[string]http.HandlerFunc, config func(*tls.Config)) *scripted {
	t.Helper()
	b := &scripted{answers: answers, sessions: map[string]bool{}}
	b.Server = httptest.NewUnstartedServer(b)
	b.Config.ErrorLog = log.New(io.Discard, "", 0)
	b.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		b.handshakes.Add(1)
		return nil, nil
	}}
	if config != nil {
		config(b.TLS)
	}
	b.StartTLS()
	t.Cleanup(func() { b.CloseClientConnections(); b.Close() })
	return b
}

func (b *scripted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	b.requests = append(b.requests, r.Method+" "+r.URL.Path)
	b.mu.Unlock()
	if answer := b.answers[r.Method+" "+r.URL.Path]; answer != nil {
		answer(w, r)
		return
	}
	b.healthy(w, r)
}

func (b *scripted) healthy(w http.ResponseWriter, r *http.Request) {
	switch path := r.URL.Path; {
	case path == "/redfish/v1/":
		say(w, 200, `{"RedfishVersion":"1.6.0","Systems":{"@odata.id":"/redfish/v1/Systems"},"Links":{"Sessions":{"@odata.id":"`+sessionsPath+`"}}}`)
	case r.Method == http.MethodPost && path == sessionsPath:
		b.logIn(w, r, true, true)
	case !b.open(r.Header.Get("X-Auth-Token")) && !basicOK(r):
		say(w, 401, `{}`)
	case r.Method == http.MethodDelete && strings.HasPrefix(path, sessionsPath+"/"):
		b.mu.Lock()
		delete(b.sessions, strings.TrimPrefix(path, sessionsPath+"/"))
		b.mu.Unlock()
		w.WriteHeader(http.StatusNoContent)
	case path == "/redfish/v1/Systems":
		say(w, 200, `{"Members":[{"@odata.id":"/redfish/v1/Systems/1"}]}`)
	case strings.HasPrefix(path, "/redfish/v1/Systems/"):
		say(w, 200, `{"Id":"1","PowerState":"On","SerialNumber":"SN1","UUID":"38947555-7742-3448-3784-823347823834"}`)
	default:
		say(w, 404, `{}`)
	}
}

// logIn makes a session and hands out its token and its place, or forgets to.
func (b *scripted) logIn(w http.ResponseWriter, r *http.Request, token, location bool) {
	var login struct{ UserName, Password string }
	if json.NewDecoder(r.Body).Decode(&login) != nil || login.UserName != bmcUser || login.Password != bmcPassword {
		say(w, 401, `{"error":{"code":"Base.1.0.GeneralError"}}`)
		return
	}
	b.mu.Lock()
	b.logins++
	id := fmt.Sprintf("s%d", b.logins)
	b.sessions[id] = true
	b.mu.Unlock()
	if token {
		w.Header().Set("X-Auth-Token", id)
	}
	if location {
		w.Header().Set("Location", sessionsPath+"/"+id)
	}
	say(w, 201, `{"@odata.id":"`+sessionsPath+"/"+id+`"}`)
}

func (b *scripted) open(id string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.sessions[id]
}

func (b *scripted) counts() (requests []string, logins, open int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.requests...), b.logins, len(b.sessions)
}

func basicOK(r *http.Request) bool {
	user, password, _ := r.BasicAuth()
	return user == bmcUser && password == bmcPassword
}

func say(w http.ResponseWriter, status int, body string) {
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

func respond(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { say(w, status, body) }
}
