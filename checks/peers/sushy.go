package peers

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// The login that Sushy accepts.
const (
	SushyUsername = "admin"
	SushyPassword = "sushy-s3cret"
)

// sushyHash is the bcrypt hash of SushyPassword, as an htpasswd file holds it.
const sushyHash = "$2b$04$aSCCi4LmSpgr0EApIbCbeuv1c3qG4ai9ii5CdQq0dDbNSDtgxxZgu"

// Sushy starts sushy-tools' emulator: an independent Redfish service over HTTPS with two systems, basic authentication and no
// sessions. It returns its URL and ends the process with the test. Where it is not installed the test is skipped, loudly, or
// fails if LAMPLIGHTER_REQUIRE names sushy-tools.
func Sushy(t testing.TB) string {
	t.Helper()
	program := filepath.Join(moduleRoot(t), ".peers", "venv", "bin", "sushy-emulator")
	if _, err := os.Stat(program); err != nil {
		need(t, "sushy-tools", "an independent Redfish service (.ci/peers-sushy installs it)")
	}
	dir, port := t.TempDir(), freePort(t)
	writeKeyPair(t, dir)
	write(t, dir, "htpasswd", SushyUsername+":"+sushyHash+"\n")
	write(t, dir, "emulator.conf", fmt.Sprintf(`SUSHY_EMULATOR_LISTEN_IP = '127.0.0.1'
SUSHY_EMULATOR_LISTEN_PORT = %d
SUSHY_EMULATOR_SSL_CERT = '%s/cert.pem'
SUSHY_EMULATOR_SSL_KEY = '%s/key.pem'
SUSHY_EMULATOR_AUTH_FILE = '%s/htpasswd'
SUSHY_EMULATOR_STATE_DIR = '%s'
SUSHY_EMULATOR_FAKE_DRIVER = True
SUSHY_EMULATOR_FAKE_SYSTEMS = [
    {'uuid': '6bcb3f4e-9a63-4d1a-8a0e-5f7e2d9c1a01', 'name': 'one', 'power_state': 'On', 'nics': []},
    {'uuid': '6bcb3f4e-9a63-4d1a-8a0e-5f7e2d9c1a02', 'name': 'two', 'power_state': 'Off', 'nics': []},
]
`, port, dir, dir, dir, dir))
	url := fmt.Sprintf("https://127.0.0.1:%d", port)
	run(t, exec.Command(program, "--config", filepath.Join(dir, "emulator.conf")), url+"/redfish/v1/")
	return url
}

// need skips a test whose peer is missing, or fails it where the peer is required.
func need(t testing.TB, peer, what string) {
	t.Helper()
	if slices.Contains(strings.FieldsFunc(os.Getenv("LAMPLIGHTER_REQUIRE"), func(r rune) bool { return r == ',' || r == ' ' }), peer) {
		t.Fatalf("%s is required, but missing", peer)
	}
	t.Skipf("NOT TESTED: %s, since %s is missing", what, peer)
}

// run starts a server and waits until it answers at url.
func run(t testing.TB, cmd *exec.Cmd, url string) {
	t.Helper()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", cmd.Path, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-ended })
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(30 * time.Second)
	for {
		if resp, err := client.Get(url); err == nil {
			_ = resp.Body.Close()
			return
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("%s ended: %v\n%s", cmd.Path, err, out.String())
		case <-deadline:
			t.Fatalf("%s does not answer at %s", cmd.Path, url)
		case <-tick.C:
		}
	}
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

func writeKeyPair(t testing.TB, dir string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "sushy"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	write(t, dir, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})))
}

func write(t testing.TB, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// moduleRoot is the folder of go.mod, above that of the test.
func moduleRoot(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != "/"; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
	}
	t.Fatal("no go.mod above the test")
	return ""
}
