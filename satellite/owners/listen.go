package owners

import (
	"context"
	"time"

	"lamplighter/satellite/bus"
)

// Listen calls see with the satellites that are there after each hello, until ctx ends: for those who only listen. What is
// not understood is passed over.
func Listen(ctx context.Context, air bus.Air, see func([]Member)) error {
	var v view
	return air.Hear(ctx, func(body []byte) {
		if h, err := decode(body); err == nil {
			v.hear(h, time.Now())
			see(v.list())
		}
	})
}

func (v *view) list() []Member {
	list := make([]Member, 0, len(v.members))
	for _, m := range v.members {
		names := make([]string, len(m.Sees))
		for i, p := range m.Sees {
			names[i] = p.Name
		}
		list = append(list, Member{
			Name: m.Name, Started: m.Started, Heard: m.heard,
			Sees: names, Holds: len(m.Holds), Frontier: m.Frontier, Stopped: m.Stopped,
		})
	}
	return list
}

// heardBack says whether our hello of this seq came back to us.
func (v *view) heardBack(seq uint64) bool {
	for _, m := range v.members {
		if m.same(v.me) {
			return m.Seq >= seq
		}
	}
	return false
}
