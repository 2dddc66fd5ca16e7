package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"lamplighter/results"
	"lamplighter/results/kafka"
	"lamplighter/results/spool"
)

// noFile is for verdicts where they go to Kafka alone.
const noFile = "none"

// Kafka is where Kafka is, and where verdicts are kept while it is away. Without brokers there is none.
type Kafka struct {
	Brokers            []string
	TLS                bool
	CAFile             string
	Login              kafka.Mechanism
	User, PasswordFile string
	Spool              string
	SpoolSize          int64
	SpoolAge           time.Duration
}

func (k *Kafka) settings() []setting {
	return []setting{
		listed("kafka.brokers", &k.Brokers, "a list of host:port, each once", parseHostPort),
		parsed("kafka.tls", &k.TLS, "true or false", parseBool),
		textSetting("kafka.ca_file", &k.CAFile),
		parsed("kafka.login", &k.Login, "PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512", parseMechanism),
		textSetting("kafka.user", &k.User),
		textSetting("kafka.password_file", &k.PasswordFile),
		textSetting("kafka.spool", &k.Spool),
		parsed("kafka.spool_size", &k.SpoolSize, "a size with its unit, such as 512MiB or 2GiB", parseSize),
		durationSetting("kafka.spool_age", &k.SpoolAge),
	}
}

func parseHostPort(s string) (string, error) {
	host, port, err := net.SplitHostPort(s)
	if n, bad := strconv.ParseUint(port, 10, 16); err != nil || host == "" || bad != nil || n == 0 {
		return "", errWanted
	}
	return s, nil
}

// parseListen allows port 0, for any that is free.
func parseListen(s string) (string, error) {
	host, port, err := net.SplitHostPort(s)
	if _, bad := strconv.ParseUint(port, 10, 16); s != "" && (err != nil || host == "" || bad != nil) {
		return "", errWanted
	}
	return s, nil
}

func parseMechanism(s string) (kafka.Mechanism, error) {
	m, err := oneOf("", string(kafka.Plain), string(kafka.ScramSHA256), string(kafka.ScramSHA512))(s)
	return kafka.Mechanism(m), err
}

func parseSize(s string) (int64, error) {
	for unit, bytes := range map[string]int64{"MiB": 1 << 20, "GiB": 1 << 30} {
		if text, ok := strings.CutSuffix(s, unit); ok {
			n, err := strconv.ParseInt(text, 10, 64)
			if err != nil || n <= 0 || n > math.MaxInt64/bytes {
				return 0, errWanted
			}
			return n * bytes, nil
		}
	}
	return 0, errWanted
}

func (k Kafka) validate(require func(ok bool, key, want string)) {
	login := k.Login != kafka.NoLogin
	require(k.TLS || k.CAFile == "", "kafka.ca_file", "want kafka.tls: true, too")
	require(k.TLS || k.Login != kafka.Plain, "kafka.login", "want kafka.tls: true with PLAIN, which sends the password as it is")
	require(login || k.User == "" && k.PasswordFile == "", "kafka.login", "want a mechanism with kafka.user")
	require(!login || k.User != "", "kafka.user", "want a name with kafka.login")
	require(!login || k.PasswordFile != "", "kafka.password_file", "want the path of a file with kafka.login")
	require(k.Spool != "", "kafka.spool", "want the path of a directory")
	require(k.SpoolSize >= 64<<20, "kafka.spool_size", "want at least 64MiB")
}

// connection is how Kafka is reached.
func (k Kafka) connection(ctx context.Context) (kafka.Config, error) {
	c := kafka.Config{Brokers: k.Brokers, Login: kafka.Login{Mechanism: k.Login, User: k.User}}
	if k.CAFile != "" && !k.TLS {
		return c, fmt.Errorf("authorities of kafka, %s: they are of use with TLS only", k.CAFile)
	}
	if k.TLS {
		roots, err := loadRoots(k.CAFile)
		if err != nil {
			return c, fmt.Errorf("authorities of kafka: %w", err)
		}
		c.TLS = &tls.Config{RootCAs: roots}
	}
	if k.PasswordFile != "" {
		password, err := passwordFrom(ctx, k.User, k.PasswordFile)
		if err != nil {
			return c, fmt.Errorf("login to kafka: %w", err)
		}
		c.Login.Password = password
	}
	return c, c.Validate()
}

// openKafka opens the spool and keeps connecting until it is closed. Closing leaves to the spool what Kafka does not take soon.
func (c Config) openKafka(ctx context.Context, log *slog.Logger) (*kafka.Sink, func(), error) {
	config, err := c.Kafka.connection(ctx)
	if err != nil {
		return nil, nil, err
	}
	config.Site, config.Satellite, config.Log = c.Site, c.Satellite, log
	config.Spool = spool.Config{Dir: c.Kafka.Spool, Limits: spool.Limits{Bytes: c.Kafka.SpoolSize, Age: c.Kafka.SpoolAge}}
	sink, err := kafka.Open(config)
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) // the rounds that a shutdown waits for have verdicts, too
	var group sync.WaitGroup
	group.Go(func() { _ = sink.Run(ctx) }) // it returns nil
	return sink, func() {
		cancel()
		group.Wait()
		if err := sink.Close(); err != nil {
			log.Error("close the spool", "error", err)
		}
	}, nil
}

// sinks are where verdicts go: the file, Kafka, or one after the other.
type sinks struct {
	results.Sink
	kafka *kafka.Sink // nil where there is none
	close func()
}

func (c Config) openSinks(ctx context.Context, stdout io.Writer, log *slog.Logger) (sinks, error) {
	if len(c.Kafka.Brokers) == 0 {
		file, closeFile, err := openSink(c.Verdicts, stdout)
		return sinks{Sink: file, close: closeFile}, err
	}
	kafka, closeKafka, err := c.openKafka(ctx, log)
	if err != nil || c.Verdicts == noFile {
		return sinks{kafka, kafka, closeKafka}, err
	}
	file, closeFile, err := openSink(c.Verdicts, stdout)
	if err != nil {
		closeKafka()
		return sinks{}, err
	}
	both := results.Func(func(ctx context.Context, v results.Verdict) error {
		if err := file.Emit(ctx, v); err != nil {
			return err
		}
		return kafka.Emit(ctx, v)
	})
	return sinks{both, kafka, func() { closeFile(); closeKafka() }}, nil
}
