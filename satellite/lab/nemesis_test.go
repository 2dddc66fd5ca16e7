package lab

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"
)

// inject breaks something, lifts the fault after its time, and says when it did both. What it started is over or healed when
// it returns, also when ctx ended.
func (s *site) inject(ctx context.Context, t *testing.T, f Fault) Injected {
	t.Helper()
	in := Injected{Fault: f, From: time.Now()}
	sat := s.satellites[f.Whom%uint32(len(s.satellites))]
	switch f.Kind {
	case KillBroker:
		s.rabbit.Kill9()
		sleep(ctx, f.Hold)
		in.To = lifted(ctx, fmt.Sprint("127.0.0.1:", s.rabbit.TLSPort), func() { s.rabbit.Restart(t) })
	case FreezeBroker:
		s.rabbit.Freeze(t)
		sleep(ctx, f.Hold)
		s.rabbit.Thaw(t)
	case CloseConnections:
		s.rabbit.CloseAllConnections(t, s.vhost)
	case Reset:
		for _, one := range s.satellites {
			one.wire.Cut()
		}
	case MemoryAlarm:
		s.rabbit.MemoryAlarm(t, true)
		sleep(ctx, f.Hold)
		s.rabbit.MemoryAlarm(t, false)
	case KillSatellite:
		in.Satellite = sat.name
		sat.process.Kill()
		sleep(ctx, f.Hold)
		in.To = time.Now()
		sat.start(t)
	case FreezeSatellite:
		in.Satellite = sat.name
		sat.process.Freeze(t)
		sleep(ctx, f.Hold)
		sat.process.Thaw(t)
	case KillKafka:
		s.kafka.Kill()
		sleep(ctx, f.Hold)
		in.To = lifted(ctx, s.kafka.Address, func() { s.kafka.Restart(t) })
	}
	if in.To.IsZero() {
		in.To = time.Now()
	}
	return in
}

// lifted has something start again and says when it took the first connection, which is before it is as it should be.
func lifted(ctx context.Context, address string, start func()) time.Time {
	ctx, stop := context.WithCancel(ctx)
	accepted := make(chan time.Time, 1)
	go func() {
		until(ctx, 2*time.Minute, func() bool {
			conn, err := net.DialTimeout("tcp", address, time.Second)
			if err == nil {
				_ = conn.Close()
			}
			return err == nil
		})
		accepted <- time.Now()
	}()
	defer func() { stop(); <-accepted }()
	start()
	at := <-accepted
	accepted <- at // for the end
	return at
}
