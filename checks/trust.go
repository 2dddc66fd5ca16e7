package checks

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"lamplighter/checks/guard"
	"lamplighter/inventory"
)

// HostnameLabel is the label with the name that a BMC's certificate may be made out to, beside its address and its ID.
const HostnameLabel = "hostname"

// certificatePolicy is the visit's policy for its connection. What is known of the BMC's key is taken as it was when the
// visit began, so that a key recorded now is believed from the next round on.
func (v *Visit) certificatePolicy() guard.Policy {
	p := trustPolicy{
		trust: v.Trust, known: v.Known.Pin, roots: v.Wires.Settings.Roots,
		names: []string{v.BMC.Address.String(), string(v.BMC.ID), v.BMC.Labels[HostnameLabel]},
	}
	return func(state tls.ConnectionState) error {
		err := p.judge(state.PeerCertificates, time.Now())
		if p.trust.Mode == inventory.TrustTOFU && p.known == "" && len(state.PeerCertificates) > 0 {
			v.redfish.record = pinOf(state.PeerCertificates[0])
		}
		return err
	}
}

// trustPolicy is what decides whether a certificate's owner may get the password.
type trustPolicy struct {
	trust inventory.Trust
	known string // under tofu: the key recorded in an earlier round
	roots *x509.CertPool
	names []string // under ca: any of them; empty ones do not count
}

// judge is pure: nil, or the fault that ends the chain before any login.
func (p trustPolicy) judge(chain []*x509.Certificate, now time.Time) error {
	if len(chain) == 0 {
		return Blame(TLSUntrusted, errors.New("the BMC showed no certificate"))
	}
	pin := pinOf(chain[0])
	switch p.trust.Mode {
	case inventory.TrustInsecure:
		return nil
	case inventory.TrustPin:
		return samePin(p.trust.Pin, pin, "the pin")
	case inventory.TrustTOFU:
		if p.known == "" {
			return Blame(TLSUntrusted, fmt.Errorf("first key seen, %s: recorded, believed from the next round on", pin))
		}
		return samePin(p.known, pin, "the recorded key")
	}
	return p.judgeChain(chain, pin, now)
}

func samePin(want, got, what string) error {
	if want == got {
		return nil
	}
	return Blame(TLSCertChanged, fmt.Errorf("the BMC's key is %s, %s is %s", got, what, want))
}

// judgeChain asks for a chain to an authority first, then for the name, then for the time, so that "expired" is only said of
// a certificate that was good once.
func (p trustPolicy) judgeChain(chain []*x509.Certificate, pin string, now time.Time) error {
	leaf := chain[0]
	opts := x509.VerifyOptions{Roots: p.roots, Intermediates: x509.NewCertPool(), CurrentTime: now}
	for _, c := range chain[1:] {
		opts.Intermediates.AddCert(c)
	}
	outdated := now.After(leaf.NotAfter) || now.Before(leaf.NotBefore)
	if outdated {
		opts.CurrentTime = leaf.NotBefore.Add(leaf.NotAfter.Sub(leaf.NotBefore) / 2)
	}
	_, err := leaf.Verify(opts)
	var invalid x509.CertificateInvalidError
	if errors.As(err, &invalid) && invalid.Reason == x509.Expired {
		outdated, err = true, nil
	}
	if err != nil {
		return Blame(TLSUntrusted, fmt.Errorf("%s; if this key is the BMC's own, pass --trust pin:%s", untrusted(leaf, err), pin))
	}
	if !p.madeOutTo(leaf) {
		return Blame(TLSUntrusted, fmt.Errorf("the certificate is for %s, not for %s; if this key is the BMC's own, pass --trust pin:%s",
			orNobody(certNames(leaf)), orNobody(strings.Join(nonEmpty(p.names), ", ")), pin))
	}
	if outdated {
		return Blame(TLSExpired, fmt.Errorf("the certificate is valid from %s to %s", stamp(leaf.NotBefore), stamp(leaf.NotAfter)))
	}
	return nil
}

func (p trustPolicy) madeOutTo(leaf *x509.Certificate) bool {
	for _, name := range nonEmpty(p.names) {
		if leaf.VerifyHostname(name) == nil {
			return true
		}
	}
	return false
}

func untrusted(leaf *x509.Certificate, err error) string {
	if selfSigned(leaf) {
		return "the certificate is self-signed"
	}
	var unknown x509.UnknownAuthorityError
	if errors.As(err, &unknown) {
		return "the certificate is from an unknown authority, " + printable(leaf.Issuer.String())
	}
	return "the certificate cannot be trusted: " + printable(err.Error())
}

// tlsNotes are what should be bettered although the login may go on.
//
// Weak is an RSA key under 2048 bits, a signature with MD5 or SHA-1 (unless self-signed: that signature proves nothing
// anyway), and 3DES or RC4. CBC with SHA-1 by itself is not noted: every BMC that ends at TLS 1.2 has it.
func tlsNotes(mode inventory.TrustMode, state guard.State, now time.Time, soon time.Duration) (notes []Reason) {
	leaf := state.TLS.PeerCertificates[0]
	if mode == inventory.TrustInsecure {
		notes = append(notes, TLSInsecure)
	}
	switch {
	case now.After(leaf.NotAfter) || now.Before(leaf.NotBefore):
		notes = append(notes, TLSExpired)
	case now.Add(soon).After(leaf.NotAfter):
		notes = append(notes, TLSExpiresSoon)
	}
	if weakKey(leaf) || weakSignature(leaf) || weakCipher(state.TLS.CipherSuite) {
		notes = append(notes, TLSWeak)
	}
	if state.Profile == guard.Lenient || !guard.Modern(state.TLS) {
		notes = append(notes, TLSLegacyOnly)
	}
	return notes
}

func weakKey(c *x509.Certificate) bool {
	key, ok := c.PublicKey.(*rsa.PublicKey)
	return ok && key.N.BitLen() < 2048
}

func weakSignature(c *x509.Certificate) bool {
	switch c.SignatureAlgorithm {
	case x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.ECDSAWithSHA1:
		return !selfSigned(c)
	}
	return false
}

func weakCipher(id uint16) bool {
	name := tls.CipherSuiteName(id)
	return strings.Contains(name, "3DES") || strings.Contains(name, "RC4")
}

func selfSigned(c *x509.Certificate) bool { return string(c.RawIssuer) == string(c.RawSubject) }

// tlsFacts are what the handshake showed. The strings are the BMC's: bounded and printable.
func tlsFacts(state guard.State) Facts {
	facts := Facts{
		"tls_version": tls.VersionName(state.TLS.Version),
		"tls_cipher":  tls.CipherSuiteName(state.TLS.CipherSuite),
		"tls_profile": string(state.Profile),
	}
	if len(state.TLS.PeerCertificates) == 0 {
		return facts
	}
	leaf := state.TLS.PeerCertificates[0]
	sum := sha256.Sum256(leaf.Raw)
	facts["cert_pin"] = pinOf(leaf)
	facts["cert_sha256"] = hex.EncodeToString(sum[:])
	facts["cert_subject"] = printable(leaf.Subject.String())
	facts["cert_issuer"] = printable(leaf.Issuer.String())
	facts["cert_names"] = certNames(leaf)
	facts["cert_not_after"] = stamp(leaf.NotAfter)
	facts["cert_key"] = keyName(leaf)
	return facts
}

func keyName(c *x509.Certificate) string {
	switch key := c.PublicKey.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("rsa %d", key.N.BitLen())
	case *ecdsa.PublicKey:
		return "ecdsa " + key.Curve.Params().Name
	case ed25519.PublicKey:
		return "ed25519"
	}
	return strings.ToLower(c.PublicKeyAlgorithm.String())
}

// pinOf is the hex SHA-256 of a certificate's SubjectPublicKeyInfo (as in RFC 7469 section 2.4).
func pinOf(c *x509.Certificate) string {
	sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	return hex.EncodeToString(sum[:])
}

func certNames(c *x509.Certificate) string {
	names := c.DNSNames[:min(len(c.DNSNames), 64)]
	for _, ip := range c.IPAddresses[:min(len(c.IPAddresses), 64)] {
		names = append(names[:len(names):len(names)], ip.String())
	}
	return printable(strings.Join(names, ", "))
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func nonEmpty(words []string) (kept []string) {
	for _, w := range words {
		if w != "" {
			kept = append(kept, w)
		}
	}
	return kept
}

func orNobody(names string) string {
	if names == "" {
		return "nobody"
	}
	return names
}

const maxText = 512

// printable bounds what a BMC said to 512 bytes and strips it of control characters.
func printable(s string) string {
	s = strings.ToValidUTF8(s[:min(len(s), maxText)], "")
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return -1
		}
		return r
	}, s)
}
