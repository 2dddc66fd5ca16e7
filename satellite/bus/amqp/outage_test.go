package amqp

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rabbitmq/amqp091-go"
)

// lines are connections of one bus, and the log.
func lines(n int) (all []*line, log *bytes.Buffer) {
	log = new(bytes.Buffer)
	o := newOutage(slog.New(slog.NewTextHandler(log, nil)))
	for range n {
		all = append(all, &line{outage: o, role: receiving})
	}
	return all, log
}

func TestAnOutageIsALineWhenItBeginsAndOneWhenItIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all, log := lines(12)
		for outage := range 2 {
			log.Reset()
			for range 20 {
				for _, l := range all {
					l.lost(errors.New("connection refused"), time.Second)
				}
				time.Sleep(time.Second)
			}
			for _, l := range all[1:] {
				l.works(&generation{broker: "b"})
			}
			all[0].lost(errors.New("connection refused"), time.Second)
			all[0].works(&generation{broker: "b"})
			text := log.String()
			if strings.Count(text, "\n") != 2 || !strings.Contains(text, "level=WARN") || !strings.Contains(text, "level=INFO") || !strings.Contains(text, "away=20s") {
				t.Errorf("outage %d:\n%s", outage, text)
			}
		}
	})
}

func TestALongOutageIsRememberedEachMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all, log := lines(2)
		for range 30 * 60 {
			all[0].lost(errors.New("connection refused"), time.Second)
			time.Sleep(time.Second)
		}
		if n := strings.Count(log.String(), "\n"); n != 30 {
			t.Errorf("%d lines in 30 minutes, want 30", n)
		}
		all[0].end()
		if all[1].lost(errors.New("connection refused"), time.Second); strings.Count(log.String(), "\n") != 31 {
			t.Error("nothing is said of the next outage")
		}
	})
}

func TestAQueueThatIsBeingMadeIsNoOutage(t *testing.T) {
	all, log := lines(1)
	unborn := &amqp091.Error{Code: amqp091.InternalError, Reason: "INTERNAL_ERROR"}
	for range 2 {
		all[0].lost(unborn, time.Second)
		all[0].works(&generation{})
	}
	if log.Len() > 0 {
		t.Error(log)
	}
	all[0].lost(unborn, time.Second)
	all[0].lost(unborn, time.Second)
	if log.Len() == 0 {
		t.Error("a broker that is ill is not spoken of")
	}
}

func TestWhoeverDidNotReachTheBrokerWaitsNoLongerThanOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all, _ := lines(1)
		o, began := all[0].outage, time.Now()
		took := map[bool]time.Duration{}
		done := make(chan bool)
		for _, reached := range []bool{false, true} {
			go func() {
				if err := o.rest(t.Context(), 30*time.Second, reached); err != nil {
					t.Error(err)
				}
				done <- reached
			}()
		}
		time.Sleep(time.Second)
		o.made()
		for range 2 {
			reached := <-done
			took[reached] = time.Since(began)
		}
		if took[false] != time.Second || took[true] != 30*time.Second {
			t.Errorf("waited %v", took)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if o.rest(ctx, time.Hour, false) == nil {
			t.Error("it waits although its time is over")
		}
	})
}
