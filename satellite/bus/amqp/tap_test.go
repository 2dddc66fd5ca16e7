package amqp_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"lamplighter/satellite/bus"
)

// put publishes into an own mailbox's exchange as nobody of ours does.
func (s site) put(t *testing.T, box bus.Mailbox, id, spill string) {
	t.Helper()
	s.rabbit.API(t, "POST", fmt.Sprintf("/exchanges/%s/%s/publish", s.vhost, box), map[string]any{
		"properties": map[string]any{"message_id": id, "delivery_mode": 2}, "routing_key": spill, "payload": "{}", "payload_encoding": "string",
	})
}

func TestATapSeesWhatIsSentToOwnMailboxes(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := open(t, s.config(t, 0))
	boxes := []bus.Mailbox{"ams1@sat-a", "ams1@sat-b"}
	var mu sync.Mutex
	var seen []string
	tapped := func(box bus.Mailbox, m bus.Message) {
		mu.Lock()
		defer mu.Unlock()
		if id := fmt.Sprintf("%s %s %s", box, m.ID, m.Spill); !slices.Contains(seen, id) {
			seen = append(seen, id)
		}
	}
	has := func(n int) func() bool {
		return func() bool { mu.Lock(); defer mu.Unlock(); return len(seen) == n }
	}
	tap := func() (stop func()) {
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- b.Tap(ctx, "lamplighter.tap", boxes, tapped) }()
		return func() {
			cancel()
			if err := await(t, ended, "the tap to end"); err != nil {
				t.Error(err)
			}
		}
	}
	stop := tap()
	until(t, "the tap", func() bool {
		bindings, err := s.rabbit.Ask("GET", "/queues/"+s.vhost+"/lamplighter.tap/bindings", nil)
		return err == nil && strings.Contains(string(bindings), "ams1@sat-b") // the last that is bound
	})
	s.put(t, "ams1@sat-a", "1", "ams1.ping")
	until(t, "the first", has(1))
	s.rabbit.CloseAllConnections(t, s.vhost)
	s.put(t, "ams1@sat-b", "2", "ams1.tls")
	until(t, "what was sent while the tap's connection was broken", has(2))
	stop()
	s.put(t, "ams1@sat-a", "3", "ams1.ping")
	defer tap()()
	until(t, "what was sent while nobody tapped", has(3))
	want := []string{"ams1@sat-a 1 ams1.ping", "ams1@sat-b 2 ams1.tls", "ams1@sat-a 3 ams1.ping"}
	if !slices.Equal(seen, want) {
		t.Errorf("tapped %q, want %q", seen, want)
	}
}
