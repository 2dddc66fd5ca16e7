package icmp

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"lamplighter/checks/peers"
)

const benchmarkAddresses = 10_000

// BenchmarkEcho is one ping of 10,000 distinct addresses, as fast as it goes; cpu-us/op is for one ping.
func BenchmarkEcho(b *testing.B) {
	b.Run("ours", func(b *testing.B) {
		s := Listen()
		s.pace.every = time.Nanosecond
		running(b, s)
		allowed(b, s, "127.0.0.1")
		before := peers.UsedCPU(b)
		for b.Loop() {
			if err := echoAll(b.Context(), s, benchmarkAddresses); err != nil {
				b.Fatal(err)
			}
		}
		before.Report(b, b.N*benchmarkAddresses)
	})
	b.Run("fping", func(b *testing.B) {
		fping, err := exec.LookPath("fping")
		if err != nil {
			b.Skip("NOT TESTED: fping beside our ping: it is not installed (want: Debian/Ubuntu package fping)")
		}
		var list strings.Builder
		for i := range benchmarkAddresses {
			list.WriteString(loopback(i).String() + "\n")
		}
		before := peers.UsedCPU(b)
		for b.Loop() {
			cmd := exec.CommandContext(b.Context(), fping, "-q", "-i", "0", "-r", "0", "-f", "-")
			cmd.Stdin = strings.NewReader(list.String())
			if out, err := cmd.CombinedOutput(); err != nil {
				b.Fatalf("fping: %v: %.200s", err, out)
			}
		}
		before.Report(b, b.N*benchmarkAddresses)
	})
}
