package nomad

import (
	"context"
	"fmt"
	"strings"
	"time"

	"framagit.org/frama/frama/provisioner"

	"github.com/hashicorp/nomad/api"
)

// What ends an instance for good. RemoveJob comes first: as long as it runs, its volume cannot go. Volumes and variables
// carry no mark of their own: what says whose they are is their name, which derives from a handle that is never used
// twice, and the mark of the job of that name, where there is one.

// RemoveVolume deletes the instance's volume, with all data in it. One that is gone already is no error; one that a task
// still uses is a provisioner.TemporaryError. Nothing brings it back: take a backup first.
func (c *Cluster) RemoveVolume(ctx context.Context, v provisioner.Volume, job, instance string) error {
	if err := c.disowned(ctx, job, instance); err != nil {
		return err
	}
	defer c.jobs.lock("volume/" + v.Name)()
	known, err := c.volumesOf(ctx, v.Name)
	if err != nil {
		return err
	}
	for _, one := range known {
		if one.NodeID != v.Node {
			return &provisioner.RefusedError{Err: fmt.Errorf("volume %s is on node %s, not on %s where the "+
				"instance was placed: find out whose it is before anything else: %w", v.Name, one.NodeID, v.Node, ErrForeign)}
		}
		err := c.call(ctx, "delete volume "+v.Name, func(ctx context.Context) error {
			w, err := c.write(ctx)
			if err != nil {
				return err
			}
			_, _, err = c.client.HostVolumes().Delete(&api.HostVolumeDeleteRequest{ID: one.ID}, w)
			if err != nil && hasAny(err.Error(), "no such volume") {
				return nil // an earlier try whose answer was lost
			}
			return err
		})
		switch {
		case err == nil:
		case hasAny(err.Error(), "in use by allocations"):
			return &provisioner.TemporaryError{
				Reason: "volume " + v.Name + " is still used by a task that is stopping", After: 500 * time.Millisecond,
			}
		case hasAny(err.Error(), "unknown node without force"):
			return &provisioner.TemporaryError{
				Reason: fmt.Sprintf("volume %s is on node %s, which is gone: bring the node back", v.Name, v.Node), After: time.Minute,
			}
		default:
			return err
		}
	}
	return nil
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
	volumes, err := c.volumesOf(ctx, volume)
	if err != nil {
		return nil, err
	}
	for _, v := range volumes {
		found = append(found, "volume "+v.Name)
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
