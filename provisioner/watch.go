package provisioner

import (
	"context"
	"errors"
	"time"

	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
)

// The sweep looks at every instance in turn, at most so many a second and each at most every watchPause: a small host
// sees a change within half a minute, and a large one never burdens its cluster.
const (
	watchPause = 30 * time.Second
	watchRate  = 20 // instances a second
	watchBatch = 200
)

// Watch keeps the health of active spaces' instances as people see it in step with the cluster, until ctx ends. It
// changes nothing on the cluster.
func (p *Provisioner) Watch(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := p.sweep(ctx); err != nil && ctx.Err() == nil {
			p.Log.Warn("the health of instances could not be read", "error", err)
		}
		pause(ctx, watchPause)
	}
	return nil
}

func (p *Provisioner) sweep(ctx context.Context) error {
	for after := ""; ctx.Err() == nil; {
		var batch []hosting.Instance
		err := p.Store.Read(ctx, func(tx *store.Tx) (err error) {
			batch, err = tx.ActiveInstances(after, watchBatch)
			return err
		})
		if err != nil || len(batch) == 0 {
			return err
		}
		for _, i := range batch {
			var outage *TemporaryError
			switch err := p.lookAt(ctx, i); {
			case errors.As(err, &outage):
				return err // the cluster itself: nothing to see until it is back
			case err != nil && ctx.Err() == nil:
				p.Log.Warn("the health of an instance could not be read", "job", i.Job, "error", err)
			}
			pause(ctx, time.Second/watchRate)
		}
		after = batch[len(batch)-1].ID
	}
	return ctx.Err()
}

// lookAt asks for one instance's health and keeps it when it changed.
func (p *Provisioner) lookAt(ctx context.Context, i hosting.Instance) error {
	answer, err := p.Cluster.JobHealth(ctx, i.Job)
	if err != nil {
		return err
	}
	health := hosting.HealthUnhealthy
	switch answer.State {
	case JobHealthy:
		health = hosting.HealthHealthy
	case JobPending:
		health = hosting.HealthPending
	}
	if health == i.Health {
		return nil
	}
	p.Log.Info("the health of an instance changed", "job", i.Job, "from", i.Health, "to", health, "reason", answer.Reason)
	return p.Store.Write(ctx, func(tx *store.Tx) error { return tx.SetInstanceHealth(i.ID, health) })
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
