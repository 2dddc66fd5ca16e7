package main

import (
	"cmp"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // a container may have no database of zones

	"lamplighter/results/api"
	"lamplighter/results/store"
)

// Results is where what is believed is kept, and where questions about it are answered.
type Results struct {
	Store  string // a directory, or none
	Listen string // host:port of the API; empty: nobody can ask
	Tokens string // the file of tokens; empty: this machine's own people only
	// How long what happened is kept, and for how long a fact is good that no check confirms.
	History, Repeats, Changes, Facts time.Duration
	Zones                            []string  // SITE=ZONE, each site once
	Proxy                            api.Proxy // where people sign in by a proxy
}

func defaultResults() Results {
	keep := store.DefaultKeep
	return Results{
		Store: "lamplighter.results", Listen: "127.0.0.1:9618",
		Zones:   []string{},
		History: keep.History, Repeats: keep.Repeats, Changes: keep.Changes, Facts: 7 * 24 * time.Hour,
		Proxy: api.Proxy{UserHeader: "X-Remote-User", GroupsHeader: "X-Remote-Groups", Operators: []string{}, Viewers: []string{}},
	}
}

func (r *Results) settings() []setting {
	return []setting{
		textSetting("results.store", &r.Store),
		parsed("results.listen", &r.Listen, "host:port, or nothing", parseListen),
		textSetting("results.tokens", &r.Tokens),
		durationSetting("results.keep_history", &r.History),
		durationSetting("results.keep_repeats", &r.Repeats),
		durationSetting("results.keep_changes", &r.Changes),
		durationSetting("results.keep_facts", &r.Facts),
		listed("results.zones", &r.Zones, "a list of SITE=ZONE, such as ams1=Europe/Amsterdam, each once", parseZone),
		textSetting("results.proxy_socket", &r.Proxy.Socket),
		textSetting("results.proxy_group", &r.Proxy.Group),
		parsed("results.proxy_listen", &r.Proxy.Listen, "host:port, or nothing", parseListen),
		textSetting("results.proxy_cert_file", &r.Proxy.CertFile),
		textSetting("results.proxy_key_file", &r.Proxy.KeyFile),
		textSetting("results.proxy_ca_file", &r.Proxy.CAFile),
		textSetting("results.proxy_client", &r.Proxy.Client),
		parsed("results.proxy_user", &r.Proxy.UserHeader, wantHeader, parseHeader),
		parsed("results.proxy_groups", &r.Proxy.GroupsHeader, wantHeader, parseHeader),
		listed("results.proxy_operators", &r.Proxy.Operators, wantGroups, parseGroup),
		listed("results.proxy_viewers", &r.Proxy.Viewers, wantGroups, parseGroup),
	}
}

func (r Results) validate(require func(ok bool, key, want string)) {
	require(r.Store != "", "results.store", "want the path of a directory, or none")
	require(r.Listen == "" || r.Tokens != "" || isLoopback(r.Listen), "results.listen", "want an address of this machine alone, such as 127.0.0.1:9618, or results.tokens, too")
	for key, file := range map[string]string{"cert_file": r.Proxy.CertFile, "key_file": r.Proxy.KeyFile, "ca_file": r.Proxy.CAFile, "client": r.Proxy.Client} {
		require((file == "") == (r.Proxy.Listen == ""), "results.proxy_"+key, "want it with results.proxy_listen, and only then")
	}
	require(r.Proxy.Group == "" || r.Proxy.Socket != "", "results.proxy_group", "want results.proxy_socket, too")
	require(!strings.EqualFold(r.Proxy.UserHeader, r.Proxy.GroupsHeader), "results.proxy_groups", "want another header than results.proxy_user")
	require(len(r.zones()) == len(r.Zones), "results.zones", "want each site once")
	require(r.Repeats <= r.History, "results.keep_repeats", "want at most results.keep_history, "+r.History.String())
}

const (
	wantHeader = "the name of a header that the proxy sets, such as X-Remote-User"
	wantGroups = "a list of groups without commas, each once"
)

// parseHeader reads the name of a header; those that HTTP itself or a browser sets are none.
func parseHeader(s string) (string, error) {
	if !regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]{1,62}$`).MatchString(s) || slices.ContainsFunc([]string{"Authorization", "Cookie", "Host", "Origin"}, func(taken string) bool { return strings.EqualFold(s, taken) }) {
		return "", errWanted
	}
	return s, nil
}

// parseZone reads a site and its time zone, by the name that browsers know, too.
func parseZone(s string) (string, error) {
	site, zone, ok := strings.Cut(s, "=")
	if _, err := time.LoadLocation(zone); !ok || site == "" || zone == "" || zone == "Local" || err != nil {
		return "", errWanted
	}
	return s, nil
}

// zones are the time zones by site.
func (r Results) zones() map[string]string {
	all := map[string]string{}
	for _, pair := range r.Zones {
		site, zone, _ := strings.Cut(pair, "=")
		all[site] = zone
	}
	return all
}

func parseGroup(s string) (string, error) {
	if s == "" || strings.TrimSpace(s) != s || strings.Contains(s, ",") {
		return "", errWanted
	}
	return s, nil
}

// isLoopback says whether host:port is for this machine alone.
func isLoopback(hostPort string) bool {
	host, _, err := net.SplitHostPort(hostPort)
	if err != nil {
		host = strings.Trim(hostPort, "[]")
	}
	address, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && address.Unmap().IsLoopback()
}

func (r Results) keep() store.Keep {
	return store.Keep{History: r.History, Repeats: r.Repeats, Changes: r.Changes}
}

// url is where the API is asked by default.
func (r Results) url() string { return "http://" + cmp.Or(r.Listen, defaultResults().Listen) }
