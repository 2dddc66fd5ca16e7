package checks

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// stranger is a listener that nobody may connect to.
type stranger struct {
	net.Listener
	connections atomic.Int64
	done        chan struct{}
}

func newStranger(t testing.TB) *stranger {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &stranger{Listener: l, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.connections.Add(1)
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-s.done })
	return s
}

// hostileLinks lead to host, or out of /redfish/.
func hostileLinks(host string) []string {
	var links []string
	for _, form := range []string{
		"@%s/redfish/v1/x", ".%s/redfish/v1/", ":pw@%s/redfish/", "//%s/redfish/v1/", "///%s/redfish/v1", `\%s\redfish`, `\\%s\redfish`,
		`/\%s/redfish/`, "http://%s/redfish/v1/", "https://%s/redfish/v1/", "HTTPS://%s/redfish/v1/", "https:%s", "http:/%s", "https:///%s/",
		"https://user:pw@%s/redfish/v1/", "https://127.0.0.1@%s/redfish/", "ftp://%s/", "ws://%s/redfish/", "/redfish/%%2f%%2f%s", "/redfish//%s/",
		"/redfish/v1/\r\nHost: %s", "/redfish/v1/\t%s", "@[::1%%25lo]/%s", "[fe80::1%%25eth0]/%s", "?@%s/", "#@%s/", ";@%s/",
	} {
		links = append(links, fmt.Sprintf(form, host))
	}
	return append(links, "file:///etc/passwd", "javascript:alert(1)", "data:,x", "/etc/passwd", "/redfish", "redfish/v1/x", "/redfish/../etc",
		"/redfish/v1/..", "/redfish/%2F..", "/redfish/%2e%2e/x", "/redfish/%5cevil", "/redfish/%252e/", "/redfish/%00", "/redfish/%zz")
}

func TestHostileLinksLeadNowhere(t *testing.T) {
	evil := newStranger(t)
	links := hostileLinks(evil.Addr().String())
	if len(links) < 40 {
		t.Fatalf("only %d links", len(links))
	}
	const root = `{"RedfishVersion":"1.6.0","Systems":{"@odata.id":%q},"Links":{"Sessions":{"@odata.id":%q}}}`
	places := []struct {
		name  string
		at    string
		body  func(link string) string
		check Name
	}{
		{"the sessions", getRoot, func(l string) string { return fmt.Sprintf(root, "/redfish/v1/Systems", l) }, RedfishLogin},
		{"the systems", getRoot, func(l string) string { return fmt.Sprintf(root, l, sessionsPath) }, RedfishLogin},
		{"a system", getSystems, func(l string) string { return fmt.Sprintf(`{"Members":[{"@odata.id":%q}]}`, l) }, RedfishLogin},
		{"the next page", getSystems, func(l string) string {
			return fmt.Sprintf(`{"Members":[{"@odata.id":"/redfish/v1/Systems/1"}],"Members@odata.nextLink":%q}`, l)
		}, RedfishLogin},
	}
	for _, place := range places {
		t.Run("as the link of "+place.name, func(t *testing.T) {
			b := newBMC(t, answers{})
			for _, link := range links {
				b.answers[place.at] = respond(200, place.body(link))
				r := goRound(t.Context(), t, visitTo(t, b.URL, Known{}), 5*time.Second)
				if last := r.last(); last.Check != place.check || last.Reason != APIMalformed {
					t.Errorf("%q ended at %s with %q (%s)", link, last.Check, last.Reason, last.Error)
				}
			}
			if _, _, open := b.counts(); open != 0 {
				t.Errorf("%d sessions left", open)
			}
		})
	}
	t.Run("as the place of the session", func(t *testing.T) {
		b := newBMC(t, answers{})
		for _, link := range links {
			b.answers[postSession] = func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Location", link)
				b.logIn(w, r, true, false)
			}
			mustEnd(t, goRound(t.Context(), t, visitTo(t, b.URL, Known{}), 5*time.Second), Power, "")
		}
		if _, _, open := b.counts(); open != 0 {
			t.Errorf("%d sessions left: the body named them", open)
		}
	})
	if n := evil.connections.Load(); n != 0 {
		t.Errorf("%d foreign connections", n)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	evil := newStranger(t)
	for _, status := range []int{300, 301, 302, 303, 307, 308} {
		for at, check := range map[string]Name{getRoot: RedfishLogin, postSession: RedfishLogin, getSystems: RedfishLogin, getSystem: Power} {
			var seen atomic.Int64
			b := newBMC(t, answers{"POST /redfish/v1/other": func(http.ResponseWriter, *http.Request) { seen.Add(1) }})
			b.answers[at] = func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Location", "https://"+evil.Addr().String()+"/redfish/v1/other")
				w.Header().Set("Refresh", "0; url=https://"+evil.Addr().String()+"/")
				w.WriteHeader(status)
			}
			mustEnd(t, goRound(t.Context(), t, visitTo(t, b.URL, Known{}), 5*time.Second), check, APIMalformed)
			if _, _, open := b.counts(); open != 0 || seen.Load() != 0 {
				t.Errorf("%d at %s: %d sessions, followed %d times", status, at, open, seen.Load())
			}
		}
	}
	if n := evil.connections.Load(); n != 0 {
		t.Errorf("%d foreign connections", n)
	}
}

// wireBytes answers with bytes of any kind, and hangs up.
func wireBytes(write func(w *bufio.Writer)) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, out, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		write(out.Writer)
		_ = out.Flush()
	}
}

func wireText(s string) http.HandlerFunc {
	return wireBytes(func(w *bufio.Writer) { _, _ = w.WriteString(s) })
}

// endless writes s until nobody reads any more.
func endless(head, s string) http.HandlerFunc {
	return wireBytes(func(w *bufio.Writer) {
		_, _ = w.WriteString(head)
		for {
			if _, err := w.WriteString(s); err != nil {
				return
			}
		}
	})
}

// drip writes one byte at a time until nobody reads any more.
func drip(head, s string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		wireBytes(func(w *bufio.Writer) {
			_, _ = w.WriteString(head)
			tick := time.NewTicker(20 * time.Millisecond)
			defer tick.Stop()
			for range tick.C {
				if _, err := w.WriteString(s); err != nil || w.Flush() != nil {
					return
				}
			}
		})(w, r)
	}
}

func bomb() http.HandlerFunc {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = io.CopyN(z, zeros{}, 64<<20)
	_ = z.Close()
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(packed.Bytes())
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func hostileAnswers() map[string]http.HandlerFunc {
	const ok = "HTTP/1.1 200 OK\r\n"
	const chunked = ok + "Transfer-Encoding: chunked\r\n\r\n"
	page := strings.Repeat("x", 4096)
	return map[string]http.HandlerFunc{
		"a body without end":            endless(ok+"\r\n", page),
		"chunks without end":            endless(chunked, "1000\r\n"+page+"\r\n"),
		"tiny chunks without end":       endless(chunked, "1\r\nx\r\n"),
		"chunk extensions without end":  endless(chunked, "1;"+page+"\r\nx\r\n"),
		"a body of 2 MiB":               respond(200, `{"a":"`+strings.Repeat("x", 2<<20)+`"}`),
		"headers without end":           endless(ok, "X-A: b\r\n"),
		"one header without end":        endless(ok+"X-A: ", page),
		"a status line without end":     endless("HTTP/1.1 200 ", page),
		"interim answers without end":   endless("", "HTTP/1.1 103 Early Hints\r\n\r\n"),
		"interim headers without end":   endless("HTTP/1.1 103 Early Hints\r\n", "Link: x\r\n"),
		"trailers without end":          endless(chunked+"0\r\n", "X-A: b\r\n"),
		"a gzip bomb":                   bomb(),
		"deep lists":                    respond(200, strings.Repeat("[", 500_000)),
		"deep objects":                  respond(200, strings.Repeat(`{"a":`, 100_000)),
		"a wide list":                   respond(200, `{"Members":[`+strings.Repeat(`{},`, 300_000)+`{}]}`),
		"a number without end":          respond(200, `{"Members":`+strings.Repeat("9", 1_000_000)+`}`),
		"a long string":                 respond(200, `{"RedfishVersion":"`+strings.Repeat(`\u0007`, 170_000)+`"}`),
		"many keys":                     respond(200, `{`+strings.Repeat(`"a":1,`, 170_000)+`"a":1}`),
		"a dripping header":             drip(ok, "X"),
		"a dripping body":               drip(ok+"\r\n", "x"),
		"dripping interim answers":      drip("HTTP/1.1 103 Early Hints\r\n", "\r"),
		"no HTTP":                       wireText("SSH-2.0-dropbear\r\n"),
		"two lengths":                   wireText(ok + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx"),
		"half a body":                   wireText(ok + "Content-Length: 1000\r\n\r\n{"),
		"nothing":                       wireText(""),
		"a protocol switch":             wireText("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n{}"),
		"null bytes":                    respond(200, strings.Repeat("\x00", 1000)),
		"broken UTF-8":                  respond(200, "{\"RedfishVersion\":\"\xff\xfe\"}"),
		"a status that is none":         wireText("HTTP/1.1 999 \x1b[31m\r\nContent-Length: 0\r\n\r\n"),
		"an answer before the question": wireText(ok + "Content-Length: 2\r\n\r\n{}" + ok + "Content-Length: 2\r\n\r\n{}"),
	}
}

func TestHostileAnswersEndInAVerdict(t *testing.T) {
	if n := len(hostileAnswers()); n < 25 {
		t.Fatalf("only %d answers", n)
	}
	const timeout = 500 * time.Millisecond
	for name, hostile := range hostileAnswers() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, at := range []string{getRoot, postSession, getSystems, getSystem} {
				b := newBMC(t, answers{at: hostile})
				r := goRound(t.Context(), t, visitTo(t, b.URL, Known{}), timeout)
				for _, result := range r.results {
					if took := time.Duration(result.TookMS) * time.Millisecond; took > timeout+5*time.Second { // what hangs takes the patience of the round
						t.Errorf("at %s: %s took %v", at, result.Check, took)
					}
					if result.Reason.Info().Owner == OwnerUs || len(result.Error) > 2048 || strings.ContainsAny(result.Error, "\x00\x07\x1b") {
						t.Errorf("at %s: %q (%.300q)", at, result.Reason, result.Error)
					}
				}
				if _, logins, open := b.counts(); open > 0 || logins > 1 {
					t.Errorf("at %s: %d logins, %d sessions left", at, logins, open)
				}
				b.CloseClientConnections()
			}
		})
	}
}
