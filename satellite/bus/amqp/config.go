package amqp

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/rabbitmq/amqp091-go"

	"lamplighter/inventory"
)

// Config says which broker, and who we are there.
type Config struct {
	// URLs are the broker's nodes, tried in turn: amqps://rabbit-1:5671/ams1. The path is the virtual host, without one "/".
	// They hold no user and no password. Without TLS (amqp://) only loopback is allowed.
	URLs []string
	// Username and Password log in; without a user name the client certificate in TLS does (EXTERNAL).
	Username string
	Password inventory.Secret
	// TLS holds the authorities and the client certificate; nil: those of the system, no certificate.
	TLS *tls.Config
	// Name is what the broker's console calls our connections, such as the satellite's name.
	Name string
	// Tiers are the times for which a message can be held back, ascending; none: 100 ms to 30 s.
	Tiers []time.Duration
	// Log gets what nobody else hears of: connections that came and went, unroutable messages; nil: nothing is logged.
	Log *slog.Logger
}

var usualTiers = []time.Duration{100 * time.Millisecond, 500 * time.Millisecond, 2 * time.Second, 8 * time.Second, 30 * time.Second}

func (c Config) withDefaults() Config {
	if len(c.Tiers) == 0 {
		c.Tiers = usualTiers
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.TLS == nil {
		c.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	return c
}

// Validate says what is wrong with c, without a word of what could be a password.
func (c Config) Validate() error {
	if len(c.URLs) == 0 {
		return errors.New("broker: no URL")
	}
	for i, raw := range c.URLs {
		if err := ValidateURL(raw); err != nil {
			return fmt.Errorf("broker: URL %d: %w", i+1, err)
		}
	}
	switch certificate := c.TLS != nil && (len(c.TLS.Certificates) > 0 || c.TLS.GetClientCertificate != nil); {
	case c.Username == "" && !certificate:
		return errors.New("broker: neither a user name nor a client certificate")
	case c.Username == "" && !c.Password.Empty():
		return errors.New("broker: a password without a user name")
	case c.Username != "" && c.Password.Empty():
		return fmt.Errorf("broker: no password for %s", c.Username)
	}
	for i, tier := range c.Tiers {
		if tier < time.Millisecond || tier%time.Millisecond != 0 || i > 0 && tier <= c.Tiers[i-1] {
			return fmt.Errorf("broker: tiers %v: want whole milliseconds, ascending", c.Tiers)
		}
	}
	return nil
}

// ValidateURL says what is wrong with one of Config.URLs, without a word of what could be a password.
func ValidateURL(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return errors.New("not a URL") // url.Error quotes all of it
	case u.User != nil:
		return errors.New("user and password do not belong into the URL")
	case u.Scheme != "amqps" && u.Scheme != "amqp" || u.Hostname() == "":
		return errors.New("want amqps://host:port/virtual-host")
	case u.RawQuery != "" || u.Fragment != "":
		return errors.New("want nothing behind the virtual host")
	case u.Scheme == "amqp" && !loopback(u.Hostname()):
		return fmt.Errorf("amqp://%s would send the login in the clear: want amqps", u.Host)
	}
	return nil
}

func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// brokers names the brokers in errors and logs.
func (c Config) brokers() string { return strings.Join(c.URLs, ", ") }

// connection is what the library needs to know; dial makes the socket.
func (c Config) connection(r role, dial func(network, addr string) (net.Conn, error)) amqp091.Config {
	config := amqp091.Config{
		SASL:            []amqp091.Authentication{&amqp091.ExternalAuth{}},
		Heartbeat:       r.heartbeat,
		TLSClientConfig: c.TLS.Clone(), // the library writes into it
		Properties:      amqp091.NewConnectionProperties(),
		Dial:            dial,
	}
	if c.Username != "" {
		config.SASL = []amqp091.Authentication{&amqp091.PlainAuth{Username: c.Username, Password: c.Password.Reveal()}}
	}
	config.Properties.SetClientConnectionName(strings.TrimSpace(c.Name + " " + r.name))
	return config
}
