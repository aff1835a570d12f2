package web_test

import (
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/services/hosting"
)

// wide offers services of every sort: shared ones, new ones, one that is an exception to the charter, one whose address is
// for ever.
var wide = []string{"cloud", "pads", "forms", "meet", "mindmaps", "social"}

// offering is the site of a host that offers those kinds.
func offering(t *testing.T, kinds ...string) *bench {
	t.Helper()
	apps, err := catalogue.Load()
	must(t, err)
	return setupHost(t, apps, kinds)
}

func TestCatalogueForEverybody(t *testing.T) {
	b := offering(t, wide...)
	v := b.browser()
	a := v.get("/catalogue").is(t, 200)
	a.has(t, `id="cloud"`, "Nextcloud", "logiciel libre", "exception à la charte", "powered by WiseMapping", "Aucune liste de licences libres",
		"Un seul service pour toutes les associations", "Votre association a le sien", "Son adresse sera définitive",
		"Nextcloud contient de quoi faire des formulaires", "AGPL-3.0-or-later", "https://github.com/nextcloud/server",
		"Il fait une courte pause", "160\u00a0Gio", "Rien\u00a0: il est partagé.", "nouveau", "/request")
	a.lacks(t, `id="calcs"`, "Framadate", "Bureautique")
	v.get("/catalogue?lang=en").is(t, 200).has(t, "exception to the charter", "One service for all associations", "160\u00a0GiB")
	v.get("/?lang=fr").has(t, `href="/catalogue"`, "Avec le logiciel libre Nextcloud", "Avec WiseMapping")
	v.get("/request").has(t, `href="/catalogue"`)
}

func TestCatalogueWithNothingInIt(t *testing.T) {
	apps, err := catalogue.Load()
	must(t, err)
	v := setupHost(t, apps.Only(), nil).browser()
	v.get("/catalogue").is(t, 200).has(t, "Aucun service n’est proposé en ce moment")
	v.get("/request").is(t, 200).has(t, "Aucun service n’est proposé").lacks(t, "data-disk")
}

// Without scripts, the form that comes back says what the choice takes up, and what comes with what.
func TestFormAddsUp(t *testing.T) {
	b := offering(t, wide...)
	v := b.browser()
	v.get("/request").is(t, 200).has(t, "Choisissez des services\u00a0: la place", "Occupe 4\u00a0Gio (formule Découverte)",
		`data-disk="starter:4096 standard:32768 large:163840"`, "Partagé avec les autres associations", "La formule contient",
		"Comprend aussi\u00a0:", `data-with="cloud" hidden`)

	for _, c := range []struct {
		name  string
		kinds []string
		plan  string
		has   []string
		lacks []string
	}{
		{"fits", []string{"pads", "meet"}, "standard", []string{"occupe 2\u00a0Gio sur les 40\u00a0Gio de la formule «\u00a0Association\u00a0»",
			"Jusqu’à 50 comptes", "Occupe 2\u00a0Gio (formule Association)"}, []string{"C’est plus que la formule"}},
		{"too much", []string{"cloud", "pads", "forms", "social"}, "starter", []string{"occupe 10\u00a0Gio sur les 8\u00a0Gio", "<p>C’est plus que la formule",
			`data-with="cloud">`}, nil},
		{"only shared", []string{"meet"}, "starter", []string{"n’occupe rien de la formule"}, []string{"<p>C’est plus"}},
		{"no such plan", []string{"pads"}, "gratuit", []string{`id="room" hidden`}, []string{"de la formule «\u00a0\u00a0»", "Occupe 0"}},
	} {
		form := typed()
		form["kinds"], form["plan"], form["action"] = c.kinds, []string{c.plan}, []string{"check"}
		body := v.send("/request", "/request", form).body
		// What scripts would say stands in attributes: it is not what people see.
		seen := answer{body: regexp.MustCompile(` data-(text|zero|none|over|each|accounts)="[^"]*"`).ReplaceAllString(body, "")}
		t.Run(c.name, func(t *testing.T) { seen.has(t, c.has...).lacks(t, c.lacks...) })
	}
	if n := b.rows("request"); n != 0 {
		t.Errorf("%d requests were made of forms that only asked", n)
	}
	// More than the plan holds is a matter to talk about, no mistake.
	form := typed()
	form["kinds"] = []string{"cloud", "pads", "social"}
	v.send("/request", "/request", form).is(t, 303)
}

func TestPicturesOfKinds(t *testing.T) {
	v := setup(t).browser()
	css := v.get("/icons.css").is(t, 200).has(t, ".kind-pads {", ".kind-app {").lacks(t, "<", "http:")
	if kind, policy := css.Header.Get("Content-Type"), css.Header.Get("Content-Security-Policy"); !strings.HasPrefix(kind, "text/css") || policy == "" {
		t.Errorf("the style sheet is %s under %q", kind, policy)
	}
	address := regexp.MustCompile(`/icons/pads\.svg\?v=[0-9a-f]{12}`).FindString(css.body)
	if address == "" {
		t.Fatalf("no address with a version in\n%s", css.body)
	}
	for path, cache := range map[string]string{
		address: "public, max-age=31536000, immutable", "/icons/pads.svg": "public, max-age=3600", "/icons/pads.svg?v=0": "public, max-age=3600",
	} {
		a := v.get(path).is(t, 200).has(t, "<svg")
		for name, want := range map[string]string{
			"Cache-Control": cache, "Content-Type": "image/svg+xml", "X-Content-Type-Options": "nosniff",
			"Content-Security-Policy": "default-src 'none'; sandbox", "Vary": "",
		} {
			if got := a.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
		if len(a.Cookies()) > 0 {
			t.Errorf("%s sets a cookie", path)
		}
	}
	for _, path := range []string{"/icons/nothing.svg", "/icons/..%2fkinds.hcl", "/icons/pads", "/icons/"} {
		v.get(path).is(t, 404)
	}
	v.get("/").has(t, css.Request.URL.Path, `class="kind-icon kind-pads" aria-hidden="true"`)
}

func TestCatalogueForTheStaff(t *testing.T) {
	b := offering(t, wide...)
	v := b.browser()
	v.get("/admin/catalogue").is(t, 303)
	b.addUser("revue@example.org", hosting.RoleReviewer)
	v.signIn("revue@example.org")
	a := v.get("/admin/catalogue").is(t, 200).has(t, `id="framadate"`, `id="ikiwiki"`, `id="grist"`, `id="pollaris"`, "démonstration",
		"Remplacée par", `href="/admin/catalogue#pollaris"`, "PostgreSQL", "toutes les associations",
		"rien à installer", "chip-entry-offered", `aria-current="page">Catalogue`)
	a.lacks(t, "sert encore à")
	v.get("/admin/catalogue?state=retired").is(t, 200).has(t, `id="framadate"`).lacks(t, `id="pollaris"`)
	v.get("/admin/catalogue?state=demo").is(t, 200).has(t, `id="pocketbase"`).lacks(t, `id="etherpad"`)
	v.get("/admin/catalogue?state=%3Cscript%3E").is(t, 200).has(t, `id="etherpad"`)
}

// What a host brought along says where it is from, and what it took the place of.
func TestApplicationsOfTheHost(t *testing.T) {
	dir := t.TempDir()
	must(t, os.CopyFS(filepath.Join(dir, "etherpad"), os.DirFS("../../catalogue/apps/etherpad")))
	apps, err := catalogue.Load(dir)
	must(t, err)
	b := setupHost(t, apps, nil)
	b.addUser("revue@example.org", hosting.RoleReviewer)
	v := b.browser()
	v.signIn("revue@example.org")
	v.get("/admin/catalogue").is(t, 200).has(t, "<code>"+dir+"</code>", "à la place de celle de frama")
	v.get("/catalogue").is(t, 200).lacks(t, dir)
}

// Who still uses what is retired is told at the top, with where to go.
func TestRetiredApplicationsInUse(t *testing.T) {
	b := setup(t)
	q := b.pending("velo")
	_, err := b.control.Approve(t.Context(), b.admin(), q.ID)
	must(t, err)
	_, err = b.raw.Exec("UPDATE instance SET app = 'framadate' WHERE app = 'etherpad'")
	must(t, err)
	b.addUser("revue@example.org", hosting.RoleReviewer)
	v := b.browser()
	v.signIn("revue@example.org")
	v.get("/admin/catalogue").is(t, 200).has(t, "Framadate est retirée et sert encore à 1 espace.", `<td data-label="Utilisée par">1 espace</td>`)
}

func TestReviewerSeesWhatARequestTakes(t *testing.T) {
	b := offering(t, wide...)
	s := submission()
	s.Kinds = []string{"cloud", "forms", "mindmaps", "meet", "social"}
	q, err := b.control.Submit(t.Context(), hosting.Actor{Name: "public"}, s)
	must(t, err)
	_, err = b.control.Confirm(t.Context(), hosting.Actor{Name: "public"}, b.links.ConfirmToken(q.ID))
	must(t, err)
	b.addUser("revue@example.org", hosting.RoleReviewer)
	v := b.browser()
	v.signIn("revue@example.org")
	v.get("/admin/requests/"+q.ID).is(t, 200).has(t, "kind-icon kind-mindmaps", "nouveau", "exception à la charte", "powered by WiseMapping",
		"service commun, installé une fois", "Déjà compris avec «\u00a0Nuage\u00a0»", "Stockage\u00a0: 10\u00a0Gio sur les 8\u00a0Gio de la formule «\u00a0Découverte\u00a0».",
		"C’est plus que la formule ne contient", "Son adresse sera définitive").lacks(t, "N’est plus au catalogue")

	_, err = b.raw.Exec(`UPDATE request SET kinds = '["pads","fax"]', plan = 'gratuit'`)
	must(t, err)
	v.get("/admin/requests/"+q.ID).is(t, 200).has(t, "fax", "N’est plus au catalogue", "kind-app").lacks(t, "Stockage\u00a0:")
	v.send("/admin/requests/"+q.ID, "/admin/requests/"+q.ID+"/approve", url.Values{}).is(t, 409)
}
