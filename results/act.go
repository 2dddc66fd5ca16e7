package results

import (
	"time"

	"lamplighter/inventory"
)

// ActSchema names the version of the act's document.
const ActSchema = "lamplighter.act.v1"

// Act is something that a person did to a site by the command line. What people do by the API the role results writes down itself.
type Act struct {
	Schema string `json:"schema"`
	Site   string `json:"site"`
	// ID is the request's: whoever reads drops a second act of the same one.
	ID string `json:"id"`
	// Do is stop, go, fence_clear, inventory_sync or inventory_approve.
	Do string `json:"do"`
	// Who is the user and host that the command line says.
	Who  string       `json:"who"`
	BMC  inventory.ID `json:"bmc,omitempty"`
	Note string       `json:"note,omitempty"` // the reason that was given; what it was done to
	At   time.Time    `json:"at"`
}
