package api

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"lamplighter/inventory"
	"lamplighter/results"
)

func quieting(kind, where, more string) string {
	return fmt.Sprintf(`{"kind":%q,"where":%q,"reason":"switch replaced"%s}`, kind, where, more)
}

func TestASilenceShowsWhatItReachesBeforeItIsMade(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.good(0, 90, nil)
	f.bad(3)
	f.incident("bmc-00003")
	dry := send[MadeSilence](f, "POST", "/silences", quieting("silence", "rack=A01", `,"for":"2h","dry_run":true`), 200)
	if dry.Done || dry.Matched != 40 || dry.Failing != 1 || len(dry.Sample) != mostSample || dry.Sample[0].BMC != "bmc-00003" || dry.Silence.ID != "" {
		t.Errorf("%+v", dry)
	}
	if all := get[page[Silence]](f, "/silences?status=all").Items; len(all) != 0 {
		t.Errorf("a dry run made %+v", all)
	}
	send[Problem](f, "POST", "/silences", quieting("silence", "rack=A01", `,"for":"2h","expect":39`), 409)
	made := send[MadeSilence](f, "POST", "/silences", quieting("silence", "rack=A01", `,"for":"2h","expect":40,"who":"ada"`), 200)
	if !made.Done || made.Silence.ID == "" || made.Silence.Who != "ada" || made.Silence.Until.Sub(made.Silence.From) != 2*time.Hour {
		t.Errorf("%+v", made.Silence)
	}
	all := get[page[Silence]](f, "/silences").Items
	if len(all) != 1 || all[0].Matched != 40 || all[0].Failing != 1 || all[0].Status != Holds || all[0].Idle {
		t.Errorf("%+v", all)
	}
	until(t, "the incident is quiet", func() bool { return get[Summary](f, "/summary").Incidents.Silenced == 1 })
	sum := get[Summary](f, "/summary")
	if sum.Silenced != 40 || sum.Maintenance != 0 || sum.Silences.Holding != 1 || !strings.HasPrefix(sum.Sentence, "1 incident (1 silenced), 1 of 90 BMCs failing") {
		t.Errorf("%+v", sum)
	}
	d := get[Detail](f, "/bmcs/bmc-00003")
	if d.Silence == nil || d.Silence.ID != made.Silence.ID || d.Code != "P" {
		t.Errorf("%+v", d)
	}
	if list := get[page[BMC]](f, where("/bmcs", "silenced and health=unavailable")).Items; len(list) != 1 || list[0].Silenced.Silence != made.Silence.ID {
		t.Errorf("%+v", list)
	}
	send[struct{}](f, "DELETE", "/silences/"+made.Silence.ID, "", 204)
	if sum := get[Summary](f, "/summary"); sum.Silenced != 0 || sum.Silences.Holding != 0 {
		t.Errorf("%+v", sum)
	}
	send[Problem](f, "DELETE", "/silences/"+made.Silence.ID, "", 409)
	if all := get[page[Silence]](f, "/silences?status=over").Items; len(all) != 1 || all[0].Status != Over || all[0].EndedBy != "local" {
		t.Errorf("%+v", all)
	}
	acts := get[page[Act]](f, "/audit").Items
	if len(acts) != 2 || acts[0].Do != "end" || acts[1].Do != "silence" || acts[1].Who != "ada" || acts[1].Count != 40 || acts[1].Silence != made.Silence.ID {
		t.Errorf("%+v", acts)
	}
}

func TestAMaintenanceShowsWhateverTheHealthIs(t *testing.T) {
	f := newFleet(t)
	f.good(0, 50, nil)
	f.bad(3)
	later := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	waits := send[MadeSilence](f, "POST", "/silences", quieting("maintenance", "rack=A02", `,"from":"`+later+`","for":"30d","ticket":"CHG-77"`), 200)
	send[MadeSilence](f, "POST", "/silences", quieting("maintenance", "rack=A01", `,"for":"8h"`), 200)
	send[MadeSilence](f, "POST", "/silences", quieting("silence", "bmc=bmc-00003", `,"for":"1h"`), 200)
	if b := get[Detail](f, "/bmcs/bmc-00003"); b.Code != "m" || b.Silence == nil || b.Silence.Kind != results.Maintenance {
		t.Errorf("%+v", b)
	}
	if sum := get[Summary](f, "/summary"); sum.Maintenance != 40 || sum.Silences != (SilenceCounts{Holding: 2, Maintenance: 1}) {
		t.Errorf("%+v", sum)
	}
	all := get[page[Silence]](f, "/silences?status=waits").Items
	if len(all) != 1 || all[0].ID != waits.Silence.ID || all[0].Matched != 10 || all[0].Ticket != "CHG-77" {
		t.Errorf("%+v", all)
	}
}

func TestASilenceThatCannotBeIsRefusedWithWhatIsWanted(t *testing.T) {
	f := newFleet(t)
	f.good(0, 1, nil)
	for body, want := range map[string]string{
		quieting("silence", "rack=A01", ""):                                                             "until: want when it ends: until, or for such as 2h; none holds for ever",
		quieting("silence", "rack=A01", `,"for":"2h","until":"2030-01-01T00:00:00Z"`):                   "want either until or for",
		quieting("silence", "rack=A01", `,"for":"soon"`):                                                "want a time span: 90s, 15m, 2h or 3d",
		quieting("silence", "rack=A01", `,"for":"8d"`):                                                  "at most 7 days later",
		quieting("maintenance", "rack=A01", `,"for":"91d"`):                                             "at most 90 days later",
		quieting("maintenance", "rack=A01", `,"for":"1h","from":"2100-01-01T00:00:00Z"`):                "want a time within the next 90 days",
		quieting("silence", "rack=A01", `,"until":"2020-01-01T00:00:00Z"`):                              "ends after it began",
		quieting("nap", "rack=A01", `,"for":"2h"`):                                                      "want silence or maintenance",
		quieting("silence", "", `,"for":"2h"`):                                                          "want which BMCs",
		quieting("silence", "rack=A01 and firmwar<2", `,"for":"2h"`):                                    "is firmware meant?",
		quieting("silence", "rack=A01 and age>2h", `,"for":"2h"`):                                       "by what they are",
		quieting("silence", "incident=x", `,"for":"2h"`):                                                "by what they are",
		quieting("silence", "label.tenant=x", `,"for":"2h"`):                                            "this process knows none",
		`{"kind":"silence","where":"rack=A01","for":"2h","reason":" "}`:                                 "reason: want why",
		`{"kind":"silence","where":"rack=A01","for":"2h","reason":"x","till":"now"}`:                    "unknown field",
		`{"kind":"silence","where":"rack=A01","for":"2h","reason":"` + strings.Repeat("x", 2000) + `"}`: "want at most 1000 bytes",
	} {
		p := send[Problem](f, "POST", "/silences", body, 400)
		if !strings.Contains(p.Detail, want) {
			t.Errorf("%.120s: %s; want %s", body, p.Detail, want)
		}
		if strings.Contains(body, " and ") && (p.Position != 14 || p.Parameter != "where" || p.Expected == "") {
			t.Errorf("%s: %+v", body, p)
		}
	}
	for _, path := range []string{"/incidents/nobody/ack", "/silences/nobody"} {
		send[Problem](f, "DELETE", path, "", 404)
	}
	if p := send[Problem](f, "PUT", "/incidents/nobody/ack", `{"note":"x"}`, 404); !strings.Contains(p.Detail, "no incident with the ID") {
		t.Errorf("%+v", p)
	}
	if all := get[page[Silence]](f, "/silences?status=all").Items; len(all) != 0 {
		t.Errorf("%+v", all)
	}
}

// desk is what answers about incidents.
type desk = Incidents

// old is a follower with a silence that was made two days ago.
type old struct {
	desk
	silence results.Silence
}

func (o old) Silences() []results.Silence { return []results.Silence{o.silence} }

func TestASilenceThatMatchedNothingForADayIsReported(t *testing.T) {
	began := time.Now().Add(-48 * time.Hour).UTC()
	s := results.Silence{Schema: results.SilenceSchema, ID: "sil-1", Kind: results.Silencing, Where: "rack=A99", Who: "ada", Reason: "x", MadeAt: began, From: began, Until: began.Add(72 * time.Hour)}
	f := newFleet(t, func(f *fleet) { f.between = func(i Incidents) Incidents { return old{i, s} } })
	f.good(0, 1, nil)
	if all := get[page[Silence]](f, "/silences").Items; len(all) != 1 || !all[0].Idle || all[0].Matched != 0 {
		t.Errorf("%+v", all)
	}
	if sum := get[Summary](f, "/summary"); sum.Silences.Idle != 1 || !strings.HasSuffix(sum.Sentence, "; 1 silence has matched no BMC for a day") {
		t.Errorf("%+v", sum)
	}
}

func TestLabelsCanBeAskedForWhereTheInventoryIsKnown(t *testing.T) {
	f := newFleet(t)
	f.good(0, 1, nil)
	status, answer, _ := f.call("GET", base+where("/bmcs", "rack=A01 and label.tenant=blue"), "")
	if p := new(Problem); json.Unmarshal(answer, p) != nil || status != 400 || p.Position != 14 || !strings.Contains(p.Expected, "this process knows none") {
		t.Errorf("%d %s", status, answer)
	}
	f = newFleet(t, func(f *fleet) {
		f.labels = func(id inventory.ID) map[string]string {
			return map[string]string{"tenant": map[bool]string{true: "blue", false: "red"}[id == "bmc-00002"]}
		}
	})
	f.good(0, 4, nil)
	if all := get[page[BMC]](f, where("/bmcs", "label.tenant=blue")).Items; len(all) != 1 || all[0].BMC != "bmc-00002" {
		t.Errorf("%+v", all)
	}
	made := send[MadeSilence](f, "POST", "/silences", quieting("silence", "label.tenant=blue", `,"for":"1h"`), 200)
	if made.Matched != 1 || get[Detail](f, "/bmcs/bmc-00002").Silence == nil || get[Detail](f, "/bmcs/bmc-00002").Labels["tenant"] != "blue" {
		t.Errorf("%+v", made)
	}
}
