// Package bmcsim simulates a fleet of BMCs: thousands of them on 127.x addresses, behind one TCP listener (Redfish over TLS)
// and one UDP socket (RMCP, IPMI 2.0), with faults on command or by a script.
//
// It is a product: the demo, load tests and the tests of the checks run on it. It shares no code with the clients in checks,
// so that neither can hide the other's mistake.
package bmcsim

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"path"
	"sync"
	"sync/atomic"
	"time"

	"lamplighter/inventory"
)

// Fleet is the simulated BMCs and the sockets that they answer on. Its methods are safe for concurrent use, except that
// Listen comes before Run and WriteFiles.
type Fleet struct {
	plan    Plan
	bmcs    []*bmc
	byAddr  map[netip.Addr]*bmc
	byPass  map[[8]byte]*bmc
	byLogin map[string]*bmc
	ca      authority
	trap    trap

	tcp net.Listener
	udp *net.UDPConn

	events *eventLog
	strays atomic.Int64
	script []step // Plan.Script, resolved
}

// bmc is one simulated BMC.
type bmc struct {
	record   inventory.BMC
	speaks   inventory.Protocol // what it really speaks, where the record says auto
	shape    *shape
	model    model
	systems  int
	rsa      bool
	seed     [32]byte
	password string
	slots    int
	life     time.Duration // of an unused session; 0: as the protocol has it
	events   *eventLog

	set, scripted atomic.Uint64 // faults by Set and by the script
	power         atomic.Uint32
	count         count

	mu       sync.Mutex
	cert     *certificate
	sessions map[string]*webSession
	ipmi     map[uint32]*ipmiSession
	asker    netip.AddrPort // of the datagram that is answered now
}

// username is the same everywhere: what differs is the password.
const username = "lamplighter"

// NewFleet makes the fleet of a plan. It opens no socket.
func NewFleet(p Plan) (*Fleet, error) {
	p = p.withDefaults()
	if err := p.validate(); err != nil {
		return nil, err
	}
	f := &Fleet{plan: p, byAddr: map[netip.Addr]*bmc{}, byPass: map[[8]byte]*bmc{}, byLogin: map[string]*bmc{}}
	if p.Events > 0 {
		f.events = &eventLog{room: p.Events}
	}
	if err := f.ca.make(p.Seed); err != nil {
		return nil, err
	}
	if err := f.build(); err != nil {
		return nil, err
	}
	steps, err := p.Script.resolve(f.bmcs, p.Seed)
	if err != nil {
		return nil, err
	}
	f.script = steps
	f.apply(0)
	return f, nil
}

func (f *Fleet) add(b *bmc) {
	f.bmcs = append(f.bmcs, b)
	f.byAddr[b.record.Address] = b
	f.byPass[passKey(b.password)] = b
	f.byLogin[b.record.Login] = b
}

// passKey keeps a password findable without keeping it twice.
func passKey(password string) (key [8]byte) {
	sum := sha256.Sum256([]byte(password))
	copy(key[:], sum[:])
	return key
}

// derive makes the bytes that belong to one purpose of one seed.
func derive(seed [32]byte, purpose string) [32]byte {
	return sha256.Sum256(append(seed[:], purpose...))
}

func seedOf(seed uint64, name string) [32]byte {
	return sha256.Sum256(append(binary.BigEndian.AppendUint64([]byte("bmcsim"), seed), name...))
}

// BMCs are the records that an inventory of this fleet holds, in order. Ports are set once Listen has returned.
func (f *Fleet) BMCs() []inventory.BMC {
	records := make([]inventory.BMC, len(f.bmcs))
	for i, b := range f.bmcs {
		records[i] = f.withPorts(b)
	}
	return records
}

// withPorts is b's record with where the fleet listens. Ping must ask by RMCP: the host itself answers ICMP and TCP for
// every 127.x address, also for a dead BMC.
func (f *Fleet) withPorts(b *bmc) inventory.BMC {
	record := b.record
	record.Labels = map[string]string{"ping": "rmcp"}
	if f.tcp == nil {
		return record
	}
	udp := portOf(f.udp.LocalAddr())
	record.Labels[inventory.RMCPPortLabel] = fmt.Sprint(udp)
	record.Port = portOf(f.tcp.Addr())
	if record.Protocol == inventory.IPMI {
		record.Port = udp
	}
	return record
}

// Credentials makes the fleet an inventory.Keyring: what keyring.yaml holds, without the file.
func (f *Fleet) Credentials(_ context.Context, name string) (inventory.Credentials, error) {
	b := f.byLogin[name]
	if b == nil {
		return inventory.Credentials{}, fmt.Errorf("credential %q of the simulated fleet: %w", name, inventory.ErrNoCredential)
	}
	secret := inventory.NewSecret(b.password)
	return inventory.Credentials{Name: name, Username: username, Password: secret, Version: inventory.VersionOf(username, secret)}, nil
}

// Set plants a fault in every BMC whose ID matches the glob and that can have it; it says how many those are.
func (f *Fleet) Set(match string, fault Fault) (int, error) {
	return f.each(match, func(b *bmc) bool {
		if !fault.fits(b.speaks) {
			return false
		}
		b.set.Or(uint64(setOf(fault)))
		return true
	})
}

// Clear takes back what Set did.
func (f *Fleet) Clear(match string, fault Fault) (int, error) {
	return f.each(match, func(b *bmc) bool {
		b.set.And(^uint64(setOf(fault)))
		return true
	})
}

// SetPower switches every server whose BMC's ID matches the glob.
func (f *Fleet) SetPower(match string, p Power) (int, error) {
	return f.each(match, func(b *bmc) bool {
		b.power.Store(uint32(p))
		return true
	})
}

// each counts the BMCs that match and for which do says yes. No match is an error: a typing mistake must not look like health.
func (f *Fleet) each(match string, do func(*bmc) bool) (int, error) {
	n := 0
	for _, b := range f.bmcs {
		ok, err := path.Match(match, string(b.record.ID))
		if err != nil {
			return 0, fmt.Errorf("match %q: %w", match, err)
		}
		if ok && do(b) {
			n++
		}
	}
	if n == 0 {
		return 0, fmt.Errorf("match %q: no BMC of the fleet", match)
	}
	return n, nil
}

// Planted are the faults that the BMCs have just now; healthy ones are not in it.
func (f *Fleet) Planted() map[inventory.ID][]Fault {
	planted := map[inventory.ID][]Fault{}
	for _, b := range f.bmcs {
		if faults := b.faults().list(); len(faults) > 0 {
			planted[b.record.ID] = faults
		}
	}
	return planted
}

func (b *bmc) faults() faultSet     { return faultSet(b.set.Load() | b.scripted.Load()) }
func (b *bmc) has(fault Fault) bool { return b.faults().has(fault) }

// realPassword is what the BMC itself believes.
func (b *bmc) realPassword() string {
	if b.has(WrongPassword) {
		return "not-" + b.password[:12]
	}
	return b.password
}

// realUser is the user name that the BMC knows.
func (b *bmc) realUser() string {
	if b.has(WrongUser) {
		return "somebody"
	}
	return username
}

// Power is the power state of a simulated server.
type Power uint32

// The power states.
const (
	On Power = iota
	Off
	PoweringOn
	PoweringOff
)

// redfishPower are the words of DSP0268 for PowerState.
var redfishPower = [...]string{"On", "Off", "PoweringOn", "PoweringOff"}

func (p Power) String() string { return redfishPower[p] }
