package owners

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lamplighter/inventory"
)

const aHello = `{"name":"sat-a","started":"2026-01-02T03:04:05Z","seq":7,"ready":true,"sees":[{"name":"sat-b","started":"2026-01-02T03:04:06Z","seq":3},` +
	`{"name":"sat-a","started":"2026-01-02T03:04:05Z","seq":6}],"holds":["bmc-1"],"frontier":"2026-01-02T03:05:00Z","colour":"green"}`

func TestAHelloIsReadAndWhatIsNotKnownPassedOver(t *testing.T) {
	h, err := decode([]byte(aHello))
	if err != nil || h.Name != "sat-a" || h.Seq != 7 || !h.Ready || h.Sees[0].Name != "sat-a" || h.Sees[1].Seq != 3 || h.Holds[0] != "bmc-1" {
		t.Errorf("%+v, %v", h, err)
	}
}

func TestWhatIsNoHelloIsRefused(t *testing.T) {
	many := strings.Repeat(`"bmc",`, maxHolds) + `"bmc"`
	for name, body := range map[string]string{
		"nothing": "", "no JSON": "hello", "no object": "[]", "no name": `{"started":"2026-01-02T03:04:05Z"}`, "no start": `{"name":"sat-a"}`,
		"a line break in the name": `{"name":"a\nb","started":"2026-01-02T03:04:05Z"}`,
		"a nameless one seen":      `{"name":"sat-a","started":"2026-01-02T03:04:05Z","sees":[{}]}`,
		"holds too much":           `{"name":"sat-a","started":"2026-01-02T03:04:05Z","holds":[` + many + `]}`,
		"too long":                 `{"name":"sat-a","started":"2026-01-02T03:04:05Z","x":"` + strings.Repeat("x", maxHello) + `"}`,
	} {
		if h, err := decode([]byte(body)); err == nil {
			t.Errorf("%s: read as %+v", name, h)
		}
	}
}

func TestGarbageIsCountedAndHarmsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, 5, 6, 0)
		a := s.start("sat-a")
		s.run(time.Second)
		noise := s.air.station("noise")
		s.air.set(func() { noise.held = true })
		for _, body := range []string{"", "{}", "\xff"} {
			if err := noise.Tell(t.Context(), []byte(body)); err != nil {
				t.Fatal(err)
			}
		}
		s.run(9 * time.Second)
		if a.Garbled() != 3 || !a.Alive() || len(a.View()) != 1 {
			t.Errorf("garbled %d, alive %v, view %v", a.Garbled(), a.Alive(), a.View())
		}
	})
}

func TestAHelloHoldsNoMoreThanOthersRead(t *testing.T) {
	h := hello{word: word{peer: peer{"sat-a", time.Now()}}}
	for i := range 2 * maxHolds {
		h.Holds = append(h.Holds, inventory.ID(fmt.Sprint("bmc-", i)))
	}
	body, err := h.encode()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := decode(body); err != nil || len(got.Holds) != maxHolds {
		t.Errorf("%d, %v", len(got.Holds), err)
	}
}

func TestWhoeverOnlyListensSeesWhoIsThereAndStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, 5, 8, 0)
		s.start("sat-a")
		s.start("sat-b")
		s.run(10 * time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		var last []Member
		ended := make(chan error, 1)
		go func() { ended <- Listen(ctx, s.air.station("cli"), func(m []Member) { last = m }) }()
		s.run(4 * time.Second)
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if len(last) != 2 || last[0].Name != "sat-a" || last[1].Name != "sat-b" || last[0].Stopped || len(last[0].Sees) != 2 {
			t.Errorf("%+v", last)
		}
	})
}

func FuzzHello(f *testing.F) {
	f.Add([]byte(aHello))
	f.Add([]byte(`{"name":"sat-a","started":"2026-01-02T03:04:05Z","sees":null,"holds":[""],"leaving":true}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		h, err := decode(body)
		if err != nil {
			return
		}
		again, err := h.encode()
		if err != nil {
			t.Fatal(err)
		}
		second, err := decode(again)
		if err != nil {
			t.Fatalf("%s became %s: %v", body, again, err)
		}
		if third, err := second.encode(); err != nil || !bytes.Equal(again, third) {
			t.Fatalf("%s became %s, %v", again, third, err)
		}
		v := view{me: peer{"sat-a", time.Unix(1, 0)}}
		v.hear(h, time.Unix(2, 0))
		v.hear(second, time.Unix(3, 0))
		v.turn("bmc-1", time.Unix(3, 0), "routine", time.Unix(3, 0))
	})
}
