package console_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"lamplighter/inventory"
	"lamplighter/results/api"
)

// cmdb is a source over HTTP whose records a test writes.
type cmdb struct {
	*httptest.Server
	answer atomic.Pointer[page]
}

type page struct {
	Total int                 `json:"total"`
	Items []map[string]string `json:"items"`
}

func newCMDB(t *testing.T) *cmdb {
	c := &cmdb{}
	c.answer.Store(&page{})
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(c.answer.Load())
	}))
	t.Cleanup(c.Close)
	return c
}

// says has it answer with BMCs, of so many.
func (c *cmdb) says(total int, bmcs ...inventory.BMC) {
	p := &page{Total: total}
	for _, b := range bmcs {
		p.Items = append(p.Items, map[string]string{"id": string(b.ID), "address": b.Address.String(), "site": b.Site, "room": b.Room, "row": b.Row, "rack": b.Rack,
			"unit": fmt.Sprint(b.Unit), "vendor": b.Vendor, "model": b.Model, "serial": b.Serial})
	}
	c.answer.Store(p)
}

func (c *cmdb) source(name string) inventory.Source {
	fields := inventory.Fields{}
	for _, column := range []string{"id", "address", "site", "room", "row", "rack", "unit", "vendor", "model", "serial"} {
		fields[column] = column
	}
	return inventory.Named{Name: name, Source: inventory.JSON{Endpoint: inventory.Endpoint{Name: name, URL: c.URL}, Items: "items", Total: "total", Fields: fields}}
}

// synced are the inventories of several sites, each really synced; some cannot be asked.
type synced struct {
	t      *testing.T
	bySite map[string]*inventory.Syncing
	barred map[string]string
}

// site opens one. A sync must follow, by hand.
func (s *synced) site(name string, source inventory.Source) *inventory.Syncing {
	rule := inventory.DefaultRule()
	one, err := inventory.OpenSyncing(inventory.SyncConfig{Source: source, Dir: filepath.Join(s.t.TempDir(), "inventory"), Every: 10 * time.Minute, Site: name, Rule: rule,
		Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = one.Close() })
	s.bySite[name] = one
	return one
}

func (s *synced) Reports() (all []inventory.Report) {
	for _, name := range slices.Sorted(maps.Keys(s.bySite)) {
		all = append(all, s.bySite[name].Report())
	}
	return all
}

func (s *synced) Barred(site string) string { return s.barred[site] }

func (s *synced) Ask(ctx context.Context, site string, r inventory.Request) (string, error) {
	text, err := s.bySite[site].Do(ctx, r)
	if err != nil {
		return "", &api.NotDone{Text: err.Error()}
	}
	return text, nil
}

func (s *synced) fleet() (all []inventory.BMC) {
	for _, name := range slices.Sorted(maps.Keys(s.bySite)) {
		r, _ := s.bySite[name].Register()
		all = append(all, r.BMCs...)
	}
	return all
}

func syncOnce(t *testing.T, s *inventory.Syncing, good bool) {
	t.Helper()
	if _, err := s.Sync(t.Context()); (err == nil) != good {
		t.Fatalf("sync: %v", err)
	}
}

// rackful are BMCs of a site, 20 a rack.
func rackful(site string, net byte, n int) (all []inventory.BMC) {
	for i := range n {
		all = append(all, inventory.BMC{ID: inventory.ID(fmt.Sprintf("%s-a%02d-u%02d", site, i/20+1, i%20+1)), Address: netip.AddrFrom4([4]byte{10, net, byte(i / 200), byte(i%200 + 1)}),
			Site: site, Room: "hall-1", Row: "A", Rack: fmt.Sprintf("A%02d", i/20+1), Unit: float64(i%20 + 1), Vendor: "Dell Inc.", Model: "R650", Protocol: inventory.Auto, Login: "default"})
	}
	return all
}

// fourSites are what may become of an inventory: one withholds half of an answer and has conflicts, one's CMDB is away, one's answers with less than it says it has, one is well.
func fourSites(t *testing.T) *synced {
	s := &synced{t: t, bySite: map[string]*inventory.Syncing{}, barred: map[string]string{"fra1": "The process that syncs names no RabbitMQ, and hears nobody: run lamplighter inventory sync or approve on the host that syncs."}}
	netbox, away, short, well := newCMDB(t), newCMDB(t), newCMDB(t), newCMDB(t)
	ams, fra, sin, hel := rackful("ams1", 1, 200), rackful("fra1", 2, 160), rackful("sin1", 3, 140), rackful("hel1", 4, 80)
	racks := filepath.Join(t.TempDir(), "racks.csv")
	list := func(more string) {
		if err := os.WriteFile(racks, []byte("id,address,vendor\nams1-a06-u01,10.1.0.101,Dell Inc.\n"+more), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	list("")
	one := s.site("ams1", inventory.Merged{netbox.source("netbox"), inventory.Named{Name: "racks", Source: inventory.CSV{Path: racks}}})
	netbox.says(200, ams...)
	syncOnce(t, one, true)
	list("ams1-spare,10.1.0.150,HPE\n") // where another is already
	netbox.says(197, ams[3:]...)        // these three are in quarantine
	syncOnce(t, one, true)
	half := slices.Clone(ams[100:])
	half[7].Rack, half[7].Unit = "A09", 30
	half = append(half, rackful("ams1", 9, 2)[0])
	half[len(half)-1].ID = "ams1-new-1"
	netbox.says(101, half...)
	syncOnce(t, one, true)
	two := s.site("fra1", away.source("netbox"))
	away.says(160, fra...)
	syncOnce(t, two, true)
	away.Close()
	syncOnce(t, two, false)
	three := s.site("sin1", short.source("cmdb"))
	short.says(140, sin...)
	syncOnce(t, three, true)
	short.says(140, sin[:90]...)
	syncOnce(t, three, false)
	four := s.site("hel1", well.source("cmdb"))
	well.says(80, hel...)
	syncOnce(t, four, true)
	return s
}

// hostileSite is an inventory of which every text is an attack, and half is withheld.
func hostileSite(t *testing.T, fleet []inventory.BMC) *synced {
	s := &synced{t: t, bySite: map[string]*inventory.Syncing{}, barred: map[string]string{}}
	var answer atomic.Pointer[inventory.Answer]
	one := s.site(names[0], answers(func() (inventory.Answer, error) { return *answer.Load(), nil }))
	var bad []inventory.Conflict
	for i, attack := range attacks {
		bad = append(bad, inventory.Conflict{Kind: inventory.BadRecord, BMCs: []inventory.ID{inventory.ID(attack)}, Text: attacks[(i+1)%len(attacks)]})
	}
	answer.Store(&inventory.Answer{BMCs: records(fleet), Sources: []inventory.Read{{Name: attacks[0], BMCs: 50}, {Name: names[1], BMCs: 3, Read: 3, Of: 4}}})
	syncOnce(t, one, true)
	answer.Store(&inventory.Answer{BMCs: records(fleet[:20]), Bad: bad, Sources: []inventory.Read{{Name: attacks[1]}}})
	syncOnce(t, one, true)
	two := s.site(attacks[2], answers(func() (inventory.Answer, error) {
		return inventory.Answer{}, &inventory.SourceError{Name: attacks[3], Err: fmt.Errorf("%s\n%s", attacks[0], attacks[1])}
	}))
	syncOnce(t, two, false)
	three := s.site("conflicts", answers(func() (inventory.Answer, error) { return inventory.Answer{BMCs: records(fleet[:2]), Bad: bad}, nil }))
	syncOnce(t, three, true)
	s.barred[attacks[2]] = attacks[4]
	return s
}

// records are those of a list.
func records(list []inventory.BMC) (all []*inventory.BMC) {
	for i := range list {
		all = append(all, &list[i])
	}
	return all
}

type answers func() (inventory.Answer, error)

func (a answers) BMCs(context.Context, inventory.Known) (inventory.Answer, error) { return a() }
