package nomad

import (
	"context"
	"fmt"
	"maps"
	"time"

	"framagit.org/frama/frama/provisioner"

	"github.com/hashicorp/nomad/api"
)

// secretsPath is the one variable that a job's own identity may read, and no other job's. Never write to nomad/jobs
// itself: every job reads that.
func secretsPath(job string) string { return "nomad/jobs/" + job }

// EnsureSecrets sets the fixed values of the job's Nomad Variable where they differ and makes the generated keys that
// are not there yet. A generated key that exists is never replaced, so that two workers, or a retry, agree on one value.
// Write it before the job is registered: templates wait for it.
func (c *Cluster) EnsureSecrets(ctx context.Context, job string, fixed map[string]string, generated map[string]func() string) error {
	return c.ChangeSecrets(ctx, job, func(items map[string]string) {
		maps.Copy(items, fixed)
		for key, generate := range generated {
			if items[key] == "" {
				items[key] = generate()
			}
		}
	})
}

// Secrets returns what is in the job's variable, nil when there is none.
func (c *Cluster) Secrets(ctx context.Context, job string) (map[string]string, error) {
	v, err := c.variable(ctx, job)
	if v == nil || err != nil {
		return nil, err
	}
	return maps.Clone(map[string]string(v.Items)), nil
}

// ChangeSecrets changes the job's variable by compare-and-set: change may be called again, on what somebody else wrote.
// Nothing is written where change changes nothing.
func (c *Cluster) ChangeSecrets(ctx context.Context, job string, change func(items map[string]string)) error {
	defer c.jobs.lock(secretsPath(job))()
	var err error
	for range attempts {
		var changed bool
		if changed, err = c.changeOnce(ctx, job, change); !changed {
			return err
		}
	}
	return &provisioner.TemporaryError{Reason: "the secrets of job " + job + " are being changed by somebody else", After: 5 * time.Second}
}

func (c *Cluster) changeOnce(ctx context.Context, job string, change func(items map[string]string)) (changed bool, err error) {
	known, err := c.variable(ctx, job)
	if err != nil {
		return false, err
	}
	wanted := api.NewVariable(secretsPath(job))
	if known != nil {
		wanted = known.Copy()
	}
	change(wanted.Items)
	if known != nil && maps.Equal(known.Items, wanted.Items) || len(wanted.Items) == 0 {
		return false, nil
	}
	err = c.call(ctx, "write the secrets of job "+job, func(ctx context.Context) error {
		w, err := c.write(ctx)
		if err != nil {
			return err
		}
		if known == nil {
			_, _, err = c.client.Variables().CheckedCreate(wanted, w)
		} else {
			_, _, err = c.client.Variables().CheckedUpdate(wanted, w)
		}
		return err
	})
	if err != nil && isConflict(err) {
		// The error holds the variable: it must not travel on.
		return true, fmt.Errorf("the variable of job %s changed meanwhile", job)
	}
	return false, err
}

// variable reads the job's variable, nil when there is none.
func (c *Cluster) variable(ctx context.Context, job string) (*api.Variable, error) {
	var v *api.Variable
	err := c.call(ctx, "read the secrets of job "+job, func(ctx context.Context) error {
		r, err := c.read(ctx)
		if err != nil {
			return err
		}
		v, _, err = c.client.Variables().Peek(secretsPath(job), r)
		return err
	})
	return v, err
}
