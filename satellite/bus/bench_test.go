package bus

import (
	"context"
	"testing"
)

// BenchmarkMemory is one message of 600 bytes sent and received, by up to 64 handlers at once.
func BenchmarkMemory(b *testing.B) {
	var m Memory
	ctx, cancel := context.WithCancel(b.Context())
	ended, handled := make(chan error, 1), make(chan struct{}, 64)
	go func() {
		ended <- m.Receive(ctx, "box", 64, 64, func(context.Context, Message) error {
			handled <- struct{}{}
			return nil
		})
	}()
	body := make([]byte, 600)
	b.ReportAllocs()
	for b.Loop() {
		if err := m.Send(ctx, "box", Message{ID: "id", Body: body}); err != nil {
			b.Fatal(err)
		}
		<-handled
	}
	cancel()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
}
