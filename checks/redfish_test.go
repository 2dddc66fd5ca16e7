package checks

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

type answers = map[string]http.HandlerFunc

const (
	getRoot     = "GET /redfish/v1/"
	postSession = "POST " + sessionsPath
	getSystems  = "GET /redfish/v1/Systems"
	getSystem   = "GET /redfish/v1/Systems/1"
)

func TestARoundCostsFiveRequestsAndOneHandshake(t *testing.T) {
	b := newBMC(t, nil)
	r := goRound(t.Context(), t, visitTo(t, b.URL, Known{}), 5*time.Second)
	mustEnd(t, r, Power, "")
	requests, logins, open := b.counts()
	want := []string{getRoot, postSession, getSystems, getSystem, "DELETE " + sessionsPath + "/s1"}
	if !reflect.DeepEqual(requests, want) || logins != 1 || open != 0 || b.handshakes.Load() != 1 {
		t.Errorf("%v, %d logins, %d open, %d handshakes", requests, logins, open, b.handshakes.Load())
	}
	if facts := r.last().Facts; facts[FactPower] != "on" || facts["serial"] != "SN1" || facts["systems"] != "1" {
		t.Errorf("facts %v", facts)
	}
}

func TestAFirstRoundOnAutoCostsTheSame(t *testing.T) {
	b := newBMC(t, nil)
	v := visitTo(t, b.URL, Known{})
	if is, answered, err := v.askServiceRoot(t.Context()); !is || !answered || err != nil {
		t.Fatalf("isRedfish %t, answered %t, %v", is, answered, err)
	}
	mustEnd(t, goRound(t.Context(), t, v, 5*time.Second), Power, "")
	if requests, _, open := b.counts(); len(requests) != 5 || open != 0 || b.handshakes.Load() != 1 {
		t.Errorf("%v, %d open, %d handshakes", requests, open, b.handshakes.Load())
	}
}

func TestRememberedSystemsSaveARequest(t *testing.T) {
	b := newBMC(t, nil)
	mustEnd(t, goRound(t.Context(), t, visitTo(t, b.URL, Known{Systems: []string{"/redfish/v1/Systems/1"}}), 5*time.Second), Power, "")
	if requests, _, _ := b.counts(); len(requests) != 4 {
		t.Errorf("%v", requests)
	}
}

func TestARememberedSystemThatIsGoneIsLookedForAgain(t *testing.T) {
	b := newBMC(t, answers{"GET /redfish/v1/Systems/old": respond(404, "{}")})
	mustEnd(t, goRound(t.Context(), t, visitTo(t, b.URL, Known{Systems: []string{"/redfish/v1/Systems/old"}}), 5*time.Second), Power, "")
}

func TestSeveralSystemsAreReportedEach(t *testing.T) {
	b := newBMC(t, answers{
		getSystems:                  respond(200, `{"Members":[{"@odata.id":"/redfish/v1/Systems/1"},{"@odata.id":"/redfish/v1/Systems/2"}]}`),
		"GET /redfish/v1/Systems/2": respond(200, `{"Id":"2","PowerState":"Off"}`),
	})
	facts := mustEnd(t, goRound(t.Context(), t, visitTo(t, b.URL, Known{}), 5*time.Second), Power, "").Facts
	if facts[FactPower] != "mixed" || facts["power.1"] != "on" || facts["power.2"] != "off" || facts["systems"] != "2" {
		t.Errorf("facts %v", facts)
	}
	if requests, _, _ := b.counts(); len(requests) != 6 {
		t.Errorf("%v", requests)
	}
}

func TestASystemThatCannotBeReadHidesNoOther(t *testing.T) {
	three := `{"Members":[{"@odata.id":"/redfish/v1/Systems/1"},{"@odata.id":"/redfish/v1/Systems/2"},{"@odata.id":"/redfish/v1/Systems/3"}]}`
	for _, status := range []int{403, 404, 500, 503} {
		b := newBMC(t, answers{
			getSystems: respond(200, three), "GET /redfish/v1/Systems/2": respond(status, "{}"), "GET /redfish/v1/Systems/3": respond(200, "oops"),
		})
		for _, known := range []Known{{}, {Systems: []string{"/redfish/v1/Systems/1", "/redfish/v1/Systems/2", "/redfish/v1/Systems/3"}}} {
			r := mustEnd(t, goRound(t.Context(), t, visitTo(t, b.URL, known), 5*time.Second), Power, "")
			if r.Facts["power.1"] != "on" || r.Facts["power.2"] != "unknown" || r.Facts["power.3"] != "unknown" || r.Facts["systems"] != "3" ||
				!slices.Contains(r.Notes, PowerUnreadable) {
				t.Errorf("%d: facts %v, notes %v", status, r.Facts, r.Notes)
			}
		}
	}
	b := newBMC(t, answers{getSystems: respond(200, three)})
	for _, system := range []string{"1", "2", "3"} {
		b.answers["GET /redfish/v1/Systems/"+system] = respond(503, "{}")
	}
	mustEnd(t, goRound(t.Context(), t, visitTo(t, b.URL, Known{}), 5*time.Second), Power, APIStarting)
}

func TestAMarkOfUTF8BeforeJSONIsPassedOver(t *testing.T) {
	b := newBMC(t, answers{getSystem: respond(200, "\xef\xbb\xbf"+`{"Id":"1","PowerState":"ON"}`)})
	if got := mustEnd(t, goRound(t.Context(), t, visitTo(t, b.URL, Known{}), 5*time.Second), Power, "").Facts[FactPower]; got != "on" {
		t.Errorf("power %q", got)
	}
}

func TestAWebServerInTroubleProvesNoProtocol(t *testing.T) {
	for status, want := range map[int]bool{500: false, 502: false, 503: false, 302: true, 404: true, 401: true, 200: true} {
		b := newBMC(t, answers{getRoot: respond(status, "<html>")})
		if is, answered, _ := visitTo(t, b.URL, Known{}).askServiceRoot(t.Context()); is || answered != want {
			t.Errorf("%d: redfish %v, answered %v; want %v", status, is, answered, want)
		}
	}
}

func TestNoMoreThan64SystemsAreAsked(t *testing.T) {
	var list []string
	for i := range 500 {
		list = append(list, fmt.Sprintf(`{"@odata.id":"/redfish/v1/Systems/%d"}`, i))
	}
	page := `{"Members":[` + strings.Join(list, ",") + `],"Members@odata.nextLink":"/redfish/v1/Systems"}`
	b := newBMC(t, answers{getSystems: respond(200, page)})
	if n := mustEnd(t, goRound(t.Context(), t, visitTo(t, b.URL, Known{}), 20*time.Second), Power, "").Facts["systems"]; n != "64" {
		t.Errorf("%s systems", n)
	}
}

func extended(id, text string) string {
	return fmt.Sprintf(`{"error":{"code":"Base.1.8.GeneralError","message":"see","@Message.ExtendedInfo":[{"MessageId":%q,"Message":%q}]}}`, id, text)
}

func TestRefusalsAreToldApart(t *testing.T) {
	cases := []struct {
		name   string
		at     string
		status int
		body   string
		check  Name
		want   Reason
	}{
		{"a wrong password", postSession, 401, extended("Base.1.8.ResourceAtUriUnauthorized", "no"), RedfishLogin, AuthRejected},
		{"a wrong password on an iLO", postSession, 400, extended("iLO.2.14.UnauthorizedLoginAttempt", ""), RedfishLogin, AuthRejected},
		{"a wrong password on an old iLO", postSession, 403, `{"Messages":[{"MessageID":"Base.0.10.UnauthorizedLoginAttempt"}],"Type":"ExtendedError.0.9.5"}`,
			RedfishLogin, AuthRejected},
		{"a wrong password said with 400", postSession, 400, extended("x", "Invalid username or password."), RedfishLogin, AuthRejected},
		{"a 401 without a body", postSession, 401, "", RedfishLogin, AuthRejected},
		{"an account without the right to log in", postSession, 403, "{}", RedfishLogin, AuthPrivilege},
		{"a password to be changed first", postSession, 403, extended("Base.1.13.PasswordChangeRequired", "x"), RedfishLogin, AuthPasswordChange},
		{"a locked account by its words", postSession, 401, extended("x", "The account is locked."), RedfishLogin, AuthLocked},
		{"a locked account by its message ID", postSession, 403, extended("Oem.1.0.AccountLocked", ""), RedfishLogin, AuthLocked},
		{"a locked account as a single object", postSession, 401, `{"error":{"@Message.ExtendedInfo":{"MessageId":"A.1.UserLocked"}}}`, RedfishLogin, AuthLocked},
		{"no session left on an iDRAC", postSession, 503, extended("IDRAC.2.8.RAC0218", "maximum"), RedfishLogin, SessionLimit},
		{"no session left by the standard", postSession, 503, extended("Base.1.8.SessionLimitExceeded", ""), RedfishLogin, SessionLimit},
		{"no session left, said with 400", postSession, 400, extended("Base.1.8.CreateLimitReachedForResource", ""), RedfishLogin, SessionLimit},
		{"a BMC that starts, at login", postSession, 503, extended("Base.1.8.ServiceTemporarilyUnavailable", ""), RedfishLogin, APIStarting},
		{"a plain 503 at the root", getRoot, 503, "", RedfishLogin, APIStarting},
		{"a root that is not there yet", getRoot, 404, "<html>", RedfishLogin, APIStarting},
		{"data sources that are not there yet", getSystem, 500, extended("IDRAC.2.8.SYS518", ""), Power, APIStarting},
		{"a server error at login", postSession, 500, "{}", RedfishLogin, APIError},
		{"a root that is HTML", getRoot, 200, "<html>hello</html>", RedfishLogin, APIMalformed},
		{"a root that is another document", getRoot, 200, `{"hello":"world"}`, RedfishLogin, APIMalformed},
		{"systems that are HTML", getSystems, 200, "<html>", RedfishLogin, APIMalformed},
		{"systems that may not be read", getSystems, 403, extended("Base.1.8.InsufficientPrivilege", ""), RedfishLogin, AuthPrivilege},
		{"a system that may not be read", getSystem, 403, "{}", Power, AuthPrivilege},
		{"a token that is not accepted: no wrong password", getSystems, 401, "{}", RedfishLogin, APIError},
		{"a system that is a list", getSystem, 200, "[]", Power, APIMalformed},
		{"a system that fails", getSystem, 500, "", Power, APIError},
		{"no systems", getSystems, 200, `{"Members":[]}`, Power, PowerUnreadable},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b := newBMC(t, answers{c.at: respond(c.status, c.body)})
			last := mustEnd(t, goRound(t.Context(), t, visitTo(t, b.URL, Known{}), 5*time.Second), c.check, c.want)
			if strings.Contains(last.Error, bmcPassword) || len(last.Error) > 2048 {
				t.Errorf("error %q", last.Error)
			}
			requests, logins, open := b.counts()
			if open != 0 || logins > 1 {
				t.Errorf("%d logins, %d sessions open, %v", logins, open, requests)
			}
		})
	}
}

func TestRetryAfterIsAFact(t *testing.T) {
	b := newBMC(t, answers{postSession: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "30")
		w.WriteHeader(503)
	}})
	if got := mustEnd(t, goRound(t.Context(), t, visitTo(t, b.URL, Known{}), 5*time.Second), RedfishLogin, APIStarting).Facts["retry_after_s"]; got != "30" {
		t.Errorf("retry_after_s %q", got)
	}
}

func TestAPasswordToBeChangedThatDoesNotBarReadingIsANote(t *testing.T) {
	demand := func(b *scripted) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			b.mu.Lock()
			b.sessions["x"] = true
			b.mu.Unlock()
			w.Header().Set("X-Auth-Token", "x")
			w.Header().Set("Location", sessionsPath+"/x")
			say(w, 201, `{"@Message.ExtendedInfo":[{"MessageId":"Base.1.13.0.PasswordChangeRequired"}]}`)
		}
	}
	b := newBMC(t, answers{})
	b.answers[postSession] = demand(b)
	if !hasNote(goRound(t.Context(), t, visitTo(t, b.URL, Known{}), 5*time.Second).result(t, RedfishLogin), AuthPasswordChange) {
		t.Error("no note")
	}
	b.answers[getSystems] = respond(403, "{}")
	mustEnd(t, goRound(t.Context(), t, visitTo(t, b.URL, Known{}), 5*time.Second), RedfishLogin, AuthPasswordChange)
	if _, _, open := b.counts(); open != 0 {
		t.Errorf("%d sessions open", open)
	}
}

func TestASlowLoginIsNoted(t *testing.T) {
	b := newBMC(t, nil)
	v := visitTo(t, b.URL, Known{})
	v.Wires.Settings.Slow = time.Nanosecond
	if !hasNote(goRound(t.Context(), t, v, 5*time.Second).result(t, RedfishLogin), APISlow) {
		t.Error("no note")
	}
}

func TestAConnectionThatTheBMCClosesIsReplaced(t *testing.T) {
	hangUp := func(then http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Connection", "close")
			then(w, r)
		}
	}
	b := newBMC(t, answers{})
	for _, at := range []string{getRoot, postSession, getSystems, getSystem} {
		b.answers[at] = hangUp(b.healthy)
	}
	mustEnd(t, goRound(t.Context(), t, visitTo(t, b.URL, Known{}), 5*time.Second), Power, "")
	if _, logins, open := b.counts(); logins != 1 || open != 0 || b.handshakes.Load() != 5 {
		t.Errorf("%d logins, %d open, %d handshakes", logins, open, b.handshakes.Load())
	}
}

func TestWhatTheBMCEchoesOfTheLoginIsRemoved(t *testing.T) {
	for _, at := range []string{postSession, getSystem} {
		quoted, err := json.Marshal("bad password " + bmcPassword + " of " + base64.StdEncoding.EncodeToString([]byte(bmcUser+":"+bmcPassword)))
		if err != nil {
			t.Fatal(err)
		}
		echo := `{"Message":` + string(quoted) + `,"MessageId":"x"}`
		b := newBMC(t, answers{at: respond(500, `{"error":{"@Message.ExtendedInfo":[`+echo+`]}}`)})
		last := goRound(t.Context(), t, visitTo(t, b.URL, Known{}), 5*time.Second).last()
		if !strings.Contains(last.Error, "bad password REDACTED of REDACTED") {
			t.Errorf("%q", last.Error)
		}
	}
	b := newBMC(t, answers{getSystem: func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]string{"PowerState": "On", "Model": bmcPassword})
	}})
	if model := goRound(t.Context(), t, visitTo(t, b.URL, Known{}), 5*time.Second).last().Facts["model"]; model != "REDACTED" {
		t.Errorf("model %q", model)
	}
}
