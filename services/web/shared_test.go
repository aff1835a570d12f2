package web_test

import (
	"testing"

	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
	"framagit.org/frama/frama/services/store/storetest"
)

// Pages say what a space shares with others, and show the host's own spaces without a request.
func TestSharedApplicationsOnPages(t *testing.T) {
	b := setup(t)
	q := b.pending("velo")
	approval, err := b.control.Approve(t.Context(), b.admin(), q.ID)
	must(t, err)
	velo := approval.Space
	commons, sympa := storetest.AddCommons(t, b.store, "lists", "all-lists")
	must(t, b.store.Write(t.Context(), func(tx *store.Tx) error {
		if err := tx.InsertTenant(hosting.Tenant{SpaceID: velo.ID, InstanceID: sympa.ID, Kind: "lists", CreatedAt: tx.Now}); err != nil {
			return err
		}
		for _, state := range []hosting.SpaceState{hosting.SpaceProvisioning, hosting.SpaceActive} {
			if _, err := tx.MoveSpace(velo.ID, state); err != nil {
				return err
			}
		}
		return nil
	}))
	b.browser().get("/track/"+b.links.TrackToken(q.ID)).is(t, 200).
		has(t, "https://lists.example.org", "Listes de diffusion", "partagé avec les autres associations de l’hébergeur")

	b.addUser("revue@example.org", hosting.RoleReviewer)
	staff := b.browser()
	staff.signIn("revue@example.org")
	staff.get("/admin/spaces").is(t, 200).has(t, "à l’hébergeur", "1 espace s’en sert", "partagé")
	staff.get("/admin/spaces/"+velo.ID).is(t, 200).
		has(t, "partagé avec les autres associations de l’hébergeur", "/admin/spaces/"+commons.ID, "/admin/requests/"+q.ID)
	staff.get("/admin/spaces/"+commons.ID).is(t, 200).
		has(t, "Listes de diffusion", "Qui s’en sert", "/admin/spaces/"+velo.ID, "commons-all-lists").lacks(t, "/admin/requests/", "Voir la demande")

	// The queue can be narrowed to any kind of the catalogue.
	staff.get("/admin/requests?state=all&kind=lists").is(t, 200).has(t, `<option value="lists" selected>Listes de diffusion</option>`)
	staff.get("/admin/requests?state=all&kind=nonsense").is(t, 200).has(t, "Les Amis du Vélo").lacks(t, " selected>")
}
