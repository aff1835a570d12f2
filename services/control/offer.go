package control

import (
	"fmt"
	"slices"
	"strings"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/services/hosting"
)

// Offer is what the public form offers now.
func (c *Control) Offer() hosting.Offer {
	offer := hosting.Offer{CharterVersion: c.options.CharterVersion, Reserved: c.reserved()}
	for _, k := range c.offered() {
		offer.Kinds = append(offer.Kinds, k.ID)
	}
	for _, p := range c.catalogue.Plans() {
		offer.Plans = append(offer.Plans, p.ID)
	}
	return offer
}

// offered lists the kinds that associations may ask for, in the order people see them: those the configuration names, or
// the core ones, as far as there is an application to install.
func (c *Control) offered() []catalogue.Kind {
	var kinds []catalogue.Kind
	for _, k := range c.catalogue.AllKinds() {
		wanted := k.Core
		if len(c.options.Offer) > 0 {
			wanted = slices.Contains(c.options.Offer, k.ID)
		}
		if _, ok := c.application(k.ID); ok && wanted && k.Offered {
			kinds = append(kinds, k)
		}
	}
	return kinds
}

// application is what a space gets for a kind. What only stands in on machines of development is for nobody else.
func (c *Control) application(kind string) (catalogue.App, bool) {
	app, ok := c.catalogue.AppForKind(kind)
	return app, ok && (app.Status != catalogue.Demo || c.options.Development)
}

// CheckOffer says what is wrong with what the configuration says of the catalogue, or nil.
func (c *Control) CheckOffer() error {
	for _, kind := range c.options.Offer {
		k, known := c.catalogue.Kind(kind)
		_, runs := c.application(kind)
		switch {
		case !known:
			return fmt.Errorf("catalogue.offer: there is no kind %q; there are %s", kind, strings.Join(c.reserved().Kinds, ", "))
		case !k.Offered:
			return fmt.Errorf("catalogue.offer: %s is for other applications to use, no association can ask for it: leave it out", kind)
		case !runs:
			return fmt.Errorf("catalogue.offer: no application of kind %s can be installed: "+
				"leave it out, or add one in a folder of catalogue.dirs", kind)
		}
	}
	if _, ok := c.catalogue.Plan(c.sharedPlan()); !ok && c.options.SharedPlan != "" {
		return fmt.Errorf("catalogue.shared_plan: there is no plan %q: frama catalogue list shows those there are", c.options.SharedPlan)
	}
	return nil
}

// reserved are the names that no association may have. Kinds that are not offered may be one day.
func (c *Control) reserved() hosting.Reserved {
	r := hosting.Reserved{Names: c.options.Reserved}
	for _, k := range c.catalogue.AllKinds() {
		r.Kinds = append(r.Kinds, k.ID)
	}
	return r
}

// PlanView is a plan as a page shows it.
type PlanView struct {
	ID                 string
	Title, Description map[string]string // by language
	Accounts           int               // 0 for no limit
	StorageMiB         int
}

// PlanViews returns the plans on offer, the smallest first, with the limits that are in force: a change of the catalogue's
// files promises nothing before it is applied.
func (c *Control) PlanViews() []PlanView {
	var views []PlanView
	inForce := c.known()
	for _, p := range c.catalogue.Plans() {
		v := PlanView{ID: p.ID, Title: bilingual(p.Title), Description: bilingual(p.Description), Accounts: p.Accounts, StorageMiB: p.StorageMiB}
		if applied, ok := inForce[p.ID]; ok {
			v.Accounts, v.StorageMiB = int(applied.Limits[hosting.MetricAccounts]), int(applied.Limits[hosting.MetricStorage]>>20)
		}
		views = append(views, v)
	}
	return views
}

// KindView is a kind of application as a page shows it.
type KindView struct {
	ID                 string
	Title, Description map[string]string // by language
	Core               bool              // part of what every host should offer
	Offered            bool              // associations can ask for it here and now
}

// Kinds lists every kind of the catalogue, in the order people see them.
func (c *Control) Kinds() []KindView {
	offer := c.Offer().Kinds
	var views []KindView
	for _, k := range c.catalogue.AllKinds() {
		views = append(views, KindView{
			ID: k.ID, Title: bilingual(k.Title), Description: bilingual(k.Description), Core: k.Core, Offered: slices.Contains(offer, k.ID),
		})
	}
	return views
}

// AppView is an application of the catalogue as a page shows it.
type AppView struct {
	Kind, Name, Version string
	Status              string                       // one of the catalogue's: stable, beta, …
	Title, Description  map[string]string            // by language
	Shared              bool                         // one instance serves many associations
	License             string                       // SPDX expression
	CharterOK           bool                         // free software in the charter's sense, but for the exceptions
	Exceptions          map[string][]string          // by language
	Upstream            string                       // address of the sources
	Backup              string                       // how it is copied, see catalogue.Backups
	PermanentHost       bool                         // its address can never change
	Includes            map[string]map[string]string // other kinds that come with it, and what is said of them, by language
	Sizes               []Size                       // in each plan, the smallest first
	Resources           hosting.Resources            // what the request at hand would reserve; nothing where others share it already
}

// Size is what an application gets in a plan.
type Size struct {
	Plan      string
	Accounts  int // of the whole space; 0 for no limit
	DiskMiB   int
	Resources hosting.Resources
}

// KindViews returns the kinds on offer with the application each one gets, in the order people see them.
func (c *Control) KindViews() []AppView {
	var views []AppView
	for _, k := range c.offered() {
		if v, ok := c.appView(k.ID, ""); ok {
			views = append(views, v)
		}
	}
	return views
}

// appView describes the application of a kind, with what it reserves under a plan where one is given.
func (c *Control) appView(kind, plan string) (AppView, bool) {
	app, ok := c.application(kind)
	if !ok {
		return AppView{}, false
	}
	return c.describe(app, plan), true
}

func (c *Control) describe(app catalogue.App, plan string) AppView {
	v := AppView{
		Kind: app.Kind, Name: app.Name, Version: app.Version(), Status: app.Status,
		Title: bilingual(app.Title), Description: bilingual(app.Description), Shared: app.Tenancy == catalogue.Shared,
		License: app.License, CharterOK: app.CharterOK, Exceptions: map[string][]string{"fr": app.Exceptions("fr"), "en": app.Exceptions("en")}, Upstream: app.Upstream, Backup: app.Backup,
		PermanentHost: app.PermanentHost, Includes: map[string]map[string]string{}, Resources: app.Size(plan),
	}
	if v.Shared && plan != "" {
		v.Resources = app.Size(c.sharedPlan())
	}
	for included, words := range app.Includes {
		v.Includes[included] = bilingual(words.In)
	}
	for _, p := range c.catalogue.Plans() {
		size := app.Size(p.ID)
		v.Sizes = append(v.Sizes, Size{Plan: p.ID, Accounts: p.Accounts, DiskMiB: size.Disk, Resources: size})
	}
	return v
}

func bilingual(text func(lang string) string) map[string]string {
	return map[string]string{"fr": text("fr"), "en": text("en")}
}
