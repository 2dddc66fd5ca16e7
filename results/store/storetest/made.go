package storetest

import (
	"fmt"
	"net/netip"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
)

// Noon is when the fleet of the suite begins.
var Noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// Interval is how often its BMCs are asked.
const Interval = 5 * time.Minute

// Verdict is the nth of a BMC of the suite.
func Verdict(bmc string, n int, reason checks.Reason) results.Verdict {
	return VerdictOf(bmc, n, Noon.Add(time.Duration(n)*Interval), reason)
}

// VerdictOf is a verdict of a BMC of Redfish, by the code that makes them: whole, or ended by a reason. n varies what is measured.
func VerdictOf(bmc string, n int, due time.Time, reason checks.Reason) results.Verdict {
	sum := fmt.Sprintf("%x", bmc)
	hash := (sum + "0f5e0b6ac1d2a1c0b25f9d8ad6b04ec1c3f1b2d8f3f79b35a3e0d4c7c1a2b3c4")[:64]
	facts := map[checks.Name]checks.Facts{
		checks.Ping: {"answered": "icmp", "protocol": "redfish", "rtt_us": fmt.Sprint(200 + n%97*13)},
		checks.TLS: {"cert_issuer": "CN=ca.example", "cert_key": "rsa 2048", "cert_names": bmc + ".example", "cert_not_after": "2027-11-22T06:18:17Z", "cert_pin": hash,
			"cert_sha256": hash[1:] + "0", "cert_subject": "CN=" + bmc + ".example,O=Example", "tls_cipher": "TLS_AES_128_GCM_SHA256", "tls_profile": "strict", "tls_version": "TLS 1.3"},
		checks.RedfishLogin: {"credential_version": hash[:5], "redfish_product": "Integrated Dell Remote Access Controller", "redfish_vendor": "Dell", "redfish_version": "1.17.0"},
		checks.Power:        {"model": "PowerEdge R750", "power": "on", "serial": sum, "systems": "1", "uuid": hash[:32], "vendor": "Dell", "firmware": "2.14"},
	}
	task := checks.Task{Round: checks.Round{BMC: inventory.ID(bmc), Due: due, Why: checks.Routine}, Check: checks.Power}
	failing := failed[reason]
	for i, name := range []checks.Name{checks.Ping, checks.TLS, checks.RedfishLogin, checks.Power} {
		began := due.Add(time.Duration(i*300+n%53*7) * time.Millisecond)
		finding := checks.Finding{Facts: facts[name]}
		if name == failing {
			err := checks.Blame(reason, fmt.Errorf("get https://127.0.0.2:%d/redfish/v1/: no answer", 40000+n%9999))
			task.Done = append(task.Done, checks.NewResult(name, checks.Finding{}, err, began, began.Add(1003*time.Millisecond)))
			break
		}
		task.Done = append(task.Done, checks.NewResult(name, finding, nil, began, began.Add(time.Duration(80+n%31)*time.Millisecond)))
	}
	record := inventory.BMC{ID: task.Round.BMC, Address: netip.MustParseAddr("127.0.0.2"), Site: "ams1", Room: "hall-1", Row: "A", Rack: "A03", Unit: 7, Protocol: inventory.Redfish, Vendor: "Dell", Model: "PowerEdge R750"}
	return results.Judge(task, record, checks.Default(), "sat-a", due.Add(3*time.Second))
}

// Unknown is a verdict that found nothing out.
func Unknown(bmc string, n int) results.Verdict {
	v := Verdict(bmc, n, checks.NetTimeout)
	last := &v.Trail[0]
	last.Outcome, last.Reason, last.Error = checks.OutcomeUnknown, checks.SelfBlind, "nobody else answered"
	v.Health, v.Failed, v.Reason, v.Owner = checks.Unknown, checks.Ping, checks.SelfBlind, checks.OwnerUs
	return v
}

// failed says which check ends for a reason.
var failed = map[checks.Reason]checks.Name{
	checks.NetTimeout: checks.Ping, checks.TLSTimeout: checks.TLS, checks.APITimeout: checks.RedfishLogin, checks.AuthRejected: checks.RedfishLogin,
	checks.PowerUnreadable: checks.Power,
}
