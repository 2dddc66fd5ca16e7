package guard

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func anyone(tls.ConnectionState) error { return nil }

func addrOf(t testing.TB, s string) netip.AddrPort {
	t.Helper()
	addr, err := netip.ParseAddrPort(strings.TrimPrefix(s, "https://"))
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

func serve(t testing.TB, h http.HandlerFunc) (*httptest.Server, *Conn) {
	t.Helper()
	srv := httptest.NewUnstartedServer(h)
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	t.Cleanup(srv.Close)
	c := New(addrOf(t, srv.URL), Strict, anyone)
	t.Cleanup(func() { _ = c.Close() })
	return srv, c
}

// raw serves whatever answer writes to a TLS connection for each request that comes.
func raw(t testing.TB, answer func(w io.Writer)) *Conn {
	t.Helper()
	cert := httptest.NewUnstartedServer(nil)
	cert.StartTLS()
	config := &tls.Config{Certificates: cert.TLS.Certificates}
	cert.Close()
	l, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
				answer(conn)
			}
			_ = conn.Close()
		}
	}()
	c := New(addrOf(t, l.Addr().String()), Strict, anyone)
	t.Cleanup(func() { _ = c.Close(); _ = l.Close(); <-done })
	return c
}

func ask(ctx context.Context, c *Conn, method, url, body string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Close = true // as gofish does
	resp, err := c.Client().Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	return string(text), err
}

func TestOneConnectionServesAllRequests(t *testing.T) {
	_, c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept-Encoding") != "" || r.Header.Get("Connection") != "" || r.UserAgent() != UserAgent {
			t.Errorf("headers %v", r.Header)
		}
		w.Header().Set("Retry-After", "7")
		_, _ = io.WriteString(w, strings.Repeat("x", 100_000)+" \n")
	})
	for range 5 {
		if text, err := ask(t.Context(), c, "GET", c.Endpoint()+Root, ""); err != nil || len(text) != 100_002 {
			t.Fatalf("%d bytes, %v", len(text), err)
		}
	}
	if c.Requests() != 5 || c.Handshakes() != 1 || c.Last().RetryAfter != 7*time.Second || c.Last().Status != 200 {
		t.Errorf("%d requests, %d handshakes, %v", c.Requests(), c.Handshakes(), c.Last().RetryAfter)
	}
}

func TestADeniedPeerIsAskedForNothingButTheAnonymousRoot(t *testing.T) {
	var served atomic.Int64
	srv, _ := serve(t, func(w http.ResponseWriter, r *http.Request) { served.Add(1) })
	stranger := errors.New("stranger")
	c := New(addrOf(t, srv.URL), Strict, func(tls.ConnectionState) error { return stranger })
	defer func() { _ = c.Close() }()
	if state, err := c.Connect(t.Context()); err != nil || !errors.Is(state.Denied, stranger) {
		t.Fatalf("%v, %v", state.Denied, err)
	}
	if _, err := ask(t.Context(), c, "GET", c.Endpoint()+Root, ""); err != nil || served.Load() != 1 {
		t.Fatalf("the root: %v, served %d", err, served.Load())
	}
	refused := func(name string, change func(*http.Request)) {
		req, err := http.NewRequestWithContext(t.Context(), "GET", c.Endpoint()+Root, nil)
		if err != nil {
			t.Fatal(err)
		}
		change(req)
		if resp, err := c.RoundTrip(req); !errors.Is(err, stranger) {
			_ = resp.Body.Close()
			t.Errorf("%s: %v", name, err)
		}
	}
	refused("basic authentication", func(r *http.Request) { r.SetBasicAuth("u", "p") })
	refused("a token", func(r *http.Request) { r.Header.Set("X-Auth-Token", "t") })
	refused("a cookie", func(r *http.Request) { r.AddCookie(&http.Cookie{Name: "a", Value: "b"}) })
	refused("a body", func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader("{}")) })
	refused("another method", func(r *http.Request) { r.Method = "POST" })
	refused("another path", func(r *http.Request) { r.URL.Path = "/redfish/v1/Systems" })
	refused("a query", func(r *http.Request) { r.URL.RawQuery = "password=x" })
	if served.Load() != 1 {
		t.Errorf("served %d", served.Load())
	}
}

func TestAClosedConnectionIsReplacedOnceForWhatMayBeRepeated(t *testing.T) {
	var served, hangUps atomic.Int64
	hijack := func(w http.ResponseWriter) {
		hangUps.Add(1)
		conn, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			_ = conn.Close()
		}
	}
	_, c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if n := served.Add(1); n == 2 || n == 4 { // the second request of each connection
			hijack(w)
		}
	})
	for i := range 2 {
		if _, err := ask(t.Context(), c, "GET", c.Endpoint()+Root, ""); err != nil {
			t.Fatalf("get %d: %v", i, err)
		}
	}
	if _, err := ask(t.Context(), c, "POST", c.Endpoint()+"/redfish/v1/Sessions", "{}"); err == nil {
		t.Fatal("the post was answered")
	}
	if served.Load() != 4 || hangUps.Load() != 2 {
		t.Errorf("served %d, hung up %d: the post was repeated, or the get not", served.Load(), hangUps.Load())
	}
}

func TestAPostIsNotSentOnAConnectionThatWasClosedMeanwhile(t *testing.T) {
	srv, c := serve(t, func(http.ResponseWriter, *http.Request) {})
	if _, err := ask(t.Context(), c, "GET", c.Endpoint()+Root, ""); err != nil {
		t.Fatal(err)
	}
	srv.CloseClientConnections()
	if _, err := ask(t.Context(), c, "POST", c.Endpoint()+"/redfish/v1/Sessions", "{}"); err != nil {
		t.Errorf("post: %v", err)
	}
}

func TestRequestsEndWithTheirContext(t *testing.T) {
	release := make(chan struct{})
	_, c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "POST" {
			<-release
		}
	})
	defer close(release)
	if _, err := ask(t.Context(), c, "GET", c.Endpoint()+Root, ""); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := ask(ctx, c, "POST", c.Endpoint()+"/redfish/v1/Sessions", "{}"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

func TestHostileAnswersEndInTheirErrors(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	cases := []struct {
		name   string
		answer string
		want   error
	}{
		{"a body that is announced too big", ok + "Content-Length: 2000000\r\n\r\n" + strings.Repeat("x", 2_000_000), ErrTooBig},
		{"a body without end", ok + "\r\n" + strings.Repeat("x", 3<<20), ErrTooBig},
		{"headers without end", ok + strings.Repeat("X-A: b\r\n", 20_000), ErrTooBig},
		{"one header without end", ok + "X-A: " + strings.Repeat("b", 100_000), ErrTooBig},
		{"a flood of interim answers", strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 1000) + ok + "\r\n", ErrMalformed},
		{"a compressed body", ok + "Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\nxx", ErrEncoded},
		{"a compressed transfer", ok + "Transfer-Encoding: gzip\r\n\r\nxx", ErrMalformed},
		{"a redirect", "HTTP/1.1 307 Go\r\nLocation: https://evil/\r\nContent-Length: 0\r\n\r\n", ErrRedirect},
		{"deep JSON", ok + "Content-Length: 2000\r\n\r\n" + strings.Repeat("[", 2000), ErrTooDeep},
		{"no HTTP at all", "SSH-2.0-dropbear\r\n\r\n", ErrMalformed},
		{"a broken chunk", ok + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", ErrMalformed},
		{"two lengths", ok + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx", ErrMalformed},
		{"nothing", "", io.ErrUnexpectedEOF},
		{"half a body", ok + "Content-Length: 100\r\n\r\nxx", io.ErrUnexpectedEOF},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			conn := raw(t, func(w io.Writer) { _, _ = io.WriteString(w, c.answer) })
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			if _, err := ask(ctx, conn, "GET", conn.Endpoint()+Root, ""); !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
}

func TestTheHelloFitsOnePacket(t *testing.T) {
	for _, profile := range []Profile{Strict, Lenient} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		hello := make(chan int, 1)
		go func() {
			conn, err := l.Accept()
			if err != nil {
				hello <- -1
				return
			}
			defer func() { _ = conn.Close() }()
			header := make([]byte, 5)
			if _, err := io.ReadFull(conn, header); err != nil {
				hello <- -1
				return
			}
			hello <- 5 + int(header[3])<<8 + int(header[4])
		}()
		c := New(addrOf(t, l.Addr().String()), profile, anyone)
		_, err = c.handshakeOnly(t.Context(), profile)
		if err == nil {
			t.Error("a handshake with nobody")
		}
		if n := <-hello; n < 50 || n >= 600 {
			t.Errorf("%s: the hello takes %d bytes", profile, n)
		}
		_ = l.Close()
	}
}

func (c *Conn) handshakeOnly(ctx context.Context, p Profile) (net.Conn, error) {
	_, tcp, err := c.handshake(ctx, p)
	return tcp, err
}

func TestRetryAfterIsReadAndClamped(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"30": 30 * time.Second, " 5 ": 5 * time.Second, "": 0, "-5": 0, "soon": 0, "999999999": time.Hour,
		"Fri, 02 Jan 2026 03:05:05 GMT": time.Minute, "Fri, 02 Jan 2015 03:05:05 GMT": 0, "99999999999999999999": 0,
	} {
		if got := retryAfter(value, now); got != want {
			t.Errorf("%q: %v, want %v", value, got, want)
		}
	}
}
