package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"lamplighter/checks"
	"lamplighter/checks/bmcsim"
	"lamplighter/checks/peers"
	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/results/kafka"
	"lamplighter/results/schematest"
	"lamplighter/satellite/bus"
	"lamplighter/satellite/bus/amqp"
)

// exchange is a real Kafka that several sites write to, and all that came there.
type exchange struct {
	*peers.Kafka

	mu      sync.Mutex // guards the following
	records []*kgo.Record
}

// openExchange starts a Kafka with its topics, and reads all of it until the test ends: whatever comes is held against the
// published schemas.
func openExchange(t *testing.T) *exchange {
	t.Helper()
	x := &exchange{Kafka: peers.StartKafka(t)}
	eventually(t, 20*time.Second, "topics", func() bool {
		return lamplighter(t, "topics", "create", "--brokers", x.Address, "--replicas", "1").code == 0
	})
	client, err := kgo.NewClient(kgo.SeedBrokers(x.Address), kgo.ConsumeTopics(kafka.VerdictTopic, kafka.AuditTopic, kafka.DeadTopic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(50*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var reading sync.WaitGroup
	reading.Go(func() {
		for ctx.Err() == nil {
			client.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
				x.mu.Lock()
				defer x.mu.Unlock()
				x.records = append(x.records, r)
			})
		}
	})
	t.Cleanup(func() {
		stop()
		reading.Wait()
		client.Close()
		x.validate(t)
	})
	return x
}

func headerOf(r *kgo.Record, name string) string {
	for _, h := range r.Headers {
		if h.Key == name {
			return string(h.Value)
		}
	}
	return ""
}

// validate wants every record to be valid by the schema that it names, and to say what it is.
func (x *exchange) validate(t *testing.T) {
	t.Helper()
	kinds, all := map[string]int{}, x.all()
	for _, r := range all {
		name := strings.ReplaceAll(strings.TrimPrefix(headerOf(r, "ce_dataschema"), "urn:lamplighter:"), ":", ".")
		kinds[name]++
		err := schematest.Check(name, r.Value)
		if headerOf(r, "ce_id") == "" || headerOf(r, "ce_source") == "" || headerOf(r, "content-type") != "application/json" || len(r.Key) == 0 {
			err = errors.Join(err, fmt.Errorf("it does not say what a consumer needs: key %q, %v", r.Key, r.Headers))
		}
		if err != nil {
			t.Errorf("a record of %s: %v\n%s", r.Topic, err, r.Value)
			break // one is enough
		}
	}
	t.Logf("%d records by schema: %v", len(all), kinds)
}

func (x *exchange) all() []*kgo.Record {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Clone(x.records)
}

// site is the records of one site.
func (x *exchange) site(name string) (all []*kgo.Record) {
	for _, r := range x.all() {
		if strings.HasPrefix(headerOf(r, "ce_source"), "/site/"+name+"/") {
			all = append(all, r)
		}
	}
	return all
}

// pair is a site of two satellites, sat-a and sat-b, as processes.
type pair struct {
	simulated
	*exchange
	site     string
	dir      string
	rabbit   *peers.Rabbit
	vhost    string
	interval time.Duration
	sats     map[string]*process
	as       map[string]*syscall.SysProcAttr // as whom a satellite runs; nil: as the test
}

const pairConfig = `satellite: %[1]s
site: %[2]s
inventory: %[3]s
targets: {loopback: true}
keyring: %[4]s
ca_file: %[5]s
memory: %[6]s/%[1]s.memory
verdicts: none
listen: 127.0.0.1:0
ping: [rmcp]
interval: %[7]s
every: {redfish-login: 0s, ipmi-login: 0s, power: 0s}
rabbitmq: {urls: ["amqp://127.0.0.1:%[8]d/%[9]s"], user: %[10]s, password_file: %[6]s/password}
kafka: {brokers: ["%[11]s"], spool: %[6]s/%[1]s.spool}
log: {level: debug}
`

// newPair writes the configurations of a site; more is added to them. Nothing is started yet.
func newPair(t *testing.T, x *exchange, fleet simulated, interval time.Duration, more string) *pair {
	t.Helper()
	p := &pair{simulated: fleet, exchange: x, site: fleet.BMCs()[0].Site, dir: t.TempDir(), rabbit: peers.SharedRabbitMQ(t), interval: interval, sats: map[string]*process{}}
	p.vhost = p.rabbit.VHost(t)
	p.put(t, "password", peers.RabbitPassword)
	for _, name := range []string{"sat-a", "sat-b"} {
		p.put(t, name+".yaml", fmt.Sprintf(pairConfig, name, p.site, fleet.file("inventory.csv"), fleet.file("keyring.yaml"), fleet.file("ca.pem"), p.dir,
			interval, p.rabbit.Port, p.vhost, peers.RabbitUser, x.Address)+more)
	}
	return p
}

func (p *pair) put(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(p.path(name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (p *pair) path(name string) string { return filepath.Join(p.dir, name) }

// start starts satellites, again after they ended.
func (p *pair) start(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		p.sats[name] = start(t, p.as[name], "satellite", "--config", p.path(name+".yaml"))
	}
}

// kill9 kills a satellite and waits until it is gone.
func (p *pair) kill9(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		p.sats[name].signal(t, syscall.SIGKILL, 10*time.Second)
	}
}

// stop ends satellites in peace, one after the other.
func (p *pair) stop(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		began := time.Now()
		if code := p.sats[name].signal(t, syscall.SIGTERM, 25*time.Second); code != 0 {
			t.Errorf("%s: exit code %d after SIGTERM; stderr: %s", name, code, tail(p.sats[name].stderr.String()))
		}
		t.Logf("%s ended %v after SIGTERM", name, time.Since(began).Round(time.Millisecond))
	}
}

// both starts both and waits until each has judged a round.
func (p *pair) both(t *testing.T) {
	t.Helper()
	p.start(t, "sat-a", "sat-b")
	p.judging(t, time.Now(), "sat-a", "sat-b")
}

// judging waits for a verdict later than since by each satellite.
func (p *pair) judging(t *testing.T, since time.Time, names ...string) {
	t.Helper()
	for _, name := range names {
		eventually(t, 60*time.Second, "a verdict by "+name+" of "+p.site, func() bool {
			return slices.ContainsFunc(p.verdicts(t), func(v results.Verdict) bool { return v.Satellite == name && v.At.After(since) })
		})
	}
}

// verdicts are those that came to Kafka, in no order.
func (p *pair) verdicts(t *testing.T) (all []results.Verdict) {
	t.Helper()
	for _, r := range p.exchange.site(p.site) {
		if r.Topic == kafka.VerdictTopic {
			all = append(all, verdicts(t, string(r.Value))...)
		}
	}
	return all
}

// skips are the routine rounds that were not started, with why.
func (p *pair) skips(t *testing.T) map[checks.Round]string {
	t.Helper()
	all := map[checks.Round]string{}
	for _, r := range p.exchange.site(p.site) {
		var skip results.Skip
		if headerOf(r, "ce_type") != kafka.SkipType {
			continue
		}
		if err := json.Unmarshal(r.Value, &skip); err != nil {
			t.Fatal(err)
		}
		all[skip.Round] = skip.Why
	}
	return all
}

// missing are the routine rounds due in a time that have neither a verdict nor a reason; allowed are the reasons that count.
func (p *pair) missing(t *testing.T, from, to time.Time, allowed ...string) (missing []checks.Round) {
	t.Helper()
	seen, skips := map[string]bool{}, p.skips(t)
	for _, v := range p.verdicts(t) {
		seen[v.Round.String()] = true
	}
	for _, bmc := range p.BMCs() {
		for due := checks.Due(bmc.ID, p.interval, from); due.Before(to); due = due.Add(p.interval) {
			round := checks.Round{BMC: bmc.ID, Due: due, Why: checks.Routine}
			if why := skips[round]; !seen[round.String()] && !slices.Contains(allowed, why) {
				missing = append(missing, round)
			}
		}
	}
	return missing
}

// owner is whose a BMC is, by its last verdict.
func (p *pair) owner(t *testing.T, bmc inventory.ID) (name string) {
	t.Helper()
	var at time.Time
	for _, v := range p.verdicts(t) {
		if v.BMC == bmc && v.At.After(at) {
			name, at = v.Satellite, v.At
		}
	}
	return name
}

// bus is the test's own way to the broker.
func (p *pair) bus(t *testing.T) *amqp.Bus {
	t.Helper()
	c, err := LoadConfig(p.path("sat-a.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := c.openBus(t.Context(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running errgroup.Group
	running.Go(func() error { return b.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		if err := running.Wait(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// logs keeps the satellites' logs when a test failed.
func (p *pair) logs(t *testing.T) {
	t.Cleanup(func() {
		for name, sat := range p.sats {
			if path := filepath.Join(os.TempDir(), "lamplighter-"+p.site+"-"+name+".log"); t.Failed() && os.WriteFile(path, []byte(sat.stderr.String()), 0o600) == nil {
				t.Logf("the log of %s, since its last start, is in %s", name, path)
			}
		}
	})
}

// story is what Kafka has of a BMC's rounds, by due.
func (p *pair) story(t *testing.T, bmc inventory.ID) string {
	t.Helper()
	var lines []string
	for _, v := range p.verdicts(t) {
		if v.BMC == bmc {
			lines = append(lines, fmt.Sprintf("%s %s %s by %s at %s", v.Round, v.Health, v.Reason, v.Satellite, v.At.Format("15:04:05.000")))
		}
	}
	for round, why := range p.skips(t) {
		if round.BMC == bmc {
			lines = append(lines, round.String()+" skipped: "+why)
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func tail(text string) string { return text[max(0, len(text)-4000):] }

// own is the mailboxes of both.
func (p *pair) own() []bus.Mailbox {
	return []bus.Mailbox{bus.Own(p.site, "sat-a"), bus.Own(p.site, "sat-b")}
}

// room is a site's fleet of some racks.
func room(t *testing.T, site string, bmcs int, slow time.Duration) simulated {
	return simulate(t, bmcsim.Plan{Seed: 1, Slow: slow, SessionLife: 30 * time.Second,
		Sites: []bmcsim.Site{{Name: site, BMCs: bmcs, IPMI: 0.4, PerRack: 10}}})
}
