package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"lamplighter/checks/peers"
	"lamplighter/satellite/bus"
	"lamplighter/satellite/bus/amqp"
)

// definitions loads deploy/rabbitmq-definitions.json and sets passwords, as docs/deploy.md says.
func definitions(t *testing.T) *peers.Rabbit {
	t.Helper()
	rabbit := peers.SharedRabbitMQ(t)
	var file map[string]any
	if err := json.Unmarshal([]byte(readFile(t, "../deploy/rabbitmq-definitions.json")), &file); err != nil {
		t.Fatal(err)
	}
	rabbit.API(t, "POST", "/definitions", file)
	t.Cleanup(func() { rabbit.API(t, "DELETE", "/vhosts/ams1", nil) })
	rabbit.API(t, "PUT", "/users/ams1-satellite", map[string]any{"password": "s3cret-satellite", "tags": ""})
	rabbit.API(t, "PUT", "/users/ams1-person", map[string]any{"password": "s3cret-person", "tags": ""})
	return rabbit
}

// as is a bus of a user of the site's, until the test ends. It must connect.
func as(t *testing.T, rabbit *peers.Rabbit, user string) *amqp.Bus {
	t.Helper()
	c := DefaultConfig()
	c.Satellite = "test"
	c.RabbitMQ = RabbitMQ{
		URLs: []string{fmt.Sprintf("amqp://127.0.0.1:%d/ams1", rabbit.Port)},
		User: user, PasswordFile: secretFile(t, "password", "s3cret-"+strings.TrimPrefix(user, "ams1-")),
	}
	b, err := c.openBus(t.Context(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var group errgroup.Group
	group.Go(func() error { return b.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		if err := group.Wait(); err != nil {
			t.Error(err)
		}
	})
	eventually(t, 20*time.Second, user+" connects", func() bool { return b.State().Connected })
	return b
}

// receives starts to receive and returns what comes.
func receives(t *testing.T, b bus.Bus, box bus.Mailbox) <-chan bus.Message {
	t.Helper()
	got := make(chan bus.Message, 10)
	ctx, cancel := context.WithCancel(context.Background())
	var group errgroup.Group
	group.Go(func() error {
		return b.Receive(ctx, box, 10, 1, func(_ context.Context, m bus.Message) error { got <- m; return nil })
	})
	t.Cleanup(func() {
		cancel()
		if err := group.Wait(); err != nil {
			t.Error(err)
		}
	})
	return got
}

func arrives[T any](t *testing.T, from <-chan T, what string) (got T) {
	t.Helper()
	select {
	case got = <-from:
	case <-time.After(20 * time.Second):
		t.Errorf("not within 20 s: %s", what)
	}
	return got
}

func TestTheUsersOfADeploymentMayDoWhatTheyMustAndNoMore(t *testing.T) {
	t.Parallel()
	rabbit := definitions(t)
	satellite := as(t, rabbit, "ams1-satellite")
	person := as(t, rabbit, "ams1-person")
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()

	for _, box := range []bus.Mailbox{"ams1.redfish-login", bus.Own("ams1", "sat-1"), bus.Own("ams1.command", "sat-1"), "ams1.command", bus.Dead} {
		m := bus.Message{ID: "1", Body: []byte("task")}
		if box.IsOwn() {
			m.Spill = "ams1.command"
		}
		got := receives(t, satellite, box)
		if err := satellite.Send(ctx, box, m); err != nil {
			t.Errorf("a satellite sends to %s: %v", box, err)
		} else if m := arrives(t, got, "a message in "+string(box)); string(m.Body) != "task" {
			t.Errorf("%s: got %+v", box, m)
		}
		if _, err := satellite.Depth(ctx, box); err != nil {
			t.Error(err)
		}
	}
	if err := satellite.Append(ctx, "ams1.memory", []byte("record")); err != nil {
		t.Error(err)
	}
	read := errors.New("read")
	if err := satellite.Follow(ctx, "ams1.memory", 0, func(int64, []byte) error { return read }); !errors.Is(err, read) {
		t.Error(err)
	}
	heard, over := make(chan string, 100), make(chan struct{})
	hearing, deaf := context.WithCancel(ctx)
	go func() {
		defer close(over)
		_ = person.Hear(hearing, func(body []byte) { // nil at the end
			select {
			case heard <- string(body):
			default:
			}
		})
	}()
	eventually(t, 20*time.Second, "a person hears a satellite's hello", func() bool {
		return satellite.Tell(ctx, []byte("hello")) == nil && len(heard) > 0
	})
	deaf()
	<-over

	answers := receives(t, person, bus.Reply("1f"))
	eventually(t, 20*time.Second, "a satellite answers a person", func() bool {
		return satellite.Send(ctx, bus.Reply("1f"), bus.Message{ID: "a", Body: []byte("done")}) == nil
	})
	arrives(t, answers, "the answer")
	if err := person.Send(ctx, "ams1.command", bus.Message{ID: "r", Body: []byte("recheck")}); err != nil {
		t.Errorf("a person asks: %v", err)
	}

	refused := func(what string, ask func(context.Context) error) {
		t.Helper()
		short, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		if ask(short) == nil {
			t.Errorf("%s: that is not refused", what)
		}
	}
	refused("a satellite writes to another site", func(ctx context.Context) error {
		return satellite.Send(ctx, "fra1.ping", bus.Message{ID: "x"})
	})
	refused("a person reads site memory", func(ctx context.Context) error {
		if err := person.Follow(ctx, "ams1.memory", 0, func(int64, []byte) error { return read }); errors.Is(err, read) {
			return nil
		}
		return context.DeadlineExceeded // it goes on trying
	})
	refused("a person makes a mailbox", func(ctx context.Context) error { return person.Send(ctx, "ams1.more", bus.Message{ID: "x"}) })
	if err := satellite.Talk().Tell(ctx, []byte("question")); err != nil {
		t.Errorf("a satellite asks the others: %v", err)
	}
	refused("a person speaks as a satellite", func(ctx context.Context) error { return person.Talk().Tell(ctx, []byte("it is well")) })
	refused("a person listens to satellites", func(ctx context.Context) error {
		var once sync.Once
		overheard, over := make(chan struct{}), make(chan struct{})
		listening, cancel := context.WithCancel(ctx)
		go func() {
			defer close(over)
			_ = person.Talk().Hear(listening, func([]byte) { once.Do(func() { close(overheard) }) })
		}()
		defer func() { cancel(); <-over }()
		for ctx.Err() == nil {
			_ = satellite.Talk().Tell(ctx, []byte("question"))
			select {
			case <-overheard:
				return nil
			case <-time.After(100 * time.Millisecond):
			}
		}
		return ctx.Err() // it goes on trying
	})
	refused("a person tells a hello", func(ctx context.Context) error { return person.Tell(ctx, []byte("I own all")) })
	stolen := make(chan bus.Message, 1)
	refused("a person takes a task", func(ctx context.Context) error {
		if err := satellite.Send(ctx, "ams1.tls", bus.Message{ID: "t", Body: []byte("task")}); err != nil {
			t.Error(err)
		}
		_ = person.Receive(ctx, "ams1.tls", 1, 1, func(_ context.Context, m bus.Message) error { stolen <- m; return nil })
		if len(stolen) > 0 {
			return nil
		}
		return context.DeadlineExceeded
	})
}

func TestTheDefinitionsHoldNoPassword(t *testing.T) {
	var file struct {
		Users []struct {
			Name, Password string
			Hash           *string `json:"password_hash"`
		}
	}
	text, err := os.ReadFile("../deploy/rabbitmq-definitions.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &file); err != nil || len(file.Users) != 3 {
		t.Fatal(err, file)
	}
	for _, user := range file.Users {
		if user.Password != "" || user.Hash == nil || *user.Hash != "" {
			t.Errorf("%s: want the empty hash, by which nobody logs in", user.Name)
		}
	}
}
