package bustest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"lamplighter/satellite/bus"
)

// Air runs the contract of hellos; open is called once a case.
func Air(t *testing.T, open func(*testing.T) bus.Air) {
	for name, test := range map[string]func(*testing.T, bus.Air){
		"everybody hears what is told, the teller too, in order": hearAll,
		"a hearer who is slow holds nobody up":                   hearSlowly,
		"a tell with an ended context fails":                     tellEnded,
		"what is told while nobody hears is gone":                tellNobody,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

// hear starts a hearer and waits until it hears. What is told by then it may hear or not.
func hear(t *testing.T, a bus.Air, each func(body string)) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended, ready := make(chan error, 1), make(chan struct{})
	begin := sync.OnceFunc(func() { close(ready) })
	go func() {
		ended <- a.Hear(ctx, func(body []byte) {
			if string(body) == bus.Probe {
				begin()
				return
			}
			each(string(body))
		})
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := await(t, ended, "the hearer to end"); err != nil {
			t.Errorf("hear: %v", err)
		}
	})
	t.Cleanup(stop)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patient); time.Now().Before(end); <-tick.C {
		_ = a.Tell(t.Context(), []byte(bus.Probe)) // the bus may not be connected yet
		select {
		case <-ready:
			return stop
		default:
		}
	}
	t.Fatalf("waited %v for a hearer to hear", patient)
	return stop
}

func tell(t *testing.T, a bus.Air, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		if err := a.Tell(t.Context(), fmt.Append(nil, i)); err != nil {
			t.Fatalf("tell %d: %v", i, err)
		}
	}
}

// inOrder expects from to to on c.
func inOrder(t *testing.T, c <-chan string, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		if got := await(t, c, fmt.Sprint("hello ", i)); got != fmt.Sprint(i) {
			t.Fatalf("got %s, want %d", got, i)
		}
	}
}

func hearAll(t *testing.T, a bus.Air) {
	const n = 50
	var ears []chan string
	for range 3 {
		heard := make(chan string, 2*n)
		hear(t, a, func(body string) { heard <- body })
		ears = append(ears, heard)
	}
	tell(t, a, 0, n)
	for _, heard := range ears {
		inOrder(t, heard, 0, n)
	}
}

func hearSlowly(t *testing.T, a bus.Air) {
	const n = 1500 // more than is kept for anybody
	release := make(chan struct{})
	hear(t, a, func(string) { <-release })
	defer close(release)
	heard := make(chan string, 1)
	hear(t, a, func(body string) { heard <- body })
	for i := range n {
		tell(t, a, i, i+1)
		inOrder(t, heard, i, i+1)
	}
}

func tellEnded(t *testing.T, a bus.Air) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.Tell(ctx, []byte("a")); err == nil {
		t.Error("tell with an ended context: no error")
	}
}

func tellNobody(t *testing.T, a bus.Air) {
	first := make(chan string, 10)
	stop := hear(t, a, func(body string) { first <- body })
	tell(t, a, 0, 1)
	inOrder(t, first, 0, 1)
	stop()
	tell(t, a, 1, 2)
	second := make(chan string, 10)
	hear(t, a, func(body string) { second <- body })
	tell(t, a, 2, 3)
	inOrder(t, second, 2, 3)
}
