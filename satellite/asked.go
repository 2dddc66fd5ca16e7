package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"lamplighter/inventory"
	"lamplighter/results/api"
)

const askedExitCodes = `
Exit codes: 0 answered, 2 usage, a mistake in a filter, or the API refused, 4 the API was not reached or failed, 130 interrupted.
`

const (
	apiBase     = "/api/v1"
	answerFor   = 40 * time.Second // for an answer that is not streamed
	mostProblem = 64 << 10
)

// asked is the API that a command asks, and as whom.
type asked struct {
	base, tokenFile string
	token           inventory.Secret
	client          *http.Client
}

// apiCommand makes a command that asks the API; run gets it ready to be asked.
func apiCommand(cmd *cobra.Command, run func(cmd *cobra.Command, a *asked, args []string) error) *cobra.Command {
	a := &asked{}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := a.open(cmd.Context()); err != nil {
			return err
		}
		defer a.client.CloseIdleConnections()
		return askedError(cmd.Context(), cmd.ErrOrStderr(), run(cmd, a, args))
	}
	cmd.Flags().StringVar(&a.base, "api", defaultResults().url(), "`URL` of the API of lamplighter results, all or demo")
	cmd.Flags().StringVar(&a.tokenFile, "token-file", "", "`file` that holds a token, readable by its owner only; without it on this machine alone")
	return cmd
}

// askedError says what went wrong, and chooses the exit code.
func askedError(ctx context.Context, stderr io.Writer, err error) error {
	if err != nil && ctx.Err() != nil {
		return exitInterrupted
	}
	if errors.As(err, new(unanswered)) {
		fmt.Fprintf(stderr, "lamplighter: %v\n", err)
		return exitUnknown
	}
	return err
}

func (a *asked) open(ctx context.Context) error {
	at, err := url.Parse(a.base)
	if err != nil || at.Host == "" || at.Scheme != "http" && at.Scheme != "https" || at.User != nil || at.RawQuery != "" {
		return fmt.Errorf("--api %q: want http://host:port or https://host:port", a.base)
	}
	a.base = strings.TrimSuffix(at.Scheme+"://"+at.Host+at.Path, "/")
	if a.tokenFile != "" {
		if at.Scheme == "http" && !isLoopback(at.Host) {
			return fmt.Errorf("--api %s: a token goes over https://, or to this machine, where nobody can read it on the way", a.base)
		}
		if a.token, err = passwordFrom(ctx, "token", a.tokenFile); err != nil {
			return fmt.Errorf("--token-file: %w", err)
		}
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if isLoopback(at.Host) {
		transport.Proxy = nil
	}
	a.client = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse // a token is for whom it was meant
	}}
	return nil
}

// get asks for a document.
func (a *asked) get(ctx context.Context, path string, query url.Values, into any) error {
	return a.do(ctx, http.MethodGet, path, query, nil, into)
}

// do sends a request and reads the answer's document into into, unless it is nil.
func (a *asked) do(ctx context.Context, method, path string, query url.Values, body, into any) error {
	ctx, cancel := context.WithTimeout(ctx, answerFor)
	defer cancel()
	response, err := a.send(ctx, method, path, query, body)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if into == nil {
		return nil
	}
	if err := json.NewDecoder(response.Body).Decode(into); err != nil {
		return unanswered{fmt.Errorf("read the answer to %s %s: %w", method, a.base+path, err)}
	}
	return nil
}

// send returns an answer that is none of an error; its body is to be closed.
func (a *asked) send(ctx context.Context, method, path string, query url.Values, body any) (*http.Response, error) {
	target := a.base + apiBase + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	request, err := a.request(ctx, method, target, body)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, target, err)
	}
	response, err := a.client.Do(request)
	if err != nil {
		return nil, unanswered{fmt.Errorf("%w; is lamplighter results, all or demo running there? --api names another address", err)}
	}
	if response.StatusCode >= 200 && response.StatusCode < 300 {
		return response, nil
	}
	defer response.Body.Close()
	return nil, problemOf(method, target, response)
}

func (a *asked) request(ctx context.Context, method, target string, body any) (*http.Request, error) {
	var text io.Reader
	if body != nil {
		document, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		text = bytes.NewReader(document)
	}
	request, err := http.NewRequestWithContext(ctx, method, target, text)
	if err != nil {
		return nil, err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if !a.token.Empty() {
		request.Header.Set("Authorization", "Bearer "+a.token.Reveal())
	}
	return request, nil
}

// refusal is the API's problem with what was asked.
type refusal struct {
	api.Problem
	shown bool // a token was
}

func (r *refusal) Error() string {
	if r.Status == http.StatusUnauthorized && !r.shown {
		return r.Detail + "; --token-file shows one"
	}
	return r.Detail
}

// problemOf reads why the API did not do what was asked. What is not the asker's fault leaves open what was done.
func problemOf(method, target string, response *http.Response) error {
	r := refusal{shown: response.Request.Header.Get("Authorization") != ""}
	text, err := io.ReadAll(io.LimitReader(response.Body, mostProblem))
	if err != nil || json.Unmarshal(text, &r.Problem) != nil || r.Detail == "" {
		return unanswered{fmt.Errorf("%s %s: it answered %s, which is not Lamplighter's API", method, target, response.Status)}
	}
	if r.Status >= 500 {
		return unanswered{fmt.Errorf("%s %s: %s: %s (id %s)", method, target, response.Status, r.Detail, r.ID)}
	}
	return &r
}
