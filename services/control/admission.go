package control

import (
	"errors"
	"slices"
	"time"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
)

// Approval is what became of a request that a reviewer said yes to.
type Approval struct {
	Space   hosting.Space
	Waiting bool // there is no room: the request waits for it, and there is no space yet
}

// takeTurn makes whatever is promised of the cluster's room in this transaction come after all that was promised before.
// Each use case that promises calls it first.
func (c *Control) takeTurn(tx *store.Tx) error {
	if c.options.Cluster == "" {
		return nil
	}
	return tx.TakeTurn(c.options.Cluster)
}

// wish is what a request asks for, as the catalogue gives it now.
type wish struct {
	apps map[string]catalogue.App // by kind
	need hosting.Resources        // to be reserved: shared instances only count for whoever gets them made
}

// wish looks up what a request would get.
func (c *Control) wish(tx *store.Tx, q hosting.Request) (w wish, err error) {
	if _, ok := c.catalogue.Plan(q.Plan); !ok {
		return w, hosting.Errorf(hosting.Conflict, "error.plan_gone", q.Plan)
	}
	w.apps = map[string]catalogue.App{}
	for _, kind := range slices.Sorted(slices.Values(q.Kinds)) {
		app, ok := c.application(kind)
		if !ok {
			return w, hosting.Errorf(hosting.Conflict, "error.kind_gone", kind)
		}
		w.apps[kind] = app
		plan := q.Plan
		if app.Tenancy == catalogue.Shared {
			_, err := tx.SharedInstance(kind)
			if err == nil {
				continue
			}
			if !errors.Is(err, store.ErrNotFound) {
				return w, err
			}
			plan = c.sharedPlan()
		}
		w.need = w.need.Plus(app.Size(plan))
	}
	return w, nil
}

// room is what a cluster has left to promise.
type room struct {
	hosting.Capacity
	reserved   hosting.Resources
	overcommit hosting.Overcommit
}

// roomOf reads what is left of a cluster's room. Nothing is known of one that nobody looked at yet: it promises without a
// limit, as frama did before it looked at all.
func (c *Control) roomOf(tx *store.Tx, cluster string) (r room, err error) {
	r.overcommit = c.overcommit()
	if cluster == "" {
		return r, nil
	}
	if r.Capacity, err = tx.Capacity(cluster); err != nil && !errors.Is(err, store.ErrNotFound) {
		return r, err
	}
	r.reserved, err = tx.Reserved(cluster)
	return r, err
}

func (r *room) known() bool { return !r.SeenAt.IsZero() }

func (r *room) fits(need hosting.Resources) bool {
	return !r.known() || r.Fits(r.reserved, need, r.overcommit)
}

func (r *room) take(need hosting.Resources) { r.reserved = r.reserved.Plus(need) }

// free is what can still be promised, never less than nothing.
func (r *room) free() hosting.Resources {
	p := r.Promisable(r.overcommit)
	return hosting.Resources{
		CPU: max(p.CPU-r.reserved.CPU, 0), Memory: max(p.Memory-r.reserved.Memory, 0), Disk: max(p.Disk-r.reserved.Disk, 0),
	}
}

// admits says whether a promise can be made now: it fits beside what those who wait already can have, and nobody has
// waited for so long that none may pass.
func (c *Control) admits(tx *store.Tx, cluster string, need hosting.Resources) (bool, error) {
	r, err := c.roomOf(tx, cluster)
	if err != nil {
		return false, err
	}
	if cluster != c.options.Cluster {
		return r.fits(need), nil
	}
	line, err := c.waiting(tx)
	if err != nil {
		return false, err
	}
	_, open := r.serve(line, tx.Now)
	return (open || nothing(need)) && r.fits(need), nil
}

// nothing says whether a promise takes no more of anything.
func nothing(need hosting.Resources) bool { return need.CPU <= 0 && need.Memory <= 0 && need.Disk <= 0 }

// requestRoom is what a reviewer is told of the room for a request that is undecided or waits.
func (c *Control) requestRoom(tx *store.Tx, q hosting.Request, need hosting.Resources) (Room, error) {
	r, err := c.roomOf(tx, c.options.Cluster)
	if err != nil {
		return Room{}, err
	}
	v := Room{Known: r.known(), Need: need, Free: r.free()}
	line, err := c.waiting(tx)
	if err != nil {
		return v, err
	}
	if at := slices.IndexFunc(line, func(w inLine) bool { return w.ID == q.ID }); at >= 0 {
		line = line[:at]
	}
	v.Ahead = len(line)
	_, open := r.serve(line, tx.Now)
	v.Fits = (open || nothing(need)) && r.fits(need)
	return v, nil
}

// patience is how long a request waits before nobody is let past it any more, however small.
const patience = 30 * 24 * time.Hour
