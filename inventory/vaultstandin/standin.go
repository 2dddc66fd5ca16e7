// Package vaultstandin stands in for HashiCorp Vault in tests: its documented HTTP API of sys/health, AppRole and Kubernetes login, token
// renewal and KV version 2, with its statuses and bodies. It is not Vault: what Vault does beyond its documentation it does not do.
package vaultstandin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// Server is one Vault. Its methods may be called at any time.
type Server struct {
	*httptest.Server
	RoleID, SecretID string // of AppRole

	mu                      sync.Mutex
	mode                    string // "", sealed, denied, limited, html, hanging
	secrets                 map[string][]version
	tokens                  map[string]bool
	made                    int
	reads, signIns, renewed int
	release                 chan struct{}
	over                    sync.Once
}

type version struct {
	data    map[string]any
	deleted time.Time
}

// Start starts one that ends with the test. Its root token is root-token.
func Start(t testing.TB) *Server {
	t.Helper()
	t.Log("vault is a stand-in that behaves as the HTTP API documentation says, not a real Vault")
	s := &Server{RoleID: "lamplighter", SecretID: "sesame", secrets: map[string][]version{}, tokens: map[string]bool{"root-token": true}, release: make(chan struct{})}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(func() {
		s.over.Do(func() { close(s.release) })
		s.Server.Close()
	})
	return s
}

// Write adds a version of a secret.
func (s *Server) Write(mount, path string, data map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := mount + "/data/" + path
	s.secrets[at] = append(s.secrets[at], version{data: data})
}

// Delete deletes the newest version of a secret, as kv delete does: its metadata stays.
func (s *Server) Delete(mount, path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.secrets[mount+"/data/"+path]
	all[len(all)-1].deleted = time.Now()
}

func (s *Server) set(mode string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mode = mode
}

// Seal seals it, Deny takes the right to read, Limit has it want a pause, AnswerHTML puts a web server in its place, Hang has it answer
// nothing more, Heal ends all of that.
func (s *Server) Seal()       { s.set("sealed") }
func (s *Server) Deny()       { s.set("denied") }
func (s *Server) Limit()      { s.set("limited") }
func (s *Server) AnswerHTML() { s.set("html") }
func (s *Server) Hang()       { s.set("hanging") }
func (s *Server) Heal()       { s.set("") }

// Revoke ends all tokens.
func (s *Server) Revoke() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.tokens)
}

// Reads is how often a secret was asked for, SignIns and Renewals how often somebody signed in, and renewed a token.
func (s *Server) Reads() int    { return s.count(&s.reads) }
func (s *Server) SignIns() int  { return s.count(&s.signIns) }
func (s *Server) Renewals() int { return s.count(&s.renewed) }

func (s *Server) count(n *int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return *n
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, "/v1/")
	s.mu.Lock()
	mode := s.mode
	switch {
	case strings.HasSuffix(path, "/login"):
		s.signIns++
	case strings.Contains(path, "/data/"):
		s.reads++
	}
	s.mu.Unlock()
	switch mode {
	case "hanging":
		select {
		case <-s.release:
		case <-r.Context().Done():
		}
		return
	case "html":
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusBadGateway)
		_, _ = w.Write([]byte("<html><body>502 Bad Gateway</body></html>"))
		return
	case "sealed":
		fail(w, http.StatusServiceUnavailable, "Vault is sealed")
		return
	case "limited":
		fail(w, http.StatusTooManyRequests, "request path: rate limit quota exceeded")
		return
	}
	switch {
	case strings.HasPrefix(path, "auth/") && strings.HasSuffix(path, "/login"):
		s.login(w, r, strings.TrimSuffix(strings.TrimPrefix(path, "auth/"), "/login"))
	case path == "auth/token/renew-self":
		s.renew(w, r)
	default:
		s.read(w, r, path, mode == "denied")
	}
}

func (s *Server) login(w http.ResponseWriter, r *http.Request, method string) {
	var who map[string]string
	_ = json.NewDecoder(r.Body).Decode(&who)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case method == "approle" && (who["role_id"] != s.RoleID || who["secret_id"] != s.SecretID):
		fail(w, http.StatusBadRequest, "invalid role or secret ID")
	case method == "kubernetes" && (who["jwt"] == "" || who["role"] == ""):
		fail(w, http.StatusBadRequest, "missing jwt or role")
	case method != "approle" && method != "kubernetes":
		fail(w, http.StatusForbidden, "permission denied")
	default:
		s.made++
		token := fmt.Sprintf("hvs.%d", s.made)
		s.tokens[token] = true
		answer(w, http.StatusOK, map[string]any{"auth": lease(token)})
	}
}

func lease(token string) map[string]any {
	return map[string]any{"client_token": token, "accessor": "accessor", "policies": []string{"default", "bmc"}, "lease_duration": 3600, "renewable": true}
}

func (s *Server) renew(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	token := r.Header.Get("X-Vault-Token")
	if !s.tokens[token] {
		fail(w, http.StatusForbidden, "permission denied")
		return
	}
	s.renewed++
	answer(w, http.StatusOK, map[string]any{"auth": lease(token)})
}

func (s *Server) read(w http.ResponseWriter, r *http.Request, path string, denied bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.secrets[path]
	switch {
	case denied || !s.tokens[r.Header.Get("X-Vault-Token")]:
		fail(w, http.StatusForbidden, "1 error occurred:\n\t* permission denied\n\n")
	case len(all) == 0:
		answer(w, http.StatusNotFound, map[string]any{"errors": []string{}})
	default:
		newest := all[len(all)-1]
		metadata := map[string]any{"created_time": "2026-11-22T03:00:00.000000000Z", "custom_metadata": nil, "deletion_time": "", "destroyed": false, "version": len(all)}
		body := map[string]any{"data": map[string]any{"data": newest.data, "metadata": metadata}}
		status := http.StatusOK
		if !newest.deleted.IsZero() {
			metadata["deletion_time"] = newest.deleted.UTC().Format(time.RFC3339Nano)
			body, status = map[string]any{"data": map[string]any{"data": nil, "metadata": metadata}}, http.StatusNotFound
		}
		answer(w, status, body)
	}
}

func fail(w http.ResponseWriter, status int, text string) {
	answer(w, status, map[string]any{"errors": []string{text}})
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
