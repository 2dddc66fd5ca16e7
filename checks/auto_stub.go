package checks

import (
	"context"
	"errors"
)

func (v *Visit) askServiceRoot(ctx context.Context) (isRedfish, answered bool, err error) {
	return false, false, errors.New("not yet")
}
