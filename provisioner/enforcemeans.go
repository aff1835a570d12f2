package provisioner

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/services/hosting"
)

// means are what can be done to an application so that it takes no more. All of it may be repeated without harm.
type means struct {
	*Provisioner
	poll  time.Duration // between two looks at a job that starts again
	quiet time.Duration // after which a job that was not started again, nor signalled, is taken to read its files by itself
	act   time.Duration // for one command
}

func newMeans(p *Provisioner) means {
	return means{Provisioner: p, poll: time.Second, quiet: 20 * time.Second, act: 2 * time.Minute}
}

// stop makes the application take no more.
func (m means) stop(ctx context.Context, i hosting.Instance, app catalogue.App) error {
	enforce := app.Run().Enforce
	if enforce.Setting != "" {
		switch reads, err := m.Cluster.ReadsSecret(ctx, i.Job, enforce.Setting); {
		case err != nil:
			return err
		case !reads: // it would be taken for stopped, and go on growing
			return fmt.Errorf("job %s was registered before the catalogue's entry could make it take no more (%s): give its space another plan "+
				"(frama space change-plan), which registers it anew", i.Job, enforce.Setting)
		}
		if err := m.set(ctx, i, app, enforce.Setting, "true"); err != nil {
			return err
		}
	}
	return m.do(ctx, i, app, enforce.Stop)
}

// allow undoes it.
func (m means) allow(ctx context.Context, i hosting.Instance, app catalogue.App) error {
	enforce := app.Run().Enforce
	if enforce.Setting != "" {
		if err := m.set(ctx, i, app, enforce.Setting, "false"); err != nil {
			return err
		}
	}
	return m.do(ctx, i, app, enforce.Allow)
}

// tell tells the application the limits of its space.
func (m means) tell(ctx context.Context, i hosting.Instance, app catalogue.App, t told) error {
	fill := strings.NewReplacer("{storage_bytes}", strconv.FormatInt(t.storage, 10), "{storage_mib}", strconv.FormatInt(t.storage>>20, 10),
		"{accounts}", strconv.FormatInt(t.accounts, 10)).Replace
	how := app.Run().Enforce.Tell
	act := catalogue.Act{Task: how.Task, User: how.User}
	for _, word := range how.Command {
		act.Command = append(act.Command, fill(word))
	}
	for _, q := range how.Requests {
		q.Path, q.Body = fill(q.Path), fill(q.Body)
		q.Headers = maps.Clone(q.Headers)
		for name, value := range q.Headers {
			q.Headers[name] = fill(value)
		}
		act.Requests = append(act.Requests, q)
	}
	return m.do(ctx, i, app, act)
}

// do executes an act of the manifest.
func (m means) do(ctx context.Context, i hosting.Instance, app catalogue.App, act catalogue.Act) error {
	switch {
	case act.Nothing():
		return nil
	case len(act.Requests) > 0:
		return m.setUpByRequests(ctx, i, act.Requests)
	}
	limited, cancel := context.WithTimeout(ctx, m.act)
	defer cancel()
	code, output, err := m.Cluster.Exec(limited, i.Job, act.Task, asUser(act.User, act.Command))
	switch {
	case errors.Is(limited.Err(), context.DeadlineExceeded) && ctx.Err() == nil:
		return fmt.Errorf("the command in task %s did not end within %s: see what the task of job %s does (nomad alloc logs)", act.Task, m.act, i.Job)
	case err != nil:
		return err
	case code != 0:
		return fmt.Errorf("the command in task %s ended with status %d%s", act.Task, code, m.lastWords(ctx, i, app, output))
	}
	return nil
}

// set writes a setting into the job's variable, and waits until the application works with it.
func (m means) set(ctx context.Context, i hosting.Instance, app catalogue.App, key, value string) error {
	before, err := m.Cluster.JobHealth(ctx, i.Job)
	if err != nil {
		return err
	}
	if before.State == JobMissing {
		return fmt.Errorf("job %s is gone from the cluster (%s): register it again", i.Job, before.Reason)
	}
	var changed, missing bool
	err = m.Cluster.ChangeSecrets(ctx, i.Job, func(items map[string]string) {
		missing = len(items) == 0 // never make a variable that has nothing of what the job needs
		if changed = items[key] != value; !missing && changed {
			items[key] = value
		}
	})
	switch {
	case err != nil:
		return err
	case missing:
		return &RefusedError{Reason: fmt.Sprintf("the Nomad Variable nomad/jobs/%s is gone: put it back", i.Job)}
	}
	return m.restarted(ctx, i, app, before, changed)
}

// restarted waits until the tasks of a job were started again, or told to read their files again, and the application answers.
// Not all are: some read a file whenever it changes.
func (m means) restarted(ctx context.Context, i hosting.Instance, app catalogue.App, before JobHealth, changed bool) error {
	since := time.Now()
	for {
		var last error
		now, err := m.Cluster.JobHealth(ctx, i.Job)
		switch {
		case err != nil:
			last = err
		case changed && !now.Begun.After(before.Begun) && time.Since(since) < m.quiet:
			last = errors.New("it was not started again")
		case now.State == JobHealthy:
			if last = m.answers(ctx, i, app); last == nil {
				return nil
			}
		default:
			last = fmt.Errorf("it is %s: %s", now.State, now.Reason)
		}
		pause(ctx, m.poll)
		if ctx.Err() != nil {
			return fmt.Errorf("%s does not work with its new setting within %s: %w", i.Kind, time.Since(since).Round(time.Second), last)
		}
	}
}

// answers asks the instance itself for its health page.
func (m means) answers(ctx context.Context, i hosting.Instance, app catalogue.App) error {
	if m.Requests == nil {
		return nil
	}
	health := app.Run().Health
	return m.setUpByRequests(ctx, i, []catalogue.Request{{Name: "health", Method: http.MethodGet, Path: health.Path, Status: health.Status}})
}
