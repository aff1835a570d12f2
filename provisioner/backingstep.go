package provisioner

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
	"framagit.org/frama/frama/services/work"
)

// backing gives each instance what its application needs of the declared servers: databases, accounts, buckets. What it
// needs to use them goes into its job's variable.
func (p *Provisioner) backing(ctx context.Context, run work.Run) (any, error) {
	s, err := p.load(ctx, run)
	if err != nil {
		return nil, err
	}
	var made []string
	for _, i := range s.instances {
		app, err := p.app(i)
		if err != nil {
			return nil, err
		}
		wish := app.Run()
		for _, service := range wish.Needs {
			b, err := p.ensureBacking(ctx, i, service, wish)
			if err != nil {
				return nil, fmt.Errorf("%s of %s: %w", service, i.Kind, err)
			}
			made = append(made, fmt.Sprintf("%s %s on %s", service, b.Name, b.Server))
		}
	}
	return map[string]any{"backing": made}, nil
}

func (p *Provisioner) ensureBacking(ctx context.Context, i hosting.Instance, service string, wish catalogue.Run) (hosting.Backing, error) {
	b, err := p.wantBacking(ctx, i, service, wish)
	if err != nil {
		return b, err
	}
	return b, p.holding(ctx, b.ID, holdFor, func(ctx context.Context, h held) error {
		switch h.State {
		case hosting.BackingWanted, hosting.BackingMade, hosting.BackingRotating:
			return p.settle(ctx, h)
		case hosting.BackingPurging, hosting.BackingPurged:
			return &RefusedError{Reason: fmt.Sprintf("the %s %s of %s was deleted for good: nothing can be made for this instance any more; "+
				"the association needs a new space", service, b.Name, i.Job)}
		}
		return &RefusedError{Reason: fmt.Sprintf("the %s %s of %s is %s: give it back with frama backing restore, then retry",
			service, b.Name, i.Job, h.State)}
	})
}

// wantBacking finds the server that an instance's data is on, or chooses one: of those that fit and are not full, the one
// with the fewest entries. The choice is written down before the server is touched.
func (p *Provisioner) wantBacking(ctx context.Context, i hosting.Instance, service string, wish catalogue.Run) (hosting.Backing, error) {
	var known []hosting.Backing
	err := p.Store.Read(ctx, func(tx *store.Tx) (err error) {
		known, err = tx.Backings(i.ID)
		return err
	})
	if at := slices.IndexFunc(known, func(b hosting.Backing) bool { return b.Service == service }); err != nil || at >= 0 {
		return slices.Concat(known, []hosting.Backing{{}})[max(at, 0)], err
	}
	fit, err := p.fitting(ctx, i, service, wish)
	if err != nil {
		return hosting.Backing{}, err
	}
	var b hosting.Backing
	err = p.Store.Write(ctx, func(tx *store.Tx) (err error) {
		b, err = tx.WantBacking(i.ID, service, func(load map[string]int) (server, name string, err error) {
			best := slices.MinFunc(fit, func(a, b Server) int { return cmp.Compare(load[a.Name()], load[b.Name()]) })
			return best.Name(), best.Identifier(i.Job), nil
		})
		return err
	})
	if errors.Is(err, store.ErrTaken) {
		return b, &TemporaryError{After: time.Second, Err: err, Reason: "another run chose a server for the same instance, or another instance has the same name there"}
	}
	return b, err
}

// fitting lists the servers that can take an instance. One that does not answer is passed over while another does.
func (p *Provisioner) fitting(ctx context.Context, i hosting.Instance, service string, wish catalogue.Run) ([]Server, error) {
	if slices.Contains(wish.Needs, "postgres") && slices.Contains(wish.Needs, "mysql") {
		return nil, &RefusedError{Reason: fmt.Sprintf("%s needs postgres and mysql, which have the same keys: give it one of them", i.App)}
	}
	var fit []Server
	var problems, waits error
	for _, s := range p.Backing {
		if s.Kind() != service || s.Full {
			continue
		}
		if err := s.Fits(ctx, wishes(Grant{Instance: i.ID, Name: s.Identifier(i.Job)}, wish)); err != nil {
			var temporary *TemporaryError
			if problems = errors.Join(problems, err); errors.As(err, &temporary) {
				waits = err
			}
			continue
		}
		fit = append(fit, s)
	}
	switch {
	case len(fit) > 0:
		return fit, nil
	case waits != nil: // it may fit once it answers: no person has to declare another one
		return nil, waits
	case problems != nil:
		return nil, problems
	}
	return nil, &RefusedError{Reason: fmt.Sprintf("%s needs %s, and the configuration declares no server of that kind that takes new "+
		"instances: add a [[backing]] with kind = %q (docs/operate/backing.md), then retry", i.App, service, service)}
}

// wishes adds what the application asks for to a grant.
func wishes(g Grant, wish catalogue.Run) Grant {
	g.Version, g.Extensions, g.Charset, g.Durable = wish.Postgres.Version, wish.Postgres.Extensions, wish.MySQL.Charset, wish.Redis.Durable
	return g
}

// server finds a declared server by its name.
func (p *Provisioner) server(name string) (Server, error) {
	at := slices.IndexFunc(p.Backing, func(s Server) bool { return s.Name() == name })
	if at < 0 {
		return Server{}, &RefusedError{Reason: fmt.Sprintf("the configuration declares no backing server %q any more, and data is on it: "+
			"put its [[backing]] back", name)}
	}
	return p.Backing[at], nil
}

// How long one works on an entry alone. The work ends before the hold does, so that never two are at it.
const (
	holdFor   = 2 * time.Minute
	holdSlack = 15 * time.Second
)

// held is an entry that nobody else works on now.
type held struct {
	hosting.Backing

	instance hosting.Instance
	server   Server
	holder   string
}

// holding works on an entry alone.
func (p *Provisioner) holding(ctx context.Context, id string, long time.Duration, f func(ctx context.Context, h held) error) error {
	h := held{holder: SecretText(rand.Reader, 16)}
	err := p.Store.Write(ctx, func(tx *store.Tx) (err error) {
		if h.Backing, err = tx.Backing(id); err != nil {
			return err
		}
		if h.instance, err = tx.Instance(h.InstanceID); err != nil {
			return err
		}
		return tx.HoldBacking(id, h.holder, tx.Now.Add(long))
	})
	if errors.Is(err, store.ErrStale) {
		return &TemporaryError{After: 5 * time.Second, Reason: fmt.Sprintf("somebody else works on %s %s; if that was cut short, it is free again at %s",
			h.Service, h.Name, h.HeldUntil.Local().Format(time.TimeOnly))}
	}
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		if err := p.Store.Write(ctx, func(tx *store.Tx) error { return tx.ReleaseBacking(id, h.holder) }); err != nil {
			p.Log.WarnContext(ctx, "the hold on a backing entry could not be given back; it ends by itself", "name", h.Name, "error", err)
		}
	}()
	if h.server, err = p.server(h.Server); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, long-holdSlack)
	defer cancel()
	return f(ctx, h)
}

// grant is what the entry's instance gets, by the catalogue as it is now.
func (p *Provisioner) grant(h held) (Grant, error) {
	app, err := p.app(h.instance)
	if err != nil {
		return Grant{}, err
	}
	return wishes(Grant{Instance: h.InstanceID, Name: h.Name, SetAside: h.SetAside}, app.Run()), nil
}

// next is the suffix of a key that holds the value to come.
const next = "_next"

// settle brings server and variable to where they should be, from wherever a crash left them: a password that is to come
// is brought to its end, and what is missing is made. The password is in the variable before it is on the server.
func (p *Provisioner) settle(ctx context.Context, h held) error {
	g, err := p.grant(h)
	if err != nil {
		return err
	}
	fresh := h.server.Secrets(h.InstanceID, rand.Reader)
	keys := slices.Collect(maps.Keys(fresh))
	var coming map[string]string
	err = p.Cluster.ChangeSecrets(ctx, h.instance.Job, func(items map[string]string) {
		if slices.ContainsFunc(keys, func(k string) bool { return items[k] == "" }) {
			maps.Copy(items, fresh)
		}
		g.Secrets, coming = pick(items, keys, ""), pick(items, keys, next)
	})
	if err != nil {
		return err
	}
	if coming != nil {
		if err := p.promote(ctx, h, &g, coming); err != nil {
			return err
		}
	}
	values, err := h.server.Ensure(ctx, g)
	if err != nil {
		return err
	}
	if err := p.Cluster.EnsureSecrets(ctx, h.instance.Job, values, nil); err != nil {
		return err
	}
	return p.Store.Write(ctx, func(tx *store.Tx) error {
		if err := tx.MoveBacking(h.ID, h.holder, hosting.BackingMade); err != nil {
			return err
		}
		return tx.ClearAsideBacking(h.ID)
	})
}

// promote makes the server take the secrets to come, then the job.
func (p *Provisioner) promote(ctx context.Context, h held, g *Grant, coming map[string]string) error {
	if err := h.server.Rotate(ctx, *g, coming); err != nil {
		return err
	}
	err := p.Cluster.ChangeSecrets(ctx, h.instance.Job, func(items map[string]string) {
		for key, value := range coming {
			items[key] = value
			delete(items, key+next)
		}
	})
	g.Secrets = coming
	return err
}

// pick returns the values of keys with a suffix, or nil unless all are there.
func pick(items map[string]string, keys []string, suffix string) map[string]string {
	out := map[string]string{}
	for _, k := range keys {
		if out[k] = items[k+suffix]; out[k] == "" {
			return nil
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}
