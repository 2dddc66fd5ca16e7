package amqp_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rabbitmq/amqp091-go"

	"lamplighter/checks/peers"
	"lamplighter/inventory"
	"lamplighter/satellite/bus"
	"lamplighter/satellite/bus/amqp"
)

func TestAConfigIsRefusedWithoutAWordOfItsPassword(t *testing.T) {
	good := amqp.Config{URLs: []string{"amqps://rabbit-1:5671/ams1"}, Username: "sat", Password: inventory.NewSecret("s3cret")}
	if err := good.Validate(); err != nil {
		t.Errorf("a good config: %v", err)
	}
	for name, test := range map[string]struct {
		spoil func(*amqp.Config)
		want  string
	}{
		"no URL":                            {func(c *amqp.Config) { c.URLs = nil }, "broker: no URL"},
		"a URL with a login":                {func(c *amqp.Config) { c.URLs[0] = "amqps://sat:s3cret@h/" }, "broker: URL 1: user and password do not belong into the URL"},
		"a URL that is none":                {func(c *amqp.Config) { c.URLs[0] = "amqps://sat:s3cret@h:\x7f" }, "broker: URL 1: not a URL"},
		"another scheme":                    {func(c *amqp.Config) { c.URLs[0] = "https://h/" }, "broker: URL 1: want amqps://host:port/virtual-host"},
		"no host":                           {func(c *amqp.Config) { c.URLs[0] = "amqps:///x" }, "broker: URL 1: want amqps://host:port/virtual-host"},
		"settings in the URL":               {func(c *amqp.Config) { c.URLs[0] = "amqps://h/x?heartbeat=0" }, "broker: URL 1: want nothing behind the virtual host"},
		"a login in the clear":              {func(c *amqp.Config) { c.URLs[0] = "amqp://h:5672/" }, "broker: URL 1: amqp://h:5672 would send the login in the clear: want amqps"},
		"neither user nor certificate":      {func(c *amqp.Config) { c.Username = ""; c.Password = inventory.Secret{} }, "broker: neither a user name nor a client certificate"},
		"a password without a user":         {func(c *amqp.Config) { c.Username = ""; c.TLS = &tls.Config{Certificates: make([]tls.Certificate, 1)} }, "broker: a password without a user name"},
		"a user without a password":         {func(c *amqp.Config) { c.Password = inventory.Secret{} }, "broker: no password for sat"},
		"tiers that do not ascend":          {func(c *amqp.Config) { c.Tiers = []time.Duration{time.Second, time.Second} }, "broker: tiers [1s 1s]: want whole milliseconds, ascending"},
		"a tier that no TTL can express":    {func(c *amqp.Config) { c.Tiers = []time.Duration{time.Microsecond} }, "broker: tiers [1µs]: want whole milliseconds, ascending"},
		"a tier longer than its whole unit": {func(c *amqp.Config) { c.Tiers = []time.Duration{1500 * time.Microsecond} }, "broker: tiers [1.5ms]: want whole milliseconds, ascending"},
	} {
		t.Run(name, func(t *testing.T) {
			config := good
			config.URLs = []string{good.URLs[0]}
			test.spoil(&config)
			if _, err := amqp.New(config); err == nil || err.Error() != test.want {
				t.Errorf("error %v, want %s", err, test.want)
			}
		})
	}
}

func TestAClientCertificateLogsIn(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	config := s.config(t, 0)
	certificate, err := tls.LoadX509KeyPair(s.rabbit.Cert, s.rabbit.Key)
	if err != nil {
		t.Fatal(err)
	}
	config.Username, config.Password = "", inventory.Secret{}
	config.TLS.Certificates = []tls.Certificate{certificate}
	b := open(t, config)
	send(t, b, "local.ping", "a")
	if depth, err := b.Depth(t.Context(), "local.ping"); depth != 1 || err != nil {
		t.Errorf("depth %d, %v, want 1", depth, err)
	}
}

func TestASendThatFindsNoBrokerSaysWhatItTriedWhere(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for name, test := range map[string]struct {
		spoil func(*amqp.Config)
		want  string
	}{
		"nobody listens":          {func(c *amqp.Config) { c.URLs = []string{"amqps://localhost:1/x"} }, "refused"},
		"a wrong password":        {func(c *amqp.Config) { c.Password = inventory.NewSecret("not-the-passw0rd") }, "username or password not allowed"},
		"a stranger's authority":  {func(c *amqp.Config) { c.TLS = nil }, "certificate"},
		"a virtual host too many": {func(c *amqp.Config) { c.URLs[0] += "2" }, "not found"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := s.config(t, 0)
			test.spoil(&config)
			b := open(t, config, amqp.Hasty)
			var err error
			until(t, "an error with "+test.want, func() bool { // the first may come before the broker has said no
				began := time.Now()
				err = b.Send(t.Context(), "local.ping", bus.Message{ID: "task-1"})
				if took := time.Since(began); took > 10*time.Second {
					t.Errorf("it took %v, want 4s", took)
				}
				return strings.Contains(fmt.Sprint(err), test.want)
			})
			for _, want := range []string{"send task-1 to local.ping", config.URLs[0]} {
				if !strings.Contains(fmt.Sprint(err), want) {
					t.Errorf("error %q, want one with %q", err, want)
				}
			}
			if strings.Contains(fmt.Sprint(err), "passw0rd") {
				t.Errorf("error %q holds the password", err)
			}
			if state := b.State(); state.Connected || state.Err == nil {
				t.Errorf("state %+v, want not connected, and why", state)
			}
		})
	}
}

func TestASendAfterTheBusEndedFailsAtOnce(t *testing.T) {
	b, err := amqp.New(amqp.Config{URLs: []string{"amqp://127.0.0.1:1/x"}, Username: "a", Password: inventory.NewSecret("b")})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Run(ctx); err != nil {
		t.Errorf("run: %v", err)
	}
	if err := b.Send(t.Context(), "x", bus.Message{ID: "a"}); err == nil {
		t.Error("send: no error")
	}
}

func TestTheNodesOfABrokerTakeTurns(t *testing.T) {
	t.Parallel()
	config := newSite(t).config(t, 0)
	config.URLs = append([]string{"amqps://localhost:1/x"}, config.URLs...)
	send(t, open(t, config, amqp.Eager), "local.ping", "a")
}

func TestAMailboxWithOtherPropertiesStopsWithTheBrokersText(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.rabbit.API(t, "PUT", "/queues/"+s.vhost+"/local.ping", map[string]any{"durable": true, "arguments": map[string]any{"x-queue-type": "classic"}})
	b := open(t, s.config(t, 0))
	err := b.Receive(t.Context(), "local.ping", 1, 1, nil)
	errSend := b.Send(t.Context(), "local.ping", bus.Message{ID: "a"})
	for name, err := range map[string]error{"receive": err, "send": errSend} {
		if !errors.Is(err, amqp.ErrMismatch) || !strings.Contains(err.Error(), "queue local.ping") || !strings.Contains(err.Error(), "inequivalent arg") {
			t.Errorf("%s: %v, want ErrMismatch with the queue and the broker's text", name, err)
		}
	}
}

func TestAnExchangeWithOtherPropertiesStopsTheBus(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.rabbit.API(t, "PUT", "/exchanges/"+s.vhost+"/lamplighter", map[string]any{"type": "topic", "durable": true})
	b, err := amqp.New(s.config(t, 0))
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Run(t.Context()); !errors.Is(err, amqp.ErrMismatch) {
		t.Errorf("run: %v, want ErrMismatch", err)
	}
}

// TestWhatEndsItsConnectionAgainAndAgainGoesToDead: a message that kills whoever takes it never comes to fail a handler, so
// only the broker can count it.
func TestWhatEndsItsConnectionAgainAndAgainGoesToDead(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	r := newRelay(t, s.rabbit.TLSPort)
	b, dead := open(t, s.config(t, r.port), amqp.Eager), make(chan bus.Message, 1)
	watcher := open(t, s.config(t, 0)) // not through the relay
	receive(t, watcher, bus.Dead, 1, 1, func(_ context.Context, m bus.Message) error { dead <- m; return nil })
	var tries atomic.Int32
	send(t, watcher, "local.ping", "killer")
	receive(t, b, "local.ping", 1, 1, func(ctx context.Context, _ bus.Message) error {
		tries.Add(1)
		r.cut()
		<-ctx.Done()
		return ctx.Err()
	})
	if m := await(t, dead, "the message in dead"); m.ID != "killer" || m.Delivery != 1 {
		t.Errorf("dead holds %s, delivery %d, want killer, 1", m.ID, m.Delivery)
	}
	if n := tries.Load(); n < bus.DeliveryLimit || n > bus.DeliveryLimit+2 {
		t.Errorf("delivered %d times, want about %d", n, bus.DeliveryLimit)
	}
}

// TestAnAlternateExchangeWouldHideTheUnroutable is why the exchange that Send publishes to has none.
func TestAnAlternateExchangeWouldHideTheUnroutable(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	conn, err := amqp091.Dial(fmt.Sprintf("amqp://%s:%s@127.0.0.1:%d/%s", peers.RabbitUser, peers.RabbitPassword, s.rabbit.Port, s.vhost))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	_, errQueue := ch.QueueDeclare("other", true, false, false, false, nil)
	if err := errors.Join(
		errQueue, ch.ExchangeDeclare("other", "fanout", true, false, false, false, nil), ch.QueueBind("other", "", "other", false, nil),
		ch.ExchangeDeclare("first", "direct", true, false, false, false, amqp091.Table{"alternate-exchange": "other"}), ch.Confirm(false),
	); err != nil {
		t.Fatal(err)
	}
	returns := ch.NotifyReturn(make(chan amqp091.Return, 1))
	confirmed, err := ch.PublishWithDeferredConfirm("first", "no such mailbox", true, false, amqp091.Publishing{})
	if err != nil {
		t.Fatal(err)
	}
	if ok := confirmed.Wait(); !ok || len(returns) != 0 {
		t.Errorf("confirmed %v, returned %d: an alternate exchange hides nothing any more; see decision 20", ok, len(returns))
	}
}

func TestConnectionsAreTriedSoonerAtFirst(t *testing.T) {
	most := 250 * time.Millisecond
	for attempt := range 20 {
		longest := time.Duration(0)
		for range 1000 {
			longest = max(longest, amqp.FullJitter(attempt))
		}
		if longest >= most || longest < most*9/10 {
			t.Errorf("attempt %d waits up to %v, want nearly %v", attempt, longest, most)
		}
		most = min(most*3/2, 30*time.Second)
	}
	amqp.FullJitter(1 << 40) // does not overflow
}
