package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"lamplighter/checks/bmcsim"
	"lamplighter/checks/peers"
	"lamplighter/inventory"
	"lamplighter/results"
)

// rackInterval is how often each BMC is asked in this test.
const rackInterval = 10 * time.Second

// deadRack is a site of two satellites with its results and tickets, a real RabbitMQ, Kafka and Alertmanager.
type deadRack struct {
	*pair
	results, tickets *process
	alertmanager     *peers.Alertmanager
}

func newDeadRack(t *testing.T) *deadRack {
	t.Helper()
	fleet := simulate(t, bmcsim.Plan{Seed: 1, SessionLife: 30 * time.Second, Sites: []bmcsim.Site{{Name: "dc7", BMCs: 120, IPMI: 0.4, PerRack: 40}}})
	d := &deadRack{pair: newPair(t, openExchange(t), fleet, rackInterval, ""), alertmanager: peers.StartAlertmanager(t)}
	d.put(t, "results.yaml", fmt.Sprintf("satellite: results\nsite: dc7\ninterval: %s\ninventory: %s\nkafka: {brokers: [%q]}\nresults: {store: %s, listen: \"127.0.0.1:0\"}\n",
		rackInterval, fleet.file("inventory.csv"), d.Address, d.path("results")))
	d.put(t, "tickets.yaml", fmt.Sprintf("satellite: tickets\nkafka: {brokers: [%q]}\ntickets:\n  desks:\n    ops: {kind: alertmanager, url: %q, rest: true}\n", d.Address, d.alertmanager.URL))
	d.results, d.tickets = start(t, nil, "results", "--config", d.path("results.yaml")), start(t, nil, "tickets", "--config", d.path("tickets.yaml"))
	return d
}

// again kills results and tickets with -9, each at a moment of its own, and starts them again.
func (d *deadRack) again(t *testing.T) {
	t.Helper()
	time.Sleep(rand.N(time.Second))
	d.results.signal(t, syscall.SIGKILL, 10*time.Second)
	time.Sleep(rand.N(time.Second))
	d.tickets.signal(t, syscall.SIGKILL, 10*time.Second)
	d.results = start(t, nil, "results", "--config", d.path("results.yaml"))
	d.tickets = start(t, nil, "tickets", "--config", d.path("tickets.yaml"))
	time.Sleep(2 * time.Second)
}

// incidents are the newest documents on Kafka. Each of an incident follows the one before it, none is there twice.
func (d *deadRack) incidents(t *testing.T) map[string]results.Incident {
	t.Helper()
	newest := map[string]results.Incident{}
	for line := range strings.Lines(string(peers.Kcat(t, "-C", "-q", "-b", d.Address, "-t", "bmc.incident.v1", "-o", "beginning", "-e"))) {
		var i results.Incident
		if err := json.Unmarshal([]byte(line), &i); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if before := newest[i.ID].Seq; i.Seq != before+1 {
			t.Errorf("incident %s: %d follows %d", i.ID, i.Seq, before)
		}
		newest[i.ID] = i
	}
	return newest
}

// alerts are the incidents that Alertmanager has an alert of that is on, once for each alert.
func (d *deadRack) alerts(t *testing.T) (ids []string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	response, err := client.Get(d.alertmanager.URL + "/api/v2/alerts?active=true")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var all []struct{ Labels map[string]string }
	if err := json.NewDecoder(response.Body).Decode(&all); err != nil {
		t.Fatal(err)
	}
	for _, alert := range all {
		ids = append(ids, alert.Labels["incident"])
	}
	slices.Sort(ids)
	return ids
}

// TestADeadRackIsOneIncidentAndOneAlert, and one more dead BMC elsewhere has its own, while results and tickets are killed ten times.
func TestADeadRackIsOneIncidentAndOneAlert(t *testing.T) {
	if testing.Short() {
		t.Skip("NOT TESTED: a dead rack of a site, with -short")
	}
	peers.Need(t, peers.AlertmanagerPeer)
	d := newDeadRack(t)
	d.logs(t)
	d.both(t)
	racks := map[string][]inventory.ID{}
	for _, bmc := range d.BMCs() {
		racks[bmc.Rack] = append(racks[bmc.Rack], bmc.ID)
	}
	dead := d.BMCs()[0].Rack
	alone := slices.IndexFunc(d.BMCs(), func(b inventory.BMC) bool { return b.Rack != dead })
	eventually(t, 60*time.Second, "all are believed to be available", func() bool {
		out := lamplighter(t, "get", "bmcs", "-o", "name", "--where", "health=available", "--api", d.results.answersAt(t))
		return strings.Count(out.stdout, "\n") == len(d.BMCs())
	})
	began := time.Now()
	for _, bmc := range append(racks[dead], d.BMCs()[alone].ID) {
		d.plant(t, bmc, bmcsim.Dead)
	}
	for range 10 {
		d.again(t)
	}
	eventually(t, rackInterval+60*time.Second-time.Since(began), "an incident and an alert of each", func() bool {
		return len(d.incidents(t)) >= 2 && len(d.alerts(t)) >= 2
	})
	t.Logf("known %v after the rack died", time.Since(began).Round(time.Second))
	d.wantTwo(t, dead, d.BMCs()[alone].ID)
	for _, bmc := range append(racks[dead], d.BMCs()[alone].ID) {
		d.cure(t, bmc, bmcsim.Dead)
	}
	d.again(t)
	eventually(t, 90*time.Second, "both are closed", func() bool {
		open := 0
		for _, i := range d.incidents(t) {
			if i.Status != results.Resolved {
				open++
			}
		}
		return open == 0 && len(d.alerts(t)) == 0
	})
	d.wantTwo(t, dead, d.BMCs()[alone].ID)
	d.stop(t, "sat-a", "sat-b")
}

// wantTwo wants one incident of the rack and one of the BMC, and nothing else ever.
func (d *deadRack) wantTwo(t *testing.T, rack string, alone inventory.ID) {
	t.Helper()
	found := d.incidents(t)
	for _, i := range found {
		switch {
		case i.Cause.Kind == results.CauseRack && i.Rack == rack && i.Total == 40:
		case i.Cause.Kind == results.CauseBMC && i.Cause.Key == string(alone) && i.Total == 1:
		default:
			t.Errorf("incident %s (%s): %s; %s", i.ID, i.Cause.Kind, i.Title, i.Counted)
		}
	}
	if alerts := d.alerts(t); len(found) != 2 || len(alerts) > 2 || len(slices.Compact(slices.Clone(alerts))) != len(alerts) {
		t.Errorf("%d incidents, alerts %v; satellites' files are in %s", len(found), alerts, filepath.Dir(d.path("x")))
	}
}
