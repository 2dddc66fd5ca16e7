package results

import (
	"encoding/json"
	"testing"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
)

// fullRound is a task at the end of a Redfish chain.
func fullRound() (checks.Task, inventory.BMC) {
	now := time.Now()
	bmc := inventory.BMC{ID: "ams1-000001", Site: "ams1", Room: "hall-1", Row: "A", Rack: "A03", Unit: 7, Protocol: inventory.Redfish}
	task := checks.Task{Round: checks.Round{BMC: bmc.ID, Due: now.UTC().Truncate(time.Millisecond), Why: checks.Routine}, Rev: bmc.Rev(), Check: checks.Power, Expires: now.Add(time.Minute)}
	for _, name := range []checks.Name{checks.Ping, checks.TLS, checks.RedfishLogin, checks.Power} {
		facts := checks.Facts{"answered": "icmp", "rtt_us": "120", "protocol": "redfish"}
		task.Done = append(task.Done, checks.NewResult(name, checks.Finding{Facts: facts}, nil, now, now))
	}
	return task, bmc
}

func BenchmarkJudge(b *testing.B) {
	task, bmc := fullRound()
	chain, now := checks.Default(), time.Now()
	b.ReportAllocs()
	for b.Loop() {
		if v := Judge(task, bmc, chain, "sat", now); v.Health != checks.Available {
			b.Fatal(v.Health)
		}
	}
}

// BenchmarkTask is the message that the last of four checks gets.
func BenchmarkTask(b *testing.B) {
	task, _ := fullRound()
	task.Done = task.Done[:3]
	body, err := json.Marshal(task)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("encode", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			_, _ = json.Marshal(task)
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			var t checks.Task
			if err := json.Unmarshal(body, &t); err != nil {
				b.Fatal(err)
			}
		}
	})
}
