package nomad

import (
	"context"
	"fmt"
	"time"

	"framagit.org/frama/frama/provisioner"

	"github.com/hashicorp/nomad/api"
)

// Restart ends the tasks of an instance's allocation and returns once every one has been started again; whether they work
// is for JobHealth to say. It needs the right alloc-lifecycle, which frama's own token does not have.
func (c *Cluster) Restart(ctx context.Context, job, instance string) error {
	registered, err := c.job(ctx, job)
	switch {
	case err != nil:
		return err
	case registered == nil:
		return fmt.Errorf("there is no job %s", job)
	}
	if err := owned(registered, provisioner.Job{ID: job, InstanceID: instance}); err != nil {
		return err
	}
	before, err := c.runningOf(ctx, job)
	if err != nil {
		return err
	}
	// Not by call: a restart whose answer was lost must not be asked for again.
	err = c.once(ctx, func(ctx context.Context) error {
		r, err := c.read(ctx)
		if err != nil {
			return err
		}
		return c.client.Allocations().Restart(&api.Allocation{ID: before.ID}, "", r)
	})
	if err != nil {
		return c.explain("restart job "+job, err)
	}
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("restart job %s: %w", job, ctx.Err())
		case <-time.After(200 * time.Millisecond):
		}
		now, err := c.runningOf(ctx, job)
		if err == nil && restarted(before, now) {
			return nil
		}
	}
}

// runningOf is the allocation of a job that runs.
func (c *Cluster) runningOf(ctx context.Context, job string) (*api.AllocationListStub, error) {
	allocs, err := c.allocations(ctx, job)
	if err != nil {
		return nil, err
	}
	var newest *api.AllocationListStub
	for _, a := range allocs {
		if a.ClientStatus == api.AllocClientStatusRunning && (newest == nil || a.CreateIndex > newest.CreateIndex) {
			newest = a
		}
	}
	if newest == nil {
		return nil, fmt.Errorf("no allocation of job %s runs", job)
	}
	return newest, nil
}

// restarted says whether every task that ran was started again since.
func restarted(before, now *api.AllocationListStub) bool {
	for name, was := range before.TaskStates {
		is := now.TaskStates[name]
		if was == nil || was.State != "running" {
			continue
		}
		if is == nil || is.State != "running" || !is.StartedAt.After(was.StartedAt) {
			return false
		}
	}
	return true
}
