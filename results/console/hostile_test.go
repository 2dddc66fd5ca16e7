package console_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/results/api"
	"lamplighter/results/audit"
	"lamplighter/results/follow"
	"lamplighter/results/pace"
	"lamplighter/results/store"
	"lamplighter/results/store/sqlite"
)

// attacks are what a BMC may say of itself to whoever looks at it. Each that runs calls pwned or opens a dialog.
var attacks = strings.Split(strings.TrimSpace(`
<script>pwned(1)</script>
<img src=x onerror=pwned(2)>
"><svg onload=pwned(3)>
'><script>alert(4)</script>
javascript:pwned(5)
<iframe srcdoc="<script>parent.pwned(6)</script>">
<a href="javascript:pwned(7)">x</a>
<body onload=pwned(8)>
<input autofocus onfocus=pwned(9)>
<details open ontoggle=pwned(10)>
<video><source onerror=pwned(11)>
<math><mtext></mtext><script>pwned(12)</script></math>
</title><script>pwned(13)</script>
</style><script>pwned(14)</script>
</textarea><script>pwned(15)</script>
--><script>pwned(16)</script>
{{constructor.constructor('pwned(17)')()}}
${pwned(18)}
#{pwned(19)}
<%= pwned(20) %>
&lt;script&gt;pwned(21)&lt;/script&gt;
\x3cscript\x3epwned(22)\x3c/script\x3e
\u003cscript\u003epwned(23)\u003c/script\u003e
%3Cscript%3Epwned(24)%3C/script%3E
<scr<script>ipt>pwned(25)</scr</script>ipt>
<ScRiPt>pwned(26)</sCrIpT>
<svg/onload=pwned(27)>
<img/src/onerror=pwned(28)>
<object data="data:text/html,<script>pwned(29)</script>">
<embed src="javascript:pwned(30)">
<form action="javascript:pwned(31)"><button>x</button></form>
<link rel=stylesheet href="http://192.0.2.1/x.css">
<style>@import "http://192.0.2.1/x.css";</style>
<img src="http://192.0.2.1/x.png">
<meta http-equiv=refresh content="0;url=http://192.0.2.1/">
<base href="http://192.0.2.1/">
style="background:url(http://192.0.2.1/x)"
<div style="position:fixed;inset:0">x</div>
" onmouseover="pwned(39)
' onclick='pwned(40)
=cmd|'/c calc'!A0
@SUM(1+1)
../../../../etc/passwd
%00%0d%0aSet-Cookie: a=b
data: x event: resync
__proto__
constructor
toString
[object Object]
null
`), "\n")

// names that are no attack, and break what takes names for short Latin words.
var names = []string{"😀🔥 rack", "\u202edrawkcab", "مركز ١", "日本語ラック", strings.Repeat("long-", 40), "a/b?c&d=e#f", "..", "A\u0301ccents", "<b>bold</b>", "O'Brien \"quoted\" \\ back"}

// hostileFleet is a fleet of which every text is hostile.
func hostileFleet() (fleet []inventory.BMC) {
	for i := range attacks {
		at := func(n int) string { return attacks[(i+n)%len(attacks)] }
		fleet = append(fleet, inventory.BMC{
			ID: inventory.ID(fmt.Sprintf("%s #%d", at(0), i)), Address: netip.AddrFrom4([4]byte{10, 0, 1, byte(i)}), Site: names[i%3], Room: at(1),
			Row: names[i%len(names)], Rack: []string{at(2), "", names[(i/3)%len(names)]}[i%3], Unit: float64(i % 3 * 7), Height: float64(i % 4), Slot: at(3), Chassis: at(4),
			Face: []string{"front", "rear", ""}[i%3], Vendor: at(5), Model: at(6), Serial: at(7), Protocol: inventory.Redfish,
		})
	}
	return fleet
}

// hostileVerdict is a round of a BMC that tells attacks in every fact and error.
func hostileVerdict(i int, b inventory.BMC) results.Verdict {
	at := time.Now().UTC().Add(-time.Second)
	facts := checks.Facts{"protocol": "redfish"}
	for n, name := range []string{"serial", "model", "vendor", "firmware", "cert_subject", "cert_issuer", "cert_names", "uuid", "redfish_product"} {
		facts[name] = attacks[(i*9+n)%len(attacks)]
	}
	task := checks.Task{Round: checks.Round{BMC: b.ID, Due: at.Add(time.Duration(i) * time.Microsecond).Truncate(time.Millisecond), Why: checks.Routine}}
	good := func(name checks.Name) {
		task.Check = name
		task.Done = append(task.Done, checks.NewResult(name, checks.Finding{Facts: facts}, nil, at, at))
	}
	good(checks.Ping)
	good(checks.TLS)
	if i%2 == 0 {
		task.Check = checks.RedfishLogin
		fault := checks.BlameWith(checks.AuthRejected, facts, errors.New(attacks[i%len(attacks)]))
		task.Done = append(task.Done, checks.NewResult(checks.RedfishLogin, checks.Finding{Facts: facts}, fault, at, at))
	} else {
		good(checks.RedfishLogin)
		good(checks.Power)
	}
	return results.Judge(task, b, checks.Default(), attacks[(i+1)%len(attacks)], at)
}

// past is what happened before: incidents that are over, each in its way, one with a ticket, and silences; all in the words of attackers,
// but for the IDs that the tests ask for.
func past(now time.Time) store.Batch {
	closed := func(id string, why results.Closed, change func(*results.Incident)) results.Incident {
		i := results.Incident{
			Schema: results.IncidentSchema, ID: id, Seq: 3, Status: results.Resolved, Cause: results.Cause{Kind: results.CauseRack, Key: attacks[0], Name: attacks[1]},
			Title: "looks like " + attacks[2], Counted: attacks[3], Class: results.ClassNet, Health: checks.Unavailable, Failed: checks.Ping, Reason: checks.NetTimeout, Owner: checks.OwnerNetwork,
			NextStep: attacks[4], Evidence: attacks[5:8], Site: names[0], Room: attacks[9], Row: names[1], Rack: attacks[10],
			Since: now.Add(-3 * time.Hour), OpenedAt: now.Add(-3 * time.Hour), UpdatedAt: now.Add(-2 * time.Hour), ClosedAt: now.Add(-2 * time.Hour), Closed: why,
			Total: 1, Children: []results.Child{}, Ack: &results.IncidentAck{Who: attacks[11], Note: attacks[12], At: now.Add(-3 * time.Hour)},
		}
		change(&i)
		return i
	}
	var b store.Batch
	b.Incidents = []results.Incident{
		closed("inc-past-recovered", results.Recovered, func(*results.Incident) {}),
		closed("inc-past-merged", results.Merged, func(i *results.Incident) { i.Into = "inc-past-recovered" }),
		closed("inc-past-left", results.Left, func(i *results.Incident) { i.From = "inc-past-recovered" }),
	}
	for _, i := range b.Incidents {
		child := results.Child{BMC: inventory.ID(attacks[13]), Rack: attacks[10], Failed: checks.Ping, Reason: checks.NetTimeout, Since: now.Add(-3 * time.Hour)}
		b.Members = append(b.Members, results.Member{Incident: i.ID, Child: child, Left: now.Add(-2 * time.Hour)})
	}
	ticket := func(desk, ref, url string) results.Ticket {
		return results.Ticket{Schema: results.TicketSchema, Incident: "inc-past-recovered", Desk: desk, Ref: ref, URL: url, Seq: 3, At: now.Add(-2 * time.Hour), OpenedAt: now.Add(-3 * time.Hour)}
	}
	b.Tickets = []results.Ticket{ticket("jira", "OPS-812", "https://desk.example/browse/OPS-812"), ticket("bad", attacks[14], "javascript:pwned(99)")}
	b.Silences = []results.Silence{{
		Schema: results.SilenceSchema, ID: "sil-idle", Seq: 1, Kind: results.Silencing, Where: "rack=nowhere", Who: attacks[15], Reason: attacks[16], Ticket: attacks[17],
		MadeAt: now.Add(-48 * time.Hour), From: now.Add(-48 * time.Hour), Until: now.Add(48 * time.Hour),
	}, {
		Schema: results.SilenceSchema, ID: "sil-holds", Seq: 1, Kind: results.Maintenance, Where: `model="` + strings.ReplaceAll(attacks[18], `"`, `\"`) + `"`, Who: attacks[19], Reason: attacks[20],
		MadeAt: now.Add(-time.Hour), From: now.Add(-time.Hour), Until: now.Add(time.Hour),
	}}
	return b
}

// startHostile serves the hostile fleet, and says where. With a file of tokens who asks has to sign in.
func startHostile(t *testing.T, tokens string) (url string) {
	t.Helper()
	fleet := hostileFleet()
	url, emit := serve(t, tokens, past(time.Now().UTC().Truncate(time.Millisecond)), func() []inventory.BMC { return fleet }, hostileSite(t, fleet))
	for i, b := range fleet[:len(fleet)-1] { // the last one was never heard of
		if err := emit(hostileVerdict(i, b)); err != nil {
			t.Fatalf("%s: %v", b.ID, err)
		}
	}
	return url
}

// serve serves BMCs, says where, and takes verdicts. What was before is in the store.
func serve(t *testing.T, tokens string, before store.Batch, listed func() []inventory.BMC, inventories api.Inventories) (url string, emit func(results.Verdict) error) {
	t.Helper()
	address := "127.0.0.1:0"
	if tokens != "" {
		address = "0.0.0.0:0"
	}
	ctx, cancel := context.WithCancel(context.Background())
	kept, err := sqlite.Open(ctx, filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kept.Put(ctx, before); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	going := pace.New(time.Now())
	rounds := audit.NewWatch(audit.WatchConfig{Interval: time.Hour, Fleet: listed, Listening: time.Now})
	seen := func(v *results.Verdict, n int, facts []results.Fact, _ bool) {
		going.See(v, facts, time.Now())
		rounds.Verdict(v.Site, v.Satellite, v.Round, n)
	}
	follower, err := follow.Open(ctx, follow.Config{Name: "hostile", Store: kept, Interval: time.Hour, Seen: seen, Log: log}) // nothing is stale before the tests are over
	if err != nil {
		t.Fatal(err)
	}
	server, err := api.NewServer(api.Config{Live: follower.Live(), Incidents: follower, Store: kept, Inventory: listed, Inventories: inventories, Zones: map[string]string{"ams1": "Europe/Amsterdam"}, Tokens: tokens,
		Pace: going, Rounds: rounds, Interval: 5 * time.Minute, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Listen(address); err != nil {
		t.Fatal(err)
	}
	var group errgroup.Group
	group.Go(func() error { return follower.Run(ctx) })
	group.Go(func() error { return server.Run(ctx) })
	group.Go(func() error { return rounds.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(group.Wait(), kept.Close()); err != nil {
			t.Error(err)
		}
	})
	_, port, _ := net.SplitHostPort(server.Address())
	return "http://127.0.0.1:" + port, func(v results.Verdict) error { return follower.Emit(ctx, v) }
}
