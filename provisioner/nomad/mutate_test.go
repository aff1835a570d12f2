package nomad

import (
	"testing"
	"time"

	"framagit.org/frama/frama/provisioner"

	"github.com/hashicorp/nomad/api"
)

// Most files of the catalogue write update for the whole job: what it says counts, and of two times the longer one.
func TestUpdateOfJobAndGroupAreMerged(t *testing.T) {
	times := func(healthy, progress time.Duration) *api.UpdateStrategy {
		return &api.UpdateStrategy{HealthyDeadline: &healthy, ProgressDeadline: &progress}
	}
	cases := map[string]struct {
		job, group        *api.UpdateStrategy
		healthy, progress time.Duration
	}{
		"neither":          {nil, nil, 5 * time.Minute, 10 * time.Minute},
		"job":              {times(30*time.Minute, 45*time.Minute), nil, 30 * time.Minute, 45 * time.Minute},
		"group":            {nil, times(30*time.Minute, 45*time.Minute), 30 * time.Minute, 45 * time.Minute},
		"longer in job":    {times(30*time.Minute, 45*time.Minute), times(time.Minute, 2*time.Minute), 30 * time.Minute, 45 * time.Minute},
		"longer in group":  {times(time.Minute, 2*time.Minute), times(30*time.Minute, 45*time.Minute), 30 * time.Minute, 45 * time.Minute},
		"each has one":     {times(20*time.Minute, 21*time.Minute), times(10*time.Minute, 50*time.Minute), 20 * time.Minute, 50 * time.Minute},
		"one says nothing": {times(20*time.Minute, 30*time.Minute), &api.UpdateStrategy{}, 20 * time.Minute, 30 * time.Minute},
	}
	for name, c := range cases {
		job := goodJob()
		job.Update, job.TaskGroups[0].Update = c.job, c.group
		(&Cluster{options: Options{Namespace: "frama"}}).mutate(job, wantedJob, false)
		u := job.TaskGroups[0].Update
		if *u.HealthyDeadline != c.healthy || *u.ProgressDeadline != c.progress || job.Update != nil {
			t.Errorf("%s: %s, %s, job %v", name, *u.HealthyDeadline, *u.ProgressDeadline, job.Update)
		}
	}
}

func TestHealthSaysWhatTheJobAllows(t *testing.T) {
	job := goodJob()
	job.TaskGroups[0].Update = &api.UpdateStrategy{HealthyDeadline: ptr(30 * time.Minute)}
	if h := (sighting{job: job}).health(); h.Within != 30*time.Minute {
		t.Error(h.Within)
	}
	if h := (sighting{}).health(); h.Within != 0 || h.State != provisioner.JobMissing {
		t.Error(h)
	}
}

// Servers before 1.8 neither wait between replacements nor replace for ever: the client tries again by itself, and frama says so.
func TestOldServersLeaveRetryingToTheClient(t *testing.T) {
	for knows, mode := range map[bool]string{true: api.RestartPolicyModeFail, false: api.RestartPolicyModeDelay} {
		job := goodJob()
		(&Cluster{options: Options{Namespace: "frama"}}).mutate(job, wantedJob, knows)
		group := job.TaskGroups[0]
		if *group.RestartPolicy.Mode != mode || *group.ReschedulePolicy.Unlimited != knows || *group.ReschedulePolicy.Attempts != 0 || (group.MaxClientDisconnect == nil) != knows { //nolint:staticcheck // the way of before Nomad 1.8
			t.Errorf("with the disconnect block: %v: restart %s, %+v", knows, *group.RestartPolicy.Mode, group.ReschedulePolicy)
		}
	}
	job := goodJob()
	job.TaskGroups[0].RestartPolicy = &api.RestartPolicy{Attempts: ptr(0)}
	(&Cluster{options: Options{Namespace: "frama"}}).mutate(job, wantedJob, false)
	if mode := *job.TaskGroups[0].RestartPolicy.Mode; mode != api.RestartPolicyModeFail {
		t.Errorf("a task that may not restart has mode %s, which Nomad refuses", mode)
	}
}
