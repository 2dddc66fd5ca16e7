package bmcsim

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// trap is the stranger to whose address redirects and false links lead. It welcomes everybody and counts what they give away.
type trap struct {
	addr                           netip.Addr
	connections, requests, secrets atomic.Int64

	once sync.Once
	tls  *tls.Config
	err  error
}

func (t *trap) counters() TrapCount {
	return TrapCount{Connections: t.connections.Load(), Requests: t.requests.Load(), Secrets: t.secrets.Load()}
}

// config shows a certificate as good as the BMCs', so that only the client's own rules keep it away.
func (t *trap) config(ca *authority) (*tls.Config, error) {
	t.once.Do(func() {
		key, err := deriveKey(seedOf(0, "trap"))
		if err != nil {
			t.err = err
			return
		}
		cert, err := ca.issue(key, t.addr, 0, time.Now(), 365)
		t.tls, t.err = &tls.Config{Certificates: []tls.Certificate{cert}}, err
	})
	return t.tls, t.err
}

// serveTrap takes what it gets and offers a session, to see what the client would do next.
func (f *Fleet) serveTrap(w http.ResponseWriter, r *http.Request) {
	f.trap.requests.Add(1)
	body, _ := io.ReadAll(io.LimitReader(r.Body, 64<<10)) // what came so far counts
	if f.givesAway(r.Header, string(body)) {
		f.trap.secrets.Add(1)
	}
	w.Header().Set("X-Auth-Token", "trap")
	w.Header().Set("Location", wellKnownSessions+"/trap")
	answer(w, http.StatusCreated, object{"@odata.id": wellKnownSessions + "/trap", "Id": "trap"})
}

// givesAway says whether a request holds a password of the fleet, or a token or login of any kind.
func (f *Fleet) givesAway(header http.Header, body string) bool {
	if header.Get("X-Auth-Token") != "" || header.Get("Authorization") != "" || header.Get("Cookie") != "" {
		return true
	}
	for _, b := range f.bmcs {
		if strings.Contains(body, b.password) {
			return true
		}
	}
	return strings.Contains(strings.ToLower(body), "password")
}

// lure is a link that leads to the trap, of a different kind for each BMC.
func (f *Fleet) lure(b *bmc) string {
	host := fmt.Sprintf("%s:%d", f.trap.addr, portOf(f.tcp.Addr()))
	lures := []string{
		"@" + host + wellKnownSessions,
		"https://" + host + wellKnownSessions,
		"//" + host + wellKnownSessions,
		"http://" + host + wellKnownSessions,
		`\\` + host + wellKnownSessions,
		"/redfish/v1/@" + host + "/../../.." + wellKnownSessions,
		"lamplighter:x@" + host + wellKnownSessions,
		"/../..//" + host + wellKnownSessions,
	}
	return lures[int(b.seed[0])%len(lures)]
}
