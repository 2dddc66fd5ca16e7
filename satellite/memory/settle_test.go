package memory

import (
	"testing"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
)

// scene is the fence of one BMC, decided on as two satellites and a person do.
type scene struct {
	fence Fence
	open  map[string]outcome
}

func (s *scene) put(f Fence) {
	f.Seq = s.fence.Seq + 1
	s.fence = f
}

func (s *scene) begin(name, version string, at time.Time) {
	o := outcome{BMC: "a", Round: checks.Round{BMC: "a"}, Before: s.fence, Intent: name}
	o.Intended = DefaultRule().intend(s.fence, "a", "c", version, name, at)
	s.put(o.Intended)
	o.Intended = s.fence
	s.open[name] = o
}

func (s *scene) end(name string, at time.Time, how Outcome) {
	o := s.open[name]
	o.Outcome, o.At = how, at
	s.put(DefaultRule().settle(s.fence, o))
}

func TestOutcomesThatComeLateOrInAnotherOrder(t *testing.T) {
	at := func(minutes int) time.Time { return start.Add(time.Duration(minutes) * time.Minute) }
	for name, test := range map[string]struct {
		play  func(s *scene)
		tries int // of version 1
		final bool
		open  int
	}{
		"refused, read after a clear": {func(s *scene) { s.begin("x", "1", at(0)); s.put(Fence{}); s.end("x", at(1), Refused) }, 1, false, 0},
		"silent, read after a clear":  {func(s *scene) { s.begin("x", "1", at(0)); s.put(Fence{}); s.end("x", at(1), None) }, 0, false, 0},
		"silent, while a person's login runs": {func(s *scene) { s.begin("x", "1", at(0)); s.begin("y", "1", at(0)); s.end("x", at(1), None) },
			1, false, 1},
		"both silent": {func(s *scene) {
			s.begin("x", "1", at(0))
			s.begin("y", "1", at(0))
			s.end("x", at(1), None)
			s.end("y", at(1), None)
		}, 0, false, 0},
		"accepted, while a person's login runs": {func(s *scene) { s.begin("x", "1", at(0)); s.begin("y", "1", at(0)); s.end("x", at(1), Accepted) },
			1, false, 1},
		"both refused": {func(s *scene) {
			s.begin("x", "1", at(0))
			s.begin("y", "1", at(0))
			s.end("y", at(1), Refused)
			s.end("x", at(2), Refused)
		}, 2, true, 0},
		"an old accepted login does not wipe a later refusal": {func(s *scene) {
			s.begin("x", "1", at(0))
			s.begin("y", "1", at(61))
			s.end("y", at(62), Refused)
			s.end("x", at(1), Accepted)
		}, 1, false, 0},
		"accepted wipes an earlier refusal": {func(s *scene) {
			s.begin("x", "1", at(0))
			s.end("x", at(1), Refused)
			s.begin("y", "1", at(61))
			s.end("y", at(62), Accepted)
		}, 0, false, 0},
		"an outcome of one version leaves the other's fence": {func(s *scene) {
			s.begin("x", "1", at(0))
			s.end("x", at(1), Refused)
			s.begin("y", "2", at(2))
			s.begin("z", "1", at(61))
			s.end("y", at(62), Accepted)
			s.end("z", at(62), Refused)
		}, 2, true, 0},
		"the same outcome written twice is one": {func(s *scene) {
			s.begin("x", "1", at(0))
			s.end("x", at(1), None)
			s.end("x", at(1), None)
		}, 0, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := scene{open: map[string]outcome{}}
			test.play(&s)
			f := s.fence.about("c", "1")
			if f.Tries != test.tries || f.Final != test.final || len(f.Intents) != test.open {
				t.Errorf("got %+v, want %d tries, final %v, %d open", f, test.tries, test.final, test.open)
			}
		})
	}
}

func TestManyVersionsAreRememberedWithoutEnd(t *testing.T) {
	m := open(t, "")
	for i := range 30 {
		login(t, m, start, "a", string(rune('a'+i)), checks.Routine, Refused)
	}
	if f, _ := m.Fence(inventory.ID("a")); len(f.Others) != mostOthers || f.Others[0].Version != string(rune('a'+28)) || f.Others[0].Others != nil {
		t.Errorf("%d others, the newest %+v", len(f.Others), f.Others[0])
	}
}

func TestAnOlderFileIsRead(t *testing.T) {
	path := t.TempDir() + "/m"
	write(t, path, `{"kind":"fence","bmc":"a","fence":{"credential":"c","version":"1","tries":1,"until":"2026-11-22T03:30:00Z","intent":"abc"}}`+"\n"+
		`{"kind":"fence","bmc":"b","fence":{"credential":"c","version":"1","tries":2,"final":true,"at":"2026-11-22T03:00:00Z","login":"2026-11-22T03:00:00Z"}}`+"\n"+
		`{"kind":"fence","bmc":"c","fence":{"credential":"","version":""}}`+"\n")
	m := open(t, path)
	for id, want := range map[inventory.ID]Decision{"a": Unsure, "b": Fenced, "c": Allowed} {
		if got := login(t, m, start.Add(time.Minute), id, "1", checks.Routine, None); got != want {
			t.Errorf("%s: %d, want %d", id, got, want)
		}
	}
	standing := m.Fences()
	if len(standing) != 2 || !standing[0].Unsure || standing[1].Unsure || !standing[1].Final || !standing[1].Since.Equal(start) {
		t.Errorf("standing: %+v", standing)
	}
}
