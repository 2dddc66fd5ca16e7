package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAPasswordOfRabbitMQsIsReadFromAFileOfItsOwnersOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "password")
	m := RabbitMQ{URLs: []string{"amqps://r:5671/ams1"}, User: "u", PasswordFile: path}
	for name, test := range map[string]struct {
		mode os.FileMode
		want string
	}{
		"its owner's": {0o600, ""},
		"everybody's": {0o644, "login to rabbitmq"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(path, []byte("s3cret-rabbit\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, test.mode); err != nil {
				t.Fatal(err)
			}
			c, err := m.connection(t.Context())
			if test.want == "" {
				if err != nil || c.Password.Reveal() != "s3cret-rabbit" || c.Username != "u" {
					t.Errorf("got %v", err)
				}
			} else if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestWhatABrokerNeedsIsNamedWhenItIsMissing(t *testing.T) {
	dir := t.TempDir()
	for name, test := range map[string]struct {
		broker RabbitMQ
		want   string
	}{
		"authorities": {RabbitMQ{URLs: []string{"amqps://r/v"}, CAFile: filepath.Join(dir, "ca.pem")}, "authorities of rabbitmq"},
		"certificate": {RabbitMQ{URLs: []string{"amqps://r/v"}, CertFile: filepath.Join(dir, "c.pem"), KeyFile: "k"}, "client certificate for rabbitmq"},
		"password":    {RabbitMQ{URLs: []string{"amqps://r/v"}, User: "u", PasswordFile: filepath.Join(dir, "p")}, "login to rabbitmq"},
	} {
		c := DefaultConfig()
		c.RabbitMQ = test.broker
		if _, err := c.openBus(t.Context(), slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestAPasswordInABrokersURLIsNotShown(t *testing.T) {
	_, err := LoadConfig("testdata/config/rabbitmq-password-in-url.yaml")
	if err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("got %v", err)
	}
}
