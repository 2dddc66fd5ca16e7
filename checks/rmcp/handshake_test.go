package rmcp

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"lamplighter/inventory"
)

func TestEachStatusOfTheHandshake(t *testing.T) {
	t.Parallel()
	c := running(t)
	for code := byte(1); code <= 0x13; code++ {
		for _, stage := range []Stage{StageOpen, StageRAKP1, StageRAKP3} {
			t.Run(fmt.Sprintf("0x%02x to %s", code, stage), func(t *testing.T) {
				t.Parallel()
				statusCase(t, c, stage, code)
			})
		}
	}
}

func statusCase(t *testing.T, c *Client, stage Stage, code byte) {
	payloadType := map[Stage]byte{StageOpen: payloadOpenRequest, StageRAKP1: payloadRAKP1, StageRAKP3: payloadRAKP3}[stage]
	for _, short := range []bool{true, false} {
		b := startImpostor(t, &impostor{bend: at(payloadType, func(b []byte) []byte {
			b[1] = code
			if short {
				return b[:2]
			}
			return b[:8]
		})})
		_, err := c.Open(soon(t), b.addr, fakeLogin())
		var status *StatusError
		if !errors.As(err, &status) || *status != (StatusError{stage, code}) {
			t.Fatalf("%v, want status %02x at %s", err, code, stage)
		}
		want := 1
		noSuite := status.Meaning() == NoSuite && stage != StageRAKP3 // by then the password was used
		if noSuite || status.Meaning() == Transient {
			want = 2 // the other suite, or the same once more
		}
		if got := len(b.got(payloadOpenRequest)); got != want {
			t.Errorf("%v: %d logins, want %d", err, got, want)
		}
		if errors.Is(err, ErrSuite) != noSuite {
			t.Errorf("%v: is ErrSuite: %v", err, errors.Is(err, ErrSuite))
		}
	}
}

func TestALostHalfOpenSessionIsTriedOnceMore(t *testing.T) {
	t.Parallel()
	b := startImpostor(t, &impostor{bend: func(pt byte, nth int, b []byte) []byte {
		if pt == payloadRAKP1 && nth == 1 {
			b[1] = 0x08
		}
		return b
	}})
	if _, err := running(t).Open(soon(t), b.addr, fakeLogin()); err != nil {
		t.Error(err)
	}
}

func TestTheRememberedSuiteIsTriedFirst(t *testing.T) {
	t.Parallel()
	for first, want := range map[uint8][]uint8{0: {17, 3}, 3: {3, 17}, 17: {17, 3}, 8: {17, 3}} {
		if got := Suites(first); !slices.Equal(got, want) {
			t.Errorf("Suites(%d) = %v, want %v", first, got, want)
		}
	}
}

func TestAnAbandonedLoginIsTakenBack(t *testing.T) {
	t.Parallel()
	c := running(t)
	silent := startImpostor(t, &impostor{raw: func(_ *impostor, pt byte, _ int, d []byte) [][]byte {
		if pt == payloadRAKP3 {
			return nil
		}
		return [][]byte{d}
	}})
	if _, err := c.Open(soon(t), silent.addr, fakeLogin(17)); !errors.Is(err, ErrTimeout) {
		t.Fatalf("%v, want %v", err, ErrTimeout)
	}
	eventually(t, "a Close Session", func() bool { return len(silent.got(payloadIPMI)) == 1 })

	mute := startImpostor(t, &impostor{raw: func(_ *impostor, pt byte, _ int, d []byte) [][]byte {
		if pt == payloadRAKP1 {
			return nil
		}
		return [][]byte{d}
	}})
	if _, err := c.Open(soon(t), mute.addr, fakeLogin(17)); !errors.Is(err, ErrTimeout) {
		t.Fatalf("%v, want %v", err, ErrTimeout)
	}
	eventually(t, "a Close Session", func() bool { return len(mute.got(payloadIPMI)) == 1 })
	if len(mute.got(payloadRAKP3)) > 0 {
		t.Error("a RAKP 3 followed no RAKP 2")
	}

	forged := startImpostor(t, &impostor{bend: at(payloadRAKP1, flip(-1))})
	if _, err := c.Open(soon(t), forged.addr, fakeLogin(17)); !errors.Is(err, ErrPassword) {
		t.Fatalf("%v, want %v", err, ErrPassword)
	}
	eventually(t, "a RAKP 3 with a status", func() bool {
		got := forged.got(payloadRAKP3)
		return len(got) == 1 && len(got[0]) == 8 && got[0][1] == statusIntegrity
	})
}

// eventually polls a condition of a real socket.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	timeout, tick := time.NewTimer(5*time.Second), time.NewTicker(5*time.Millisecond)
	defer timeout.Stop()
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-timeout.C:
			t.Fatalf("%s never came", what)
		}
	}
}

func TestACredentialThatIPMICannotExpressIsNotSent(t *testing.T) {
	t.Parallel()
	b, c := startImpostor(t, &impostor{}), running(t)
	for name, l := range map[string]Login{
		"a user name of 17 bytes": {Username: "12345678901234567", Password: inventory.NewSecret("x")},
		"a password of 21 bytes":  {Username: "admin", Password: inventory.NewSecret("123456789012345678901")},
		"an empty password":       {Username: "admin"},
	} {
		if _, err := c.Open(soon(t), b.addr, l); !errors.Is(err, ErrCredential) {
			t.Errorf("%s: %v, want %v", name, err, ErrCredential)
		}
	}
	if n := len(b.got(payloadOpenRequest)); n > 0 {
		t.Errorf("%d requests were sent", n)
	}
}

func TestCancellationStaysCancellation(t *testing.T) {
	t.Parallel()
	b := startImpostor(t, &impostor{raw: func(*impostor, byte, int, []byte) [][]byte { return nil }})
	ctx, cancel := context.WithCancel(context.Background())
	c, got := running(t), make(chan error)
	go func() {
		_, err := c.Open(ctx, b.addr, fakeLogin())
		got <- err
	}()
	eventually(t, "the first request", func() bool { return len(b.got(payloadOpenRequest)) > 0 })
	cancel()
	if err := <-got; !errors.Is(err, context.Canceled) || errors.Is(err, ErrTimeout) {
		t.Errorf("%v, want %v", err, context.Canceled)
	}
}
