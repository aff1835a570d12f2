package provisioner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/provisioner/exchange"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
	"framagit.org/frama/frama/services/work"
)

// setupTimeout is how long one command of a setup may take: installing an application's extensions takes minutes.
const setupTimeout = 5 * time.Minute

// setup makes fresh instances ready, as their manifests say: commands inside their tasks, and requests to them. Each step
// is noted once it is done, so that a retry goes on after it; one that was cut short is done again.
func (p *Provisioner) setup(ctx context.Context, run work.Run) (any, error) {
	s, err := p.load(ctx, run)
	if err != nil {
		return nil, err
	}
	done := map[string][]string{}
	for _, i := range s.instances {
		app, err := p.app(i)
		if err != nil {
			return nil, err
		}
		steps := app.Run().Setup
		if len(steps) == 0 {
			continue
		}
		if done[i.App], err = p.setUp(ctx, i, app, steps); err != nil {
			return nil, err
		}
	}
	if len(done) == 0 {
		return nil, nil
	}
	return map[string]any{"done": done}, nil
}

// setUp executes the steps of one instance that are left, and returns the names of all.
func (p *Provisioner) setUp(ctx context.Context, i hosting.Instance, app catalogue.App, steps []catalogue.Setup) (names []string, err error) {
	var before []string
	err = p.Store.Read(ctx, func(tx *store.Tx) error {
		before, err = tx.SetupDone(i.ID)
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, step := range steps {
		names = append(names, step.Name)
		if slices.Contains(before, step.Name) {
			continue
		}
		if err := p.setUpOnce(ctx, i, app, step); err != nil {
			return nil, fmt.Errorf("setup %q of %s: %w", step.Name, i.Kind, err)
		}
		if err := p.Store.Write(ctx, func(tx *store.Tx) error { return tx.FinishSetup(i.ID, step.Name) }); err != nil {
			return nil, err
		}
	}
	return names, nil
}

func (p *Provisioner) setUpOnce(ctx context.Context, i hosting.Instance, app catalogue.App, step catalogue.Setup) error {
	if len(step.Requests) > 0 {
		return p.setUpByRequests(ctx, i, step.Requests)
	}
	within := cmp.Or(p.Options.SetupWithin, setupTimeout)
	limited, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	code, output, err := p.Cluster.Exec(limited, i.Job, step.Task, asUser(step.User, step.Command))
	switch {
	case errors.Is(limited.Err(), context.DeadlineExceeded) && ctx.Err() == nil:
		// Beside the one that is still at work, another could spoil what both make: a person looks first.
		return work.Permanent(fmt.Errorf("the command in task %s did not end within %s and may still be at work there: see what the "+
			"task of job %s does (nomad alloc logs), then retry", step.Task, within, i.Job))
	case err != nil:
		return err
	case code != 0:
		return fmt.Errorf("the command in task %s ended with status %d%s", step.Task, code, p.lastWords(ctx, i, app, output))
	}
	return nil
}

// setUpByRequests talks to the instance itself, at its node: the ingress may not know it yet.
func (p *Provisioner) setUpByRequests(ctx context.Context, i hosting.Instance, requests []catalogue.Request) error {
	if p.Requests == nil {
		return &RefusedError{Reason: "it consists of requests, which this frama cannot make: run a frama that can"}
	}
	addresses, err := p.addresses(ctx, []hosting.Instance{i})
	if err != nil {
		return err
	}
	i.Address = addresses[i.ID]
	return p.Requests(ctx, i, requests)
}

// asUser lets a command run as another user of its container. Nomad's exec cannot; su can, where the task itself is root.
// Debian's and Alpine's take these words alike.
func asUser(user string, command []string) []string {
	if user == "" {
		return command
	}
	return append([]string{"su", "-s", "/bin/sh", "-c", `exec "$0" "$@"`, "--", user}, command...)
}

// lastWords is what an error shows of a command's output: its last line, short and without secrets.
func (p *Provisioner) lastWords(ctx context.Context, i hosting.Instance, app catalogue.App, output string) string {
	values, err := p.Cluster.Secrets(ctx, i.Job)
	if err != nil {
		return " (its output is not shown: the secrets that may be in it could not be read)"
	}
	output = masked(output, app, values)
	lines := strings.FieldsFunc(output, func(r rune) bool { return r == '\n' || r == '\r' })
	for _, line := range slices.Backward(lines) {
		line = strings.Join(strings.FieldsFunc(line, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }), " ")
		if line == "" {
			continue
		}
		const most = 300 // characters
		if text := []rune(line); len(text) > most {
			line = string(text[:most]) + "…"
		}
		return ": " + line
	}
	return ", and wrote nothing"
}

// masked hides the secrets of an instance in a text.
func masked(text string, app catalogue.App, values map[string]string) string {
	var secrets []string
	for key, value := range values {
		secret := slices.ContainsFunc(app.Secrets, func(s catalogue.Secret) bool { return s.Name == key })
		for _, ending := range []string{"password", "secret", "key"} { // of backing services
			secret = secret || strings.HasSuffix(key, ending)
		}
		if secret {
			secrets = append(secrets, value)
		}
	}
	return exchange.Hide(text, secrets)
}
