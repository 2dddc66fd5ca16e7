package checks

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
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

// authority is a site's CA.
type authority struct {
	key   crypto.Signer
	cert  *x509.Certificate
	roots *x509.CertPool
}

func newAuthority(t testing.TB, name string) authority {
	t.Helper()
	a := authority{key: newKey(t), roots: x509.NewCertPool()}
	a.cert = certificate{key: a.key, name: name, isCA: true}.make(t)
	a.roots.AddCert(a.cert)
	return a
}

func (a authority) issue(c certificate) certificate {
	c.issuer, c.signer = a.cert, a.key
	return c
}

func TestACertificateOfTheSitesAuthorityIsTrusted(t *testing.T) {
	ca := newAuthority(t, "site CA")
	b := serverWith(t, ca.issue(certificate{name: "bmc", ips: []net.IP{net.IPv4(127, 0, 0, 1)}}), nil)
	v := visitTo(t, b.URL, Known{})
	v.Trust, v.Wires.Settings.Roots = inventory.Trust{Mode: inventory.TrustCA}, ca.roots
	r := goRound(t.Context(), t, v, 5*time.Second)
	mustEnd(t, r, Power, "")
	if notes := r.result(t, TLS).Notes; len(notes) != 0 {
		t.Errorf("notes %v", notes)
	}
}

func TestTrustIsJudgedByPolicy(t *testing.T) {
	now, key, ours := time.Now(), newKey(t), []net.IP{net.IPv4(10, 0, 0, 7)}
	ca := newAuthority(t, "site CA")
	issued := func(c certificate) *x509.Certificate {
		c.key, c.name = key, "bmc"
		return ca.issue(c).make(t)
	}
	good := issued(certificate{dns: []string{"bmc-1.example"}, ips: ours})
	expired := issued(certificate{ips: ours, until: now.Add(-time.Hour)})
	early := issued(certificate{ips: ours, from: now.Add(time.Hour)})
	expiredStranger := issued(certificate{dns: []string{"other"}, until: now.Add(-time.Hour)})
	self := certificate{key: key, name: "bmc", ips: ours}.make(t)
	foreign := newAuthority(t, "no CA of ours").issue(certificate{key: key, name: "bmc"}).make(t)
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
			p := trustPolicy{trust: c.trust, known: c.known, roots: ca.roots, names: c.names}
			err := p.judge([]*x509.Certificate{c.cert}, now)
			if c.want == "" && err == nil {
				return
			}
			if err == nil || FaultOf(err).Reason != c.want || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, want %q with %q", err, c.want, c.says)
			}
		})
	}
	if err := (trustPolicy{}).judge(nil, now); FaultOf(err).Reason != TLSUntrusted {
		t.Errorf("no certificate: %v", err)
	}
}
