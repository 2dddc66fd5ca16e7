package checks

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"lamplighter/checks/guard"
)

// asking is what a request was for; the same status means different things.
type asking uint8

const (
	askRoot asking = iota
	askLogin
	askResource
)

// problem is an error answer (Redfish DSP0266 section 8.6): the messages in it, in any of the places where BMCs put them.
type problem struct {
	Messages []message
}

type message struct {
	ID   text `json:"MessageId"`
	Text text `json:"Message"`
}

// messages takes a list, or a single object (AMI MegaRAC).
type messages []message

func (m *messages) UnmarshalJSON(b []byte) error {
	var one message
	if json.Unmarshal(b, (*[]message)(m)) != nil && json.Unmarshal(b, &one) == nil {
		*m = messages{one}
	}
	*m = (*m)[:min(len(*m), 16)]
	return nil
}

func parseProblem(body []byte) (p problem) {
	var t struct {
		Error struct {
			Code     text     `json:"code"`
			Message  text     `json:"message"`
			Extended messages `json:"@Message.ExtendedInfo"`
		} `json:"error"`
		Extended messages `json:"@Message.ExtendedInfo"`
		Old      []struct {
			MessageID text `json:"MessageID"`
		} `json:"Messages"` // iLO 4 before 2.30: ExtendedError.0.9
	}
	_ = json.Unmarshal(body, &t) // what could be read counts
	for _, m := range t.Old[:min(len(t.Old), 16)] {
		p.Messages = append(p.Messages, message{ID: m.MessageID})
	}
	p.Messages = append(append(p.Messages, t.Error.Extended...), t.Extended...)
	if t.Error.Code != "" || t.Error.Message != "" {
		p.Messages = append(p.Messages, message{t.Error.Code, t.Error.Message})
	}
	return p
}

// has says whether a message's ID ends with one of ids: registries and versions before it differ (Base.1.8.X, IDRAC.2.1.X).
func (p problem) has(ids ...string) bool {
	for _, m := range p.Messages {
		for _, id := range ids {
			if strings.HasSuffix(strings.ToLower(string(m.ID)), strings.ToLower(id)) {
				return true
			}
		}
	}
	return false
}

// says looks for one of the phrases in what the messages say.
func (p problem) says(phrases ...string) bool {
	for _, m := range p.Messages {
		for _, phrase := range phrases {
			if strings.Contains(strings.ToLower(string(m.Text)), phrase) {
				return true
			}
		}
	}
	return false
}

func (p problem) mustChangePassword() bool { return p.has("PasswordChangeRequired") }

func (p problem) locked() bool {
	return p.has("AccountLocked", "UserLocked", "AccountLockedOut", "AccountLockout") ||
		p.says("account is locked", "account has been locked", "account locked", "user is locked", "locked out", "is blocked")
}

// badLogin: iLO answers a wrong password with 400 or 403 as well as 401 (HPE's registry: UnauthorizedLoginAttempt). To try such a
// login again and again would lock the account.
func (p problem) badLogin() bool {
	return p.has("UnauthorizedLoginAttempt", "InvalidCredentials", "AuthenticationFailed", "LoginFailed") ||
		p.says("invalid username or password", "invalid user name or password", "incorrect username or password", "login attempt failed",
			"authentication failed", "invalid credentials")
}

// sessionLimit: RAC0218 is iDRAC's (gofish#75, check_redfish#89).
func (p problem) sessionLimit() bool {
	return p.has("SessionLimitExceeded", "RAC0218", "CreateLimitReachedForResource") ||
		p.says("maximum number of user sessions", "maximum number of sessions")
}

// classify is the reason of an answer that is no success. It is pure.
func classify(what asking, status int, p problem) Reason {
	refused := status == 400 || status == 401 || status == 403
	switch {
	case refused && p.mustChangePassword():
		return AuthPasswordChange
	case what == askLogin && (refused || status == 423 || status == 429 || status == 503) && p.locked():
		return AuthLocked
	case what == askLogin && (refused || status >= 500) && status != 401 && p.sessionLimit():
		return SessionLimit
	case what == askLogin && (status == 401 || refused && p.badLogin()):
		return AuthRejected
	case what != askRoot && status == 403:
		return AuthPrivilege
	case status == 503, what == askRoot && status == 404, status >= 400 && p.has("ServiceTemporarilyUnavailable", "SYS518"):
		return APIStarting // OpenBMC answers 404 while it boots (xcat-core#3965), iDRAC SYS518 (metal-operator#170)
	}
	return APIError
}

// refusal is the fault for an answer that is no success.
func refusal(what asking, a guard.Answer) error {
	p := parseProblem(a.Body)
	words := fmt.Sprintf("%d %s", a.Status, http.StatusText(a.Status))
	for _, m := range p.Messages {
		if m.ID != "" || m.Text != "" {
			words += fmt.Sprintf(" (%s: %s)", m.ID, m.Text)
			break
		}
	}
	facts := Facts{}
	if a.RetryAfter > 0 {
		facts["retry_after_s"] = strconv.Itoa(int(a.RetryAfter.Seconds()))
	}
	return BlameWith(classify(what, a.Status, p), facts, errors.New(words))
}
