package inventory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"
)

const netboxSecret = "0123456789abcdef0123456789abcdef01234567"

func netboxAt(url string) NetBox {
	return NetBox{Endpoint: Endpoint{Name: "nb", URL: url + "/", Login: "netbox", Keyring: oneLogin("", netboxSecret)}}
}

func TestNetBoxDevicesBecomeBMCs(t *testing.T) {
	s := netboxOf(1)
	s.devices = append(s.devices,
		`{"id":2,"name":"switch","device_type":{"id":1},"asset_tag":"A2","oob_ip":null,"custom_fields":{}}`,
		// 3.6: device_role beside role, no oob_ip.description, IPv6, half units, a blade
		`{"id":3,"name":"blade","asset_tag":"A3","serial":"","device_type":{"id":9,"manufacturer":{"name":"HPE"},"model":"BL"},"device_role":{"slug":"old"},"role":{"slug":"blade"},
		"site":{"slug":"ams1"},"rack":null,"position":12.5,"face":null,"parent_device":{"id":7,"name":"enclosure","device_bay":{"id":1,"name":"Bay 3"}},"tenant":{"slug":"hpc"},
		"oob_ip":{"address":"fd00::7/64","dns_name":"blade-bmc.example"},"tags":[],"custom_fields":{"bmc_trust":"tofu","bmc_rmcp_port":6230}}`,
		`{"id":4,"name":"no tag","asset_tag":null,"device_type":{"id":1},"oob_ip":{"address":"10.0.0.4/24"},"custom_fields":{}}`,
		`{"id":5,"name":"bad","asset_tag":"A5","device_type":{"id":1},"oob_ip":{"address":"10.0.0.5/24"},"custom_fields":{"bmc_protocol":"telnet","note":"a\u001b[2J"}}`,
	)
	server := s.start(t)
	got, err := netboxAt(server.URL).BMCs(t.Context(), Known{})
	if err != nil {
		t.Fatal(err)
	}
	want := Answer{Read: 5, Of: 5, BMCs: pointers([]BMC{
		{ID: "A000001", Address: netip.MustParseAddr("10.1.0.1"), Site: "ams1", Room: "Room 1", Rack: "R1", Unit: 3, Height: 2, Face: "front",
			Vendor: "Dell", Model: "R650", Serial: "SN000001", Protocol: Redfish, Login: "idrac",
			Labels: map[string]string{"name": "srv-1", "role": "server", "status": "active", "tags": "blue,rome", "rack_height": "48", "cf_owner": "hpc",
				"cf_count": "3", "cf_many": "a,b", "cf_of": "x"}},
		{ID: "A3", Address: netip.MustParseAddr("fd00::7"), Site: "ams1", Unit: 12.5, Chassis: "enclosure", Slot: "Bay 3", Vendor: "HPE", Model: "BL",
			Protocol: Auto, Login: DefaultLogin, Trust: Trust{Mode: TrustTOFU},
			Labels: map[string]string{"name": "blade", "role": "blade", "tenant": "hpc", "hostname": "blade-bmc.example", "rmcp_port": "6230"}},
	}), Bad: []Conflict{
		{Kind: BadRecord, Text: `NetBox device 4 (no tag): id: want the asset ID, got ""`},
		{Kind: BadRecord, BMCs: []ID{"A5"}, Text: `NetBox device 5 (bad): cf_note: want printable UTF-8 text, got "a\x1b[2J"; protocol: want redfish, ipmi or auto, got "telnet"`},
	}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\n%+v\nwant %+v", got, got.List(), want.List())
	}
	for id, want := range map[string]string{"name": "srv-1", "serial": "SN000001", "id": "1", "cf.owner": "hpc"} {
		n := netboxAt(server.URL)
		n.ID = id
		if got, err := n.BMCs(t.Context(), Known{}); err != nil || string(got.BMCs[0].ID) != want {
			t.Errorf("id %s: %v, %v", id, got.BMCs[0].ID, err)
		}
	}
}

func TestNetBoxIsReadInPagesWhateverItsLargestIs(t *testing.T) {
	for _, test := range []struct{ devices, most, page, requests int }{{2500, 1000, 0, 3}, {2500, 100, 0, 25}, {2000, 1000, 0, 2}, {30, 1000, 7, 5}, {0, 1000, 0, 1}, {1, 1, 1, 1}} {
		s := netboxOf(test.devices)
		s.most = test.most
		n := netboxAt(s.start(t).URL)
		n.Page, n.Filters = test.page, [][2]string{{"site", "ams1"}, {"status", "active"}, {"status", "planned"}}
		got, err := n.BMCs(t.Context(), Known{})
		if err != nil || len(got.BMCs) != test.devices || got.Read != test.devices || got.Of != test.devices || len(s.requests) != test.requests {
			t.Errorf("%+v: %d BMCs, read %d of %d, %d requests, %v", test, len(got.BMCs), got.Read, got.Of, len(s.requests), err)
		}
		if q := s.requests[0]; q.Get("site") != "ams1" || !reflect.DeepEqual(q["status"], []string{"active", "planned"}) || q.Get("exclude") != "config_context" {
			t.Errorf("asked for %v", q)
		}
	}
}

func TestNetBoxTokensOfEitherKindAreSent(t *testing.T) {
	s := netboxOf(1)
	s.token = "nbt_abcdef.0123456789"
	n := netboxAt(s.start(t).URL)
	n.Keyring = oneLogin("", s.token)
	if _, err := n.BMCs(t.Context(), Known{}); err != nil {
		t.Error(err)
	}
}

// fault answers the nth request in its own way.
type fault = func(n int, w http.ResponseWriter, r *http.Request) bool

func only(at int, answer func(w http.ResponseWriter, r *http.Request)) fault {
	return func(n int, w http.ResponseWriter, r *http.Request) bool {
		if n != at {
			return false
		}
		answer(w, r)
		return true
	}
}

// from answers the nth request, and all after it.
func from(at int, answer func(w http.ResponseWriter, r *http.Request)) fault {
	return func(n int, w http.ResponseWriter, r *http.Request) bool {
		if n < at {
			return false
		}
		answer(w, r)
		return true
	}
}

func says(status int, header, value, body string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		if header != "" {
			w.Header().Set(header, value)
		}
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
}

func hangsUp(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err == nil {
		_ = conn.Close()
	}
}

// trouble is a fault, and what the error has to say of it.
type trouble struct {
	fault fault
	want  string
}

// faults are what any source may meet at its second page. list is how its records are called in the document.
func faults(list string) map[string]trouble {
	return map[string]trouble{
		"a login that has ended":       {only(2, says(401, "", "", `{"detail":"expired"}`)), "401 Unauthorized: {\"detail\":\"expired\"}; the login"},
		"a login without the right":    {only(2, says(403, "", "", `{}`)), "403 Forbidden: {}; the login"},
		"HTML with status 200":         {only(2, says(200, "Content-Type", "text/html", "<html>Sign in</html>")), "want JSON, got a page for people"},
		"HTML that says it is JSON":    {only(2, says(200, "", "", " <!DOCTYPE html><html>")), "want JSON, got a page for people"},
		"a redirect to another server": {only(2, says(302, "Location", "https://evil.example/", "")), "302 Found: nothing was said; it is moved to https://evil.example/"},
		"a page that is missing":       {only(2, says(404, "", "", `{"detail":"Invalid page."}`)), "404 Not Found"},
		"a page that is cut short":     {only(2, says(200, "", "", `{"`+list+`":[{"id":1001`)), "the answer is cut short"},
		"an empty answer":              {only(2, says(200, "", "", ``)), "the answer is cut short after 0 bytes"},
		"another document":             {only(2, says(200, "", "", `[]`)), "want a list of records at"},
		"a list of texts":              {only(2, says(200, "", "", `{"`+list+`":["x"]}`)), "record 51"},
		"no list":                      {only(2, says(200, "", "", `{"detail":"x"}`)), `there is no list at "` + list + `"`},
		"something after the document": {only(2, says(200, "", "", `{"`+list+`":[]}{}`)), "something follows the document"},
		"a connection that is cut":     {from(2, hangsUp), "EOF"},
		"a server that breaks":         {only(2, says(500, "", "", "oops\x1b[2J\n")), "500 Internal Server Error: oops [2J"},
		"a limit for a long time":      {only(2, says(429, "Retry-After", "900", `{}`)), "it wants to be asked again in 15m0s"},
		"a limit that never ends":      {from(2, says(429, "", "", `{}`)), "429 Too Many Requests"},
		"a page that never ends coming": {only(2, func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, `{"`+list+`":[`)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}), "Client.Timeout"},
	}
}

// leavesTheFleet checks that a source's error is as it should be, names no secret, and costs the fleet nothing.
func leavesTheFleet(t *testing.T, source Source, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if err != nil && (strings.Contains(err.Error(), "snow-secret") || strings.Contains(err.Error(), netboxSecret)) {
		t.Errorf("the secret is in %v", err)
	}
	dir := t.TempDir()
	s := opened(t, SyncConfig{Dir: dir, Rule: DefaultRule(), Source: sourceOf(func() (Answer, error) { return answerOf(bmcs(1, 20)), nil })})
	if _, err := s.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.config.Source = sourceOf(func() (Answer, error) { return Answer{}, err })
	_, failed := s.Sync(t.Context())
	if now, status := s.Register(); failed == nil || len(now.BMCs) != 20 || now.Number != 1 || status.Error == "" {
		t.Errorf("%v: %d BMCs, status %+v", failed, len(now.BMCs), status)
	}
}

func TestWhateverGoesWrongWithNetBoxIsAnErrorAndNoShorterList(t *testing.T) {
	all := faults("results")
	all["a short page"] = trouble{only(2, says(200, "", "", `{"count":50,"next":null,"results":[`+netboxDeviceText(51)+`]}`)), "read 51 of 100 records: the list is not whole"}
	all["half a first page"] = trouble{only(1, says(200, "", "", `{"count":100,"next":null,"results":[`+netboxDeviceText(1)+`]}`)), "read 1 of 100 records"}
	all["an empty page with a next one"] = trouble{only(2, says(200, "", "", `{"count":50,"next":"x","results":[]}`)), "read 50 of 100 records, and then an empty page"}
	all["no count"] = trouble{only(2, says(200, "", "", `{"next":null,"results":[]}`)), "it does not say how many records there are"}
	all["the first page again"] = trouble{only(2, says(200, "", "", `{"count":50,"next":null,"results":[`+netboxDeviceText(1)+`]}`)), "number 1 comes after number 50"}
	all["a field of another type"] = trouble{only(2, says(200, "", "", `{"count":50,"next":null,"results":[{"id":"x"}]}`)), `record 51: id: want a whole number, got "x"`}
	for name, test := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := netboxOf(100)
			s.most, s.fault = 50, test.fault
			n := netboxAt(s.start(t).URL)
			n.Patience = 2 * time.Second
			got, err := n.BMCs(t.Context(), Known{})
			if len(got.BMCs) > 0 {
				t.Errorf("%d BMCs beside an error", len(got.BMCs))
			}
			leavesTheFleet(t, n, err, test.want)
		})
	}
	t.Run("a wrong token, which is echoed", func(t *testing.T) {
		n := netboxAt(netboxOf(1).start(t).URL)
		n.Keyring = oneLogin("", "another-secret-that-is-wrong")
		if _, err := n.BMCs(t.Context(), Known{}); err == nil || strings.Contains(err.Error(), "another-secret") || !strings.Contains(err.Error(), "REDACTED") {
			t.Error(err)
		}
	})
	t.Run("no such credential", func(t *testing.T) {
		n := netboxAt("http://127.0.0.1:1")
		n.Keyring = &dirKeyring{dir: t.TempDir(), versions: versions{}}
		if _, err := n.BMCs(t.Context(), Known{}); !errors.Is(err, ErrNoCredential) {
			t.Error(err)
		}
	})
	t.Run("nobody there", func(t *testing.T) {
		if _, err := netboxAt("http://127.0.0.1:1").BMCs(t.Context(), Known{}); err == nil || !strings.Contains(err.Error(), "source nb: get http://127.0.0.1:1/api/dcim/device-types/: dial tcp") {
			t.Error(err)
		}
	})
}

func TestASourceThatIsBusyForAMomentIsAskedAgain(t *testing.T) {
	s := netboxOf(100)
	s.most, s.fault = 50, only(2, says(429, "Retry-After", "1", `{}`))
	got, err := netboxAt(s.start(t).URL).BMCs(t.Context(), Known{})
	if err != nil || len(got.BMCs) != 100 || len(s.requests) != 3 {
		t.Errorf("%d BMCs, %d requests, %v", len(got.BMCs), len(s.requests), err)
	}
}

func snowAt(url string) ServiceNow {
	return ServiceNow{Endpoint: Endpoint{Name: "snow", URL: url, Login: "snow", Keyring: oneLogin("reader", "snow-secret")}, Table: "cmdb_ci_server",
		Fields: Fields{"id": "asset_tag", "address": "u_oob_ip", "site": "location.name", "rack": "u_rack", "serial": "serial_number", "note": "u_empty"}, Page: 50}
}

func TestServiceNowRecordsBecomeBMCs(t *testing.T) {
	s := snowOf(120)
	s.records[7]["u_oob_ip"] = "bmc7.example"
	got, err := snowAt(s.start(t).URL).BMCs(t.Context(), Known{})
	if err != nil || len(got.BMCs) != 119 || got.Read != 120 || got.Of != 120 || s.requests != 3 {
		t.Fatalf("%d BMCs, read %d of %d, %d requests, %v", len(got.BMCs), got.Read, got.Of, s.requests, err)
	}
	want := BMC{ID: "A000001", Address: netip.MustParseAddr("10.0.0.0"), Site: "ams1", Rack: "R0", Serial: "SN0", Protocol: Auto, Login: DefaultLogin}
	if !reflect.DeepEqual(*got.BMCs[0], want) {
		t.Errorf("got %+v", got.BMCs[0])
	}
	if len(got.Bad) != 1 || got.Bad[0].BMCs[0] != "A000008" || !strings.Contains(got.Bad[0].Text, "not a host name") {
		t.Errorf("bad: %v", got.Bad)
	}
}

func TestWhateverGoesWrongWithServiceNowIsAnErrorAndNoShorterList(t *testing.T) {
	for name, test := range faults("result") {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := snowOf(100)
			s.fault = func(n int, w http.ResponseWriter, r *http.Request) bool {
				w.Header().Set("X-Total-Count", "50")
				return test.fault(n, w, r)
			}
			n := snowAt(s.start(t).URL)
			n.Patience = 2 * time.Second
			_, err := n.BMCs(t.Context(), Known{})
			leavesTheFleet(t, n, err, test.want)
		})
	}
	for name, test := range map[string]struct {
		change func(*snowStandIn, *ServiceNow)
		want   string
	}{
		"records that the login may not see": {func(s *snowStandIn, _ *ServiceNow) { s.hidden[s.records[99]["sys_id"]] = true },
			"read 99 of 100 records: the list is not whole (records that the login may not see are counted, too)"},
		"a field that does not exist": {func(_ *snowStandIn, n *ServiceNow) { n.Fields["unit"] = "u_unti" },
			"table cmdb_ci_server: none of 100 records has the field u_unti: is it spelled right"},
		"a wrong password": {func(_ *snowStandIn, n *ServiceNow) { n.Keyring = oneLogin("reader", "wrong") }, "401 Unauthorized"},
		"another table":    {func(_ *snowStandIn, n *ServiceNow) { n.Table = "x" }, "400 Bad Request"},
		"a transaction that is cancelled": {func(s *snowStandIn, _ *ServiceNow) {
			s.fault = only(2, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("X-Total-Count", "50")
				fmt.Fprint(w, `{"result":[],"error":{"message":"Transaction cancelled: maximum execution time exceeded"}}`)
			})
		}, "it broke off: {\"message\":\"Transaction cancelled"},
		"no count": {func(s *snowStandIn, _ *ServiceNow) { s.fault = only(1, says(200, "", "", `{"result":[]}`)) }, "header X-Total-Count"},
	} {
		t.Run(name, func(t *testing.T) {
			s := snowOf(100)
			server := s.start(t)
			n := snowAt(server.URL)
			test.change(s, &n)
			_, err := n.BMCs(t.Context(), Known{})
			leavesTheFleet(t, n, err, test.want)
		})
	}
}

// serve answers with the body of each path.
func serve(t *testing.T, bodies map[string]string) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer json-secret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Fprint(w, strings.ReplaceAll(bodies[r.URL.RequestURI()], "SELF", "http://"+r.Host))
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestJSONRecordsBecomeBMCs(t *testing.T) {
	url := serve(t, map[string]string{
		"/list":        `{"meta":{"total":3,"next":"/list?page=2"},"data":{"count":2,"servers":[{"tag":"a","bmc":{"ip":"10.0.0.1"},"u":3,"where":null},{"tag":"b","bmc":{"ip":"10.0.0.2"},"u":"4","where":{"rack":"R1"}}]}}`,
		"/list?page=2": `{"data":{"servers":[{"tag":"c","bmc":{"ip":"10.0.0.3"},"u":null,"where":{"rack":"R2"}}]},"meta":{"total":3,"next":null}}`,
		"/bare":        `[{"tag":"a","bmc.ip":"10.0.0.1","u":1,"where.rack":"R"}]`,
		"/short":       `{"meta":{"total":3},"data":{"servers":[{"tag":"a","bmc":{"ip":"10.0.0.1"},"u":1,"where":{"rack":"R"}}]}}`,
		"/elsewhere":   `{"meta":{"total":1,"next":"https://evil.example/x"},"data":{"servers":[]}}`,
		"/user":        `{"meta":{"total":1,"next":"//user@evil.example/x"},"data":{"servers":[]}}`,
		"/circle":      `{"meta":{"total":1,"next":"SELF/circle"},"data":{"servers":[]}}`,
		"/uncounted":   `{"data":{"servers":[]}}`,
		"/typo":        `{"meta":{"total":1},"data":{"servers":[{"tag":"a","bmc":{"adress":"10.0.0.1"},"u":1,"where":{"rack":"R"}}]}}`,
	})
	at := func(path string) JSON {
		return JSON{Endpoint: Endpoint{Name: "own", URL: url + path, Login: "own", Keyring: oneLogin("", "json-secret")}, Items: "data.servers", Total: "meta.total", Next: "meta.next",
			Fields: Fields{"id": "tag", "address": "bmc.ip", "unit": "u", "rack": "where.rack"}}
	}
	got, err := at("/list").BMCs(t.Context(), Known{})
	if err != nil || names(got.List()) != "a b c" || got.Read != 3 || got.Of != 3 || got.BMCs[1].Rack != "R1" || got.BMCs[1].Unit != 4 || got.BMCs[0].Unit != 3 {
		t.Errorf("%+v, %v", got, err)
	}
	bare := at("/bare")
	bare.Items, bare.Total, bare.Next = "", "", ""
	if got, err := bare.BMCs(t.Context(), Known{}); err != nil || names(got.List()) != "a" || got.BMCs[0].Rack != "R" {
		t.Errorf("%+v, %v", got, err)
	}
	for path, want := range map[string]string{
		"/short": "read 1 of 3 records: the list is not whole", "/elsewhere": "which is another server", "/user": "which is another server",
		"/circle": "go round in a circle", "/uncounted": "does not say how many records there are (meta.total)", "/typo": "none of 1 records has the field bmc.ip",
	} {
		_, err := at(path).BMCs(t.Context(), Known{})
		leavesTheFleet(t, at(path), err, want)
	}
}

func TestOfSeveralSourcesTheFirstHasPrecedence(t *testing.T) {
	a := netip.MustParseAddr("10.0.0.1")
	first := answerOf([]BMC{{ID: "x", Address: a, Protocol: Auto, Login: "own", Rack: "R1", Labels: map[string]string{"role": "db"}}, {ID: "own", Address: a, Protocol: Auto, Login: DefaultLogin}})
	second := answerOf([]BMC{
		{ID: "x", Address: netip.MustParseAddr("10.0.0.9"), Protocol: IPMI, Login: "theirs", Rack: "R9", Unit: 4, Labels: map[string]string{"role": "web", "tenant": "t"}, Trust: Trust{Mode: TrustTOFU}},
		{ID: "new", Address: netip.MustParseAddr("10.0.0.2"), Protocol: Auto, Login: DefaultLogin}, {ID: "new", Address: netip.MustParseAddr("10.0.0.3"), Protocol: Auto, Login: DefaultLogin},
	}, Conflict{Kind: BadRecord, Text: "bad"})
	second.Read, second.Of = 3, 3
	has := func(a Answer, err error) Source { return sourceOf(func() (Answer, error) { return a, err }) }
	got, err := Merged{has(first, nil), has(second, nil)}.BMCs(t.Context(), Known{})
	want := BMC{ID: "x", Address: a, Protocol: IPMI, Login: "own", Rack: "R1", Unit: 4, Labels: map[string]string{"role": "db", "tenant": "t"}, Trust: Trust{Mode: TrustTOFU}}
	if err != nil || names(got.List()) != "x own new new" || !reflect.DeepEqual(*got.BMCs[0], want) || len(got.Bad) != 1 || got.Read != 3 {
		t.Errorf("%+v, %v", got, err)
	}
	if first.BMCs[0].Labels["tenant"] != "" {
		t.Error("a source's answer was written to")
	}
	broken := errors.New("down")
	if got, err := (Merged{has(first, nil), has(second, broken)}).BMCs(t.Context(), Known{}); !errors.Is(err, broken) || len(got.BMCs) > 0 {
		t.Errorf("one of two is down: %+v, %v", got, err)
	}
}

func TestASyncThatIsStoppedBlamesNoSource(t *testing.T) {
	s := netboxOf(100)
	ctx, cancel := context.WithCancel(t.Context())
	s.most, s.fault = 50, only(2, func(_ http.ResponseWriter, r *http.Request) { cancel(); <-r.Context().Done() })
	c := opened(t, SyncConfig{Dir: t.TempDir(), Rule: DefaultRule(), Source: netboxAt(s.start(t).URL)})
	if _, err := c.Sync(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, status := c.Register(); status.Error != "" {
		t.Errorf("status %+v", status)
	}
}

func FuzzStream(f *testing.F) {
	for _, text := range []string{`{"a":{"b":[1,2]},"c":3}`, `[{}]`, `{"a":`, `{"a":{"b":{}}}`, `[`, `{"a":{"b":[]}}{}`, "\x00", `{"count":1,"results":[` + netboxDeviceText(1) + `]}`} {
		f.Add(text, "a.b")
		f.Add(text, "")
		f.Add(text, "results")
	}
	f.Fuzz(func(t *testing.T, text, path string) {
		r, m := newReading(Known{}), Fields{"id": "id", "address": "oob_ip.address", "rack": "rack.name"}.mapped()
		j := &jsonReading{JSON: JSON{Fields: m.fields}, reading: r, mapped: m}
		s := stream{each: j.take, beside: func(string, json.RawMessage) {}}
		_ = s.read(strings.NewReader(text), path)
		for _, b := range r.answer.BMCs {
			if b.ID == "" || !b.Address.IsValid() {
				t.Errorf("a BMC without ID or address: %+v", b)
			}
		}
	})
}
