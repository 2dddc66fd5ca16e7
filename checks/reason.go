package checks

import "fmt"

// Health is what a round found, or could not find out.
type Health uint8

// The healths. Unknown is zero: what was not found out is never good news.
const (
	Unknown Health = iota
	Available
	Degraded
	Unavailable
)

var healthNames = [...]string{"unknown", "available", "degraded", "unavailable"}

func (h Health) String() string { return healthNames[h] }

// MarshalText makes a Health its name.
func (h Health) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (h *Health) UnmarshalText(text []byte) error {
	for i, name := range healthNames {
		if name == string(text) {
			*h = Health(i)
			return nil
		}
	}
	return fmt.Errorf("health %q: want one of %v", text, healthNames)
}

// Owner is the team whose job a reason is.
type Owner string

// The owners.
const (
	OwnerNetwork     Owner = "network"
	OwnerServer      Owner = "server"
	OwnerSecurity    Owner = "security"
	OwnerCredentials Owner = "credentials"
	OwnerInventory   Owner = "inventory"
	OwnerUs          Owner = "us"
)

// Reason says why a check failed, why it could not be run, or what it noted. The list is closed: Reasons.
type Reason string

// The reasons; what each means for health, owner and next step stands in Reasons.
const (
	NetTimeout     Reason = "net.timeout"
	NetUnreachable Reason = "net.unreachable"
	NetRefused     Reason = "net.refused"

	TLSTimeout     Reason = "tls.timeout"
	TLSHandshake   Reason = "tls.handshake"
	TLSCertChanged Reason = "tls.cert_changed"
	TLSUntrusted   Reason = "tls.untrusted"
	TLSExpired     Reason = "tls.expired"
	TLSExpiresSoon Reason = "tls.expires_soon"
	TLSWeak        Reason = "tls.weak"
	TLSLegacyOnly  Reason = "tls.legacy_only"
	TLSInsecure    Reason = "tls.insecure"

	AuthRejected       Reason = "auth.rejected"
	AuthLocked         Reason = "auth.locked"
	AuthFenced         Reason = "auth.fenced"
	AuthPasswordChange Reason = "auth.password_change_required"
	AuthPrivilege      Reason = "auth.privilege"

	SessionLimit Reason = "session.limit"
	APIStarting  Reason = "api.starting"
	APISlow      Reason = "api.slow"
	APITimeout   Reason = "api.timeout"
	APIError     Reason = "api.error"
	APIMalformed Reason = "api.malformed"

	IPMITimeout   Reason = "ipmi.timeout"
	IPMIMalformed Reason = "ipmi.malformed"
	IPMISuite     Reason = "ipmi.suite"

	PowerUnreadable  Reason = "power.unreadable"
	IdentityMismatch Reason = "identity.mismatch"

	SelfExpired      Reason = "self.expired"
	SelfBlind        Reason = "self.blind"
	SelfPath         Reason = "self.path"
	SelfNoCredential Reason = "self.no_credential"
	SelfKeyring      Reason = "self.keyring"
	SelfInventory    Reason = "self.inventory"
	SelfLoginUnsure  Reason = "self.login_unsure"
	SelfGroupStopped Reason = "self.group_stopped"
	SelfOverload     Reason = "self.overload"
	SelfPoison       Reason = "self.poison"
	SelfStopped      Reason = "self.stopped"
	SelfSilent       Reason = "self.silent"
	SelfError        Reason = "self.error"
)

// ReasonInfo is one line of the table of reasons.
type ReasonInfo struct {
	Reason Reason
	// Letter is the check the reason usually ends, as maps and lists show it: P ping, T tls, L login, W power, S us.
	Letter string
	// Health is the verdict's health when the reason ends the chain.
	Health Health
	Owner  Owner
	// Meaning is one sentence for docs and tooltips.
	Meaning string
	// NextStep is what the owner does next.
	NextStep string
}

// Reasons is THE table: CLI, console, Kafka and docs are drawn from it. As a note (the chain goes on) any reason makes a
// round Degraded.
var Reasons = []ReasonInfo{
	{NetTimeout, "P", Unavailable, OwnerNetwork, "no answer within the timeout", "ping the rack's switch; if it answers, reseat the BMC's cable, then reset the BMC (hands)"},
	{NetUnreachable, "P", Unavailable, OwnerNetwork, "the network says that there is no way to this address", "check the route and the rack's switch; then reseat the BMC's cable (hands)"},
	{NetRefused, "T", Unavailable, OwnerServer, "the address answers, but the port is closed", "web service is off: enable it, or reset the BMC"},

	{TLSTimeout, "T", Unavailable, OwnerServer, "the port is open, but the TLS handshake got no answer", "web service hung: reset the BMC"},
	{TLSHandshake, "T", Unavailable, OwnerServer, "the TLS handshake failed, strict and lenient", "web service broken or TLS too old: reset the BMC, update its firmware"},
	{TLSCertChanged, "T", Unavailable, OwnerSecurity, "another key than the pinned one; no login was tried", "find out who changed the certificate; approve the new pin, or find the impostor"},
	{TLSUntrusted, "T", Unavailable, OwnerSecurity, "the certificate is not trusted under the BMC's policy; no login was tried", "compare the pin with the BMC's own; approve it, or install a certificate of a known authority"},
	{TLSExpired, "T", Unavailable, OwnerServer, "the certificate has expired or is not valid yet", "renew the certificate; check the BMC's clock"},
	{TLSExpiresSoon, "T", Degraded, OwnerServer, "the certificate expires soon", "renew the certificate"},
	{TLSWeak, "T", Degraded, OwnerServer, "a weak key, signature or cipher", "renew the certificate with a stronger key; update the firmware"},
	{TLSLegacyOnly, "T", Degraded, OwnerServer, "only an outdated TLS version or key exchange works", "update the firmware"},
	{TLSInsecure, "T", Degraded, OwnerSecurity, "the policy is insecure: any key gets the password", "set a pin, tofu or ca"},

	{AuthRejected, "L", Unavailable, OwnerCredentials, "the BMC refused user name or password", "check the keyring or vault path against the BMC; the fence clears by itself with a new password"},
	{AuthLocked, "L", Unavailable, OwnerCredentials, "the account is locked", "wait for the lockout to end, or unlock it; find who tries old passwords"},
	{AuthFenced, "L", Unavailable, OwnerCredentials, "this credential was refused before; no login was tried, so that the account is not locked", "fix the credential, then recheck"},
	{AuthPasswordChange, "L", Degraded, OwnerCredentials, "the BMC demands a new password first", "set the password"},
	{AuthPrivilege, "L", Degraded, OwnerCredentials, "logged in, but the account may not do this", "grant the role ReadOnly (IPMI: user) or better"},

	{SessionLimit, "L", Degraded, OwnerServer, "all session slots are taken", "wait for stale sessions to end; find who leaks them"},
	{APIStarting, "L", Degraded, OwnerServer, "the BMC is still starting", "wait, then recheck"},
	{APISlow, "L", Degraded, OwnerServer, "answers came, but very slowly", "recheck; if it stays, reset the BMC"},
	{APITimeout, "L", Unavailable, OwnerServer, "Redfish did not answer within the timeout", "reset the BMC"},
	{APIError, "L", Unavailable, OwnerServer, "Redfish answered with an error", "reset the BMC; update its firmware"},
	{APIMalformed, "L", Unavailable, OwnerServer, "Redfish answered nonsense", "reset the BMC; update its firmware"},

	{IPMITimeout, "L", Unavailable, OwnerServer, "no answer to IPMI after a good ping; some BMCs are silent for an unknown user", "is IPMI over LAN on? does the user exist? then reset the BMC"},
	{IPMIMalformed, "L", Unavailable, OwnerServer, "IPMI answered nonsense or with a wrong signature", "reset the BMC; update its firmware"},
	{IPMISuite, "L", Unavailable, OwnerServer, "the BMC offers neither cipher suite 17 nor 3", "enable cipher suite 17 (or 3)"},

	{PowerUnreadable, "W", Degraded, OwnerServer, "logged in, but the power state could not be read", "recheck; if it stays, update the firmware"},
	{IdentityMismatch, "W", Degraded, OwnerInventory, "serial or UUID is another server's", "fix the CMDB or the cable"},

	{SelfExpired, "S", Unknown, OwnerUs, "the task was older than its deadline", "look at the satellite's load"},
	{SelfBlind, "S", Unknown, OwnerUs, "the satellite saw nobody else either while this probe failed", "look at the satellite's own network"},
	{SelfPath, "S", Unknown, OwnerUs, "another satellite got an answer where this one got none", "compare the routes and firewall rules of the two satellites; usually a firewall does not know a new one"},
	{SelfNoCredential, "S", Unknown, OwnerUs, "the keyring has no credential of this name", "add the credential, or correct the login's name"},
	{SelfKeyring, "S", Unknown, OwnerUs, "the keyring could not be read", "look at the keyring's file or vault"},
	{SelfInventory, "S", Unknown, OwnerUs, "the satellite knows another record of this BMC", "wait for the next inventory sync; if it stays, look at the satellite"},
	{SelfLoginUnsure, "S", Unknown, OwnerUs, "a crash left the outcome of a login unknown", "wait for the pause to end, or recheck"},
	{SelfGroupStopped, "S", Unknown, OwnerUs, "too many BMCs refused this credential; its logins are stopped", "check the credential before more accounts lock"},
	{SelfOverload, "S", Unknown, OwnerUs, "the satellite is overloaded", "look at the satellite's load; add a satellite"},
	{SelfStopped, "S", Unknown, OwnerUs, "somebody stopped all probes of the site", "find out who and why; then lamplighter go"},
	{SelfSilent, "S", Unknown, OwnerUs, "no round of this BMC was heard of for two intervals", "look at the site's satellites; lamplighter audit says where its rounds were lost"},
	{SelfPoison, "S", Unknown, OwnerUs, "the task could not be handled again and again", "report the kept bytes as a bug"},
	{SelfError, "S", Unknown, OwnerUs, "an error of the satellite itself", "look at the satellite's log"},
}

var reasonIndex = func() map[Reason]ReasonInfo {
	index := make(map[Reason]ReasonInfo, len(Reasons))
	for _, info := range Reasons {
		index[info.Reason] = info
	}
	return index
}()

// Info is r's line of the table; the zero ReasonInfo for the empty reason.
func (r Reason) Info() ReasonInfo { return reasonIndex[r] }

// UnmarshalText refuses what is not in the table.
func (r *Reason) UnmarshalText(text []byte) error {
	if _, ok := reasonIndex[Reason(text)]; !ok && len(text) > 0 {
		return fmt.Errorf("reason %q: not in the table of reasons", text)
	}
	*r = Reason(text)
	return nil
}
