package nomad

import (
	"context"

	"github.com/hashicorp/nomad/api"
)

// VolumePath says where a job's tasks find the volume of that name, and in which of them: the first that runs beside
// the others and mounts it. Both are empty where none does, and where there is no such job.
func (c *Cluster) VolumePath(ctx context.Context, job, volume string) (task, path string, err error) {
	var registered *api.Job
	err = c.call(ctx, "read job "+job, func(ctx context.Context) error {
		r, err := c.read(ctx)
		if err != nil {
			return err
		}
		r.AllowStale = true // any server knows: mounts hardly ever change
		registered, _, err = c.client.Jobs().Info(job, r)
		if isNotFound(err) {
			registered, err = nil, nil
		}
		return err
	})
	if err != nil || registered == nil {
		return "", "", err
	}
	for _, group := range registered.TaskGroups {
		if task, path := mountOf(group, volume); task != "" {
			return task, path, nil
		}
	}
	return "", "", nil
}

// mountOf finds the volume among the mounts of a group's tasks.
func mountOf(group *api.TaskGroup, volume string) (task, path string) {
	for label, v := range group.Volumes {
		if v == nil || v.Type != api.CSIVolumeTypeCSI || v.Source != volume {
			continue
		}
		for _, t := range group.Tasks {
			if t.Lifecycle != nil && !t.Lifecycle.Sidecar {
				continue // it is over before, or begins after
			}
			for _, m := range t.VolumeMounts {
				if deref(m.Volume) == label && deref(m.Destination) != "" {
					return t.Name, deref(m.Destination)
				}
			}
		}
	}
	return "", ""
}
