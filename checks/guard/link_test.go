package guard

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

// hostileLinks are 40 ways to lead a client elsewhere (facts: Redfish clients join links to the endpoint as strings).
var hostileLinks = []string{
	"@evil/redfish/v1/x", "@127.0.0.1:1/redfish/", ".evil.com/redfish/v1/", ":pw@evil/redfish/", "//evil/redfish/v1/", "///evil/redfish/v1",
	`\evil\redfish`, `\\evil\redfish`, `/\evil/redfish/`, `/redfish\..\..\x`, "http://evil/redfish/v1/", "https://evil/redfish/v1/", "HTTPS://evil",
	"https:evil", "http:/evil", "ftp://evil/", "file:///etc/passwd", "javascript:alert(1)", "data:,x", "/etc/passwd", "/redfish", "redfish/v1/",
	"/redfish/../etc", "/redfish/v1/..", "/redfish/./v1", "/redfish//evil/", "/redfish/%2f%2fevil", "/redfish/%2F..", "/redfish/%2e%2e/x",
	"/redfish/%2E./x", "/redfish/%5cevil", "/redfish/%252e%252e/", "/redfish/%00", "/redfish/%0d%0aHost:evil", "/redfish/v1\r\nHost: evil",
	"/redfish/v1/\x00", "/redfish/v1/ HTTP/1.1", "[fe80::1%25eth0]/redfish/", "@[::1%25lo]:443/redfish/", "/redfish/v1/#@evil/", "/redfish/%zz", "/redfish/%",
}

func TestHostileLinksAreRefused(t *testing.T) {
	_, c := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("a request went out") })
	for _, link := range hostileLinks {
		if err := CheckLink(link); !errors.Is(err, ErrLink) {
			t.Errorf("%q is taken", link)
		}
		if strings.ContainsAny(link, "# ") && strings.HasPrefix(link, "/redfish/v1/") {
			continue // joined to the endpoint these become harmless before they reach the Conn
		}
		if _, err := ask(t.Context(), c, "GET", c.Endpoint()+link, ""); err == nil {
			t.Errorf("%q was asked", link)
		}
	}
	for _, link := range []string{Root, "/redfish/v1", "/redfish/v1/Systems/System.Embedded.1", "/redfish/v1/Systems?$skip=50&$top=50", "/redfish/v1/Systems/a%20b@c:d"} {
		if err := CheckLink(link); err != nil {
			t.Error(err)
		}
	}
}

func FuzzLink(f *testing.F) {
	for _, link := range append(hostileLinks, Root, "/redfish/v1/Systems/1") {
		f.Add(link)
	}
	c := New(netip.MustParseAddrPort("127.0.0.1:443"), Strict, anyone)
	f.Fuzz(func(t *testing.T, link string) {
		if CheckLink(link) != nil {
			return
		}
		req, err := http.NewRequest("GET", c.Endpoint()+link, nil)
		if err != nil {
			t.Fatalf("%q passed, but is no URL: %v", link, err)
		}
		if req.URL.Host != "127.0.0.1:443" || !strings.HasPrefix(req.URL.Path, "/redfish/") || strings.Contains(req.URL.Path, "..") && c.permit(req) != nil {
			t.Errorf("%q leads to %s", link, req.URL)
		}
		var wire bytes.Buffer
		if err := req.Write(&wire); err != nil || !strings.HasPrefix(wire.String(), "GET "+link+" HTTP/1.1\r\nHost: 127.0.0.1:443\r\n") {
			t.Errorf("%q is sent as %q (%v)", link, wire.String(), err)
		}
	})
}

func FuzzDepth(f *testing.F) {
	f.Add([]byte(`{"a":"[[[\"{"}`), 1)
	f.Fuzz(func(t *testing.T, text []byte, levels int) {
		levels = min(max(levels, 0), 1000)
		if depth(text) < 0 || depth(fmt.Appendf(nil, "%s%s", strings.Repeat("[", levels), strings.Repeat("]", levels))) != levels {
			t.Error("depth")
		}
	})
}

func TestAnIPv6AddressIsItsOwnHost(t *testing.T) {
	c := New(netip.MustParseAddrPort("[2001:db8::7]:8443"), Strict, anyone)
	for url, ok := range map[string]bool{
		c.Endpoint() + Root: true, "https://[2001:db8::8]:8443" + Root: false, "https://[2001:db8::7]" + Root: false, "http://[2001:db8::7]:8443" + Root: false,
	} {
		req, err := http.NewRequest("GET", url, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.permit(req); (err == nil) != ok {
			t.Errorf("%s: %v", url, err)
		}
	}
}
