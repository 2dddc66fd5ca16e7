package inventory

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// RackHeightLabel is the label that names a rack's height in units where that is not DefaultRackHeight.
const RackHeightLabel = "rack_height"

// DefaultRackHeight is in units.
const DefaultRackHeight = 42

// Columns are the columns of an inventory that are not labels, in the order in which they are written.
func Columns() []string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.name
	}
	return names
}

// column reads and writes one cell of a BMC. set returns what it wanted when the cell is not that.
type column struct {
	name string
	set  func(b *BMC, cell string) (want string)
	get  func(b BMC) string
}

var columns = []column{
	{"id", setID, func(b BMC) string { return string(b.ID) }},
	{"address", setAddress, func(b BMC) string { return b.Address.String() }},
	text("site", func(b *BMC) *string { return &b.Site }),
	text("room", func(b *BMC) *string { return &b.Room }),
	text("row", func(b *BMC) *string { return &b.Row }),
	text("rack", func(b *BMC) *string { return &b.Rack }),
	units("unit", 1, func(b *BMC) *float64 { return &b.Unit }),
	units("height", 0.5, func(b *BMC) *float64 { return &b.Height }),
	{"face", setFace, func(b BMC) string { return b.Face }},
	text("slot", func(b *BMC) *string { return &b.Slot }),
	text("chassis", func(b *BMC) *string { return &b.Chassis }),
	text("vendor", func(b *BMC) *string { return &b.Vendor }),
	text("model", func(b *BMC) *string { return &b.Model }),
	text("serial", func(b *BMC) *string { return &b.Serial }),
	text("uuid", func(b *BMC) *string { return &b.UUID }),
	{"protocol", setProtocol, func(b BMC) string { return string(b.Protocol) }},
	{"port", setPort, getPort},
	{"login", setLogin, func(b BMC) string { return b.Login }},
	{"trust", setTrust, func(b BMC) string { return b.Trust.String() }},
}

var columnByName = func() map[string]column {
	byName := map[string]column{}
	for _, c := range columns {
		byName[c.name] = c
	}
	return byName
}()

// setCell puts a trimmed cell into b, or says what it wanted instead.
func setCell(b *BMC, name, cell string) (want string) {
	if c, known := columnByName[name]; known {
		if !printable(cell, "") {
			return "printable UTF-8 text on one line"
		}
		if len(cell) > longestCell {
			return fmt.Sprintf("at most %d bytes", longestCell)
		}
		return c.set(b, cell)
	}
	if !printable(cell, "\n\r\t") {
		return "printable UTF-8 text"
	}
	if cell == "" {
		return ""
	}
	if name == RackHeightLabel {
		if n, err := parseUnits(cell); err != nil || n < 1 {
			return "a number of units"
		}
	}
	if b.Labels == nil {
		b.Labels = map[string]string{}
	}
	b.Labels[name] = shortened(cell)
	return ""
}

// A record travels over Kafka, which takes a megabyte at most: a text that is too long for a column is a mistake, and of a label its
// beginning is taken.
const (
	longestCell  = 255
	longestLabel = 1000
)

func shortened(text string) string {
	if len(text) <= longestLabel {
		return text
	}
	cut := longestLabel
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "..."
}

// printable keeps control characters out, which terminals and logs would obey.
func printable(s, except string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if !unicode.IsPrint(r) && !unicode.Is(unicode.Zs, r) && !strings.ContainsRune(except, r) {
			return false
		}
	}
	return true
}

func text(name string, field func(*BMC) *string) column {
	return column{name,
		func(b *BMC, cell string) string { *field(b) = cell; return "" },
		func(b BMC) string { return *field(&b) },
	}
}

func units(name string, least float64, field func(*BMC) *float64) column {
	return column{name,
		func(b *BMC, cell string) string {
			if cell == "" {
				return ""
			}
			n, err := parseUnits(cell)
			if err != nil || n < least {
				return fmt.Sprintf("a number of rack units from %v, whole or half", least)
			}
			*field(b) = n
			return ""
		},
		func(b BMC) string {
			if *field(&b) == 0 {
				return ""
			}
			return strconv.FormatFloat(*field(&b), 'f', -1, 64)
		},
	}
}

// parseUnits reads a whole or half number without sign and exponent.
func parseUnits(s string) (float64, error) {
	if strings.Trim(s, "0123456789.") != "" || len(s) > 8 {
		return 0, strconv.ErrSyntax
	}
	n, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0, err
	}
	if n*2 != float64(int(n*2)) {
		return 0, strconv.ErrRange
	}
	return n, nil
}

func setID(b *BMC, cell string) string {
	if cell == "" {
		return "the asset ID"
	}
	b.ID = ID(cell)
	return ""
}

// setAddress refuses host names: a name server's fault would look like the BMC's.
func setAddress(b *BMC, cell string) string {
	addr, err := netip.ParseAddr(cell)
	switch addr = addr.Unmap(); {
	case err != nil && looksLikeName(cell):
		return "an IP address (not a host name: a fault of the name server would look like the BMC's)"
	case err != nil:
		return "an IP address"
	case addr.IsUnspecified() || addr.IsMulticast() || addr == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return "the IP address of one BMC"
	}
	b.Address = addr
	return ""
}

func looksLikeName(s string) bool {
	return strings.ContainsFunc(s, unicode.IsLetter) && !strings.Contains(s, ":")
}

func setFace(b *BMC, cell string) string {
	switch face := strings.ToLower(cell); face {
	case "", "front", "rear":
		b.Face = face
		return ""
	}
	return "front or rear"
}

func setProtocol(b *BMC, cell string) string {
	protocol, err := ParseProtocol(strings.ToLower(cell))
	if err != nil {
		return "redfish, ipmi or auto"
	}
	b.Protocol = protocol
	return ""
}

func setPort(b *BMC, cell string) string {
	if cell == "" {
		return ""
	}
	port, err := strconv.ParseUint(cell, 10, 16)
	if err != nil || port == 0 {
		return "a port from 1 to 65535"
	}
	b.Port = uint16(port)
	return ""
}

func getPort(b BMC) string {
	if b.Port == 0 {
		return ""
	}
	return strconv.Itoa(int(b.Port))
}

func setLogin(b *BMC, cell string) string {
	if cell != "" {
		b.Login = cell
	}
	return ""
}

func setTrust(b *BMC, cell string) string {
	trust, err := ParseTrust(strings.ToLower(cell))
	if err != nil {
		return "ca, pin: and 64 hex digits, tofu or insecure"
	}
	b.Trust = trust
	return ""
}
