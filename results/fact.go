package results

import (
	"slices"
	"strings"
	"time"

	"lamplighter/checks"
)

// Fact is what checks learned of a BMC, last known good.
type Fact struct {
	Name  string `json:"name"` // docs/facts.md lists them
	Value string `json:"value"`
	// Since is when it was first learned with this value, At when it was last confirmed.
	Since time.Time `json:"since"`
	At    time.Time `json:"at"`
	// Stale: it was not confirmed for longer than facts are taken for good.
	Stale bool `json:"stale"`
}

// FactNames are the facts that are kept: what a BMC is, not how it answered this once.
var FactNames = []string{
	"cert_issuer", "cert_key", "cert_names", "cert_not_after", "cert_pin", "cert_sha256", "cert_subject",
	"cipher_suite", "credential_version", "firmware", "guid", "ipmi_version", "manufacturer_id", "model", "power", "product_id", "protocol",
	"redfish_product", "redfish_vendor", "redfish_version", "serial", "systems", "tls_cipher", "tls_profile", "tls_version", "uuid", "vendor",
}

// confirmEvery is how often At follows where the value stays, so that not every round of a fleet has to be written down.
const confirmEvery = 30 * time.Minute

// Learn takes in what the checks of v that succeeded learned, and says whether that changed anything. Facts are sorted by
// name; what v carried over counts from when it was learned, and older than what is known it changes nothing.
func Learn(known []Fact, v Verdict) (facts []Fact, changed bool) {
	fresh := map[string]Fact{}
	for _, r := range v.Trail {
		if r.Outcome != checks.OK {
			continue // it may not even be the BMC that answered
		}
		for name, value := range r.Facts {
			if _, keep := slices.BinarySearch(FactNames, name); keep && value != "" {
				fresh[name] = Fact{Name: name, Value: value, Since: r.At, At: r.At}
			}
		}
	}
	facts = slices.Clone(known)
	for _, fact := range fresh {
		i, had := slices.BinarySearchFunc(facts, fact.Name, func(f Fact, name string) int { return strings.Compare(f.Name, name) })
		switch {
		case !had:
			facts = slices.Insert(facts, i, fact)
		case !fact.At.After(facts[i].At):
			continue
		case fact.Value != facts[i].Value:
			facts[i] = fact
		case !facts[i].Stale && fact.At.Sub(facts[i].At) < confirmEvery:
			continue
		default:
			fact.Since = facts[i].Since
			facts[i] = fact
		}
		changed = true
	}
	return facts, changed
}

// Fade marks the facts that were not confirmed for longer than keep, and says whether there were any.
func Fade(known []Fact, now time.Time, keep time.Duration) (facts []Fact, changed bool) {
	facts = slices.Clone(known)
	for i, fact := range facts {
		if !fact.Stale && now.Sub(fact.At) > keep {
			facts[i].Stale, changed = true, true
		}
	}
	return facts, changed
}
