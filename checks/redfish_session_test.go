package checks

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"lamplighter/inventory"
)

func TestWhereSessionsAreMade(t *testing.T) {
	const root = `{"RedfishVersion":"1.0.0","Systems":{"@odata.id":"/redfish/v1/Systems"}%s}`
	cases := []struct{ name, more, want string }{
		{"the root links to them", `,"Links":{"Sessions":{"@odata.id":"/redfish/v1/Sessions"}}`, "/redfish/v1/Sessions"},
		{"the root names a session service", `,"SessionService":{"@odata.id":"/redfish/v1/Special/"}`, "/redfish/v1/Special/Sessions"},
		{"the root names neither", ``, sessionsPath},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b := newBMC(t, answers{getRoot: respond(200, fmt.Sprintf(root, c.more))})
			b.answers["POST "+c.want] = func(w http.ResponseWriter, r *http.Request) { b.logIn(w, r, true, true) }
			mustEnd(t, goRound(t.Context(), t, visitTo(t, b.URL, Known{}), 5*time.Second), Power, "")
		})
	}
}

func TestABMCWithoutSessionsIsAskedByBasicAuthentication(t *testing.T) {
	b := newBMC(t, answers{postSession: respond(405, "")})
	v := visitTo(t, b.URL, Known{Systems: []string{"/redfish/v1/Systems/1"}})
	mustEnd(t, goRound(t.Context(), t, v, 5*time.Second), Power, "")
	v = visitTo(t, b.URL, Known{Systems: []string{"/redfish/v1/Systems/1"}})
	v.Login.Password = inventory.NewSecret("wrong")
	mustEnd(t, goRound(t.Context(), t, v, 5*time.Second), RedfishLogin, AuthRejected)
}

func TestSessionsAreEndedWhateverTheAnswerLacked(t *testing.T) {
	cases := []struct {
		name            string
		token, location bool
		check           Name
		want            Reason
	}{
		{"no token: deleted by name and password", false, true, RedfishLogin, APIMalformed},
		{"no location: the body says where", true, false, Power, ""},
		{"neither", false, false, RedfishLogin, APIMalformed},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b := newBMC(t, answers{})
			b.answers[postSession] = func(w http.ResponseWriter, r *http.Request) { b.logIn(w, r, c.token, c.location) }
			mustEnd(t, goRound(t.Context(), t, visitTo(t, b.URL, Known{}), 5*time.Second), c.check, c.want)
			if _, logins, open := b.counts(); logins != 1 || open != 0 {
				t.Errorf("%d logins, %d open", logins, open)
			}
		})
	}
}

func TestALoginThatIsAnsweredTooLateIsEnded(t *testing.T) {
	b := newBMC(t, answers{})
	waiting, answerNow := make(chan struct{}), make(chan struct{})
	b.answers[postSession] = func(w http.ResponseWriter, r *http.Request) {
		close(waiting)
		<-answerNow
		b.logIn(w, r, true, true)
	}
	v := visitTo(t, b.URL, Known{})
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := runRedfishLogin(ctx, v)
	if FaultOf(err).Reason != APITimeout {
		t.Fatalf("login: %v", err)
	}
	<-waiting
	close(answerNow)
	if err := v.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if requests, logins, open := b.counts(); logins != 1 || open != 0 {
		t.Errorf("%d logins, %d open: %v", logins, open, requests)
	}
}

func TestACancelledRoundIsNobodysFaultAndLeavesNoSession(t *testing.T) {
	for _, at := range []string{getRoot, postSession, getSystems, getSystem} {
		t.Run("cancelled during "+at, func(t *testing.T) {
			b := newBMC(t, answers{})
			ctx, cancel := context.WithCancel(t.Context())
			b.answers[at] = func(w http.ResponseWriter, r *http.Request) {
				cancel()
				b.healthy(w, r)
			}
			v := visitTo(t, b.URL, Known{})
			_, err := runRedfishLogin(ctx, v)
			if err == nil {
				_, err = runPower(ctx, v)
			}
			var fault *Fault
			if err != nil && (!errors.Is(err, context.Canceled) || errors.As(err, &fault)) {
				t.Errorf("%v is blamed on somebody", err)
			}
			if err := v.Close(context.WithoutCancel(ctx)); err != nil {
				t.Error(err)
			}
			if requests, _, open := b.counts(); open != 0 {
				t.Errorf("%d open: %v", open, requests)
			}
		})
	}
}

func TestClosingDoesNotWaitForEver(t *testing.T) {
	b := newBMC(t, answers{})
	done := make(chan struct{})
	b.answers[postSession] = func(http.ResponseWriter, *http.Request) { <-done }
	defer close(done)
	v := visitTo(t, b.URL, Known{})
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, _ = runRedfishLogin(ctx, v)
	closing, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := v.Close(closing); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("close: %v", err)
	}
}

func TestARootThatRedirectsToItsOtherSpellingIsAskedThere(t *testing.T) {
	b := newBMC(t, answers{getRoot: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "/redfish/v1")
		w.WriteHeader(http.StatusMovedPermanently)
	}})
	mustEnd(t, goRound(t.Context(), t, visitTo(t, b.URL, Known{}), 5*time.Second), RedfishLogin, APIMalformed) // 404 there
	b.answers["GET /redfish/v1"] = func(w http.ResponseWriter, r *http.Request) {
		r.URL.Path += "/"
		b.healthy(w, r)
	}
	mustEnd(t, goRound(t.Context(), t, visitTo(t, b.URL, Known{}), 5*time.Second), Power, "")
}
