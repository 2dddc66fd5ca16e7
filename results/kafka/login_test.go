package kafka_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"lamplighter/inventory"
	"lamplighter/results/kafka"
	"lamplighter/results/spool"
)

// certificate makes a server's certificate, and who trusts it.
func certificate(t *testing.T) (*tls.Config, *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "kafka"}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, &tls.Config{RootCAs: roots}
}

func TestLogins(t *testing.T) {
	t.Parallel()
	server, client := certificate(t)
	c := cluster(t, kfake.TLS(server), kfake.EnableSASL(),
		kfake.Superuser("PLAIN", "plain", "s3cret-plain"), kfake.Superuser("SCRAM-SHA-256", "s,256", "s3cret-256"), kfake.Superuser("SCRAM-SHA-512", "s=512", "s3cret-512"))
	for name, test := range map[string]struct {
		login kafka.Login
		ok    bool
	}{
		"plain over TLS":            {kafka.Login{Mechanism: kafka.Plain, User: "plain", Password: inventory.NewSecret("s3cret-plain")}, true},
		"SCRAM with SHA-256":        {kafka.Login{Mechanism: kafka.ScramSHA256, User: "s,256", Password: inventory.NewSecret("s3cret-256")}, true},
		"SCRAM with SHA-512":        {kafka.Login{Mechanism: kafka.ScramSHA512, User: "s=512", Password: inventory.NewSecret("s3cret-512")}, true},
		"a wrong password":          {kafka.Login{Mechanism: kafka.ScramSHA512, User: "s=512", Password: inventory.NewSecret("s3cret-256")}, false},
		"no login where one is due": {kafka.Login{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			config := config(t.TempDir(), c.ListenAddrs()...)
			config.TLS, config.Login = client, test.login
			_, err := kafka.CreateTopics(config, 1)
			if (err == nil) != test.ok {
				t.Errorf("got %v", err)
			}
			if err != nil && strings.Contains(err.Error(), "s3cret") {
				t.Errorf("the password is in the error: %v", err)
			}
		})
	}
	stranger := config(t.TempDir(), c.ListenAddrs()...)
	stranger.TLS = &tls.Config{}
	if _, err := kafka.CheckTopics(stranger, 1); err == nil {
		t.Error("a certificate of nobody's was accepted")
	}
}

func TestConfigsThatCannotBe(t *testing.T) {
	t.Parallel()
	secret := inventory.NewSecret("s3cret")
	for name, test := range map[string]struct {
		config kafka.Config
		want   string
	}{
		"no brokers":             {kafka.Config{}, "at least one broker"},
		"plain without TLS":      {kafka.Config{Brokers: []string{"a"}, Login: kafka.Login{Mechanism: kafka.Plain, User: "u", Password: secret}}, "needs TLS"},
		"a login without a user": {kafka.Config{Brokers: []string{"a"}, Login: kafka.Login{Mechanism: kafka.ScramSHA512, Password: secret}}, "needs a user and a password"},
		"an unknown mechanism":   {kafka.Config{Brokers: []string{"a"}, Login: kafka.Login{Mechanism: "GSSAPI"}}, `"GSSAPI"`},
	} {
		t.Run(name, func(t *testing.T) {
			test.config.Spool = spool.Config{Dir: t.TempDir()}
			if _, err := kafka.Open(test.config); err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}
