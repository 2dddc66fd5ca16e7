package inventory

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// deviceWith is a device that has something in a custom field.
func deviceWith(id int, custom string) string {
	return fmt.Sprintf(`{"id":%d,"name":"n%d","asset_tag":"A%06d","serial":"","device_type":{"id":1,"manufacturer":{"name":"Dell"},"model":"R"},"oob_ip":{"address":"10.0.0.%d/24"},"custom_fields":{%s}}`,
		id, id, id, id, custom)
}

// pagesOf is the list of devices in two pages, of which the first leaves out some.
func pagesOf(s *netboxStandIn, left map[int]bool) fault {
	return func(_ int, w http.ResponseWriter, r *http.Request) bool {
		query := r.URL.Query()
		if query.Get("id__gt") != "" || query.Get("id__lte") != "" {
			return false
		}
		var page []string
		for i, text := range s.devices[:s.most] {
			if !left[i+1] {
				page = append(page, text)
			}
		}
		fmt.Fprintf(w, `{"count":%d,"next":"x","results":[%s]}`, len(s.devices), strings.Join(page, ","))
		return true
	}
}

func TestAPageThatLeavesADeviceOutIsNoShorterList(t *testing.T) {
	s := netboxOf(100)
	s.most = 50
	s.fault = pagesOf(s, map[int]bool{7: true})
	n := netboxAt(s.start(t).URL)
	_, err := n.BMCs(t.Context(), Known{})
	leavesTheFleet(t, n, err, "a page had 49 of the 50 devices up to number 50: the list is not whole")
}

func TestDevicesThatComeAndGoWhileTheyAreReadAreNoError(t *testing.T) {
	for name, change := range map[string]func(s *netboxStandIn){
		"one is deleted that was read":     func(s *netboxStandIn) { s.deleted = map[int]bool{3: true} },
		"one is deleted that was not read": func(s *netboxStandIn) { s.deleted = map[int]bool{77: true} },
		"some are added":                   func(s *netboxStandIn) { s.devices = append(s.devices, netboxDeviceText(101), netboxDeviceText(102)) },
		"one goes and one comes": func(s *netboxStandIn) {
			s.deleted = map[int]bool{60: true}
			s.devices = append(s.devices, netboxDeviceText(101))
		},
	} {
		s := netboxOf(100)
		s.most = 50
		s.fault = func(n int, _ http.ResponseWriter, _ *http.Request) bool {
			if n == 2 {
				s.mu.Lock()
				change(s)
				s.mu.Unlock()
			}
			return false
		}
		if got, err := netboxAt(s.start(t).URL).BMCs(t.Context(), Known{}); err != nil || len(got.BMCs) < 99 {
			t.Errorf("%s: %d BMCs, %v", name, len(got.BMCs), err)
		}
	}
}

func TestARecordThatIsMuchTooLargeIsRefusedBeforeItIsInMemory(t *testing.T) {
	s := netboxOf(0)
	s.devices = []string{deviceWith(1, `"much":"`+strings.Repeat("x", mostRecord+1<<20)+`"`)}
	n := netboxAt(s.start(t).URL)
	_, err := n.BMCs(t.Context(), Known{})
	leavesTheFleet(t, n, err, "more than 16 MiB")
}

// Who may write a custom field of type JSON must not be able to keep us busy.
func TestAValueThatIsNestedWithoutEndCostsNothing(t *testing.T) {
	const deep = 9_000
	s := netboxOf(0)
	s.devices = []string{
		deviceWith(1, `"deep":`+strings.Repeat("[", deep)+`"`+strings.Repeat("x", 1<<20)+`"`+strings.Repeat("]", deep)),
		deviceWith(2, `"deep":`+strings.Repeat(`{"value":`, deep)+`"`+strings.Repeat("x", 1<<20)+`"`+strings.Repeat("}", deep)),
	}
	began := time.Now()
	got, err := netboxAt(s.start(t).URL).BMCs(t.Context(), Known{})
	if err != nil || len(got.BMCs) != 2 || got.BMCs[0].Labels["cf_deep"] != "" {
		t.Errorf("%+v, %v", got, err)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("it took %v", took)
	}
}

// A label goes to Kafka with its BMC, where a record has an end: one long text must not keep the whole inventory from being published.
func TestLongTextsAreBounded(t *testing.T) {
	s := netboxOf(0)
	s.devices = []string{
		deviceWith(1, `"note":"`+strings.Repeat("ä", 1<<20)+`"`),
		deviceWith(2, `"bmc_rack":"`+strings.Repeat("R", 300)+`"`),
	}
	got, err := netboxAt(s.start(t).URL).BMCs(t.Context(), Known{})
	if err != nil || len(got.BMCs) != 1 || len(got.Bad) != 1 {
		t.Fatalf("%d BMCs, bad %v, %v", len(got.BMCs), got.Bad, err)
	}
	note := got.BMCs[0].Labels["cf_note"]
	if len(note) > 1100 || !strings.HasSuffix(note, "...") || !utf8.ValidString(note) {
		t.Errorf("a label of %d bytes: %.20q", len(note), note)
	}
	if text := got.Bad[0].Text; !strings.Contains(text, "rack: want at most 255 bytes") || len(text) > 300 {
		t.Error(text)
	}
	record, err := json.Marshal(got.BMCs[0])
	if err != nil || len(record) > 4096 {
		t.Errorf("a record of %d bytes, %v", len(record), err)
	}
}

func TestPlacesMayBeCalledWhateverPeopleCallThem(t *testing.T) {
	for _, site := range []string{"Zürich-Süd", "東京1", "Москва", "São Paulo", "a b", "العربية", "🏢", strings.Repeat("長", 80)} {
		s := netboxOf(0)
		s.devices = []string{strings.Replace(deviceWith(1, ""), `"custom_fields"`, fmt.Sprintf(`"site":{"slug":%q},"rack":{"id":1,"name":%q},"custom_fields"`, site, site), 1)}
		got, err := OfSite{Source: netboxAt(s.start(t).URL), Site: site}.BMCs(t.Context(), Known{})
		if err != nil || len(got.BMCs) != 1 || got.BMCs[0].Site != site || got.BMCs[0].Rack != site {
			t.Errorf("%s: %+v, %v", site, got, err)
		}
	}
	for _, site := range []string{"a\u202eb", "a\u0000b", "a\nb", "a\u2028b", "\ufffd\u200b"} {
		text, _ := json.Marshal(site)
		s := netboxOf(0)
		s.devices = []string{strings.Replace(deviceWith(1, ""), `"custom_fields"`, `"site":{"slug":`+string(text)+`},"custom_fields"`, 1)}
		got, err := netboxAt(s.start(t).URL).BMCs(t.Context(), Known{})
		if err != nil || len(got.BMCs) != 0 || len(got.Bad) != 1 {
			t.Errorf("%q: %+v, %v", site, got, err)
		}
	}
}

// A record that no message of Kafka holds keeps the whole inventory from being published, and one of a million fields keeps us busy.
func TestTooManyFieldsMakeABadRecordSoon(t *testing.T) {
	field := func(n int, name, value string) string {
		fields := make([]string, n)
		for i := range fields {
			fields[i] = fmt.Sprintf(`"%s%06d":%q`, name, i, value)
		}
		return strings.Join(fields, ",")
	}
	s := netboxOf(0)
	s.devices = []string{
		deviceWith(1, field(60, "note", strings.Repeat("<", 1000))),
		deviceWith(2, field(500_000, "bmc_a", "x")),
		deviceWith(3, field(500_000, "b", "x")),
		deviceWith(4, field(60, "short", "x")),
	}
	began := time.Now()
	got, err := netboxAt(s.start(t).URL).BMCs(t.Context(), Known{})
	if err != nil || len(got.BMCs) != 1 || got.BMCs[0].ID != "A000004" || len(got.Bad) != 3 {
		t.Fatalf("%d BMCs, bad %.500v, %v", len(got.BMCs), got.Bad, err)
	}
	for _, bad := range got.Bad {
		if len(bad.BMCs) != 1 || len(bad.Text) > 300 || !strings.Contains(bad.Text, "labels") {
			t.Errorf("%.500v", bad)
		}
	}
	if took := time.Since(began); took > time.Minute {
		t.Errorf("it took %v", took)
	}
}

func TestLabelsThatAreTooManyOnceTheyAreMergedHinderTheirBMCAlone(t *testing.T) {
	was, _ := synced(DefaultRule(), answerOf(bmcs(1, 3)))
	now := bmcs(1, 3)
	now[1].Labels = map[string]string{"a": strings.Repeat("x", mostLabels), "b": "y"}
	next, diff := DefaultRule().Sync(was, answerOf(now), noon)
	if !diff.Empty() || len(next.BMCs) != 3 || len(next.Conflicts) == 0 || next.Conflicts[0].Kind != BadRecord || !strings.Contains(next.Conflicts[0].Text, "at most 32 KiB") {
		t.Errorf("%v, %+v", diff, next.Conflicts)
	}
}

func TestNamesOfFieldsObeyNoTerminal(t *testing.T) {
	s := netboxOf(0)
	s.devices = []string{
		deviceWith(1, `"x\u001b[31m":"v","y\u202e":"v","`+"\xff"+`":"v"`),
		deviceWith(2, `"x\u001b[31m":"\u0000","bmc_\u001b[2J":"\u0000"`),
	}
	got, err := netboxAt(s.start(t).URL).BMCs(t.Context(), Known{})
	if err != nil || len(got.BMCs) != 1 || len(got.Bad) != 1 {
		t.Fatalf("%d BMCs, bad %v, %v", len(got.BMCs), got.Bad, err)
	}
	for name := range got.BMCs[0].Labels {
		if !printable(name, "") {
			t.Errorf("a label %q", name)
		}
	}
	if text := got.Bad[0].Text; !printable(text, "") {
		t.Errorf("%q", text)
	}
}

func TestWhatASecondSourceHasTwiceIsFilledInByNeither(t *testing.T) {
	first, second := bmcs(1, 1), append(bmcs(1, 1), bmcs(1, 1)...)
	first[0].Login, second[0].Login, second[1].Login = DefaultLogin, DefaultLogin, "of-another"
	got, err := Merged{sourceOf(func() (Answer, error) { return answerOf(first), nil }), sourceOf(func() (Answer, error) { return answerOf(second), nil })}.BMCs(t.Context(), Known{})
	if err != nil {
		t.Fatal(err)
	}
	next, _ := DefaultRule().Sync(Register{}, got, noon)
	if len(next.BMCs) != 0 || len(next.Conflicts) != 1 || next.Conflicts[0].Kind != SameID {
		t.Errorf("%+v, conflicts %v", next.BMCs, next.Conflicts)
	}
}
