package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"lamplighter/checks/peers"
)

// writeSite writes the configuration of one satellite of a site.
func writeSite(t *testing.T, fleet simulated, satellite, brokerURL, kafka, more string) string {
	t.Helper()
	dir := t.TempDir()
	text := fmt.Sprintf(`satellite: %s
site: ams1
inventory: %s
targets: {loopback: true}
keyring: %s
ca_file: %s
memory: %s
verdicts: none
listen: 127.0.0.1:0
ping: [rmcp]
interval: 2s
rabbitmq: {urls: ["%s"], user: %s, password_file: %s}
kafka: {brokers: ["%s"], spool: %s}
`, satellite, fleet.file("inventory.csv"), fleet.file("keyring.yaml"), fleet.file("ca.pem"), filepath.Join(dir, "memory"),
		brokerURL, peers.RabbitUser, secretFile(t, "password", peers.RabbitPassword), kafka, filepath.Join(dir, "spool"))
	path := filepath.Join(dir, "lamplighter.yaml")
	if err := os.WriteFile(path, []byte(text+more), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// endpoint asks a satellite's server; the address is in its log.
func (p *process) endpoint(t *testing.T, path string) (int, string) {
	t.Helper()
	served := regexp.MustCompile(`url=(http://\S+)/metrics`)
	eventually(t, 20*time.Second, "the log names the address", func() bool { return served.MatchString(p.stderr.String()) })
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	response, err := client.Get(served.FindStringSubmatch(p.stderr.String())[1] + path)
	if err != nil {
		t.Fatalf("%v; %s", err, p.stderr.String())
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

// number is the sum of a metric's values.
func (p *process) number(t *testing.T, metric string) (sum float64) {
	t.Helper()
	_, text := p.endpoint(t, "/metrics")
	for _, found := range regexp.MustCompile(`(?m)^`+regexp.QuoteMeta(metric)+`(?:\{.*\})? (\S+)$`).FindAllStringSubmatch(text, -1) {
		var value float64
		if _, err := fmt.Sscan(found[1], &value); err != nil {
			t.Fatal(err)
		}
		sum += value
	}
	return sum
}

func TestASatelliteWaitsForRabbitMQAndKafkaAndSaysSo(t *testing.T) {
	t.Parallel()
	rabbit, kafka := peers.StartRabbitMQ(t), peers.StartKafka(t)
	vhost := rabbit.VHost(t)
	eventually(t, 20*time.Second, "topics", func() bool {
		return lamplighter(t, "topics", "create", "--brokers", kafka.Address, "--replicas", "1").code == 0
	})
	rabbit.Kill9()
	kafka.Kill()
	fleet := racks(t, 20)
	p := start(t, nil, "satellite", "--config", writeSite(t, fleet, "sat-a", fmt.Sprintf("amqp://127.0.0.1:%d/%s", rabbit.Port, vhost), kafka.Address, ""))
	if code, text := p.endpoint(t, "/readyz"); code != 503 || !strings.Contains(text, "bus: not connected since") {
		t.Errorf("/readyz without a broker: %d %q", code, text)
	}
	if code, text := p.endpoint(t, "/healthz"); code != 200 {
		t.Errorf("/healthz: %d %q", code, text)
	}
	for _, who := range []string{"waiting for rabbitmq", "waiting for kafka"} {
		eventually(t, 25*time.Second, "it says twice: "+who, func() bool { return strings.Count(p.stderr.String(), who) >= 2 })
	}
	if !regexp.MustCompile(`"waiting for rabbitmq" away=\d+s error=".*refused`).MatchString(p.stderr.String()) {
		t.Errorf("want how long and why: %s", p.stderr.String())
	}

	rabbit.Restart(t)
	eventually(t, 60*time.Second, "rounds, and the spool takes them", func() bool { return p.number(t, "lamplighter_spool_records") > 20 })
	if code, text := p.endpoint(t, "/readyz"); code != 200 {
		t.Errorf("/readyz: %d %q", code, text)
	}
	kafka.Restart(t)
	eventually(t, 60*time.Second, "verdicts go to kafka", func() bool {
		return p.number(t, "lamplighter_kafka_live") == 1 && p.number(t, "lamplighter_spool_records") == 0
	})
	ended := p.number(t, "lamplighter_rounds_total")
	if code := p.signal(t, os.Interrupt, 40*time.Second); code != 0 {
		t.Errorf("exit code %d; %s", code, p.stderr.String())
	}
	found := verdicts(t, string(peers.Kcat(t, "-C", "-q", "-b", kafka.Address, "-t", "bmc.verdict.v1", "-o", "beginning", "-e")))
	if len(found) < int(ended) || found[0].Satellite != "sat-a" {
		t.Errorf("%d verdicts on kafka of %v rounds", len(found), ended)
	}
	fleet.nothingLeft(t)
}

func TestAQueueWithOtherPropertiesEndsASatellite(t *testing.T) {
	t.Parallel()
	rabbit := peers.SharedRabbitMQ(t)
	vhost := rabbit.VHost(t)
	rabbit.API(t, "PUT", "/queues/"+vhost+"/dead", map[string]any{"durable": true, "arguments": map[string]any{"x-queue-type": "classic"}})
	p := start(t, nil, "satellite", "--config", writeSite(t, racks(t, 5), "sat-a", fmt.Sprintf("amqp://127.0.0.1:%d/%s", rabbit.Port, vhost), "127.0.0.1:1", ""))
	if code := p.wait(t, 30*time.Second); code != 2 {
		t.Errorf("exit code %d", code)
	}
	if !strings.Contains(p.stderr.String(), "inequivalent arg 'x-queue-type' for queue 'dead'") {
		t.Errorf("want the broker's text: %s", p.stderr.String())
	}
}

func TestARoleThatDoesNotFitItsConfigurationSaysWhichDoes(t *testing.T) {
	fleet := racks(t, 5)
	alone := filepath.Join(t.TempDir(), "alone.yaml")
	if err := os.WriteFile(alone, []byte("inventory: i\nkeyring: env\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for role, test := range map[string]struct{ config, want string }{
		"satellite": {alone, "rabbitmq.urls: want at least one for role satellite; lamplighter all does without\n" + alone + ": kafka.brokers: want at least one"},
		"all":       {writeSite(t, fleet, "sat-a", "amqp://127.0.0.1:1/ams1", "127.0.0.1:1", ""), "use lamplighter satellite"},
	} {
		if o := lamplighter(t, role, "--config", test.config); o.code != 2 || !strings.Contains(o.stderr, test.want) {
			t.Errorf("%s: %d %s", role, o.code, o.stderr)
		}
	}
}

func TestAnAddressThatIsTakenIsNamed(t *testing.T) {
	fleet := racks(t, 5)
	r := goRound(t, fleet, time.Second, "listen: 127.0.0.1:0\n")
	if code, text := r.endpoint(t, "/readyz"); code != 200 || text != "results: ok\ninventory: ok\n" {
		t.Errorf("/readyz of all: %d %q", code, text)
	}
	eventually(t, 20*time.Second, "rounds are counted", func() bool { return r.number(t, "lamplighter_rounds_total") > 5 })
	address := strings.TrimSuffix(regexp.MustCompile(`url=http://(\S+)/metrics`).FindStringSubmatch(r.stderr.String())[1], "/")
	config := filepath.Join(t.TempDir(), "c.yaml")
	text := fmt.Sprintf("targets: {loopback: true}\ninventory: %s\nkeyring: %s\nmemory: %s\nresults: {store: none}\nlisten: %s\n", fleet.file("inventory.csv"), fleet.file("keyring.yaml"), filepath.Join(t.TempDir(), "m"), address)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if o := lamplighter(t, "all", "--config", config); o.code != 2 || !strings.Contains(o.stderr, address+": bind: address already in use; another process listens there: end it, or choose another address") {
		t.Errorf("%d %s", o.code, o.stderr)
	}
}
