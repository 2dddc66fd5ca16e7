package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"lamplighter/checks"
	"lamplighter/checks/bmcsim"
	"lamplighter/checks/peers"
	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/results/api"
)

// believing is the role results over a site.
type believing struct {
	*process
	config, store string
}

// believe starts lamplighter results with the configuration of a satellite of the site, and sections of its own.
func believe(t *testing.T, satellite string) *believing {
	t.Helper()
	dir := t.TempDir()
	b := &believing{config: filepath.Join(dir, "results.yaml"), store: filepath.Join(dir, "store")}
	text := strings.Replace(readFile(t, satellite), "keyring:", "#", 1) // it needs none
	write(t, b.config, text+fmt.Sprintf("results: {store: %s, listen: \"127.0.0.1:0\"}\n", b.store))
	b.restart(t)
	return b
}

func (b *believing) restart(t *testing.T) { b.process = start(t, nil, "results", "--config", b.config) }

// get runs lamplighter get, or another question.
func (b *believing) get(t *testing.T, args ...string) string {
	t.Helper()
	return lamplighter(t, append(args, "--api", b.answersAt(t))...).stdout
}

// is waits until a BMC is believed to have a health.
func (b *believing) is(t *testing.T, id inventory.ID, health checks.Health) {
	t.Helper()
	eventually(t, 60*time.Second, fmt.Sprintf("%s is %s", id, health), func() bool {
		return b.get(t, "get", "bmcs", "-o", "name", "--where", fmt.Sprintf("bmc=%s and health=%s", id, health)) == string(id)+"\n"
	})
}

// changesOn are the changes of a BMC that Kafka has, by partition in order.
func changesOn(t *testing.T, kafka *peers.Kafka, id inventory.ID) (found []results.Change) {
	t.Helper()
	for line := range strings.Lines(string(peers.Kcat(t, "-C", "-q", "-b", kafka.Address, "-t", "bmc.change.v1", "-o", "beginning", "-e"))) {
		var c results.Change
		if err := json.Unmarshal([]byte(line), &c); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if c.BMC == id {
			found = append(found, c)
		}
	}
	return found
}

// TestWhatIsBelievedOutlivesKillsAndALostDisk: satellite -> RabbitMQ, Kafka -> results -> command line, all real.
func TestWhatIsBelievedOutlivesKillsAndALostDisk(t *testing.T) {
	t.Parallel()
	rabbit, kafka := peers.SharedRabbitMQ(t), peers.StartKafka(t)
	eventually(t, 30*time.Second, "topics", func() bool {
		return lamplighter(t, "topics", "create", "--brokers", kafka.Address, "--replicas", "1").code == 0
	})
	fleet := racks(t, 10)
	config := writeSite(t, fleet, "sat-a", fmt.Sprintf("amqp://127.0.0.1:%d/%s", rabbit.Port, rabbit.VHost(t)), kafka.Address, "")
	satellite, b := start(t, nil, "satellite", "--config", config), believe(t, config)
	eventually(t, 90*time.Second, "all are believed to be available", func() bool {
		return strings.Count(b.get(t, "get", "bmcs", "-o", "name", "--where", "health=available"), "\n") == 10
	})
	bmc := fleet.one(t, inventory.Redfish).ID
	b.asksTheSite(t, bmc)
	fleet.plant(t, bmc, bmcsim.CertUntrusted)
	b.is(t, bmc, checks.Unavailable)
	for round := range 3 {
		b.signal(t, os.Kill, 10*time.Second)
		b.restart(t)
		if page := b.get(t, "why", string(bmc)); round == 0 && !strings.Contains(page, "UNAVAILABLE at tls since") {
			t.Errorf("the first answer after a kill:\n%s", page)
		}
	}
	fleet.cure(t, bmc, bmcsim.CertUntrusted)
	b.is(t, bmc, checks.Available)
	b.aChangeEach(t, kafka, bmc)

	if code := satellite.signal(t, os.Interrupt, 40*time.Second); code != 0 {
		t.Errorf("exit code %d: %s", code, satellite.stderr.String())
	}
	b.knowsTheSatellite(t)
	before := b.allTaken(t, kafka)
	if code := b.signal(t, os.Interrupt, 20*time.Second); code != 0 {
		t.Errorf("exit code %d: %s", code, b.stderr.String())
	}
	if err := os.RemoveAll(b.store); err != nil {
		t.Fatal(err)
	}
	b.restart(t)
	eventually(t, 60*time.Second, "the same states without the disk", func() bool { return believedSame(t, before, b.get(t, "get", "bmcs", "-o", "json")) })
}

// knowsTheSatellite: by its verdicts and by what it wrote down for the audit when it stopped.
func (b *believing) knowsTheSatellite(t *testing.T) {
	t.Helper()
	var all api.Satellites
	var rounds api.Rounds
	eventually(t, 60*time.Second, "the satellite's version is known", func() bool {
		ask(t, b.answersAt(t)+"/api/v1/satellites", &all)
		ask(t, b.answersAt(t)+"/api/v1/audit/rounds", &rounds)
		return len(all.Satellites) == 1 && all.Satellites[0].Version != ""
	})
	if s := all.Satellites[0]; s.BMCs != 10 || s.Rounds == 0 || s.Checks < s.Rounds || s.Since.IsZero() || all.Sites[0].Alone != 10 {
		t.Errorf("%+v", all)
	}
	if !rounds.Known || len(rounds.Sites) != 1 || rounds.Sites[0].BMCs != 10 || rounds.Sites[0].Read.Tallies == 0 || rounds.Sites[0].Read.Verdicts == 0 {
		t.Errorf("%+v", rounds)
	}
}

// ask reads an answer of the API.
func ask(t *testing.T, url string, into any) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", url, resp.Status, err)
	}
}

// allTaken waits until the newest verdict of each BMC on Kafka is taken in, and returns what is then believed.
func (b *believing) allTaken(t *testing.T, kafka *peers.Kafka) (believed string) {
	t.Helper()
	newest := map[inventory.ID]time.Time{}
	for line := range strings.Lines(string(peers.Kcat(t, "-C", "-q", "-b", kafka.Address, "-t", "bmc.verdict.v1", "-o", "beginning", "-e"))) {
		var v results.Verdict
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if v.Round.Due.After(newest[v.BMC]) {
			newest[v.BMC] = v.Round.Due
		}
	}
	eventually(t, 30*time.Second, "all verdicts are taken in", func() bool {
		believed = b.get(t, "get", "bmcs", "-o", "json")
		var states []results.State
		return json.Unmarshal([]byte(believed), &states) == nil && !slices.ContainsFunc(states, func(s results.State) bool {
			return !s.LastRound.Due.Equal(newest[s.BMC])
		})
	})
	return believed
}

// asksTheSite has the BMC checked again over the API.
func (b *believing) asksTheSite(t *testing.T, id inventory.ID) {
	t.Helper()
	a := &asked{base: b.answersAt(t)}
	if err := a.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer a.client.CloseIdleConnections()
	response, err := a.send(t.Context(), "POST", "/bmcs/"+string(id)+"/recheck", nil, struct{}{})
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var kinds []string
	for decoder := json.NewDecoder(response.Body); decoder.More(); {
		var step api.Step
		if err := decoder.Decode(&step); err != nil {
			t.Fatal(err)
		}
		kinds = append(kinds, step.Kind)
	}
	if len(kinds) < 4 || kinds[0] != "accepted" || !slices.Contains(kinds, "result") || !slices.Contains(kinds, "verdict") || kinds[len(kinds)-1] != "done" {
		t.Errorf("steps %v", kinds)
	}
}

// aChangeEach: Kafka has each change of the BMC once, and each begins where the one before ended.
func (b *believing) aChangeEach(t *testing.T, kafka *peers.Kafka, id inventory.ID) {
	t.Helper()
	var found []results.Change
	eventually(t, 30*time.Second, "the recovery on kafka", func() bool {
		found = changesOn(t, kafka, id)
		return len(found) > 0 && found[len(found)-1].To.Health == checks.Available && len(found) > 1
	})
	seen := map[string]bool{}
	var healths []string
	for i, c := range found {
		if seen[c.ID] || i > 0 && c.From != found[i-1].To {
			t.Errorf("change %s from %+v follows %+v", c.ID, c.From, found[max(0, i-1)].To)
		}
		seen[c.ID] = true
		healths = append(healths, c.To.Health.String())
	}
	if want := []string{"available", "unavailable", "available"}; !slices.Equal(healths, want) {
		t.Errorf("changes to %v, want %v", healths, want)
	}
}

// believedSame says whether two lists believe the same.
func believedSame(t *testing.T, before, after string) bool {
	t.Helper()
	var was, is []results.State
	if err := json.Unmarshal([]byte(before), &was); err != nil {
		t.Fatal(err)
	}
	if json.Unmarshal([]byte(after), &is) != nil {
		return false // it does not answer yet
	}
	return slices.EqualFunc(was, is, func(a, b results.State) bool {
		return a.BMC == b.BMC && a.Believed() == b.Believed() && a.Since.Equal(b.Since) && a.LastGoodAt.Equal(b.LastGoodAt)
	})
}

func TestResultsWaitForKafkaAndSaySo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	config := filepath.Join(dir, "results.yaml")
	write(t, config, fmt.Sprintf("kafka: {brokers: [\"127.0.0.1:1\"]}\nlisten: 127.0.0.1:0\nresults: {store: %s, listen: \"127.0.0.1:0\"}\n", filepath.Join(dir, "store")))
	p := start(t, nil, "results", "--config", config)
	if code, text := p.endpoint(t, "/readyz"); code != 503 || !strings.Contains(text, "results: ok\nkafka: verdicts of 127.0.0.1:1 are not heard") {
		t.Errorf("%d %s", code, text)
	}
	if out := lamplighter(t, "get", "sites", "-o", "name", "--api", p.answersAt(t)); out.code != 0 {
		t.Errorf("%+v", out)
	}
	eventually(t, 30*time.Second, "it says so twice", func() bool { return strings.Count(p.stderr.String(), `msg="waiting for kafka"`) >= 2 })
	if code := p.signal(t, os.Interrupt, 20*time.Second); code != 0 {
		t.Errorf("exit code %d: %s", code, p.stderr.String())
	}
}

func TestWhatRoleResultsMissesInAConfigurationIsNamed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	none, taken := filepath.Join(dir, "none.yaml"), filepath.Join(dir, "taken.yaml")
	write(t, none, "results: {store: none}\n")
	address := freeAddress(t)
	write(t, taken, fmt.Sprintf("kafka: {brokers: [\"127.0.0.1:1\"]}\nresults: {store: %s, listen: %q}\n", filepath.Join(dir, "store"), address))
	if out := lamplighter(t, "results", "--config", none); out.code != int(exitUsage) ||
		!strings.Contains(out.stderr, "kafka.brokers: want at least one for role results; lamplighter all does without") ||
		!strings.Contains(out.stderr, "results.store: want the path of a directory for role results") {
		t.Errorf("%+v", out)
	}
	first := start(t, nil, "results", "--config", taken)
	first.answersAt(t)
	if out := lamplighter(t, "results", "--config", taken); out.code != int(exitUsage) || !strings.Contains(out.stderr, "another process has it open") {
		t.Errorf("%+v", out)
	}
	other := filepath.Join(dir, "other.yaml")
	write(t, other, strings.Replace(readFile(t, taken), "/store,", "/other,", 1))
	if out := lamplighter(t, "results", "--config", other); out.code != int(exitUsage) || !strings.Contains(out.stderr, "results.listen: ") || !strings.Contains(out.stderr, address) {
		t.Errorf("%+v", out)
	}
}
