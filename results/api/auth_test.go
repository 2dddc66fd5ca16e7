package api

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestATokenIsKeptHashedAndLetsInUntilItExpires(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens")
	now := time.Now()
	viewer, err := CreateToken(path, "wall", Viewer, now, now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	operator, err := CreateToken(path, "ada", Operator, now, now.Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	kept, err := os.ReadFile(path)
	if err != nil || strings.Contains(string(kept), viewer) || strings.Contains(string(kept), operator) || strings.Contains(string(kept), strings.TrimPrefix(viewer, prefix)) {
		t.Errorf("the file holds a token: %v %s", err, kept)
	}
	tokens, err := OpenTokens(path)
	if err != nil {
		t.Fatal(err)
	}
	if found, err := tokens.find(operator, now); err != nil || found.Name != "ada" || found.Scope != Operator {
		t.Errorf("%+v %v", found, err)
	}
	if _, err := tokens.find(operator, now.Add(time.Minute)); err == nil || !strings.Contains(err.Error(), "ada expired") {
		t.Error(err)
	}
	for _, wrong := range []string{"", viewer + "x", viewer[:len(viewer)-1], prefix, hash(viewer)} {
		if _, err := tokens.find(wrong, now); err == nil {
			t.Errorf("%q lets in", wrong)
		}
	}
	lines := strings.SplitAfter(string(kept), "\n")
	if err := os.WriteFile(path, []byte(lines[0]), 0o600); err != nil { // the operator's line is taken out
		t.Fatal(err)
	}
	if _, err := tokens.find(operator, now.Add(2*time.Second)); err == nil {
		t.Error("a token that was taken out still lets in")
	}
	if _, err := tokens.find(viewer, now.Add(2*time.Second)); err != nil {
		t.Error(err)
	}
}

func TestAFileOfTokensWithAMistakeIsRefusedByItsLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens")
	good := `{"name":"a","scope":"viewer","sha256":"` + hash("x") + `","created":"2026-01-01T00:00:00Z","expires":"2027-01-01T00:00:00Z"}` + "\n"
	for line, want := range map[string]string{
		`{`: "line 2", `{"name":"a","scope":"root"}`: `scope "root": want viewer or operator`, strings.Replace(good, `"sha256":"`, `"sha256":"z`, 1): "64 hex digits",
		strings.Replace(good, `"expires"`, `"expire"`, 1): "unknown field", strings.Replace(good, `"name":"a"`, `"name":""`, 1): "token name",
		strings.Replace(good, `,"expires":"2027-01-01T00:00:00Z"`, ``, 1): "want a time",
	} {
		if err := os.WriteFile(path, []byte(good+line), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadTokens(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", line, err, want)
		}
	}
	if err := os.WriteFile(path, []byte(good), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenTokens(path); err == nil || !strings.Contains(err.Error(), "want chmod 600") {
		t.Error(err)
	}
	for _, expires := range []time.Time{{}, time.Now().Add(-time.Hour)} {
		if _, err := CreateToken(path, "a", Viewer, time.Now(), expires); err == nil {
			t.Error("a token that has expired was made")
		}
	}
}

// guarded is a fleet that others can reach, with a token of a viewer, wall, and of an operator, ada.
func guarded(t *testing.T, with ...func(*fleet)) (f *fleet, viewer, operator string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tokens")
	viewer, _ = CreateToken(path, "wall", Viewer, time.Now(), time.Now().Add(time.Hour))
	operator, err := CreateToken(path, "ada", Operator, time.Now(), time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	f = newFleet(t, append(with, func(f *fleet) {
		f.tokens, f.address, f.secrets = path, "0.0.0.0:0", []string{viewer, operator, "lamp_WRONG"}
	})...)
	f.good(0, 1, nil)
	_, port, _ := net.SplitHostPort(f.address)
	f.address = "127.0.0.1:" + port
	return f, viewer, operator
}

func TestWhoIsFarAwayNeedsATokenAndAnOperatorsToAct(t *testing.T) {
	f, viewer, operator := guarded(t)
	ack := base + "/bmcs/bmc-00000/ack"
	for name, test := range map[string]struct {
		method, path, authorization string
		status                      int
	}{
		"no token":                   {"GET", base + "/summary", "", 401},
		"another way to sign in":     {"GET", base + "/summary", "Basic YTpi", 401},
		"a token that nobody knows":  {"GET", base + "/summary", "Bearer lamp_WRONG", 401},
		"a viewer reads":             {"GET", base + "/summary", "Bearer " + viewer, 200},
		"a viewer does not act":      {"PUT", ack, "Bearer " + viewer, 403},
		"nobody does not act":        {"PUT", ack, "", 401},
		"an operator acts":           {"PUT", ack, "Bearer " + operator, 200},
		"bearer in small letters":    {"GET", base + "/summary", "bearer " + operator, 200},
		"a stream needs a token too": {"GET", base + "/stream", "", 401},
	} {
		header := []string{}
		if test.authorization != "" {
			header = []string{"Authorization", test.authorization}
		}
		body := ""
		if test.method == "PUT" {
			body = `{"note":"x","who":"somebody else"}`
		}
		status, answer, got := f.call(test.method, test.path, body, header...)
		if status != test.status || status == 401 && got.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: %d %s", name, status, answer)
		}
		if test.status == 200 && test.method == "PUT" && !strings.Contains(string(answer), `"who":"ada"`) {
			t.Errorf("%s: %s: want the token's name, not what was said", name, answer)
		}
	}
}

func TestLoopbackIsFreeForThisMachineOnly(t *testing.T) {
	f := newFleet(t)
	for name, test := range map[string]struct {
		header []string
		status int
	}{
		"from here":                          {nil, 200},
		"by way of a proxy":                  {[]string{"X-Forwarded-For", "203.0.113.9"}, 401},
		"with a token that nobody can check": {[]string{"Authorization", "Bearer lamp_x"}, 401},
	} {
		if status, answer, _ := f.call("GET", base+"/summary", "", test.header...); status != test.status {
			t.Errorf("%s: %d %s", name, status, answer)
		}
	}
	for host, want := range map[string]int{"localhost:9618": 200, "[::1]:9618": 200, "127.0.0.1": 200, "evil.example": 401, "127.0.0.1.evil.example:9618": 401} {
		r, _ := http.NewRequestWithContext(t.Context(), "GET", "http://"+f.address+base+"/summary", nil)
		r.Host = host
		resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
		if err != nil || resp.StatusCode != want {
			t.Errorf("host %s: %v %v, want %d", host, resp, err, want)
		}
		_ = resp.Body.Close()
	}
	f.good(0, 1, nil)
	path := base + "/bmcs/bmc-00000/ack"
	for _, header := range [][]string{{"Origin", "https://evil.example"}, {"Sec-Fetch-Site", "cross-site"}} {
		if status, _, _ := f.call("PUT", path, "{}", header...); status != 403 {
			t.Errorf("%v: %d", header, status)
		}
	}
	for _, method := range []string{"PUT", "POST"} {
		to := strings.Replace(path, "ack", map[string]string{"PUT": "ack", "POST": "recheck"}[method], 1)
		if status, _, _ := f.call(method, to, "{}", "Content-Type", "text/plain"); status != 415 {
			t.Errorf("%s as text/plain: %d", method, status)
		}
	}
}

func TestAnOpenAddressWithoutTokensIsRefused(t *testing.T) {
	s, err := NewServer(Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:0", "results.example:0"} {
		if err := s.Listen(address); err == nil || !strings.Contains(err.Error(), "want a file of tokens") {
			t.Errorf("%s: %v", address, err)
		}
	}
	if err := s.Listen("nonsense"); err == nil || !strings.Contains(err.Error(), "want host:port") {
		t.Error(err)
	}
}

func TestTheServerBoundsWhatItIsSent(t *testing.T) {
	f := newFleet(t)
	send := func(head string, body int) string {
		conn, err := net.Dial("tcp", f.address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(8 * time.Second))
		fmt.Fprintf(conn, "%s", head)
		for range body {
			if _, err := conn.Write(make([]byte, 1024)); err != nil {
				break
			}
		}
		line, _ := bufio.NewReader(conn).ReadString('\n')
		return strings.TrimSpace(line)
	}
	if got := send("GET /api/v1/summary HTTP/1.1\r\nHost: localhost\r\nX: "+strings.Repeat("x", 64<<10)+"\r\n\r\n", 0); !strings.Contains(got, "431") {
		t.Errorf("a header of 64 KiB: %s", got)
	}
	began := time.Now()
	if got := send("GET /api/v1/summary HTTP/1.1\r\nHost: localhost\r\n", 0); got != "" && !strings.Contains(got, "408") || time.Since(began) > 7*time.Second {
		t.Errorf("a header that never ends: %q after %v", got, time.Since(began))
	}
	if _, err := tls.Dial("tcp", f.address, &tls.Config{InsecureSkipVerify: true}); err == nil {
		t.Error("it speaks TLS?")
	}
}

func TestTheRecordSurvivesATornLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "acts.ndjson")
	r, err := openRecord(path)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := r.add(Act{Do: "ack", Who: "ada"}); err != nil {
			t.Fatal(err)
		}
	}
	r.close()
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(file, `{"do":"ac`)
	_ = file.Close()
	if r, err = openRecord(path); err != nil {
		t.Fatal(err)
	}
	defer r.close()
	if acts, more := r.before(0, "", 2); len(acts) != 2 || !more || acts[0].Number != 3 {
		text, _ := json.Marshal(acts)
		t.Errorf("%s %v", text, more)
	}
}

func FuzzTokens(f *testing.F) {
	f.Add([]byte(`{"name":"a","scope":"viewer","sha256":"` + hash("x") + `","created":"2026-01-01T00:00:00Z","expires":"2027-01-01T00:00:00Z"}`))
	f.Add([]byte("\n\n{}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		all, err := parseTokens("tokens", text)
		if err != nil && all != nil {
			t.Fatal("tokens beside an error")
		}
		for _, one := range all {
			if one.validate() != nil {
				t.Fatalf("%+v", one)
			}
		}
	})
}
