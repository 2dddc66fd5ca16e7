package inventory

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// netboxDevice is what of a device is needed after its columns were set.
type netboxDevice struct {
	typed
	id                     int64
	name, assetTag, serial string
	custom                 []byte
	health                 string // what its field has
	oob                    bool   // it has an out-of-band address
}

// customColumn is what a custom field is for us.
type customColumn struct {
	name string
	ours bool // it is the column of an inventory, whatever else the device says of that
}

// device takes a device, and returns its number.
func (n *netboxReading) device(record []byte) (int64, error) {
	var d netboxDevice
	if len(record) == 0 || record[0] != '{' {
		return 0, errors.New("want an object")
	}
	n.begin()
	members(record, func(name, value []byte) { n.field(&d, name, value) })
	if d.err != nil || !d.oob {
		return d.id, d.err
	}
	n.set("name", d.name)
	n.set("serial", d.serial)
	members(d.custom, func(name, value []byte) {
		switch c := n.column(name); {
		case n.Health != nil && string(name) == n.Health.field:
			n.healthSeen, d.health = true, n.scalar(value)
		case c.ours:
			n.instead(c.name, n.scalar(value))
		default:
			n.set(c.name, n.scalar(value))
		}
	})
	id := n.idOf(&d)
	n.set("id", id)
	if n.Health != nil {
		n.noteHealth(ID(strings.TrimSpace(id)), &d)
	}
	n.done(func() string { return fmt.Sprintf("NetBox device %d (%s)", d.id, clean(d.name, 80)) })
	return d.id, nil
}

// noteHealth notes what the field for health has. Of several devices with one ID nobody knows whose health it is.
func (n *netboxReading) noteHealth(id ID, d *netboxDevice) {
	if _, twice := n.health[id]; twice {
		n.health[id] = healthOf{}
		return
	}
	n.health[id] = healthOf{device: d.id, has: d.health}
}

// field takes what a device says under a name.
func (n *netboxReading) field(d *netboxDevice, name, value []byte) {
	switch string(name) {
	case "id":
		d.id = d.whole("id", value)
	case "name":
		d.name = string(d.text("name", value))
	case "asset_tag":
		d.assetTag = string(d.text("asset_tag", value))
	case "serial":
		d.serial = string(d.text("serial", value))
	case "custom_fields":
		if d.object("custom_fields", value) {
			d.custom = value
		}
	case "device_type":
		n.deviceType(d, value)
	case "role", "tenant", "platform", "site":
		column := n.of(name)
		n.set(column, n.of(d.within(column, value, "slug")))
	case "face", "status":
		column := n.of(name)
		n.set(column, n.of(d.within(column, value, "value")))
	case "location":
		n.set("room", n.of(d.within("location", value, "name")))
	case "rack":
		n.rack(d, value)
	case "position":
		n.position(d, value)
	case "parent_device":
		n.parent(d, value)
	case "oob_ip":
		n.outOfBand(d, value)
	case "tags":
		n.tags(d, value)
	}
}

func (n *netboxReading) deviceType(d *netboxDevice, value []byte) {
	if !d.object("device_type", value) {
		return
	}
	members(value, func(name, value []byte) {
		switch string(name) {
		case "id":
			n.set("height", n.types[d.whole("device_type", value)])
		case "model":
			n.set("model", n.of(d.text("device_type", value)))
		case "manufacturer":
			n.set("vendor", n.of(d.within("device_type", value, "name")))
		}
	})
}

func (n *netboxReading) rack(d *netboxDevice, value []byte) {
	if !d.object("rack", value) {
		return
	}
	members(value, func(name, value []byte) {
		switch string(name) {
		case "id":
			n.set(RackHeightLabel, n.racks[d.whole("rack", value)])
		case "name":
			n.set("rack", n.of(d.text("rack", value)))
		}
	})
}

func (n *netboxReading) position(d *netboxDevice, value []byte) {
	if isNull(value) {
		return
	}
	unit, err := strconv.ParseFloat(string(value), 64)
	if err != nil {
		d.wrong("position", "a number", value)
	}
	n.set("unit", number(unit))
}

func (n *netboxReading) parent(d *netboxDevice, value []byte) {
	if !d.object("parent_device", value) {
		return
	}
	n.set("chassis", n.of(d.within("parent_device", value, "name")))
	members(value, func(name, value []byte) {
		if string(name) == "device_bay" {
			n.set("slot", n.of(d.within("parent_device", value, "name")))
		}
	})
}

func (n *netboxReading) outOfBand(d *netboxDevice, value []byte) {
	if d.oob = d.object("oob_ip", value); !d.oob {
		return
	}
	address := string(d.within("oob_ip", value, "address"))
	if prefix, err := netip.ParsePrefix(address); err == nil {
		address = prefix.Addr().String()
	}
	n.set("address", address)
	n.set("hostname", string(d.within("oob_ip", value, "dns_name")))
}

func (n *netboxReading) tags(d *netboxDevice, value []byte) {
	var slugs []string
	items(value, func(value []byte) { slugs = append(slugs, n.of(d.within("tags", value, "slug"))) })
	slices.Sort(slugs)
	n.set("tags", strings.Join(slugs, ","))
}

// column is the column of a custom field.
func (n *netboxReading) column(field []byte) customColumn {
	if c, known := n.columns[string(field)]; known {
		return c
	}
	name := string(field)
	if !printable(name, "") {
		name = clean(name, longestShared)
	}
	c := customColumn{"cf_" + name, false}
	if column, ours := strings.CutPrefix(name, "bmc_"); ours && column != "id" { // which the source's own setting says
		c = customColumn{column, true}
	}
	if len(n.columns) >= mostShared {
		clear(n.columns)
	}
	n.columns[string(field)] = c
	return c
}

// scalar is the value of a custom field as text. Many devices have the same.
func (n *netboxReading) scalar(value []byte) string {
	if len(value) > 4*longestShared {
		return scalarText(value)
	}
	if text, known := n.scalars[string(value)]; known {
		return text
	}
	if len(n.scalars) >= mostShared {
		clear(n.scalars)
	}
	text := n.one(scalarText(value))
	n.scalars[string(value)] = text
	return text
}

func (n *netboxReading) idOf(d *netboxDevice) string {
	switch n.ID {
	case "", "asset_tag":
		return d.assetTag
	case "name":
		return d.name
	case "serial":
		return d.serial
	case "id":
		return strconv.FormatInt(d.id, 10)
	}
	var id string
	members(d.custom, func(name, value []byte) {
		if string(name) == strings.TrimPrefix(n.ID, "cf.") {
			id = scalarText(value)
		}
	})
	return id
}

func number(f float64) string {
	if f == 0 {
		return ""
	}
	return strconv.FormatFloat(f, 'f', -1, 64)
}
