package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"lamplighter/checks"
	"lamplighter/checks/bmcsim"
	"lamplighter/inventory"
	"lamplighter/inventory/vaultstandin"
	"lamplighter/results"
	"lamplighter/results/follow"
	"lamplighter/results/incident"
	"lamplighter/satellite/run"
)

const (
	// askEvery is how often a BMC is asked, patience what is taken for it: silence on a busy machine is none.
	askEvery = 2 * time.Second
	patience = 15 * time.Second
)

// watched is a simulated fleet, a satellite that goes round it, and what follows.
type watched struct {
	simulated
	*follow.Follower
}

// watch goes round a fleet for the length of a test, as lamplighter all does; but for what is changed of it.
func watch(t *testing.T, plan bmcsim.Plan, change ...func(simulated, *tour)) *watched {
	t.Helper()
	fleet := simulate(t, plan)
	bmcs := fleet.BMCs()
	tour, err := demoTour(fleet.dir, bmcs, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	tour.config.Interval = askEvery
	for i := range tour.config.Chain {
		tour.config.Chain[i].Every = 0
	}
	setTimeout(tour.config.Chain, checks.Ping, 700*time.Millisecond)
	for _, c := range change {
		c(fleet, tour)
	}
	rule := incident.Defaults(patience)
	rule.Hold = 3 * time.Second
	r := defaultResults()
	r.Store, r.Listen = t.TempDir(), ""
	b, err := r.openBeliefs(t.Context(), follow.Config{Name: "demo", Interval: patience, Incidents: rule, Record: records(bmcs)}, around{}, time.Hour, tour.config.Log)
	if err != nil {
		t.Fatal(err)
	}
	tour.config.Sink = b.follower
	following, stopFollowing := context.WithCancel(context.Background())
	asking, stopAsking := context.WithCancel(context.Background())
	var group, asked sync.WaitGroup
	group.Go(func() {
		if err := b.run(following); err != nil {
			t.Error(err)
		}
	})
	asked.Go(func() {
		_ = tour.run(asking, func(ctx context.Context, s *run.Satellite) error { // rounds that a stop cuts off are an error
			s.Set(bmcs)
			return s.Run(ctx)
		})
	})
	t.Cleanup(func() {
		stopAsking()
		asked.Wait()
		stopFollowing()
		group.Wait()
		tour.close()
		if err := b.close(); err != nil {
			t.Error(err)
		}
	})
	w := &watched{fleet, b.follower}
	eventually(t, 90*time.Second, "all are available", func() bool {
		all, _ := w.Live().All()
		return len(all) == len(bmcs) && !slices.ContainsFunc(all, func(b *follow.BMC) bool { return b.State.Health != checks.Available })
	})
	return w
}

// line is the open incidents in short.
func (w *watched) line() string {
	var parts []string
	for _, i := range w.Incidents() {
		if i.Status != results.Resolved {
			parts = append(parts, fmt.Sprintf("%s %s %d %s", i.Cause.Kind, i.Cause.Key, i.Failing, i.Owner))
		}
	}
	slices.Sort(parts)
	return strings.Join(parts, "; ")
}

// plantIn plants a fault in all BMCs that are meant.
func (w *watched) plantIn(t *testing.T, fault bmcsim.Fault, meant func(inventory.BMC) bool) (n int) {
	t.Helper()
	for _, b := range w.BMCs() {
		if meant(b) {
			w.plant(t, b.ID, fault)
			n++
		}
	}
	return n
}

func made(vendor string) func(inventory.BMC) bool {
	return func(b inventory.BMC) bool { return b.Vendor == vendor }
}

func inRack(rack string) func(inventory.BMC) bool {
	return func(b inventory.BMC) bool { return b.Rack == rack }
}

// becomes plants a fault, wants the incident that it is, and that it is closed once the fault is cured.
func (w *watched) becomes(t *testing.T, want string, fault bmcsim.Fault, meant func(inventory.BMC) bool) {
	t.Helper()
	before := len(w.Incidents())
	want = fmt.Sprintf(want, w.plantIn(t, fault, meant))
	eventually(t, 60*time.Second, "the incident "+want, func() bool { return w.line() == want })
	if _, err := w.Clear("*", fault); err != nil {
		t.Fatal(err)
	}
	eventually(t, 60*time.Second, "that "+want+" is over", func() bool { return w.line() == "" })
	w.noneElse(t, before+1)
}

// These run one after the other: each second that a loaded machine takes longer is one in which rounds fail for another reason.
//
// The cause that is planted in a simulated site is the one that is named, by real rounds, and it is closed when it is over.
func TestThePlantedPlaceIsTheIncident(t *testing.T) {
	w := watch(t, bmcsim.Plan{Seed: 1, Shared: true, Sites: []bmcsim.Site{{Name: "ams1", BMCs: 60, PerRack: 3}}})
	w.becomes(t, "rack ams1/hall-1/A/A04 %d network", bmcsim.Dead, inRack("A04"))
	w.becomes(t, "row ams1/hall-1/B %d network", bmcsim.Dead, func(b inventory.BMC) bool { return b.Row == "B" })
	w.becomes(t, "satellite ams1/demo %d us", bmcsim.Dead, func(inventory.BMC) bool { return true }) // it sees nobody: its uplink
}

func TestThePlantedCohortIsTheIncident(t *testing.T) {
	w := watch(t, bmcsim.Plan{Seed: 1, Shared: true, Sites: []bmcsim.Site{{Name: "ams1", BMCs: 30, PerRack: 3}}})
	firmware := fmt.Sprintf("firmware ams1/HPE %s with Redfish %s", w.model("HPE"), factIn(w, "HPE", "redfish_version"))
	w.becomes(t, firmware+" %d server", bmcsim.WebOff, made("HPE"))
	batch := fmt.Sprintf("issuer %s until %s", factIn(w, "Dell", "cert_issuer"), factIn(w, "Dell", "cert_not_after")[:10])
	w.becomes(t, batch+" %d server", bmcsim.CertExpired, made("Dell"))
}

func (w *watched) model(vendor string) string {
	all := w.BMCs()
	return all[slices.IndexFunc(all, made(vendor))].Model
}

// noneElse wants no more incidents to have been than that.
func (w *watched) noneElse(t *testing.T, most int) {
	t.Helper()
	if all := w.Incidents(); len(all) > most {
		for _, i := range all {
			t.Errorf("%s %s %s %q: %s (%s)", i.ID, i.Status, i.Closed, i.Into, i.Title, i.Counted)
		}
	}
}

func factIn(w *watched, vendor, name string) string {
	all, _ := w.Live().All()
	for _, b := range all {
		for _, f := range b.Facts {
			if b.State.Vendor == vendor && f.Name == name {
				return f.Value
			}
		}
	}
	return ""
}

func TestARotatedCredentialAndADeadRackAreTwoIncidents(t *testing.T) {
	w := watch(t, bmcsim.Plan{Seed: 1, Shared: true, Sites: []bmcsim.Site{{Name: "ams1", BMCs: 30, PerRack: 3}}})
	dead := w.plantIn(t, bmcsim.Dead, inRack("A02"))
	w.plantIn(t, bmcsim.WrongPassword, func(b inventory.BMC) bool { return b.Vendor == "Dell" && b.Rack != "A02" })
	credential := "credential ams1/ams1-dell "
	rack := fmt.Sprintf("rack ams1/hall-1/A/A02 %d network", dead)
	eventually(t, 40*time.Second, "both; there is "+w.line(), func() bool {
		line := w.line()
		return strings.HasPrefix(line, credential) && strings.HasSuffix(line, " credentials; "+rack)
	})
	w.noneElse(t, 2)
}

func TestAVaultThatIsSealedIsOneIncidentAboutUs(t *testing.T) {
	vault := vaultstandin.Start(t)
	w := watch(t, bmcsim.Plan{Seed: 1, Shared: true, Sites: []bmcsim.Site{{Name: "ams1", BMCs: 30, PerRack: 3}}}, func(fleet simulated, tour *tour) {
		for _, name := range inventory.Logins(fleet.BMCs()) {
			c, err := tour.config.Keyring.Credentials(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			vault.Write("bmc", name, map[string]any{"username": c.Username, "password": c.Password.Reveal()})
		}
		settings := "address: " + vault.URL + "\nmount: bmc\nauth: token\ntoken_file: token\ncache: 1s\nstale: 5s\n"
		for name, text := range map[string]string{"token": "root-token", "vault.yaml": settings} {
			if err := os.WriteFile(fleet.file(name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		var err error
		if tour.config.Keyring, err = inventory.OpenKeyring("vault:" + fleet.file("vault.yaml")); err != nil {
			t.Fatal(err)
		}
	})
	vault.Seal()
	eventually(t, 60*time.Second, "an incident about the keyring; there is "+w.line(), func() bool { return w.line() == "keyring ams1 30 us" })
	all, _ := w.Live().All()
	for _, b := range all {
		if b.State.Health == checks.Unavailable {
			t.Errorf("%s is unavailable by %q", b.State.BMC, b.State.Reason)
		}
	}
	vault.Heal()
	eventually(t, 60*time.Second, "that it is over", func() bool { return w.line() == "" })
	w.noneElse(t, 1)
}
