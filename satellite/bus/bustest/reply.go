package bustest

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"unicode/utf8"

	"lamplighter/satellite/bus"
)

func saysWhy(t *testing.T, b bus.Bus) {
	send(t, b, box, "a")
	stop := receive(t, b, box, 1, 1, func(context.Context, bus.Message) error {
		return bus.Reject(errors.New("x" + strings.Repeat("\u00e9", bus.MaxWhy)))
	})
	dead := collect(t, b, bus.Dead, 1)[0]
	stop()
	if n := len(dead.Why); n > bus.MaxWhy || n < bus.MaxWhy-4 || !utf8.ValidString(dead.Why) {
		t.Errorf("it says why in %d bytes that are UTF-8: %t, want %d and true", n, utf8.ValidString(dead.Why), bus.MaxWhy)
	}
}

func saysWhyAgain(t *testing.T, b bus.Bus) {
	if err := b.Send(t.Context(), bus.Dead, bus.Message{ID: "a", Why: "it was bad"}); err != nil {
		t.Fatal(err)
	}
	said := make(chan string, 2)
	receive(t, b, bus.Dead, 1, 1, func(_ context.Context, m bus.Message) error {
		said <- m.Why
		if m.Delivery == 1 {
			return errors.New("not now")
		}
		return nil
	})
	for _, delivery := range []string{"first", "second"} {
		if got := await(t, said, delivery+" delivery"); got != "it was bad" {
			t.Errorf("%s delivery says why: %q", delivery, got)
		}
	}
}

func replies(t *testing.T, b bus.Bus) {
	reply := bus.Reply("1")
	if err := b.Send(t.Context(), reply, bus.Message{ID: "early"}); !errors.Is(err, bus.ErrUnroutable) {
		t.Errorf("send before anybody receives: %v, want ErrUnroutable", err)
	}
	got := make(chan bus.Message, 10)
	stop := receive(t, b, reply, 10, 1, func(_ context.Context, m bus.Message) error {
		if m.ID != bus.Probe {
			got <- m
		}
		return nil
	})
	if err := bus.Listening(t.Context(), b, reply); err != nil {
		t.Fatal(err)
	}
	send(t, b, reply, "1", "2")
	for _, want := range []string{"1", "2"} {
		if m := await(t, got, "an answer"); m.ID != want {
			t.Errorf("got answer %s, want %s", m.ID, want)
		}
	}
	stop()
	if err := b.Send(t.Context(), reply, bus.Message{ID: "late"}); !errors.Is(err, bus.ErrUnroutable) {
		t.Errorf("send after the receiver ended: %v, want ErrUnroutable", err)
	}
}

func failedAnswer(t *testing.T, b bus.Bus) {
	reply := bus.Reply("2")
	var bad atomic.Int32
	last := make(chan struct{})
	receive(t, b, reply, 1, 1, func(_ context.Context, m bus.Message) error {
		switch m.ID {
		case "bad":
			bad.Add(1)
			return errors.New("not now")
		case "last":
			close(last)
		}
		return nil
	})
	if err := bus.Listening(t.Context(), b, reply); err != nil {
		t.Fatal(err)
	}
	send(t, b, reply, "bad", "good", "last")
	await(t, last, "the last answer")
	if n := bad.Load(); n != 1 {
		t.Errorf("the answer that failed came %d times, want 1", n)
	}
}

func spillIsChecked(t *testing.T, b bus.Bus) {
	for to, spill := range map[bus.Mailbox]bus.Mailbox{own: "", box: spilled, own + "2": own, own + "3": bus.Reply("x")} {
		if err := b.Send(t.Context(), to, bus.Message{ID: "a", Spill: spill}); err == nil {
			t.Errorf("send to %s, spilling to %q: no error", to, spill)
		}
	}
}
