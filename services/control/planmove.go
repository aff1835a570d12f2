package control

import (
	"context"
	"errors"
	"fmt"

	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
)

// ResizeSteps names the steps of the run that gives a space's instances the sizes of another plan, and their version;
// provisioner holds what they do.
const (
	RunResize        = "resize"
	RunResizeVersion = 1
)

// ResizeSteps returns the step names of version RunResizeVersion, in order. The job that is registered is that of the
// catalogue as it is now, which may need keys that there were not when the space was opened.
func ResizeSteps() []string { return []string{"room", "secrets", "volumes", "jobs", "healthy"} }

// PlanMove is what a change of a space's plan would mean.
type PlanMove struct {
	Space    hosting.Space
	From, To string
	Before   hosting.Resources // reserved
	After    hosting.Resources
	Fits     bool
	Effects  []PlanEffect // limits that change
}

// PreviewPlan says what ChangePlan would do.
func (c *Control) PreviewPlan(ctx context.Context, actor hosting.Actor, space, plan string) (m PlanMove, err error) {
	if err := allow(actor, hosting.RoleReviewer); err != nil {
		return m, err
	}
	err = c.store.Read(ctx, func(tx *store.Tx) error {
		s, err := tx.SpaceNamed(space)
		if err != nil {
			return err
		}
		r, err := c.resizing(tx, s, plan)
		if err != nil {
			return err
		}
		m = r.PlanMove
		m.Effects, err = c.effectsOfPlan(tx, s, plan)
		return err
	})
	return m, failure(err)
}

// ChangePlan gives a space another plan: its limits, what its instances reserve, and the run that makes them so. It is
// refused where the cluster has no room. Operators.
func (c *Control) ChangePlan(ctx context.Context, actor hosting.Actor, space, plan string) (s hosting.Space, err error) {
	if err := allow(actor, hosting.RoleOperator); err != nil {
		return s, err
	}
	err = c.store.Write(ctx, func(tx *store.Tx) error {
		if err := c.takeTurn(tx); err != nil {
			return err
		}
		found, err := tx.SpaceNamed(space)
		if err != nil {
			return err
		}
		s, err = c.changePlan(tx, actor, found, plan)
		return err
	})
	if err != nil {
		return s, failure(err)
	}
	_, _ = c.AdmitWaiting(ctx) // a smaller plan makes room; who does not get in now does with the next look at the cluster
	return s, nil
}

// resizing is a PlanMove with what it means for each instance.
type resizing struct {
	PlanMove
	instances []resized
}

type resized struct {
	hosting.Instance
	size      hosting.Resources
	volumeMiB int // of the volume as it is; 0 when there is none yet
}

// resizing works out what another plan would mean for a space, or why it cannot have it. Too little room is no such
// reason: Fits says so.
func (c *Control) resizing(tx *store.Tx, s hosting.Space, plan string) (r resizing, err error) {
	if _, ok := c.catalogue.Plan(plan); !ok {
		return r, hosting.Errorf(hosting.Invalid, "error.plan_unknown", plan)
	}
	if s.Plan == plan {
		return r, hosting.Errorf(hosting.Conflict, "error.plan_same", s.Slug)
	}
	if s.State != hosting.SpaceActive && s.State != hosting.SpaceApproved {
		return r, hosting.Errorf(hosting.Conflict, "error.plan_busy", s.Slug)
	}
	r.PlanMove = PlanMove{Space: s, From: s.Plan, To: plan}
	instances, err := tx.Instances(s.ID)
	if err != nil {
		return r, err
	}
	var more hosting.Resources
	for _, i := range instances {
		n := resized{Instance: i, size: i.Reserved}
		if app, ok := c.whole.App(i.App); ok {
			n.size = app.Size(plan)
		}
		if s.State == hosting.SpaceActive {
			if n.volumeMiB = i.Growth.VolumeMiB; n.volumeMiB == 0 {
				n.volumeMiB = i.Reserved.Disk
			}
		}
		r.instances = append(r.instances, n)
		r.Before, r.After = r.Before.Plus(i.Reserved), r.After.Plus(n.size)
		more.CPU += n.size.CPU - i.Reserved.CPU
		more.Memory += n.size.Memory - i.Reserved.Memory
		// A volume holds its room until it is smaller for real.
		more.Disk += max(n.size.Disk, n.volumeMiB) - max(i.Reserved.Disk, i.Growth.VolumeMiB)
	}
	if err := contentFits(tx, r); err != nil {
		return r, err
	}
	r.Fits, err = c.admits(tx, s.Cluster, more)
	return r, err
}

// contentFits refuses volumes that would be smaller than what is in them.
func contentFits(tx *store.Tx, r resizing) error {
	var used map[string][]hosting.UsageNow
	for _, i := range r.instances {
		if i.size.Disk >= i.volumeMiB {
			continue
		}
		if used == nil {
			var err error
			if used, err = tx.UsageNowOf([]string{r.Space.ID}); err != nil {
				return err
			}
		}
		bytes, known := volumeUse(used[r.Space.ID], i.ID)
		switch {
		case !known:
			return hosting.Errorf(hosting.Conflict, "error.plan_unmeasured", i.Kind)
		case bytes > int64(i.size.Disk)<<20:
			return hosting.Errorf(hosting.Conflict, "error.plan_disk", i.Kind, int((bytes+1<<20-1)>>20), i.size.Disk)
		}
	}
	return nil
}

// volumeUse is what an instance was last measured to keep in its volume, in bytes: of what was looked at in the volume and
// what the application says of its files, the larger.
func volumeUse(now []hosting.UsageNow, instance string) (bytes int64, known bool) {
	for _, u := range now {
		if u.InstanceID == instance && !u.At.IsZero() && (u.Metric == hosting.MetricVolumeBytes || u.Metric == hosting.MetricBytes) {
			bytes, known = max(bytes, u.Value), true
		}
	}
	return bytes, known
}

// changePlan is ChangePlan in a transaction of its caller's.
func (c *Control) changePlan(tx *store.Tx, actor hosting.Actor, s hosting.Space, plan string) (hosting.Space, error) {
	if err := c.takeTurn(tx); err != nil {
		return s, err
	}
	if err := tx.TakeSpaces([]string{s.ID}); err != nil {
		return s, err
	}
	s, err := tx.Space(s.ID)
	if err != nil {
		return s, err
	}
	r, err := c.resizing(tx, s, plan)
	if err != nil {
		return s, err
	}
	if !r.Fits {
		return s, hosting.Errorf(hosting.Conflict, "error.plan_no_room", s.Slug)
	}
	if s.State == hosting.SpaceApproved {
		// The run that provisions it makes it so, if nobody began it yet.
		if free, err := tx.RunUntouched(s.ID); err != nil || !free {
			return s, errors.Join(err, hosting.Errorf(hosting.Conflict, "error.plan_busy", s.Slug))
		}
	}
	if err := tx.SetPlan(s.ID, s.State, plan); err != nil {
		return s, err
	}
	s.Plan = plan
	for _, i := range r.instances {
		if err := tx.Resize(i.ID, i.size, i.volumeMiB); err != nil {
			return s, err
		}
	}
	detail := fmt.Sprintf("%s → %s, %d → %d MiB of memory, %d → %d MiB of disk", r.From, r.To, r.Before.Memory, r.After.Memory, r.Before.Disk, r.After.Disk)
	if err := tx.Audit(actor, "space.plan", subject("space", s.ID), detail); err != nil {
		return s, err
	}
	if s.State == hosting.SpaceActive && len(r.instances) > 0 {
		if err := resize(tx, s); err != nil {
			return s, err
		}
	}
	_, err = c.weigh(tx, []string{s.ID})
	return s, err
}

// resize makes the run that gives a space's instances their sizes, or lets the one that waits for room begin anew: whoever
// chose too large a plan can go back.
func resize(tx *store.Tx, s hosting.Space) error {
	waits, err := tx.RestartRun(s.ID, RunResize)
	if err != nil || waits {
		return err
	}
	err = tx.InsertRun(tx.NewID(), s.ID, RunResize, RunResizeVersion, ResizeSteps())
	if errors.Is(err, store.ErrTaken) {
		return hosting.Errorf(hosting.Conflict, "error.plan_busy", s.Slug)
	}
	return err
}

// effectsOfPlan says which limits and levels of a space another plan would change.
func (c *Control) effectsOfPlan(tx *store.Tx, s hosting.Space, plan string) ([]PlanEffect, error) {
	plans, err := tx.PlansInForce()
	if err != nil {
		return nil, err
	}
	version, applied := plans[plan]
	if p, ok := c.catalogue.Plan(plan); ok && !applied {
		version = p.InForce()
	}
	return c.planEffects(tx, []string{s.ID}, func(hosting.Space) hosting.PlanVersion { return version })
}
