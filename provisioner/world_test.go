package provisioner_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/provisioner"
	"framagit.org/frama/frama/services/auth"
	"framagit.org/frama/frama/services/control"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
	"framagit.org/frama/frama/services/store/storetest"
	"framagit.org/frama/frama/services/work"
)

// world is a host whose cluster, authority and ingress agree to everything at once: what its runs do is seen step by step.
// How real ones behave is for the tests of provisioner/nomad, acme and edge.
type world struct {
	*control.Control
	t       *testing.T
	store   *store.Store
	cluster *paper
	p       *provisioner.Provisioner
	links   auth.Links
}

// operator may do everything.
var operator = hosting.Actor{Name: "test", Role: hosting.RoleAdmin}

func newWorld(t *testing.T, offer ...string) *world {
	t.Helper()
	return newWorldOn(t, storetest.SQLite(t), offer...)
}

func newWorldOn(t *testing.T, dsn string, offer ...string) *world {
	t.Helper()
	apps, err := catalogue.Load("testdata/catalogue")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, store: storetest.Open(t, dsn), cluster: &paper{},
		links: auth.Links{Key: []byte(strings.Repeat("k", 32)), PublicURL: "https://host.example"}}
	w.Control = control.New(w.store, apps, control.Options{
		Offer: offer, Cluster: "main", Platform: "example.org", PublicURL: w.links.PublicURL, HostName: "host", HostEmail: "hello@host.example",
		CharterVersion: "1", LinkKey: w.links.Key, SessionTTL: time.Hour, Now: time.Now, NewID: storetest.NewID,
	})
	w.p = &provisioner.Provisioner{
		Store: w.store, Catalogue: apps, Cluster: w.cluster, Issuer: paperIssuer{}, Probe: &http.Client{Transport: answers{}},
		Log: slog.New(slog.DiscardHandler), Now: time.Now,
		Options: provisioner.Options{ClusterName: "main", Platform: "example.org", PortMin: 10000, PortMax: 10099,
			URL: w.URL, MailDomain: "host.example", HealthyWithin: time.Minute},
	}
	if err := w.p.EdgeReported(t.Context(), "edge", 1<<40, ""); err != nil {
		t.Fatal(err)
	}
	return w
}

// approved asks for kinds and approves the request.
func (w *world) approved(slug string, kinds ...string) hosting.Space {
	w.t.Helper()
	ctx, public := w.t.Context(), hosting.Actor{Name: "public"}
	q, err := w.Submit(ctx, public, hosting.Submission{
		Association: hosting.Association{Name: "Les Jardins partagés"}, Contact: hosting.Contact{Name: "Camille", Email: slug + "@asso.example", Lang: "fr"},
		Purpose: "Écrire les comptes rendus à plusieurs.", Slug: slug, Kinds: kinds, Plan: "starter", Charter: "1",
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.Confirm(ctx, public, w.links.ConfirmToken(q.ID)); err != nil {
		w.t.Fatal(err)
	}
	a, err := w.Approve(ctx, operator, q.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	return a.Space
}

// work executes a space's run until it is done, waits or fails, and returns the space as it is then.
func (w *world) work(name string) control.SpaceView {
	w.t.Helper()
	v := w.space(name)
	worker := &work.Worker{Name: "test", Journal: w.store, Definitions: w.p.Definitions(), Spaces: []string{v.Space.ID}, Now: time.Now,
		Log: slog.New(slog.DiscardHandler), MaxErrors: 3}
	err := w.store.Write(w.t.Context(), func(tx *store.Tx) error { return tx.WakeRun(v.LastRun().ID) })
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := worker.Once(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	return w.space(name)
}

func (w *world) space(name string) control.SpaceView {
	w.t.Helper()
	v, err := w.Space(w.t.Context(), operator, name)
	if err != nil {
		w.t.Fatal(err)
	}
	return v
}

// step is where the newest run of a space stands.
func step(v control.SpaceView) work.Step {
	s, _ := v.LastRun().Current()
	return s
}

// paper is a cluster on paper. What it does not say is never asked.
type paper struct {
	provisioner.Cluster

	mu      sync.Mutex
	nodes   []provisioner.Node // one with room for all, when there is none
	sizes   map[string]int     // of volumes, as they were last asked for, MiB
	jobs    []provisioner.Job
	volumes []string
	secrets map[string]map[string]string
	execs   [][]string                                                              // job, task and words
	exec    func(ctx context.Context, n int, command []string) (int, string, error) // n counts from 1; nil says done
}

func (c *paper) Nodes(context.Context) ([]provisioner.Node, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.nodes) > 0 {
		return slices.Clone(c.nodes), nil
	}
	return []provisioner.Node{{ID: "n1", Name: "n1", Total: hosting.Resources{CPU: 9000, Memory: 9000, Disk: 90000}}}, nil
}

func (c *paper) EnsureSecrets(_ context.Context, job string, fixed map[string]string, generated map[string]func() string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.secrets == nil {
		c.secrets = map[string]map[string]string{}
	}
	items := map[string]string{}
	for key, value := range fixed {
		items[key] = value
	}
	for key, make := range generated {
		items[key] = make()
	}
	c.secrets[job] = items
	return nil
}

func (c *paper) Secrets(_ context.Context, job string) (map[string]string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.secrets[job], nil
}

// ReadsSecret: jobs on paper read all that they are given.
func (c *paper) ReadsSecret(context.Context, string, string) (bool, error) { return true, nil }

func (c *paper) EnsureVolume(_ context.Context, v provisioner.Volume) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.volumes = append(c.volumes, v.Name)
	if c.sizes == nil {
		c.sizes = map[string]int{}
	}
	c.sizes[v.Name] = v.CapacityMiB
	return nil
}

func (c *paper) EnsureJob(_ context.Context, j provisioner.Job) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.jobs = append(c.jobs, j)
	return nil
}

func (c *paper) JobHealth(_ context.Context, job string) (provisioner.JobHealth, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if slices.ContainsFunc(c.jobs, func(j provisioner.Job) bool { return j.ID == job }) {
		return provisioner.JobHealth{State: provisioner.JobHealthy}, nil
	}
	return provisioner.JobHealth{State: provisioner.JobMissing}, nil
}

func (c *paper) Address(_ context.Context, job string) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, j := range slices.Backward(c.jobs) {
		if j.ID == job {
			return net.JoinHostPort("192.0.2.1", strconv.Itoa(j.Port)), nil
		}
	}
	return "", &provisioner.TemporaryError{Reason: "no allocation runs"}
}

func (c *paper) Exec(ctx context.Context, job, task string, command []string) (int, string, error) {
	c.mu.Lock()
	c.execs = append(c.execs, append([]string{job, task}, command...))
	n := len(c.execs)
	c.mu.Unlock()
	if c.exec == nil {
		return 0, "", nil
	}
	return c.exec(ctx, n, command)
}

type paperIssuer struct{}

func (paperIssuer) Issue(context.Context, string, []byte) (provisioner.Issued, error) {
	now := time.Now()
	return provisioner.Issued{ChainPEM: []byte("chain"), KeyPEM: []byte("key"), NotBefore: now, NotAfter: now.Add(90 * 24 * time.Hour)}, nil
}

func (paperIssuer) Thumbprint(context.Context) (string, error) { return "thumbprint", nil }

// answers is an ingress behind which everything is well.
type answers struct{}

func (answers) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader("")), Request: r}, nil
}
