//go:build e2e

package nomad

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"framagit.org/frama/frama/provisioner"

	"github.com/hashicorp/nomad/api"
)

// stateless is a job without a volume, whose only check is that something listens at its port: the test decides when.
// update stands where most files of the catalogue have it, for the whole job.
const stateless = `
variable "job_id" { type = string }
variable "port"   { type = number }
job "stateless" {
  id = "${var.job_id}"
  update {
    min_healthy_time  = "1s"
    healthy_deadline  = "10s"
    progress_deadline = "20s"
  }
  group "app" {
    network {
      port "http" { static = var.port }
    }
    service {
      provider = "nomad"
      port     = "http"
      check {
        type     = "tcp"
        interval = "1s"
        timeout  = "1s"
      }
    }
    task "app" {
      driver       = "mock_driver"
      kill_timeout = "9s"
      config {
        run_for    = "1h"
        kill_after = "5s"
      }
    }
  }
}
`

func statelessInstance(id string, port int) provisioner.Job {
	j := instance(id, port)
	j.Source, j.Volume = stateless, ""
	return j
}

func listen(t *testing.T, port int) {
	t.Helper()
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
}

// TestALateStartIsNoFailure: an instance that becomes healthy after its deployment failed is healthy, and until then it is
// looked at again.
func TestALateStartIsNoFailure(t *testing.T) {
	t.Parallel()
	c := cluster(t)
	j := statelessInstance("e2e-late", 21080)
	if err := c.EnsureJob(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	job, err := c.job(t.Context(), j.ID)
	if err != nil {
		t.Fatal(err)
	}
	if u := job.TaskGroups[0].Update; *u.HealthyDeadline != 10*time.Second || *u.ProgressDeadline < 20*time.Second {
		t.Fatalf("what the job says of its deadlines is lost: %s, %s", *u.HealthyDeadline, *u.ProgressDeadline)
	}
	var h provisioner.JobHealth
	err = until(2*time.Minute, func() error {
		if h, err = c.JobHealth(t.Context(), j.ID); err != nil {
			return err
		}
		d, _, err := c.client.Jobs().LatestDeployment(j.ID, &api.QueryOptions{Namespace: "frama", AuthToken: testAgent.root})
		if err == nil && d.Status != api.DeploymentStatusFailed {
			err = fmt.Errorf("its deployment is %s", d.Status)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if h, err = c.JobHealth(t.Context(), j.ID); err != nil || h.State != provisioner.JobPending || h.Within != 10*time.Second ||
		!strings.Contains(h.Reason, "late") {
		t.Fatalf("%+v (%v)", h, err)
	}
	before, err := c.runningOf(t.Context(), j.ID)
	if err != nil {
		t.Fatal(err)
	}
	if address, err := c.Address(t.Context(), j.ID); err != nil || address != "127.0.0.1:21080" {
		t.Errorf("it is reached at %s (%v)", address, err)
	}
	listen(t, j.Port)
	healthy(t, c, j.ID)
	if after, err := c.runningOf(t.Context(), j.ID); err != nil || after.ID != before.ID {
		t.Errorf("another allocation runs: %v (%v)", after, err)
	}
}

// TestAJobIsRegisteredOnceItsAllocationsEnded: Nomad would start the new one beside the old one that is still stopping.
func TestAJobIsRegisteredOnceItsAllocationsEnded(t *testing.T) {
	t.Parallel()
	c := cluster(t)
	j := statelessInstance("e2e-again", 21081)
	listen(t, j.Port)
	if err := c.EnsureJob(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	healthy(t, c, j.ID)
	old, err := c.runningOf(t.Context(), j.ID)
	if err != nil {
		t.Fatal(err)
	}
	stop := map[string]func() error{
		"removed": func() error { return c.RemoveJob(t.Context(), j.ID, j.InstanceID) },
		"stopped": func() error {
			_, _, err := c.client.Jobs().Deregister(j.ID, false, &api.WriteOptions{Namespace: "frama", AuthToken: testAgent.root})
			return err
		},
	}
	for _, how := range []string{"removed", "stopped"} {
		if err := stop[how](); err != nil {
			t.Fatal(how, err)
		}
		var waits *provisioner.TemporaryError
		if err := c.EnsureJob(t.Context(), j); !errors.As(err, &waits) || !strings.Contains(waits.Reason, "still stopping") {
			t.Fatalf("%s: registered beside an allocation that runs: %v", how, err)
		}
		if err := until(30*time.Second, func() error { return c.EnsureJob(t.Context(), j) }); err != nil {
			t.Fatal(how, err)
		}
		healthy(t, c, j.ID)
		now, err := c.runningOf(t.Context(), j.ID)
		if err != nil {
			t.Fatal(how, err)
		}
		was, _, err := testAgent.client.Allocations().Info(old.ID, nil)
		if err != nil {
			t.Fatal(how, err)
		}
		if ended := was.TaskStates["app"].FinishedAt; now.ID == old.ID || !now.TaskStates["app"].StartedAt.After(ended) {
			t.Errorf("%s: the new allocation started at %s, the old one ended at %s", how, now.TaskStates["app"].StartedAt, ended)
		}
		old = now
	}
}

// TestASlowRestartIsWaitedFor: Nomad answers once the tasks have stopped, which may take longer than other calls.
func TestASlowRestartIsWaitedFor(t *testing.T) {
	t.Parallel()
	j := statelessInstance("e2e-slow", 21082)
	listen(t, j.Port)
	root := cluster(t, func(o *Options) { o.Token, o.Timeout = Static(testAgent.root), 2*time.Second })
	if err := root.EnsureJob(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	healthy(t, root, j.ID)
	if err := root.Restart(t.Context(), j.ID, j.InstanceID); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := root.Restart(ctx, j.ID, j.InstanceID); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("its caller gave up: %v", err)
	}
}
