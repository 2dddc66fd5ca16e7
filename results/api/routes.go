package api

import (
	"context"
	"errors"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"
)

// base is where version 1 of the API is.
const base = "/api/v1"

// route is something that can be asked. docs/openapi.yaml has them all, and TestTheDocumentAndTheRoutesAreTheSame says so.
type route struct {
	method, path string
	scope        Scope
	parameters   []string // of the query; the path's are in the path
	statuses     []int    // besides those that any route may answer
	streams      bool     // it may take as long as the client wants
	handle       func(s *Server, w http.ResponseWriter, r *http.Request, a ask) error
}

// mayAnswer are all statuses that a route may answer.
func (to route) mayAnswer() []int {
	all := append([]int{http.StatusBadRequest, http.StatusUnauthorized, http.StatusInternalServerError}, to.statuses...)
	if to.scope == Operator {
		all = append(all, http.StatusForbidden)
	}
	return all
}

var (
	paged    = []string{"where", "limit", "cursor"}
	ok       = []int{http.StatusOK}
	okOrNone = []int{http.StatusOK, http.StatusNotFound}
)

// routes are all there are.
var routes = []route{
	{"GET", base + "/summary", Viewer, []string{"at", "where"}, ok, false, (*Server).summary},
	{"GET", base + "/sites", Viewer, append([]string{"at"}, paged...), ok, false, (*Server).sites},
	{"GET", base + "/racks", Viewer, append([]string{"at"}, paged...), ok, false, (*Server).racks},
	{"GET", base + "/bmcs", Viewer, append([]string{"at", "sort", "facts"}, paged...), ok, false, (*Server).bmcs},
	{"GET", base + "/bmcs/{bmc}", Viewer, []string{"at"}, okOrNone, false, (*Server).bmc},
	{"GET", base + "/bmcs/{bmc}/history", Viewer, []string{"at", "from", "to"}, okOrNone, false, (*Server).history},
	{"GET", base + "/bmcs/{bmc}/verdicts", Viewer, []string{"from", "to", "limit", "cursor"}, okOrNone, false, (*Server).verdicts},
	{"GET", base + "/bmcs/{bmc}/facts", Viewer, nil, okOrNone, false, (*Server).facts},
	{"POST", base + "/bmcs/{bmc}/recheck", Operator, nil, []int{200, 404, 415, 429, 502, 503, 504}, true, (*Server).recheck},
	{"PUT", base + "/bmcs/{bmc}/ack", Operator, nil, []int{200, 404, 413, 415, 507}, false, (*Server).ack},
	{"DELETE", base + "/bmcs/{bmc}/ack", Operator, nil, []int{204, 404, 507}, false, (*Server).unack},
	{"PUT", base + "/acks", Operator, []string{"where"}, []int{200, 409, 413, 415, 507}, false, (*Server).ackAll},
	{"POST", base + "/rechecks", Operator, []string{"where"}, []int{200, 409, 413, 415, 429, 503}, true, (*Server).recheckAll},
	{"GET", base + "/incidents", Viewer, append([]string{"at", "limit", "cursor"}, asksIncidents...), ok, false, (*Server).incidents},
	{"POST", base + "/incidents/ack", Operator, asksIncidents, []int{200, 409, 413, 415, 507}, false, (*Server).ackIncidents},
	{"GET", base + "/incidents/{incident}", Viewer, nil, okOrNone, false, (*Server).incident},
	{"PUT", base + "/incidents/{incident}/ack", Operator, nil, []int{200, 404, 409, 413, 415, 507}, false, (*Server).ackIncident},
	{"DELETE", base + "/incidents/{incident}/ack", Operator, nil, []int{204, 404, 507}, false, (*Server).unackIncident},
	{"GET", base + "/silences", Viewer, []string{"status"}, ok, false, (*Server).silences},
	{"POST", base + "/silences", Operator, nil, []int{200, 409, 413, 415, 507}, false, (*Server).silence},
	{"DELETE", base + "/silences/{silence}", Operator, nil, []int{204, 404, 409, 507}, false, (*Server).endSilence},
	{"GET", base + "/rounds/{round}", Viewer, nil, okOrNone, false, (*Server).round},
	{"GET", base + "/changes", Viewer, append([]string{"at", "from", "to", "kind"}, paged...), ok, false, (*Server).changes},
	{"GET", base + "/search", Viewer, []string{"q", "limit"}, ok, false, (*Server).search},
	{"GET", base + "/export/bmcs", Viewer, []string{"at", "where", "format"}, ok, true, (*Server).exportBMCs},
	{"GET", base + "/export/changes", Viewer, []string{"at", "where", "from", "to", "kind", "format"}, ok, true, (*Server).exportChanges},
	{"GET", base + "/export/incidents", Viewer, append([]string{"at", "format"}, asksIncidents...), ok, true, (*Server).exportIncidents},
	{"GET", base + "/audit", Viewer, []string{"do", "limit", "cursor"}, ok, false, (*Server).audit},
	{"GET", base + "/audit/rounds", Viewer, nil, ok, false, (*Server).auditRounds},
	{"GET", base + "/inventory", Viewer, nil, ok, false, (*Server).listing},
	{"POST", base + "/inventory/sync", Operator, nil, []int{200, 404, 409, 413, 415, 503, 504}, false, (*Server).syncInventory},
	{"POST", base + "/inventory/approve", Operator, nil, []int{200, 404, 409, 413, 415, 503, 504}, false, (*Server).approveInventory},
	{"GET", base + "/satellites", Viewer, nil, ok, false, (*Server).satellites},
	{"GET", base + "/chain", Viewer, []string{"check"}, ok, false, (*Server).chain},
	{"GET", base + "/certificates", Viewer, []string{"where"}, ok, false, (*Server).certificates},
	{"GET", base + "/groups", Viewer, []string{"at", "where", "by"}, ok, false, (*Server).groups},
	{"GET", base + "/strips", Viewer, []string{"where", "by"}, ok, false, (*Server).strips},
	{"GET", base + "/reasons", Viewer, nil, ok, false, (*Server).reasons},
	{"GET", base + "/statecode", Viewer, nil, ok, false, (*Server).statecode},
	{"GET", base + "/fields", Viewer, nil, ok, false, (*Server).fields},
	{"GET", base + "/snapshot", Viewer, []string{"where"}, []int{200, 503}, true, (*Server).snapshot},
	{"GET", base + "/me", Viewer, nil, ok, false, (*Server).me},
	{"POST", base + "/session", Viewer, nil, ok, false, (*Server).signIn},
	{"DELETE", base + "/session", Viewer, nil, []int{http.StatusNoContent}, false, (*Server).signOut},
	{"GET", base + "/map", Viewer, []string{"at"}, ok, false, (*Server).fleetMap},
	{"GET", base + "/map/stream", Viewer, []string{"since"}, []int{200, 503}, true, (*Server).mapStream},
	{"GET", base + "/elevation", Viewer, []string{"at", "site", "room", "row", "rack"}, okOrNone, false, (*Server).elevation},
	{"GET", base + "/stream", Viewer, []string{"where", "since"}, []int{200, 503}, true, (*Server).stream},
}

// answer is a route with what all have in common: an ID, who asks, and how a mistake is told.
func (s *Server) answer(to route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Cache-Control", "no-store")
		header.Set("X-Request-Id", newID())
		if !to.streams {
			ctx, cancel := context.WithTimeout(r.Context(), answerWithin)
			defer cancel()
			r = r.WithContext(ctx)
		}
		r.Body = http.MaxBytesReader(w, r.Body, mostBody)
		told := &telling{ResponseWriter: w}
		if err := s.try(told, r, to); err != nil && !told.begun {
			s.fail(told, r, err)
		} else if err != nil {
			s.Log.Warn("answer broken off", "id", header.Get("X-Request-Id"), "path", r.URL.Path, "err", err)
			panic(http.ErrAbortHandler) // the client must not take it for whole
		}
	})
}

func (s *Server) try(w http.ResponseWriter, r *http.Request, to route) error {
	who, err := s.who(r)
	if err != nil {
		return err
	}
	if !who.may(to.scope) {
		return problem(http.StatusForbidden, "%s is a %s; this wants an %s", who.name, who.scope, to.scope)
	}
	a, err := s.readAsk(r, to, who, time.Now())
	a.id = w.Header().Get("X-Request-Id")
	if err != nil {
		return err
	}
	return to.handle(s, w, r, a)
}

// telling knows whether an answer has begun.
type telling struct {
	http.ResponseWriter
	begun bool
}

func (t *telling) WriteHeader(status int) {
	t.begun = true
	t.ResponseWriter.WriteHeader(status)
}

func (t *telling) Write(p []byte) (int, error) {
	t.begun = true
	return t.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (t *telling) Unwrap() http.ResponseWriter { return t.ResponseWriter }

// fail answers with a problem, and logs what is our own fault under the problem's ID.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := problemOf(err)
	if p.ID = w.Header().Get("X-Request-Id"); p.ID == "" {
		p.ID = newID()
		w.Header().Set("X-Request-Id", p.ID)
	}
	if p.Status >= 500 && !errors.Is(err, context.Canceled) {
		s.Log.Error("request failed", "id", p.ID, "method", r.Method, "path", r.URL.Path, "err", err)
	}
	p.write(w)
}

// nobody is the problem of a path that no route has, or of a method that its route does not have.
func nobody(r *http.Request) error {
	var methods []string
	for _, to := range routes {
		if matches(to.path, r.URL.EscapedPath()) && !slices.Contains(methods, to.method) {
			methods = append(methods, to.method)
		}
	}
	if len(methods) > 0 {
		return problem(http.StatusMethodNotAllowed, "%s: want %s", r.URL.Path, strings.Join(methods, " or "))
	}
	return problem(http.StatusNotFound, "%.200s: the API has no such path; docs/api.md lists them", r.URL.Path)
}

func matches(pattern, path string) bool {
	want, got := strings.Split(pattern, "/"), strings.Split(path, "/")
	return slices.EqualFunc(want, got, func(w, g string) bool { return w == g || strings.HasPrefix(w, "{") && g != "" })
}

// isJSON says whether a request's body is JSON. Pages of others cannot send that without asking.
func isJSON(r *http.Request) error {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return problem(http.StatusUnsupportedMediaType, "want a body of Content-Type application/json")
	}
	return nil
}
