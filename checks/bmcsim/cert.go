package bmcsim

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"sync"
	"time"
)

// authority is the fleet's own CA. Its key follows from the seed, so anybody can have it: the certificate is constrained to
// 127.0.0.0/8, and its name says what it is.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func (a *authority) make(seed uint64) (err error) {
	if a.key, err = deriveKey(seedOf(seed, "authority")); err != nil {
		return err
	}
	loopback := &net.IPNet{IP: net.IPv4(127, 0, 0, 0).To4(), Mask: net.CIDRMask(8, 32)}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "Lamplighter simulated fleet, for loopback only"},
		NotBefore:    time.Now().AddDate(-1, 0, 0), NotAfter: time.Now().AddDate(10, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		PermittedDNSDomainsCritical: true, PermittedIPRanges: []*net.IPNet{loopback},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	if err != nil {
		return fmt.Errorf("make the fleet's CA: %w", err)
	}
	a.cert, err = x509.ParseCertificate(der)
	return err
}

// CA is the authority that signs the BMCs' certificates, in PEM.
func (f *Fleet) CA() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: f.ca.cert.Raw})
}

// deriveKey makes a P-256 key from a seed; a hash that is no valid scalar, one in 2^32, is hashed again.
func deriveKey(seed [32]byte) (*ecdsa.PrivateKey, error) {
	for range 4 {
		if key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), seed[:]); err == nil {
			return key, nil
		}
		seed = derive(seed, "again")
	}
	return nil, fmt.Errorf("derive a key: four hashes in a row are no scalar of P-256")
}

// The RSA keys are shared and made when first needed: making one takes a good part of a second.
var (
	rsa2048 = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })
	rsa1024 = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 1024) })
)

// certFaults are the faults that decide about key and certificate.
var certFaults = setOf(CertExpired, CertExpiresSoon, CertChanged, CertUntrusted, WeakKey, TLS10Only, RSAKexOnly)

// key is b's private key under these faults.
func (b *bmc) key(faults faultSet) (crypto.Signer, error) {
	switch {
	case faults.has(WeakKey):
		return rsa1024()
	case faults.has(TLS10Only), faults.has(RSAKexOnly), b.rsa && !faults.has(CertChanged):
		return rsa2048()
	case faults.has(CertChanged):
		return deriveKey(derive(b.seed, "changed key"))
	}
	return deriveKey(derive(b.seed, "key"))
}

// pinOf is what a trust pin of this key is: hex SHA-256 of the SubjectPublicKeyInfo.
func pinOf(key crypto.Signer) (string, error) {
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return "", fmt.Errorf("pin: %w", err)
	}
	sum := sha256.Sum256(spki)
	return hex.EncodeToString(sum[:]), nil
}

// certificate is a made certificate and the faults that it was made for.
type certificate struct {
	faults faultSet
	tls    tls.Certificate
}

// certificate returns b's certificate for its present faults; it is made at the first handshake.
func (b *bmc) certificate(ca *authority, now time.Time) (tls.Certificate, error) {
	faults := b.faults() & certFaults
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cert != nil && b.cert.faults == faults {
		return b.cert.tls, nil
	}
	key, err := b.key(faults)
	if err != nil {
		return tls.Certificate{}, err
	}
	made, err := ca.issue(key, b.record.Address, faults, now, b.shape.life)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("certificate of %s: %w", b.record.ID, err)
	}
	b.cert = &certificate{faults, made}
	return made, nil
}

func (a *authority) issue(key crypto.Signer, addr netip.Addr, faults faultSet, now time.Time, life int) (tls.Certificate, error) {
	serial := derive([32]byte{byte(faults)}, addr.String()+now.String())
	template := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(serial[:8]),
		Subject:      pkix.Name{CommonName: addr.String(), Organization: []string{"Lamplighter simulated fleet"}},
		NotBefore:    now.AddDate(0, -2, 0), NotAfter: notAfter(faults, now, life),
		IPAddresses: []net.IP{addr.AsSlice()},
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	parent, signer := a.cert, crypto.Signer(a.key)
	if faults.has(CertUntrusted) {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

// notAfter is when a certificate ends that lives so many days.
func notAfter(faults faultSet, now time.Time, life int) time.Time {
	switch {
	case faults.has(CertExpired):
		return now.AddDate(0, 0, -7)
	case faults.has(CertExpiresSoon):
		return now.AddDate(0, 0, 5)
	}
	return now.AddDate(0, 0, life)
}
