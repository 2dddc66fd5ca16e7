package query

import (
	"errors"
	"strings"
	"testing"
	"time"
)

var now = time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)

// dell is a BMC that most of the questions are put to.
var dell = map[string]string{
	"bmc": "ams1-b02-u07", "site": "ams1", "rack": "B02", "unit": "7", "address": "10.4.1.37", "health": "unavailable", "failed": "tls",
	"reason": "tls.timeout", "owner": "server", "since": "2026-11-22T00:30:00Z", "age": "2h30m0s", "last_good_at": "2026-11-21T23:55:00Z",
	"flapping": "true", "vendor": "Dell Inc.", "model": "R650", "firmware": "2.9", "cert_not_after": "2026-12-10T00:00:00Z", "cipher_suite": "17",
	"label.tenant": "blue", "label.Cost centre": "4711", "incident": "inc-7", "silenced": "true",
}

func ask(t *testing.T, text string, of map[string]string) bool {
	t.Helper()
	f, err := Parse(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return f.Match(func(field string) string { return of[field] }, now)
}

func TestAFilterIsTrueOfWhatItAsksFor(t *testing.T) {
	for text, want := range map[string]bool{
		"":  true,
		" ": true,
		"firmware<2.14 and vendor=Dell and health!=available": true,
		"firmware<2.14 and vendor=HPE":                        false,
		"firmware>2.14":                                       false,
		"firmware>=2.9 and firmware<=2.9.0 and firmware=2.09": true,
		"firmware!=2.9":                                       false,
		"vendor=DELL":                                         true,
		"vendor=Del":                                          false,
		"vendor~el":                                           true,
		"vendor!~el":                                          false,
		"vendor!=HPE and vendor!='Super Micro'":               true,
		"rack=b02":                                            true,
		"rack in (A01, B02)":                                  true,
		"rack in (A01,A02)":                                   false,
		"rack in B02":                                         true,
		"not rack in (A01,A02)":                               true,
		"not (health=available or health=degraded)":           true,
		"health=available or rack=B02 and unit>6":             true,
		"(health=available or rack=B02) and unit>7":           false,
		"HEALTH = Unavailable AND Reason == tls.timeout":      true,
		"reason~tls.":                                         true,
		"flapping":                                            true,
		"not flapping":                                        false,
		"flapping=false":                                      false,
		"never_seen":                                          false,
		"flapping and never_seen=false":                       true,
		"age>2h and age<3h":                                   true,
		"age>=1d":                                             false,
		"since>now-3h and since<now":                          true,
		"since>2026-11-22":                                    true,
		"since>2026-11-22T01:00:00+01:00":                     true,
		"cert_not_after<now+30d":                              true,
		"cert_not_after<now+7d":                               false,
		"address=10.4.1.37":                                   true,
		"address=10.4.0.0/16":                                 true,
		"address!=10.5.0.0/16":                                true,
		"address in (10.5.0.0/16, 10.4.1.0/24)":               true,
		"unit=7.0":                                            true,
		"cipher_suite!=17":                                    false,
		"serial=\"\"":                                         true,
		"firmware!=\"\"":                                      true,
		"serial=X":                                            false,
		"serial!=X":                                           true,
		"redfish_version<99":                                  false,
		"not redfish_version<99":                              true,
		`bmc="ams1-b02-u07"`:                                  true,
		`bmc="ams1\-b02-u07"`:                                 true,
		"last_good_at<now-3h":                                 true,
		"last_at<now":                                         false,
		"label.tenant=BLUE and LABEL.tenant~lu":               true,
		"label.Tenant=blue":                                   false,
		`"label.Cost centre"=4711`:                            true,
		`label.gpu=""`:                                        true,
		"incident=inc-7 and silenced and not maintenance":     true,
	} {
		if got := ask(t, text, dell); got != want {
			t.Errorf("%q is %v, want %v", text, got, want)
		}
	}
}

func TestAMistakeSaysWhereItIsAndWhatWasExpected(t *testing.T) {
	for text, want := range map[string]string{
		"firmwar<2.14":              `position 1: found "firmwar", want a field; is firmware meant?`,
		"health=available and":      `position 21: found the end, want a field, not or (`,
		"health=availabel":          `position 8: found "availabel", want a health: unknown, available, degraded or unavailable`,
		"health<available":          `position 7: found "<", want =, !=, ~, !~ or in after health`,
		"health":                    `position 7: found the end, want =, !=, ~, !~ or in after health`,
		"rack=":                     `position 6: found the end, want a value of rack; in quotes where it has blanks or is a word such as and`,
		"rack=and":                  `position 6: found "and", want a value of rack; in quotes`,
		"failed=tls owner=server":   `position 12: found "owner", want and, or, or the end`,
		"(rack=B02":                 `position 10: found the end, want and, or, or the ) that closes position 1`,
		"rack=B02)":                 `position 9: found ")", want and, or, or the end`,
		"rack in (A01 B02)":         `position 14: found "B02", want , or )`,
		"rack='B02":                 `position 10: found the end, want ': the quote at position 6 is not closed`,
		"rack ! B02":                `position 6: found "!", want != or !~`,
		"unit>seven":                `position 6: found "seven", want a number`,
		"unit=NaN":                  `position 6: found "NaN", want a number`,
		"since>yesterday":           `position 7: found "yesterday", want a time: 2026-11-22, 2026-11-22T03:00:00Z, now, now-2h or now+30d`,
		"since>now*2h":              `want a time`,
		"age>2 h":                   `position 5: found "2", want a time span: 90s, 15m, 2h or 3d`,
		"age=2h":                    `want <, <=, > or >= after age`,
		"firmware<":                 `position 10: found the end, want a value of firmware`,
		"firmware<new":              `position 10: found "new", want a version such as 2.14`,
		"firmware<\"\"":             `want a value; only = and != know the empty one`,
		"flapping=maybe":            `position 10: found "maybe", want true or false after flapping`,
		"address=10.4":              `want an address or a network such as 10.4.0.0/16`,
		"label.=x":                  `position 1: found "label."`,
		`"rack"=x`:                  `position 1: found "\"rack\"", want a field, not or (`,
		"label.tenant>3":            `want =, !=, ~, !~ or in after label.tenant`,
		"ä=1":                       `position 1: found "ä", want a field: bmc, site,`,
		"rack=ä and ö=1":            `position 12: found "ö"`,
		"rack=\xff":                 `want text in UTF-8`,
		strings.Repeat("(", 60):     `want at most 50 brackets or nots within each other`,
		strings.Repeat("not ", 60):  `want at most 50 brackets or nots within each other`,
		strings.Repeat("x", 10_000): `want at most 4096 bytes, got 10000`,
	} {
		_, err := Parse(text)
		mistake := new(Error)
		if !errors.As(err, &mistake) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v; want %s", text, err, want)
		}
	}
}

func TestAFilterNamesWhatItAsksForAndIsWrittenInOneWay(t *testing.T) {
	f, err := Parse(` Vendor = "Dell" AND (firmware<2.14 or firmware=3 or rack in (A,"B\"")) and not flapping`)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(f.Fields(), " "); got != "firmware flapping rack vendor" {
		t.Errorf("fields: %s", got)
	}
	if got := strings.Join(f.Facts(), " "); got != "firmware vendor" {
		t.Errorf("facts: %s", got)
	}
	want := `(vendor="Dell" and (firmware<"2.14" or firmware="3" or (rack="A" or rack="B\"")) and not flapping="true")`
	if f.String() != want {
		t.Errorf("%s, want %s", f, want)
	}
}

func TestAFieldThatCannotBeAskedForHereIsNamedWithItsPlace(t *testing.T) {
	f, err := Parse(`rack=B02 and "label.Cost centre"=4711`)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := Parse(f.String()); err != nil || again.String() != f.String() {
		t.Errorf("%s is read as %v, %v", f, again, err)
	}
	err = f.Without("no labels are known", Field.IsLabel)
	mistake := new(Error)
	if !errors.As(err, &mistake) || mistake.Position != 14 || !strings.Contains(mistake.Expected, "no labels are known") {
		t.Errorf("%v", err)
	}
	if err := f.Without("", Field.Timed); err != nil {
		t.Error(err)
	}
}

func TestVersionsAreInOrder(t *testing.T) {
	order := []string{"1", "1.0.1-rc2", "1.0.1", "1.30", "2.9", "2.14-beta", "2.14-rc1", "2.14-rc2", "2.14", "2.14.0.1", "2.14a", "2.14b", "02.15", "6.10.30.00", "99999999999999999999", "100000000000000000000"}
	for i, a := range order {
		for j, b := range order {
			if got := CompareVersions(a, b); got != sign(i-j) {
				t.Errorf("%s and %s: %d, want %d", a, b, got, sign(i-j))
			}
		}
	}
	for a, b := range map[string]string{"iLO 5 v2.44": "2.44", "v2.9.0-rc2-10-gabc": "2.9.0-rc2-10-gabc", "CDI3A2R-1.30": "1.30", "2.14": "2.14.0", "01.73.06": "1.73.6", "V4.1": "4.1"} {
		if got := CompareVersions(a, b); got != 0 {
			t.Errorf("%s and %s: %d, want the same", a, b, got)
		}
	}
}

func sign(n int) int { return min(1, max(-1, n)) }

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"", "firmware<2.14 and vendor=Dell", "not (a=b or rack in (x,'y'))", "flapping", "since>now-2h", "address=10.0.0.0/8", `rack="\"`, "age>3d", "unit=1e400"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		filter, err := Parse(text)
		if err != nil {
			if mistake := new(Error); !errors.As(err, &mistake) || mistake.Position < 1 || mistake.Position > len(text)+1 || mistake.Expected == "" {
				t.Fatalf("%q: %#v", text, err)
			}
			return
		}
		subject := func(field string) string { return dell[field] }
		again, err := Parse(filter.String())
		if err != nil {
			if strings.Contains(err.Error(), "at most") {
				return
			}
			t.Fatalf("%q is written %q: %v", text, filter, err)
		}
		if again.String() != filter.String() || again.Match(subject, now) != filter.Match(subject, now) {
			t.Fatalf("%q is written %q, which is read as %q", text, filter, again)
		}
	})
}

func FuzzCompareVersions(f *testing.F) {
	f.Add("2.9", "2.14", "2.14-rc1")
	f.Add("iLO 5 v2.44", "", "a")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		if CompareVersions(a, a) != 0 || sign(CompareVersions(a, b)) != -sign(CompareVersions(b, a)) {
			t.Fatalf("%q and %q are in no order", a, b)
		}
		if CompareVersions(a, b) <= 0 && CompareVersions(b, c) <= 0 && CompareVersions(a, c) > 0 {
			t.Fatalf("%q, %q and %q are in no order", a, b, c)
		}
	})
}
