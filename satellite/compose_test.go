package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"lamplighter/checks/peers"
)

// service is what compose.yaml may say of one; anything else is a mistake.
type service struct {
	Image           string
	Build           map[string]string
	Command         []string
	Entrypoint      []string
	User            string
	Network         string `yaml:"network_mode"`
	Restart         string
	Environment     map[string]string
	Volumes, Ports  []string
	Add             []string `yaml:"cap_add"`
	Drop            []string `yaml:"cap_drop"`
	ReadOnly        bool     `yaml:"read_only"`
	StopGracePeriod string   `yaml:"stop_grace_period"`
	DependsOn       any      `yaml:"depends_on"`
	Healthcheck     map[string]any
}

func (s service) needs() (names []string) {
	switch needs := s.DependsOn.(type) {
	case []any:
		for _, name := range needs {
			names = append(names, fmt.Sprint(name))
		}
	case map[string]any:
		for name := range needs {
			names = append(names, name)
		}
	}
	return names
}

type composed struct {
	Name        string
	Lamplighter any `yaml:"x-lamplighter"`
	Satellite   any `yaml:"x-satellite"`
	Services    map[string]service
	Volumes     map[string]any
}

func compose(t *testing.T) composed {
	t.Helper()
	var c composed
	if err := yaml.UnmarshalWithOptions([]byte(read(t, filepath.Join(repository, "deploy/compose.yaml"))), &c, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	if len(c.Services) != 8 {
		t.Fatalf("%d services", len(c.Services))
	}
	return c
}

// knownEnvironment are the variables of the images that are not ours; docs of apache/kafka and rabbitmq.
var knownEnvironment = regexp.MustCompile(`^(RABBITMQ_NODENAME|KAFKA_(NODE_ID|PROCESS_ROLES|LISTENERS|ADVERTISED_LISTENERS|LISTENER_SECURITY_PROTOCOL_MAP|CONTROLLER_LISTENER_NAMES|CONTROLLER_QUORUM_VOTERS|LOG_DIRS|OFFSETS_TOPIC_REPLICATION_FACTOR|TRANSACTION_STATE_LOG_REPLICATION_FACTOR|TRANSACTION_STATE_LOG_MIN_ISR|AUTO_CREATE_TOPICS_ENABLE))$`)

func TestTheComposeFileHangsTogether(t *testing.T) {
	t.Log("NOT TESTED: docker compose up: this checks the file, and the next test runs its programs without containers")
	c := compose(t)
	for name, s := range c.Services {
		ours := s.Build != nil
		if !ours && !regexp.MustCompile(`^[a-z/]+:\d+\.\d+\.\d+(-[a-z]+)?$`).MatchString(s.Image) {
			t.Errorf("%s: image %q is not pinned", name, s.Image)
		}
		if ours && (!slices.Equal(s.Drop, []string{"ALL"}) || !slices.Equal(s.Add, []string{"NET_RAW"}) || !s.ReadOnly || s.StopGracePeriod == "" || s.User != "") {
			t.Errorf("%s: want no right but NET_RAW, nothing to write but volumes, and time to drain: %+v", name, s)
		}
		if name != "fleet" && s.Network != "service:fleet" {
			t.Errorf("%s: is in another network, %q", name, s.Network)
		}
		for key := range s.Environment {
			if !knownEnvironment.MatchString(key) {
				t.Errorf("%s: unknown variable %s", name, key)
			}
		}
		for _, volume := range s.Volumes {
			from, _, _ := strings.Cut(volume, ":")
			if strings.HasPrefix(from, "./") {
				if info, err := os.Stat(filepath.Join(repository, "deploy", from)); err != nil || info.IsDir() || !strings.HasSuffix(volume, ":ro") {
					t.Errorf("%s: %s: want a file that is there, read-only: %v", name, volume, err)
				}
			} else if _, declared := c.Volumes[from]; !declared {
				t.Errorf("%s: volume %s is not declared", name, from)
			}
		}
		for _, need := range s.needs() {
			if c.Services[need].Image == "" {
				t.Errorf("%s waits for %s, which there is not", name, need)
			}
		}
		for _, port := range s.Ports {
			if !strings.HasPrefix(port, "127.0.0.1:") {
				t.Errorf("%s: port %s is open to everybody", name, port)
			}
		}
		if ours && s.Build["dockerfile"] != "deploy/Dockerfile" {
			t.Errorf("%s is built from %v", name, s.Build)
		}
	}
}

func TestTheImageIsMadeFromPinnedPartsAndRunsAsNobody(t *testing.T) {
	text := read(t, filepath.Join(repository, "deploy/Dockerfile"))
	goVersion := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(read(t, filepath.Join(repository, "go.mod")))[1]
	for _, want := range []string{`(?m)^FROM golang:` + regexp.QuoteMeta(goVersion) + `\.\d+-alpine\d+\.\d+ AS build$`, `(?m)^FROM scratch$`, `(?m)^USER 65532:65532$`,
		`setcap cap_net_raw\+ep`, `CGO_ENABLED=0 go build .* \./satellite`, `ENTRYPOINT \["/usr/local/bin/lamplighter"\]`} {
		if !regexp.MustCompile(want).MatchString(text) {
			t.Errorf("the Dockerfile lacks %s", want)
		}
	}
}

// composedConfig is the configuration of a satellite of compose.yaml, with its paths and ports in this test's places.
func composedConfig(t *testing.T, name string, replace ...string) string {
	t.Helper()
	text := strings.NewReplacer(replace...).Replace(read(t, filepath.Join(repository, "deploy/compose", name+".yaml")))
	path := filepath.Join(t.TempDir(), "lamplighter.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTheProgramsOfTheComposeFileWorkTogether(t *testing.T) {
	t.Parallel()
	rabbit, kafka := peers.StartRabbitMQ(t), peers.StartKafka(t)
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("NOT TESTED: the programs of deploy/compose.yaml: there is no curl")
	}
	c, dir := compose(t), t.TempDir()
	sim := start(t, nil, replaced(c.Services["fleet"].Command, "/sim", dir, "8443", "0", "6623", "0", "200", "20")...)
	eventually(t, 20*time.Second, "the simulated fleet's files", func() bool {
		_, err := os.Stat(filepath.Join(dir, "ca.pem"))
		return err == nil
	})
	accounts := exec.Command("sh", filepath.Join(repository, "deploy/compose/accounts.sh"))
	accounts.Env = append(os.Environ(), fmt.Sprintf("API=http://127.0.0.1:%d/api", rabbit.HTTPPort), "SECRETS="+dir,
		"DEFINITIONS="+filepath.Join(repository, "deploy/rabbitmq-definitions.json"), fmt.Sprintf("OWNER=%d:%d", os.Getuid(), os.Getgid()))
	for range 2 { // compose up, and up again
		if said, err := accounts.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, said)
		}
		accounts = &exec.Cmd{Path: accounts.Path, Args: accounts.Args, Env: accounts.Env}
	}
	eventually(t, 30*time.Second, "topics", func() bool {
		return lamplighter(t, replaced(c.Services["topics"].Command, "127.0.0.1:9092", kafka.Address)...).code == 0
	})
	var satellites []*process
	for _, name := range []string{"sat-a", "sat-b"} {
		config := composedConfig(t, name, "/sim/", dir+"/", "/secrets/", dir+"/", "/var/lib/lamplighter", t.TempDir(), "127.0.0.1:9092", kafka.Address,
			"127.0.0.1:5672", fmt.Sprint("127.0.0.1:", rabbit.Port), "0.0.0.0:9617", "127.0.0.1:0", "0.0.0.0:9619", "127.0.0.1:0", "interval: 30s", "interval: 5s")
		satellites = append(satellites, start(t, nil, replaced(c.Services[name].Command, "/etc/lamplighter/lamplighter.yaml", config)...))
	}
	for _, p := range satellites {
		eventually(t, 60*time.Second, "rounds on kafka", func() bool { return p.number(t, "lamplighter_kafka_verdicts_total") > 10 })
		if code, text := p.endpoint(t, "/readyz"); code != 200 {
			t.Errorf("%d %s", code, text)
		}
	}
	for _, p := range append(satellites, sim) {
		if code := p.signal(t, os.Interrupt, 45*time.Second); code != 0 {
			t.Errorf("exit code %d: %s", code, p.stderr.String())
		}
	}
	var v struct{ Site string }
	first, _, _ := strings.Cut(string(peers.Kcat(t, "-C", "-q", "-b", kafka.Address, "-t", "bmc.verdict.v1", "-o", "beginning", "-c", "1")), "\n")
	if err := json.Unmarshal([]byte(first), &v); err != nil || v.Site != "sim1" {
		t.Errorf("%v: %s", err, first)
	}
}

// replaced are arguments with some of them replaced.
func replaced(args []string, pairs ...string) []string {
	all := slices.Clone(args)
	for i := range all {
		for j := 0; j < len(pairs); j += 2 {
			if all[i] == pairs[j] {
				all[i] = pairs[j+1]
				break
			}
		}
	}
	return all
}
