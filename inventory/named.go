package inventory

import (
	"context"
	"errors"
	"slices"
	"time"
)

// Read says how one source answered.
type Read struct {
	Name string
	// BMCs is how many records of BMCs it had; Read and Of are the Answer's.
	BMCs, Read, Of int
}

// SourceError is what went wrong with one of several sources. Its text is the source's.
type SourceError struct {
	Name string
	Err  error
}

func (e *SourceError) Error() string { return e.Err.Error() }

// Unwrap is the source's error.
func (e *SourceError) Unwrap() error { return e.Err }

// Named is a Source whose answers and errors say whose they are.
type Named struct {
	Name   string
	Source Source
}

// BMCs asks the source.
func (n Named) BMCs(ctx context.Context, known Known) (Answer, error) {
	answer, err := n.Source.BMCs(ctx, known)
	if err != nil {
		return Answer{}, &SourceError{n.Name, err}
	}
	answer.Sources = []Read{{n.Name, len(answer.BMCs), answer.Read, answer.Of}}
	return answer, nil
}

// SourceStatus is how one source last answered.
type SourceStatus struct {
	Name string `json:"name"`
	// Synced is when it last answered, with so many BMCs; zero: never. Read and Of are as in Status.
	Synced time.Time `json:"synced,omitzero"`
	BMCs   int       `json:"bmcs"`
	Read   int       `json:"read"`
	Of     int       `json:"of"`
	// Tried is when it was last asked, and Error what went wrong then; empty: nothing.
	Tried time.Time `json:"tried,omitzero"`
	Error string    `json:"error,omitempty"`
}

// heard are the sources after one more sync: those that answered, the one that did not, and as they were those that were not asked
// because of that. After a sync that went well there are no others than those that answered.
func heard(was []SourceStatus, answer Answer, err error, at time.Time) []SourceStatus {
	next := slices.Clone(was)
	if err == nil {
		next = nil
	}
	of := func(name string) *SourceStatus {
		i := slices.IndexFunc(next, func(s SourceStatus) bool { return s.Name == name })
		if i < 0 {
			i, next = len(next), append(next, SourceStatus{Name: name})
		}
		return &next[i]
	}
	for _, r := range answer.Sources {
		*of(r.Name) = SourceStatus{Name: r.Name, Synced: at, BMCs: r.BMCs, Read: r.Read, Of: r.Of, Tried: at}
	}
	if failed := new(SourceError); errors.As(err, &failed) {
		one := of(failed.Name)
		one.Tried, one.Error = at, failed.Error()
	}
	return next
}
