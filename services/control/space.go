package control

import (
	"context"
	"errors"
	"slices"
	"strconv"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
)

// ProvisionSteps names the steps of the first run of a space and their version; provisioner holds what they do.
const (
	RunProvision        = "provision"
	RunProvisionVersion = 1
)

// ProvisionSteps returns the step names of version RunProvisionVersion, in order.
func ProvisionSteps() []string {
	return []string{"shared", "place", "secrets", "backing", "volumes", "jobs", "healthy", "setup", "certificate", "route", "probe", "activate"}
}

// makeSpace makes the space of an approved request with its run, and for each kind an instance, or the use of the one
// that all share.
func (c *Control) makeSpace(tx *store.Tx, actor hosting.Actor, q hosting.Request) (hosting.Space, error) {
	w, err := c.wish(tx, q)
	if err != nil {
		return hosting.Space{}, err
	}
	shared := map[string]hosting.Instance{}
	// In one order, so that two approvals that need the same two do not wait for each other.
	for _, kind := range slices.Sorted(slices.Values(q.Kinds)) {
		if app := w.apps[kind]; app.Tenancy == catalogue.Shared {
			if shared[kind], err = c.sharedInstance(tx, actor, kind, app); err != nil {
				return hosting.Space{}, err
			}
		}
	}
	handle, err := c.freeHandle(tx, q.Slug)
	if err != nil {
		return hosting.Space{}, err
	}
	s := hosting.Space{
		ID: tx.NewID(), RequestID: q.ID, Handle: handle, Slug: q.Slug, Name: q.Association.Name, Email: q.Contact.Email,
		Lang: q.Contact.Lang, Plan: q.Plan, Cluster: c.options.Cluster, State: hosting.SpaceApproved, CreatedAt: tx.Now,
	}
	if err := tx.InsertSpace(s); err != nil {
		return s, err
	}
	for _, kind := range q.Kinds {
		if i, ok := shared[kind]; ok {
			err = tx.InsertTenant(hosting.Tenant{SpaceID: s.ID, InstanceID: i.ID, Kind: kind, CreatedAt: tx.Now})
		} else {
			err = tx.InsertInstance(c.instance(tx, s, kind, w.apps[kind]))
		}
		if err != nil {
			return s, err
		}
	}
	return s, tx.InsertRun(tx.NewID(), s.ID, RunProvision, RunProvisionVersion, ProvisionSteps())
}

// freeHandle finds a handle that no space has or ever had: the slug, or the slug with a number.
func (c *Control) freeHandle(tx *store.Tx, slug string) (string, error) {
	handle := slug
	for n := 2; ; n++ {
		used, err := tx.HandleUsed(handle)
		if err != nil || !used {
			return handle, err
		}
		handle = hosting.SlugAlternative(slug, n)
	}
}

// Spaces returns a page of the spaces.
func (c *Control) Spaces(ctx context.Context, actor hosting.Actor, f SpaceFilter) (p SpacePage, err error) {
	if err := allow(actor, hosting.RoleReviewer); err != nil {
		return p, err
	}
	p.Page = page(f.Page, f.Size)
	err = c.store.Read(ctx, func(tx *store.Tx) error {
		spaces, counts, err := tx.Spaces(f.State, f.Text, p.offset(), p.Size)
		if err != nil {
			return err
		}
		p.Counts = counts
		for _, s := range spaces {
			view, err := c.spaceView(tx, s.ID, 1)
			if err != nil {
				return err
			}
			p.Spaces = append(p.Spaces, view)
		}
		return nil
	})
	p.Total = total(p.Counts, f.State)
	return p, failure(err)
}

// Space returns one space, found by ID, slug or handle.
func (c *Control) Space(ctx context.Context, actor hosting.Actor, name string) (v SpaceView, err error) {
	if err := allow(actor, hosting.RoleReviewer); err != nil {
		return v, err
	}
	err = c.store.Read(ctx, func(tx *store.Tx) error {
		s, err := tx.SpaceNamed(name)
		if err != nil {
			return err
		}
		if v, err = c.spaceView(tx, s.ID, 20); err != nil {
			return err
		}
		about := []string{subject("space", s.ID)}
		if s.RequestID != "" {
			about = append(about, subject("request", s.RequestID))
		}
		v.Audit, err = tx.AuditOf(about...)
		return err
	})
	return v, failure(err)
}

// maxUsers is how many of the spaces that share an instance a view names.
const maxUsers = 200

// spaceView gathers a space with its instances, certificates and newest runs, and what it shares with others.
func (c *Control) spaceView(tx *store.Tx, id string, runs int) (v SpaceView, err error) {
	if v.Space, err = tx.Space(id); err != nil {
		return v, err
	}
	if v.Space.RequestID != "" {
		if v.Request, err = tx.Request(v.Space.RequestID); err != nil {
			return v, err
		}
	}
	instances, err := tx.Instances(id)
	if err != nil {
		return v, err
	}
	for _, i := range instances {
		view := c.instanceView(i)
		cert, err := tx.Certificate(i.Host)
		switch {
		case err == nil:
			view.Certificate = &cert
		case !errors.Is(err, store.ErrNotFound):
			return v, err
		}
		v.Instances = append(v.Instances, view)
	}
	shared, err := tx.SharedInstances(id)
	if err != nil {
		return v, err
	}
	for _, i := range shared {
		view := c.instanceView(i)
		view.Shared = true
		v.Instances = append(v.Instances, view)
	}
	if v.Space.Shared {
		if v.UsedBy, v.Users, err = tx.TenantsOf(id, maxUsers); err != nil {
			return v, err
		}
	}
	v.Runs, err = tx.RunsOf(id, runs)
	return v, err
}

func (c *Control) instanceView(i hosting.Instance) InstanceView {
	view := InstanceView{Instance: i, URL: c.URL(i.Host), Title: map[string]string{"fr": i.App, "en": i.App}}
	if app, ok := c.catalogue.App(i.App); ok {
		view.Title = bilingual(app.Title)
	}
	return view
}

// URL is the public address of a host behind the ingress.
func (c *Control) URL(host string) string {
	if c.options.HTTPSPort != 0 && c.options.HTTPSPort != 443 {
		host += ":" + strconv.Itoa(c.options.HTTPSPort)
	}
	return "https://" + host
}
