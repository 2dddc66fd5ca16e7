package kafka

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/IBM/sarama"
	"github.com/rcrowley/go-metrics"

	"lamplighter/inventory"
	"lamplighter/results/spool"
)

// Config says where Kafka is, and where verdicts are kept while it is away.
type Config struct {
	Brokers []string // host:port
	// Site and Satellite are the source of every record.
	Site, Satellite string
	TLS             *tls.Config // nil: plain text
	Login           Login
	// Spool needs Dir and Limits only.
	Spool spool.Config
	// Patience is how long a verdict waits for Kafka until it goes to the spool; 0: 3 s.
	Patience time.Duration
	Log      *slog.Logger // nil: nothing is logged
}

// Login is how we log in to the brokers; the zero Login does not.
type Login struct {
	Mechanism Mechanism
	User      string
	Password  inventory.Secret
}

// Mechanism is a SASL mechanism.
type Mechanism string

// The mechanisms.
const (
	NoLogin     Mechanism = ""
	Plain       Mechanism = sarama.SASLTypePlaintext
	ScramSHA256 Mechanism = sarama.SASLTypeSCRAMSHA256
	ScramSHA512 Mechanism = sarama.SASLTypeSCRAMSHA512
)

// Validate says what cannot be.
func (c Config) Validate() error {
	var errs []error
	require := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	require(len(c.Brokers) > 0, "kafka: want at least one broker")
	login := c.Login.Mechanism
	require(login == NoLogin || login == Plain || login == ScramSHA256 || login == ScramSHA512,
		"kafka: login mechanism %q: want %s, %s or %s", login, Plain, ScramSHA256, ScramSHA512)
	require(login == NoLogin || c.Login.User != "" && !c.Login.Password.Empty(), "kafka: a login by %s needs a user and a password", login)
	require(login != Plain || c.TLS != nil, "kafka: a login by %s sends the password as it is: it needs TLS", Plain)
	return errors.Join(errs...)
}

// maxMessage bounds a record: the largest verdict is a tenth of it.
const maxMessage = 256 << 10

// noMetrics: the library would count per topic, and never end the goroutine that it counts with.
var noMetrics = sync.OnceFunc(func() { metrics.UseNilMetrics = true })

// sarama is the library's configuration, for the oldest broker that we run on.
//
// Its defaults are for other needs: acknowledged by the leader alone, not idempotent, 0.3 s of patience, its own partitioner.
func (c Config) sarama() *sarama.Config {
	noMetrics()
	s := sarama.NewConfig()
	s.Version = sarama.V3_6_0_0
	s.ClientID = "lamplighter"
	s.Metadata.AllowAutoTopicCreation, s.Metadata.Full, s.Metadata.Timeout = false, false, 10*time.Second
	s.Net.DialTimeout, s.Net.ReadTimeout, s.Net.WriteTimeout = 5*time.Second, 15*time.Second, 15*time.Second
	s.Net.MaxOpenRequests = 1
	s.Net.TLS.Enable, s.Net.TLS.Config = c.TLS != nil, c.TLS

	p := &s.Producer
	p.RequiredAcks, p.Idempotent = sarama.WaitForAll, true
	p.Retry.Max = 10
	p.Retry.MaxBufferLength, p.Retry.MaxBufferBytes = 4096, 32<<20 // the lowest that it accepts
	p.Partitioner = sarama.NewMurmur2Partitioner                   // as Java's: a consumer may join topics by key
	p.Return.Successes, p.Return.Errors = true, true
	p.Compression = sarama.CompressionZSTD
	p.MaxMessageBytes = maxMessage
	p.Flush.Frequency = 20 * time.Millisecond // Close waits as long

	if c.Login.Mechanism != NoLogin {
		s.Net.SASL.Enable, s.Net.SASL.Mechanism = true, sarama.SASLMechanism(c.Login.Mechanism)
		s.Net.SASL.User, s.Net.SASL.Password = c.Login.User, c.Login.Password.Reveal()
		s.Net.SASL.SCRAMClientGeneratorFunc = func() sarama.SCRAMClient { return newScram(c.Login.Mechanism) }
	}
	return s
}

// backoff is how long to wait before the nth try, with full jitter: at most 0.1 s first, 5 s later.
func backoff(tries int) time.Duration {
	most := 5 * time.Second
	if tries < 6 {
		most = 100 * time.Millisecond << max(tries, 0)
	}
	return min(rand.N(most), 5*time.Second)
}
