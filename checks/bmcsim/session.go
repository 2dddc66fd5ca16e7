package bmcsim

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"time"
)

// webSession is an open Redfish session.
type webSession struct {
	token string
	used  time.Time
	peer  netip.AddrPort
}

// webSessionLife is how long a session lives unused: the 30 minutes of many a BMC.
const webSessionLife = 30 * time.Minute

// logIn answers POST to the session collection (DSP0266 section 13.3.4).
func (f *Fleet) logIn(w http.ResponseWriter, r *http.Request, b *bmc, path string) {
	switch {
	case path != b.model.path:
		refuse(w, http.StatusMethodNotAllowed, "Base.1.8.OperationNotAllowed", "Sessions are created at "+b.model.path+".")
		return
	case b.has(Redirect):
		w.Header().Set("Location", fmt.Sprintf("https://%s:%d%s", f.trap.addr, portOf(f.tcp.Addr()), path))
		w.WriteHeader(http.StatusTemporaryRedirect)
		return
	}
	var given struct{ UserName, Password string }
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 16<<10)).Decode(&given); err != nil {
		refuse(w, http.StatusBadRequest, "Base.1.8.MalformedJSON", "The request body was malformed JSON.")
		return
	}
	f.weigh(b, given.Password)
	b.count.attempts.Add(1)
	if b.has(Slow) && !wait(r.Context().Value(endKey{}).(context.Context), f.plan.Slow) {
		return
	}
	b.decide(w, r, given.UserName, given.Password)
}

// decide lets in or refuses.
func (b *bmc) decide(w http.ResponseWriter, r *http.Request, user, password string) {
	if b.has(Locked) || user != b.realUser() || password != b.realPassword() {
		b.count.refused.Add(1)
		b.write(RefusedLogin, time.Now(), peerOf(r.RemoteAddr), "")
		if b.has(Locked) {
			refuse(w, http.StatusUnauthorized, "Base.1.8.AccountLocked", "The account is locked after too many failed logins.")
			return
		}
		refuse(w, http.StatusUnauthorized, "Base.1.8.ResourceAtUriUnauthorized", "While accessing the resource, the service received an authorization error: invalid username or password.")
		return
	}
	id, token, ok := b.open(time.Now(), peerOf(r.RemoteAddr))
	if !ok {
		b.count.refused.Add(1)
		b.write(RefusedLogin, time.Now(), peerOf(r.RemoteAddr), "")
		refuse(w, http.StatusServiceUnavailable, b.shape.limit, "The maximum number of user sessions is reached.")
		return
	}
	b.count.logins.Add(1)
	uri := b.model.path + "/" + id
	location := uri
	if b.shape.absolute {
		location = "https://" + r.Host + uri
	}
	w.Header().Set("Location", location)
	w.Header().Set("X-Auth-Token", token)
	body := object{"@odata.id": uri, "@odata.type": "#Session.v1_0_0.Session", "Id": id, "Name": "User Session", "UserName": user}
	if b.has(PasswordChange) { // OpenBMC bmcweb#103: the session is made, and the answer says so
		body["@Message.ExtendedInfo"] = []object{{"MessageId": "Base.1.8.PasswordChangeRequired", "Message": "The password provided for this account must be changed before access is granted."}}
	}
	answer(w, http.StatusCreated, body)
}

// open takes a session slot.
func (b *bmc) open(now time.Time, peer netip.AddrPort) (id, token string, ok bool) {
	b.expire()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.has(SessionLimited) || len(b.sessions) >= b.slots {
		return "", "", false
	}
	if b.sessions == nil {
		b.sessions = map[string]*webSession{}
	}
	id, token = rand.Text()[:8], rand.Text()
	b.sessions[id] = &webSession{token: token, used: now, peer: peer}
	b.write(Login, now, peer, id)
	b.count.sessions.add(1)
	return id, token, true
}

// knows says whether a token is that of an open session, and keeps the session alive.
func (b *bmc) knows(token string) bool {
	b.expire()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.sessions {
		if token == s.token {
			s.used = time.Now()
			return true
		}
	}
	return false
}

// logOut frees a slot.
func (b *bmc) logOut(w http.ResponseWriter, id string, peer netip.AddrPort) {
	b.mu.Lock()
	_, ok := b.sessions[id]
	delete(b.sessions, id)
	b.mu.Unlock()
	if !ok {
		refuse(w, http.StatusNotFound, "Base.1.8.ResourceMissingAtURI", "The session is missing.")
		return
	}
	b.write(Logout, time.Now(), peer, id)
	b.count.logouts.Add(1)
	b.count.sessions.add(-1)
	w.WriteHeader(http.StatusNoContent)
}

// expire drops the sessions that nobody used for too long.
func (b *bmc) expire() {
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	for id, s := range b.sessions {
		if life := cmp.Or(b.life, webSessionLife); now.Sub(s.used) > life {
			delete(b.sessions, id)
			b.write(Expired, s.used.Add(life), s.peer, id)
			b.count.sessions.add(-1)
		}
	}
	for id, s := range b.ipmi {
		b.outlive(id, s, now)
	}
}

// tally counts the secrets that came by HTTP basic authentication; those in a login's body are weighed there.
func (f *Fleet) tally(b *bmc, r *http.Request) {
	if _, password, ok := r.BasicAuth(); ok {
		f.weigh(b, password)
	}
}

// weigh counts a password that b received.
func (f *Fleet) weigh(b *bmc, password string) {
	switch owner := f.byPass[passKey(password)]; {
	case owner == nil:
		b.count.unknown.Add(1)
	case owner.password == b.password:
		b.count.own.Add(1)
	default:
		b.count.foreign.Add(1)
	}
}
