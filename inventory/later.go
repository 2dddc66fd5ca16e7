package inventory

import (
	"fmt"
	"time"
)

// Later is a source that wants to be asked again only after a while.
type Later struct {
	After time.Duration
	Err   error
}

func (l *Later) Error() string {
	return fmt.Sprintf("%v; it wants to be asked again in %v", l.Err, l.After)
}
func (l *Later) Unwrap() error { return l.Err }
