package api

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// person is who asks.
type person struct {
	name  string
	scope Scope
	// home: one of the machine's own people, who show nothing, so that their name is what they say it is. token: they showed one.
	home, token bool
}

// may says whether a person has what a route wants. What wants nothing that is known is for nobody.
func (p person) may(want Scope) bool {
	switch want {
	case Viewer:
		return p.scope == Viewer || p.scope == Operator
	case Operator:
		return p.scope == Operator
	}
	return false
}

// local is who asks from the machine itself where that needs no token.
var local = person{name: "local", scope: Operator, home: true}

// who finds out who asks, or says why they may not. Whom a proxy names, where only that proxy can come, is believed. A token counts
// wherever it is shown; without one only somebody on this machine may ask, and only where the API listens to nobody else: behind a
// proxy everybody would look local.
func (s *Server) who(r *http.Request) (person, error) {
	if byProxy(r) {
		if named, err := s.Proxy.person(r.Header); err != nil || named.name != "" {
			return named, err
		}
	} else if r.Header.Get("Authorization") == "" && s.open && s.isLocal(r) {
		return local, nil
	}
	header := shown(r)
	if header == "" {
		return person{}, problem(http.StatusUnauthorized, "want a header Authorization: Bearer TOKEN; lamplighter token create makes one")
	}
	kind, secret, _ := strings.Cut(header, " ")
	if !strings.EqualFold(kind, "Bearer") {
		return person{}, problem(http.StatusUnauthorized, "want a header Authorization: Bearer TOKEN")
	}
	if s.tokens == nil {
		return person{}, problem(http.StatusUnauthorized, "a token was shown, but the configuration names no file of tokens (results.tokens)")
	}
	token, err := s.tokens.find(strings.TrimSpace(secret), time.Now())
	if err != nil {
		s.Log.Warn("token refused", "from", r.RemoteAddr, "err", err)
		return person{}, problem(http.StatusUnauthorized, "the token is not known, or has expired")
	}
	return person{name: token.Name, scope: token.Scope, token: true}, nil
}

// isLocal says whether a request comes from this machine, straight and not by way of a page of somebody else's whose name was
// made to mean this machine (DNS rebinding). A name that a proxy gave shows that one is between us that takes the wrong way.
func (s *Server) isLocal(r *http.Request) bool {
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Real-Ip", "Via", s.Proxy.UserHeader} {
		if r.Header.Get(name) != "" {
			return false
		}
	}
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && from.Addr().Unmap().IsLoopback() && isLoopbackHost(r.Host)
}

// isLoopbackHost says whether host, with or without a port, names this machine.
func isLoopbackHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	address, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && address.Unmap().IsLoopback()
}
