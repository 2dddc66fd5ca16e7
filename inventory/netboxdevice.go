package inventory

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// What of NetBox' documents is read.
type (
	netboxName struct {
		ID   int64  `json:"id"`
		Name string `json:"name"`
		Slug string `json:"slug"`
	}
	netboxChoice struct {
		Value string `json:"value"`
	}
	netboxType struct {
		ID     int64   `json:"id"`
		Height float64 `json:"u_height"`
	}
	netboxRack struct {
		ID     int64   `json:"id"`
		Height float64 `json:"u_height"`
	}
	netboxDevice struct {
		ID       int64   `json:"id"`
		Name     *string `json:"name"`
		AssetTag *string `json:"asset_tag"`
		Serial   string  `json:"serial"`
		Type     struct {
			ID           int64      `json:"id"`
			Model        string     `json:"model"`
			Manufacturer netboxName `json:"manufacturer"`
		} `json:"device_type"`
		Role     *netboxName   `json:"role"`
		Tenant   *netboxName   `json:"tenant"`
		Platform *netboxName   `json:"platform"`
		Site     *netboxName   `json:"site"`
		Location *netboxName   `json:"location"`
		Rack     *netboxName   `json:"rack"`
		Position *float64      `json:"position"`
		Face     *netboxChoice `json:"face"`
		Status   *netboxChoice `json:"status"`
		Parent   *struct {
			netboxName
			Bay netboxName `json:"device_bay"`
		} `json:"parent_device"`
		OOB *struct {
			Address string `json:"address"`
			DNSName string `json:"dns_name"`
		} `json:"oob_ip"`
		Tags   []netboxName               `json:"tags"`
		Custom map[string]json.RawMessage `json:"custom_fields"`
	}
)

// device takes a device, and returns its number.
func (n *netboxReading) device(d netboxDevice) int64 {
	if d.OOB == nil {
		return d.ID
	}
	address := d.OOB.Address
	if prefix, err := netip.ParsePrefix(address); err == nil {
		address = prefix.Addr().String()
	}
	cells := map[string]string{
		"address": address, "serial": d.Serial, "vendor": d.Type.Manufacturer.Name, "model": d.Type.Model,
		"hostname": d.OOB.DNSName, "name": orEmpty(d.Name), "height": number(n.types[d.Type.ID].Height),
	}
	for column, of := range map[string]*netboxName{"role": d.Role, "tenant": d.Tenant, "platform": d.Platform, "site": d.Site} {
		if of != nil {
			cells[column] = of.Slug
		}
	}
	if d.Location != nil {
		cells["room"] = d.Location.Name
	}
	if d.Rack != nil {
		cells["rack"], cells[RackHeightLabel] = d.Rack.Name, number(n.racks[d.Rack.ID].Height)
	}
	if d.Position != nil {
		cells["unit"] = number(*d.Position)
	}
	if d.Face != nil {
		cells["face"] = d.Face.Value
	}
	if d.Status != nil {
		cells["status"] = d.Status.Value
	}
	if d.Parent != nil {
		cells["chassis"], cells["slot"] = d.Parent.Name, d.Parent.Bay.Name
	}
	cells["tags"] = slugs(d.Tags)
	for name, value := range d.Custom {
		column, ours := strings.CutPrefix(name, "bmc_")
		if !ours {
			column = "cf_" + name
		}
		cells[column] = scalarText(value)
	}
	cells["id"] = n.idOf(d)
	n.add(fmt.Sprintf("NetBox device %d (%s)", d.ID, clean(orEmpty(d.Name), 80)), cells)
	return d.ID
}

func (n *netboxReading) idOf(d netboxDevice) string {
	switch n.ID {
	case "", "asset_tag":
		return orEmpty(d.AssetTag)
	case "name":
		return orEmpty(d.Name)
	case "serial":
		return d.Serial
	case "id":
		return strconv.FormatInt(d.ID, 10)
	}
	return scalarText(d.Custom[strings.TrimPrefix(n.ID, "cf.")])
}

func orEmpty(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func number(f float64) string {
	if f == 0 {
		return ""
	}
	return strconv.FormatFloat(f, 'f', -1, 64)
}

func slugs(all []netboxName) string {
	names := make([]string, len(all))
	for i, t := range all {
		names[i] = t.Slug
	}
	slices.Sort(names)
	return strings.Join(names, ",")
}
