package inventory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// healthSite is a NetBox stand-in whose devices have the custom field, and what writes to it.
type healthSite struct {
	*netboxStandIn
	source NetBox
	health *NetBoxHealth
	log    *lockedBuffer
}

type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string { b.mu.Lock(); defer b.mu.Unlock(); return b.text.String() }

func healthSiteOf(t *testing.T, devices int) *healthSite {
	t.Helper()
	s := &healthSite{netboxStandIn: netboxOf(devices), log: &lockedBuffer{}}
	s.netboxStandIn.health = map[int64]string{}
	s.source = netboxAt(s.start(t).URL)
	s.begin()
	return s
}

// begin begins anew, as a process does that is started again.
func (s *healthSite) begin() {
	s.health = NewNetBoxHealth(s.source.Endpoint, healthField, slog.New(slog.NewTextHandler(s.log, nil)))
	s.health.pace, s.health.pause = time.Millisecond, 10*time.Millisecond
	s.source.Health = s.health
}

func (s *healthSite) read(t *testing.T) Answer {
	t.Helper()
	answer, err := s.source.BMCs(t.Context(), Known{})
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// run runs the writer until the end of the test, or until stop.
func (s *healthSite) run(t *testing.T) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() {
		if err := s.health.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	stop = sync.OnceFunc(func() { cancel(); group.Wait() })
	t.Cleanup(stop)
	return stop
}

func (s *healthSite) wrote() (health map[int64]string, patches []int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.netboxStandIn.health), slices.Clone(s.patches)
}

func (s *healthSite) settled(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		if waiting, err := s.health.Waiting(); waiting == 0 && err == nil {
			return
		}
		if time.Now().After(deadline) {
			waiting, err := s.health.Waiting()
			t.Fatalf("%d are waiting still: %v\n%s", waiting, err, s.log)
		}
	}
}

func healthy(from, to int, health string) map[ID]string {
	all := map[ID]string{}
	for n := from; n <= to; n++ {
		all[ID(fmt.Sprintf("A%06d", n))] = health
	}
	return all
}

func TestHealthIsWrittenOnChangeAloneInBatches(t *testing.T) {
	s := healthSiteOf(t, 120)
	answer := s.read(t)
	for name := range answer.BMCs[0].Labels {
		if strings.Contains(name, "health") {
			t.Errorf("the field is the label %s: each change of it would be one of the BMC", name)
		}
	}
	stop := s.run(t)
	s.health.WantAll(healthy(1, 130, "available")) // ten of which NetBox does not know
	s.settled(t)
	if health, patches := s.wrote(); len(health) != 120 || health[7] != "available" || !reflect.DeepEqual(patches, []int{50, 50, 20}) {
		t.Fatalf("wrote %v, %d devices", patches, len(health))
	}
	s.health.Want("A000007", "unavailable")
	s.settled(t)
	s.health.WantAll(healthy(1, 120, "available")) // but for one the same as before
	s.settled(t)
	s.health.Want("A000007", "") // it is forgotten: the field stays
	if health, patches := s.wrote(); health[7] != "available" || !reflect.DeepEqual(patches[3:], []int{1, 1}) {
		t.Errorf("wrote %v", patches)
	}
	// A restart and a replay write nothing twice; what somebody else wrote is put right by the next reading.
	stop()
	s.begin()
	s.run(t)
	for range 3 {
		s.health.WantAll(healthy(1, 120, "available"))
		s.read(t)
	}
	s.mu.Lock()
	s.netboxStandIn.health[9] = "by hand"
	s.mu.Unlock()
	s.read(t)
	s.settled(t)
	if health, patches := s.wrote(); health[9] != "available" || !reflect.DeepEqual(patches[5:], []int{1}) {
		t.Errorf("after a restart wrote %v", patches[5:])
	}
}

func TestWhatIsWrittenDuringAReadingIsNotWrittenAgain(t *testing.T) {
	s := healthSiteOf(t, 100)
	s.most = 50
	s.read(t)
	s.run(t)
	s.fault = only(4, func(http.ResponseWriter, *http.Request) { // the second page; the first has gone out with the old value
		s.health.Want("A000001", "degraded")
		s.settled(t)
	})
	fault := s.fault
	s.fault = func(n int, w http.ResponseWriter, r *http.Request) bool { fault(n, w, r); return false }
	s.read(t)
	s.settled(t)
	if _, patches := s.wrote(); !reflect.DeepEqual(patches, []int{1}) {
		t.Errorf("wrote %v", patches)
	}
}

func TestADeviceThatCannotBeChangedHindersNoOther(t *testing.T) {
	s := healthSiteOf(t, 60)
	s.refuses, s.gone = map[int64]bool{23: true}, map[int64]bool{31: true, 59: true}
	s.read(t)
	s.run(t)
	s.health.WantAll(healthy(1, 60, "available"))
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		if waiting, _ := s.health.Waiting(); waiting == 1 {
			break
		} else if time.Now().After(deadline) {
			t.Fatalf("%d are waiting\n%s", waiting, s.log)
		}
	}
	health, patches := s.wrote()
	if len(health) != 57 || health[23] != "" || len(patches) > 20 {
		t.Errorf("%d have their health after %v", len(health), patches)
	}
	if text := s.log.String(); strings.Count(text, "netbox refuses the health of a device") != 1 || !strings.Contains(text, "bmc=A000023") {
		t.Error(text)
	}
	s.mu.Lock()
	s.refuses = nil
	s.mu.Unlock()
	s.read(t)
	s.settled(t)
	if health, _ := s.wrote(); health[23] != "available" {
		t.Error("after the next reading it was not tried again")
	}
}

func TestAFieldThatDoesNotExistIsSaidOnceAndNothingIsSent(t *testing.T) {
	s := healthSiteOf(t, 3)
	s.netboxStandIn.health = nil
	s.run(t)
	s.health.WantAll(healthy(1, 3, "available"))
	s.read(t)
	s.read(t)
	if _, patches := s.wrote(); len(patches) > 0 || strings.Count(s.log.String(), "no device of netbox has the custom field") != 1 {
		t.Errorf("%v\n%s", patches, s.log)
	}
	if waiting, err := s.health.Waiting(); waiting != 3 || err == nil || !strings.Contains(err.Error(), healthField) {
		t.Errorf("%d are waiting, and no alarm says why: %v", waiting, err)
	}
	s.mu.Lock()
	s.netboxStandIn.health = map[int64]string{}
	s.mu.Unlock()
	s.read(t)
	s.settled(t)
}

func TestWhateverNetBoxAnswersHealthComesThroughInTheEnd(t *testing.T) {
	for name, test := range map[string]struct {
		answer func(http.ResponseWriter, *http.Request)
		times  int
		want   string
	}{
		"a limit":                       {says(429, "Retry-After", "0", `{}`), 2, "429 Too Many Requests"},
		"a token that has ended":        {says(401, "", "", `{"detail":"Invalid token"}`), 2, "401 Unauthorized"},
		"a token without the right":     {says(403, "", "", `{"detail":"no"}`), 2, "may not do this"},
		"a server that breaks":          {says(500, "", "", "oops"), 3, "500 Internal Server Error"},
		"a page for people":             {says(200, "Content-Type", "text/html", "<html>Sign in</html>"), 1, "want JSON, got a page for people"},
		"an answer that is cut short":   {says(200, "", "", `[{"id":1`), 1, "unexpected EOF"},
		"a connection that is hung up":  {hangsUp, 2, "EOF"},
		"a redirect to another server":  {says(302, "Location", "https://evil.example/", ""), 1, "302 Found"},
		"a value that it does not take": {says(400, "", "", `{"custom_fields":["Invalid choice"]}`), 12, "400 Bad Request"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := healthSiteOf(t, 9)
			s.patch = func(n int, w http.ResponseWriter, r *http.Request) bool {
				if n <= test.times {
					test.answer(w, r)
				}
				return n <= test.times
			}
			s.read(t)
			s.run(t)
			s.health.WantAll(healthy(1, 9, "available"))
			for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
				if health, _ := s.wrote(); len(health) == 9 {
					break
				} else if time.Now().After(deadline) {
					t.Fatalf("%d of 9 have their health\n%s", len(health), s.log)
				}
				if waiting, _ := s.health.Waiting(); waiting > 0 && len(s.health.due()) == 0 {
					s.read(t) // what was refused is tried again after a reading
				}
			}
			if text := s.log.String(); !strings.Contains(text, test.want) || strings.Count(text, "health cannot be written") > 1 || strings.Contains(text, netboxSecret) {
				t.Error(text)
			}
		})
	}
}

func TestAFailingNetBoxIsAskedMoreAndMoreSeldom(t *testing.T) {
	h := NewNetBoxHealth(Endpoint{}, healthField, slog.New(slog.DiscardHandler))
	broken := errors.New("broken")
	for failures, want := range map[int]time.Duration{1: 5 * time.Second, 2: 10 * time.Second, 5: 80 * time.Second, 8: 10 * time.Minute, 1000: 10 * time.Minute} {
		if got := h.rest(broken, failures); got != want {
			t.Errorf("after %d failures %v, want %v", failures, got, want)
		}
	}
	if got := h.rest(fmt.Errorf("x: %w", &Later{30 * time.Minute, broken}), 1); got != 30*time.Minute {
		t.Errorf("asked for 30 minutes, it rests %v", got)
	}
	if h.rest(nil, 0) != healthPace {
		t.Error("it is not paced")
	}
}

func TestSeveralDevicesWithOneIDGetNoHealth(t *testing.T) {
	s := healthSiteOf(t, 3)
	s.devices[2] = strings.Replace(s.devices[2], "A000003", "A000001", 1)
	s.read(t)
	s.run(t)
	s.health.WantAll(healthy(1, 3, "available"))
	s.settled(t)
	if health, _ := s.wrote(); !reflect.DeepEqual(health, map[int64]string{2: "available"}) {
		t.Errorf("wrote %v", health)
	}
}

// leaves waits until that many are waiting for their health, and nobody is due.
func (s *healthSite) leaves(t *testing.T, want int) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		waiting, _ := s.health.Waiting()
		if waiting == want && len(s.health.due()) == 0 {
			return
		}
		if time.Now().After(deadline) {
			_, patches := s.wrote()
			t.Fatalf("%d are waiting after %d requests, want %d\n%s", waiting, len(patches), want, s.log)
		}
	}
}

func TestDevicesThatCannotBeChangedHinderNoOtherHoweverManyTheyAre(t *testing.T) {
	s := healthSiteOf(t, 100)
	s.refuses = map[int64]bool{}
	for n := range int64(30) {
		s.refuses[n+1] = true
	}
	s.read(t)
	stop := s.run(t)
	s.health.WantAll(healthy(1, 100, "available"))
	s.leaves(t, 30)
	stop()
	_, before := s.wrote()
	s.read(t) // which has them tried again, behind all others
	s.health.Want("A000100", "unavailable")
	if due := s.health.due(); !reflect.DeepEqual(due, []ID{"A000100"}) {
		t.Errorf("due are %v", due)
	}
	s.run(t)
	s.leaves(t, 30)
	if health, patches := s.wrote(); health[100] != "unavailable" || len(patches)-len(before) > 40 {
		t.Errorf("%q after %v", health[100], patches[len(before):])
	}
	if n := strings.Count(s.log.String(), "netbox refuses the health of a device"); n > 30 {
		t.Errorf("%d lines about 30 devices", n)
	}
}

func TestWhatBecameAmbiguousSinceItWasDueIsNotWritten(t *testing.T) {
	s := healthSiteOf(t, 2)
	s.read(t)
	s.health.WantAll(healthy(1, 2, "available"))
	due := s.health.due()
	s.devices = append(s.devices, strings.Replace(netboxDeviceText(3), "A000003", "A000001", 1))
	s.read(t)
	if patches, _ := s.health.patches(due); len(patches) != 1 || patches[0].ID != 2 {
		t.Errorf("writes %v", patches)
	}
}

// States come with each round, hundreds a second, and hardly one has news: to look through all BMCs for each would take a processor for itself.
func TestWhatIsWantedAlreadyWakesNobody(t *testing.T) {
	h := NewNetBoxHealth(Endpoint{}, healthField, slog.New(slog.DiscardHandler))
	h.Want("a", "available")
	<-h.news
	h.Want("a", "available")
	h.Want("b", "")
	if len(h.news) != 0 {
		t.Error("what was wanted already is looked for again")
	}
	h.Want("a", "degraded")
	if len(h.news) != 1 {
		t.Error("news wakes nobody")
	}
}
