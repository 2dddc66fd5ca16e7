package metrics

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// served starts a server and returns how to ask it, and its end.
func served(t *testing.T, s *Server) (get func(path string) (int, string), end func()) {
	t.Helper()
	if err := s.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	get = func(path string) (int, string) {
		t.Helper()
		response, err := client.Get("http://" + s.Address() + path)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, string(text)
	}
	return get, func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

func TestTheServerSaysWhetherASatelliteIsReady(t *testing.T) {
	missing := errors.New("not connected since noon")
	var ready Ready
	ready.Need("inventory", func() error { return nil })
	ready.Need("bus", func() error { return missing })
	get, end := served(t, &Server{Metrics: New("v1"), Ready: &ready, Pulse: NewPulse()})
	defer end()
	if code, text := get("/readyz"); code != 503 || text != "inventory: ok\nbus: not connected since noon\n" {
		t.Errorf("%d %q", code, text)
	}
	missing = nil
	if code, text := get("/readyz"); code != 200 || text != "inventory: ok\nbus: ok\n" {
		t.Errorf("%d %q", code, text)
	}
	if code, text := get("/healthz"); code != 200 || !strings.HasPrefix(text, "ok") {
		t.Errorf("%d %q", code, text)
	}
	if code, text := get("/metrics"); code != 200 || !strings.Contains(text, `lamplighter_build_info{goversion="go`) {
		t.Errorf("%d %.300q", code, text)
	}
	if code, _ := get("/debug/pprof/"); code != 404 {
		t.Errorf("%d for what is not there", code)
	}
}

func TestAConnectionThatSaysNothingDoesNotHoldTheEndUp(t *testing.T) {
	s := &Server{Metrics: New("v1"), Ready: new(Ready), Pulse: NewPulse()}
	_, end := served(t, s)
	conn, err := net.Dial("tcp", s.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	start := time.Now()
	end()
	if took := time.Since(start); took > goodbye+5*time.Second {
		t.Errorf("the end took %v", took)
	}
}

func TestAServerWithoutAnAddressWaitsForTheEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := new(Server).Run(ctx); err != nil {
		t.Error(err)
	}
}

func TestALoopThatHangsIsStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPulse()
		says := func(want string, wantAlive bool) {
			t.Helper()
			if text, alive := p.Report(time.Now()); text != want || alive != wantAlive {
				t.Errorf("%q %v, want %q", text, alive, want)
			}
		}
		time.Sleep(time.Hour)
		says("ok: it waits to begin", true)
		ctx, cancel := context.WithCancel(t.Context())
		ended, hang := make(chan error), make(chan struct{})
		turns := 0
		go func() {
			ended <- p.Run(ctx, time.Second, func() {
				if turns++; turns == 60 {
					<-hang
				}
			})
		}()
		time.Sleep(50 * time.Second)
		says("ok", true)
		time.Sleep(time.Minute)
		says("stuck: its loop did not turn for 51s", false)
		close(hang)
		synctest.Wait()
		says("ok", true)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		says("ok: it is about to end", true)
	})
}
