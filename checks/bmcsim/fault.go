package bmcsim

import (
	"fmt"
	"strings"

	"lamplighter/inventory"
)

// Fault is something that can be wrong with a simulated BMC. Several may be at once.
type Fault uint8

// The faults; what each means and how a checker should name it stands in Faults.
const (
	Dead Fault = iota
	WrongPassword
	WrongUser
	NoPrivilege

	HungAfterTCP
	WebOff
	HungAfterTLS
	CertExpired
	CertExpiresSoon
	CertChanged
	CertUntrusted
	WeakKey
	TLS10Only
	RSAKexOnly

	Slow
	Starting
	SessionLimited
	Locked
	PasswordChange
	HTTP500
	NotJSON
	DeepJSON
	EndlessBody
	GzipBomb
	HeaderBomb
	Drip
	Redirect
	OdataIDTrap
	PowerNull
	PowerAbsent
	Identity

	Silent
	RAKPSilent
	NoSlots
	NoSuite
	Suite3Only
	Suite17Only
	Garbage
	ForgedRAKP2
	ForgedRAKP4
	ForgedAuthCode
	Truncated
	ChassisFail

	faultCount
)

// FaultInfo is one line of the table of faults.
type FaultInfo struct {
	Fault Fault
	Name  string
	// Protocol is what a BMC must speak to have the fault; Auto: either.
	Protocol inventory.Protocol
	// Check is where a checker should notice, where login stands for that of the BMC's protocol; Reason is the name it should
	// give, as checks/reason.go spells it. Both are empty where the BMC stays healthy.
	Check, Reason string
	// Note says that the chain should go on: a remark, not a failure.
	Note bool
	// Trust is the only trust policy under which Check and Reason hold; empty: any.
	Trust inventory.TrustMode
	// Meaning is one sentence for docs.
	Meaning string
}

const (
	either  = inventory.Auto
	redfish = inventory.Redfish
	ipmi    = inventory.IPMI
)

// Faults is THE table: scripts, docs, the demo and tests are drawn from it. It is in the order of the constants.
var Faults = []FaultInfo{
	{Dead, "dead", either, "ping", "net.timeout", false, "", "answers nothing: no RMCP, and silence after the TCP connect"},
	{WrongPassword, "wrong-password", either, "login", "auth.rejected", false, "", "its password is not the keyring's"},
	{WrongUser, "wrong-user", either, "login", "auth.rejected", false, "", "does not know the user name (IPMI: status 0x0d)"},
	{NoPrivilege, "no-privilege", either, "login", "auth.privilege", false, "", "the account may not do this (Redfish: 403 after the login, IPMI: status 0x09 at the login)"},

	{HungAfterTCP, "hung-after-tcp", redfish, "tls", "tls.timeout", false, "", "accepts the connection and says nothing"},
	{WebOff, "web-off", redfish, "tls", "tls.handshake", false, "", "resets each connection at its first byte (one listener for all addresses cannot refuse them)"},
	{HungAfterTLS, "hung-after-tls", redfish, "redfish-login", "api.timeout", false, "", "shakes hands and answers no request"},
	{CertExpired, "cert-expired", redfish, "tls", "tls.expired", false, inventory.TrustCA, "its certificate ended a week ago"},
	{CertExpiresSoon, "cert-expires-soon", redfish, "tls", "tls.expires_soon", true, "", "its certificate ends in five days"},
	{CertChanged, "cert-changed", redfish, "tls", "tls.cert_changed", false, inventory.TrustPin, "another key, certified as well as the old one"},
	{CertUntrusted, "cert-untrusted", redfish, "tls", "tls.untrusted", false, inventory.TrustCA, "a self-signed certificate"},
	{WeakKey, "weak-key", redfish, "tls", "tls.weak", true, "", "an RSA key of 1,024 bits"},
	{TLS10Only, "tls10-only", redfish, "tls", "tls.legacy_only", true, "", "speaks TLS 1.0 and nothing later"},
	{RSAKexOnly, "rsa-kex-only", redfish, "tls", "tls.legacy_only", true, "", "TLS 1.2 with RSA key exchange only"},

	{Slow, "slow", redfish, "redfish-login", "api.slow", true, "", "takes its time (Plan.Slow) for a login, and opens the session even if nobody waits any more"},
	{Starting, "starting", redfish, "redfish-login", "api.starting", false, "", "503 with Retry-After for everything"},
	{SessionLimited, "session-limited", redfish, "redfish-login", "session.limit", false, "", "all session slots are taken"},
	{Locked, "locked", redfish, "redfish-login", "auth.locked", false, "", "the account is locked"},
	{PasswordChange, "password-change", redfish, "redfish-login", "auth.password_change_required", false, "", "lets in, but demands a new password before anything else"},
	{HTTP500, "http-500", redfish, "redfish-login", "api.error", false, "", "500 for everything"},
	{NotJSON, "not-json", redfish, "redfish-login", "api.malformed", false, "", "a web page with status 200 for everything"},
	{DeepJSON, "deep-json", redfish, "redfish-login", "api.malformed", false, "", "100,000 brackets within each other"},
	{EndlessBody, "endless-body", redfish, "redfish-login", "api.malformed", false, "", "a body without end"},
	{GzipBomb, "gzip-bomb", redfish, "redfish-login", "api.malformed", false, "", "1 MiB that unpacks to 1 GiB, sent without being asked for gzip"},
	{HeaderBomb, "header-bomb", redfish, "redfish-login", "api.malformed", false, "", "headers without end"},
	{Drip, "drip", redfish, "redfish-login", "api.timeout", false, "", "one byte a second"},
	{Redirect, "redirect", redfish, "redfish-login", "api.malformed", false, "", "307 from its session collection to a stranger who wants the password"},
	{OdataIDTrap, "odata-id-trap", redfish, "redfish-login", "api.malformed", false, "", "names a session collection that lies on a stranger's host"},
	{PowerNull, "power-null", redfish, "power", "power.unreadable", false, "", "PowerState is null"},
	{PowerAbsent, "power-absent", redfish, "power", "power.unreadable", false, "", "PowerState is missing"},
	{Identity, "identity", redfish, "power", "identity.mismatch", true, "", "serial number and UUID are another server's"},

	{Silent, "silent", ipmi, "ping", "net.timeout", false, "", "answers no datagram"},
	{RAKPSilent, "rakp-silent", ipmi, "ipmi-login", "ipmi.timeout", false, "", "tells its capabilities, then answers nothing"},
	{NoSlots, "no-slots", ipmi, "ipmi-login", "session.limit", false, "", "no session slot is free (status 0x01)"},
	{NoSuite, "no-suite", ipmi, "ipmi-login", "ipmi.suite", false, "", "refuses each cipher suite (status 0x11)"},
	{Suite3Only, "suite3-only", ipmi, "", "", false, "", "cipher suite 3 and no other; healthy"},
	{Suite17Only, "suite17-only", ipmi, "", "", false, "", "cipher suite 17 and no other; healthy"},
	{Garbage, "garbage", ipmi, "ipmi-login", "ipmi.malformed", false, "", "tells its capabilities, then answers noise behind the right tag"},
	{ForgedRAKP2, "forged-rakp2", ipmi, "ipmi-login", "auth.rejected", false, "", "cannot prove the password in RAKP 2: an impostor, or a wrong password; nobody can tell"},
	{ForgedRAKP4, "forged-rakp4", ipmi, "ipmi-login", "ipmi.malformed", false, "", "signs RAKP 4 wrongly, and forgets the session"},
	{ForgedAuthCode, "forged-authcode", ipmi, "ipmi-login", "ipmi.malformed", false, "", "signs each answer within the session wrongly"},
	{Truncated, "truncated", ipmi, "ipmi-login", "ipmi.malformed", false, "", "answers within the session are encrypted, rightly signed and too short to be decrypted"},
	{ChassisFail, "chassis-fail", ipmi, "power", "power.unreadable", false, "", "completion code 0xff for Get Chassis Status"},
}

// Info is f's line of the table.
func (f Fault) Info() FaultInfo { return Faults[f] }

func (f Fault) String() string { return Faults[f].Name }

// MarshalText makes a Fault its name.
func (f Fault) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (f *Fault) UnmarshalText(text []byte) (err error) {
	*f, err = ParseFault(string(text))
	return err
}

// ParseFault finds a fault by name.
func ParseFault(name string) (Fault, error) {
	names := make([]string, len(Faults))
	for i, info := range Faults {
		if info.Name == name {
			return info.Fault, nil
		}
		names[i] = info.Name
	}
	return 0, fmt.Errorf("fault %q: want one of %s", name, strings.Join(names, ", "))
}

// fits says whether a BMC that speaks p can have the fault.
func (f Fault) fits(p inventory.Protocol) bool {
	return f.Info().Protocol == either || f.Info().Protocol == p
}

// faultSet is a set of faults.
type faultSet uint64

func setOf(faults ...Fault) (s faultSet) {
	for _, f := range faults {
		s |= 1 << f
	}
	return s
}

func (s faultSet) has(f Fault) bool { return s&(1<<f) != 0 }

func (s faultSet) list() (faults []Fault) {
	for f := Fault(0); f < faultCount; f++ {
		if s.has(f) {
			faults = append(faults, f)
		}
	}
	return faults
}
