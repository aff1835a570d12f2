package provisioner_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"framagit.org/frama/frama/provisioner"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/work"
)

// starting is a cluster whose jobs do as the test says.
type starting struct {
	*paper
	health  provisioner.JobHealth
	removed []string
}

func (c *starting) JobHealth(context.Context, string) (provisioner.JobHealth, error) {
	return c.health, nil
}

func (c *starting) RemoveJob(_ context.Context, job, _ string) error {
	c.removed = append(c.removed, job)
	return nil
}

// The first start of a large application installs for half an hour: what its job says counts where it is longer than what the
// host says, and the other way round.
func TestASlowStartIsGivenTheLongerTime(t *testing.T) {
	for name, c := range map[string]struct{ host, job, passed, after time.Duration }{
		"the job's":                {10 * time.Minute, 30 * time.Minute, 30 * time.Minute, 32 * time.Minute},
		"the host's":               {40 * time.Minute, 30 * time.Minute, 39 * time.Minute, 41 * time.Minute},
		"the job says nothing":     {10 * time.Minute, 0, 9 * time.Minute, 11 * time.Minute},
		"the cluster gives up now": {10 * time.Minute, 10 * time.Minute, 10*time.Minute + 30*time.Second, 12 * time.Minute},
	} {
		w := newWorld(t, "wiki")
		cluster := &starting{paper: w.cluster, health: provisioner.JobHealth{State: provisioner.JobPending, Since: time.Now(), Within: c.job}}
		w.p.Cluster, w.p.Options.HealthyWithin = cluster, c.host
		w.approved("lilas", "wiki")
		begun := time.Now()
		for _, at := range []time.Duration{0, c.passed, c.after} {
			w.p.Now = func() time.Time { return begun.Add(at) }
			v := w.work("lilas")
			late := at == c.after
			if s := step(v); s.Name != "healthy" || (v.Space.State == hosting.SpaceFailed) != late || late != strings.Contains(s.Message, "is not healthy after") {
				t.Errorf("%s, after %s: %+v", name, at, s)
			}
		}
	}
}

// A job that failed is registered afresh; one that is merely late is looked at again.
func TestARetryRemovesOnlyWhatFailed(t *testing.T) {
	for state, removes := range map[provisioner.JobState]bool{provisioner.JobFailed: true, provisioner.JobPending: false, provisioner.JobBlocked: false} {
		w := newWorld(t, "wiki")
		cluster := &starting{paper: w.cluster, health: provisioner.JobHealth{State: state}}
		w.p.Cluster = cluster
		w.approved("lilas", "wiki")
		if v := w.work("lilas"); step(v).Name != "healthy" || step(v).State == work.StepDone {
			t.Errorf("%s: %+v", state, step(v))
		}
		if len(cluster.removed) > 0 != removes || len(w.cluster.jobs) != 1 {
			t.Errorf("%s: removed %v, registered %d", state, cluster.removed, len(w.cluster.jobs))
		}
	}
}
