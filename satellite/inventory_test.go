package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"golang.org/x/sync/errgroup"

	"lamplighter/inventory"
	"lamplighter/results/kafka"
)

// cmdbSite is a fleet whose list of BMCs comes from a source that the test writes.
type cmdbSite struct {
	simulated
	*process
	dir, config string
}

// goRoundByCMDB starts lamplighter all with a source of its own; results is that section, where %[1]s is its directory.
func goRoundByCMDB(t *testing.T, fleet simulated, results string) *cmdbSite {
	t.Helper()
	s := &cmdbSite{simulated: fleet, dir: t.TempDir()}
	s.config = filepath.Join(s.dir, "lamplighter.yaml")
	write(t, s.config, fmt.Sprintf(`satellite: sat-a
inventory: cmdb
cmdb: {state: %[1]s/inventory, every: 1h, quarantine: 1h, precedence: [hand, more],
  sources: {hand: {kind: csv, path: %[1]s/bmcs.csv}, more: {kind: csv, path: %[1]s/more.csv}}}
targets: {loopback: true}
keyring: %[2]s
ca_file: %[3]s
memory: %[1]s/memory
verdicts: %[1]s/verdicts.ndjson
ping: [rmcp]
results: `+results+`
interval: 1s
every: {redfish-login: 0s, ipmi-login: 0s, power: 0s}
`, s.dir, fleet.file("keyring.yaml"), fleet.file("ca.pem")))
	s.list(t, fleet.BMCs())
	write(t, filepath.Join(s.dir, "more.csv"), "id,address\n")
	s.process = start(t, nil, "all", "--config", s.config)
	return s
}

// list is what the CMDB says from now on.
func (s *cmdbSite) list(t *testing.T, bmcs []inventory.BMC) {
	t.Helper()
	var text bytes.Buffer
	if err := inventory.WriteCSV(&text, bmcs); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(s.dir, "bmcs.csv"), text.String())
}

// recent are the BMCs of which a verdict came after there were so many bytes of them, and how many bytes there are.
func (s *cmdbSite) recent(t *testing.T, after int) (map[inventory.ID]bool, int) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, "verdicts.ndjson"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	end := bytes.LastIndexByte(text, '\n') + 1
	seen := map[inventory.ID]bool{}
	for _, v := range verdicts(t, string(text[min(after, end):end])) {
		seen[v.BMC] = true
	}
	return seen, end
}

func (s *cmdbSite) ask(t *testing.T, code exitCode, want string, args ...string) outcome {
	t.Helper()
	out := lamplighter(t, append(append([]string{"inventory"}, args...), "--config", s.config)...)
	if out.code != int(code) || !strings.Contains(out.stdout+out.stderr, want) {
		t.Fatalf("%q: exit %d\n%s%s\nwant exit %d and %q", args, out.code, out.stdout, out.stderr, code, want)
	}
	return out
}

func TestASiteFollowsItsCMDBAndNoFurtherThanItShould(t *testing.T) {
	t.Parallel()
	fleet := simulateN(t, 12)
	all := fleet.BMCs()
	s := goRoundByCMDB(t, fleet, "{store: none}")
	goesRound := func(what string, n int) {
		t.Helper()
		_, now := s.recent(t, 0)
		eventually(t, 60*time.Second, what+"; stderr: "+s.stderr.String(), func() bool { seen, _ := s.recent(t, now); return len(seen) == n })
	}
	goesRound("all are gone round", 12)
	s.ask(t, exitOK, "snapshot 1 of", "list")

	// A half page is withheld; approval applies it.
	s.list(t, all[:6])
	s.ask(t, exitOK, "6 of 12 BMCs are missing from the answer", "sync")
	out := s.ask(t, exitUnavailable, "WITHHELD: 6 of 12", "diff")
	digest := regexp.MustCompile(`digest (\w+)`).FindStringSubmatch(out.stderr)[1]
	if !strings.Contains(out.stdout, "missing") || !strings.Contains(out.stdout, string(all[11].ID)) {
		t.Errorf("diff says\n%s", out.stdout)
	}
	goesRound("nobody is let go of", 12)
	s.ask(t, exitUsage, "look at it first", "approve", "0123456789ab")
	s.ask(t, exitOK, "0 added, 6 removed, 0 changed, 0 moved; snapshot 2 has 6 BMCs", "approve", digest)
	eventually(t, 30*time.Second, "those that were let go of get no verdict any more", func() bool {
		_, now := s.recent(t, 0)
		time.Sleep(3 * time.Second)
		seen, _ := s.recent(t, now)
		return len(seen) == 6 && !seen[all[11].ID]
	})

	// One that cannot be read changes nothing, and one more comes by SIGHUP.
	write(t, filepath.Join(s.dir, "bmcs.csv"), "id,address\nx,nowhere\n")
	s.ask(t, exitUnknown, "bmcs.csv:2: address: want an IP address", "sync")
	s.ask(t, exitOK, "the last sync failed", "list")
	s.list(t, all[:7])
	if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	goesRound("a seventh is gone round", 7)

	// What contradicts itself is listed, and hinders nobody else.
	write(t, filepath.Join(s.dir, "more.csv"), fmt.Sprintf("id,address,port,protocol\nimpostor,%s,%d,%s\n", all[0].Address, all[0].Port, all[0].Protocol))
	s.ask(t, exitOK, "2 conflicts", "sync")
	for _, format := range []string{"table", "json", "csv"} {
		s.ask(t, exitUnavailable, "impostor is at "+all[0].Address.String(), "conflicts", "-o", format)
	}
	goesRound("the seven are gone round", 7)

	// Without its source a new start goes on with the last good list.
	if code := s.signal(t, os.Interrupt, 40*time.Second); code != 0 {
		t.Fatalf("exit code %d: %s", code, s.stderr.String())
	}
	if err := os.Remove(filepath.Join(s.dir, "bmcs.csv")); err != nil {
		t.Fatal(err)
	}
	s.process = start(t, nil, "all", "--config", s.config)
	goesRound("the last good list is gone round", 7)
	var listed []inventory.BMC
	if err := json.Unmarshal([]byte(s.ask(t, exitOK, "", "list", "-o", "json").stdout), &listed); err != nil || len(listed) != 7 {
		t.Errorf("%d BMCs are listed, %v", len(listed), err)
	}
	if bmcs, err := inventory.ReadCSV("list", strings.NewReader(s.ask(t, exitOK, "", "list", "-o", "csv").stdout)); err != nil || len(bmcs) != 7 {
		t.Errorf("%d BMCs are in the CSV, %v", len(bmcs), err)
	}
}

// An operator's command must not keep a service from starting.
func TestAProcessThatStaysWaitsForACommandThatSyncsJustNow(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "bmcs.csv"), "id,address\na,10.0.0.1\n")
	config := filepath.Join(dir, "c.yaml")
	write(t, config, fmt.Sprintf(`site: ams1
inventory: cmdb
keyring: env
verdicts: none
kafka: {brokers: ["127.0.0.1:1"], spool: %[1]s/spool}
cmdb: {state: %[1]s/state, sources: {hand: {kind: csv, path: %[1]s/bmcs.csv}}}
`, dir))
	command, err := inventory.OpenSyncing(inventory.SyncConfig{Dir: filepath.Join(dir, "state")})
	if err != nil {
		t.Fatal(err)
	}
	role := start(t, nil, "inventory", "--config", config)
	eventually(t, 30*time.Second, "it waits", func() bool { return strings.Contains(role.stderr.String(), "waiting until it has ended") })
	if err := command.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, 30*time.Second, "it has started", func() bool { return strings.Contains(role.stderr.String(), "msg=started") })
	if code := role.signal(t, syscall.SIGTERM, 60*time.Second); code != 0 {
		t.Errorf("exit code %d: %s", code, role.stderr.String())
	}
}

func TestABMCOutsideOfTheTargetsStopsTheStartThatNamesIt(t *testing.T) {
	t.Parallel()
	fleet := simulateN(t, 2)
	config := filepath.Join(t.TempDir(), "c.yaml")
	write(t, config, fmt.Sprintf("inventory: %s\nkeyring: %s\nmemory: %s/m\nresults: {store: none}\n", fleet.file("inventory.csv"), fleet.file("keyring.yaml"), t.TempDir()))
	out := lamplighter(t, "all", "--config", config)
	if out.code != int(exitUsage) || !strings.Contains(out.stderr, string(fleet.BMCs()[0].ID)+" at 127.") || !strings.Contains(out.stderr, "targets.loopback: true allows it") {
		t.Errorf("exit %d: %s", out.code, out.stderr)
	}
	if out := fleet.sweep(t); out.code != int(exitOK) {
		t.Errorf("sweep goes where it is told to: exit %d: %s", out.code, out.stderr)
	}
}

func TestOurOwnBrokersAreNoBMCs(t *testing.T) {
	c := DefaultConfig()
	c.Targets.Loopback = true
	c.RabbitMQ.URLs, c.Kafka.Brokers = []string{"amqps://10.0.0.7/ams1"}, []string{"10.0.0.8:9092", "127.0.0.1:9093", "[fd00::9]:9092"}
	_, targets := c.bounds(t.Context(), newLog(c.Log, t.Output()))
	for address, own := range map[string]bool{"10.0.0.7": true, "10.0.0.8": true, "fd00::9": true, "10.0.0.9": false} {
		b := inventory.BMC{ID: "x", Address: parseAddr(t, address), Protocol: inventory.Redfish}
		if err := targets.Allow(b); (err != nil) != own || own && !strings.Contains(err.Error(), "our own brokers") {
			t.Errorf("%s: %v", address, err)
		}
	}
	for port, own := range map[uint16]bool{9093: true, 9094: false} { // the simulator is on loopback, too
		if err := targets.Allow(inventory.BMC{ID: "x", Address: parseAddr(t, "127.0.0.1"), Port: port, Protocol: inventory.Redfish}); (err != nil) != own {
			t.Errorf("port %d: %v", port, err)
		}
	}
}

// The role inventory publishes what it syncs, and the role results follows it: it takes in verdicts of the BMCs that are listed.
func TestTheRoleInventoryPublishesAndResultsFollow(t *testing.T) {
	t.Parallel()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(4, kafka.VerdictTopic, kafka.StateTopic, kafka.ChangeTopic, kafka.IncidentTopic,
		kafka.SilenceTopic, kafka.TicketTopic, kafka.InventoryTopic, kafka.DeadTopic, kafka.AuditTopic))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	dir := t.TempDir()
	write(t, filepath.Join(dir, "bmcs.csv"), "id,address,site\na,10.0.0.1,ams1\nb,10.0.0.2,ams1\nc,10.0.0.3,fra1\n")
	common := fmt.Sprintf("site: ams1\ninventory: cmdb\nkeyring: env\nkafka: {brokers: [%q], spool: %s/spool}\n", cluster.ListenAddrs()[0], dir)
	sync, results := filepath.Join(dir, "inventory.yaml"), filepath.Join(dir, "results.yaml")
	write(t, sync, common+fmt.Sprintf("satellite: inventory\nlisten: 127.0.0.1:0\ncmdb: {state: %[1]s/inventory, every: 10s, sources: {hand: {kind: csv, path: %[1]s/bmcs.csv}}}\n", dir))
	write(t, results, common+fmt.Sprintf("satellite: results\nresults: {store: %s/results, listen: \"127.0.0.1:0\"}\n", dir))
	p, r := start(t, nil, "inventory", "--config", sync), start(t, nil, "results", "--config", results)
	eventually(t, 60*time.Second, "results follow; stderr: "+r.stderr.String(), func() bool {
		return strings.Contains(r.stderr.String(), `msg="the inventory is another" site=ams1 number=1 bmcs=2`)
	})
	url := regexp.MustCompile(`url=(http://\S+)/metrics`).FindStringSubmatch(p.stderr.String())[1]
	eventually(t, 20*time.Second, "it is ready", func() bool {
		code, text := fetch(t, url+"/readyz")
		return code == 200 && text == "inventory: ok\nkafka: ok\n"
	})
	for _, want := range []string{"lamplighter_inventory_up 1", "lamplighter_inventory_snapshot 1", "lamplighter_inventory_withheld_bmcs 0", `lamplighter_inventory_conflicts{hinders="no"} 1`} {
		if _, text := fetch(t, url+"/metrics"); !strings.Contains(text, want) {
			t.Errorf("metrics lack %s", want)
		}
	}
	kept, err := inventory.ReadFollowed(filepath.Join(dir, "results", "inventory"))
	if err != nil || len(kept.BMCs) != 2 {
		t.Errorf("results kept %d BMCs, %v", len(kept.BMCs), err)
	}
	out := lamplighter(t, "inventory", "sync", "--config", sync)
	if out.code != 0 || !strings.Contains(out.stdout, "0 added, 0 removed, 0 changed, 0 moved; snapshot 1 has 2 BMCs") {
		t.Errorf("exit %d: %s%s", out.code, out.stdout, out.stderr)
	}
	for name, p := range map[string]*process{"inventory": p, "results": r} {
		if code := p.signal(t, syscall.SIGTERM, 40*time.Second); code != 0 {
			t.Errorf("%s: exit code %d: %s", name, code, p.stderr.String())
		}
	}
}

func parseAddr(t *testing.T, text string) netip.Addr {
	t.Helper()
	addr, err := netip.ParseAddr(text)
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

func fetch(t *testing.T, url string) (int, string) {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

func TestVerdictsAreTakenInUntilAnInventoryIsTold(t *testing.T) {
	c := DefaultConfig()
	c.Inventory, c.Results.Store = fromCMDB, t.TempDir()
	l, err := readRoster(t.Context(), c, newLog(c.Log, t.Output()))
	if err != nil {
		t.Fatal(err)
	}
	if !l.knows("a") || len(l.listed()) != 0 {
		t.Error("a verdict is refused for want of a list")
	}
	l.sites = map[string]inventory.Register{}
	for site, id := range map[string]inventory.ID{"ams1": "a", "fra1": "b"} {
		l.changed(site, inventory.Register{Number: 1, BMCs: []inventory.BMC{{ID: id, Address: parseAddr(t, "10.0.0.1"), Protocol: inventory.Auto}}})
	}
	if !l.knows("a") || !l.knows("b") || l.knows("c") || len(l.listed()) != 2 || l.listed()[0].ID != "a" {
		t.Errorf("listed are %v", l.listed())
	}
	again, err := readRoster(t.Context(), c, newLog(c.Log, t.Output()))
	if err != nil || len(again.listed()) != 2 || again.knows("c") {
		t.Errorf("after a restart: %v, %v", again.listed(), err)
	}
}

// A satellite's fleet is what is published for its site, within its own bounds, and it begins with that while Kafka is away.
func TestASatelliteFollowsWhatIsPublishedForItsSite(t *testing.T) {
	t.Parallel()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(4, kafka.InventoryTopic))
	if err != nil {
		t.Fatal(err)
	}
	c := DefaultConfig()
	c.Site, c.Inventory, c.CMDB.State, c.Kafka.Brokers = "ams1", fromCMDB, filepath.Join(t.TempDir(), "state"), cluster.ListenAddrs()
	begin := func() *daemon {
		d := &daemon{config: c, log: newLog(c.Log, t.Output()), fleet: new(inventory.Fleet), keyring: noKeyring{}}
		if err := d.openIntake(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		return d
	}
	d := begin()
	publisher, err := c.publisher(t.Context(), d.log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var group errgroup.Group
	group.Go(func() error { return d.intake.run(ctx) })
	group.Go(func() error { return publisher.Run(ctx) })
	bmc := func(id inventory.ID, address string) inventory.BMC {
		return inventory.BMC{ID: id, Address: parseAddr(t, address), Site: "ams1", Protocol: inventory.Redfish, Login: "default"}
	}
	publisher.Publish(inventory.Register{Number: 1, BMCs: []inventory.BMC{bmc("a", "10.0.0.1"), bmc("b", "10.0.0.2"), bmc("evil", "127.0.0.1"), bmc("meta", "169.254.169.254")}})
	eventually(t, 60*time.Second, "it has the BMCs that are within its bounds", func() bool { return d.fleet.Len() == 2 && d.fleet.Look("a") != nil })
	publisher.Publish(inventory.Register{Number: 2, BMCs: []inventory.BMC{bmc("b", "10.0.0.2")}})
	eventually(t, 60*time.Second, "it has lost one", func() bool { return d.fleet.Len() == 1 && d.fleet.Look("b") != nil })
	cancel()
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
	cluster.Close()
	if again := begin(); again.fleet.Len() != 1 || again.fleet.Look("b") == nil {
		t.Errorf("while kafka is away it begins with %d BMCs", again.fleet.Len())
	}
	if bmcs, err := c.fleet(t.Context()); err != nil || len(bmcs) != 1 {
		t.Errorf("commands of this host know %d BMCs, %v", len(bmcs), err)
	}
}

func TestASecretForEachBMCNeedsNoColumn(t *testing.T) {
	t.Parallel()
	fleet := simulateN(t, 3) // whose keyring has a secret for each, by ID
	bmcs := fleet.BMCs()
	for i := range bmcs {
		bmcs[i].Login = inventory.DefaultLogin
	}
	list := func() {
		var text bytes.Buffer
		if err := inventory.WriteCSV(&text, bmcs); err != nil {
			t.Fatal(err)
		}
		write(t, fleet.file("inventory.csv"), text.String())
	}
	list()
	if out := fleet.sweep(t, "--login", "{bmc}"); out.code != int(exitOK) {
		t.Errorf("exit %d: %s%s", out.code, out.stdout, out.stderr)
	}
	if out := fleet.sweep(t, "--login", "{bmc}{site}"); out.code != int(exitUsage) || !strings.Contains(out.stderr, "at most one part in braces between two slashes") {
		t.Errorf("exit %d: %s", out.code, out.stderr)
	}
	bmcs[1].Vendor = "../" + bmcs[0].Vendor
	list()
	if out := fleet.sweep(t, "--login", "{vendor}/{bmc}"); out.code != int(exitUsage) || !strings.Contains(out.stderr, "{vendor}/"+string(bmcs[1].ID)) || !strings.Contains(out.stderr, "has no vendor, or one that cannot be a part of a path") {
		t.Errorf("exit %d: %s", out.code, out.stderr)
	}
}
