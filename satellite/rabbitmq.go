package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"

	"lamplighter/inventory"
	"lamplighter/satellite/bus/amqp"
)

// RabbitMQ is the broker of a site of several satellites. Without URLs there is none.
type RabbitMQ struct {
	URLs               []string
	User, PasswordFile string
	CAFile             string
	CertFile, KeyFile  string
}

func (m *RabbitMQ) settings() []setting {
	urls := listed("rabbitmq.urls", &m.URLs, "a list of amqps://host:port/virtual-host, each once, without user and password; amqp:// on loopback only", parseBrokerURL)
	urls.private = true // a password in it would be shown
	return []setting{
		urls,
		textSetting("rabbitmq.user", &m.User),
		textSetting("rabbitmq.password_file", &m.PasswordFile),
		textSetting("rabbitmq.ca_file", &m.CAFile),
		textSetting("rabbitmq.cert_file", &m.CertFile),
		textSetting("rabbitmq.key_file", &m.KeyFile),
	}
}

func parseBrokerURL(s string) (string, error) { return s, amqp.ValidateURL(s) }

func (m RabbitMQ) validate(require func(ok bool, key, want string)) {
	if len(m.URLs) == 0 {
		rest := m
		rest.URLs = nil
		require(rest.none(), "rabbitmq.urls", "want at least one with the other keys of rabbitmq")
		return
	}
	secure := slices.ContainsFunc(m.URLs, func(u string) bool { return strings.HasPrefix(u, "amqps:") })
	require(secure || m.CAFile == "", "rabbitmq.ca_file", "want it with an amqps:// URL only")
	require(secure || m.CertFile == "", "rabbitmq.cert_file", "want it with an amqps:// URL only")
	require(m.User != "" || m.CertFile != "", "rabbitmq.user", "want a name, or rabbitmq.cert_file")
	require(m.User != "" || m.PasswordFile == "", "rabbitmq.user", "want a name with rabbitmq.password_file")
	require(m.User == "" || m.PasswordFile != "", "rabbitmq.password_file", "want the path of a file with rabbitmq.user")
	require(m.CertFile == "" || m.KeyFile != "", "rabbitmq.key_file", "want the path of a file with rabbitmq.cert_file")
	require(m.CertFile != "" || m.KeyFile == "", "rabbitmq.cert_file", "want the path of a file with rabbitmq.key_file")
}

func (m RabbitMQ) none() bool {
	return len(m.URLs) == 0 && m.User+m.PasswordFile+m.CAFile+m.CertFile+m.KeyFile == ""
}

// siteName is what sites and satellites are called where their names are part of mailboxes' names.
var siteName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

const wantSiteName = "want up to 63 of a-z, 0-9 and -, not - first, with rabbitmq.urls"

// openBus makes the bus of a site; its Run connects.
func (c Config) openBus(ctx context.Context, log *slog.Logger) (*amqp.Bus, error) {
	config, err := c.RabbitMQ.connection(ctx)
	if err != nil {
		return nil, err
	}
	config.Name, config.Log = c.Satellite, log
	return amqp.New(config)
}

// connection is how the broker is reached, and as whom.
func (m RabbitMQ) connection(ctx context.Context) (amqp.Config, error) {
	c := amqp.Config{URLs: m.URLs, Username: m.User}
	roots, err := loadRoots(m.CAFile)
	if err != nil {
		return c, fmt.Errorf("authorities of rabbitmq: %w", err)
	}
	c.TLS = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}
	if m.CertFile != "" {
		certificate, err := tls.LoadX509KeyPair(m.CertFile, m.KeyFile)
		if err != nil {
			return c, fmt.Errorf("client certificate for rabbitmq, %s with the key %s: %w", m.CertFile, m.KeyFile, err)
		}
		c.TLS.Certificates = []tls.Certificate{certificate}
	}
	if m.PasswordFile != "" {
		c.Password, err = passwordFrom(ctx, m.User, m.PasswordFile)
		if err != nil {
			return c, fmt.Errorf("login to rabbitmq: %w", err)
		}
	}
	return c, c.Validate()
}

// passwordFrom reads a password from a file that only its owner may read.
func passwordFrom(ctx context.Context, user, path string) (inventory.Secret, error) {
	keyring, err := oneCredential(user, path)
	if err != nil {
		return inventory.Secret{}, err
	}
	credential, err := keyring.Credentials(ctx, inventory.DefaultLogin)
	return credential.Password, err
}

// oneCredential is a keyring of one user and one password file; an error is of that file, and speaks of no keyring.
func oneCredential(user, path string) (inventory.Keyring, error) {
	keyring, err := inventory.SingleCredential(user, path)
	if err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), inventory.ErrKeyring.Error()+": "))
	}
	return keyring, nil
}
