package trial_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/provisioner"
	"framagit.org/frama/frama/provisioner/trial"
	"framagit.org/frama/frama/services/hosting"
)

const secret = "permanentKeyOfTheInstance"

// world is a cluster, an ingress and an application at once, that can be told what goes wrong.
type world struct {
	server *httptest.Server

	mu       sync.Mutex
	notes    map[string]string // what the application keeps
	made     bool
	revision int
	steps    []string // what was asked of it

	failInstall, forgetful, unsteady, sticky, unhealthy bool
	wrongAgain                                          error
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{notes: map[string]string{}}
	w.server = httptest.NewTLSServer(http.HandlerFunc(w.serve))
	t.Cleanup(w.server.Close)
	return w
}

func (w *world) serve(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case r.URL.Path == "/" || r.URL.Path == "/health":
	case r.Header.Get("X-Key") != secret:
		http.Error(rw, "who are you, without "+secret+"?", http.StatusForbidden)
	case r.Method == http.MethodPut:
		body, _ := io.ReadAll(r.Body)
		w.notes[r.URL.Path] = string(body)
		rw.WriteHeader(http.StatusCreated)
	default:
		_, _ = io.WriteString(rw, w.notes[r.URL.Path])
	}
}

func (w *world) did(step string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.steps = append(w.steps, step)
}

func (w *world) instance() hosting.Instance {
	return hosting.Instance{ID: "instance", SpaceID: "space", Job: "essai-app", Volume: "essai-app-data", Node: "node", Host: "app.example"}
}

func (w *world) Provision(context.Context, catalogue.App) (hosting.Instance, error) {
	w.did("provision")
	if w.failInstall {
		return w.instance(), errors.New("step healthy: it does not start")
	}
	w.made, w.revision = true, 1
	return w.instance(), nil
}

func (w *world) Again(context.Context, hosting.Instance) error {
	w.did("again")
	if w.unsteady || !w.made {
		w.revision++
	}
	w.made = true
	return w.wrongAgain
}

func (w *world) Withdraw(context.Context, hosting.Instance) error { w.did("withdraw"); return nil }

func (w *world) Traces(context.Context, hosting.Instance) ([]string, error) {
	if w.sticky {
		return []string{"database frama_essai_app"}, nil
	}
	return nil, nil
}

func (w *world) URL(string) string { return w.server.URL }

// cluster is the other half: both have a method Traces.
type cluster struct{ *world }

func (c cluster) JobHealth(context.Context, string) (provisioner.JobHealth, error) {
	if c.unhealthy {
		return provisioner.JobHealth{State: provisioner.JobFailed, Reason: "exit code 1"}, nil
	}
	return provisioner.JobHealth{State: provisioner.JobHealthy}, nil
}

func (c cluster) Secrets(context.Context, string) (map[string]string, error) {
	return map[string]string{"key": secret, "title": "Les amis"}, nil
}

func (c cluster) JobRevision(context.Context, string) (string, error) {
	return strings.Repeat("x", c.revision), nil
}

func (c cluster) Restart(context.Context, string, string) error {
	c.did("restart")
	if c.forgetful {
		c.notes = map[string]string{}
	}
	return nil
}

func (c cluster) RemoveJob(context.Context, string, string) error {
	c.did("remove job")
	c.made = false
	return nil
}

func (c cluster) RemoveVolume(context.Context, provisioner.Volume, string, string) error {
	c.did("remove volume")
	return nil
}

func (c cluster) RemoveSecrets(context.Context, string, string) error {
	c.did("remove secrets")
	return nil
}

func (c cluster) Traces(context.Context, string, string) ([]string, error) { return nil, nil }

const manifest = `name = "app"
kind = "pads"
status = "STATUS"
title {
  fr = "Essai"
  en = "Trial"
}
description {
  fr = "Un essai."
  en = "A trial."
}
license = "MIT"
charter_ok = true
upstream = "https://example.org"
tenancy = "instance"
first_url = "/"
backup = "none"
upgrade = "auto-on-start"
suspend = "proxy"
quota = "ingress"
secret "key" {
  length = 32
  kind = "permanent"
}
value "title" {
  from = "association"
}
version = "1.0.0"
tasks = ["app"]
health {
  path = "/health"
}
image "app" {
  reference = "docker.io/library/app:1.0.0"
}
CHECK
plan "starter" {
  cpu = 10
  memory = 10
  disk = 10
}
plan "standard" {
  cpu = 10
  memory = 10
  disk = 10
}
plan "large" {
  cpu = 10
  memory = 10
  disk = 10
}
`

const check = `check "write" {
    request "note" {
      method = "PUT"
      path = "/notes/{object}"
      body = "note of {object}"
      headers = { "X-Key" = "{key}" }
      status = 201
    }
  }
  check "read" {
    request "note" {
      path = "/notes/{object}"
      headers = { "X-Key" = "{key}" }
      contains = "note of {object}"
    }
  }`

func app(t *testing.T, replace ...string) catalogue.App {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "app"), 0o755); err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer(append(replace, "STATUS", "stable", "CHECK", check)...).Replace(manifest)
	if err := os.WriteFile(filepath.Join(dir, "app", "app.hcl"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := catalogue.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	a, _ := c.App("app")
	return a
}

func TestLevels(t *testing.T) {
	for _, test := range []struct {
		name    string
		prepare func(w *world, tr *trial.Trial)
		level   trial.Level
		state   trial.State // of the level after it
		reason  string      // a part of why
		ok      bool
	}{
		{name: "all is well", level: trial.LeavesNothing, state: trial.Untried, reason: "comes with suspension", ok: true},
		{name: "lint finds something", prepare: func(_ *world, tr *trial.Trial) {
			tr.Lint = func(context.Context) ([]string, error) { return []string{"app.hcl:3:1: wrong", "job: refused"}, nil }
		}, level: trial.Nothing, state: trial.Failed, reason: "app.hcl:3:1: wrong\njob: refused"},
		{name: "only containers", prepare: func(_ *world, tr *trial.Trial) { tr.Missing = "no container ran on this machine" },
			level: trial.Accepted, state: trial.Untried, reason: "no container", ok: true},
		{name: "does not start", prepare: func(w *world, _ *trial.Trial) { w.failInstall = true },
			level: trial.Accepted, state: trial.Failed, reason: "step healthy: it does not start"},
		{name: "is not healthy", prepare: func(w *world, _ *trial.Trial) { w.unhealthy = true },
			level: trial.Accepted, state: trial.Failed, reason: "its job is failed: exit code 1"},
		{name: "no check", prepare: func(_ *world, tr *trial.Trial) { tr.App = app(t, "CHECK", "") },
			level: trial.Installs, state: trial.Untried, reason: "nothing says how people use it", ok: true},
		{name: "does not do what it is for", prepare: func(_ *world, tr *trial.Trial) {
			tr.App = app(t, "CHECK", strings.ReplaceAll(check, `"{key}"`, `"wrong"`))
		}, level: trial.Installs, state: trial.Failed, reason: "write: request note: PUT /notes/essai: answered 403 instead of 201; it begins with: who are you, without •••?"},
		{name: "forgets", prepare: func(w *world, _ *trial.Trial) { w.forgetful = true },
			level: trial.Works, state: trial.Failed, reason: `after a restart: read: request note: GET /notes/essai: the answer does not hold "note of essai"`},
		{name: "is made anew each time", prepare: func(w *world, _ *trial.Trial) { w.unsteady = true },
			level: trial.Lasts, state: trial.Failed, reason: "provisioning again registered the job anew"},
		{name: "cannot be made again", prepare: func(w *world, _ *trial.Trial) { w.wrongAgain = errors.New("step secrets: no") },
			level: trial.Lasts, state: trial.Failed, reason: "provisioned again: step secrets: no"},
		{name: "leaves something", prepare: func(w *world, _ *trial.Trial) { w.sticky = true },
			level: trial.Repeatable, state: trial.Failed, reason: "left behind: database frama_essai_app"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			told := 0
			tr := &trial.Trial{
				App: app(t), Lint: func(context.Context) ([]string, error) { return nil, nil },
				Platform: w, Cluster: cluster{w}, Client: w.server.Client(), Object: "essai", Email: "a@b.example",
				Patience: 50 * time.Millisecond, Settle: 50 * time.Millisecond, Tell: func(trial.Result, trial.Level) { told++ },
			}
			if test.prepare != nil {
				test.prepare(w, tr)
			}
			r := tr.Run(t.Context())
			if r.Level != test.level || r.OK() != test.ok {
				t.Errorf("level %d, OK %v; want %d, %v: %+v", r.Level, r.OK(), test.level, test.ok, r.Outcomes)
			}
			stopped, _ := r.Stopped()
			if stopped.Level != test.level+1 || stopped.State != test.state || !strings.Contains(stopped.Reason, test.reason) {
				t.Errorf("stopped by %+v, want %s because of %q", stopped, test.state, test.reason)
			}
			if last := r.Outcomes[len(r.Outcomes)-1]; test.level < trial.LeavesNothing && last != stopped {
				t.Errorf("it went on: %+v", r.Outcomes)
			}
			if told < len(r.Outcomes) {
				t.Errorf("told %d times of %d levels", told, len(r.Outcomes))
			}
			if w.made {
				t.Errorf("its job is still there: %v", w.steps)
			}
		})
	}
}

// TestKeep: what failed can be left, to look into it.
func TestKeep(t *testing.T) {
	w := newWorld(t)
	w.forgetful = true
	tr := &trial.Trial{
		App: app(t), Lint: func(context.Context) ([]string, error) { return nil, nil }, Platform: w, Cluster: cluster{w},
		Client: w.server.Client(), Object: "essai", Patience: 50 * time.Millisecond, Settle: 50 * time.Millisecond, Keep: true,
	}
	if tr.Run(t.Context()); !w.made {
		t.Error("the instance is gone")
	}
}

// TestRetired: nothing is tried of what is offered to nobody.
func TestRetired(t *testing.T) {
	tr := &trial.Trial{App: app(t, "STATUS", `retired"
replaced_by = "etherpad`)}
	if r := tr.Run(t.Context()); !r.Retired || len(r.Outcomes) > 0 || !r.OK() {
		t.Errorf("%+v", r)
	}
}

// TestStranger: an instance whose certificate another authority signed does not pass.
func TestStranger(t *testing.T) {
	w := newWorld(t)
	tr := &trial.Trial{
		App: app(t), Lint: func(context.Context) ([]string, error) { return nil, nil }, Platform: w, Cluster: cluster{w},
		Client: &http.Client{}, Object: "essai", Patience: 50 * time.Millisecond,
	}
	r := tr.Run(t.Context())
	if stopped, _ := r.Stopped(); r.Level != trial.Installs || !strings.Contains(stopped.Reason, "certificate") {
		t.Errorf("level %d: %+v", r.Level, stopped)
	}
}
