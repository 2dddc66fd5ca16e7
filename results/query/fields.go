package query

import (
	"slices"
	"strings"

	"lamplighter/checks"
)

// Kind is how a field's values are compared.
type Kind string

// The kinds.
const (
	Text     Kind = "text"     // = != ~ !~ in, whatever the case
	Company  Kind = "company"  // as text; = is also true of a longer name: Dell of Dell Inc.
	Choice   Kind = "choice"   // as text, of a closed list
	Version  Kind = "version"  // number by number: 2.9 < 2.14
	Number   Kind = "number"   // all but ~
	Time     Kind = "time"     // RFC 3339, a day, or now-2h, now+30d
	Duration Kind = "duration" // 90s, 15m, 2h, 3d
	Flag     Kind = "flag"     // true or false; the name alone means true
	Address  Kind = "address"  // = != in, an address or a network: 10.4.0.0/16
)

// operators of each kind, as a mistake names them.
var operators = map[Kind][]string{
	Text: {"=", "!=", "~", "!~", "in"}, Company: {"=", "!=", "~", "!~", "in"}, Choice: {"=", "!=", "~", "!~", "in"},
	Version: {"=", "!=", "<", "<=", ">", ">=", "~", "!~", "in"}, Number: {"=", "!=", "<", "<=", ">", ">=", "in"},
	Time: {"<", "<=", ">", ">=", "=", "!="}, Duration: {"<", "<=", ">", ">="}, Flag: {"=", "!="}, Address: {"=", "!=", "in"},
}

// Field is something that can be asked for.
type Field struct {
	Name string `json:"name"`
	Kind Kind   `json:"kind"`
	// Values are the only ones of a choice.
	Values []string `json:"values,omitempty"`
	// Fact says that checks learn it (docs/facts.md); the others are of the state.
	Fact    bool   `json:"fact"`
	Meaning string `json:"meaning"`
}

// Fields is the closed list of what can be asked for.
var Fields = slices.Concat([]Field{
	{Name: "bmc", Kind: Text, Meaning: "asset ID"},
	{Name: "site", Kind: Text, Meaning: "data centre"},
	{Name: "room", Kind: Text, Meaning: "room"},
	{Name: "row", Kind: Text, Meaning: "row"},
	{Name: "rack", Kind: Text, Meaning: "rack"},
	{Name: "unit", Kind: Number, Meaning: "lowest rack unit"},
	{Name: "address", Kind: Address, Meaning: "address of the BMC"},
	{Name: "health", Kind: Choice, Values: healths(), Meaning: "what is believed"},
	{Name: "failed", Kind: Choice, Values: names(), Meaning: "the check that the chain broke at"},
	{Name: "reason", Kind: Choice, Values: reasons(), Meaning: "why"},
	{Name: "owner", Kind: Choice, Values: owners(), Meaning: "whose job it is"},
	{Name: "since", Kind: Time, Meaning: "when the health began"},
	{Name: "age", Kind: Duration, Meaning: "how long the health has lasted"},
	{Name: "last_at", Kind: Time, Meaning: "when a round was last heard of"},
	{Name: "last_good_at", Kind: Time, Meaning: "when it was last available"},
	{Name: "never_seen", Kind: Flag, Meaning: "it was never available"},
	{Name: "flapping", Kind: Flag, Meaning: "its health changes too often to be believed"},
	{Name: "soft", Kind: Flag, Meaning: "the newest rounds say something that is not believed yet"},
	{Name: "acknowledged", Kind: Flag, Meaning: "somebody is on it"},
	{Name: "incident", Kind: Text, Meaning: "ID of the incident that it fails in"},
	{Name: "silenced", Kind: Flag, Meaning: "a silence or a maintenance keeps it quiet"},
	{Name: "maintenance", Kind: Flag, Meaning: "somebody works there"},
	{Name: "satellite", Kind: Text, Meaning: "the satellite that judged its newest round"},
	{Name: "vendor", Kind: Company, Meaning: "from the inventory, else as learned", Fact: true},
	{Name: "model", Kind: Text, Meaning: "from the inventory, else as learned", Fact: true},
}, facts)

// facts are what docs/facts.md lists and people look for.
var facts = []Field{
	{Name: "firmware", Kind: Version, Meaning: "the BMC's firmware", Fact: true},
	{Name: "serial", Kind: Text, Meaning: "the server's serial number", Fact: true},
	{Name: "uuid", Kind: Text, Meaning: "the server's UUID", Fact: true},
	{Name: "guid", Kind: Text, Meaning: "the server's GUID over IPMI", Fact: true},
	{Name: "protocol", Kind: Choice, Values: []string{"redfish", "ipmi"}, Meaning: "what it speaks", Fact: true},
	{Name: "power", Kind: Text, Meaning: "power state", Fact: true},
	{Name: "redfish_version", Kind: Version, Meaning: "version of its Redfish service", Fact: true},
	{Name: "redfish_vendor", Kind: Company, Meaning: "what its Redfish service calls its maker", Fact: true},
	{Name: "redfish_product", Kind: Text, Meaning: "what its Redfish service calls itself", Fact: true},
	{Name: "ipmi_version", Kind: Version, Meaning: "version of IPMI", Fact: true},
	{Name: "cipher_suite", Kind: Number, Meaning: "cipher suite of IPMI", Fact: true},
	{Name: "manufacturer_id", Kind: Number, Meaning: "IANA number of its maker", Fact: true},
	{Name: "product_id", Kind: Number, Meaning: "its maker's number of it", Fact: true},
	{Name: "systems", Kind: Number, Meaning: "how many systems it manages", Fact: true},
	{Name: "tls_version", Kind: Text, Meaning: "version of TLS agreed on", Fact: true},
	{Name: "tls_cipher", Kind: Text, Meaning: "cipher of TLS agreed on", Fact: true},
	{Name: "tls_profile", Kind: Choice, Values: []string{"strict", "lenient"}, Meaning: "which of our hellos worked", Fact: true},
	{Name: "cert_not_after", Kind: Time, Meaning: "when its certificate ends", Fact: true},
	{Name: "cert_subject", Kind: Text, Meaning: "whose its certificate is", Fact: true},
	{Name: "cert_issuer", Kind: Text, Meaning: "who signed it", Fact: true},
	{Name: "cert_names", Kind: Text, Meaning: "what it is made out to", Fact: true},
	{Name: "cert_key", Kind: Text, Meaning: "kind and size of its key", Fact: true},
	{Name: "cert_pin", Kind: Text, Meaning: "its key's pin", Fact: true},
	{Name: "cert_sha256", Kind: Text, Meaning: "its fingerprint", Fact: true},
	{Name: "credential_version", Kind: Text, Meaning: "which version of the credential was used", Fact: true},
}

var fieldIndex = func() map[string]Field {
	index := make(map[string]Field, len(Fields))
	for _, f := range Fields {
		index[f.Name] = f
	}
	return index
}()

// LabelPrefix begins the name of a field that is a label of the inventory: label.rack_owner. There is one for each label that
// a BMC may have, so Fields does not list them.
const LabelPrefix = "label."

// FieldNamed finds a field, whatever the case of its name; of a label the case counts.
func FieldNamed(name string) (Field, bool) {
	if label, ok := labelOf(name); ok {
		return Field{Name: LabelPrefix + label, Kind: Text, Meaning: "label of the inventory"}, true
	}
	f, ok := fieldIndex[strings.ToLower(name)]
	return f, ok
}

// labelOf is the label that a field's name means.
func labelOf(name string) (label string, ok bool) {
	if len(name) <= len(LabelPrefix) || !strings.EqualFold(name[:len(LabelPrefix)], LabelPrefix) {
		return "", false
	}
	return name[len(LabelPrefix):], true
}

func healths() (all []string) {
	for h := checks.Unknown; h <= checks.Unavailable; h++ {
		all = append(all, h.String())
	}
	return all
}

func names() []string {
	return []string{string(checks.Ping), string(checks.TLS), string(checks.RedfishLogin), string(checks.IPMILogin), string(checks.Power)}
}

func reasons() (all []string) {
	for _, info := range checks.Reasons {
		all = append(all, string(info.Reason))
	}
	return all
}

func owners() (all []string) {
	for _, info := range checks.Reasons {
		if owner := string(info.Owner); !slices.Contains(all, owner) {
			all = append(all, owner)
		}
	}
	return all
}
