package nomad

import (
	"context"
	"fmt"
	"strings"

	"framagit.org/frama/frama/provisioner"

	"github.com/hashicorp/nomad/api"
)

// These calls end an instance for good. RemoveJob comes first: the volume cannot be removed while the job runs. Variables carry
// no mark of their own. Their owner follows from their name, which derives from a handle that is never used twice, and from the
// mark of the job of that name, where there is one.

// RemoveVolume deletes the instance's volume, with all data in it. One that is gone already is no error; one that a task
// still uses is a provisioner.TemporaryError. Nothing brings it back: take a backup first.
func (c *Cluster) RemoveVolume(ctx context.Context, v provisioner.Volume, job, instance string) error {
	if err := c.disowned(ctx, job, instance); err != nil {
		return err
	}
	defer c.jobs.lock("volume/" + v.Name)()
	registered, err := c.volume(ctx, v.Name)
	if err != nil {
		return err
	}
	v.Instance = instance
	switch {
	case v.Node == "":
		return nil // never placed
	case registered == nil:
		// Made and not registered, or removed already. Either way what there is goes, if it is the instance's.
		return c.onNode(ctx, v, "delete", "--owner", instance, v.Name)
	case registered.PluginID != pluginID || registered.Context[markInstance] != instance:
		return c.usable(registered, v)
	case nodeOf(registered) != v.Node:
		return &provisioner.RefusedError{Err: fmt.Errorf("volume %s is on node %s, not on %s where the "+
			"instance was placed: find out whose it is before anything else: %w", v.Name, nodeOf(registered), v.Node, ErrForeign)}
	case claimed(registered):
		return inUse(v.Name)
	}
	// Registered until nothing is left on the node, so that a try which was cut short is found again.
	if err := c.onNode(ctx, v, "delete", "--owner", instance, v.Name); err != nil {
		return err
	}
	err = c.call(ctx, "deregister volume "+v.Name, func(ctx context.Context) error {
		w, err := c.write(ctx)
		if err != nil {
			return err
		}
		return c.client.CSIVolumes().Deregister(v.Name, false, w)
	})
	switch {
	case err == nil, hasAny(err.Error(), "volume not found"):
		return nil // gone, or an earlier try whose answer was lost
	case hasAny(err.Error(), "volume in use"):
		return inUse(v.Name)
	}
	return err
}

// RemoveSecrets deletes the variable of the instance's job, with every secret in it. One that is gone already is no error.
func (c *Cluster) RemoveSecrets(ctx context.Context, job, instance string) error {
	if err := c.disowned(ctx, job, instance); err != nil {
		return err
	}
	defer c.jobs.lock(secretsPath(job))()
	return c.call(ctx, "delete the secrets of job "+job, func(ctx context.Context) error {
		w, err := c.write(ctx)
		if err != nil {
			return err
		}
		_, err = c.client.Variables().Delete(secretsPath(job), w)
		if isNotFound(err) {
			return nil
		}
		return err
	})
}

// disowned refuses when a job of the name belongs to somebody else, and when the instance's own still runs.
func (c *Cluster) disowned(ctx context.Context, job, instance string) error {
	running, err := c.job(ctx, job)
	if err != nil || running == nil {
		return err
	}
	if err := owned(running, provisioner.Job{ID: job, InstanceID: instance}); err != nil {
		return err
	}
	if !isStopped(running) {
		return &provisioner.RefusedError{Err: fmt.Errorf("job %s is still registered: remove it before what it uses", job)}
	}
	return nil
}

// Traces says what there still is of an instance, in words; nothing once it is gone.
func (c *Cluster) Traces(ctx context.Context, job, volume string) ([]string, error) {
	var found []string
	registered, err := c.job(ctx, job)
	if err != nil {
		return nil, err
	}
	if registered != nil {
		found = append(found, "job "+job)
	}
	allocs, err := c.allocations(ctx, job)
	if err != nil {
		return nil, err
	}
	for _, a := range allocs {
		if a.ClientStatus == api.AllocClientStatusRunning || a.ClientStatus == api.AllocClientStatusPending {
			found = append(found, fmt.Sprintf("allocation %.8s (%s)", a.ID, a.ClientStatus))
		}
	}
	secrets, err := c.variable(ctx, job)
	if err != nil {
		return nil, err
	}
	if secrets != nil {
		found = append(found, "variable "+secretsPath(job))
	}
	registeredVolume, err := c.volume(ctx, volume)
	if err != nil {
		return nil, err
	}
	if registeredVolume != nil {
		found = append(found, "volume "+volume)
	}
	return found, nil
}

// allocations lists those of a job, also of one that was removed.
func (c *Cluster) allocations(ctx context.Context, job string) ([]*api.AllocationListStub, error) {
	var allocs []*api.AllocationListStub
	err := c.call(ctx, "list the allocations of job "+job, func(ctx context.Context) error {
		r, err := c.read(ctx)
		if err != nil {
			return err
		}
		allocs, _, err = c.client.Jobs().Allocations(job, true, r)
		return err
	})
	return allocs, err
}

// JobRevision tells two registrations of a job apart: its version grows with each change, its index with each
// registration. It is "" when there is no such job.
func (c *Cluster) JobRevision(ctx context.Context, id string) (string, error) {
	job, err := c.job(ctx, id)
	if err != nil || job == nil {
		return "", err
	}
	return strings.Join([]string{
		fmt.Sprintf("created at index %d", deref(job.CreateIndex)), fmt.Sprintf("version %d", deref(job.Version)),
		fmt.Sprintf("changed at index %d", deref(job.JobModifyIndex)),
	}, ", "), nil
}
