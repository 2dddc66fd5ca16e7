package memory

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
)

// mortal is the log as a process has it that may be killed: from then on nothing reaches the log.
type mortal struct {
	*slowLog
	dead atomic.Bool
}

func (m *mortal) Append(ctx context.Context, log string, record []byte) error {
	if m.dead.Load() {
		return errLost
	}
	return m.slowLog.Append(ctx, log, record)
}

// world is a site whose BMCs refuse every version, and sometimes say nothing.
type world struct {
	t      *testing.T
	log    *slowLog
	dir    string
	random *rand.Rand

	mu      sync.Mutex
	refused map[string]int // by BMC and version
	now     map[string]int // the same, under way
	errors  int
}

func (w *world) intN(n int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.random.IntN(n)
}

// rounds logs in to one BMC after another, as one satellite does, until it is killed in one of its logins, or ctx ends.
func (w *world) rounds(ctx context.Context, m *Memory, version string) {
	for ctx.Err() == nil {
		time.Sleep(time.Duration(w.intN(3000)) * time.Millisecond)
		id := inventory.ID(fmt.Sprint("bmc", w.intN(3)))
		a, permit, err := m.Begin(ctx, time.Now(), id, "c", version, checks.Round{BMC: id, Due: time.Now(), Why: checks.Routine})
		if err != nil || permit.Decision != Allowed || ctx.Err() != nil {
			w.mu.Lock()
			if err != nil {
				w.errors++
			}
			w.mu.Unlock()
			continue
		}
		o := w.login(id, version)
		if ctx.Err() != nil {
			return // killed before it could write the outcome down
		}
		if _, err := a.End(context.WithoutCancel(ctx), time.Now(), o); err != nil {
			w.t.Error(err)
		}
	}
}

func (w *world) login(id inventory.ID, version string) Outcome {
	what := string(id) + " " + version
	w.mu.Lock()
	if w.now[what]++; w.now[what] > 1 {
		w.t.Errorf("%d logins at once at %s", w.now[what], what)
	}
	w.mu.Unlock()
	time.Sleep(time.Duration(w.intN(1000)) * time.Millisecond)
	silence := w.intN(4) == 0
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now[what]--
	if silence {
		return None
	}
	w.refused[what]++
	return Refused
}

// satellite lives, is killed, and lives again from its copy as it was, or as it was damaged, until ctx ends.
func (w *world) satellite(ctx context.Context, name string) {
	var copied []byte
	for life := 0; ctx.Err() == nil; life++ {
		path := filepath.Join(w.dir, fmt.Sprint(name, life))
		if copied != nil && w.intN(4) > 0 {
			if w.intN(4) == 0 {
				copied = copied[:w.intN(len(copied))]
			}
			if err := os.WriteFile(path, copied, 0o600); err != nil {
				w.t.Error(err)
			}
		}
		wire := &mortal{slowLog: w.log}
		m := openShared(w.t, wire, path)
		m.Rule.MinPause, m.Rule.MaxPause, m.Rule.GroupRefusals = 20*time.Second, 40*time.Second, 1000
		stop := run(w.t, m)
		living, kill := context.WithTimeout(ctx, time.Duration(10+w.intN(60))*time.Second)
		var group sync.WaitGroup
		for range 2 {
			group.Go(func() { w.rounds(living, m, []string{"v1", "v1", "v2"}[w.intN(3)]) })
		}
		<-living.Done()
		wire.dead.Store(w.intN(3) > 0) // or ended in peace
		copied, _ = os.ReadFile(path)  // there may be none yet
		kill()
		group.Wait()
		stop()
	}
}

// weather is what happens to the broker.
func (w *world) weather(ctx context.Context) {
	for ctx.Err() == nil {
		away, lose, delay := w.intN(4) == 0, float64(w.intN(3))*0.2, time.Duration(1+w.intN(400))*time.Millisecond
		w.log.set(func() { w.log.away, w.log.lose, w.log.delay = away, lose, delay })
		_ = pause(ctx, time.Duration(1+w.intN(20))*time.Second)
	}
	w.log.set(func() { w.log.away, w.log.lose, w.log.delay = false, 0, 0 })
}

func TestNoMoreThanTwoRefusedLoginsWhateverHappens(t *testing.T) {
	refusals, twos, failed := 0, 0, 0
	for seed := range uint64(12) {
		dir := t.TempDir()
		synctest.Test(t, func(t *testing.T) {
			w := &world{t: t, log: newLog(seed), dir: dir, random: rand.New(rand.NewPCG(seed, 2)),
				refused: map[string]int{}, now: map[string]int{}}
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
			defer cancel()
			var group sync.WaitGroup
			for i := range 3 {
				group.Go(func() { w.satellite(ctx, fmt.Sprint("sat", i)) })
			}
			group.Go(func() { w.weather(ctx) })
			group.Wait()
			for where, n := range w.refused {
				if refusals += n; n == 2 {
					twos++
				}
				if n > 2 {
					t.Errorf("seed %d: %d refused logins at %s", seed, n, where)
				}
			}
			failed += w.errors
			w.agree(t)
		})
	}
	t.Logf("%d refused logins, %d times two, %d Begins without a broker", refusals, twos, failed)
	if refusals < 40 || twos < 10 || failed < 40 {
		t.Errorf("%d refused logins, %d times two, %d errors: this proves little", refusals, twos, failed)
	}
}

// agree: two that read the log alone believe the same.
func (w *world) agree(t *testing.T) {
	a, stopA := share(t, w.log, "")
	b, stopB := share(t, w.log, "")
	defer stopA()
	defer stopB()
	ready(t, a, b)
	if !maps.EqualFunc(a.fences, b.fences, func(x, y Fence) bool { return x.Seq == y.Seq && x.Tries == y.Tries }) {
		t.Errorf("they disagree: %+v\n%+v", a.fences, b.fences)
	}
}
