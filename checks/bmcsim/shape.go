package bmcsim

import (
	"fmt"
	"strings"
)

// shape is how one vendor's Redfish looks, as far as a checker sees it.
type shape struct {
	vendor       string
	manufacturer string
	product      string
	models       []model
	// system names the i-th system of the BMC.
	system func(i int) string
	serial string // format for 8 hex digits; empty: the vendor leaves it blank
	// absolute says that Location holds a whole URL (iLO 4 and 5).
	absolute bool
	// limit is the MessageId of a login that found no slot.
	limit string
	// life is how many days its certificates are good for: those of a vendor are made and end together.
	life int
}

// model is a machine and how its root names the session collection.
type model struct {
	name     string
	height   float64
	sessions sessionLink
	path     string // where POST works
}

// sessionLink is where a client finds the session collection.
type sessionLink uint8

const (
	linkRoot    sessionLink = iota // Links.Sessions of the service root
	linkService                    // only SessionService is named
	linkNone                       // neither: the well-known path works
)

const wellKnownSessions = "/redfish/v1/SessionService/Sessions"

var shapes = []*shape{
	{
		vendor: "Dell", manufacturer: "Dell Inc.", product: "Integrated Dell Remote Access Controller", serial: "CN%s",
		models: []model{
			{"PowerEdge R650", 1, linkNone, wellKnownSessions},
			// iDRAC 7 and 8: sessions live here, and the well-known path answers 405 (idrac_exporter#125, #132).
			{"PowerEdge R730xd", 2, linkRoot, "/redfish/v1/Sessions"},
		},
		system: numbered("System.Embedded.%d"), limit: "IDRAC.2.8.RAC0218", life: 365, // gofish#75, check_redfish#89
	},
	{
		vendor: "HPE", manufacturer: "HPE", product: "ProLiant DL360 Gen10", serial: "CZJ%s", absolute: true,
		models: []model{{"ProLiant DL360 Gen10", 1, linkRoot, wellKnownSessions}, {"ProLiant DL380 Gen10", 2, linkRoot, wellKnownSessions}},
		system: numbered("%d"), limit: "Base.1.4.SessionLimitExceeded", life: 400,
	},
	{
		vendor: "Supermicro", manufacturer: "Supermicro", product: "", serial: "",
		models: []model{{"SYS-1029U-TR4", 1, linkService, wellKnownSessions}, {"SYS-2029BT-HNR", 2, linkService, wellKnownSessions}},
		system: numbered("%d"), limit: "Base.1.4.SessionLimitExceeded", life: 500,
	},
	{
		vendor: "OpenBMC", manufacturer: "OpenBMC", product: "OpenBMC", serial: "OB%s",
		models: []model{{"Tiogapass", 1, linkRoot, wellKnownSessions}, {"Mt.Jade", 2, linkRoot, wellKnownSessions}},
		system: func(i int) string {
			if i == 0 {
				return "system"
			}
			return fmt.Sprintf("system%d", i)
		},
		limit: "Base.1.13.SessionLimitExceeded", life: 730,
	},
}

func numbered(format string) func(int) string {
	return func(i int) string { return fmt.Sprintf(format, i+1) }
}

// shapeOfRack picks a rack's vendor: four in ten racks are Dell's, as in many halls.
func shapeOfRack(seed uint64, site string, rack int) *shape {
	const mix = "DHDSODHDSH"
	first := seedOf(seed, site)[0]
	letter := mix[(int(first)+rack)%len(mix)]
	return shapes[strings.IndexByte("DHSO", letter)]
}

func (s *shape) modelOf(height float64) model {
	for _, m := range s.models {
		if m.height == height {
			return m
		}
	}
	return s.models[0]
}

func (s *shape) serialOf(seed [32]byte) string {
	if s.serial == "" {
		return ""
	}
	return fmt.Sprintf(s.serial, strings.ToUpper(fmt.Sprintf("%x", seed[:4])))
}
