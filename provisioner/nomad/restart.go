package nomad

import (
	"context"
	"errors"
	"fmt"
	"time"

	"framagit.org/frama/frama/provisioner"

	"github.com/hashicorp/nomad/api"
)

// Restart ends the tasks of an instance's allocation and returns once every one has been started again; whether they work
// is for JobHealth to say. Tasks get the time that the job gives them to stop. It needs the right alloc-lifecycle, which frama's own token does not have.
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
	within := c.options.Timeout + stopping(registered)
	waiting, cancel := context.WithTimeout(ctx, 2*within)
	defer cancel()
	// Not by call: a restart whose answer was lost must not be asked for again. Nomad answers once the tasks have stopped.
	err = c.within(waiting, within, func(ctx context.Context) error {
		r, err := c.read(ctx)
		if err != nil {
			return err
		}
		return c.client.Allocations().Restart(&api.Allocation{ID: before.ID}, "", r)
	})
	if err != nil && (ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded)) {
		return c.explain("restart job "+job, err)
	}
	for {
		select {
		case <-waiting.Done():
			return fmt.Errorf("restart job %s: its tasks were not all started again within %s: %w", job, 2*within, waiting.Err())
		case <-time.After(200 * time.Millisecond):
		}
		now, err := c.runningOf(waiting, job)
		if err == nil && restarted(before, now) {
			return nil
		}
	}
}

// stopping is how long the tasks of a job may take to stop and start again, by what the job says. Those that lead others
// stop first, and those before and after the main ones in turn: the sum is more than enough.
func stopping(job *api.Job) time.Duration {
	var sum time.Duration
	for _, group := range job.TaskGroups {
		sum += deref(group.ShutdownDelay)
		for _, task := range group.Tasks {
			sum += deref(task.KillTimeout) + task.ShutdownDelay
		}
		if group.RestartPolicy != nil {
			sum += deref(group.RestartPolicy.Delay)
		}
	}
	return sum
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
