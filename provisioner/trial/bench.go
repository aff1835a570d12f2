package trial

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/provisioner"
	"framagit.org/frama/frama/services/control"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
	"framagit.org/frama/frama/services/work"
)

// Bench is a platform for trials: frama's own store and steps, with nobody else on it.
type Bench struct {
	Provisioner *provisioner.Provisioner
	Name        string // of the imagined association
	Email       string
	Plan        string        // sizes of the instances
	Within      time.Duration // for one run of the steps; 5 minutes when zero
	IngressHTTP string        // host:port of the ingress for HTTP, which knows hosts without certificates

	// Release takes away what an instance has on backing servers, and Held says what there still is. Both may be nil.
	Release func(ctx context.Context, instance string) error
	Held    func(ctx context.Context, instance string) ([]string, error)
}

var _ Platform = (*Bench)(nil)

func (b *Bench) store() *store.Store { return b.Provisioner.Store }

// Provision makes a space of the host's own with one instance: no form, no mail, and any application, also one that is
// shared or that no association can ask for. The steps are those of every space.
func (b *Bench) Provision(ctx context.Context, app catalogue.App) (hosting.Instance, error) {
	handle := "essai-" + app.Name
	options := b.Provisioner.Options
	var i hosting.Instance
	err := b.store().Write(ctx, func(tx *store.Tx) error {
		s := hosting.Space{
			ID: tx.NewID(), Shared: true, Handle: handle, Slug: handle, Name: b.Name, Email: b.Email, Lang: "fr", Plan: b.Plan,
			State: hosting.SpaceApproved, CreatedAt: tx.Now,
		}
		if err := tx.InsertSpace(s); err != nil {
			return err
		}
		i = hosting.Instance{
			ID: tx.NewID(), SpaceID: s.ID, Kind: app.Kind, App: app.Name, Version: app.Version(),
			Host: hosting.HostName(handle, app.Kind, options.Platform), Job: handle + "-" + app.Name,
			Volume: handle + "-" + app.Name + "-data", Health: hosting.HealthUnknown, Reserved: app.Size(b.Plan),
		}
		if err := tx.InsertInstance(i); err != nil {
			return err
		}
		return tx.InsertRun(tx.NewID(), s.ID, control.RunProvision, control.RunProvisionVersion, control.ProvisionSteps())
	})
	if err != nil {
		return i, err
	}
	err = b.finish(ctx, i.SpaceID)
	placed, readErr := b.instance(ctx, i.ID)
	if readErr == nil {
		i = placed
	}
	return i, err
}

// Again inserts another run of the same steps and waits for its end.
func (b *Bench) Again(ctx context.Context, i hosting.Instance) error {
	err := b.store().Write(ctx, func(tx *store.Tx) error {
		return tx.InsertRun(tx.NewID(), i.SpaceID, control.RunProvision, control.RunProvisionVersion, control.ProvisionSteps())
	})
	if err != nil {
		return err
	}
	return b.finish(ctx, i.SpaceID)
}

func (b *Bench) instance(ctx context.Context, id string) (i hosting.Instance, err error) {
	err = b.store().Read(ctx, func(tx *store.Tx) error {
		i, err = tx.Instance(id)
		return err
	})
	return i, err
}

// finish works on the space's newest run until it has ended.
func (b *Bench) finish(ctx context.Context, space string) error {
	within := b.Within
	if within == 0 {
		within = 5 * time.Minute
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	worker := &work.Worker{
		Name: "trial/" + space, Journal: b.store(), Definitions: b.Provisioner.Definitions(), Spaces: []string{space},
		Idle: 50 * time.Millisecond, Now: b.Provisioner.Now, Log: slog.New(slog.DiscardHandler),
	}
	working, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = worker.Run(working)
	}()
	defer func() {
		stop()
		<-done
	}()
	for {
		var runs []work.Run
		err := b.store().Read(context.WithoutCancel(ctx), func(tx *store.Tx) (err error) {
			runs, err = tx.RunsOf(space, 1)
			return err
		})
		if err != nil {
			return err
		}
		if len(runs) == 0 {
			return fmt.Errorf("the space %s has no run", space)
		}
		step, _ := runs[0].Current()
		switch {
		case runs[0].State == work.RunDone:
			return nil
		case runs[0].State == work.RunParked:
			return fmt.Errorf("step %s: %s", step.Name, step.Message)
		case ctx.Err() != nil:
			return fmt.Errorf("step %s is not over after %s: %s", step.Name, within, step.Message)
		}
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// Withdraw ends the instance for the ingress and on backing servers, and waits until the ingress has followed.
func (b *Bench) Withdraw(ctx context.Context, i hosting.Instance) error {
	var version int64
	err := b.store().Write(ctx, func(tx *store.Tx) error {
		if err := tx.WithdrawInstance(i.ID); err != nil {
			return err
		}
		var err error
		version, err = tx.EdgeVersion()
		return err
	})
	if err != nil {
		return err
	}
	if b.Release != nil {
		if err := b.Release(ctx, i.ID); err != nil {
			return err
		}
	}
	return b.followed(ctx, version)
}

// followed waits until every ingress agent serves that version.
func (b *Bench) followed(ctx context.Context, version int64) error {
	for {
		behind := ""
		err := b.store().Read(ctx, func(tx *store.Tx) error {
			edges, err := tx.EdgesSince(tx.Now.Add(-time.Minute))
			for _, e := range edges {
				if e.Version < version {
					behind = e.Name
				}
			}
			return err
		})
		if err != nil || behind == "" {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the ingress %s does not follow: %w", behind, ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// Traces looks at the ingress and at backing servers.
func (b *Bench) Traces(ctx context.Context, i hosting.Instance) ([]string, error) {
	var found []string
	served, err := b.served(ctx, i.Host)
	if err != nil {
		return nil, err
	}
	if served {
		found = append(found, "the route of "+i.Host)
	}
	if b.Held == nil {
		return found, nil
	}
	held, err := b.Held(ctx, i.ID)
	return append(found, held...), err
}

// served says whether the ingress knows a host: it leads those it knows from HTTP to HTTPS, and shows a page of its own
// for others.
func (b *Bench) served(ctx context.Context, host string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+b.IngressHTTP+"/", nil)
	if err != nil {
		return false, err
	}
	req.Host = host
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return false, err
	}
	resp.Body.Close()
	return resp.StatusCode != http.StatusNotFound, nil
}

// URL is the public address of a host.
func (b *Bench) URL(host string) string { return b.Provisioner.Options.URL(host) }
