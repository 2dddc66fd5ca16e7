package bmcsim

import (
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"

	"lamplighter/inventory"
)

// build makes the BMCs, site by site and rack by rack. A rack holds one vendor's machines, as racks do.
func (f *Fleet) build() error {
	next := f.plan.First
	for _, site := range f.plan.Sites {
		rng := rand.New(rand.NewPCG(f.plan.Seed, uint64(len(f.bmcs))))
		web, ipmis := spread(site.BMCs, site.IPMI), 0
		for i := range site.BMCs {
			b := &bmc{speaks: redfish, slots: f.plan.Slots, life: f.plan.SessionLife, events: f.events}
			if web(i) {
				b.speaks = ipmi
				ipmis++
			}
			place(b, site, i)
			b.record.Address, next = next, after(next)
			if !b.record.Address.IsLoopback() {
				return fmt.Errorf("plan: the addresses from %s end after %d BMCs", f.plan.First, len(f.bmcs))
			}
			f.dress(b, i/site.PerRack, rng)
			f.add(b)
		}
	}
	f.trap.addr = netip.AddrFrom4([4]byte{127, 6, 6, 6})
	if f.byAddr[f.trap.addr] != nil {
		return fmt.Errorf("plan: address %s is kept for the trap", f.trap.addr)
	}
	return f.pinAll()
}

// spread says for each of n things whether it belongs to a share, evenly and with exactly the rounded count.
func spread(n int, share float64) func(i int) bool {
	want := int(share*float64(n) + 0.5)
	return func(i int) bool { return (i+1)*want/n > i*want/n }
}

// after is the next address that no network would use for itself.
func after(a netip.Addr) netip.Addr {
	for a = a.Next(); ; a = a.Next() {
		if last := a.As4()[3]; last != 0 && last != 255 {
			return a
		}
	}
}

// place gives the i-th BMC of a site its ID and its place: rows of ten racks, halls of four rows.
func place(b *bmc, site Site, i int) {
	rack, slot := i/site.PerRack, i%site.PerRack
	height := rackUnits / site.PerRack
	row := rack / 10
	name := fmt.Sprintf("%s%02d", rowName(row), rack%10+1)
	unit := slot*height + 1
	b.record = inventory.BMC{
		ID:   inventory.ID(fmt.Sprintf("%s-%s-u%02d", site.Name, strings.ToLower(name), unit)),
		Site: site.Name, Room: fmt.Sprintf("hall-%d", row/4+1), Row: rowName(row), Rack: name,
		Unit: float64(unit), Height: float64(min(height, 2)), Face: "front",
	}
}

// rowName counts A, B ... Z, AA, AB as spreadsheets do.
func rowName(row int) string {
	name := string(rune('A' + row%26))
	if row >= 26 {
		name = rowName(row/26-1) + name
	}
	return name
}

// dress gives a placed BMC its vendor, numbers, password and policy.
func (f *Fleet) dress(b *bmc, rack int, rng *rand.Rand) {
	r := &b.record
	b.seed = seedOf(f.plan.Seed, string(r.ID))
	b.shape = shapeOfRack(f.plan.Seed, r.Site, rack)
	b.model = b.shape.modelOf(r.Height)
	uuid := derive(b.seed, "uuid")
	r.UUID = formatUUID([16]byte(uuid[:16]))
	r.Vendor, r.Model, r.Serial = b.shape.vendor, b.model.name, b.shape.serialOf(derive(b.seed, "serial"))
	r.Login = string(r.ID)
	r.Protocol = b.speaks
	if rng.Float64() < f.plan.Auto {
		r.Protocol = inventory.Auto
	}
	b.systems = 1
	if b.speaks == redfish && rng.Float64() < f.plan.Multi {
		b.systems = 4
	}
	b.rsa = b.speaks == redfish && rng.Float64() < f.plan.RSA
	if rng.Float64() < f.plan.Off {
		b.power.Store(uint32(Off))
	}
	password := derive(b.seed, "password")
	if f.plan.Shared {
		r.Login = r.Site + "-" + strings.ToLower(r.Vendor)
		password = derive(seedOf(f.plan.Seed, r.Login), "password")
	}
	own := strings.ToLower(base32.StdEncoding.EncodeToString(password[:10]))
	b.password = f.plan.Secret + own[:min(16, 20-len(f.plan.Secret))] // IPMI 2.0 takes 20 bytes
}

// formatUUID writes 16 bytes as a version 4 UUID.
func formatUUID(u [16]byte) string {
	u[6], u[8] = u[6]&0x0f|0x40, u[8]&0x3f|0x80
	s := hex.EncodeToString(u[:])
	return strings.Join([]string{s[:8], s[8:12], s[12:16], s[16:20], s[20:]}, "-")
}

// pinAll writes the trust policy into the records.
func (f *Fleet) pinAll() error {
	for _, b := range f.bmcs {
		if f.plan.Trust == "" || b.speaks != redfish {
			continue
		}
		b.record.Trust.Mode = f.plan.Trust
		if f.plan.Trust != inventory.TrustPin {
			continue
		}
		key, err := b.key(0)
		if err != nil {
			return err
		}
		if b.record.Trust.Pin, err = pinOf(key); err != nil {
			return err
		}
	}
	return nil
}
