package checks

import (
	"context"
	"errors"
)

func runIPMILogin(ctx context.Context, v *Visit) (Finding, error) {
	return Finding{}, errors.New("not yet")
}
