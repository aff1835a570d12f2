// Package trial tries one application on a real cluster and says how far it gets: from a job that is accepted to an
// instance that leaves nothing behind. It does what a host does, in frama's own steps, and looks at the result as people
// do: over HTTPS, by writing an object and reading it back.
//
// A trial never passes silently what it could not try: each level passed, failed or was not tried, and then for a reason.
// The idea of levels is that of YunoHost's package_check.
package trial

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/provisioner"
	"framagit.org/frama/frama/provisioner/exchange"
	"framagit.org/frama/frama/services/hosting"
)

// Platform provisions instances in frama's own steps.
type Platform interface {
	// Provision makes a space with this one application and returns its instance when it serves.
	Provision(ctx context.Context, app catalogue.App) (hosting.Instance, error)
	// Again goes through the same steps again.
	Again(ctx context.Context, i hosting.Instance) error
	// Withdraw ends the instance for frama: its route, its certificate, and what it has on backing servers.
	Withdraw(ctx context.Context, i hosting.Instance) error
	// Traces says what there still is of it outside the cluster, in words: a route, a database.
	Traces(ctx context.Context, i hosting.Instance) ([]string, error)
	// URL is the public address of a host.
	URL(host string) string
}

// Cluster is what a trial asks of the cluster beside that. nomad.Cluster is one.
type Cluster interface {
	JobHealth(ctx context.Context, job string) (provisioner.JobHealth, error)
	Secrets(ctx context.Context, job string) (map[string]string, error)
	// JobRevision differs between any two registrations of a job, and is "" when there is none.
	JobRevision(ctx context.Context, job string) (string, error)
	// Restart ends the instance's tasks and returns once each was started again.
	Restart(ctx context.Context, job, instance string) error
	RemoveJob(ctx context.Context, job, instance string) error
	RemoveVolume(ctx context.Context, v provisioner.Volume, job, instance string) error
	RemoveSecrets(ctx context.Context, job, instance string) error
	// Traces says what there still is of a job and its volume, in words.
	Traces(ctx context.Context, job, volume string) ([]string, error)
}

// Trial tries one application, once.
type Trial struct {
	App     catalogue.App
	Missing string // why it cannot be installed here; empty when it can
	// Lint says what is wrong with the manifest and the job, as a real cluster sees them.
	Lint     func(ctx context.Context) ([]string, error)
	Platform Platform
	Cluster  Cluster
	Client   *http.Client // goes through the ingress, and trusts the ACME server's authority only
	Object   string       // a fresh word: the name of what is written
	Email    string       // of the imagined association

	Patience time.Duration           // for an instance to answer again; 2 minutes when zero
	Settle   time.Duration           // for an instance that answers to show what was written; 10 s when zero
	Keep     bool                    // leave an instance that failed, to look into it
	Tell     func(r Result, l Level) // before each level, and with the end; may be nil

	instance hosting.Instance
	made     bool // there may be something to take away
	talk     *exchange.Exchange
}

// untried is why a level could not be tried.
type untried struct{ reason string }

func (u *untried) Error() string { return u.reason }

// Run climbs until a level is not passed. What it made is gone afterwards, whatever happened.
func (t *Trial) Run(ctx context.Context) Result {
	r := Result{App: t.App.Name, Kind: t.App.Kind, Version: t.App.Run().Version}
	if t.Missing == "" {
		r.Ran = t.App.Version()
	}
	if built, ok := t.App.Built(); ok {
		r.Image = built.Use
	}
	if t.App.Status == catalogue.Retired {
		r.Retired = true
		return r
	}
	steps := []func(context.Context) error{
		Accepted: t.accepted, Installs: t.installs, Works: t.works, Lasts: t.lasts, Repeatable: t.repeatable,
		LeavesNothing: t.leavesNothing, Suspends: later("comes with suspension"), Upgrades: later("comes with upgrades"),
	}
	for level := Accepted; level < len(steps); level++ {
		t.tell(r, level)
		begun := time.Now()
		err := steps[level](ctx)
		spent := time.Since(begun).Round(100 * time.Millisecond)
		o := Outcome{Level: level, Name: name(level), State: Passed, Seconds: spent.Seconds()}
		var not *untried
		switch {
		case ctx.Err() != nil:
			o.State, o.Reason = Untried, "interrupted"
		case errors.As(err, &not):
			o.State, o.Reason = Untried, not.reason
		case err != nil:
			o.State, o.Reason = Failed, err.Error()
		default:
			r.Level = level
		}
		r.Outcomes = append(r.Outcomes, o)
		if o.State != Passed && level < Suspends {
			break // a level needs all below it
		}
	}
	if failed, _ := r.Stopped(); t.made && (failed.State != Failed || !t.Keep) {
		_ = t.remove(context.WithoutCancel(ctx)) // the level that wants it clean has its own say
	}
	t.tell(r, Nothing)
	return r
}

func (t *Trial) tell(r Result, l Level) {
	if t.Tell != nil {
		t.Tell(r, l)
	}
}

func later(reason string) func(context.Context) error {
	return func(context.Context) error { return &untried{reason} }
}

// accepted: what is wrong with the files is found before anything runs.
func (t *Trial) accepted(ctx context.Context) error {
	problems, err := t.Lint(ctx)
	if err != nil {
		return err
	}
	if len(problems) > 0 {
		return errors.New(strings.Join(problems, "\n"))
	}
	return nil
}

// installs: frama's own steps come to their end, and the cluster says that the instance is healthy.
func (t *Trial) installs(ctx context.Context) (err error) {
	if t.Missing != "" {
		return &untried{t.Missing}
	}
	t.made = true
	if t.instance, err = t.Platform.Provision(ctx, t.App); err != nil {
		return err
	}
	health, err := t.Cluster.JobHealth(ctx, t.instance.Job)
	if err == nil && health.State != provisioner.JobHealthy {
		err = fmt.Errorf("its job is %s: %s", health.State, health.Reason)
	}
	return err
}

// works: it answers as people reach it, and does what they use it for.
func (t *Trial) works(ctx context.Context) error {
	if err := t.converse(ctx); err != nil {
		return err
	}
	if err := t.visit(ctx, t.App.FirstURL); err != nil {
		return fmt.Errorf("the first page: %w", err)
	}
	check := t.App.Run().Check
	if len(check.Write) == 0 || len(check.Read) == 0 {
		return &untried{`its manifest has no check "write" and "read": nothing says how people use it`}
	}
	if err := t.talk.Run(ctx, check.Write); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return t.read(ctx)
}

// lasts: what was written is still there when its processes have been started again.
func (t *Trial) lasts(ctx context.Context) error {
	if err := t.Cluster.Restart(ctx, t.instance.Job, t.instance.ID); err != nil {
		return err
	}
	if err := t.answers(ctx); err != nil {
		return fmt.Errorf("after a restart: %w", err)
	}
	if err := t.read(ctx); err != nil {
		return fmt.Errorf("after a restart: %w", err)
	}
	return nil
}

// repeatable: the steps change nothing where nothing is to be changed, and bring the same instance back where its job is
// gone.
func (t *Trial) repeatable(ctx context.Context) error {
	before, err := t.Cluster.JobRevision(ctx, t.instance.Job)
	if err != nil {
		return err
	}
	if err := t.Platform.Again(ctx, t.instance); err != nil {
		return fmt.Errorf("provisioned again: %w", err)
	}
	after, err := t.Cluster.JobRevision(ctx, t.instance.Job)
	if err != nil {
		return err
	}
	if before != after {
		return fmt.Errorf("provisioning again registered the job anew (%s, then %s): something in it differs each time", before, after)
	}
	if err := t.Cluster.RemoveJob(ctx, t.instance.Job, t.instance.ID); err != nil {
		return err
	}
	if err := t.Platform.Again(ctx, t.instance); err != nil {
		return fmt.Errorf("registered again: %w", err)
	}
	again, err := t.Cluster.JobRevision(ctx, t.instance.Job)
	if err == nil && again == after {
		err = errors.New("the job was removed, and is still the same: the trial is wrong")
	}
	if err != nil {
		return err
	}
	// With the secrets of before: provisioning must not have changed them.
	if err := t.answers(ctx); err != nil {
		return fmt.Errorf("registered again: %w", err)
	}
	if err := t.read(ctx); err != nil {
		return fmt.Errorf("registered again: %w", err)
	}
	return nil
}

// leavesNothing: what is deleted is gone, wherever it was.
func (t *Trial) leavesNothing(ctx context.Context) error {
	if err := t.remove(ctx); err != nil {
		return err
	}
	var left []string
	// Tasks may take half a minute to stop.
	err := t.until(ctx, min(t.patience(), 45*time.Second), func() error {
		onCluster, err := t.Cluster.Traces(ctx, t.instance.Job, t.instance.Volume)
		if err != nil {
			return err
		}
		elsewhere, err := t.Platform.Traces(ctx, t.instance)
		if err != nil {
			return err
		}
		if left = append(onCluster, elsewhere...); len(left) > 0 {
			return fmt.Errorf("left behind: %s", strings.Join(left, ", "))
		}
		return nil
	})
	if err == nil {
		t.made = false
	}
	return err
}
