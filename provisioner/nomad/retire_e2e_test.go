//go:build e2e

package nomad

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"framagit.org/frama/frama/provisioner"
)

// TestRetirement takes an instance away, piece by piece, with frama's own token and nothing more.
func TestRetirement(t *testing.T) {
	c := cluster(t)
	j := instance("e2e-retire", 21070)
	v := provisioner.Volume{Name: j.Volume, Node: j.Node}
	bring(t, c, j)
	healthy(t, c, j.ID)
	if traces, err := c.Traces(t.Context(), j.ID, j.Volume); err != nil || len(traces) != 4 {
		t.Errorf("traces of what runs: %v (%v)", traces, err)
	}

	t.Log("not while its job is there, and never by somebody else")
	for name, refused := range map[string]error{
		"volume": c.RemoveVolume(t.Context(), v, j.ID, j.InstanceID), "secrets": c.RemoveSecrets(t.Context(), j.ID, j.InstanceID),
		"volume of another":  c.RemoveVolume(t.Context(), v, j.ID, "other"),
		"secrets of another": c.RemoveSecrets(t.Context(), j.ID, "other"),
	} {
		var words *provisioner.RefusedError
		if !errors.As(refused, &words) || strings.Contains(name, "another") != errors.Is(refused, ErrForeign) {
			t.Errorf("%s: %v", name, refused)
		}
	}
	if secrets, err := c.Secrets(t.Context(), j.ID); err != nil || secrets["key"] == "" {
		t.Fatalf("the secrets are gone (%v)", err)
	}

	t.Log("once its job is gone")
	if err := c.RemoveJob(t.Context(), j.ID, j.InstanceID); err != nil {
		t.Fatal(err)
	}
	if err := c.RemoveVolume(t.Context(), provisioner.Volume{Name: j.Volume, Node: "elsewhere"}, j.ID, j.InstanceID); !errors.Is(err, ErrForeign) {
		t.Errorf("a volume on another node: %v", err)
	}
	for _, what := range []string{"remove", "remove again"} {
		err := until(20*time.Second, func() error { return c.RemoveVolume(t.Context(), v, j.ID, j.InstanceID) })
		if err = errors.Join(err, c.RemoveSecrets(t.Context(), j.ID, j.InstanceID)); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	err := until(20*time.Second, func() error {
		traces, err := c.Traces(t.Context(), j.ID, j.Volume)
		if err == nil && len(traces) > 0 {
			err = fmt.Errorf("left: %v", traces)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if revision, err := c.JobRevision(t.Context(), j.ID); err != nil || revision != "" {
		t.Errorf("its revision is %q (%v)", revision, err)
	}
}

// TestRestart: the call returns once the task was started again. frama's own token may not ask for it.
func TestRestart(t *testing.T) {
	c := cluster(t)
	j := instance("e2e-restart", 21071)
	bring(t, c, j)
	healthy(t, c, j.ID)
	if err := c.Restart(t.Context(), j.ID, j.InstanceID); !errors.Is(err, ErrDenied) {
		t.Errorf("with frama's own token: %v", err)
	}
	root := cluster(t, func(o *Options) { o.Token = Static(testAgent.root) })
	if err := root.Restart(t.Context(), j.ID, "other"); !errors.Is(err, ErrForeign) {
		t.Errorf("somebody else's: %v", err)
	}
	before, err := c.runningOf(t.Context(), j.ID)
	if err != nil {
		t.Fatal(err)
	}
	revision, _ := c.JobRevision(t.Context(), j.ID)
	if err := root.Restart(t.Context(), j.ID, j.InstanceID); err != nil {
		t.Fatal(err)
	}
	after, err := c.runningOf(t.Context(), j.ID)
	if err != nil || after.ID != before.ID || !after.TaskStates["app"].StartedAt.After(before.TaskStates["app"].StartedAt) {
		t.Errorf("%s started at %v, then %s at %v (%v)", before.ID, before.TaskStates["app"].StartedAt, after.ID, after.TaskStates["app"].StartedAt, err)
	}
	if now, err := c.JobRevision(t.Context(), j.ID); err != nil || now != revision {
		t.Errorf("a restart is no registration: %s, then %s (%v)", revision, now, err)
	}
	if err := root.Restart(t.Context(), "e2e-none", "none"); err == nil {
		t.Error("a job that is not there was restarted")
	}
}
