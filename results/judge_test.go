package results_test

import (
	"encoding/json"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
)

var (
	due   = time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	bmc   = inventory.BMC{ID: "a", Address: netip.MustParseAddr("127.0.0.2"), Rack: "r1", Unit: 4.5, Vendor: "Dell"}
	chain = checks.Chain{{Name: checks.Ping}, {Name: checks.TLS}, {Name: checks.Power}}
)

func ok(name checks.Name, notes ...checks.Reason) checks.Result {
	return checks.NewResult(name, checks.Finding{Notes: notes}, nil, due, due.Add(time.Second))
}

func ended(name checks.Name, outcome checks.Outcome, reason checks.Reason) checks.Result {
	return checks.Result{Check: name, Outcome: outcome, Reason: reason, Error: "why", Notes: []checks.Reason{}, Facts: checks.Facts{}}
}

func task(done ...checks.Result) checks.Task {
	return checks.Task{Round: checks.Round{BMC: "a", Due: due, Why: checks.Routine}, Check: checks.Ping, Done: done}
}

func TestJudge(t *testing.T) {
	for name, test := range map[string]struct {
		done   []checks.Result
		health checks.Health
		failed checks.Name
		reason checks.Reason
	}{
		"every check answered": {
			[]checks.Result{ok(checks.Ping), ok(checks.TLS), ok(checks.Power)}, checks.Available, "", ""},
		"the BMC is silent": {
			[]checks.Result{ended(checks.Ping, checks.Failed, checks.NetTimeout)}, checks.Unavailable, checks.Ping, checks.NetTimeout},
		"a failure may mean degraded": {
			[]checks.Result{ok(checks.Ping), ok(checks.TLS), ended(checks.Power, checks.Failed, checks.PowerUnreadable)},
			checks.Degraded, checks.Power, checks.PowerUnreadable},
		"we are at fault": {
			[]checks.Result{ok(checks.Ping), ended(checks.TLS, checks.OutcomeUnknown, checks.SelfKeyring)}, checks.Unknown, checks.TLS, checks.SelfKeyring},
		"a good ping followed by silence is not available": {
			[]checks.Result{ok(checks.Ping)}, checks.Unknown, checks.TLS, checks.SelfError},
		"an expired task after a good ping": {
			[]checks.Result{ok(checks.Ping), ended(checks.TLS, checks.OutcomeUnknown, checks.SelfExpired)}, checks.Unknown, checks.TLS, checks.SelfExpired},
		"nothing was asked": {nil, checks.Unknown, checks.Ping, checks.SelfError},
		"a chain that went on after a failure proves nothing": {
			[]checks.Result{ended(checks.Ping, checks.Failed, checks.NetTimeout), ok(checks.TLS), ok(checks.Power)}, checks.Unknown, checks.Ping, checks.SelfError},
		"a failure for a reason of ours is not the BMC's": {
			[]checks.Result{ended(checks.Ping, checks.Failed, checks.SelfKeyring)}, checks.Unknown, checks.Ping, checks.SelfKeyring},
		"a failure without a reason is an error of ours": {
			[]checks.Result{ended(checks.Ping, checks.Failed, "")}, checks.Unknown, checks.Ping, checks.SelfError},
		"an unknown result may not blame the BMC": {
			[]checks.Result{ended(checks.Ping, checks.OutcomeUnknown, checks.NetTimeout)}, checks.Unknown, checks.Ping, checks.SelfError},
		"the worst note is the reason": {
			[]checks.Result{ok(checks.Ping), ok(checks.TLS, checks.TLSWeak, checks.TLSExpired, checks.TLSExpiresSoon), ok(checks.Power)},
			checks.Degraded, "", checks.TLSExpired},
		"a note further along the chain is worse": {
			[]checks.Result{ok(checks.Ping), ok(checks.TLS, checks.TLSWeak), ok(checks.Power, checks.PowerUnreadable)},
			checks.Degraded, "", checks.PowerUnreadable},
		"an insecure setting does not hide another note": {
			[]checks.Result{ok(checks.Ping), ok(checks.TLS, checks.TLSInsecure, checks.TLSExpiresSoon), ok(checks.Power)},
			checks.Degraded, "", checks.TLSExpiresSoon},
	} {
		t.Run(name, func(t *testing.T) {
			v := results.Judge(task(test.done...), bmc, chain, "sat", due.Add(time.Minute))
			if v.Health != test.health || v.Failed != test.failed || v.Reason != test.reason {
				t.Errorf("got %v %q %q, want %v %q %q", v.Health, v.Failed, v.Reason, test.health, test.failed, test.reason)
			}
			if info := test.reason.Info(); v.Owner != info.Owner || v.NextStep != info.NextStep {
				t.Errorf("owner %q next step %q, want %q %q", v.Owner, v.NextStep, info.Owner, info.NextStep)
			}
		})
	}
}

func TestJudgeFillsTheDocument(t *testing.T) {
	carried := ok(checks.Power)
	carried.At = due.Add(-time.Hour)
	in := task(ok(checks.Ping), ended(checks.TLS, checks.OK, ""), carried)
	in.Carried = []checks.Result{carried}
	v := results.Judge(in, bmc, chain, "sat", due)
	got, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"schema":"lamplighter.verdict.v1","bmc":"a","address":"127.0.0.2","site":"","room":"","row":"","rack":"r1",` +
		`"unit":4.5,"vendor":"Dell","model":"","satellite":"sat","health":"available","failed":"","reason":"","owner":"","next_step":"",` +
		`"round":"a@2026-11-22T03:00:00.000Z#routine","at":"2026-11-22T03:00:00Z","trail":[` +
		`{"check":"ping","outcome":"ok","reason":"","notes":[],"error":"","took_ms":1000,"age_s":0,"facts":{},"at":"2026-11-22T03:00:01Z"},` +
		`{"check":"tls","outcome":"ok","reason":"","notes":[],"error":"why","took_ms":0,"age_s":0,"facts":{},"at":"0001-01-01T00:00:00Z"},` +
		`{"check":"power","outcome":"ok","reason":"","notes":[],"error":"","took_ms":1000,"age_s":3600,"facts":{},"at":"2026-11-22T02:00:00Z"}]}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// Rule 2 of the design: never Unavailable without a check that failed in this round, and for a reason of the BMC's.
func TestJudgeNeverBlamesWithoutAFailedCheck(t *testing.T) {
	for seed := range uint64(20_000) {
		v := results.Judge(randomTask(rand.New(rand.NewPCG(seed, 1))), bmc, chain, "sat", due)
		last := checks.Result{}
		if len(v.Trail) > 0 {
			last = v.Trail[len(v.Trail)-1]
		}
		if v.Health == checks.Unavailable && (last.Outcome != checks.Failed || last.Reason.Info().Owner == checks.OwnerUs || v.Failed != last.Check) {
			t.Fatalf("seed %d: unavailable by %+v", seed, last)
		}
		if v.Health == checks.Available && (v.Failed != "" || v.Reason != "" || len(v.Trail) != len(chain)) {
			t.Fatalf("seed %d: available with %d of %d checks asked: %+v", seed, len(v.Trail), len(chain), v)
		}
		if (v.Health == checks.Unknown) != (v.Owner == checks.OwnerUs) {
			t.Fatalf("seed %d: %v is the job of %q", seed, v.Health, v.Owner)
		}
	}
}

func randomTask(r *rand.Rand) checks.Task {
	var done []checks.Result
	for _, check := range chain[:r.IntN(len(chain)+1)] {
		result := checks.Result{Check: check.Name, Outcome: checks.OK}
		if r.IntN(4) == 0 {
			result.Outcome = checks.Outcome(r.IntN(3))
			result.Reason = checks.Reasons[r.IntN(len(checks.Reasons))].Reason
		}
		if r.IntN(8) == 0 {
			result.Notes = append(result.Notes, checks.Reasons[r.IntN(10)].Reason)
		}
		done = append(done, result)
	}
	return task(done...)
}
