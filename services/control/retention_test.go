package control_test

import (
	"context"
	"slices"
	"testing"

	"framagit.org/frama/frama/services/control"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
	"framagit.org/frama/frama/services/store/storetest"
)

// TestRetentionIsSeenAndStopped: an association sees what is announced of its own space, and keeps all of it at once.
func TestRetentionIsSeenAndStopped(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	ctx, public := context.Background(), hosting.Actor{Name: "public"}
	lilas, roses := h.open("lilas"), h.open("roses")
	announce := func(f flat, names ...string) {
		h.write(func(tx *store.Tx) error {
			var all []hosting.Retained
			for _, name := range names {
				all = append(all, hosting.Retained{ID: tx.NewID(), InstanceID: f.instances[0].ID, Metric: "pads", Object: name, Unused: 60 * aDay,
					ChangedAt: tx.Now.Add(-70 * aDay), AnnouncedAt: tx.Now, RemoveAt: tx.Now.Add(10 * aDay)})
			}
			return tx.Announce(all)
		})
	}
	announce(lilas, "buvette", "courses")
	announce(roses, "bouquets")
	names := func(v control.RetentionView) (all []string) {
		for _, o := range v.Objects {
			all = append(all, o.Object+" "+string(o.State)+" "+o.App)
		}
		slices.Sort(all)
		return all
	}
	app := lilas.instances[0].App
	token := lilas.track
	own, err := h.TrackRetention(ctx, token)
	if err != nil || !slices.Equal(names(own), []string{"buvette announced " + app, "courses announced " + app}) || own.Open != 2 {
		t.Errorf("%+v %v", own, err)
	}
	all, err := h.Retention(ctx, h.staff, "")
	if err != nil || len(all) != 2 || all[0].Space.Slug != "lilas" || all[1].Open != 1 {
		t.Errorf("%+v %v", all, err)
	}

	n, err := h.KeepAll(ctx, public, token)
	if err != nil || n != 2 {
		t.Errorf("%d kept, %v", n, err)
	}
	if n, err = h.KeepAll(ctx, public, token); err != nil || n != 0 {
		t.Errorf("again: %d kept, %v", n, err)
	}
	if own, err = h.TrackRetention(ctx, token); err != nil || own.Open != 0 || names(own)[0] != "buvette kept "+app {
		t.Errorf("%+v %v", own, err)
	}
	if all, err = h.Retention(ctx, h.staff, ""); err != nil || len(all) != 1 || all[0].Space.Slug != "roses" {
		t.Errorf("another space's: %+v %v", all, err)
	}
	if n, err = h.KeepAllOf(ctx, h.staff, "roses"); err != nil || n != 1 {
		t.Errorf("%d kept, %v", n, err)
	}
	if got := h.audited("retention.keep"); !slices.Equal(got, []string{"2 kept", "1 kept"}) {
		t.Errorf("audit: %q", got)
	}

	for name, c := range map[string]struct {
		want hosting.Code
		do   func() error
	}{
		"the public reads": {hosting.Forbidden, func() error { _, err := h.Retention(ctx, public, "lilas"); return err }},
		"a reviewer keeps": {hosting.Forbidden, func() error {
			_, err := h.KeepAllOf(ctx, hosting.Actor{Role: hosting.RoleReviewer}, "lilas")
			return err
		}},
		"an unknown space":       {hosting.NotFound, func() error { _, err := h.Retention(ctx, h.staff, "nobody"); return err }},
		"an unknown link":        {hosting.NotFound, func() error { _, err := h.TrackRetention(ctx, "nothing"); return err }},
		"an unknown link, kept":  {hosting.NotFound, func() error { _, err := h.KeepAll(ctx, public, "nothing"); return err }},
		"an unknown space, kept": {hosting.NotFound, func() error { _, err := h.KeepAllOf(ctx, h.staff, "nobody"); return err }},
	} {
		if err := c.do(); hosting.CodeOf(err) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}
