package api

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// overSocket asks over a Unix socket.
func overSocket(t *testing.T, path string) *http.Client {
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// named are the headers of a proxy.
func named(who string, groups ...string) (header []string) {
	header = []string{"X-Remote-User", who}
	for _, one := range groups {
		header = append(header, "X-Remote-Groups", one)
	}
	return header
}

func socketProxy(t *testing.T) Proxy {
	return Proxy{Socket: filepath.Join(t.TempDir(), "s.sock"), UserHeader: "X-Remote-User", GroupsHeader: "X-Remote-Groups", Operators: []string{"noc", "dc-ops"}, Viewers: []string{"staff"}}
}

// TestAProxysHeaderCountsOnItsSocketAlone is the rest of the matrix: each route as whom a proxy names, there and elsewhere.
func TestAProxysHeaderCountsOnItsSocketAlone(t *testing.T) {
	p := socketProxy(t)
	f, viewer, _ := guarded(t, func(f *fleet) { f.proxy = p })
	f.hold(overSocket(t, p.Socket),
		caller{"nobody", "", false, nil},
		caller{"a group without a name", "", false, []string{"X-Remote-Groups", "noc"}},
		caller{"one of a group that reads", Viewer, false, named("kim", "printers, staff")},
		caller{"one of a group that acts", Operator, false, named("ada", "staff", "dc-ops")},
		caller{"one of no group", "", false, named("eve", "guests,nocturnal")},
		caller{"one of no group with a token", "", false, append(named("eve"), "Authorization", "Bearer "+viewer)},
		caller{"two names", "", false, append(named("kim", "staff"), named("ada", "noc")...)},
		caller{"a name that is none", "", false, named(strings.Repeat("a", 101), "noc")},
		caller{"a token, as everywhere", Viewer, false, []string{"Authorization", "Bearer " + viewer}},
		caller{"one who acts, by a page of another site", Operator, true, append(named("ada", "noc"), "Sec-Fetch-Site", "cross-site")})
	f.hold(plainClient(t), caller{"a header that came over TCP", "", false, named("ada", "noc")})
	open := newFleet(t, func(f *fleet) { f.proxy = socketProxy(t) })
	open.good(0, 1, nil)
	open.hold(plainClient(t),
		caller{"somebody on this machine", Operator, false, nil},
		caller{"a proxy on this machine that takes the wrong way", "", false, named("kim", "staff")})
}

func TestWithoutGroupsThatReadEverybodyWhomTheProxyLetsInReads(t *testing.T) {
	p := socketProxy(t)
	p.Viewers = nil
	for groups, want := range map[string]Scope{"": Viewer, "guests": Viewer, "noc": Operator} {
		header := http.Header{}
		header.Set("X-Remote-User", "kim")
		header.Set("X-Remote-Groups", groups)
		if who, err := p.person(header); err != nil || who.scope != want || who.home || who.token {
			t.Errorf("%q: %+v %v, want a %s", groups, who, err, want)
		}
	}
}

func TestWhoCameByAProxyIsNamedInTheRecord(t *testing.T) {
	p := socketProxy(t)
	f, _, _ := guarded(t, func(f *fleet) { f.proxy = p })
	f.bad(0)
	back := &httputil.ReverseProxy{Transport: overSocket(t, p.Socket).Transport, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: "http", Host: "results"})
		r.Out.Header.Del("X-Remote-Groups")        // as a proxy does it: what a client says of itself is taken out
		r.Out.Header.Set("X-Remote-User", "local") // a person of that name is not this machine's
		r.Out.Header.Set("X-Remote-Groups", "noc")
	}}
	front := httptest.NewServer(back)
	defer front.Close()
	f.address = strings.TrimPrefix(front.URL, "http://")
	status, answer, _ := f.call("PUT", base+"/bmcs/bmc-00000/ack", `{"note":"on it","who":"somebody else"}`, "X-Remote-User", "root", "X-Remote-Groups", "noc")
	if status != 200 || !strings.Contains(string(answer), `"who":"local"`) {
		t.Errorf("%d %s: want the name that the proxy gave", status, answer)
	}
	if me := get[Me](f, "/me"); me.Name != "local" || me.Scope != Operator || me.Local {
		t.Errorf("%+v", me)
	}
	if status, _, got := f.call("POST", base+"/session", ""); status != 200 || got.Get("Set-Cookie") != "" {
		t.Errorf("%d %v: who signed in at the proxy needs no cookie", status, got)
	}
	if acts := get[page[Act]](f, "/audit?limit=1"); len(acts.Items) != 1 || acts.Items[0].Who != "local" || acts.Items[0].Do != "ack" {
		t.Errorf("%+v", acts)
	}
}

func TestTheSocketIsForItsGroupAlone(t *testing.T) {
	p := socketProxy(t)
	mine, err := user.LookupGroupId(strconv.Itoa(os.Getgid()))
	if err != nil {
		t.Fatal(err)
	}
	p.Group = mine.Name
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: p.Socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false) // as after a kill -9
	_ = dead.Close()
	f := newFleet(t, func(f *fleet) { f.proxy = p })
	info, err := os.Stat(p.Socket)
	if err != nil || info.Mode() != os.ModeSocket|0o660 || int(info.Sys().(*syscall.Stat_t).Gid) != os.Getgid() {
		t.Errorf("%v %v", info, err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(p.Socket), ".s*")); len(left) > 0 {
		t.Errorf("%v was left", left)
	}
	if _, err := p.listenUnix(); err == nil || !strings.Contains(err.Error(), "another process listens there") {
		t.Errorf("a second one: %v", err)
	}
	f.try(route{method: "GET", path: base + "/me"}, overSocket(t, p.Socket), nil)
	f.stop()
	if _, err := os.Stat(p.Socket); !os.IsNotExist(err) {
		t.Errorf("after the end it is there: %v", err)
	}
	for path, want := range map[string]string{"/proc/none/s": "no such file", os.DevNull: "no socket"} {
		p.Socket = path
		if _, err := p.listenUnix(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
	p.Socket, p.Group = filepath.Join(t.TempDir(), "s"), "no-such-group-9"
	if _, err := p.listenUnix(); err == nil || !strings.Contains(err.Error(), "no-such-group-9") {
		t.Error(err)
	}
}

// authority makes certificates.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func (a *authority) issue(of x509.Certificate) (cert []byte, key *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	of.SerialNumber, of.NotBefore, of.NotAfter = big.NewInt(time.Now().UnixNano()), time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	by, sign := a.cert, a.key
	if by == nil {
		by, sign = &of, key
	}
	if cert, err = x509.CreateCertificate(rand.Reader, &of, by, key.Public(), sign); err != nil {
		a.t.Fatal(err)
	}
	return cert, key
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t}
	made, key := a.issue(x509.Certificate{Subject: pkix.Name{CommonName: "test CA"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	a.cert, _ = x509.ParseCertificate(made)
	a.key = key
	return a
}

// client is what a proxy of this name shows.
func (a *authority) client(common string, dns ...string) []tls.Certificate {
	cert, key := a.issue(x509.Certificate{Subject: pkix.Name{CommonName: common}, DNSNames: dns, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	return []tls.Certificate{{Certificate: [][]byte{cert}, PrivateKey: key}}
}

// write writes the server's certificate and the CA into dir.
func (a *authority) write(dir string, p *Proxy) {
	a.t.Helper()
	cert, key := a.issue(x509.Certificate{DNSNames: []string{"results.example"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	p.CertFile, p.KeyFile, p.CAFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), filepath.Join(dir, "ca.pem")
	for path, block := range map[string]*pem.Block{p.CertFile: {Type: "CERTIFICATE", Bytes: cert}, p.KeyFile: {Type: "PRIVATE KEY", Bytes: private}, p.CAFile: {Type: "CERTIFICATE", Bytes: a.cert.Raw}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			a.t.Fatal(err)
		}
	}
}

func TestOverTLSTheHeaderCountsWithTheRightCertificateAlone(t *testing.T) {
	ours, strange := newAuthority(t), newAuthority(t)
	p := Proxy{Listen: "127.0.0.1:0", Client: "proxy.example", UserHeader: "X-Remote-User", GroupsHeader: "X-Remote-Groups", Operators: []string{"noc"}}
	ours.write(t.TempDir(), &p)
	f := newFleet(t, func(f *fleet) { f.proxy = p }) // others on this machine are its people; here nobody is without a name
	roots := x509.NewCertPool()
	roots.AddCert(ours.cert)
	ask := func(show []tls.Certificate, header ...string) (Me, int, error) {
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: show}}}
		r, err := http.NewRequestWithContext(t.Context(), "GET", "https://"+f.server.proxies[0].Addr().String()+base+"/me", nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		resp, err := client.Do(r)
		if err != nil {
			return Me{}, 0, err
		}
		defer resp.Body.Close()
		var me Me
		return me, resp.StatusCode, json.NewDecoder(resp.Body).Decode(&me)
	}
	for name, show := range map[string][]tls.Certificate{"a name of DNS": ours.client("x", "other.example", "proxy.example"), "a common name": ours.client("proxy.example")} {
		if me, status, err := ask(show, named("ada", "noc")...); err != nil || me.Name != "ada" || me.Scope != Operator || me.Local {
			t.Errorf("%s: %+v %d %v", name, me, status, err)
		}
		if _, status, err := ask(show); err != nil || status != 401 {
			t.Errorf("%s without a person's name: %d %v", name, status, err)
		}
	}
	for name, show := range map[string][]tls.Certificate{"none": nil, "another name": ours.client("evil.example", "proxy.example.evil.example"), "another CA": strange.client("proxy.example", "proxy.example")} {
		if _, status, err := ask(show, named("ada", "noc")...); err == nil {
			t.Errorf("a certificate of %s: %d", name, status)
		}
	}
	if !strings.Contains(f.log.String(), "want one of proxy.example") {
		t.Errorf("the log does not say who was refused: %s", f.log)
	}
	if err := os.WriteFile(p.CertFile, []byte("half a fi"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, status, err := ask(ours.client("proxy.example"), named("ada")...); err != nil || status != 200 {
		t.Errorf("with a certificate that is being written: %d %v", status, err)
	}
	for want, change := range map[string]func(*Proxy){
		"holds no certificate": func(p *Proxy) { p.CAFile = p.KeyFile }, "rather than a key": func(p *Proxy) { p.KeyFile = p.CAFile }, "no such file": func(p *Proxy) { p.CAFile = "/none" },
	} {
		wrong := p
		ours.write(t.TempDir(), &wrong)
		change(&wrong)
		if err := (&Server{Config: Config{Proxy: wrong}}).ListenProxy(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func FuzzWhomAProxyNames(f *testing.F) {
	f.Add("ada", "noc, staff", "")
	f.Add("", "noc", "noc")
	f.Add("a\x00b", ",,noc ,", "staff")
	p := Proxy{UserHeader: "X-Remote-User", GroupsHeader: "X-Remote-Groups", Operators: []string{"noc"}, Viewers: []string{"staff"}}
	f.Fuzz(func(t *testing.T, name, one, another string) {
		who, err := p.person(http.Header{"X-Remote-User": {name}, "X-Remote-Groups": {one, another}})
		if err != nil && who != (person{}) || who.name != "" && who.name != name || who.home || who.token {
			t.Fatalf("%+v %v", who, err)
		}
		groups := strings.FieldsFunc(one+","+another, func(r rune) bool { return r == ',' })
		in := func(group string) bool {
			return slices.ContainsFunc(groups, func(g string) bool { return strings.TrimSpace(g) == group })
		}
		if who.may(Operator) != (name != "" && err == nil && in("noc")) || who.may(Viewer) && !in("noc") && !in("staff") {
			t.Fatalf("%q in %q is %+v", name, groups, who)
		}
	})
}
