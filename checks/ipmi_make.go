package checks

import (
	"context"
	"strconv"
	"time"

	"lamplighter/checks/rmcp"
)

// makeWait is how long a login waits for the BMC's make, which it can do without.
const makeWait = 2 * time.Second

// makeOf asks a BMC what it is. One that does not say has let us in all the same: the power check tells whether it answers.
// One whose answers are forged or unreadable has not.
func makeOf(ctx context.Context, session *rmcp.Session) (Facts, error) {
	ctx, cancel := context.WithTimeout(ctx, makeWait)
	defer cancel()
	id, err := session.DeviceID(ctx)
	switch {
	case foreign(err):
		return nil, err
	case err != nil:
		return nil, nil
	}
	facts := Facts{
		"firmware":        id.Firmware,
		"manufacturer_id": strconv.FormatUint(uint64(id.Manufacturer), 10),
		"product_id":      strconv.Itoa(int(id.Product)),
	}
	if name := manufacturers[id.Manufacturer]; name != "" {
		facts["vendor"] = name
	}
	return facts, nil
}

// manufacturers are the makers of most BMCs (IANA private enterprise numbers).
var manufacturers = map[uint32]string{
	2:     "IBM",
	11:    "HPE",
	42:    "Oracle",
	343:   "Intel",
	674:   "Dell",
	2011:  "Huawei",
	5703:  "NVIDIA",
	5771:  "Cisco",
	7244:  "Quanta",
	10368: "Fujitsu",
	10876: "Supermicro",
	15370: "Gigabyte",
	19046: "Lenovo",
	20301: "IBM", // its System x, now Lenovo's
	20974: "AMI",
	25506: "H3C",
	37945: "Inspur",
	40092: "Wiwynn",
	47196: "HPE",
	49622: "ASRock Rack",
}
