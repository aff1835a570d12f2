package control

import (
	"cmp"
	"context"
	"slices"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
)

// What becomes of an application at this host.
const (
	EntryOffered    = "offered"    // associations get it when they ask for its kind
	EntryAvailable  = "available"  // could be installed, and is not what the host offers
	EntryImpossible = "impossible" // there is no job, or an image is missing here
	EntryDemo       = "demo"       // stands in on machines of development
	EntryRetired    = "retired"    // is given to nobody any more
)

// EntryStates lists what becomes of applications, what people get first.
func EntryStates() []string {
	return []string{EntryOffered, EntryAvailable, EntryImpossible, EntryDemo, EntryRetired}
}

// Entry is an application of the catalogue as the staff sees it.
type Entry struct {
	AppView
	State       string            // one of EntryStates
	Preferred   bool              // of its kind
	ReplacedBy  string            // of a retired one: name of what to migrate to
	Replacement map[string]string // its title, by language
	Needs       []string          // backing services
	Planned     string            // version that the job names, where another runs in an image built here
	Lacking     []string          // images that cannot be had here
	HasJob      bool
	Own         bool     // from a folder of the host, not part of frama
	Origin      string   // that folder
	Overrides   []string // origins of what it took the place of, the oldest first
	Unverified  []string // what could not be checked against upstream's documentation
	Spaces      int      // of associations that use it now
}

// Catalogue lists every application there is, also those that nobody can ask for: by kind, and of a kind what people get
// first.
func (c *Control) Catalogue(ctx context.Context, actor hosting.Actor) (entries []Entry, err error) {
	if err := allow(actor, hosting.RoleReviewer); err != nil {
		return nil, err
	}
	used := map[string]int{}
	err = c.store.Read(ctx, func(tx *store.Tx) error {
		uses, err := tx.AppsInUse()
		for _, u := range uses {
			used[u.App] = u.Spaces
		}
		return err
	})
	if err != nil {
		return nil, failure(err)
	}
	offer := c.Offer().Kinds
	for _, app := range c.whole.Apps() {
		e := c.entry(app, offer)
		e.Spaces = used[app.Name]
		entries = append(entries, e)
	}
	rank := map[string]int{}
	for i, k := range c.whole.AllKinds() {
		rank[k.ID] = i
	}
	slices.SortStableFunc(entries, func(a, b Entry) int {
		return cmp.Or(cmp.Compare(rank[a.Kind], rank[b.Kind]),
			cmp.Compare(slices.Index(EntryStates(), a.State), slices.Index(EntryStates(), b.State)))
	})
	return entries, nil
}

func (c *Control) entry(app catalogue.App, offer []string) Entry {
	e := Entry{
		AppView: c.describe(app, ""), Preferred: app.Preferred, ReplacedBy: app.ReplacedBy,
		Needs: app.Run().Needs, Own: app.Origin != catalogue.Embedded, Origin: app.Origin,
		Overrides: app.Overrides, Unverified: app.Unverified, HasJob: app.HasJob(), Lacking: app.Lacking(),
	}
	if next, ok := c.whole.App(app.ReplacedBy); ok {
		e.Replacement = bilingual(next.Title)
	}
	if _, built := app.Built(); built {
		e.Planned = app.Run().Version
	}
	given, runs := c.application(app.Kind)
	switch {
	case app.Status == catalogue.Retired:
		e.State = EntryRetired
	case runs && given.Name == app.Name && slices.Contains(offer, app.Kind):
		e.State = EntryOffered
	case app.Status == catalogue.Demo:
		e.State = EntryDemo
	case app.Installable():
		e.State = EntryAvailable
	default:
		e.State = EntryImpossible
	}
	return e
}

// Counted is what the application takes from the storage of a space in the plan, in MiB. What all associations share
// takes nothing from any of them.
func (v AppView) Counted(plan string) int {
	if v.Shared {
		return 0
	}
	for _, s := range v.Sizes {
		if s.Plan == plan {
			return s.DiskMiB
		}
	}
	return 0
}

// New says whether the application is marked as new: it is offered and works, and few have used it yet.
func (v AppView) New() bool { return v.Status == catalogue.Beta }

// Demo is set for an application that only stands in on machines of development.
func (v AppView) Demo() bool { return v.Status == catalogue.Demo }

// Icon is the picture of a kind, an SVG in one colour. A kind without one has that of applications, whose ID is "app".
func (c *Control) Icon(kind string) []byte { return c.catalogue.Icon(kind) }
