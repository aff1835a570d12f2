package provisioner

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/services/control"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
	"framagit.org/frama/frama/services/work"
)

// Provisioner executes the steps of runs on one cluster.
type Provisioner struct {
	Store     *store.Store
	Catalogue *catalogue.Catalogue
	Cluster   Cluster
	Issuer    Issuer
	Backing   []Server     // the declared ones, in their order
	Probe     *http.Client // reaches spaces through the ingress, and trusts the authority of their certificates
	Options   Options
	// Requests makes requests to an instance, at its Address, as its manifest's setup says; nil where nothing can.
	Requests func(ctx context.Context, i hosting.Instance, requests []catalogue.Request) error
	Log      *slog.Logger
	Now      func() time.Time
}

// Options are what provisioning needs to know of the configuration.
type Options struct {
	ClusterName string
	Platform    string // base domain
	PortMin     int    // static ports that instances get, inclusive
	PortMax     int
	URL         func(host string) string // public address of a host
	MailDomain  string
	// HealthyWithin is how long an instance may take to become healthy. Nomad itself never gives up on a deployment
	// that it could place nothing of.
	HealthyWithin time.Duration
	// SetupWithin is how long one command of an application's setup may take; 5 min when zero.
	SetupWithin time.Duration
	// Overcommit is how many times over what nodes have may be promised: jobs ask for so much less.
	Overcommit hosting.Overcommit
	// Ingress are the addresses and ranges that ingress nodes reach instances from.
	Ingress []string
	// Registry is where images are that the host builds itself; empty for none.
	Registry string
}

// Definitions lists the step lists of every kind and version this binary can execute.
func (p *Provisioner) Definitions() []work.Definition {
	do := map[string]work.Func{
		"shared": p.shared, "setup": p.setup,
		"place": p.place, "secrets": p.secrets, "backing": p.backing, "volumes": p.volumes, "jobs": p.jobs, "healthy": p.healthy,
		"certificate": p.certificate, "route": p.route, "probe": p.probe, "activate": p.activate,
	}
	def := work.Definition{Kind: control.RunProvision, Version: control.RunProvisionVersion}
	for _, name := range control.ProvisionSteps() {
		def.Steps = append(def.Steps, work.Named{Name: name, Do: p.patiently(do[name])})
	}
	return []work.Definition{def, p.resizing()}
}

// patiently turns the errors that ask to come back later into waiting: an outage never uses up a step's attempts.
func (p *Provisioner) patiently(do work.Func) work.Func {
	return func(ctx context.Context, run work.Run) (any, error) {
		out, err := do(ctx, run)
		// Of several failures, the one that only a person can mend decides.
		var refused *RefusedError
		if errors.As(err, &refused) {
			return nil, work.Permanent(err)
		}
		var temporary *TemporaryError
		if errors.As(err, &temporary) && ctx.Err() == nil {
			p.Log.DebugContext(ctx, "step waits", "run", run.ID, "reason", temporary.Error())
			after := temporary.After
			if after <= 0 {
				after = 5 * time.Second
			}
			return nil, work.Later(after, temporary.Reason)
		}
		return out, err
	}
}

// subject is a space with its instances, as a step reads them.
type subject struct {
	space     hosting.Space
	instances []hosting.Instance
}

func (p *Provisioner) load(ctx context.Context, run work.Run) (s subject, err error) {
	err = p.Store.Read(ctx, func(tx *store.Tx) error {
		if s.space, err = tx.Space(run.SpaceID); err != nil {
			return fmt.Errorf("space %s: %w", run.SpaceID, err)
		}
		s.instances, err = tx.Instances(run.SpaceID)
		return err
	})
	return s, err
}

// app returns the catalogue's entry of an instance.
func (p *Provisioner) app(i hosting.Instance) (catalogue.App, error) {
	app, ok := p.Catalogue.App(i.App)
	if !ok {
		return app, &RefusedError{Reason: fmt.Sprintf(
			"the catalogue has no application %q any more: put its folder back (catalogue.dirs), then retry", i.App)}
	}
	return app, nil
}

// secrets makes the variables that only each instance's own job can read.
func (p *Provisioner) secrets(ctx context.Context, run work.Run) (any, error) {
	s, err := p.load(ctx, run)
	if err != nil {
		return nil, err
	}
	typed := map[string]string{"association": s.space.Name, "email": s.space.Email, "language": s.space.Lang}
	for _, i := range s.instances {
		app, err := p.app(i)
		if err != nil {
			return nil, err
		}
		if err := p.Cluster.EnsureSecrets(ctx, i.Job, app.Fixed(typed), app.Generated(rand.Reader)); err != nil {
			return nil, fmt.Errorf("secrets of %s: %w", i.Kind, err)
		}
	}
	return nil, nil
}

// volumes makes each instance's volume, on the node it was placed on. All are asked for before any is waited for.
func (p *Provisioner) volumes(ctx context.Context, run work.Run) (any, error) {
	s, err := p.load(ctx, run)
	if err != nil {
		return nil, err
	}
	var names, kept []string
	var waits error
	for _, i := range s.instances {
		app, err := p.app(i)
		if err != nil {
			return nil, err
		}
		owner := app.Run().Volume
		err = p.Cluster.EnsureVolume(ctx, Volume{
			Name: i.Volume, Node: i.Node, Instance: i.ID, CapacityMiB: i.Reserved.Disk, UID: owner.UID, GID: owner.GID,
		})
		var temporary *TemporaryError
		var larger *KeptError
		switch {
		case errors.As(err, &temporary):
			waits = err
		case errors.As(err, &larger): // no reason to leave the instance as it is
			kept = append(kept, larger.Reason)
		case err != nil:
			return nil, fmt.Errorf("volume of %s: %w", i.Kind, err)
		case i.Growth.VolumeMiB != i.Reserved.Disk:
			err := p.Store.Write(ctx, func(tx *store.Tx) error { return tx.VolumeSized(i.ID, i.Reserved.Disk) })
			if err != nil {
				return nil, err
			}
		}
		names = append(names, i.Volume)
	}
	output := map[string]any{"volumes": names}
	if len(kept) > 0 {
		output["larger"] = kept
	}
	return output, waits
}

// jobs registers each instance's job.
func (p *Provisioner) jobs(ctx context.Context, run work.Run) (any, error) {
	s, err := p.load(ctx, run)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, i := range s.instances {
		app, err := p.app(i)
		if err != nil {
			return nil, err
		}
		job, err := p.job(s.space, i, app)
		if err != nil {
			return nil, err
		}
		if err := p.register(ctx, job); err != nil {
			return nil, fmt.Errorf("job of %s: %w", i.Kind, err)
		}
		err = p.Store.Write(ctx, func(tx *store.Tx) error {
			return tx.InstanceRegistered(i.ID, app.Version())
		})
		if err != nil {
			return nil, err
		}
		names = append(names, i.Job)
	}
	return map[string]any{"jobs": names}, nil
}

// register makes the cluster run the job. One whose deployment failed for good is registered afresh: Nomad would never
// look at it again by itself, and this is what a person who retries expects.
func (p *Provisioner) register(ctx context.Context, job Job) error {
	health, err := p.Cluster.JobHealth(ctx, job.ID)
	if err != nil {
		return err
	}
	if health.State == JobFailed {
		if err := p.Cluster.RemoveJob(ctx, job.ID, job.InstanceID); err != nil {
			return err
		}
	}
	return p.Cluster.EnsureJob(ctx, job)
}

func (p *Provisioner) job(space hosting.Space, i hosting.Instance, app catalogue.App) (Job, error) {
	source, path, err := app.Job()
	if err != nil {
		return Job{}, &RefusedError{Reason: err.Error()}
	}
	if lacking := app.Lacking(); len(lacking) > 0 {
		return Job{}, &RefusedError{Reason: fmt.Sprintf("%s needs images that are not here: %s; build them with deploy/images/build, "+
			"or allow pulling (catalogue.pull)", app.Name, strings.Join(lacking, ", "))}
	}
	if err := p.registryFor(app); err != nil {
		return Job{}, err
	}
	if len(p.Options.Ingress) == 0 && catalogue.Declares(source, "ingress") {
		return Job{}, &RefusedError{Reason: fmt.Sprintf("%s must know which addresses are the ingress's, or it would take all visitors for one: "+
			"list those of the ingress nodes in edge.addresses, then retry", app.Name)}
	}
	size := p.asked(i.Reserved)
	return Job{
		ID: i.Job, SpaceID: space.ID, InstanceID: i.ID, Source: source, Path: path, Node: i.Node, Volume: i.Volume, Port: i.Port,
		CPU: size.CPU, Memory: size.Memory, MemoryMax: size.MemoryMax, Egress: app.Egress, Capabilities: app.Capabilities,
		Images: app.Run().Pinned(p.Options.Registry),
		Variables: map[string]any{
			"job_id": i.Job, "host": i.Host, "url": p.Options.URL(i.Host), "port": i.Port, "volume": i.Volume,
			"cpu": size.CPU, "memory": size.Memory, "memory_max": size.Limit(), "plan": space.Plan,
			"registry": p.Options.Registry, "ingress": strings.Join(p.Options.Ingress, " "),
		},
	}, nil
}

// registryFor refuses an application with images that nobody has built for this host.
func (p *Provisioner) registryFor(app catalogue.App) error {
	if p.Options.Registry != "" {
		return nil
	}
	images := app.Run().Images
	for _, task := range slices.Sorted(maps.Keys(images)) {
		if image := images[task]; image.Build != "" {
			return &RefusedError{Reason: fmt.Sprintf("%s runs the image %s, which hosts build themselves: build it from %s, push it to "+
				"your registry, name the registry in catalogue.registry, then retry", app.Name, image.Reference, image.Build)}
		}
	}
	return nil
}

// healthy waits until the cluster says that every instance works.
func (p *Provisioner) healthy(ctx context.Context, run work.Run) (any, error) {
	s, err := p.load(ctx, run)
	if err != nil {
		return nil, err
	}
	for _, i := range s.instances {
		health, err := p.Cluster.JobHealth(ctx, i.Job)
		if err != nil {
			return nil, fmt.Errorf("health of %s: %w", i.Kind, err)
		}
		switch health.State {
		case JobHealthy:
			continue
		case JobMissing:
			return nil, work.Permanent(fmt.Errorf("job %s is gone from the cluster: somebody stopped it while it started; "+
				"retry registers it again", i.Job))
		case JobFailed:
			return nil, work.Permanent(fmt.Errorf("%s does not start: %s", i.Kind, health.Reason))
		case JobBlocked:
			// Capacity may come back in a week: the run waits as long as it takes, and says for what.
			return nil, work.Later(5*time.Second, fmt.Sprintf("%s waits for room on the cluster: %s", i.Kind, health.Reason))
		}
		within := p.healthyWithin(health)
		if step, ok := run.Current(); ok && p.overdue(step.StartedAt, within) && p.overdue(health.Since, within) {
			return nil, work.Permanent(fmt.Errorf("%s is not healthy after %s: %s", i.Kind, within, health.Reason))
		}
		return nil, work.Later(250*time.Millisecond, fmt.Sprintf("%s is starting %s", i.Kind, health.Reason))
	}
	return nil, nil
}

// healthyMargin is what an instance gets beyond the time that its job gives it, so that the cluster is the first to give up:
// it knows more of the reason.
const healthyMargin = time.Minute

// healthyWithin is how long an instance may take to become healthy: what the host says, or what its job says where that is
// longer. A first start that installs may be slow, and must not be given up in the middle.
func (p *Provisioner) healthyWithin(health JobHealth) time.Duration {
	if health.Within == 0 {
		return p.Options.HealthyWithin
	}
	return max(p.Options.HealthyWithin, health.Within+healthyMargin)
}

// overdue reports whether an instance that began to start then should be healthy by now. Both the step's own beginning and
// what the cluster says must be long ago: a wait for room does not count, and neither does a clock that is off.
func (p *Provisioner) overdue(since time.Time, within time.Duration) bool {
	return !since.IsZero() && p.Now().Sub(since) > within
}
