package snapshot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/results/kafka"
	"lamplighter/results/schematest"
)

func fleet(ids ...int) (bmcs []inventory.BMC) {
	for _, id := range ids {
		bmcs = append(bmcs, inventory.BMC{ID: inventory.ID(fmt.Sprintf("b%04d", id)), Address: netip.AddrFrom4([4]byte{10, 0, byte(id >> 8), byte(id)}),
			Site: "ams1", Protocol: inventory.Auto, Login: "default", Labels: map[string]string{"role": "db"}})
	}
	return bmcs
}

func register(number uint64, bmcs []inventory.BMC) inventory.Register {
	return inventory.Register{Number: number, Made: time.Date(2026, 11, 27, 12, 0, int(number), 0, time.UTC), BMCs: bmcs}
}

func see(t *testing.T, a *Assembly, records []Record) {
	t.Helper()
	for _, r := range records {
		if err := a.See(r.Key, r.Value); err != nil {
			t.Fatal(err)
		}
	}
}

// However fleets change, whoever saw all records has the last one, in whatever order those of one snapshot come; who saw a part has none
// or one that was.
func TestASnapshotIsTakenWholeOrNotAtAll(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		publisher, follower := NewAssembly("ams1"), NewAssembly("ams1")
		var last inventory.Register
		for number := uint64(1); number < 8; number++ {
			var bmcs []inventory.BMC
			for id := range 20 {
				if r.IntN(3) > 0 {
					b := fleet(id)[0]
					b.Rack = fmt.Sprint("r", r.IntN(2))
					bmcs = append(bmcs, b)
				}
			}
			next := register(number, bmcs)
			records, err := publisher.Records(next)
			if err != nil {
				t.Fatal(err)
			}
			see(t, publisher, records)
			if again, err := publisher.Records(next); err != nil || len(again) > 0 {
				t.Fatalf("seed %d: %d records although nothing changed, %v", seed, len(again), err)
			}
			r.Shuffle(len(records), func(i, j int) { records[i], records[j] = records[j], records[i] })
			for i, record := range records {
				if err := follower.See(record.Key, record.Value); err != nil {
					t.Fatal(err)
				}
				got, err := follower.Whole()
				if err == nil && i < len(records)-1 && !reflect.DeepEqual(got, last) {
					t.Fatalf("seed %d: after %d of %d records: %+v", seed, i+1, len(records), got)
				}
			}
			got, err := follower.Whole()
			if err != nil || !reflect.DeepEqual(got.BMCs, orNone(next.BMCs)) || got.Number != next.Number || !got.Made.Equal(next.Made) {
				t.Fatalf("seed %d: %v\ngot  %+v\nwant %+v", seed, err, got, next)
			}
			last = got
		}
	}
}

func orNone(bmcs []inventory.BMC) []inventory.BMC {
	if len(bmcs) == 0 {
		return nil
	}
	return bmcs
}

func TestAPublisherGoesOnAboveTheNumberThatIsThere(t *testing.T) {
	a := NewAssembly("ams1")
	first, _ := a.Records(register(7, fleet(1, 2)))
	see(t, a, first)
	second, err := a.Records(register(1, fleet(1, 3))) // a disk that was lost begins with 1
	if err != nil || len(second) != 3 {
		t.Fatalf("%d records, %v", len(second), err)
	}
	see(t, a, second)
	if got, err := a.Whole(); err != nil || got.Number != 8 {
		t.Errorf("number %d, %v", got.Number, err)
	}
}

func TestASiteMayBeCalledWhateverPeopleCallIt(t *testing.T) {
	for _, name := range []string{"ams1", "a/b", "a%2Fb", "a%", "Zürich/東京", "", "%25/", "/"} {
		publisher, follower := NewAssembly(name), NewAssembly(name)
		records, err := publisher.Records(register(1, fleet(1, 2)))
		if err != nil {
			t.Fatal(err)
		}
		see(t, follower, records)
		if got, err := follower.Whole(); err != nil || len(got.BMCs) != 2 {
			t.Errorf("%q: %d BMCs, %v", name, len(got.BMCs), err)
		}
		for _, r := range records {
			if site, id, ok := Site(r.Key); !ok || site != name || id != "" && id != "b0001" && id != "b0002" {
				t.Errorf("%q: key %q is of site %q, BMC %q", name, r.Key, site, id)
			}
		}
	}
	if key("ams1", "a/b") != "ams1/a/b" {
		t.Error("a key that was good is another")
	}
}

func TestWhatIsNoSnapshotIsNotTaken(t *testing.T) {
	a := NewAssembly("ams1")
	if _, err := a.Whole(); !errors.Is(err, ErrNotWhole) {
		t.Errorf("nothing at all: %v", err)
	}
	records, _ := a.Records(register(1, fleet(1, 2)))
	see(t, a, records)
	good := records[0]
	for name, bad := range map[string]Record{
		"another site's":   {"fra1/b0001", good.Value},
		"no site's":        {"b0001", good.Value},
		"another BMC's":    {"ams1/b0009", good.Value},
		"not JSON":         {good.Key, []byte("{")},
		"another schema's": {good.Key, []byte(strings.Replace(string(good.Value), Schema, "x", 1))},
		"without address":  {good.Key, []byte(`{"schema":"lamplighter.inventory.v1","bmc":{"id":"b0001"}}`)},
		"of no BMC":        {good.Key, []byte(`{"schema":"lamplighter.inventory.v1"}`)},
	} {
		if err := a.See(bad.Key, bad.Value); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if got, err := a.Whole(); err != nil || len(got.BMCs) != 2 {
		t.Errorf("what cannot be read changed what was there: %v", err)
	}
	see(t, a, []Record{{Key: "ams1/"}}) // the topic is emptied: what was told holds, nothing new is
	if _, err := a.Whole(); !errors.Is(err, ErrNotWhole) {
		t.Errorf("without a snapshot: %v", err)
	}
}

func TestDocumentsAreValidByTheirSchema(t *testing.T) {
	text, err := os.ReadFile(schematest.Path("inventory.v1"))
	if err != nil {
		t.Fatal(err)
	}
	var schema struct{ Properties map[string]any }
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	full := fleet(1)[0]
	full.Room, full.Row, full.Rack, full.Unit, full.Height, full.Face, full.Slot, full.Chassis = "r", "A", "R1", 1.5, 2, "front", "1", "c"
	full.Vendor, full.Model, full.Serial, full.UUID, full.Port, full.Trust = "v", "m", "s", "u", 8443, inventory.Trust{Mode: inventory.TrustTOFU}
	records, err := NewAssembly("ams1").Records(register(3, append([]inventory.BMC{full}, fleet(2)...)))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		schematest.Validate(t, "inventory.v1", r.Value)
		var d map[string]any
		if err := json.Unmarshal(r.Value, &d); err != nil {
			t.Fatal(err)
		}
		for name := range d {
			if schema.Properties[name] == nil {
				t.Errorf("the schema does not name %s", name)
			}
		}
	}
}

// told is what a follower was told, as it comes.
type told struct {
	mu  sync.Mutex
	all []inventory.Register
}

func (s *told) changed(_ string, r inventory.Register) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, r)
}

func (s *told) has(bmcs []inventory.BMC) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.all) > 0 && reflect.DeepEqual(s.all[len(s.all)-1].BMCs, bmcs)
}

func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

// running has run run until the end of the test, or until stop.
func running(t *testing.T, run func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() {
		if err := run(ctx); err != nil {
			t.Error(err)
		}
	})
	stop = sync.OnceFunc(func() { cancel(); group.Wait() })
	t.Cleanup(stop)
	return stop
}

func TestFollowersHaveWhatIsPublishedAndKeepItOnTheirDisks(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(24, kafka.InventoryTopic))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	config := kafka.Config{Brokers: cluster.ListenAddrs(), Site: "ams1", Satellite: "inventory"}
	dir := t.TempDir()
	one, everywhere := &told{}, &told{}
	running(t, Following{Kafka: config, Site: "ams1", Dir: dir, Changed: one.changed, Log: log}.Run)
	running(t, Following{Kafka: config, Every: true, Changed: everywhere.changed, Log: log}.Run)

	large := slices.Collect(func(yield func(int) bool) {
		for id := range 2500 {
			if !yield(id) {
				return
			}
		}
	})
	p := NewPublisher(config, "ams1", log)
	stop := running(t, p.Run)
	p.Publish(inventory.Register{}) // never synced: nothing
	p.Publish(register(1, fleet(large...)))
	until(t, "2,500 BMCs", func() bool { return one.has(fleet(large...)) && everywhere.has(fleet(large...)) && p.Sent() == 1 })
	changed := fleet(large[:2490]...)
	changed[3].Rack = "R9"
	p.Publish(register(2, changed))
	until(t, "a change", func() bool { return one.has(changed) })
	stop()

	// The publisher begins anew and finds nothing to do; then a change is what it takes.
	again := NewPublisher(config, "ams1", log)
	running(t, again.Run)
	again.Publish(register(2, changed))
	until(t, "what is there", func() bool { return again.Sent() == 2 })
	other := NewPublisher(kafka.Config{Brokers: config.Brokers, Site: "fra1", Satellite: "inventory"}, "fra1", log)
	running(t, other.Run)
	other.Publish(register(1, fleet(9000)))
	until(t, "another site", func() bool { return everywhere.has(fleet(9000)) })
	again.Publish(register(3, nil))
	until(t, "an empty fleet, which somebody approved", func() bool { return one.has(nil) })
	one.mu.Lock()
	defer one.mu.Unlock()
	if len(one.all) != 3 {
		t.Errorf("told %d times, want 3: a snapshot that is there already is none", len(one.all))
	}
	if kept, err := inventory.ReadFollowed(dir); err != nil || kept.Number != 3 || len(kept.BMCs) != 0 {
		t.Errorf("kept %d with %d BMCs, %v", kept.Number, len(kept.BMCs), err)
	}
}

// What who syncs says of its inventory comes to those who want it, the newest only; who wants the fleet alone passes it over.
func TestWhatIsSaidOfAnInventoryComesToThoseWhoWantIt(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(4, kafka.InventoryTopic, kafka.AuditTopic))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	config := kafka.Config{Brokers: cluster.ListenAddrs(), Site: "ams1", Satellite: "inventory"}
	p := NewPublisher(config, "ams1", log)
	report := func(bmcs int) inventory.Report {
		r, s := register(1, fleet(1, 2)), inventory.Status{Error: "netbox is away", Sources: []inventory.SourceStatus{{Name: "netbox"}}, Last: &inventory.LastChange{Added: 2}}
		r.Conflicts, r.Missing = []inventory.Conflict{{Kind: inventory.NoRack, Text: "x"}}, map[inventory.ID]time.Time{"b0001": r.Made}
		r.Withheld = &inventory.Withheld{Digest: "d", Gone: 1, Of: 2, First: "b0001"}
		out := inventory.ReportOf("ams1", r, s, time.Hour)
		out.At, out.BMCs = time.Now().UTC(), bmcs
		return out
	}
	p.Tell(report(1))
	p.Tell(report(2)) // the one before is forgotten
	p.Act(results.Act{Schema: results.ActSchema, Site: "ams1", ID: "one", Do: "inventory_approve", Who: "ada@desk", At: time.Now().UTC()})
	running(t, p.Run)
	var mu sync.Mutex
	heard := map[string]int{}
	fleetOnly := &told{}
	running(t, Following{Kafka: config, Every: true, Changed: func(string, inventory.Register) {}, Log: log, Told: func(r inventory.Report) {
		mu.Lock()
		defer mu.Unlock()
		heard[r.Site] += r.BMCs
	}}.Run)
	running(t, Following{Kafka: config, Site: "ams1", Changed: fleetOnly.changed, Log: log}.Run)
	until(t, "the newest report", func() bool { mu.Lock(); defer mu.Unlock(); return heard["ams1"] == 2 })
	p.Publish(register(1, fleet(1, 2)))
	until(t, "the fleet", func() bool { return fleetOnly.has(fleet(1, 2)) })
	var acts []string
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := kafka.Read(ctx, config, kafka.Reading{Topics: []string{kafka.AuditTopic}, See: func(r kafka.Record) error {
		schematest.Validate(t, "act.v1", r.Value)
		acts = append(acts, r.Header("ce_type"))
		return nil
	}}); err != nil || len(acts) != 1 || acts[0] != kafka.ActType {
		t.Errorf("%q, %v", acts, err)
	}

	value, err := json.Marshal(ReportDocument{ReportSchema, report(3)})
	if err != nil {
		t.Fatal(err)
	}
	schematest.Validate(t, "inventory_report.v1", value)
	var schema struct{ Properties map[string]any }
	var document map[string]any
	text, err := os.ReadFile(schematest.Path("inventory_report.v1"))
	if err := errors.Join(err, json.Unmarshal(text, &schema), json.Unmarshal(value, &document)); err != nil {
		t.Fatal(err)
	}
	for name := range document {
		if schema.Properties[name] == nil {
			t.Errorf("the schema does not name %s", name)
		}
	}
}

func FuzzAssembly(f *testing.F) {
	records, err := NewAssembly("ams1").Records(register(1, fleet(1, 2)))
	if err != nil {
		f.Fatal(err)
	}
	for _, r := range records {
		f.Add(r.Key, r.Value)
	}
	f.Add("ams1/", []byte(`{"schema":"lamplighter.inventory.v1","number":1,"sum":"0000000000000000"}`))
	f.Fuzz(func(t *testing.T, key string, value []byte) {
		a := NewAssembly("ams1")
		if a.See(key, value) != nil {
			return
		}
		if r, err := a.Whole(); err == nil && len(r.BMCs) != a.head.BMCs {
			t.Errorf("%d BMCs of %d", len(r.BMCs), a.head.BMCs)
		}
	})
}
