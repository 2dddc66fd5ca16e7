package peers

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"os/exec"
	"path/filepath"
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
	program := Need(t, SushyTools)
	var err error
	for range startTries {
		dir, port := t.TempDir(), freePort(t, "tcp")
		configureSushy(t, dir, port)
		url := fmt.Sprintf("https://127.0.0.1:%d", port)
		if err = serve(t, exec.Command(program, "--config", filepath.Join(dir, "emulator.conf")), url+"/redfish/v1/"); err == nil {
			return url
		}
	}
	t.Fatal(err)
	return ""
}

func configureSushy(t testing.TB, dir string, port uint16) {
	t.Helper()
	writeKeyPair(t, dir)
	write(t, filepath.Join(dir, "htpasswd"), []byte(SushyUsername+":"+sushyHash+"\n"), 0o600)
	write(t, filepath.Join(dir, "emulator.conf"), []byte(fmt.Sprintf(`SUSHY_EMULATOR_LISTEN_IP = '127.0.0.1'
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
`, port, dir, dir, dir, dir)), 0o600)
}

// sushyEmulator is where .ci/peers installs it, or in PATH.
func sushyEmulator() string {
	if root := moduleRoot(); root != "" {
		if path, err := exec.LookPath(filepath.Join(root, ".peers", "venv", "bin", "sushy-emulator")); err == nil {
			return path
		}
	}
	return program("sushy-emulator")
}

// serve starts a web server and waits until it answers at url.
func serve(t testing.TB, cmd *exec.Cmd, url string) error {
	t.Helper()
	p, err := run(t, cmd)
	if err != nil {
		return err
	}
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}}
	ctx, cancel := context.WithTimeout(t.Context(), 2*startWait)
	defer cancel()
	for ctx.Err() == nil {
		if answer, err := client.Get(url); err == nil {
			return answer.Body.Close()
		}
		select {
		case <-p.ended:
			return fmt.Errorf("%s ended; it said:\n%s", cmd, p.output.String())
		default:
			pause(ctx, 100*time.Millisecond)
		}
	}
	p.kill()
	return fmt.Errorf("%s does not answer at %s; it said:\n%s", cmd, url, p.output.String())
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
	write(t, filepath.Join(dir, "cert.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600)
	write(t, filepath.Join(dir, "key.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), 0o600)
}
