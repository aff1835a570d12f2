package control

import (
	"context"
	"errors"
	"slices"
	"time"

	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
)

// ClusterView is a cluster with what it has, what was promised and where that leads.
type ClusterView struct {
	hosting.Capacity
	Promisable hosting.Resources // with overcommit
	Reserved   hosting.Resources // by spaces
	Overcommit hosting.Overcommit
	Waiting    int               // requests that wait for room
	Needed     hosting.Resources // by those
	Days       []hosting.CapacityDay
	Forecast   []Forecast // cpu, memory, disk, storage
}

// Room is whether a request fits on the cluster now.
type Room struct {
	Known bool // the cluster was looked at
	Fits  bool
	Need  hosting.Resources
	Free  hosting.Resources // still to be promised
	Ahead int               // requests that wait for room already
}

// daysShown is how far back the curves of a cluster go.
const daysShown = 90 * 24 * time.Hour

// Clusters returns what there is and what was promised.
func (c *Control) Clusters(ctx context.Context, actor hosting.Actor) (views []ClusterView, err error) {
	if err := allow(actor, hosting.RoleReviewer); err != nil {
		return nil, err
	}
	err = c.store.Read(ctx, func(tx *store.Tx) error {
		all, err := tx.Capacities()
		if err != nil {
			return err
		}
		if c.options.Cluster != "" && !slices.ContainsFunc(all, func(k hosting.Capacity) bool { return k.Cluster == c.options.Cluster }) {
			all = append(all, hosting.Capacity{Cluster: c.options.Cluster})
		}
		for _, seen := range all {
			v, err := c.clusterView(tx, seen)
			if err != nil {
				return err
			}
			views = append(views, v)
		}
		return nil
	})
	return views, failure(err)
}

func (c *Control) clusterView(tx *store.Tx, seen hosting.Capacity) (v ClusterView, err error) {
	v.Capacity, v.Overcommit = seen, c.overcommit()
	v.Promisable = seen.Promisable(v.Overcommit)
	if v.Reserved, err = tx.Reserved(seen.Cluster); err != nil {
		return v, err
	}
	if v.Days, err = tx.CapacityDays(seen.Cluster, tx.Now.Add(-daysShown)); err != nil {
		return v, err
	}
	v.Forecast = forecast(v.Days, v.Promisable, v.Reserved, tx.Now)
	if seen.Cluster != c.options.Cluster {
		return v, nil // all that waits, waits for the one where spaces are placed
	}
	waiting, err := c.waiting(tx)
	for _, w := range waiting {
		v.Waiting++
		v.Needed = v.Needed.Plus(w.need)
	}
	return v, err
}

// overcommit is how many times over room may be promised, at least once.
func (c *Control) overcommit() hosting.Overcommit {
	return hosting.Overcommit{CPU: max(c.options.Overcommit.CPU, 1), Memory: max(c.options.Overcommit.Memory, 1)}
}

// ObserveCluster notes what a cluster has, and keeps it for the forecast: each hour writes the row of the day anew, so that
// a day ends with its last hour.
func (c *Control) ObserveCluster(ctx context.Context, seen hosting.Capacity) error {
	return failure(c.store.Write(ctx, func(tx *store.Tx) error {
		if seen.SeenAt.IsZero() {
			seen.SeenAt = tx.Now
		}
		before, err := tx.Capacity(seen.Cluster)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if err := tx.SaveCapacity(seen); err != nil {
			return err
		}
		if !seen.SeenAt.Truncate(time.Hour).After(before.SeenAt.Truncate(time.Hour)) {
			return nil
		}
		return c.keepDay(tx, seen)
	}))
}

func (c *Control) keepDay(tx *store.Tx, seen hosting.Capacity) error {
	d := hosting.CapacityDay{
		Cluster: seen.Cluster, Day: seen.SeenAt.UTC().Truncate(24 * time.Hour), Promisable: seen.Promisable(c.overcommit()), Used: seen.Used,
	}
	var err error
	if d.Reserved, err = tx.Reserved(seen.Cluster); err != nil {
		return err
	}
	if d.StorageUsed, err = tx.StorageUsed(seen.Cluster); err != nil {
		return err
	}
	if d.Spaces, err = tx.SpacesOn(seen.Cluster); err != nil {
		return err
	}
	return tx.SaveCapacityDay(d)
}
