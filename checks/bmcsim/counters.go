package bmcsim

import (
	"fmt"
	"strings"
	"sync/atomic"
	"text/tabwriter"

	"lamplighter/inventory"
)

// Count is what one BMC, or all together, saw.
type Count struct {
	// Connections are accepted TCP connections; MaxConnections is how many there were at once at one BMC (a client that hangs
	// up and dials again at once may be seen twice for a moment).
	Connections    int64 `json:"connections"`
	MaxConnections int64 `json:"max_connections"`
	// Handshakes are TLS client hellos, also those whose handshake then failed.
	Handshakes int64 `json:"handshakes"`
	// Requests are HTTP requests, Datagrams UDP datagrams received.
	Requests  int64 `json:"requests"`
	Datagrams int64 `json:"datagrams"`
	// Attempts are logins that were tried: POSTs to a session collection and RAKP 1 messages. Each is in Logins or Refused. An
	// IPMI login counts as refused until RAKP 3 has proved the password, for a client that sees a wrong one just stops.
	Attempts int64 `json:"attempts"`
	Logins   int64 `json:"logins"`
	Refused  int64 `json:"refused"`
	// Logouts are sessions closed by their clients. Open are sessions open now, MaxOpen the most at once at one BMC.
	Logouts int64 `json:"logouts"`
	Open    int64 `json:"open"`
	MaxOpen int64 `json:"max_open"`
	// Secrets that arrived: the BMC's own password, another BMC's, or one that no BMC of the fleet has.
	OwnSecrets     int64 `json:"own_secrets"`
	ForeignSecrets int64 `json:"foreign_secrets"`
	UnknownSecrets int64 `json:"unknown_secrets"`
}

// TrapCount is what the stranger saw at whose door redirects and false links lead. All of it should be zero.
type TrapCount struct {
	Connections int64 `json:"connections"`
	Requests    int64 `json:"requests"`
	Secrets     int64 `json:"secrets"`
}

// Counters is a snapshot of what the fleet saw.
type Counters struct {
	Total Count     `json:"total"`
	Trap  TrapCount `json:"trap"`
	// Strays are connections and datagrams to addresses that no BMC of the fleet has.
	Strays int64                  `json:"strays"`
	BMCs   map[inventory.ID]Count `json:"bmcs"`
}

// count is a Count that is being counted.
type count struct {
	connections, handshakes, requests, datagrams atomic.Int64
	attempts, logins, refused, logouts           atomic.Int64
	own, foreign, unknown                        atomic.Int64
	conns, sessions                              gauge
}

// gauge goes up and down and remembers its highest value.
type gauge struct{ now, most atomic.Int64 }

func (g *gauge) add(n int64) {
	now := g.now.Add(n)
	for most := g.most.Load(); now > most; most = g.most.Load() {
		if g.most.CompareAndSwap(most, now) {
			return
		}
	}
}

func (c *count) snapshot() Count {
	return Count{
		Connections: c.connections.Load(), MaxConnections: c.conns.most.Load(), Handshakes: c.handshakes.Load(),
		Requests: c.requests.Load(), Datagrams: c.datagrams.Load(),
		Attempts: c.attempts.Load(), Logins: c.logins.Load(), Refused: c.refused.Load(), Logouts: c.logouts.Load(),
		Open: c.sessions.now.Load(), MaxOpen: c.sessions.most.Load(),
		OwnSecrets: c.own.Load(), ForeignSecrets: c.foreign.Load(), UnknownSecrets: c.unknown.Load(),
	}
}

// plus adds up two BMCs' counts; what is a maximum stays the maximum of one BMC.
func (c Count) plus(o Count) Count {
	return Count{
		Connections: c.Connections + o.Connections, MaxConnections: max(c.MaxConnections, o.MaxConnections),
		Handshakes: c.Handshakes + o.Handshakes, Requests: c.Requests + o.Requests, Datagrams: c.Datagrams + o.Datagrams,
		Attempts: c.Attempts + o.Attempts, Logins: c.Logins + o.Logins, Refused: c.Refused + o.Refused,
		Logouts: c.Logouts + o.Logouts, Open: c.Open + o.Open, MaxOpen: max(c.MaxOpen, o.MaxOpen),
		OwnSecrets: c.OwnSecrets + o.OwnSecrets, ForeignSecrets: c.ForeignSecrets + o.ForeignSecrets,
		UnknownSecrets: c.UnknownSecrets + o.UnknownSecrets,
	}
}

// Counters takes a snapshot. Numbers of a round that is under way may be of different moments.
func (f *Fleet) Counters() Counters {
	c := Counters{Strays: f.strays.Load(), Trap: f.trap.counters(), BMCs: make(map[inventory.ID]Count, len(f.bmcs))}
	for _, b := range f.bmcs {
		b.expire()
		one := b.count.snapshot()
		c.BMCs[b.record.ID] = one
		c.Total = c.Total.plus(one)
	}
	return c
}

// String is the table of totals for people; single BMCs stand in the JSON form only.
func (c Counters) String() string {
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	t := c.Total
	for _, line := range []struct {
		name  string
		value string
	}{
		{"BMCs", fmt.Sprint(len(c.BMCs))},
		{"connections", fmt.Sprintf("%d (at most %d at once at one BMC)", t.Connections, t.MaxConnections)},
		{"TLS handshakes", fmt.Sprint(t.Handshakes)},
		{"requests", fmt.Sprint(t.Requests)},
		{"datagrams", fmt.Sprint(t.Datagrams)},
		{"login attempts", fmt.Sprintf("%d (%d logged in, %d refused)", t.Attempts, t.Logins, t.Refused)},
		{"logouts", fmt.Sprint(t.Logouts)},
		{"sessions open", fmt.Sprintf("%d (at most %d at once at one BMC)", t.Open, t.MaxOpen)},
		{"passwords received", fmt.Sprintf("%d own, %d of other BMCs, %d unknown", t.OwnSecrets, t.ForeignSecrets, t.UnknownSecrets)},
		{"at the trap", fmt.Sprintf("%d connections, %d requests, %d secrets", c.Trap.Connections, c.Trap.Requests, c.Trap.Secrets)},
		{"to no BMC", fmt.Sprint(c.Strays)},
	} {
		fmt.Fprintf(table, "%s\t%s\n", line.name, line.value)
	}
	_ = table.Flush() // into memory
	return text.String()
}
