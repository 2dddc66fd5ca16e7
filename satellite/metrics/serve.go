package metrics

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/errgroup"
)

// goodbye is how long answers may take when the server ends.
const goodbye = 2 * time.Second

// Server answers /metrics, /healthz and /readyz.
type Server struct {
	Metrics *Metrics
	Ready   *Ready
	Pulse   *Pulse

	listener net.Listener // nil: nobody asks
}

// Listen takes an address, host:port. Run must follow.
func (s *Server) Listen(address string) (err error) {
	s.listener, err = net.Listen("tcp", address)
	return err
}

// Address is what it listens on; empty where it does not.
func (s *Server) Address() string {
	if s.listener == nil {
		return ""
	}
	return s.listener.Addr().String()
}

// Run serves until ctx ends, and for what it had begun a little longer.
func (s *Server) Run(ctx context.Context) error {
	if s.listener == nil {
		<-ctx.Done()
		return nil
	}
	server := &http.Server{
		Handler: s.Handler(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 15 * time.Second,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10, ErrorLog: log.New(io.Discard, "", 0),
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.Metrics.poll(ctx) })
	group.Go(func() error {
		if err := server.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve metrics on %s: %w", s.Address(), err)
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
	return group.Wait()
}

// Handler is what the server answers.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.Metrics.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		text, ok := s.Pulse.Report(time.Now())
		answer(w, text+"\n", ok)
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		text, ok := s.Ready.Report()
		answer(w, text, ok)
	})
	return mux
}

func answer(w http.ResponseWriter, text string, ok bool) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if !ok {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_, _ = io.WriteString(w, text) // who asks may have left
}
