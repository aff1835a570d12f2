package web_test

import (
	"net/url"
	"strings"
	"testing"

	"framagit.org/frama/frama/services/hosting"
)

func TestJourneyOfARequest(t *testing.T) {
	b := setup(t)
	visitor := b.browser()
	visitor.get("/").is(t, 200).has(t, "Un espace en ligne à vous", "Etherpad", "/request")
	visitor.get("/request").is(t, 200).has(t, `name="association"`, `value="pads"`, `for="email"`)

	a := visitor.send("/request", "/request", typed()).is(t, 303)
	if to := a.Header.Get("Location"); to != "/request/sent" {
		t.Fatalf("sent to %s", to)
	}
	visitor.get("/request/sent").is(t, 200).has(t, "zoe@velo.example")
	b.browser().get("/request/sent").is(t, 200).lacks(t, "zoe@velo.example")

	var id string
	must(t, b.raw.QueryRow("SELECT id FROM request").Scan(&id))
	confirm, track := "/confirm/"+b.links.ConfirmToken(id), "/track/"+b.links.TrackToken(id)

	// Opening the link confirms nothing; the button does; doing it again does no harm.
	visitor.get(confirm).is(t, 200).has(t, "Confirmer ma demande")
	if b.state(id) != hosting.RequestUnconfirmed {
		t.Fatal("a GET confirmed the request")
	}
	for range 2 {
		a := visitor.send(confirm, confirm, url.Values{}).is(t, 303)
		if to := a.Header.Get("Location"); to != track {
			t.Fatalf("confirmed: sent to %s, want %s", to, track)
		}
	}
	visitor.get(confirm).is(t, 200).has(t, "déjà confirmé")
	a = visitor.get(track).is(t, 200).has(t, "Les Amis du Vélo", "Une personne va la lire", `aria-live="polite"`, `data-poll="60"`)
	for name, want := range map[string]string{"Referrer-Policy": "no-referrer", "Cache-Control": "no-store", "X-Robots-Tag": "noindex, nofollow"} {
		if got := a.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}

	b.addUser("revue@example.org", hosting.RoleReviewer)
	staff := b.browser()
	staff.get("/admin/requests").is(t, 303)
	staff.signIn("revue@example.org")
	staff.get("/admin/requests").is(t, 200).has(t, "Les Amis du Vélo", "/admin/requests/"+id)
	page := "/admin/requests/" + id
	staff.get(page).is(t, 200).has(t, "Préparer nos ateliers", "libre", "Etherpad", "zoe@velo.example", "Oui, accepter")
	staff.send(page, page+"/approve", url.Values{}).is(t, 303)
	staff.get(page).is(t, 200).has(t, "l’espace est créé", "frama provision velo").lacks(t, "Oui, accepter")
	staff.send(page, page+"/approve", url.Values{}).is(t, 409).has(t, "déjà été acceptée")

	visitor.get(track).is(t, 200).has(t, "votre espace se prépare", "Étape 1", "Obtenir les certificats", `data-poll="2"`)
	part := visitor.get(track+"/progress").is(t, 200).has(t, `id="progress-body"`)
	if strings.Contains(part.body, "<html") {
		t.Error("the fragment is a whole page")
	}
	staff.get("/admin/spaces").is(t, 200).has(t, "Les Amis du Vélo", "velo")
	var space string
	must(t, b.raw.QueryRow("SELECT id FROM space").Scan(&space))
	staff.get("/admin/spaces/"+space).is(t, 200).has(t, "velo-etherpad", "À installer", "Obtenir les certificats")
	staff.get("/admin/audit").is(t, 200).has(t, "Demande acceptée", "revue@example.org")
}

func (b *bench) state(id string) (s hosting.RequestState) {
	b.t.Helper()
	must(b.t, b.raw.QueryRow("SELECT state FROM request WHERE id = ?", id).Scan(&s))
	return s
}

func TestRefusalNeedsAReasonAndKeepsIt(t *testing.T) {
	b := setup(t)
	q := b.pending("velo")
	b.addUser("revue@example.org", hosting.RoleReviewer)
	staff := b.browser()
	staff.signIn("revue@example.org")
	page := "/admin/requests/" + q.ID
	staff.send(page, page+"/refuse", url.Values{"reason": {"  "}}).is(t, 422).has(t, `id="reason-error"`, `aria-invalid="true"`, "<details class=\"decide\" open>")
	staff.send(page, page+"/refuse", url.Values{"reason": {"Trop <b>court"[:9]}}).is(t, 422).has(t, "Trop &lt;b&gt;c"[:14])
	staff.post(page+"/refuse", url.Values{"reason": {"Une raison écrite avec soin."}}).is(t, 403).has(t, "Une raison écrite avec soin.", "envoyez à nouveau")
	if b.state(q.ID) != hosting.RequestPending {
		t.Fatal("refused without a reason or a token")
	}
	staff.send(page, page+"/refuse", url.Values{"reason": {"Nous hébergeons seulement <des> associations."}}).is(t, 303)
	b.browser().get("/track/"+b.links.TrackToken(q.ID)).is(t, 200).has(t, "Nous hébergeons seulement &lt;des&gt; associations.", `data-poll="0"`)
}

func TestCheckingAName(t *testing.T) {
	b := setup(t)
	b.pending("velo")
	visitor := b.browser()
	form := typed()
	form.Set("action", "check")
	form.Set("purpose", "à garder")
	visitor.send("/request", "/request", form).is(t, 200).has(t, "déjà pris", "velo-2", "à garder")
	form.Set("slug", "libre-comme-l-air")
	visitor.send("/request", "/request", form).is(t, 200).has(t, "est libre", "libre-comme-l-air-pads.example.org")
	form.Set("slug", "")
	visitor.send("/request", "/request", form).is(t, 200).has(t, `value="amis-velo"`)

	visitor.get("/slug?slug=velo").is(t, 200).has(t, `"free":false`, `"proposal":"velo-2"`)
	visitor.get("/slug?name=Caf%C3%A9+des+Voisins").is(t, 200).has(t, `"slug":"cafe-voisins"`, `"free":true`)
	visitor.get("/slug?slug=www").is(t, 200).has(t, `"free":false`)
	visitor.get("/slug?slug="+strings.Repeat("a", 5000)).is(t, 200).has(t, `"free":false`)
	if n := b.rows("request"); n != 1 {
		t.Errorf("looking names up left %d requests, want 1", n)
	}
}
