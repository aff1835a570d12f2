package control

import (
	"cmp"
	"errors"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
)

// sharedInstance returns the instance that all associations share for a kind. The first time, it makes the host's own
// space with it and the run that provisions it. Of two approvals at once one makes it, and the other waits for the
// first's end: see store.InsertSpaceOnce.
func (c *Control) sharedInstance(tx *store.Tx, actor hosting.Actor, kind string, app catalogue.App) (hosting.Instance, error) {
	known, err := tx.SharedInstance(kind)
	if !errors.Is(err, store.ErrNotFound) {
		return known, err // whatever application it runs: another one would not have what people left there
	}
	handle, err := c.freeHandle(tx, hosting.CommonsHandle(app.Name))
	if err != nil {
		return known, err
	}
	s := hosting.Space{
		ID: tx.NewID(), Shared: true, Handle: handle, Slug: kind, Name: c.options.HostName, Email: c.options.HostEmail, Lang: "fr",
		Plan: c.sharedPlan(), Cluster: c.options.Cluster, State: hosting.SpaceApproved, CreatedAt: tx.Now,
	}
	made, err := tx.InsertSpaceOnce(s)
	if err != nil {
		return known, err
	}
	if !made {
		known, err = tx.SharedInstance(kind)
		if errors.Is(err, store.ErrNotFound) {
			return known, hosting.Errorf(hosting.Conflict, "error.shared_name_taken", kind)
		}
		return known, err
	}
	i := c.instance(tx, s, kind, app)
	if err := tx.InsertInstance(i); err != nil {
		return i, err
	}
	if err := tx.InsertRun(tx.NewID(), s.ID, RunProvision, RunProvisionVersion, ProvisionSteps()); err != nil {
		return i, err
	}
	return i, tx.Audit(actor, "space.commons", subject("space", s.ID), s.Handle)
}

// sharedPlan is the plan that says how large shared instances are: they serve many.
func (c *Control) sharedPlan() string {
	largest := ""
	if plans := c.catalogue.Plans(); len(plans) > 0 {
		largest = plans[len(plans)-1].ID
	}
	return cmp.Or(c.options.SharedPlan, largest)
}

// instance is a new instance of an application for a space.
func (c *Control) instance(tx *store.Tx, s hosting.Space, kind string, app catalogue.App) hosting.Instance {
	return hosting.Instance{
		ID: tx.NewID(), SpaceID: s.ID, Kind: kind, App: app.Name, Version: app.Version(),
		Host: hosting.HostName(s.Slug, kind, c.options.Platform), Job: s.Handle + "-" + app.Name,
		Volume: s.Handle + "-" + app.Name + "-data", Health: hosting.HealthUnknown, Reserved: app.Size(s.Plan),
	}
}
