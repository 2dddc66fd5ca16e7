package bmcsim

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// get asks for the root and reads at most limit bytes of the answer.
func (c *client) get(t *testing.T, timeout time.Duration, limit int64) (*http.Response, string, error) {
	t.Helper()
	c.Timeout = timeout
	resp, err := c.Get(c.base + "/redfish/v1/")
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, limit))
	return resp, string(text), err
}

func timedOut(err error) bool {
	var network net.Error
	return errors.As(err, &network) && network.Timeout()
}

func TestHostileAnswers(t *testing.T) {
	const limit = 2 << 20
	for _, c := range []struct {
		name    string
		fault   Fault
		timeout time.Duration
		ok      func(*http.Response, string, error) bool
	}{
		{"a web page is no JSON", NotJSON, time.Minute, func(_ *http.Response, text string, err error) bool {
			return err == nil && strings.HasPrefix(text, "<!DOCTYPE")
		}},
		{"brackets are nested deep", DeepJSON, time.Minute, func(_ *http.Response, text string, err error) bool {
			return err == nil && strings.Count(text, "[") == 100_000
		}},
		{"a body does not end", EndlessBody, time.Minute, func(_ *http.Response, text string, err error) bool {
			return err == nil && len(text) == limit
		}},
		{"a gzip bomb comes unasked", GzipBomb, time.Minute, func(r *http.Response, text string, err error) bool {
			return err == nil && r.Header.Get("Content-Encoding") == "gzip" && len(text) > 500<<10 && len(text) < limit
		}},
		{"headers do not end", HeaderBomb, time.Minute, func(_ *http.Response, _ string, err error) bool {
			return err != nil && strings.Contains(err.Error(), "headers exceeded")
		}},
		{"a body drips", Drip, 1500 * time.Millisecond, func(_ *http.Response, text string, err error) bool {
			return timedOut(err) && len(text) >= 1 && len(text) < 4
		}},
		{"a request hangs after the handshake", HungAfterTLS, 300 * time.Millisecond, func(_ *http.Response, _ string, err error) bool {
			return timedOut(err)
		}},
		{"the handshake hangs after the connect", HungAfterTCP, 300 * time.Millisecond, func(_ *http.Response, _ string, err error) bool {
			return timedOut(err)
		}},
		{"a dead BMC says nothing", Dead, 300 * time.Millisecond, func(_ *http.Response, _ string, err error) bool {
			return timedOut(err)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := start(t, plan(1, 0))
			if _, err := f.Set("*", c.fault); err != nil {
				t.Fatal(err)
			}
			cl := dial(t, f, f.BMCs()[0], &tls.Config{RootCAs: f.roots()})
			if resp, text, err := cl.get(t, c.timeout, limit); !c.ok(resp, text, err) {
				t.Errorf("%d bytes, error %v", len(text), err)
			}
		})
	}
}

func TestSlowLoginsOpenTheSessionThoughNobodyWaits(t *testing.T) {
	p := plan(1, 0)
	p.Slow = 300 * time.Millisecond
	f := start(t, p)
	b := f.bmcs[0]
	b.set.Store(uint64(setOf(Slow)))
	c := dial(t, f, f.withPorts(b), &tls.Config{RootCAs: f.roots()})
	c.Timeout = 100 * time.Millisecond
	if _, _, err := c.ask(t.Context(), "POST", b.model.path, object{"UserName": username, "Password": b.password}); !timedOut(err) {
		t.Errorf("the login ended with %v, want a timeout", err)
	}
	eventually(t, "the session is open", func() bool { return f.Counters().Total.Open == 1 })
}

func TestTheTrapCountsWhatIsGivenAway(t *testing.T) {
	f := start(t, plan(1, 0))
	b := f.bmcs[0]
	if _, err := f.Set("*", Redirect); err != nil {
		t.Fatal(err)
	}
	c := dial(t, f, f.withPorts(b), &tls.Config{RootCAs: f.roots()})
	resp, _ := c.must(t, http.StatusTemporaryRedirect, "POST", b.model.path, object{"UserName": username, "Password": b.password})
	if got := f.Counters().Trap; got != (TrapCount{}) {
		t.Fatalf("a client that stays is counted: %+v", got)
	}
	location := resp.Header.Get("Location")
	if resp, err := c.Post(location, "application/json", strings.NewReader(fmt.Sprintf(`{"Password":%q}`, b.password))); err != nil {
		t.Fatal(err)
	} else {
		_ = resp.Body.Close()
	}
	if got := f.Counters().Trap; got != (TrapCount{Connections: 1, Requests: 1, Secrets: 1}) {
		t.Errorf("a client that follows is counted as %+v", got)
	}
}

func TestLuresLeadToTheTrap(t *testing.T) {
	f := start(t, plan(200, 0))
	kinds := map[string]bool{}
	for _, b := range f.bmcs {
		b.set.Store(uint64(setOf(OdataIDTrap)))
		text := fmt.Sprint(f.root(b)["Links"])
		if !strings.Contains(text, fmt.Sprintf("%s:%d", f.trap.addr, portOf(f.tcp.Addr()))) {
			t.Fatalf("links %s do not name the trap", text)
		}
		kinds[text] = true
	}
	if len(kinds) != 8 {
		t.Errorf("%d kinds of lures in 200 BMCs, want 8", len(kinds))
	}
}

func TestStrangersAreNotServed(t *testing.T) {
	f := start(t, plan(1, 0))
	b := f.BMCs()[0]
	c, err := net.DialTimeout("tcp4", fmt.Sprintf("127.99.99.99:%d", b.Port), 5*time.Second)
	if err == nil {
		defer func() { _ = c.Close() }()
		_ = c.SetDeadline(time.Now().Add(5 * time.Second))
		if _, err = c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("an address without a BMC: read %v, want a reset", err)
		}
	}
	eventually(t, "the stray is counted", func() bool { return f.Counters().Strays == 1 })
	for _, addr := range outside(t) {
		if c, err := net.DialTimeout("tcp4", fmt.Sprintf("%s:%d", addr, b.Port), 300*time.Millisecond); err == nil {
			_ = c.SetDeadline(time.Now().Add(5 * time.Second))
			if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%s, which is not loopback, is served: %v", addr, err)
			}
			_ = c.Close()
		}
	}
}

// outside are this machine's addresses that are not loopback.
func outside(t *testing.T) (addrs []string) {
	t.Helper()
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && !n.IP.IsLoopback() {
			addrs = append(addrs, n.IP.String())
		}
	}
	return addrs
}
