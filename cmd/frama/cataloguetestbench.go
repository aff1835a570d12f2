package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/deploy/journey"
	"framagit.org/frama/frama/provisioner/nomad"
	"framagit.org/frama/frama/provisioner/trial"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
)

// trialBench is what trials on one platform share.
type trialBench struct {
	app      *app
	platform *platform
	bench    *trial.Bench
	cluster  trialCluster
	client   *http.Client
}

// trialCluster is frama's own access to the cluster; what frama itself has no right to do, or what must not depend on
// frama's view, goes by the management token.
type trialCluster struct {
	*nomad.Cluster

	root *nomad.Cluster
}

func (c trialCluster) Restart(ctx context.Context, job, instance string) error {
	return c.root.Restart(ctx, job, instance)
}

func (c trialCluster) Traces(ctx context.Context, job, volume string) ([]string, error) {
	return c.root.Traces(ctx, job, volume)
}

func newTrialBench(p *platform, a *app, plan string) (*trialBench, error) {
	own, err := a.cluster()
	if err != nil {
		return nil, err
	}
	root, err := nomad.New(nomad.Options{
		Address: p.nomad.Address, Token: nomad.Static(p.nomad.ManagementToken), Namespace: p.nomad.Namespace,
		Policy: nomad.DevelopmentPolicy(), Networks: a.config.Firewall.Prefix,
	})
	if err != nil {
		return nil, err
	}
	steps, err := a.provisioner()
	if err != nil {
		return nil, err
	}
	steps.Options.HealthyWithin = 3 * time.Minute
	client, err := journey.Journey{Ingress: a.config.Edge.HTTPS, RootsFile: a.config.ACME.RootsFile}.HTTPS()
	if err != nil {
		return nil, err
	}
	b := &trialBench{app: a, platform: p, cluster: trialCluster{own, root}, client: client}
	b.bench = &trial.Bench{
		Provisioner: steps, Name: "Les Amis de l'essai", Email: "essai@frama.example", Plan: plan, IngressHTTP: a.config.Edge.HTTP,
		Release: b.release, Held: b.held,
	}
	return b, nil
}

// trial prepares the trial of one application.
func (b *trialBench) trial(app catalogue.App) *trial.Trial {
	t := &trial.Trial{
		App: app, Platform: b.bench, Cluster: b.cluster, Client: b.client, Object: newWord(), Email: b.bench.Email,
		Lint: func(ctx context.Context) ([]string, error) { return b.lint(ctx, app) },
	}
	t.Missing = b.missing(app)
	return t
}

// missing says why an application cannot be installed here, or "".
func (b *trialBench) missing(app catalogue.App) string {
	if lacking := app.Lacking(); len(lacking) > 0 {
		return "this machine has neither a registry nor a built image for " + strings.Join(lacking, ", ")
	}
	var lacks []string
	for _, need := range app.Run().Needs {
		if err := b.platform.missing[need]; err != nil {
			why, _, _ := strings.Cut(err.Error(), "\n") // a log may follow
			lacks = append(lacks, fmt.Sprintf("it needs %s, which this machine does not have: %s", need, why))
		}
	}
	return strings.Join(lacks, "; ")
}

func (b *trialBench) lint(ctx context.Context, app catalogue.App) ([]string, error) {
	found, err := b.app.catalogue.Only(app.Name).Lint(ctx, checkWith(b.cluster.Cluster))
	var problems []string
	for _, d := range found {
		problems = append(problems, d.String())
	}
	return problems, err
}

// release deletes what an instance has on backing servers, without the days of grace that an association has.
func (b *trialBench) release(ctx context.Context, instance string) error {
	actor := hosting.Actor{Name: "trial", Role: hosting.RoleAdmin}
	entries, err := b.backings(ctx, instance)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := b.bench.Provisioner.RetireBacking(ctx, actor, e.ID); err != nil {
			return fmt.Errorf("close the %s %s: %w", e.Service, e.Name, err)
		}
		if err := b.bench.Provisioner.PurgeBacking(ctx, actor, e.ID, true); err != nil {
			return fmt.Errorf("delete the %s %s: %w", e.Service, e.Name, err)
		}
	}
	return nil
}

// held says what an instance still has on backing servers: by frama's own notes, and by what the servers say.
func (b *trialBench) held(ctx context.Context, instance string) ([]string, error) {
	entries, err := b.backings(ctx, instance)
	var found []string
	for _, e := range entries {
		if e.State != hosting.BackingPurged {
			found = append(found, fmt.Sprintf("the %s %s on %s, which is %s", e.Service, e.Name, e.Server, e.State))
		}
		more, err := b.platform.left(ctx, e)
		if err != nil {
			return found, err
		}
		found = append(found, more...)
	}
	return found, err
}

func (b *trialBench) backings(ctx context.Context, instance string) (entries []hosting.Backing, err error) {
	err = b.app.store.Read(ctx, func(tx *store.Tx) error {
		entries, err = tx.Backings(instance)
		return err
	})
	return entries, err
}

var _ trial.Cluster = trialCluster{}
