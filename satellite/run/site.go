package run

import (
	"context"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/satellite/actor"
	"lamplighter/satellite/bus"
	"lamplighter/satellite/glance"
	"lamplighter/satellite/owners"
	"lamplighter/satellite/schedule"
)

// held is how many tasks a satellite of several holds: the largest prefetch of a quorum queue. What it does not hold goes to
// others, so no more rounds than that run at once.
const held = 2000

// taken is how many tasks of others an actor takes over at once.
const taken = 32

// join makes the satellite one of several.
func (s *Satellite) join() {
	c, visits := s.config, s.shared.Visits
	s.owners = owners.New(owners.Config{
		Name: c.Name, Air: c.Air, Holding: visits.Holding, Frontier: s.scheduler.Frontier,
		Stopped: func() bool { return c.Memory.Stopped().On }, Log: c.Log,
	})
	s.shared.Own = bus.Own(c.Prefix, c.Name)
	s.shared.Alive, s.shared.LoginAfter = s.owners.Alive, s.owners.LoginAfter
	c.Memory.Own = s.owns
	visits.Idle, visits.Lost = bus.SpillAfter, s.scheduler.Lost
}

// glance is what the satellite's glances are made of.
func (s *Satellite) glance() glance.Config {
	c := s.config
	g := glance.Config{
		Satellite: c.Name, Chain: c.Chain, Visit: c.Visit, Memory: c.Memory, Sight: c.Sight, Lookup: s.lookup, Log: c.Log,
		Most: c.Look, Fleet: s.each, Silent: s.scheduler.Look, Opined: c.Opined, Looked: c.Looked,
		Worth: func(bmc inventory.ID) bool { return s.scheduler.Fine(bmc) && s.owns(bmc) },
	}
	if s.owners != nil && c.Talk != nil {
		g.Air, g.Other, g.Alive = c.Talk, s.owners.Other, s.owners.Alive
	}
	return g
}

// each yields all BMCs, in no order.
func (s *Satellite) each(yield func(*inventory.BMC) bool) {
	s.mu.RLock()
	fleet := s.fleet // it is replaced and never changed
	s.mu.RUnlock()
	for _, bmc := range fleet {
		if !yield(bmc) {
			return
		}
	}
}

func (s *Satellite) turn(bmc inventory.ID, due time.Time, why checks.Why) schedule.Turn {
	return s.owners.Turn(bmc, due, why)
}

func (s *Satellite) owns(bmc inventory.ID) bool {
	owner, ok := s.Owner(bmc)
	return ok && owner == s.config.Name
}

// Visiting is how many BMCs are being visited, or have a task here.
func (s *Satellite) Visiting() int { return len(s.shared.Visits.Holding()) }

// Owner is the satellite that a BMC belongs to just now.
func (s *Satellite) Owner(bmc inventory.ID) (string, bool) {
	if s.owners == nil {
		return s.config.Name, true
	}
	return s.owners.Owner(bmc)
}

// View are the satellites of the site that are heard, this one too; none where it serves its site alone.
func (s *Satellite) View() []owners.Member {
	if s.owners == nil {
		return nil
	}
	return s.owners.View()
}

// neighbours are what connects this satellite with the others of its site, and looks after the neighbours of a BMC that broke.
func (s *Satellite) neighbours() []func(context.Context) error {
	all := []func(context.Context) error{s.glances.Run}
	if s.owners != nil {
		all = append(all, s.owners.Run)
	}
	return all
}

// actors are all actors' Run.
func (s *Satellite) actors() []func(context.Context) error {
	var actors []*actor.Actor
	dead := &actor.Dead{Shared: s.shared, Keep: s.config.Keep}
	runs := []func(context.Context) error{dead.Run}
	for _, check := range s.config.Chain {
		a := s.actor(check)
		actors, runs = append(actors, a), append(runs, a.Run)
	}
	if s.owners != nil {
		own := &actor.Own{Shared: s.shared, Actors: actors, Hold: held}
		runs = append(runs, own.Run)
	}
	return runs
}
