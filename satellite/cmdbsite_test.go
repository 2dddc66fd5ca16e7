package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"lamplighter/checks"
	"lamplighter/checks/peers"
	"lamplighter/inventory"
	"lamplighter/results"
)

// cmdbStandIn has BMCs as a NetBox would answer with them, after its documentation: pages by id__gt, and bulk changes of a custom field. It is no
// NetBox.
type cmdbStandIn struct {
	url string

	mu      sync.Mutex
	bmcs    []inventory.BMC
	down    bool
	health  map[int64]string
	patches int
}

const cmdbToken = "0123456789abcdef0123456789abcdef01234567"

func startCMDB(t *testing.T, bmcs []inventory.BMC) *cmdbStandIn {
	t.Helper()
	t.Log("NOT TESTED against a real NetBox, which this machine has not: a stand-in that answers as its documentation says")
	s := &cmdbStandIn{bmcs: bmcs, health: map[int64]string{}}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

// set is what the CMDB says from now on.
func (s *cmdbStandIn) set(change func(*cmdbStandIn)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

func (s *cmdbStandIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.down:
		w.WriteHeader(http.StatusBadGateway)
	case r.Header.Get("Authorization") != "Token "+cmdbToken:
		w.WriteHeader(http.StatusForbidden)
	case r.URL.Path != "/api/dcim/devices/":
		fmt.Fprint(w, `{"count":0,"next":null,"results":[]}`)
	case r.Method == http.MethodPatch:
		s.patch(w, r)
	default:
		after, _ := strconv.Atoi(r.URL.Query().Get("id__gt"))
		after = min(after, len(s.bmcs))
		texts := []string{}
		for i, b := range s.bmcs[after:] {
			texts = append(texts, s.device(int64(after+i+1), b))
		}
		fmt.Fprintf(w, `{"count":%d,"next":null,"results":[%s]}`, len(texts), strings.Join(texts, ","))
	}
}

func (s *cmdbStandIn) patch(w http.ResponseWriter, r *http.Request) {
	var list []struct {
		ID     int64             `json:"id"`
		Custom map[string]string `json:"custom_fields"`
	}
	if err := json.NewDecoder(r.Body).Decode(&list); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	s.patches++
	for _, d := range list {
		s.health[d.ID] = d.Custom["bmc_health"]
	}
	_ = json.NewEncoder(w).Encode(list)
}

// device is a device; what NetBox has no field for is in custom fields.
func (s *cmdbStandIn) device(number int64, b inventory.BMC) string {
	custom := map[string]any{"bmc_health": s.health[number], "bmc_login": b.Login, "bmc_protocol": b.Protocol, "bmc_port": b.Port, "bmc_row": b.Row, "bmc_trust": b.Trust.String(), "bmc_uuid": b.UUID}
	for name, value := range b.Labels {
		custom["bmc_"+name] = value
	}
	text, err := json.Marshal(map[string]any{
		"id": number, "name": b.ID, "asset_tag": b.ID, "serial": b.Serial, "device_type": map[string]any{"id": 1, "model": b.Model, "manufacturer": map[string]any{"name": b.Vendor}},
		"site": map[string]any{"slug": b.Site}, "location": map[string]any{"name": b.Room}, "rack": map[string]any{"id": 1, "name": b.Rack}, "position": b.Unit,
		"face": map[string]any{"value": b.Face}, "oob_ip": map[string]any{"address": b.Address.String() + "/32"}, "custom_fields": custom,
	})
	if err != nil {
		panic(err) // plain texts and numbers
	}
	return string(text)
}

// syncedSite is a site whose satellite and results follow what the role inventory reads of a CMDB.
type syncedSite struct {
	*pair
	*cmdbStandIn
	role   *process
	belief *believing
}

func newSyncedSite(t *testing.T, x *exchange, fleet simulated, listed []inventory.BMC) *syncedSite {
	t.Helper()
	s := &syncedSite{pair: newPair(t, x, fleet, 2*time.Second, ""), cmdbStandIn: startCMDB(t, listed)}
	s.logs(t)
	s.put(t, "tokens.yaml", "credentials: {reader: {username: '', password: "+cmdbToken+"}}\n")
	satellite := strings.Replace(readFile(t, s.path("sat-a.yaml")), fleet.file("inventory.csv"), "cmdb", 1)
	s.put(t, "sat-a.yaml", satellite+fmt.Sprintf("cmdb: {state: %s/sat-a.inventory}\n", s.dir))
	role := strings.NewReplacer("satellite: sat-a", "satellite: inventory", fleet.file("keyring.yaml"), s.path("tokens.yaml"), "sat-a.spool", "inventory.spool").Replace(satellite)
	s.put(t, "inventory.yaml", role+fmt.Sprintf(`cmdb: {state: %s/state, every: 10m, quarantine: 4s, settle: 1h,
  sources: {nb: {kind: netbox, url: %q, login: reader, health_field: bmc_health}}}
`, s.dir, s.url))
	s.begin(t)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the role inventory, since its last start: %s", tail(s.role.stderr.String()))
		}
	})
	s.start(t, "sat-a")
	s.belief = believe(t, s.path("sat-a.yaml"))
	return s
}

func (s *syncedSite) begin(t *testing.T) {
	t.Helper()
	s.role = start(t, nil, "inventory", "--config", s.path("inventory.yaml"))
	eventually(t, 30*time.Second, "the role has started", func() bool { return strings.Contains(s.role.stderr.String(), "msg=started") })
}

func (s *syncedSite) inventory(t *testing.T, code exitCode, want string, args ...string) outcome {
	t.Helper()
	out := lamplighter(t, append(append([]string{"inventory"}, args...), "--config", s.path("inventory.yaml"))...)
	if out.code != int(code) || !strings.Contains(out.stdout+out.stderr, want) {
		t.Fatalf("%q: exit %d\n%s%s\nwant exit %d and %q; the role says %s", args, out.code, out.stdout, out.stderr, code, want, tail(s.role.stderr.String()))
	}
	return out
}

// checked waits until just these BMCs have a verdict of a round that was due later than now.
func (s *syncedSite) checked(t *testing.T, what string, ids ...inventory.ID) {
	t.Helper()
	since := time.Now()
	eventually(t, 60*time.Second, what, func() bool {
		seen := map[inventory.ID]bool{}
		for _, v := range s.verdicts(t) {
			if v.Round.Due.After(since) {
				seen[v.BMC] = true
			}
		}
		for _, id := range ids {
			if !seen[id] {
				return false
			}
		}
		if len(seen) != len(ids) { // one that was let go of just now may have had its last round: look anew
			since = time.Now()
			return false
		}
		return true
	})
}

func idsOf(bmcs []inventory.BMC) (ids []inventory.ID) {
	for _, b := range bmcs {
		ids = append(ids, b.ID)
	}
	return ids
}

// TestASiteOfSatellitesFollowsItsCMDB: NetBox (a stand-in) -> role inventory -> Kafka -> satellite, RabbitMQ, results -> NetBox.
func TestASiteOfSatellitesFollowsItsCMDB(t *testing.T) {
	if testing.Short() {
		t.Skip("NOT TESTED: a site that follows its CMDB, with -short")
	}
	t.Parallel()
	peers.Need(t, peers.RabbitMQ)
	fleet := room(t, "cmdb1", 10, 0)
	all := fleet.BMCs()
	s := newSyncedSite(t, openExchange(t), fleet, slices.Clone(all[:9]))
	s.checked(t, "all that the CMDB lists are checked", idsOf(all[:9])...)
	s.belief.is(t, all[0].ID, checks.Available)
	s.healthIsShown(t, 9)

	s.set(func(c *cmdbStandIn) { c.bmcs = append(c.bmcs, all[9]) })
	s.inventory(t, exitOK, "1 added, 0 removed, 0 changed, 0 moved; snapshot 2 has 10 BMCs", "sync")
	s.checked(t, "the one that was added is checked", idsOf(all)...)
	s.moves(t, all[0].ID)
	s.isRemoved(t, all)
	s.staysWithoutCMDB(t, idsOf(all[:9]))
	s.isEmptiedOnApproval(t, idsOf(all[:9]))
}

// healthIsShown waits until the CMDB shows so many, and restarts the role, which writes none of them again.
func (s *syncedSite) healthIsShown(t *testing.T, devices int) {
	t.Helper()
	shown := func() (n int) {
		s.set(func(c *cmdbStandIn) {
			for _, health := range c.health {
				if health == "available" {
					n++
				}
			}
		})
		return n
	}
	eventually(t, 60*time.Second, "NetBox shows the health of all", func() bool { return shown() == devices })
	var patches int
	s.set(func(c *cmdbStandIn) { patches = c.patches })
	if code := s.role.signal(t, syscall.SIGTERM, 30*time.Second); code != 0 {
		t.Errorf("exit code %d: %s", code, s.role.stderr.String())
	}
	s.begin(t)
	eventually(t, 30*time.Second, "the role reads the CMDB again", func() bool {
		out := lamplighter(t, "inventory", "sync", "--config", s.path("inventory.yaml"))
		return out.code == 0 && strings.Contains(out.stdout, "0 added, 0 removed, 0 changed, 0 moved; snapshot 1 has 9 BMCs")
	})
	s.set(func(c *cmdbStandIn) {
		if c.patches != patches {
			t.Errorf("a restart wrote health %d times again, although nothing changed", c.patches-patches)
		}
	})
}

// moves has a BMC stand in another rack: it is the same BMC, with all that was seen of it.
func (s *syncedSite) moves(t *testing.T, id inventory.ID) {
	t.Helper()
	moved := time.Now()
	s.set(func(c *cmdbStandIn) {
		c.bmcs = slices.Clone(c.bmcs)
		c.bmcs[0].Rack, c.bmcs[0].Unit = "elsewhere", 40
	})
	s.inventory(t, exitOK, "0 added, 0 removed, 0 changed, 1 moved", "sync")
	eventually(t, 60*time.Second, "it is checked in its new rack", func() bool {
		return slices.ContainsFunc(s.verdicts(t), func(v results.Verdict) bool {
			return v.BMC == id && v.Rack == "elsewhere" && v.Health == checks.Available
		})
	})
	eventually(t, 30*time.Second, "it is believed to stand there", func() bool {
		return s.belief.get(t, "get", "bmcs", "-o", "name", "--where", "rack=elsewhere") == string(id)+"\n"
	})
	var state results.State
	ask(t, s.belief.answersAt(t)+"/api/v1/bmcs/"+string(id), &struct{ State *results.State }{&state})
	if !state.Since.Before(moved) || state.Health != checks.Available {
		t.Errorf("since %v, moved at %v: %+v", state.Since, moved, state)
	}
}

// isRemoved has the last BMC leave the CMDB: it is checked during the quarantine, and not after.
func (s *syncedSite) isRemoved(t *testing.T, all []inventory.BMC) {
	t.Helper()
	s.set(func(c *cmdbStandIn) { c.bmcs = c.bmcs[:9] })
	s.inventory(t, exitOK, "0 added, 0 removed", "sync")
	s.inventory(t, exitOK, string(all[9].ID), "diff")
	s.checked(t, "it is checked during its quarantine", idsOf(all)...)
	eventually(t, 30*time.Second, "its quarantine ends", func() bool {
		return strings.Contains(s.inventory(t, exitOK, "snapshot", "sync").stdout, "1 removed")
	})
	s.checked(t, "it is checked no more", idsOf(all[:9])...)
}

// staysWithoutCMDB has the CMDB be down.
func (s *syncedSite) staysWithoutCMDB(t *testing.T, ids []inventory.ID) {
	t.Helper()
	s.set(func(c *cmdbStandIn) { c.down = true })
	s.inventory(t, exitUnknown, "502 Bad Gateway", "sync")
	s.checked(t, "the last good list is checked while the CMDB is down", ids...)
	out := s.inventory(t, exitOK, "the last sync failed", "list")
	if !regexp.MustCompile(`9 BMCs; synced \d+s ago`).MatchString(out.stderr) {
		t.Errorf("its age is not told:\n%s", out.stderr)
	}
	s.set(func(c *cmdbStandIn) { c.down = false })
}

// isEmptiedOnApproval has the CMDB answer that it has nothing.
func (s *syncedSite) isEmptiedOnApproval(t *testing.T, ids []inventory.ID) {
	t.Helper()
	s.set(func(c *cmdbStandIn) { c.bmcs = nil })
	s.inventory(t, exitOK, "9 of 9 BMCs are missing from the answer", "sync")
	s.checked(t, "nobody is let go of for an empty answer", ids...)
	digest := regexp.MustCompile(`digest (\w+)`).FindStringSubmatch(s.inventory(t, exitUnavailable, "WITHHELD: 9 of 9", "diff").stderr)[1]
	s.inventory(t, exitOK, "9 removed", "approve", digest)
	eventually(t, 60*time.Second, "nothing is checked once it is approved", func() bool {
		kept, err := inventory.ReadFollowed(filepath.Join(s.dir, "sat-a.inventory"))
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		newest := time.Time{}
		for _, v := range s.verdicts(t) {
			if v.Round.Due.After(newest) {
				newest = v.Round.Due
			}
		}
		return len(kept.BMCs) == 0 && time.Since(newest) > 6*time.Second
	})
}
