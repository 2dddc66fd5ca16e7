package inventory

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// NetBoxHealth keeps a custom field of NetBox' devices what is believed of their BMCs. It writes nothing else, and never the status, which
// is the device's lifecycle.
//
// What the field has is learnt by each reading of the devices, so nothing has to be remembered here: after a restart what is right is not
// written again, and what somebody else wrote is. No error of it is anybody else's.
type NetBoxHealth struct {
	at    Endpoint // its login is allowed to change devices
	field string
	log   *slog.Logger
	pace  time.Duration // the least time between two requests
	pause time.Duration // after a first failure
	news  chan struct{} // holds a token when there may be something to write

	mu      sync.Mutex
	wanted  map[ID]string
	devices map[ID]healthOf // of the last whole reading
	written map[ID]string   // since the reading began that goes on
	absent  bool            // no device has the field
	most    int             // how many are written at once
	refused int             // how many were refused one after the other
	failing error
}

// healthOf is what the field of a device has.
type healthOf struct {
	device  int64 // 0: several have the ID
	has     string
	refused bool // until the next reading
	late    bool // it was refused before a reading: all others come first
}

const (
	// healthPace is the least time between two requests, and healthBatch how many devices are changed by one: NetBox writes each, and its
	// change log, by itself, some 20 a second.
	healthPace  = time.Second
	healthBatch = 50
	// soonest and latest are the pauses after a failure: it doubles.
	soonest, latest = 5 * time.Second, 10 * time.Minute
	// sameFault is how many refusals of single devices in a row, of which but the first are picked anywhere, are no fault of the devices.
	sameFault = 5
)

// NewNetBoxHealth makes one that has nothing to write yet. NetBox.Health gets it.
func NewNetBoxHealth(at Endpoint, field string, log *slog.Logger) *NetBoxHealth {
	return &NetBoxHealth{at: at, field: field, log: log, pace: healthPace, pause: soonest, news: make(chan struct{}, 1),
		wanted: map[ID]string{}, devices: map[ID]healthOf{}, most: healthBatch}
}

// Want says what is believed of one BMC; empty: nothing any more, and its field stays as it is.
func (h *NetBoxHealth) Want(id ID, health string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case health == "":
		delete(h.wanted, id)
	case h.wanted[id] != health:
		h.wanted[id] = health
		h.wake()
	}
}

// WantAll says what is believed of all BMCs.
func (h *NetBoxHealth) WantAll(health map[ID]string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.wanted = maps.Clone(health)
	h.wake()
}

func (h *NetBoxHealth) wake() {
	select {
	case h.news <- struct{}{}:
	default:
	}
}

// begin says that a reading of the devices begins.
func (h *NetBoxHealth) begin() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.written = map[ID]string{}
}

// end takes what a whole reading found. What was written meanwhile it may have passed by before.
func (h *NetBoxHealth) end(devices map[ID]healthOf, seen bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for id, health := range h.written {
		if d, there := devices[id]; there {
			d.has = health
			devices[id] = d
		}
	}
	for id, was := range h.devices {
		if d := devices[id]; was.device > 0 && d.device == was.device {
			d.late = was.late || was.refused
			devices[id] = d
		}
	}
	absent := !seen && len(devices) > 0
	if absent && !h.absent {
		h.log.Error("no device of netbox has the custom field for health: nothing is written until there is one", "source", h.at.Name, "field", h.field,
			"next", "create it in NetBox, of type text, for devices")
	}
	h.devices, h.absent, h.written = devices, absent, map[ID]string{}
	if h.refused < sameFault {
		h.refused, h.most = 0, healthBatch
	}
	h.wake()
}

// Waiting is how many BMCs have another health in NetBox than is believed, and what keeps it from being written, if anything does.
func (h *NetBoxHealth) Waiting() (bmcs int, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for id, health := range h.wanted {
		if d, there := h.devices[id]; there && d.device > 0 && d.has != health {
			bmcs++
		}
	}
	if h.absent && bmcs > 0 {
		return bmcs, fmt.Errorf("source %s: no device has the custom field %s: create it in NetBox, of type text, for devices", h.at.Name, h.field)
	}
	return bmcs, h.failing
}

// due are the next to be written, by ID: those that were refused before alone, and after all others.
func (h *NetBoxHealth) due() []ID {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.absent {
		return nil
	}
	var ids, late []ID
	for id, health := range h.wanted {
		switch d, there := h.devices[id]; {
		case !there || d.device == 0 || d.has == health || d.refused:
		case d.late:
			late = append(late, id)
		default:
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	slices.Sort(late)
	switch {
	case len(ids) == 0:
		return late[:min(len(late), 1)]
	case h.refused > 0: // its neighbours by ID may have the same fault: is there one that has not?
		other := rand.N(len(ids))
		return ids[other : other+1]
	}
	return ids[:min(len(ids), h.most)]
}

// Run writes until ctx ends, and then returns nil. A keyring or a NetBox that is away delays it, and nothing else.
func (h *NetBoxHealth) Run(ctx context.Context) error {
	failures := 0
	for ctx.Err() == nil {
		ids := h.due()
		if len(ids) == 0 {
			select {
			case <-ctx.Done():
			case <-h.news:
			}
			continue
		}
		err := h.write(ctx, ids)
		if ctx.Err() != nil {
			return nil
		}
		failures++
		if err == nil {
			failures = 0
		}
		h.report(err)
		rest := time.NewTimer(h.rest(err, failures))
		select {
		case <-ctx.Done():
		case <-rest.C:
		}
		rest.Stop()
	}
	return nil
}

// rest is how long nothing is sent after a request.
func (h *NetBoxHealth) rest(err error, failures int) time.Duration {
	if err == nil {
		return h.pace
	}
	pause := min(latest, h.pause<<min(failures-1, 10))
	if later := laterOf(err); later != nil {
		pause = max(pause, later.After)
	}
	return pause
}

// report logs the beginning and the end of a failure.
func (h *NetBoxHealth) report(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	was := h.failing
	h.failing = err
	switch {
	case err != nil && was == nil:
		h.log.Warn("health cannot be written to netbox; it is tried again", "source", h.at.Name, "field", h.field, "error", err)
	case err == nil && was != nil:
		h.log.Info("health is written to netbox again", "source", h.at.Name)
	}
}

// healthPatch is the change of one device, and healthPatched how it is afterwards.
type (
	healthPatch struct {
		ID     int64             `json:"id"`
		Custom map[string]string `json:"custom_fields"`
	}
	healthPatched struct {
		ID     int64          `json:"id"`
		Custom map[string]any `json:"custom_fields"`
	}
)

// patches are the changes of devices.
func (h *NetBoxHealth) patches(ids []ID) (all []healthPatch, values map[ID]string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	values = map[ID]string{}
	for _, id := range ids {
		d, there := h.devices[id]
		if want := h.wanted[id]; there && d.device > 0 && want != "" && want != d.has { // a reading may have ended since
			all, values[id] = append(all, healthPatch{d.device, map[string]string{h.field: want}}), want
		}
	}
	return all, values
}

// changed takes what NetBox answered. A device that it does not name is there no more, or not for this login.
func (h *NetBoxHealth) changed(values map[ID]string, named map[int64]bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for id, value := range values {
		d, there := h.devices[id]
		switch {
		case !there:
		case named[d.device]:
			d.has, d.late = value, false
			h.devices[id] = d
			h.written[id] = value
		default:
			delete(h.devices, id)
		}
	}
	h.refused, h.most = 0, min(2*h.most, healthBatch)
}

// refuse takes a refusal of a whole request, by which nothing was changed: fewer are tried until it is known which device it is about. That
// one is left alone until the next reading. It returns an error where it is not about devices.
func (h *NetBoxHealth) refuse(values map[ID]string, err error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(values) > 1 {
		h.most = cmp.Or(len(values)/2, 1)
		return nil
	}
	for id := range values {
		d := h.devices[id]
		d.refused = true
		h.devices[id] = d
		if d.late { // as before, which says nothing about the others
			continue
		}
		if h.refused++; h.refused < sameFault {
			h.log.Warn("netbox refuses the health of a device; it is tried again with each sync, after all others", "source", h.at.Name, "bmc", id, "error", err)
		}
	}
	if h.refused >= sameFault {
		return err
	}
	return nil
}
