package control

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
)

// PlanChange is a plan that the catalogue's files say differently from what is in force.
type PlanChange struct {
	Plan     string
	Title    map[string]string
	Current  *hosting.PlanVersion // nil for a plan that is new
	New      hosting.PlanVersion
	Spaces   int          // that have the plan
	Affected []PlanEffect // those whose level or limit changes for the worse or the better; at most 200
	Effects  int          // how many they are in all
	Problem  string       // message key: why it cannot be applied (the version was not raised, …); empty when it can
	Where    string       // file:line of the plan
}

// PlanEffect is what a change of plan means for a space.
type PlanEffect struct {
	Space         hosting.Space
	Metric        string
	Used          int64
	Before, After int64 // limits
	LevelBefore   hosting.Level
	LevelAfter    hosting.Level
}

// maxAffected is how many spaces a preview names.
const maxAffected = 200

// plans returns what is in force of each plan: the version that was applied last, else what the catalogue says.
func (c *Control) plans(tx *store.Tx) (map[string]hosting.PlanVersion, error) {
	plans, err := tx.PlansInForce()
	if err != nil {
		return nil, err
	}
	for _, p := range c.catalogue.Plans() {
		if _, applied := plans[p.ID]; !applied {
			plans[p.ID] = p.InForce()
		}
	}
	return plans, nil
}

// known returns what was in force when this process last looked, for pages that need no more than that; nothing before the
// first look.
func (c *Control) known() map[string]hosting.PlanVersion {
	if last := c.inForce.Load(); last != nil {
		return *last
	}
	return nil
}

// look reads what is in force, for known.
func (c *Control) look(ctx context.Context) error {
	return failure(c.store.Read(ctx, func(tx *store.Tx) error {
		plans, err := c.plans(tx)
		if err == nil {
			c.inForce.Store(&plans)
		}
		return err
	}))
}

// Plans returns the version in force of each plan, in the order of the catalogue, then those it no longer has.
func (c *Control) Plans(ctx context.Context, actor hosting.Actor) (list []hosting.PlanVersion, err error) {
	if err := allow(actor, hosting.RoleReviewer); err != nil {
		return nil, err
	}
	err = c.store.Read(ctx, func(tx *store.Tx) error {
		plans, err := c.plans(tx)
		if err != nil {
			return err
		}
		for _, p := range c.catalogue.Plans() {
			list = append(list, plans[p.ID])
			delete(plans, p.ID)
		}
		for _, id := range slices.Sorted(maps.Keys(plans)) {
			list = append(list, plans[id])
		}
		return nil
	})
	return list, failure(err)
}

// PlanChanges compares the catalogue's plans with those in force. Nothing is applied.
func (c *Control) PlanChanges(ctx context.Context, actor hosting.Actor) (changes []PlanChange, err error) {
	if err := allow(actor, hosting.RoleReviewer); err != nil {
		return nil, err
	}
	err = c.store.Read(ctx, func(tx *store.Tx) error {
		applied, err := tx.PlansInForce()
		if err != nil {
			return err
		}
		for _, p := range c.catalogue.Plans() {
			change, ok := planChange(p, applied)
			if !ok {
				continue
			}
			if err := c.weighChange(tx, &change); err != nil {
				return err
			}
			changes = append(changes, change)
		}
		return nil
	})
	return changes, failure(err)
}

// planChange compares a plan of the catalogue with what is in force; false when they are the same.
func planChange(p catalogue.Plan, applied map[string]hosting.PlanVersion) (PlanChange, bool) {
	change := PlanChange{Plan: p.ID, Title: bilingual(p.Title), New: p.InForce(), Where: p.Where()}
	current, known := applied[p.ID]
	if !known {
		return change, true
	}
	change.Current = &current
	same := samePlan(current, change.New)
	switch {
	case change.New.Version < current.Version:
		change.Problem = "error.plan_version_lower"
	case change.New.Version == current.Version && !same:
		change.Problem = "error.plan_version_same"
	}
	return change, !same || change.New.Version != current.Version
}

// samePlan says whether two versions say the same.
func samePlan(a, b hosting.PlanVersion) bool {
	return maps.Equal(a.Limits, b.Limits) && slices.Equal(a.Thresholds, b.Thresholds) && slices.Equal(a.Retention, b.Retention)
}

// weighChange finds out whom a change is about.
func (c *Control) weighChange(tx *store.Tx, change *PlanChange) error {
	for after := ""; ; {
		ids, err := tx.SpacesWithPlan(change.Plan, after, spacesAtOnce)
		if err != nil || len(ids) == 0 {
			return err
		}
		after = ids[len(ids)-1]
		change.Spaces += len(ids)
		effects, err := c.planEffects(tx, ids, func(hosting.Space) hosting.PlanVersion { return change.New })
		if err != nil {
			return err
		}
		change.Effects += len(effects)
		change.Affected = append(change.Affected, effects[:min(len(effects), maxAffected-len(change.Affected))]...)
	}
}

// planEffects says which limits and levels of spaces would change with another plan, without changing any.
func (c *Control) planEffects(tx *store.Tx, ids []string, with func(hosting.Space) hosting.PlanVersion) ([]PlanEffect, error) {
	s, err := c.scale(tx, ids)
	if err != nil {
		return nil, err
	}
	var effects []PlanEffect
	for _, space := range s.spaces {
		before, after := s.plan(space), with(space)
		metrics := map[string]bool{}
		totals := sums(s.usage[space.ID])
		for _, metric := range append(s.metrics(space, before, totals), s.metrics(space, after, totals)...) {
			metrics[metric] = true
		}
		for _, metric := range slices.Sorted(maps.Keys(metrics)) {
			e := PlanEffect{Space: space, Metric: metric, Used: totals[metric].value}
			e.Before, _ = s.limit(space, before, metric)
			e.After, _ = s.limit(space, after, metric)
			e.LevelBefore = hosting.LevelAt(e.Used, e.Before, before.Thresholds)
			e.LevelAfter = hosting.LevelAt(e.Used, e.After, after.Thresholds)
			if e.Before != e.After || e.LevelBefore != e.LevelAfter {
				effects = append(effects, e)
			}
		}
	}
	return effects, nil
}

// ApplyPlan puts the catalogue's version of a plan in force. version is the one that was looked at: another one is refused.
// The spaces that have it are weighed soon after, see Reweigh.
func (c *Control) ApplyPlan(ctx context.Context, actor hosting.Actor, plan string, version int) error {
	if err := allow(actor, hosting.RoleAdmin); err != nil {
		return err
	}
	p, known := c.catalogue.Plan(plan)
	if !known {
		return hosting.Errorf(hosting.NotFound, "error.plan_unknown", plan)
	}
	if p.Version != version {
		return hosting.Errorf(hosting.Conflict, "error.plan_version_other", version, p.Version)
	}
	err := c.store.Write(ctx, func(tx *store.Tx) error {
		applied, err := tx.PlansInForce()
		if err != nil {
			return err
		}
		change, differs := planChange(p, applied)
		switch {
		case change.Problem != "":
			return hosting.Errorf(hosting.Conflict, change.Problem, plan, change.New.Version, change.Current.Version)
		case !differs:
			return hosting.Errorf(hosting.Conflict, "error.plan_applied", plan, version)
		}
		v := change.New
		v.AppliedAt, v.AppliedBy = tx.Now, actor.Name
		if err := tx.InsertPlanVersion(v); err != nil {
			return err
		}
		return tx.Audit(actor, "plan.apply", subject("plan", plan), "version "+strconv.Itoa(version))
	})
	switch {
	case errors.Is(err, store.ErrTaken):
		return hosting.Errorf(hosting.Conflict, "error.plan_applied", plan, version)
	case err != nil:
		return failure(err)
	}
	return c.look(ctx)
}

// AdoptPlans puts plans in force of which no version is yet: nobody has them, or frama kept no plans before. It never
// changes one that is in force. Called by frama migrate and at the start of frama serve.
func (c *Control) AdoptPlans(ctx context.Context) error {
	var missing []catalogue.Plan
	find := func(tx *store.Tx) error {
		applied, err := tx.PlansInForce()
		missing = slices.DeleteFunc(c.catalogue.Plans(), func(p catalogue.Plan) bool { _, known := applied[p.ID]; return known })
		return err
	}
	if err := c.store.Read(ctx, find); err != nil {
		return failure(err)
	}
	if len(missing) == 0 {
		return c.look(ctx)
	}
	err := c.store.Write(ctx, func(tx *store.Tx) error {
		if err := find(tx); err != nil {
			return err
		}
		for _, p := range missing {
			v := p.InForce()
			v.AppliedAt, v.AppliedBy = tx.Now, frama().Name
			if err := tx.InsertPlanVersion(v); err != nil {
				return err
			}
			if err := tx.Audit(frama(), "plan.apply", subject("plan", p.ID), "version "+strconv.Itoa(v.Version)+", the first"); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil && !errors.Is(err, store.ErrTaken) { // another process adopted them at the same time
		return failure(err)
	}
	return c.look(ctx)
}
