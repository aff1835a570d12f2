package web_test

import (
	"fmt"
	"net/url"
	"testing"
	"time"

	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
	"framagit.org/frama/frama/services/store/storetest"
)

func TestAssociationsKeepWhatWasAnnounced(t *testing.T) {
	b := setup(t)
	o := b.opened("velo", "Les Amis du Vélo")
	visitor := b.browser()
	visitor.get(o.track).is(t, 200).lacks(t, "À garder", "/keep")

	var all []hosting.Retained
	must(t, b.store.Write(t.Context(), func(tx *store.Tx) error {
		instances, err := tx.Instances(o.ID)
		if err != nil {
			return err
		}
		for n := range 60 {
			all = append(all, hosting.Retained{ID: storetest.NewID(), InstanceID: instances[0].ID, Metric: "pads", Object: fmt.Sprintf("<b>pad %02d</b>", n),
				ChangedAt: tx.Now.Add(-800 * 24 * time.Hour), Unused: 730 * 24 * time.Hour, AnnouncedAt: tx.Now, RemoveAt: tx.Now.Add(30 * 24 * time.Hour)})
		}
		return tx.Announce(all)
	}))
	visitor.get(o.track).is(t, 200).has(t, "À garder", "&lt;b&gt;pad 00&lt;/b&gt;", "… et 10 autres.", "Tout garder", `action="`+o.track+`/keep"`).lacks(t, "<b>pad")
	visitor.get(o.track+"?lang=en").is(t, 200).has(t, "Something to keep?", "Keep everything", "… and 10 others.")

	// Another site cannot press the button, nor can somebody without the link.
	visitor.post(o.track+"/keep", url.Values{"token": {"forged"}}).is(t, 403)
	visitor.send(o.track, "/track/unknown/keep", url.Values{}).is(t, 404)
	visitor.get(o.track).has(t, "Something to keep?")
	visitor.send(o.track, o.track+"/keep", url.Values{}).is(t, 303)
	visitor.get(o.track).is(t, 200).has(t, "everything is kept").lacks(t, "Something to keep?")
	b.addUser("ops@example.org", hosting.RoleOperator)
	staff := b.browser()
	staff.signIn("ops@example.org")
	staff.get("/admin/audit").is(t, 200).has(t, "60 kept")
}
