package peers

import (
	"syscall"
	"testing"
	"time"
)

// CPU is what a benchmark counts instead of time, because the machine may be shared.
type CPU struct{ own, children time.Duration }

// UsedCPU is the CPU time, user and system, that this process and the processes that it waited for have used so far.
func UsedCPU(b testing.TB) CPU {
	b.Helper()
	var c CPU
	for who, into := range map[int]*time.Duration{syscall.RUSAGE_SELF: &c.own, syscall.RUSAGE_CHILDREN: &c.children} {
		var u syscall.Rusage
		if err := syscall.Getrusage(who, &u); err != nil {
			b.Fatalf("ask for the CPU time used: %v", err)
		}
		*into = time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	return c
}

// Report reports the CPU used since then for each of n operations: own, or of the processes started.
func (since CPU) Report(b *testing.B, n int) {
	b.Helper()
	now := UsedCPU(b)
	b.ReportMetric(float64((now.own-since.own).Nanoseconds())/1e3/float64(n), "cpu-us/op")
	if children := now.children - since.children; children > 0 {
		b.ReportMetric(float64(children.Nanoseconds())/1e3/float64(n), "children-cpu-us/op")
	}
}
