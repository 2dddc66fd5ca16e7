package api

import (
	"net/http"

	"lamplighter/results/console"
)

// Anyone is the scope of what holds nothing that a viewer could see: the console's pages and files, which ask the API for all else.
const Anyone Scope = "anyone"

// sight is something that a browser gets besides the API.
type sight struct {
	method, path string
	scope        Scope
	handle       func(*console.Console, http.ResponseWriter, *http.Request)
}

// sights are all there are.
func sights() []sight {
	all := []sight{{"GET", console.Base + "{version}/{file...}", Anyone, (*console.Console).File}}
	for _, path := range console.Pages {
		if path == "/" {
			path = "/{$}"
		}
		all = append(all, sight{"GET", path, Anyone, (*console.Console).Page})
	}
	return all
}

// mount has a mux answer browsers.
func (s *Server) mount(mux *http.ServeMux) {
	for _, p := range sights() {
		mux.HandleFunc(p.method+" "+p.path, func(w http.ResponseWriter, r *http.Request) {
			p.handle(s.console, w, r)
		})
	}
}

// Me is who asks, and what they may do.
type Me struct {
	Name  string `json:"name"`
	Scope Scope  `json:"scope"`
	// Local: on this machine, without signing in.
	Local bool `json:"local"`
	// Token: they signed in by one, which the browser forgets when they sign out.
	Token bool `json:"token"`
	// Zones are the time zones of sites, by their IANA names.
	Zones map[string]string `json:"zones"`
}

// me answers with who asks: GET /me.
func (s *Server) me(w http.ResponseWriter, _ *http.Request, a ask) error {
	zones := s.Zones
	if zones == nil {
		zones = map[string]string{}
	}
	return reply(w, Me{a.who.name, a.who.scope, a.who.home, a.who.token, zones})
}
