package inventory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// refusedAll is a request by which nothing was changed, since something in it cannot be.
type refusedAll struct{ error }

func laterOf(err error) *Later {
	var later *Later
	if errors.As(err, &later) {
		return later
	}
	return nil
}

// write changes devices by one request: all of them or none, but for those that are not there.
func (h *NetBoxHealth) write(ctx context.Context, ids []ID) error {
	patches, values := h.patches(ids)
	if len(patches) == 0 {
		return nil
	}
	body, err := json.Marshal(patches)
	if err != nil {
		return fmt.Errorf("source %s: encode health: %w", h.at.Name, err)
	}
	talk, err := h.at.talk(ctx, netboxToken)
	if err != nil {
		return err
	}
	defer talk.end()
	var patched []healthPatched
	err = talk.once(ctx, http.MethodPatch, talk.URL+"/api/dcim/devices/", body, func(_ http.Header, answer io.Reader) error {
		return json.NewDecoder(answer).Decode(&patched)
	})
	var refused *refusedAll
	switch {
	case errors.As(err, &refused):
		return h.refuse(values, err)
	case err != nil:
		return err
	}
	named := map[int64]bool{}
	for _, p := range patched {
		if _, has := p.Custom[h.field]; has {
			named[p.ID] = true
		}
	}
	h.changed(values, named)
	return nil
}
