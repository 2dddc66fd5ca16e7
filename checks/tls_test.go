package checks

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"reflect"
	"strings"
	"testing"
	"time"

	"lamplighter/inventory"
)

// certificate is what a test wants of a BMC's certificate.
type certificate struct {
	key    crypto.Signer
	name   string // of the subject
	dns    []string
	ips    []net.IP
	from   time.Time
	until  time.Time
	issuer *x509.Certificate // nil: self-signed
	signer crypto.Signer
	isCA   bool
}

func newKey(t testing.TB) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (c certificate) make(t testing.TB) *x509.Certificate {
	t.Helper()
	now := time.Now()
	if c.until.IsZero() {
		c.until = now.Add(365 * 24 * time.Hour)
	}
	if c.from.IsZero() {
		c.from = now.Add(-365 * 24 * time.Hour)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: c.name}, NotBefore: c.from, NotAfter: c.until,
		DNSNames: c.dns, IPAddresses: c.ips, IsCA: c.isCA, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	parent, signer := c.issuer, c.signer
	if parent == nil {
		parent, signer = template, c.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, c.key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func TestTrustIsJudgedByPolicy(t *testing.T) {
	now := time.Now()
	caKey, key := newKey(t), newKey(t)
	ca := certificate{key: caKey, name: "site CA", isCA: true}.make(t)
	issued := func(c certificate) *x509.Certificate {
		c.key, c.issuer, c.signer = key, ca, caKey
		return c.make(t)
	}
	good := issued(certificate{name: "bmc", dns: []string{"bmc-1.example"}, ips: []net.IP{net.IPv4(10, 0, 0, 7)}})
	expired := issued(certificate{name: "bmc", ips: []net.IP{net.IPv4(10, 0, 0, 7)}, until: now.Add(-time.Hour)})
	early := issued(certificate{name: "bmc", ips: []net.IP{net.IPv4(10, 0, 0, 7)}, from: now.Add(time.Hour)})
	expiredStranger := issued(certificate{name: "bmc", dns: []string{"other"}, until: now.Add(-time.Hour)})
	self := certificate{key: key, name: "bmc", ips: []net.IP{net.IPv4(10, 0, 0, 7)}}.make(t)
	foreign := certificate{key: key, name: "bmc", issuer: certificate{key: caKey, name: "no CA of ours"}.make(t), signer: caKey}.make(t)
	roots := x509.NewCertPool()
	roots.AddCert(ca)
	pin := pinOf(good)
	byCA := inventory.Trust{Mode: inventory.TrustCA}

	cases := []struct {
		name  string
		trust inventory.Trust
		known string
		names []string
		cert  *x509.Certificate
		want  Reason
		says  string
	}{
		{"ca: a chain to a root, for the address", byCA, "", []string{"10.0.0.7"}, good, "", ""},
		{"ca: for the asset's ID", byCA, "", []string{"10.0.0.8", "bmc-1.example"}, good, "", ""},
		{"ca: for another name", byCA, "", []string{"10.0.0.8", "", "bmc-2"}, good, TLSUntrusted, "for bmc-1.example, 10.0.0.7, not for 10.0.0.8, bmc-2"},
		{"ca: self-signed", byCA, "", []string{"10.0.0.7"}, self, TLSUntrusted, "--trust pin:" + pin},
		{"ca: an unknown authority", byCA, "", []string{"10.0.0.7"}, foreign, TLSUntrusted, "unknown authority, CN=no CA of ours"},
		{"ca: expired", byCA, "", []string{"10.0.0.7"}, expired, TLSExpired, "valid from"},
		{"ca: not valid yet", byCA, "", []string{"10.0.0.7"}, early, TLSExpired, "valid from"},
		{"ca: expired and for another name", byCA, "", []string{"10.0.0.7"}, expiredStranger, TLSUntrusted, "for other"},
		{"pin: the key", inventory.Trust{Mode: inventory.TrustPin, Pin: pin}, "", nil, self, "", ""},
		{"pin: another key", inventory.Trust{Mode: inventory.TrustPin, Pin: strings.Repeat("0", 64)}, "", nil, self, TLSCertChanged, pin},
		{"pin: expired does not matter", inventory.Trust{Mode: inventory.TrustPin, Pin: pin}, "", nil, expired, "", ""},
		{"tofu: seen for the first time", inventory.Trust{Mode: inventory.TrustTOFU}, "", nil, self, TLSUntrusted, "recorded, believed from the next round on"},
		{"tofu: known", inventory.Trust{Mode: inventory.TrustTOFU}, pin, nil, self, "", ""},
		{"tofu: changed", inventory.Trust{Mode: inventory.TrustTOFU}, strings.Repeat("1", 64), nil, self, TLSCertChanged, strings.Repeat("1", 64)},
		{"insecure: any", inventory.Trust{Mode: inventory.TrustInsecure}, "", nil, foreign, "", ""},
		{"no policy at all is ca", inventory.Trust{}, "", []string{"10.0.0.7"}, self, TLSUntrusted, "self-signed"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			p := trustPolicy{trust: c.trust, known: c.known, roots: roots, names: c.names}
			err := p.judge([]*x509.Certificate{c.cert}, now)
			if c.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if err == nil || FaultOf(err).Reason != c.want || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, want %s with %q", err, c.want, c.says)
			}
		})
	}
	if err := (trustPolicy{}).judge(nil, now); FaultOf(err).Reason != TLSUntrusted {
		t.Errorf("no certificate: %v", err)
	}
}

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
