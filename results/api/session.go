package api

import (
	"net/http"
	"strings"
	"time"
)

// cookie is where a browser keeps the token that a person signed in with. Its prefix has the browser take it over TLS alone, from us
// alone, for this host alone; no script can read it.
const cookie = "__Host-lamplighter"

// shown is the token that a request shows, as a header has it: a program's own header, or what a browser keeps.
func shown(r *http.Request) string {
	if header := r.Header.Get("Authorization"); header != "" {
		return header
	}
	if kept, err := r.Cookie(cookie); err == nil {
		return "Bearer " + kept.Value
	}
	return ""
}

// signIn has a browser keep the token that it shows: POST /session. It ends with the token: when that expires, or is taken out.
func (s *Server) signIn(w http.ResponseWriter, r *http.Request, a ask) error {
	if a.who.token { // who is on this machine, or was named by a proxy, needs none
		_, token, _ := strings.Cut(shown(r), " ")
		setCookie(w, strings.TrimSpace(token), 0)
		s.note(a, Act{Do: "sign_in", Who: a.who.name})
	}
	return s.me(w, r, a)
}

// signOut has a browser forget it: DELETE /session.
func (s *Server) signOut(w http.ResponseWriter, _ *http.Request, _ ask) error {
	setCookie(w, "", -time.Second)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// setCookie sets it for as long as the browser runs, or with an age below 0 takes it away.
func setCookie(w http.ResponseWriter, value string, age time.Duration) {
	http.SetCookie(w, &http.Cookie{
		Name: cookie, Value: value, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode, MaxAge: int(age / time.Second),
	})
}
