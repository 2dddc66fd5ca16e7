package checks

import (
	"context"
	"errors"
)

func runPower(ctx context.Context, v *Visit) (Finding, error) {
	return Finding{}, errors.New("not yet")
}
