package lab

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"lamplighter/checks/peers"
)

// satellite is a lamplighter satellite as a process, and its way to the broker.
type satellite struct {
	name    string
	wire    *peers.Wire
	config  string
	log     string
	process *peers.Program // the one that runs, or ran last
}

const satelliteConfig = `satellite: %[1]s
site: %[2]s
inventory: %[3]s/fleet/inventory.csv
targets: {loopback: true}
keyring: %[3]s/fleet/keyring.yaml
ca_file: %[3]s/fleet/ca.pem
memory: %[3]s/%[1]s.memory
verdicts: none
ping: [rmcp]
interval: %[4]s
every: {redfish-login: 0s, ipmi-login: 0s, power: 0s}
rabbitmq:
  urls: ["amqps://localhost:%[5]d/%[6]s"]
  user: %[7]s
  password_file: %[3]s/broker.password
  ca_file: %[8]s
kafka:
  brokers: ["%[9]s"]
  spool: %[3]s/%[1]s.spool
log: {level: %[10]s, format: json}
`

func (s *site) newSatellite(t *testing.T, name string, wire *peers.Wire) *satellite {
	t.Helper()
	s.put(t, name+".yaml", fmt.Sprintf(satelliteConfig, name, siteName, s.dir, s.interval, wire.Port, s.vhost, peers.RabbitUser, s.rabbit.CA, s.kafka.Address, s.level))
	return &satellite{name: name, wire: wire, config: s.path(name + ".yaml"), log: s.path(name + ".log")}
}

// start starts the satellite, again after a kill. Its log goes on in the same file.
func (s *satellite) start(t *testing.T) {
	t.Helper()
	program, err := build()
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.OpenFile(s.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(program, "satellite", "--config", s.config)
	cmd.Stdout, cmd.Stderr = log, log
	if s.process, err = peers.StartProgram(cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.process.Kill)
}

// ended says whether the satellite ended by itself.
func (s *satellite) ended() bool {
	select {
	case <-s.process.Ended():
		return true
	default:
		return false
	}
}

// stop ends the satellite in peace.
func (s *satellite) stop(t *testing.T) {
	t.Helper()
	if err := s.process.Stop(30 * time.Second); err != nil {
		t.Error(err)
	}
}

// tail is the end of the log.
func (s *satellite) tail(lines int) []byte {
	text, err := os.ReadFile(s.log)
	if err != nil {
		return []byte(err.Error())
	}
	all := bytes.SplitAfter(text, []byte("\n"))
	return bytes.Join(all[max(0, len(all)-lines):], nil)
}
