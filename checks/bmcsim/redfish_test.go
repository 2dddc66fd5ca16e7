package bmcsim

import (
	"bytes"
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"lamplighter/inventory"
)

// client is a plain HTTP client of one BMC. It follows nothing.
type client struct {
	*http.Client
	base  string
	token string
}

func dial(t *testing.T, f *Fleet, b inventory.BMC, config *tls.Config) *client {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: config, DisableCompression: true, MaxResponseHeaderBytes: 64 << 10}
	t.Cleanup(transport.CloseIdleConnections)
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &client{Client: &http.Client{Transport: transport, CheckRedirect: stay, Timeout: 5 * time.Second}, base: fmt.Sprintf("https://%s:%d", b.Address, b.RedfishPort())}
}

// ask sends a request and reads at most 1 MiB of its answer.
func (c *client) ask(ctx context.Context, method, path string, body any) (*http.Response, object, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, nil, err
	}
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(text))
	if err != nil {
		return nil, nil, err
	}
	if c.token != "" {
		request.Header.Set("X-Auth-Token", c.token)
	}
	resp, err := c.Do(request)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	answered := object{}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err == nil && len(raw) > 0 {
		err = json.Unmarshal(raw, &answered)
	}
	return resp, answered, err
}

// must is ask for what cannot fail.
func (c *client) must(t *testing.T, status int, method, path string, body any) (*http.Response, object) {
	t.Helper()
	resp, answered, err := c.ask(t.Context(), method, path, body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	if resp.StatusCode != status {
		t.Fatalf("%s %s: %s, want %d: %v", method, path, resp.Status, status, answered)
	}
	return resp, answered
}

func (c *client) login(t *testing.T, path, password string) string {
	t.Helper()
	resp, _ := c.must(t, http.StatusCreated, "POST", path, object{"UserName": username, "Password": password})
	c.token = resp.Header.Get("X-Auth-Token")
	return strings.TrimPrefix(resp.Header.Get("Location"), c.base)
}

// ofVendor finds a BMC of the fleet by vendor and height.
func ofVendor(t *testing.T, f *Fleet, vendor string) *bmc {
	t.Helper()
	for _, b := range f.bmcs {
		if b.shape.vendor == vendor && b.speaks == redfish {
			return b
		}
	}
	t.Fatalf("no %s in the fleet", vendor)
	return nil
}

// everyVendor is a fleet of two sites, so that there are machines of one and of two units.
func everyVendor(t *testing.T) *Fleet {
	p := Plan{Seed: 3, Sites: []Site{{Name: "low", BMCs: 400, PerRack: 40}, {Name: "high", BMCs: 200, PerRack: 20}}}
	return start(t, p)
}

func TestRoundsOfEachShapeCostOneHandshake(t *testing.T) {
	f := everyVendor(t)
	seen := map[string]bool{}
	for i, record := range f.BMCs() {
		b := f.bmcs[i]
		if seen[b.model.name] {
			continue
		}
		seen[b.model.name] = true
		t.Run(b.model.name, func(t *testing.T) {
			c := dial(t, f, record, &tls.Config{RootCAs: f.roots()})
			_, root := c.must(t, 200, "GET", "/redfish/v1/", nil)
			links, named := root["Links"].(map[string]any)
			if _, ok := links["Sessions"]; ok != (b.model.sessions == linkRoot) || !named && b.model.sessions != linkNone {
				t.Errorf("root %v, want the sessions named as %d", root, b.model.sessions)
			}
			c.must(t, 401, "GET", "/redfish/v1/Systems", nil)
			session := c.login(t, b.model.path, b.password)
			_, systems := c.must(t, 200, "GET", "/redfish/v1/Systems", nil)
			uri := systems["Members"].([]any)[0].(map[string]any)["@odata.id"].(string)
			_, system := c.must(t, 200, "GET", uri, nil)
			if system["PowerState"] != "On" || system["UUID"] != record.UUID || strings.TrimSpace(system["SerialNumber"].(string)) != record.Serial {
				t.Errorf("system %v does not fit the record %+v", system, record)
			}
			c.must(t, 204, "DELETE", session, nil)
			c.must(t, 401, "GET", "/redfish/v1/Systems", nil)
			got := f.Counters().BMCs[record.ID]
			want := Count{Connections: 1, MaxConnections: 1, Handshakes: 1, Requests: 7, Attempts: 1, Logins: 1, Logouts: 1, MaxOpen: 1, OwnSecrets: 1}
			if got != want {
				t.Errorf("counted %+v, want %+v", got, want)
			}
		})
	}
	if len(seen) != 8 {
		t.Errorf("tried %d models, want 8", len(seen))
	}
}

func TestLoginsAreRefusedByName(t *testing.T) {
	f := everyVendor(t)
	for _, c := range []struct {
		name    string
		vendor  string
		fault   Fault
		status  int
		message string
	}{
		{"a wrong password is 401", "HPE", WrongPassword, 401, "ResourceAtUriUnauthorized"},
		{"a wrong user is 401", "Supermicro", WrongUser, 401, "ResourceAtUriUnauthorized"},
		{"a locked account says so", "OpenBMC", Locked, 401, "AccountLocked"},
		{"an iDRAC without a slot says RAC0218", "Dell", SessionLimited, 503, "RAC0218"},
		{"an iLO without a slot names the registry's message", "HPE", SessionLimited, 503, "SessionLimitExceeded"},
		{"a starting BMC asks to come back", "HPE", Starting, 503, "ServiceTemporarilyUnavailable"},
		{"a BMC that fails says so", "Dell", HTTP500, 500, "InternalError"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := ofVendor(t, f, c.vendor)
			b.set.Store(uint64(setOf(c.fault)))
			defer b.set.Store(0)
			cl := dial(t, f, f.withPorts(b), &tls.Config{RootCAs: f.roots()})
			resp, answered := cl.must(t, c.status, "POST", b.model.path, object{"UserName": username, "Password": b.password})
			if text := fmt.Sprint(answered); !strings.Contains(text, c.message) {
				t.Errorf("answer %s, want %s in it", text, c.message)
			}
			if c.fault == Starting && resp.Header.Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
		})
	}
	if got := f.Counters().Total; got.Open != 0 || got.Logins != 0 || got.Refused != 5 || got.OwnSecrets != 5 {
		t.Errorf("counted %+v", got)
	}
}

func TestForeignSecretsAreCounted(t *testing.T) {
	f := start(t, plan(3, 0))
	b := f.bmcs[0]
	c := dial(t, f, f.withPorts(b), &tls.Config{RootCAs: f.roots()})
	c.must(t, 401, "POST", b.model.path, object{"UserName": username, "Password": f.bmcs[1].password})
	c.must(t, 401, "POST", b.model.path, object{"UserName": username, "Password": "typed by somebody"})
	if got := f.Counters().Total; got.ForeignSecrets != 1 || got.UnknownSecrets != 1 || got.OwnSecrets != 0 {
		t.Errorf("counted %+v, want one of another BMC and one unknown", got)
	}
}

func TestSlotsAreLimited(t *testing.T) {
	f := start(t, plan(1, 0))
	b := f.bmcs[0]
	c := dial(t, f, f.withPorts(b), &tls.Config{RootCAs: f.roots()})
	for range 8 {
		c.login(t, b.model.path, b.password)
	}
	c.must(t, 503, "POST", b.model.path, object{"UserName": username, "Password": b.password})
	if got := f.Counters().Total; got.Open != 8 || got.MaxOpen != 8 || got.Refused != 1 {
		t.Errorf("counted %+v, want 8 open and 1 refused", got)
	}
}

func TestCertificatesFailAsPlanted(t *testing.T) {
	f := start(t, plan(1, 0))
	b := f.bmcs[0]
	for _, c := range []struct {
		name   string
		fault  Fault
		strict func(error) bool
		cert   func(tls.ConnectionState) bool
	}{
		{"an expired certificate", CertExpired, expired, nil},
		{"a self-signed certificate", CertUntrusted, func(err error) bool { return errors.As(err, &x509.UnknownAuthorityError{}) }, nil},
		{"a certificate that ends soon is valid", CertExpiresSoon, nil, func(s tls.ConnectionState) bool {
			return time.Until(s.PeerCertificates[0].NotAfter) < 6*24*time.Hour
		}},
		{"a changed key is certified as well", CertChanged, nil, func(s tls.ConnectionState) bool {
			key, err := b.key(0)
			return err == nil && !key.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(s.PeerCertificates[0].PublicKey)
		}},
		{"TLS 1.0 only", TLS10Only, anyError, func(s tls.ConnectionState) bool { return s.Version == tls.VersionTLS10 }},
		{"RSA key exchange only", RSAKexOnly, anyError, func(s tls.ConnectionState) bool {
			return s.CipherSuite == tls.TLS_RSA_WITH_AES_128_GCM_SHA256 || s.CipherSuite == tls.TLS_RSA_WITH_AES_128_CBC_SHA
		}},
		{"a weak key", WeakKey, nil, func(s tls.ConnectionState) bool {
			return s.PeerCertificates[0].PublicKey.(interface{ Size() int }).Size() == 128
		}},
		{"a web service that is off resets", WebOff, func(err error) bool { return errors.Is(err, syscall.ECONNRESET) }, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			b.set.Store(uint64(setOf(c.fault)))
			defer b.set.Store(0)
			strict, err := shake(t, f, b, &tls.Config{RootCAs: f.roots()})
			if (c.strict == nil) != (err == nil) || err != nil && !c.strict(err) {
				t.Errorf("strict handshake: %v", err)
			}
			if c.cert == nil {
				return
			}
			if c.strict != nil {
				if strict, err = shake(t, f, b, oldTLS(f)); err != nil {
					t.Fatalf("lenient handshake: %v", err)
				}
			}
			if !c.cert(strict) {
				t.Errorf("version %x, suite %x, certificate until %v", strict.Version, strict.CipherSuite, strict.PeerCertificates[0].NotAfter)
			}
		})
	}
}

func anyError(err error) bool { return err != nil }

func expired(err error) bool {
	var invalid x509.CertificateInvalidError
	return errors.As(err, &invalid) && invalid.Reason == x509.Expired
}

func shake(t *testing.T, f *Fleet, b *bmc, config *tls.Config) (tls.ConnectionState, error) {
	t.Helper()
	record := f.withPorts(b)
	raw, err := net.DialTimeout("tcp4", fmt.Sprintf("%s:%d", record.Address, record.Port), 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = raw.Close() }()
	config.ServerName = record.Address.String()
	c := tls.Client(raw, config)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	err = c.HandshakeContext(ctx)
	return c.ConnectionState(), err
}
