package checks

import (
	"encoding/hex"
	"testing"

	"lamplighter/inventory"
)

func TestPowerStatesAreNormalised(t *testing.T) {
	for said, want := range map[string]PowerState{
		"On": "on", "OFF": "off", "PoweringOn": "poweringon", "Powering Off": "poweringoff", " on\n": "on",
		"Paused": "unknown", "": "unknown", "mixed": "unknown", "Chassis Power is on": "unknown",
	} {
		if got := powerState(said); got != want {
			t.Errorf("%q is %s, want %s", said, got, want)
		}
	}
}

func TestIdentityIsJudgedOnEvidenceOnly(t *testing.T) {
	const uuid = "38947555-7742-3448-3784-823347823834"
	cases := []struct {
		name         string
		serial, uuid string
		systems      []system
		want         bool
	}{
		{"the same, written otherwise", "sn1 ", "38947555774234483784823347823834", []system{{SerialNumber: "SN1", UUID: uuid}}, false},
		{"another serial", "SN1", "", []system{{SerialNumber: "SN2"}}, true},
		{"another UUID", "", uuid, []system{{UUID: "38947555-7742-3448-3784-823347823835"}}, true},
		{"ten spaces are no evidence", "SN1", "", []system{{SerialNumber: "          "}}, false},
		{"zeros are no evidence", "", uuid, []system{{UUID: "00000000-0000-0000-0000-000000000000"}}, false},
		{"an inventory that knows nothing", "", "", []system{{SerialNumber: "SN2", UUID: uuid}}, false},
		{"one of several systems", "SN2", "", []system{{SerialNumber: "SN1"}, {SerialNumber: "SN2"}}, false},
		{"none of several systems", "SN3", "", []system{{SerialNumber: "SN1"}, {SerialNumber: ""}}, true},
		{"a service tag that is the SKU", "ABC1234", "", []system{{SerialNumber: "CNFCP0001", SKU: "ABC1234"}}, false},
		{"no system", "SN1", uuid, nil, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := isAnother(inventory.BMC{Serial: c.serial, UUID: c.uuid}, c.systems); got != c.want {
				t.Errorf("mismatch %t, want %t", got, c.want)
			}
		})
	}
}

func TestAGUIDIsJudgedInEachOrderOfBytes(t *testing.T) {
	const uuid = "00112233-4455-6677-8899-AABBCCDDEEFF"
	guid := func(text string) (g [16]byte) {
		if _, err := hex.Decode(g[:], []byte(text)); err != nil {
			t.Fatal(err)
		}
		return g
	}
	cases := []struct{ name, inventory, sent, wrong string }{
		{"as it is written", uuid, "00112233445566778899aabbccddeeff", ""},
		{"the last byte first, as IPMI has it", uuid, "ffeeddccbbaa99887766554433221100", ""},
		{"as SMBIOS has it", uuid, "33221100554477668899aabbccddeeff", ""},
		{"as SMBIOS has it, the last byte first", uuid, "ffeeddccbbaa99886677445500112233", ""},
		{"another", uuid, "00112233445566778899aabbccddeefe", uuid},
		{"zeros are no evidence", uuid, "00000000000000000000000000000000", ""},
		{"all ones are no evidence", uuid, "ffffffffffffffffffffffffffffffff", ""},
		{"an inventory that knows nothing", "", "00112233445566778899aabbccddeeff", ""},
		{"an inventory that knows zeros", "00000000-0000-0000-0000-000000000000", "00112233445566778899aabbccddeeff", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			found := judgeGUID(inventory.BMC{UUID: c.inventory}, guid(c.sent))
			if found.Facts[FactInventoryUUID] != c.wrong || (len(found.Notes) > 0) != (c.wrong != "") {
				t.Errorf("%+v", found)
			}
		})
	}
}

func TestSystemsThatCannotAllBeReadAreNoted(t *testing.T) {
	state, found := judgeSystems(inventory.BMC{}, []system{{ID: "1", PowerState: "On"}, {ID: "2"}})
	if state != PowerMixed || len(found.Notes) != 1 || found.Notes[0] != PowerUnreadable {
		t.Errorf("%s, %v", state, found)
	}
	if state, _ := judgeSystems(inventory.BMC{}, nil); state != PowerUnknown {
		t.Errorf("no systems are %s", state)
	}
}

func TestPowerWithoutALoginIsOurOwnError(t *testing.T) {
	if _, err := runPower(t.Context(), &Visit{}); FaultOf(err).Reason != SelfError {
		t.Errorf("%v", err)
	}
}

func FuzzSystem(f *testing.F) {
	for _, seed := range []string{`{"Id":"1","PowerState":"On"}`, `{"PowerState":null}`, `{"PowerState":{"a":1},"Id":7}`, `[]`, `null`, `{`, `{"Id":"\u0000\ud800"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		s, err := parseSystem(body)
		if err != nil && FaultOf(err).Reason != APIMalformed {
			t.Errorf("%v is not the BMC's fault", err)
		}
		state, found := judgeSystems(inventory.BMC{Serial: "x", UUID: "y"}, []system{s})
		if state == PowerMixed || len(s.ID) > maxText || printable(string(s.ID)) != string(s.ID) {
			t.Errorf("%s, %q, %v", state, s.ID, found)
		}
	})
}

func FuzzProblem(f *testing.F) {
	f.Add(uint16(401), []byte(extended("Base.1.8.AccountLocked", "locked out")))
	f.Add(uint16(503), []byte(`{"@Message.ExtendedInfo":{"MessageId":"RAC0218"}}`))
	f.Add(uint16(200), []byte(`{"error":[]}`))
	f.Fuzz(func(t *testing.T, status uint16, body []byte) {
		p := parseProblem(body)
		for _, what := range []asking{askRoot, askLogin, askResource} {
			reason := classify(what, int(status), p)
			if reason.Info().Reason == "" || reason.Info().Owner == OwnerUs {
				t.Errorf("%q", reason)
			}
			if (reason == AuthRejected || reason == AuthLocked) && what != askLogin {
				t.Errorf("%s without a login", reason)
			}
		}
	})
}

func FuzzServiceRoot(f *testing.F) {
	f.Add([]byte(`{"RedfishVersion":"1.0","Links":{"Sessions":{"@odata.id":"@evil/"}}}`))
	f.Add([]byte(`{"Systems":{"@odata.id":"//evil"},"SessionService":{"@odata.id":"/redfish/v1/%2e"}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		root, err := parseRoot(body)
		if err != nil {
			return
		}
		if path, _, err := root.sessions(); err == nil && path[:9] != "/redfish/" {
			t.Errorf("sessions at %q", path)
		}
	})
}
