package ticket

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"lamplighter/inventory"
	httpweb "lamplighter/inventory/web"
)

const (
	// patience is how long a desk may take to answer.
	patience = 15 * time.Second
	// mostAnswer is how much of an answer is read.
	mostAnswer = 1 << 20
	// mostWait is the longest that a desk may make us wait.
	mostWait = time.Hour
)

// Web is where a desk is, and how it lets us in.
type Web struct {
	Name string // the desk's
	URL  string // without what the product adds: https://example.atlassian.net
	// User and Secret log in by HTTP Basic; a Secret without a User is a bearer token.
	User   string
	Secret inventory.Secret
	Roots  *x509.CertPool // nil: the system's
	// Patience is how long it may take to answer; 0: 15 s.
	Patience time.Duration
}

// web asks a desk over HTTP. It follows no redirect, reads a bounded answer, and turns whatever goes wrong into a *Failure.
type web struct {
	Web
	client *http.Client
}

func newWeb(w Web) web {
	if w.Patience == 0 {
		w.Patience = patience
	}
	w.URL = strings.TrimRight(w.URL, "/")
	return web{w, &http.Client{
		Timeout: w.Patience,
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: w.Roots},
			MaxConnsPerHost: 8, MaxIdleConnsPerHost: 4, IdleConnTimeout: 30 * time.Second, ForceAttemptHTTP2: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Close hangs up.
func (w web) Close() { w.client.CloseIdleConnections() }

// ask sends body as JSON, if there is one, and reads the answer into to, if that is not nil. An answer that is none is a Failure.
func (w web) ask(ctx context.Context, method, path string, body, to any) error {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return fmt.Errorf("desk %s: encode what to tell: %w", w.Name, err)
		}
	}
	answer, err := w.send(ctx, method, path, text, nil)
	if err != nil || to == nil {
		return err
	}
	if err := json.Unmarshal(answer, to); err != nil {
		return &Failure{Desk: w.Name, Did: w.did(method, path), Kind: Away, Status: http.StatusOK, Said: w.said(answer), HTML: httpweb.IsHTML("", answer)}
	}
	return nil
}

// did is what was attempted, without the query: it may hold what is searched for.
func (w web) did(method, path string) string {
	path, _, _ = strings.Cut(path, "?")
	return method + " " + w.URL + path
}

// send sends a body as it is, and returns the answer's.
func (w web) send(ctx context.Context, method, path string, body []byte, header http.Header) ([]byte, error) {
	failed := func(err error) error {
		return &Failure{Desk: w.Name, Did: w.did(method, path), Err: errors.New(w.Secret.Scrub(w.User, reachable(err).Error()))}
	}
	request, err := http.NewRequestWithContext(ctx, method, w.URL+path, bytes.NewReader(body))
	if err != nil {
		return nil, failed(err)
	}
	for name, values := range header {
		request.Header[name] = values
	}
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", "lamplighter")
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	w.login(request)
	response, err := w.client.Do(request)
	if err != nil {
		return nil, failed(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, mostAnswer))
	if err != nil {
		return nil, failed(err)
	}
	if response.StatusCode/100 != 2 || httpweb.IsHTML(response.Header.Get("Content-Type"), answer) {
		return nil, w.failure(w.did(method, path), response, answer)
	}
	return answer, nil
}

// reachable is an error without the URL, which the Failure has.
func reachable(err error) error {
	var wrapped interface{ Unwrap() error }
	if errors.As(err, &wrapped) && wrapped.Unwrap() != nil {
		return wrapped.Unwrap()
	}
	return err
}

func (w web) login(request *http.Request) {
	switch {
	case w.Secret.Empty():
	case w.User == "":
		request.Header.Set("Authorization", "Bearer "+w.Secret.Reveal())
	default:
		request.SetBasicAuth(w.User, w.Secret.Reveal())
	}
}

func (w web) failure(did string, response *http.Response, answer []byte) *Failure {
	f := &Failure{Desk: w.Name, Did: did, Status: response.StatusCode, Said: w.said(answer), HTML: httpweb.IsHTML(response.Header.Get("Content-Type"), answer)}
	switch code := response.StatusCode; {
	case code == http.StatusUnauthorized:
		f.Kind = Refused
	case code == http.StatusTooManyRequests || code == http.StatusServiceUnavailable:
		f.After = httpweb.RetryAfter(response.Header.Get("Retry-After"), time.Now(), mostWait)
	case f.HTML || code == http.StatusRequestTimeout || code >= 500:
	case code/100 == 3 || code/100 == 4:
		f.Kind = Wrong
	}
	if location := response.Header.Get("Location"); response.StatusCode/100 == 3 && location != "" {
		f.Said = "it is at " + cleaned(location, 200)
	}
	return f
}

// said is how an answer begins, without our secret: a desk may echo it.
func (w web) said(answer []byte) string {
	return cleaned(w.Secret.Scrub(w.User, string(answer[:min(len(answer), 4096)])), 300)
}
