package control_test

import (
	"context"
	"testing"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/services/control"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store/storetest"
)

// entries is the catalogue by application.
func (d *desk) entries() map[string]control.Entry {
	d.t.Helper()
	list, err := d.Catalogue(context.Background(), d.staff)
	if err != nil {
		d.t.Fatal(err)
	}
	byName := map[string]control.Entry{}
	for _, e := range list {
		byName[e.Name] = e
	}
	return byName
}

func TestCatalogueSaysWhatBecomesOfEachApplication(t *testing.T) {
	for _, c := range []struct {
		images  catalogue.Images
		version string // of Etherpad
		planned string
		states  map[string]string
	}{
		{catalogue.Images{NoPull: true, Substitutes: []catalogue.Substitute{
			{From: "docker.io/etherpad/etherpad", Use: "frama.local/etherpad:1.8.14", Version: "1.8.14"},
		}}, "1.8.14", "3.3.1", map[string]string{
			"etherpad": control.EntryOffered, "all-lists": control.EntryOffered,
			"nextcloud": control.EntryImpossible, "grist": control.EntryImpossible, "stand-in": control.EntryDemo, "framadate": control.EntryRetired,
		}},
		{catalogue.Images{}, "3.3.1", "", map[string]string{
			"etherpad": control.EntryOffered, "nextcloud": control.EntryAvailable, "grist": control.EntryAvailable,
			"stand-in": control.EntryDemo, "framadate": control.EntryRetired,
		}},
	} {
		d := newDeskWith(t, storetest.SQLite(t), c.images, func(o *control.Options) { o.Offer = []string{"pads", "lists"} })
		entries := d.entries()
		for name, want := range c.states {
			if got := entries[name].State; got != want {
				t.Errorf("%s at a host with Etherpad %s is %q, want %q", name, c.version, got, want)
			}
		}
		if e := entries["framadate"]; e.ReplacedBy != "pollaris" || e.Replacement["fr"] != "Pollaris" || e.HasJob || e.Own {
			t.Errorf("framadate: %+v", e)
		}
		if e := entries["all-lists"]; !e.Own || e.Origin != "testdata/catalogue" || !e.Shared {
			t.Errorf("the host's own: %+v", e)
		}
		if e := entries["etherpad"]; !e.HasJob || e.Version != c.version || e.Planned != c.planned || e.Sizes[0].DiskMiB == 0 || e.Own {
			t.Errorf("etherpad: %+v", e)
		}
	}
	d := newDesk(t, storetest.SQLite(t))
	if _, err := d.Catalogue(context.Background(), hosting.Actor{Name: "public"}); hosting.CodeOf(err) != hosting.Forbidden {
		t.Errorf("anybody sees the whole catalogue: %v", err)
	}
}

func TestCatalogueCountsWhoUsesWhat(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		d := sharing(t, dsn)
		if n := d.entries()["etherpad"].Spaces; n != 0 {
			t.Errorf("nobody is there, and %d spaces use etherpad", n)
		}
		d.approve(d.asked("lilas", "pads", "lists"))
		d.approve(d.asked("menthe", "lists"))
		entries := d.entries()
		for name, want := range map[string]int{"etherpad": 1, "all-lists": 2, "ethercalc": 0} {
			if got := entries[name].Spaces; got != want {
				t.Errorf("%d spaces use %s, want %d: the host's own space is not one of them", got, name, want)
			}
		}
	})
}

func TestSharedServicesCountInNoPlan(t *testing.T) {
	d := sharing(t, storetest.SQLite(t))
	for _, v := range d.KindViews() {
		if got := v.Counted("starter"); (got == 0) != v.Shared {
			t.Errorf("%s (shared: %v) counts %d MiB", v.Kind, v.Shared, got)
		}
		if v.Counted("nothing") != 0 {
			t.Errorf("%s counts in a plan that is not there", v.Kind)
		}
	}
}
