package peers

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Rabbit is one RabbitMQ node with TLS, its management API and an epmd of its own, all on loopback and in a directory of its
// own. Everything that it started ends with it.
type Rabbit struct {
	// Port is AMQP's, TLSPort is AMQP's over TLS, HTTPPort the management API's (user and password guest).
	Port, TLSPort, HTTPPort uint16
	// CA, Cert and Key are PEM files: the authority, and a client's certificate for the user RabbitCertUser.
	CA, Cert, Key string

	server, ctl string
	dir         string
	env         []string
	epmd, node  *process
}

// The users of a Rabbit besides guest: one with a password, one with the client certificate.
const (
	RabbitUser     = "satellite"
	RabbitPassword = "rabbit-s3cret"
	RabbitCertUser = "satellite-by-certificate"
)

const (
	rabbitServer = "/usr/lib/rabbitmq/bin/rabbitmq-server" // the wrapper in /usr/sbin changes user and directory
	rabbitNode   = "lamplighter@localhost"
	// rabbitWait is for a start on a busy machine; 4 s is usual.
	rabbitWait = 90 * time.Second
)

func rabbitmq() string {
	if _, err := exec.LookPath("epmd"); err != nil {
		return ""
	}
	if path, err := exec.LookPath(rabbitServer); err == nil {
		return path
	}
	return ""
}

// StartRabbitMQ starts a node that ends with the test.
func StartRabbitMQ(t testing.TB) *Rabbit {
	t.Helper()
	r, err := startRabbit(Need(t, RabbitMQ))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.end)
	return r
}

var shared struct {
	sync.Mutex
	rabbit *Rabbit
	err    error
}

// SharedRabbitMQ is one node for all tests of a package, started for the first that asks. Its TestMain calls EndShared.
func SharedRabbitMQ(t testing.TB) *Rabbit {
	t.Helper()
	server := Need(t, RabbitMQ)
	shared.Lock()
	defer shared.Unlock()
	if shared.rabbit == nil && shared.err == nil {
		shared.rabbit, shared.err = startRabbit(server)
	}
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.rabbit
}

// EndShared ends what tests of a package shared.
func EndShared() {
	shared.Lock()
	defer shared.Unlock()
	if shared.rabbit != nil {
		shared.rabbit.end()
		shared.rabbit = nil
	}
}

func startRabbit(server string) (r *Rabbit, err error) {
	for range startTries {
		r = &Rabbit{server: server, ctl: filepath.Join(filepath.Dir(server), "rabbitmqctl")}
		if err = r.begin(); err == nil {
			return r, nil
		}
		err = fmt.Errorf("start RabbitMQ: %w; it said:\n%s", err, r.log())
		r.end()
	}
	return nil, err
}

func (r *Rabbit) begin() (err error) {
	if r.dir, err = os.MkdirTemp("", "rabbitmq"); err != nil {
		return err
	}
	ports, err := freePorts(5)
	if err != nil {
		return err
	}
	r.Port, r.TLSPort, r.HTTPPort = ports[0], ports[1], ports[2]
	if err := r.configure(ports[3], ports[4]); err != nil {
		return err
	}
	r.epmd = &process{cmd: exec.Command("epmd", "-port", fmt.Sprint(ports[4]), "-address", "127.0.0.1"), ended: make(chan struct{})}
	r.epmd.cmd.Env, r.epmd.cmd.SysProcAttr = r.env, attributes()
	if err := r.epmd.start(); err != nil {
		return err
	}
	if err := r.launch(); err != nil {
		return err
	}
	return errors.Join(
		r.api("PUT", "/users/"+RabbitUser, map[string]any{"password": RabbitPassword, "tags": ""}),
		r.api("PUT", "/users/"+RabbitCertUser, map[string]any{"password_hash": "", "tags": ""}),
	)
}

// configure writes what the node reads. Files of the system are not among it.
func (r *Rabbit) configure(distribution, epmd uint16) error {
	for _, dir := range []string{"mnesia", "log"} {
		if err := os.Mkdir(filepath.Join(r.dir, dir), 0o700); err != nil {
			return err
		}
	}
	if err := r.certificates(); err != nil {
		return err
	}
	r.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + r.dir, "LANG=C.UTF-8",
		"RABBITMQ_NODENAME=" + rabbitNode, fmt.Sprint("RABBITMQ_DIST_PORT=", distribution),
		fmt.Sprint("ERL_EPMD_PORT=", epmd), "ERL_EPMD_ADDRESS=127.0.0.1",
		"RABBITMQ_CONF_ENV_FILE=" + filepath.Join(r.dir, "none"),
		"RABBITMQ_CONFIG_FILE=" + filepath.Join(r.dir, "rabbitmq.conf"),
		"RABBITMQ_ADVANCED_CONFIG_FILE=" + filepath.Join(r.dir, "advanced.config"),
		"RABBITMQ_MNESIA_BASE=" + filepath.Join(r.dir, "mnesia"), "RABBITMQ_LOG_BASE=" + filepath.Join(r.dir, "log"),
		"RABBITMQ_ENABLED_PLUGINS_FILE=" + filepath.Join(r.dir, "enabled_plugins"),
		"RABBITMQ_PID_FILE=" + filepath.Join(r.dir, "pid"),
		"RABBITMQ_FEATURE_FLAGS_FILE=" + filepath.Join(r.dir, "mnesia", "feature_flags"),
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-setcookie peers", "RABBITMQ_CTL_ERL_ARGS=-setcookie peers",
		"RABBITMQ_SERVER_ERL_ARGS=+P 1048576 +t 5000000 +stbt db +zdbbl 128000 +sbwt none +sbwtdcpu none +sbwtdio none" +
			" -kernel inet_dist_use_interface {127,0,0,1}",
		// So the script executes the node in its own place instead of watching over it: signals for it reach it.
		"RABBITMQ_ALLOW_INPUT=1", "RABBITMQ_SERVER_START_ARGS=-noinput",
	}
	return errors.Join(
		os.WriteFile(filepath.Join(r.dir, "rabbitmq.conf"), fmt.Appendf(nil, rabbitConfig, r.Port, r.TLSPort, r.HTTPPort, r.dir), 0o600),
		os.WriteFile(filepath.Join(r.dir, "advanced.config"), []byte("[].\n"), 0o600),
		os.WriteFile(filepath.Join(r.dir, "enabled_plugins"), []byte("[rabbitmq_management,rabbitmq_auth_mechanism_ssl].\n"), 0o600),
	)
}

const rabbitConfig = `listeners.tcp.1 = 127.0.0.1:%d
listeners.ssl.1 = 127.0.0.1:%d
management.tcp.ip = 127.0.0.1
management.tcp.port = %d
ssl_options.cacertfile = %[4]s/ca.pem
ssl_options.certfile = %[4]s/server.pem
ssl_options.keyfile = %[4]s/server.key
ssl_options.verify = verify_peer
ssl_options.fail_if_no_peer_cert = false
auth_mechanisms.1 = PLAIN
auth_mechanisms.2 = EXTERNAL
ssl_cert_login_from = common_name
log.console = false
disk_free_limit.absolute = 50MB
`

// launch starts the node and waits until it takes connections.
func (r *Rabbit) launch() error {
	r.node = &process{cmd: exec.Command(r.server), ended: make(chan struct{})}
	r.node.cmd.Env, r.node.cmd.Dir, r.node.cmd.SysProcAttr = r.env, r.dir, attributes()
	r.node.cmd.Stdout, r.node.cmd.Stderr = &r.node.output, &r.node.output
	if err := r.node.start(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), rabbitWait)
	defer cancel()
	for ctx.Err() == nil {
		if r.listens() && r.api("GET", "/overview", nil) == nil {
			return nil
		}
		select {
		case <-r.node.ended:
			return errors.New("it ended by itself")
		default:
			pause(ctx, 50*time.Millisecond)
		}
	}
	return fmt.Errorf("it does not answer after %s", rabbitWait)
}

func (r *Rabbit) listens() bool {
	for _, port := range []uint16{r.TLSPort, r.Port, r.HTTPPort} {
		conn, err := net.DialTimeout("tcp", fmt.Sprint("127.0.0.1:", port), time.Second)
		if err != nil {
			return false
		}
		_ = conn.Close()
	}
	return true
}

func (r *Rabbit) log() string {
	text, err := os.ReadFile(filepath.Join(r.dir, "log", rabbitNode+".log"))
	said := ""
	if r.node != nil {
		said = r.node.output.String()
	}
	if err != nil {
		return said
	}
	return said + string(text[max(0, len(text)-4000):])
}

func (r *Rabbit) end() {
	for _, p := range []*process{r.node, r.epmd} {
		if p != nil && p.cmd.Process != nil {
			p.kill()
		}
	}
	_ = os.RemoveAll(r.dir)
}

// VHost makes a virtual host that ends with the test, in which both users may do everything.
func (r *Rabbit) VHost(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("test-%x", time.Now().UnixNano())
	all := map[string]string{"configure": ".*", "write": ".*", "read": ".*"}
	r.API(t, "PUT", "/vhosts/"+name, nil)
	for _, user := range []string{RabbitUser, RabbitCertUser, "guest"} {
		r.API(t, "PUT", "/permissions/"+name+"/"+user, all)
	}
	t.Cleanup(func() { _ = r.api("DELETE", "/vhosts/"+name, nil) }) // the node may have ended
	return name
}

// API asks the management API: PUT /vhosts/x and the like. %2f in a path is one name's slash.
func (r *Rabbit) API(t testing.TB, method, path string, body any) {
	t.Helper()
	if err := r.api(method, path, body); err != nil {
		t.Fatal(err)
	}
}

func (r *Rabbit) api(method, path string, body any) error {
	_, err := r.Ask(method, path, body)
	return err
}

// Ask is API for those who want to see the answer.
func (r *Rabbit) Ask(method, path string, body any) (answered []byte, err error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	target, err := url.Parse(fmt.Sprintf("http://127.0.0.1:%d/api%s", r.HTTPPort, path))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), startWait)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, target.String(), bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.SetBasicAuth("guest", "guest")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	said, err := io.ReadAll(answer.Body)
	if answer.StatusCode >= 300 {
		return nil, fmt.Errorf("%s %s: %s %s", method, path, answer.Status, said)
	}
	return said, err
}

// Ctl runs rabbitmqctl with arguments and returns what it printed. It takes seconds.
func (r *Rabbit) Ctl(t testing.TB, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), rabbitWait)
	defer cancel()
	cmd := exec.CommandContext(ctx, r.ctl, append([]string{"-n", rabbitNode}, args...)...)
	cmd.Env, cmd.Dir = r.env, r.dir
	said, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("rabbitmqctl %v: %v\n%s", args, err, said)
	}
	return string(said)
}

// CloseAllConnections has the node close the connections to a virtual host.
func (r *Rabbit) CloseAllConnections(t testing.TB, vhost string) {
	t.Helper()
	r.Ctl(t, "close_all_connections", "--vhost", vhost, "a test")
}

// MemoryAlarm makes the node refuse publishes, or take them again.
func (r *Rabbit) MemoryAlarm(t testing.TB, on bool) {
	t.Helper()
	mark := "0.6"
	if on {
		mark = "0"
	}
	r.Ctl(t, "set_vm_memory_high_watermark", mark)
}

// Kill9 kills the node as a loss of power would, but for what the kernel still writes.
func (r *Rabbit) Kill9() { r.node.kill() }

// Restart starts a node anew that was killed, with the same data and ports.
func (r *Rabbit) Restart(t testing.TB) {
	t.Helper()
	if err := r.launch(); err != nil {
		t.Fatalf("restart RabbitMQ: %v; it said:\n%s", err, r.log())
	}
}

// Freeze stops the node where it stands: its sockets stay open, nothing answers.
func (r *Rabbit) Freeze(t testing.TB) { r.node.signal(t, syscall.SIGSTOP) }

// Thaw lets a frozen node go on.
func (r *Rabbit) Thaw(t testing.TB) { r.node.signal(t, syscall.SIGCONT) }
