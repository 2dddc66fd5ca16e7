package api

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"lamplighter/results/follow"
	"lamplighter/results/query"
	"lamplighter/results/store"
)

// Problem is an answer that is an error (RFC 9457, application/problem+json).
type Problem struct {
	Type   string `json:"type"` // urn:lamplighter:problem:KIND
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	// ID is of this answer; the log has it, too.
	ID string `json:"id"`
	// Parameter is the one with the mistake; Position and Expected are of a mistake in a filter.
	Parameter string `json:"parameter,omitempty"`
	Position  int    `json:"position,omitempty"`
	Expected  string `json:"expected,omitempty"`
}

func (p *Problem) Error() string { return p.Title + ": " + p.Detail }

// kinds of problems by status.
var kinds = map[int]string{
	http.StatusBadRequest: "bad-request", http.StatusUnauthorized: "no-token", http.StatusForbidden: "not-allowed", http.StatusNotFound: "not-found",
	http.StatusMethodNotAllowed: "no-such-method", http.StatusRequestEntityTooLarge: "too-large", http.StatusUnsupportedMediaType: "not-json",
	http.StatusConflict: "changed-meanwhile", http.StatusTooManyRequests: "too-many", http.StatusInternalServerError: "internal", http.StatusBadGateway: "site",
	http.StatusServiceUnavailable: "unavailable", http.StatusInsufficientStorage: "disk-full", http.StatusGatewayTimeout: "timeout", http.StatusNotAcceptable: "not-acceptable",
}

// problem makes a problem of a status and a sentence.
func problem(status int, format string, args ...any) *Problem {
	return &Problem{Type: "urn:lamplighter:problem:" + kinds[status], Title: http.StatusText(status), Status: status, Detail: fmt.Sprintf(format, args...)}
}

// mistake is a problem of one parameter.
func mistake(parameter string, err error) *Problem {
	p := problem(http.StatusBadRequest, "%s: %v", parameter, err)
	p.Parameter = parameter
	if at := new(query.Error); errors.As(err, &at) {
		p.Position, p.Expected = at.Position, at.Expected
	}
	return p
}

// problemOf is what the asker is told of an error. What is inside of us stays in the log: 500 says no more than the ID.
func problemOf(err error) *Problem {
	p := new(Problem)
	large := new(http.MaxBytesError)
	switch {
	case errors.As(err, &p):
		same := *p
		return &same
	case errors.As(err, &large):
		return problem(http.StatusRequestEntityTooLarge, "the body has more than %d bytes", large.Limit)
	case errors.Is(err, store.ErrFull):
		return problem(http.StatusInsufficientStorage, "the disk of the role results is full: nothing was kept; try again when there is room")
	case errors.Is(err, follow.ErrNot):
		return problem(http.StatusConflict, "%v", err)
	case errors.Is(err, store.ErrNone):
		return problem(http.StatusNotFound, "%v", err)
	}
	return problem(http.StatusInternalServerError, "the log has more under this ID")
}

// newID names a request.
func newID() string { return rand.Text() }

// write answers with the problem.
func (p *Problem) write(w http.ResponseWriter) {
	body, _ := json.Marshal(p) // plain fields never fail
	header := w.Header()
	header.Set("Content-Type", "application/problem+json")
	if p.Status == http.StatusUnauthorized {
		header.Set("WWW-Authenticate", `Bearer realm="lamplighter"`)
	}
	w.WriteHeader(p.Status)
	_, _ = w.Write(append(body, '\n')) // who asks may have left
}
