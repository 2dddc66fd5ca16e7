package api

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/results/follow"
	"lamplighter/results/store"
)

// documents is what an event with documents says.
type documents[T any] struct {
	Rows []T
	All  bool
}

func read[T any](t *testing.T, ev event) (d documents[T]) {
	t.Helper()
	if err := json.Unmarshal(ev.data, &d); err != nil {
		t.Fatalf("%s: %v", ev.data, err)
	}
	return d
}

// rows reads deltas until met is true of what they say together.
func (e *ear) rows(met func(rows map[inventory.ID]Row) bool) {
	e.t.Helper()
	all := map[inventory.ID]Row{}
	for !met(all) {
		for _, row := range rowsOf(e.t, e.until("delta").data) {
			all[row.BMC] = row
		}
	}
}

func TestTheStreamTellsIncidentsSilencesAndWhatLiesOverABMC(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.good(0, 50, nil)
	e := f.listen("")
	position := e.until("hb").id
	f.bad(3)
	told := read[Incident](t, e.until("incident"))
	if len(told.Rows) != 1 || told.All || told.Rows[0].Title == "" || told.Rows[0].Failing != 1 {
		t.Fatalf("%+v", told)
	}
	id := told.Rows[0].ID
	e.rows(func(rows map[inventory.ID]Row) bool { return rows["bmc-00003"].Incident == id })

	made := send[MadeSilence](f, "POST", "/silences", quieting("silence", "rack=A01", `,"for":"2h"`), 200)
	if told := read[results.Silence](t, e.until("silence")); len(told.Rows) != 1 || told.Rows[0].ID != made.Silence.ID {
		t.Errorf("%+v", told)
	}
	e.rows(func(rows map[inventory.ID]Row) bool {
		return len(rows) == 40 && rows["bmc-00003"].Silenced == results.Silencing && rows["bmc-00039"].Silenced == results.Silencing
	})
	snapshot := get[Snapshot](f, "/snapshot")
	if len(snapshot.Incidents) != 1 || snapshot.Incidents[0].ID != id || snapshot.Rows[3].Incident != id || snapshot.Rows[39].Silenced == "" || snapshot.Rows[40].Silenced != "" {
		t.Errorf("%+v", snapshot.Incidents)
	}

	again := f.listen("?since=" + position)
	if hello := again.until("hello"); !strings.Contains(string(hello.data), made.Silence.ID) {
		t.Errorf("%s", hello.data)
	}
	if all := read[Incident](t, again.until("incident")); len(all.Rows) != 1 || !all.All {
		t.Errorf("%+v", all)
	}
	if over := read[lying](t, again.until("over")); len(over.Rows) != 40 || !slices.Contains(over.Rows, lying{"bmc-00003", "P", id, false, results.Silencing}) {
		t.Errorf("%+v", over)
	}
	send[struct{}](f, "DELETE", "/silences/"+made.Silence.ID, "", 204)
	if told := read[results.Silence](t, e.until("silence")); len(told.Rows) != 1 || told.Rows[0].EndedAt.IsZero() {
		t.Errorf("%+v", told)
	}
	e.rows(func(rows map[inventory.ID]Row) bool { return len(rows) == 40 && rows["bmc-00039"].Silenced == "" })
}

func TestAClientWithAFilterSeesWhatComesUnderASilence(t *testing.T) {
	f := newFleet(t)
	f.good(0, 50, nil)
	e := f.listen("?where=maintenance")
	e.want("hello")
	made := send[MadeSilence](f, "POST", "/silences", quieting("maintenance", "rack=A02", `,"for":"2h"`), 200)
	e.rows(func(rows map[inventory.ID]Row) bool {
		return len(rows) == 10 && rows["bmc-00040"].Code == results.CodeMaintenance
	})
	send[struct{}](f, "DELETE", "/silences/"+made.Silence.ID, "", 204)
	e.rows(func(rows map[inventory.ID]Row) bool { return len(rows) == 10 && rows["bmc-00040"].Gone })
}

func TestWhatEndsByItselfIsToldOnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := known(1, checks.Unavailable, 1)
		h := newHub(func(inventory.ID) *follow.BMC { return b })
		h.begin("e", 1, []*follow.BMC{b})
		v, err := h.join(zeroFilter, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		client, _ := h.enter(v, "", time.Now())
		now := time.Now()
		h.silences([]results.Silence{{ID: "s", Kind: results.Maintenance, Where: "bmc=bmc-1", From: now.Add(time.Minute), Until: now.Add(time.Hour)}}, now)
		h.ack(map[inventory.ID]*store.Ack{"bmc-1": {BMC: "bmc-1", Until: now.Add(30 * time.Minute)}}, now)
		_, _ = client.next()
		for _, test := range []struct {
			wait time.Duration
			want string
		}{
			{59 * time.Second, ""},
			{2 * time.Second, `"code":"m"`},
			{30 * time.Minute, `"silenced":"maintenance"}`}, // acknowledged no more
			{30 * time.Minute, `"code":"?"`},
			{24 * time.Hour, ""},
		} {
			time.Sleep(test.wait)
			h.turnOver(time.Now())
			frames, _ := client.next()
			if (test.want == "") != (len(frames) == 0) || test.want != "" && !strings.Contains(string(frames[0]), test.want) {
				t.Errorf("after %v: %s, want %s", test.wait, frames, test.want)
			}
		}
	})
}

func TestManyAcknowledgementsAreOneEvent(t *testing.T) {
	h := newHub(func(inventory.ID) *follow.BMC { return nil })
	v, err := h.join(zeroFilter, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	all := map[inventory.ID]store.Ack{}
	for n := range 1000 {
		id := known(n, checks.Unavailable, 1).State.BMC
		all[id] = store.Ack{BMC: id, Who: "ada"}
	}
	h.acks(all, time.Now())
	h.acks(all, time.Now()) // nothing new
	if v.count != 1 || strings.Count(string(v.frames[0]), `"who":"ada"`) != 1000 {
		t.Errorf("%d events", v.count)
	}
}
