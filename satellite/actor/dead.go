package actor

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/satellite/bus"
)

// Dead is the actor of the dead-letter mailbox: it keeps the bytes, and makes an Unknown verdict of a round that can be read.
type Dead struct {
	*Shared
	// Keep keeps a message for whoever looks for the bug; nil after it is durable.
	Keep func(bus.Message) error
}

// Run handles dead letters until ctx ends.
func (d *Dead) Run(ctx context.Context) error {
	return d.Bus.Receive(ctx, bus.Dead, 16, 16, d.guarded("dead", d.handle))
}

func (d *Dead) handle(ctx context.Context, m bus.Message) error {
	if err := d.Keep(m); err != nil {
		return fmt.Errorf("keep dead letter %s: %w", m.ID, err)
	}
	task, ok := salvage(m)
	if err := d.tell(ctx, m, task.Round); err != nil {
		return fmt.Errorf("tell of dead letter %s: %w", m.ID, err)
	}
	if !ok {
		return nil
	}
	task.Expires = time.Now().Add(time.Minute)
	stay, err := d.Visits.enter(ctx, task)
	switch {
	case errors.Is(err, errOver):
		return nil // a copy of it was luckier
	case err != nil:
		return err
	}
	defer d.Visits.leave(ctx, stay)
	task, bmc := d.poison(task, m.Why)
	return d.emit(ctx, task, bmc, stay)
}

// mostTold is how much of a message its document holds; the kept file has all of it.
const mostTold = 256 << 10

func (d *Dead) tell(ctx context.Context, m bus.Message, round checks.Round) error {
	if d.Buried == nil {
		return nil
	}
	bmc, _ := d.Lookup(round.BMC)
	return d.Buried(ctx, results.DeadLetter{
		Schema: results.DeadLetterSchema, Site: bmc.Site, Satellite: d.Satellite,
		ID: m.ID, Why: m.Why, Body: m.Body[:min(len(m.Body), mostTold)], At: time.Now().UTC(),
	})
}

// salvage reads as much of a task as a verdict needs: from the body, or, where that is garbage, the round from its ID.
func salvage(m bus.Message) (checks.Task, bool) {
	var task checks.Task
	if err := json.Unmarshal(m.Body, &task); err == nil && task.Round.BMC != "" {
		return task, true
	}
	var only struct {
		Round checks.Round `json:"round"`
		Check checks.Name  `json:"check"`
	}
	if err := json.Unmarshal(m.Body, &only); err == nil && only.Round.BMC != "" {
		return checks.Task{Round: only.Round, Check: only.Check}, true
	}
	slash := max(0, strings.LastIndexByte(m.ID, '/'))
	round, err := checks.ParseRound(m.ID[:slash])
	return checks.Task{Round: round, Check: checks.Name(strings.TrimPrefix(m.ID[slash:], "/"))}, err == nil
}

// poison is the task with its last result.
func (d *Dead) poison(task checks.Task, why string) (checks.Task, inventory.BMC) {
	now := time.Now()
	bmc, known := d.Lookup(task.Round.BMC)
	if !known {
		bmc = inventory.BMC{ID: task.Round.BMC}
	}
	result := checks.NewResult(task.Check, checks.Finding{}, checks.Ours(checks.SelfPoison,
		errors.New("the task could not be handled and its bytes are kept"+cited(why))), now, now)
	result.Satellite = d.Satellite
	d.observe(task.Round, result)
	good := task.Done[:0:0]
	for _, r := range task.Done {
		if r.Outcome == checks.OK {
			good = append(good, r)
		}
	}
	task.Done = append(good, result)
	return task, bmc
}

// cited is the first line of why, after a colon.
func cited(why string) string {
	why, _, _ = strings.Cut(why, "\n")
	if why == "" {
		return ""
	}
	return ": " + why[:min(len(why), 300)]
}

// KeepIn keeps each message in a file of its own in dir, named after what it holds, and beside it its ID and why it is dead.
func KeepIn(dir string) func(bus.Message) error {
	return func(m bus.Message) error {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		sum := sha256.Sum256(append([]byte(m.ID+"\x00"), m.Body...))
		name := filepath.Join(dir, fmt.Sprintf("%x", sum[:8]))
		return errors.Join(keep(name+".dead", m.Body), keep(name+".why", []byte(m.ID+"\n"+m.Why+"\n")))
	}
}

func keep(path string, bytes []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(bytes)
	return errors.Join(err, file.Sync(), file.Close())
}
