package main

import (
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/results/kafka"
	"lamplighter/satellite/bus"
	"lamplighter/satellite/run"
)

// poisonInASite: satellites in this process, so that their chain can have a bug. Everything else is the product's.
func poisonInASite(t *testing.T, x *exchange) {
	p := newPair(t, x, room(t, "poison", 40, time.Second), 10*time.Second, "")
	victim := p.one(t, inventory.Redfish).ID
	var bug atomic.Bool
	var tries atomic.Int32
	for _, name := range []string{"sat-a", "sat-b"} {
		p.inProcess(t, name, func(v *checks.Visit) {
			if v.BMC.ID == victim && bug.Load() {
				tries.Add(1)
				panic("hunter2")
			}
		})
	}
	p.judging(t, time.Now(), "sat-a", "sat-b")
	time.Sleep(p.interval)
	usual := p.latest(t, time.Now().Add(-p.interval), victim)
	since := time.Now()
	bug.Store(true)
	var letter results.DeadLetter
	eventually(t, 40*time.Second, "the dead letter is on Kafka", func() bool { letter, _ = p.letter(t, victim); return letter.ID != "" })
	if n := tries.Load(); n != 5 {
		t.Errorf("%d tries, want 5", n)
	}
	bug.Store(false)
	hash := regexp.MustCompile(`\(stack [0-9a-f]{8}\)`).FindString(letter.Why)
	if hash == "" || strings.Contains(letter.Why, "hunter2") {
		t.Errorf("why it is dead: %q", letter.Why)
	}
	var v results.Verdict
	eventually(t, 10*time.Second, "its verdict", func() bool {
		all := p.verdicts(t)
		i := slices.IndexFunc(all, func(v results.Verdict) bool { return v.Reason == checks.SelfPoison })
		if i >= 0 {
			v = all[i]
		}
		return i >= 0
	})
	if v.BMC != victim || v.Health != checks.Unknown || !strings.HasPrefix(letter.ID, v.Round.String()) || !strings.Contains(last(v.Trail).Error, hash) {
		t.Errorf("%s: %s: %+v", v.Round, v.Health, v.Trail)
	}
	if worst := p.latest(t, since, victim); worst > usual+time.Second {
		t.Errorf("others' verdicts came up to %v after they were due, before %v", worst, usual)
	}
	p.garbage(t)
	since = time.Now()
	eventually(t, 30*time.Second, "the BMC is well again", func() bool {
		return slices.ContainsFunc(p.verdicts(t), func(v results.Verdict) bool {
			return v.BMC == victim && v.At.After(since) && v.Health == checks.Available
		})
	})
}

// inProcess runs a satellite whose power check first does what before does.
func (p *pair) inProcess(t *testing.T, name string, before func(*checks.Visit)) {
	t.Helper()
	c, err := LoadConfig(p.path(name + ".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var log lockedBuffer
	ctx, stop := context.WithCancel(context.Background())
	broker, err := c.openBus(ctx, newLog(c.Log, &log))
	if err != nil {
		t.Fatal(err)
	}
	d, err := c.openDaemon(ctx, broker, &log, &log)
	if err != nil {
		t.Fatal(err)
	}
	for i, check := range d.tour.config.Chain {
		if check.Name == checks.Power {
			d.tour.config.Chain[i].Run = func(ctx context.Context, v *checks.Visit) (checks.Finding, error) {
				before(v)
				return check.Run(ctx, v)
			}
		}
	}
	d.satellite = run.New(d.tour.config)
	d.serve(broker)
	ended := make(chan error, 1)
	go func() {
		ended <- d.run(ctx, func(ctx context.Context) error { return withBus(ctx, broker, d.log, d.goRound) })
	}()
	t.Cleanup(func() {
		stop()
		err := <-ended
		d.close()
		if err != nil || t.Failed() {
			t.Errorf("%s: %v; %s", name, err, tail(log.String()))
		}
	})
}

// latest is the longest time from due to verdict since then, of all BMCs but one.
func (p *pair) latest(t *testing.T, since time.Time, but inventory.ID) (most time.Duration) {
	t.Helper()
	for _, v := range p.verdicts(t) {
		if v.BMC != but && v.Round.Due.After(since) {
			most = max(most, v.At.Sub(v.Round.Due))
		}
	}
	return most
}

// letter is the dead letter about a BMC.
func (p *pair) letter(t *testing.T, about inventory.ID) (found results.DeadLetter, ok bool) {
	t.Helper()
	for _, r := range p.exchange.site(p.site) {
		var letter results.DeadLetter
		if r.Topic != kafka.DeadTopic {
			continue
		}
		if err := json.Unmarshal(r.Value, &letter); err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(letter.ID, string(about)+"@") {
			found, ok = letter, true
		}
	}
	return found, ok
}

// stranger: a task that was made by another inventory's record of a BMC is Unknown, and nothing is asked.
func (p *pair) stranger(t *testing.T, b bus.Bus) {
	t.Helper()
	now := time.Now().UTC().Truncate(time.Millisecond)
	task := checks.Task{Round: checks.Round{BMC: p.BMCs()[9].ID, Due: now, Why: checks.Confirm}, Rev: "0123456789abcdef", Check: checks.Ping, Expires: now.Add(time.Minute)}
	body, err := json.Marshal(task)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Send(t.Context(), bus.Mailbox(p.site+".ping"), bus.Message{ID: task.Round.String() + "/ping", Body: body}); err != nil {
		t.Fatal(err)
	}
	eventually(t, 30*time.Second, "a verdict of our inventory", func() bool {
		return slices.ContainsFunc(p.verdicts(t), func(v results.Verdict) bool {
			return v.Round.String() == task.Round.String() && v.Reason == checks.SelfInventory && v.Health == checks.Unknown && len(v.Trail) == 1
		})
	})
}

// garbage: a message that cannot be read is dead at once, with its bytes and a verdict of the round that it names.
func (p *pair) garbage(t *testing.T) {
	t.Helper()
	b := p.bus(t)
	p.stranger(t, b)
	round := checks.Round{BMC: p.BMCs()[7].ID, Due: time.Now().UTC().Truncate(time.Millisecond), Why: checks.Confirm}
	ctx, cancel := context.WithTimeoutCause(t.Context(), 20*time.Second, errors.New("the broker did not take it"))
	defer cancel()
	if err := b.Send(ctx, bus.Mailbox(p.site+".tls"), bus.Message{ID: round.String() + "/tls", Body: []byte("{\xff")}); err != nil {
		t.Fatal(err)
	}
	eventually(t, 20*time.Second, "its letter and its verdict", func() bool {
		letter, ok := p.letter(t, round.BMC)
		return ok && string(letter.Body) == "{\xff" && slices.ContainsFunc(p.verdicts(t), func(v results.Verdict) bool {
			return v.Round.String() == round.String() && v.Reason == checks.SelfPoison
		})
	})
}
