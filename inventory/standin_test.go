package inventory

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// netboxStandIn answers as NetBox' documentation of its REST API says: tokens, filters by id__gt, ordering, pages of at most
// MAX_PAGE_SIZE, count, next and previous. It is no NetBox.
type netboxStandIn struct {
	token   string
	most    int // MAX_PAGE_SIZE
	devices []string
	many    int // so many devices instead, each made when it is asked for
	types   []string
	racks   []string
	// fault, if it says true, has answered a request for devices by itself; n counts those from 1.
	fault func(n int, w http.ResponseWriter, r *http.Request) bool

	// patch, if it says true, has answered a change of devices by itself; n counts those from 1. A device whose number is in refuses cannot
	// be changed, and one in gone is there no more.
	patch         func(n int, w http.ResponseWriter, r *http.Request) bool
	refuses, gone map[int64]bool
	deleted       map[int]bool // devices by number that are there no more; mu

	mu       sync.Mutex
	requests []url.Values // for devices
	patches  []int        // how many devices each change was of
	health   map[int64]string
}

const healthField = "bmc_health"

// change answers PATCH as NetBox does: all devices of the list are changed, or none; one that is not there is left out without a word.
func (s *netboxStandIn) change(w http.ResponseWriter, r *http.Request) {
	var list []struct {
		ID     int64          `json:"id"`
		Custom map[string]any `json:"custom_fields"`
	}
	if err := json.NewDecoder(r.Body).Decode(&list); err != nil || r.Header.Get("Content-Type") != "application/json" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.patches = append(s.patches, len(list))
	if s.patch != nil && s.patch(len(s.patches), w, r) {
		return
	}
	var answers []string
	for _, d := range list {
		for field := range d.Custom {
			if field != healthField || s.health == nil {
				w.WriteHeader(http.StatusBadRequest)
				fmt.Fprintf(w, `{"custom_fields":["Unknown field name '%s' in custom field data."]}`, field)
				return
			}
		}
		if s.refuses[d.ID] {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"asset_tag":["device with this asset tag already exists."]}`)
			return
		}
		if !s.gone[d.ID] {
			answers = append(answers, fmt.Sprintf(`{"id":%d,"status":{"value":"active"},"custom_fields":{%q:%q,"owner":"hpc"}}`, d.ID, healthField, d.Custom[healthField]))
		}
	}
	for _, d := range list {
		if !s.gone[d.ID] {
			s.health[d.ID] = fmt.Sprint(d.Custom[healthField])
		}
	}
	fmt.Fprintf(w, "[%s]", strings.Join(answers, ","))
}

// withHealth puts the custom field into devices as they are answered.
func (s *netboxStandIn) withHealth(list []string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.health == nil {
		return list
	}
	with := make([]string, len(list))
	for i, text := range list {
		value := "null"
		if has := s.health[int64(i+1)]; has != "" {
			value = strconv.Quote(has)
		}
		with[i] = strings.Replace(text, `"custom_fields":{`, fmt.Sprintf(`"custom_fields":{%q:%s,`, healthField, value), 1)
	}
	return with
}

func (s *netboxStandIn) start(t testing.TB) *httptest.Server {
	t.Helper()
	t.Log("NOT TESTED against a real NetBox, which this machine has not: a stand-in that answers as its documentation says")
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return server
}

func (s *netboxStandIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	want := "Token " + s.token
	if strings.HasPrefix(s.token, "nbt_") {
		want = "Bearer " + s.token
	}
	if r.Header.Get("Authorization") != want {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, `{"detail":"Invalid token %s"}`, r.Header.Get("Authorization")) // it need not, but may echo it
		return
	}
	lists := map[string][]string{"/api/dcim/device-types/": s.types, "/api/dcim/racks/": s.racks, "/api/dcim/devices/": s.devices}
	list, known := lists[r.URL.Path]
	if !known {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	if r.Method == http.MethodPatch {
		s.change(w, r)
		return
	}
	if r.URL.Path == "/api/dcim/devices/" && s.many > 0 {
		s.made(w, r)
		return
	}
	if r.URL.Path == "/api/dcim/devices/" {
		s.mu.Lock()
		s.requests = append(s.requests, r.URL.Query())
		n := len(s.requests)
		s.mu.Unlock()
		if s.fault != nil && s.fault(n, w, r) {
			return
		}
		list = s.withHealth(s.devices)
	}
	s.page(w, r, list)
}

// page answers with the records, which are in the order of their numbers: the record at i has the number i+1.
func (s *netboxStandIn) page(w http.ResponseWriter, r *http.Request, list []string) {
	query := r.URL.Query()
	limit, err := strconv.Atoi(query.Get("limit"))
	if err != nil || limit <= 0 || limit > s.most {
		limit = s.most
	}
	after, _ := strconv.Atoi(query.Get("id__gt"))
	until := len(list)
	if last, err := strconv.Atoi(query.Get("id__lte")); err == nil {
		until = min(until, last)
	}
	var left []string
	for i := min(after, until); i < until; i++ {
		if !s.deletedAt(r, i+1) {
			left = append(left, list[i])
		}
	}
	next := "null"
	if len(left) > limit {
		query.Set("offset", strconv.Itoa(limit))
		next = strconv.Quote("http://" + r.Host + r.URL.Path + "?" + query.Encode())
	}
	fmt.Fprintf(w, `{"count":%d,"next":%s,"previous":null,"results":[%s]}`, len(left), next, strings.Join(left[:min(limit, len(left))], ","))
}

func (s *netboxStandIn) deletedAt(r *http.Request, id int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return r.URL.Path == "/api/dcim/devices/" && s.deleted[id]
}

// made answers with devices that are made now.
func (s *netboxStandIn) made(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	after, _ := strconv.Atoi(query.Get("id__gt"))
	limit, _ := strconv.Atoi(query.Get("limit"))
	until, next := min(after+min(limit, s.most), s.many), "null"
	if until < s.many {
		next = `"x"`
	}
	out := bufio.NewWriter(w)
	defer func() { _ = out.Flush() }()
	fmt.Fprintf(out, `{"count":%d,"next":%s,"previous":null,"results":[`, s.many-after, next)
	for id := after + 1; id <= until; id++ {
		if id > after+1 {
			fmt.Fprint(out, ",")
		}
		fmt.Fprint(out, netboxDeviceText(id))
	}
	fmt.Fprint(out, "]}")
}

// netboxDeviceText is a device as NetBox 4 has it, in what of it we read and much that we do not.
func netboxDeviceText(id int) string {
	return fmt.Sprintf(`{"id":%d,"url":"https://netbox/api/dcim/devices/%d/","display":"srv-%d","name":"srv-%d","device_type":{"id":1,"url":"https://netbox/api/dcim/device-types/1/",
"display":"R650","manufacturer":{"id":1,"url":"https://netbox/api/dcim/manufacturers/1/","display":"Dell","name":"Dell","slug":"dell","description":""},"model":"R650","slug":"r650","description":""},
"role":{"id":1,"display":"Server","name":"Server","slug":"server","description":""},"tenant":null,"platform":null,"serial":"SN%06d","asset_tag":"A%06d",
"site":{"id":1,"display":"Amsterdam 1","name":"Amsterdam 1","slug":"ams1","description":""},"location":{"id":1,"display":"Room 1","name":"Room 1","slug":"room-1","description":"","_depth":0},
"rack":{"id":%d,"display":"R%d","name":"R%d","description":""},"position":%d.0,"face":{"value":"front","label":"Front"},"latitude":null,"longitude":null,"parent_device":null,
"status":{"value":"active","label":"Active"},"airflow":null,"primary_ip":null,"primary_ip4":null,"primary_ip6":null,
"oob_ip":{"id":%d,"url":"https://netbox/api/ipam/ip-addresses/1/","display":"x","family":{"value":4,"label":"IPv4"},"address":"10.%d.%d.%d/24","description":""},
"cluster":null,"virtual_chassis":null,"vc_position":null,"vc_priority":null,"description":"","comments":"","config_template":null,"local_context_data":null,
"tags":[{"id":2,"name":"Rome","slug":"rome","color":"aa1409"},{"id":1,"name":"Blue","slug":"blue","color":"aa1409"}],
"custom_fields":{"bmc_login":"idrac","bmc_protocol":{"value":"redfish","label":"Redfish"},"owner":"hpc","none":null,"count":3,"many":["a","b"],"of":{"id":4,"name":"x"}},
"created":"2026-01-01T00:00:00Z","last_updated":"2026-01-01T00:00:00Z","interface_count":2}`,
		id, id, id, id, id, id, id/20+1, id/20+1, id/20+1, 2*(id%20)+1, id, 1+id>>16, id>>8&255, id&255)
}

func netboxOf(devices int) *netboxStandIn {
	s := &netboxStandIn{token: "0123456789abcdef0123456789abcdef01234567", most: 1000, types: []string{`{"id":1,"model":"R650","u_height":2.0}`}}
	for id := range devices {
		s.devices = append(s.devices, netboxDeviceText(id+1))
	}
	for id := range devices/20 + 1 {
		s.racks = append(s.racks, fmt.Sprintf(`{"id":%d,"name":"R%d","u_height":48}`, id+1, id+1))
	}
	return s
}

// snowStandIn answers as the documentation of ServiceNow's Table API says: sysparm_query with sys_id> and ORDERBY, sysparm_limit,
// sysparm_fields, Link and X-Total-Count. It is no ServiceNow.
type snowStandIn struct {
	records []map[string]string // by sys_id
	hidden  map[string]bool     // sys_ids that the login may not see: they are counted
	fault   func(n int, w http.ResponseWriter, r *http.Request) bool

	mu       sync.Mutex
	requests int
}

func (s *snowStandIn) start(t testing.TB) *httptest.Server {
	t.Helper()
	t.Log("NOT TESTED against a real ServiceNow, which needs an account: a stand-in that answers as its documentation says")
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return server
}

func (s *snowStandIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	if user, password, _ := r.BasicAuth(); user != "reader" || password != "snow-secret" {
		w.Header().Set("WWW-Authenticate", `BASIC realm="Service-now"`)
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"error":{"message":"User Not Authenticated","detail":"Required to provide Auth information"},"status":"failure"}`)
		return
	}
	if r.URL.Path != "/api/now/table/cmdb_ci_server" {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"error":{"message":"Invalid table x","detail":null},"status":"failure"}`)
		return
	}
	s.mu.Lock()
	s.requests++
	n := s.requests
	s.mu.Unlock()
	if s.fault == nil || !s.fault(n, w, r) {
		s.page(w, r)
	}
}

func (s *snowStandIn) page(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	left := s.records
	for _, term := range strings.Split(query.Get("sysparm_query"), "^") {
		if id, after := strings.CutPrefix(term, "sys_id>"); after {
			i, found := slices.BinarySearchFunc(left, id, func(r map[string]string, id string) int { return cmp.Compare(r["sys_id"], id) })
			if found {
				i++
			}
			left = left[i:]
		}
	}
	limit, _ := strconv.Atoi(query.Get("sysparm_limit"))
	w.Header().Set("X-Total-Count", strconv.Itoa(len(left)))
	if len(left) > limit {
		w.Header().Set("Link", fmt.Sprintf(`<http://%s%s>;rel="first",<http://%s%s>;rel="next"`, r.Host, r.URL, r.Host, r.URL))
	}
	fmt.Fprint(w, `{"result":[`)
	shown := 0
	for _, record := range left[:min(limit, len(left))] {
		if s.hidden[record["sys_id"]] {
			continue
		}
		var fields []string
		for _, name := range strings.Split(query.Get("sysparm_fields"), ",") {
			if value, known := record[name]; known { // a field that it does not know is left out
				fields = append(fields, fmt.Sprintf("%q:%q", name, value))
			}
		}
		if shown++; shown > 1 {
			fmt.Fprint(w, ",")
		}
		fmt.Fprintf(w, "{%s}", strings.Join(fields, ","))
	}
	fmt.Fprint(w, `]}`)
}

func snowOf(records int) *snowStandIn {
	s := &snowStandIn{hidden: map[string]bool{}}
	for i := range records {
		s.records = append(s.records, map[string]string{
			"sys_id": fmt.Sprintf("%032x", i+1), "asset_tag": fmt.Sprintf("A%06d", i+1), "u_oob_ip": fmt.Sprintf("10.0.%d.%d", i>>8, i&255),
			"location.name": "ams1", "u_rack": fmt.Sprint("R", i/20), "serial_number": fmt.Sprint("SN", i), "u_empty": "",
		})
	}
	return s
}

// oneLogin is a keyring of one credential, as the tests of sources need it.
func oneLogin(user, password string) Keyring {
	return singleKeyring{Credentials{Username: user, Password: NewSecret(password)}}
}
