package checks

import (
	"context"
	"errors"
)

func runRedfishLogin(ctx context.Context, v *Visit) (Finding, error) {
	return Finding{}, errors.New("not yet")
}

type redfishVisit struct{}
