package nomad

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"framagit.org/frama/frama/provisioner"

	"github.com/hashicorp/nomad/api"
)

// EnsureJob registers the job unless Nomad already has the very same one. Without room for it nothing is registered
// and the error is a provisioner.TemporaryError that names the missing resource. A job of that ID that is not this
// instance's is never touched.
func (c *Cluster) EnsureJob(ctx context.Context, j provisioner.Job) error {
	job, err := c.prepare(ctx, j)
	if err != nil {
		return err
	}
	defer c.jobs.lock(j.ID)()
	// Whoever else registers the same job in between makes the compare-and-set fail: look again.
	for range attempts {
		var changed bool
		if changed, err = c.registerOnce(ctx, job, j); !changed {
			return err
		}
	}
	return &provisioner.TemporaryError{
		Reason: fmt.Sprintf("job %s is being changed by somebody else", j.ID), After: 5 * time.Second, Err: err,
	}
}

// prepare makes the job that frama wants to see on the cluster.
func (c *Cluster) prepare(ctx context.Context, j provisioner.Job) (*api.Job, error) {
	job, err := c.parse(ctx, j)
	if err != nil {
		return nil, err
	}
	knowsDisconnect, err := c.knowsDisconnect(ctx)
	if err != nil {
		return nil, err
	}
	c.mutate(job, j, knowsDisconnect)
	if violations := c.options.Policy.Violations(job, j); len(violations) > 0 {
		return nil, &provisioner.RefusedError{Err: &PolicyError{Job: j.ID, Path: j.Path, Violations: violations}}
	}
	return job, nil
}

// registerOnce compares, admits and registers. changed says that the job changed meanwhile.
func (c *Cluster) registerOnce(ctx context.Context, job *api.Job, j provisioner.Job) (changed bool, err error) {
	running, err := c.job(ctx, j.ID)
	if err != nil {
		return false, err
	}
	if err := owned(running, j); err != nil {
		return false, err
	}
	if running == nil || isStopped(running) {
		// Nomad would start the new allocation beside one that is still stopping: two on one volume, and one port for both.
		if err := c.ended(ctx, j.ID); err != nil {
			return false, err
		}
	}
	plan, err := c.plan(ctx, job)
	if err != nil {
		return false, err
	}
	if running != nil && plan.Diff != nil && plan.Diff.Type == "None" && !isStopped(running) {
		return false, nil // registering the same again would still make an evaluation
	}
	if err := admitted(plan, j.ID); err != nil {
		return false, err
	}
	var index uint64 // 0: only if there is no such job
	if running != nil {
		index = *running.JobModifyIndex
	}
	err = c.call(ctx, "register job "+j.ID, func(ctx context.Context) error {
		w, err := c.write(ctx)
		if err != nil {
			return err
		}
		_, _, err = c.client.Jobs().RegisterOpts(job, &api.RegisterOptions{EnforceIndex: true, ModifyIndex: index}, w)
		return err
	})
	// A try whose answer was lost conflicts with itself: the next look finds the job unchanged.
	if err != nil && isConflict(err) {
		return true, err
	}
	return false, err
}

// admitted says whether the planner found room.
func admitted(plan *api.JobPlanResponse, id string) error {
	reason := placementFailure(plan.FailedTGAllocs)
	switch {
	case reason == "":
		return nil
	case hasAny(reason, "CSI plugin", "writer claims"):
		// The plugin has just started, or an earlier job has not given the volume back yet.
		return &provisioner.TemporaryError{
			Reason: fmt.Sprintf("%s waits for its volume: %s (frama doctor says more)", id, reason), After: 3 * time.Second, Err: ErrNoCapacity,
		}
	case strings.Contains(reason, replacing):
		return &provisioner.TemporaryError{Reason: fmt.Sprintf("%s waits: %s", id, reason), After: 3 * time.Second, Err: ErrNoCapacity}
	}
	return &provisioner.TemporaryError{
		Reason: fmt.Sprintf("no room for %s: %s; free some or add a node, frama tries again by itself", id, reason),
		After:  30 * time.Second, Err: ErrNoCapacity,
	}
}

// job returns the job of that ID, nil when there is none.
func (c *Cluster) job(ctx context.Context, id string) (*api.Job, error) {
	var job *api.Job
	err := c.call(ctx, "read job "+id, func(ctx context.Context) error {
		r, err := c.read(ctx)
		if err != nil {
			return err
		}
		job, _, err = c.client.Jobs().Info(id, r)
		if isNotFound(err) {
			job, err = nil, nil
		}
		return err
	})
	return job, err
}

func (c *Cluster) plan(ctx context.Context, job *api.Job) (*api.JobPlanResponse, error) {
	var plan *api.JobPlanResponse
	err := c.call(ctx, "plan job "+*job.ID, func(ctx context.Context) error {
		w, err := c.write(ctx)
		if err != nil {
			return err
		}
		plan, _, err = c.client.Jobs().Plan(job, true, w)
		return err
	})
	return plan, err
}

// owned refuses a job that is not this instance's. This is permanent: nothing that frama does later makes it right.
func owned(running *api.Job, j provisioner.Job) error {
	if running == nil {
		return nil
	}
	switch mark := running.Meta[metaInstance]; mark {
	case j.InstanceID:
		return nil
	case "":
		return &provisioner.RefusedError{Err: fmt.Errorf(
			"job %s exists and was not made by frama: rename or purge it (nomad job stop -purge %s), then retry: %w", j.ID, j.ID, ErrForeign)}
	default:
		return &provisioner.RefusedError{Err: fmt.Errorf(
			"job %s belongs to instance %s, not %s: find out which of the two is right before anything else: %w", j.ID, mark, j.InstanceID, ErrForeign)}
	}
}

func isStopped(job *api.Job) bool { return job.Stop != nil && *job.Stop }

// Check says what is wrong with a job that is not meant to run, for catalogue lint: it is parsed, changed and checked
// like any other, under the policy given, then validated and planned. A full cluster is no finding. The error is the
// cluster's, not the job's.
func (c *Cluster) Check(ctx context.Context, j provisioner.Job, policy Policy) ([]Finding, error) {
	job, err := c.parse(ctx, j)
	var refused *ParseError
	if errors.As(err, &refused) {
		return refused.Findings, nil
	}
	if err != nil {
		return nil, err
	}
	knowsDisconnect, err := c.knowsDisconnect(ctx)
	if err != nil {
		return nil, err
	}
	c.mutate(job, j, knowsDisconnect)
	policy.Networks = c.options.Networks
	var found []Finding
	for _, v := range policy.Violations(job, j) {
		found = append(found, Finding{Line: lineOf(j.Source, v.Key), Message: v.String()})
	}
	var answer *api.JobValidateResponse
	err = c.call(ctx, "validate job "+j.ID, func(ctx context.Context) error {
		w, err := c.write(ctx)
		if err != nil {
			return err
		}
		answer, _, err = c.client.Jobs().Validate(job, w)
		return err
	})
	if err != nil {
		return found, err
	}
	for _, problem := range answer.ValidationErrors {
		found = append(found, Finding{Message: "Nomad: " + problem})
	}
	if len(found) > 0 {
		return found, nil
	}
	if _, err := c.plan(ctx, job); status(err) == 400 || status(err) == 500 {
		return []Finding{{Message: "Nomad's planner: " + bodyOf(err)}}, nil
	} else if err != nil {
		return nil, err
	}
	return nil, nil
}

// ended returns a provisioner.TemporaryError while an allocation of a job that was removed or stopped has not ended.
func (c *Cluster) ended(ctx context.Context, id string) error {
	allocs, err := c.allocations(ctx, id)
	if err != nil {
		return err
	}
	for _, a := range allocs {
		if !terminal(a) {
			return &provisioner.TemporaryError{
				Reason: fmt.Sprintf("an earlier allocation of %s is still stopping (%.8s on node %s is %s)", id, a.ID, a.NodeName, a.ClientStatus),
				After:  2 * time.Second,
			}
		}
	}
	return nil
}

// terminal reports whether nothing of an allocation runs any more, as its node says. A node that the servers lost sight of
// (unknown) says nothing: its tasks may run on.
func terminal(a *api.AllocationListStub) bool {
	switch a.ClientStatus {
	case api.AllocClientStatusComplete, api.AllocClientStatusFailed, api.AllocClientStatusLost:
		return true
	}
	return false
}

// RemoveJob purges a job that carries the instance's mark. Its tasks may take a while to stop: EnsureJob waits for that.
func (c *Cluster) RemoveJob(ctx context.Context, id, instance string) error {
	defer c.jobs.lock(id)()
	running, err := c.job(ctx, id)
	if err != nil || running == nil {
		return err
	}
	if err := owned(running, provisioner.Job{ID: id, InstanceID: instance}); err != nil {
		return err
	}
	return c.call(ctx, "remove job "+id, func(ctx context.Context) error {
		w, err := c.write(ctx)
		if err != nil {
			return err
		}
		_, _, err = c.client.Jobs().Deregister(id, true, w)
		return err
	})
}
