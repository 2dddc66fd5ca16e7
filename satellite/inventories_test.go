package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"lamplighter/checks/peers"
	"lamplighter/inventory"
	"lamplighter/results/api"
	"lamplighter/results/kafka"
)

// console is the API of a process, as its console asks it.
type console struct{ url string }

var answersAt = regexp.MustCompile(`api=(http://\S+)`)

// consoleOf waits until a process says where it answers.
func consoleOf(t *testing.T, p *process) console {
	t.Helper()
	eventually(t, 60*time.Second, "it answers questions; stderr: "+p.stderr.String(), func() bool { return answersAt.MatchString(p.stderr.String()) })
	return console{answersAt.FindStringSubmatch(p.stderr.String())[1] + "/api/v1"}
}

func (c console) post(t *testing.T, path, body string, want int) string {
	t.Helper()
	response, err := http.Post(c.url+path, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != want {
		t.Fatalf("POST %s %s: %d %s, %v; want %d", path, body, response.StatusCode, text, err, want)
	}
	return string(text)
}

func (c console) get(t *testing.T, path string, into any) {
	t.Helper()
	code, text := fetch(t, c.url+path)
	if err := json.Unmarshal([]byte(text), into); code != 200 || err != nil {
		t.Fatalf("GET %s: %d %s, %v", path, code, text, err)
	}
}

// inventory is the only one there is; ok is false while there is none.
func (c console) inventory(t *testing.T) (one api.Inventory, ok bool) {
	t.Helper()
	var l api.Listing
	if c.get(t, "/inventory", &l); l.From != "cmdb" || len(l.Items) > 1 {
		t.Fatalf("%+v", l)
	}
	if len(l.Items) == 0 {
		return one, false
	}
	return l.Items[0], true
}

// acts are who did what, oldest first.
func (c console) acts(t *testing.T) (all []string) {
	t.Helper()
	var page struct{ Items []api.Act }
	c.get(t, "/audit", &page)
	for _, a := range slices.Backward(page.Items) {
		all = append(all, strings.TrimSpace(fmt.Sprintf("%s %s %s %s", a.Do, a.Who, a.BMC, a.Via)))
	}
	return all
}

// Alone: what is approved on the page is what the command line approves, and both stand in the log of who did what; so does what a command
// did on the files of a process that has no bus.
func TestAloneAnInventoryIsApprovedOnThePageAndTheCommandLineIsInTheLog(t *testing.T) {
	t.Parallel()
	fleet := simulateN(t, 12)
	all := fleet.BMCs()
	s := goRoundByCMDB(t, fleet, `{store: "%[1]s/results", listen: "127.0.0.1:0"}`)
	c := consoleOf(t, s.process)
	eventually(t, 60*time.Second, "it is synced", func() bool { i, ok := c.inventory(t); return ok && i.Number == 1 && len(i.Sources) == 2 })
	s.list(t, all[:6])
	c.post(t, "/inventory/sync", `{"site":""}`, 200)
	eventually(t, 60*time.Second, "half of the answer is withheld", func() bool { i, _ := c.inventory(t); return i.Withheld != nil && i.Withheld.Gone == 6 })
	i, _ := c.inventory(t)
	c.post(t, "/inventory/approve", `{"site":"","digest":"0123456789ab"}`, 409)
	if text := c.post(t, "/inventory/approve", `{"site":"","digest":"`+i.Withheld.Digest+`","who":"ada"}`, 200); !strings.Contains(text, "6 removed") {
		t.Errorf("%s", text)
	}
	s.ask(t, exitOK, "snapshot 2 has 6 BMCs", "sync")
	for _, args := range [][]string{{"stop", "--reason", "flood"}, {"go"}, {"fence", "clear", string(all[0].ID)}} {
		if out := lamplighter(t, append(args, "--config", s.config)...); out.code != 0 {
			t.Errorf("%q: exit %d: %s%s", args, out.code, out.stdout, out.stderr)
		}
	}
	me := who() + " "
	want := []string{"inventory_sync local", "inventory_approve ada", "inventory_sync " + me + " command line", "stop " + me + " command line", "go " + me + " command line",
		"fence_clear " + me + string(all[0].ID) + " command line"}
	eventually(t, 20*time.Second, "the log has all", func() bool { return slices.Equal(c.acts(t), want) })
	if code := s.signal(t, syscall.SIGTERM, 40*time.Second); code != 0 {
		t.Fatalf("exit code %d: %s", code, s.stderr.String())
	}
	s.process = start(t, nil, "all", "--config", s.config)
	if got := consoleOf(t, s.process).acts(t); !slices.Equal(got, want) {
		t.Errorf("after a restart: %q", got)
	}
}

// Elsewhere: the role results hears on Kafka how the inventory stands, and has it approved over the site's RabbitMQ.
func TestTheRoleResultsAsksTheRoleInventoryOverTheSitesMailbox(t *testing.T) {
	t.Parallel()
	peers.Need(t, peers.RabbitMQ)
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(4, kafka.VerdictTopic, kafka.StateTopic, kafka.ChangeTopic, kafka.IncidentTopic,
		kafka.SilenceTopic, kafka.TicketTopic, kafka.InventoryTopic, kafka.DeadTopic, kafka.AuditTopic))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	rabbit, dir := peers.SharedRabbitMQ(t), t.TempDir()
	list := func(n int) {
		var text bytes.Buffer
		text.WriteString("id,address,site,rack\n")
		for i := range n {
			fmt.Fprintf(&text, "b%02d,10.0.0.%d,ams1,A01\n", i, i+1)
		}
		write(t, filepath.Join(dir, "bmcs.csv"), text.String())
	}
	list(12)
	write(t, filepath.Join(dir, "password"), peers.RabbitPassword)
	common := fmt.Sprintf("site: ams1\ninventory: cmdb\nkeyring: env\nkafka: {brokers: [%q], spool: %s/spool}\n", cluster.ListenAddrs()[0], dir)
	bus := fmt.Sprintf("rabbitmq: {urls: [\"amqp://127.0.0.1:%d/%s\"], user: %s, password_file: %s/password}\n", rabbit.Port, rabbit.VHost(t), peers.RabbitUser, dir)
	sync, results := filepath.Join(dir, "inventory.yaml"), filepath.Join(dir, "results.yaml")
	write(t, sync, common+bus+fmt.Sprintf("satellite: inventory\ncmdb: {state: %[1]s/inventory, every: 1h, sources: {hand: {kind: csv, path: %[1]s/bmcs.csv}}}\n", dir))
	write(t, results, common+bus+fmt.Sprintf("satellite: results\nresults: {store: %s/results, listen: \"127.0.0.1:0\"}\n", dir))
	r := start(t, nil, "results", "--config", results)
	c := consoleOf(t, r)
	if i, ok := c.inventory(t); ok {
		t.Errorf("nobody has told of an inventory: %+v", i)
	}
	p := start(t, nil, "inventory", "--config", sync)
	eventually(t, 60*time.Second, "it is heard of; stderr: "+p.stderr.String()+r.stderr.String(), func() bool {
		i, ok := c.inventory(t)
		return ok && i.Number == 1 && i.Barred == "" && !i.Late && len(i.Sources) == 1
	})
	list(6)
	c.post(t, "/inventory/sync", `{"site":"ams1"}`, 200)
	eventually(t, 60*time.Second, "half of the answer is withheld", func() bool { i, _ := c.inventory(t); return i.Withheld != nil })
	i, _ := c.inventory(t)
	if text := c.post(t, "/inventory/approve", `{"site":"ams1","digest":"0123456789ab"}`, 409); !strings.Contains(text, "look at it first") {
		t.Errorf("%s", text)
	}
	c.post(t, "/inventory/approve", `{"site":"ams1","digest":"`+i.Withheld.Digest+`","who":"ada"}`, 200)
	eventually(t, 60*time.Second, "it is heard that six are gone", func() bool { i, _ := c.inventory(t); return i.BMCs == 6 && i.Withheld == nil })
	if out := lamplighter(t, "inventory", "sync", "--config", sync); out.code != 0 {
		t.Errorf("exit %d: %s%s", out.code, out.stdout, out.stderr)
	}
	want := []string{"inventory_sync local", "inventory_approve ada", "inventory_sync " + who() + "  command line"}
	eventually(t, 60*time.Second, "the log has what the command line did", func() bool { return slices.Equal(c.acts(t), want) })
	for name, p := range map[string]*process{"inventory": p, "results": r} {
		if code := p.signal(t, syscall.SIGTERM, 40*time.Second); code != 0 {
			t.Errorf("%s: exit code %d: %s", name, code, p.stderr.String())
		}
	}
}

func TestWhoCannotBeAskedFromHereIsSaidToBe(t *testing.T) {
	c := DefaultConfig()
	c.Site = "ams1"
	report := func(site string, reached bool) inventory.Report {
		return inventory.Report{Site: site, Reached: reached}
	}
	without := c.toldInventories()
	without.told(report("ams1", true))
	c.RabbitMQ.URLs = []string{"amqp://127.0.0.1/ams1"}
	with := c.toldInventories()
	with.told(report("ams1", true))
	with.told(report("fra1", true))
	if text := without.Barred("ams1"); !strings.Contains(text, "role results names no RabbitMQ") {
		t.Error(text)
	}
	if text := with.Barred("fra1"); !strings.Contains(text, "Only site ams1") {
		t.Error(text)
	}
	if text := with.Barred("ams1"); text != "" {
		t.Error(text)
	}
	with.told(report("ams1", false))
	if text := with.Barred("ams1"); !strings.Contains(text, "hears nobody") {
		t.Error(text)
	}
	with.synced("hel1", inventory.Register{Number: 4, BMCs: make([]inventory.BMC, 3)}) // a process of a version that says nothing of itself
	with.synced("ams1", inventory.Register{Number: 7, BMCs: make([]inventory.BMC, 5)})
	var got []string
	for _, r := range with.Reports() {
		got = append(got, fmt.Sprintf("%s %d %d", r.Site, r.Number, r.BMCs))
	}
	if want := []string{"ams1 7 5", "fra1 0 0", "hel1 4 3"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}
