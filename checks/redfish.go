package checks

import (
	"context"
	"errors"

	"lamplighter/checks/guard"
)

func runRedfishLogin(ctx context.Context, v *Visit) (Finding, error) {
	return Finding{}, errors.New("not yet")
}

// redfishVisit is the visit's connection and what was learned on it.
type redfishVisit struct {
	conn *guard.Conn
	// record is a key that was seen for the first time under tofu.
	record string
}
