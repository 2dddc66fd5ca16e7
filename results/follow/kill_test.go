package follow_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lamplighter/checks/peers"
	"lamplighter/results"
	"lamplighter/results/follow"
	"lamplighter/results/incident"
	"lamplighter/results/kafka"
	"lamplighter/results/spool"
	"lamplighter/results/store"
	"lamplighter/results/store/sqlite"
)

// childVariable makes the test's own program the process that is killed: address of the broker and directory of the store.
const childVariable = "LAMPLIGHTER_FOLLOW_CHILD"

// child follows until its input ends.
func child(job string) {
	address, dir, _ := strings.Cut(job, " ")
	kept, err := sqlite.Open(context.Background(), dir)
	if err != nil {
		panic(err)
	}
	where := kafkaConfig(dir, address)
	rule := incident.Defaults(10 * time.Hour)
	rule.Hold = 200 * time.Millisecond
	f, err := follow.Open(context.Background(), follow.Config{Name: "results-1", Store: kept, Interval: 10 * time.Hour, Incidents: rule, Kafka: &where, Read: true,
		Log: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	if err != nil {
		panic(err)
	}
	fmt.Println("running")
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() {
		if err := f.Run(ctx); err != nil {
			panic(err)
		}
	})
	_, _ = io.Copy(io.Discard, os.Stdin)
	cancel()
	group.Wait()
	if err := kept.Close(); err != nil {
		panic(err)
	}
}

func kafkaConfig(dir, address string) kafka.Config {
	return kafka.Config{Brokers: []string{address}, Site: "ams1", Satellite: "sat-a",
		Spool: spool.Config{Dir: filepath.Join(dir, "spool"), Limits: spool.Limits{Bytes: 1 << 30, Age: 24 * time.Hour}, Batch: 5 * time.Millisecond}}
}

// process is a child that runs.
type process struct {
	cmd *exec.Cmd
	in  io.Closer
	log *strings.Builder
}

func startChild(t *testing.T, address, dir string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(os.Args[0]), log: &strings.Builder{}}
	p.cmd.Env = append(os.Environ(), childVariable+"="+address+" "+dir)
	p.cmd.Stderr = p.log
	in, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.in = in
	t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	if said, err := bufio.NewReader(out).ReadString('\n'); said != "running\n" {
		_ = p.cmd.Wait()
		t.Fatalf("it said %q, %v; log:\n%s", said, err, p.log)
	}
	return p
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

func (p *process) end(t *testing.T) {
	t.Helper()
	_ = p.in.Close()
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("it ended with %v; log:\n%s", err, p.log)
	}
}

// sending is a fleet's verdicts on their way to Kafka, a round of all BMCs at a time.
type sending struct {
	from   time.Time
	bmcs   []string
	rounds atomic.Int64
}

const step = time.Second

// run emits rounds until ctx ends.
func (s *sending) run(ctx context.Context, t *testing.T, address string) {
	sink, err := kafka.Open(kafkaConfig(t.TempDir(), address))
	if err != nil {
		t.Error(err)
		return
	}
	var group sync.WaitGroup
	sinkCtx, cancel := context.WithCancel(context.Background())
	group.Go(func() { _ = sink.Run(sinkCtx) })
	tick := time.NewTicker(60 * time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil {
		n := int(s.rounds.Load())
		var round sync.WaitGroup
		for _, bmc := range s.bmcs {
			round.Go(func() {
				if err := sink.Emit(context.Background(), nth(s.from, step, bmc, n)); err != nil {
					t.Error(err)
				}
			})
		}
		round.Wait()
		s.rounds.Add(1)
		<-tick.C
	}
	for sink.Stats().Spool.Records > 0 {
		<-tick.C
	}
	cancel()
	group.Wait()
	if err := sink.Close(); err != nil {
		t.Error(err)
	}
}

// onTopic are the newest states on Kafka.
func onTopic(t *testing.T, address string) map[string]results.State {
	t.Helper()
	all := map[string]results.State{}
	for _, r := range peers.Records(t, kafka.StateTopic, address) {
		var s results.State
		if err := json.Unmarshal(r.Value, &s); err != nil {
			t.Fatal(err)
		}
		all[string(r.Key)] = s
	}
	return all
}

// untilSent waits until Kafka has the states after all rounds.
func (s *sending) untilSent(t *testing.T, address string) {
	t.Helper()
	rounds := int(s.rounds.Load())
	for deadline := time.Now().Add(60 * time.Second); ; {
		states, behind := onTopic(t, address), 0
		for _, bmc := range s.bmcs {
			if want := nth(s.from, step, bmc, rounds-1).Round; states[bmc].LastRound.String() != want.String() {
				behind++
			}
		}
		if behind == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the states of %d BMCs are old", behind)
		}
	}
}

// kept opens the store in a directory and gives its states.
func kept(t *testing.T, dir string) map[string]results.State {
	t.Helper()
	s, err := sqlite.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	all := map[string]results.State{}
	if err := s.States(t.Context(), func(k store.Known) error { all[string(k.State.BMC)] = k.State; return nil }); err != nil {
		t.Fatal(err)
	}
	return all
}

// check wants every change exactly once on Kafka, in order, and the states that follow from the verdicts.
func (s *sending) check(t *testing.T, address string, states map[string]results.State) {
	t.Helper()
	rounds := int(s.rounds.Load())
	got := map[string][]results.Change{}
	for _, r := range peers.Records(t, kafka.ChangeTopic, address) {
		var c results.Change
		if err := json.Unmarshal(r.Value, &c); err != nil {
			t.Fatal(err)
		}
		got[string(r.Key)] = append(got[string(r.Key)], c)
	}
	changes := 0
	for _, bmc := range s.bmcs {
		state, want := believed(s.from, step, bmc, rounds)
		changes += len(want)
		if !reflect.DeepEqual(got[bmc], want) {
			t.Errorf("%s: changes\n got %s\nwant %s", bmc, ids(got[bmc]), ids(want))
		}
		if !reflect.DeepEqual(states[bmc], state) {
			t.Errorf("%s: state\n got %+v\nwant %+v", bmc, states[bmc], state)
		}
	}
	t.Logf("%d BMCs, %d rounds, %d changes", len(s.bmcs), rounds, changes)
	if changes < rounds {
		t.Errorf("only %d changes: the test tests little", changes)
	}
}

func ids(all []results.Change) (line string) {
	for _, c := range all {
		line += strings.TrimPrefix(c.ID, string(c.BMC)) + " "
	}
	return line
}

func TestKilledTenTimesItLosesAndDoublesNoChange(t *testing.T) {
	broker := peers.StartKafka(t)
	if _, err := kafka.CreateTopics(kafkaConfig(t.TempDir(), broker.Address), 1); err != nil {
		t.Fatal(err)
	}
	s := &sending{from: time.Now().Add(-time.Hour)}
	for i := range 40 {
		s.bmcs = append(s.bmcs, fmt.Sprint("bmc-", i))
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var group sync.WaitGroup
	group.Go(func() { s.run(ctx, t, broker.Address) })
	dir := filepath.Join(t.TempDir(), "store")
	for range 10 {
		p := startChild(t, broker.Address, dir)
		pause(t, time.Duration(100+rand.IntN(1400))*time.Millisecond)
		p.kill()
	}
	cancel()
	group.Wait()
	p := startChild(t, broker.Address, dir)
	s.untilSent(t, broker.Address)
	pause(t, 2*time.Second) // until incidents are decided about, and sent
	p.end(t)
	s.check(t, broker.Address, kept(t, dir))
	s.check(t, broker.Address, onTopic(t, broker.Address))
	checkIncidents(t, broker.Address, dir)
	diskLost(t, s, broker.Address, dir)
}

// diskLost: with an empty disk the same states come back, and what comes then is taken in as ever.
func diskLost(t *testing.T, s *sending, address, old string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "new")
	var p *process
	for tries := 1; tries <= 4; tries++ {
		p = startChild(t, address, dir)
		pause(t, time.Duration(3*tries)*time.Second)
		if p.end(t); len(kept(t, dir)) > 0 {
			break
		}
	}
	s.check(t, address, kept(t, dir))
	if was, is := failing(t, old), failing(t, dir); !reflect.DeepEqual(was, is) {
		t.Errorf("in which incident each BMC fails:\n got %v\nwant %v", is, was)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	p = startChild(t, address, dir)
	s.run(ctx, t, address)
	s.untilSent(t, address)
	pause(t, 2*time.Second)
	p.end(t)
	s.check(t, address, kept(t, dir))
	checkIncidents(t, address, dir)
}

func pause(t *testing.T, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	<-ctx.Done()
}
