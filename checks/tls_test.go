package checks

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"lamplighter/inventory"
)

func serverWith(t testing.TB, c certificate, config func(*tls.Config)) *scripted {
	t.Helper()
	if c.key == nil {
		c.key = newKey(t)
	}
	made := c.make(t)
	return newBMCWith(t, nil, func(cfg *tls.Config) {
		cfg.Certificates = []tls.Certificate{{Certificate: [][]byte{made.Raw}, PrivateKey: c.key}}
		if config != nil {
			config(cfg)
		}
	})
}

func rsaKey(t testing.TB, bits int) crypto.Signer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestHandshakesOfManyAges(t *testing.T) {
	version := func(v uint16) func(*tls.Config) {
		return func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, v }
	}
	suite := func(ids ...uint16) func(*tls.Config) {
		return func(c *tls.Config) { c.MaxVersion, c.CipherSuites = tls.VersionTLS12, ids }
	}
	old := rsaKey(t, 2048)
	cases := []struct {
		name       string
		cert       certificate
		config     func(*tls.Config)
		profile    string
		handshakes int64
		notes      []Reason
	}{
		{"TLS 1.3", certificate{}, nil, "strict", 1, []Reason{TLSInsecure}},
		{"TLS 1.2", certificate{}, version(tls.VersionTLS12), "strict", 1, []Reason{TLSInsecure}},
		{"TLS 1.1 only", certificate{}, version(tls.VersionTLS11), "lenient", 2, []Reason{TLSInsecure, TLSLegacyOnly}},
		{"TLS 1.0 only", certificate{}, version(tls.VersionTLS10), "lenient", 2, []Reason{TLSInsecure, TLSLegacyOnly}},
		{"RSA key exchange only", certificate{key: old}, suite(tls.TLS_RSA_WITH_AES_128_CBC_SHA), "lenient", 2, []Reason{TLSInsecure, TLSLegacyOnly}},
		{"3DES only", certificate{key: old}, suite(tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA), "lenient", 2, []Reason{TLSInsecure, TLSWeak, TLSLegacyOnly}},
		{"an RSA key of 1024 bits", certificate{key: rsaKey(t, 1024)}, nil, "strict", 1, []Reason{TLSInsecure, TLSWeak}},
		{"expired", certificate{until: time.Now().Add(-time.Hour)}, nil, "strict", 1, []Reason{TLSInsecure, TLSExpired}},
		{"expires in a week", certificate{until: time.Now().Add(7 * 24 * time.Hour)}, nil, "strict", 1, []Reason{TLSInsecure, TLSExpiresSoon}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b := serverWith(t, c.cert, c.config)
			v := visitTo(t, b.URL, Known{})
			result := goRound(t.Context(), t, v, 5*time.Second).result(t, TLS)
			if !reflect.DeepEqual(result.Notes, c.notes) || v.Known.TLSProfile != c.profile || b.handshakes.Load() != c.handshakes {
				t.Fatalf("%q %v, profile %q, %d handshakes", result.Error, result.Notes, v.Known.TLSProfile, b.handshakes.Load())
			}
			again := visitTo(t, b.URL, v.Known)
			mustEnd(t, goRound(t.Context(), t, again, 5*time.Second), Power, "")
			if b.handshakes.Load() != c.handshakes+1 {
				t.Errorf("%d handshakes for the second round", b.handshakes.Load()-c.handshakes)
			}
		})
	}
}

func TestARememberedLenientProfileIsForgottenAfterAnUpdate(t *testing.T) {
	b := newBMC(t, nil)
	v := visitTo(t, b.URL, Known{TLSProfile: "lenient"})
	if r := goRound(t.Context(), t, v, 5*time.Second).result(t, TLS); hasNote(r, TLSLegacyOnly) || v.Known.TLSProfile != "strict" {
		t.Errorf("%v, profile %q", r.Notes, v.Known.TLSProfile)
	}
}

func TestTheCertificateIsAFact(t *testing.T) {
	key := newKey(t)
	b := serverWith(t, certificate{key: key, name: "evil\x1b[31m\u202e" + strings.Repeat("x", 50), dns: []string{"bmc.example"}, ips: []net.IP{net.IPv4(127, 0, 0, 1)}}, nil)
	facts := goRound(t.Context(), t, visitTo(t, b.URL, Known{}), 5*time.Second).result(t, TLS).Facts
	leaf, err := x509.ParseCertificate(b.TLS.Certificates[0].Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"tls_version": "TLS 1.3", "tls_profile": "strict", "cert_key": "ecdsa P-256", "cert_names": "bmc.example, 127.0.0.1",
		"cert_not_after": leaf.NotAfter.UTC().Format(time.RFC3339), "cert_pin": pinOf(leaf),
	}
	for name, value := range want {
		if facts[name] != value {
			t.Errorf("%s is %q, want %q", name, facts[name], value)
		}
	}
	if len(facts["cert_sha256"]) != 64 || strings.ContainsAny(facts["cert_subject"], "\x1b\u202e") || facts["cert_issuer"] == "" {
		t.Errorf("facts %q", facts)
	}
}

func TestAStrangerGetsNoByteOfTheLogin(t *testing.T) {
	for name, c := range map[string]struct {
		trust string
		want  Reason
	}{
		"ca":   {"ca", TLSUntrusted},
		"pin":  {"pin:" + strings.Repeat("ab", 32), TLSCertChanged},
		"tofu": {"tofu", TLSUntrusted},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBMC(t, nil)
			v := visitTo(t, b.URL, Known{})
			var err error
			if v.Trust, err = inventory.ParseTrust(c.trust); err != nil {
				t.Fatal(err)
			}
			if _, _, err := v.askServiceRoot(t.Context()); err != nil {
				t.Fatal(err)
			}
			result := mustEnd(t, goRound(t.Context(), t, v, 5*time.Second), TLS, c.want)
			if result.Facts["cert_pin"] == "" {
				t.Error("the pin is no fact")
			}
			taken := visitTo(t, b.URL, Known{})
			taken.Trust = v.Trust
			if _, err := runRedfishLogin(t.Context(), taken); FaultOf(err).Reason != c.want {
				t.Errorf("a login on a fresh visit: %v", err)
			}
			_ = taken.Close(t.Context())
			if requests, logins, _ := b.counts(); logins != 0 || len(requests) != 1 || requests[0] != getRoot {
				t.Errorf("%d logins, %v", logins, requests)
			}
		})
	}
}

func TestTOFUBelievesFromTheNextRoundOn(t *testing.T) {
	b := newBMC(t, nil)
	v := visitTo(t, b.URL, Known{})
	v.Trust = inventory.Trust{Mode: inventory.TrustTOFU}
	mustEnd(t, goRound(t.Context(), t, v, 5*time.Second), TLS, TLSUntrusted)
	next := visitTo(t, b.URL, v.Known)
	next.Trust = v.Trust
	mustEnd(t, goRound(t.Context(), t, next, 5*time.Second), Power, "")
	changed := visitTo(t, newBMCWith(t, nil, func(c *tls.Config) {
		key := newKey(t)
		c.Certificates = []tls.Certificate{{Certificate: [][]byte{certificate{key: key, name: "x"}.make(t).Raw}, PrivateKey: key}}
	}).URL, next.Known)
	changed.Trust = v.Trust
	mustEnd(t, goRound(t.Context(), t, changed, 5*time.Second), TLS, TLSCertChanged)
	if changed.Known.Pin != v.Known.Pin {
		t.Error("the stranger's key was recorded")
	}
}

func TestSilenceAndClosedPortsAreToldApart(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // the kernel accepts; nobody speaks
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	hangsUp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := hangsUp.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
		}
	}()
	defer func() { _ = hangsUp.Close(); <-done }()
	for name, c := range map[string]struct {
		addr net.Addr
		want Reason
	}{
		"open but silent": {silent.Addr(), TLSTimeout},
		"closed":          {closed.Addr(), NetRefused},
		"hangs up":        {hangsUp.Addr(), TLSHandshake},
	} {
		start := time.Now()
		r := goRound(t.Context(), t, visitTo(t, "https://"+c.addr.String(), Known{}), 300*time.Millisecond)
		if got := r.last(); got.Reason != c.want {
			t.Errorf("%s: %s (%s), want %s", name, got.Reason, got.Error, c.want)
		}
		if took := time.Since(start); took > 1300*time.Millisecond {
			t.Errorf("%s: took %v", name, took)
		}
	}
}

func TestACancelledHandshakeIsNobodysFault(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		if conn, err := silent.Accept(); err == nil {
			cancel()
			_ = conn.Close()
		}
	}()
	v := visitTo(t, "https://"+silent.Addr().String(), Known{})
	_, err = runTLS(ctx, v)
	var fault *Fault
	if !errors.Is(err, context.Canceled) || errors.As(err, &fault) {
		t.Errorf("%v", err)
	}
	_ = v.Close(t.Context())
}

func TestAKeyThatChangesWithinTheVisitGetsNoLogin(t *testing.T) {
	first, second := newKey(t), newKey(t)
	var connections atomic.Int64
	b := newBMCWith(t, nil, func(c *tls.Config) {
		mine := tls.Certificate{Certificate: [][]byte{certificate{key: first, name: "x"}.make(t).Raw}, PrivateKey: first}
		other := tls.Certificate{Certificate: [][]byte{certificate{key: second, name: "x"}.make(t).Raw}, PrivateKey: second}
		c.Certificates = []tls.Certificate{mine}
		c.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
			if connections.Add(1) == 1 {
				return nil, nil
			}
			return &tls.Config{Certificates: []tls.Certificate{other}}, nil
		}
	})
	b.answers = answers{getRoot: func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close")
		b.healthy(w, r)
	}}
	v := visitTo(t, b.URL, Known{})
	v.Trust = inventory.Trust{Mode: inventory.TrustPin, Pin: pinOf(certificate{key: first, name: "x"}.make(t))}
	mustEnd(t, goRound(t.Context(), t, v, 5*time.Second), RedfishLogin, TLSCertChanged)
	if requests, logins, _ := b.counts(); logins != 0 || len(requests) != 1 {
		t.Errorf("%d logins, %v", logins, requests)
	}
}

func TestABMCThatWantsACertificateFromUsHasRefusedTheHandshake(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		b := newBMCWith(t, nil, func(c *tls.Config) { c.ClientAuth, c.MaxVersion = tls.RequireAnyClientCert, version })
		last := goRound(t.Context(), t, visitTo(t, b.URL, Known{}), 5*time.Second).last()
		if last.Reason != TLSHandshake {
			t.Errorf("%s: %s at %s: %s", tls.VersionName(version), last.Reason, last.Check, last.Error)
		}
	}
}
