package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/results/audit"
	"lamplighter/results/console"
	"lamplighter/results/follow"
	"lamplighter/results/pace"
	"lamplighter/results/store"
)

// Limits of the server.
const (
	mostListeners = 5_000
	mostRechecks  = 64
	mostSnapshots = 64
	mostBody      = 64 << 10
	mostHeader    = 16 << 10
	answerWithin  = 30 * time.Second // an answer that is not streamed
	goodbye       = 2 * time.Second  // for answers that were begun when the server ends
)

// Rechecker has a BMC checked again, now.
//
// Recheck is called concurrently, not retried, and hands each step to each, one at a time, as it comes. It returns once the
// round is over; the error says that nobody did it, a *NotDone with whose words.
type Rechecker interface {
	Recheck(ctx context.Context, site string, bmc inventory.ID, who string, each func(Step) error) error
}

// NotDone is the error of a site that refused, or did not answer.
type NotDone struct {
	Silent bool // nobody answered in time
	Text   string
}

func (e *NotDone) Error() string { return e.Text }

// Step is a part of what happens while a BMC is checked again: accepted, result, verdict, done or error.
type Step struct {
	Kind      string           `json:"kind"`
	At        time.Time        `json:"at"`
	Satellite string           `json:"satellite,omitempty"`
	Result    *checks.Result   `json:"result,omitempty"`
	Verdict   *results.Verdict `json:"verdict,omitempty"`
	Text      string           `json:"text,omitempty"`
}

// Config is what a Server is made of.
type Config struct {
	Live      *follow.Live
	Incidents Incidents
	Store     Store
	// Labels are a BMC's in the inventory; nil where this process knows none.
	Labels func(inventory.ID) map[string]string
	// Recheck may be nil: then nobody can be asked.
	Recheck Rechecker
	// Inventory is which BMCs there should be and where they stand, the same slice until there is another reading; nil where the
	// process does not know. It is called often, and nothing of the slice may change.
	Inventory func() []inventory.BMC
	// Inventories are how that follows the CMDB; nil: it does not.
	Inventories Inventories
	// Pace is how rounds go, Rounds which are missing; nil: nothing is known of it. Interval is how often a BMC is asked.
	Pace     *pace.Pace
	Rounds   *audit.Watch
	Interval time.Duration
	// Kept is how long changes are kept: what was before is not known. Zero: for ever.
	Kept time.Duration
	// Zones are the time zones of sites, by their IANA names.
	Zones map[string]string
	// Tokens is the file of tokens; without one the API listens on loopback only.
	Tokens string
	// Proxy is where people sign in by a proxy of their own; the zero value is nowhere.
	Proxy Proxy
	// Record is the file that says who did what; "": only as long as the process lives.
	Record string
	Log    *slog.Logger
}

// Store is what the API asks of the store.
type Store interface {
	store.History
	store.Incidents
	store.Acks
}

// Server answers the API. NewServer makes it; Listen, then Run.
type Server struct {
	Config
	hub       *hub
	console   *console.Console
	tokens    *Tokens
	record    *record
	past      past
	thens     thens
	open      bool // who is on this machine needs no token
	listener  net.Listener
	proxies   []net.Listener // where only the proxy can come
	listeners atomic.Int64
	rechecks  atomic.Int64
	bulks     atomic.Int64
	snapshots atomic.Int64
	looking   sync.Mutex // orders lookAtIncidents
}

// NewServer reads the tokens and the record.
func NewServer(c Config) (*Server, error) {
	if c.Pace == nil {
		c.Pace = pace.New(time.Now())
	}
	if c.Rounds == nil {
		c.Rounds = audit.NewWatch(audit.WatchConfig{Interval: c.Interval})
	}
	s := &Server{Config: c, hub: newHub(c.Live.Get), past: past{making: make(chan struct{}, 1)}}
	s.hub.labels = c.Labels
	if c.Incidents != nil {
		s.hub.incidentOf = c.Incidents.IncidentOf
	}
	var err error
	if s.console, err = console.New(); err != nil {
		return nil, err
	}
	if c.Tokens != "" {
		if s.tokens, err = OpenTokens(c.Tokens); err != nil {
			return nil, err
		}
	}
	s.record, err = openRecord(c.Record)
	return s, err
}

// Listen takes an address, host:port. One that others can reach needs a file of tokens. Run must follow.
func (s *Server) Listen(address string) (err error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("listen on %q: want host:port", address)
	}
	s.open = isLoopbackHost(host)
	if !s.open && s.tokens == nil {
		return fmt.Errorf("listen on %s: others can reach this address, so people must sign in: want a file of tokens, or a loopback address", address)
	}
	s.listener, err = net.Listen("tcp", address)
	return err
}

// Address is what it listens on; "" where it does not.
func (s *Server) Address() string {
	if s.listener == nil {
		return ""
	}
	return s.listener.Addr().String()
}

// Run answers until ctx ends; streams end at once then, and clients come back to whoever follows.
func (s *Server) Run(ctx context.Context) error {
	defer s.record.close()
	acks, err := s.Store.Acked(ctx)
	if err != nil {
		return fmt.Errorf("read acknowledgements: %w", err)
	}
	s.hub.acks(acks, time.Now())
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.follow(ctx) })
	group.Go(func() error { return s.paint(ctx) })
	group.Go(func() error {
		s.console.Squeeze(ctx)
		return nil
	})
	if s.listener != nil {
		s.serve(ctx, group, s.listener)
	}
	for _, listener := range s.proxies {
		s.serve(withProxy(ctx), group, listener)
	}
	return group.Wait()
}

func (s *Server) serve(ctx context.Context, group *errgroup.Group, listener net.Listener) {
	server := &http.Server{
		Handler: s.Handler(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: answerWithin + patience,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: mostHeader, ErrorLog: log.New(io.Discard, "", 0),
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	group.Go(func() error {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve the API on %s: %w", listener.Addr(), err)
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbye)
		defer cancel()
		if server.Shutdown(late) != nil {
			return server.Close()
		}
		return nil
	})
}

// Handler is what the server answers.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, r := range routes {
		mux.Handle(r.method+" "+r.path, s.answer(r))
	}
	s.mount(mux)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && !strings.HasPrefix(r.URL.Path, "/api/") && strings.Contains(r.Header.Get("Accept"), "text/html") { // a person's browser
			s.console.Nowhere(w, r)
			return
		}
		s.fail(w, r, nobody(r))
	})
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, problem(http.StatusForbidden, "a page of another origin may not do this"))
	}))
	return protection.Handler(mux)
}
