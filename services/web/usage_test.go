package web_test

import (
	"html"
	"net/url"
	"strings"
	"testing"
	"time"

	"framagit.org/frama/frama/services/hosting"
)

const gib = 1 << 30

func TestUsageOnThePrivatePage(t *testing.T) {
	b := setup(t)
	o := b.opened("velo", "Les Amis du Vélo")
	visitor := b.browser()
	visitor.get(o.track).is(t, 200).has(t, "Votre usage", "Rien n’est encore mesuré", o.track+"/more").lacks(t, o.track+"/usage\"")

	b.measure(o, 2*gib, 3, 12)
	visitor.get(o.track).is(t, 200).has(t, "2\u00a0Gio", "sur 8\u00a0Gio", "25\u00a0%", "À l’aise", "Il reste 6\u00a0Gio", "Prochain palier", "80\u00a0% (6,4\u00a0Gio)",
		"Base de données", "512\u00a0Mio", "Comptes", "sur 10", "<dt>Pads</dt><dd>12</dd>", `<meter class="bar bar-ok" min="0" max="1000" value="250"`, o.track+"/usage").lacks(t, "Plus rien")
	visitor.get(o.track+"?lang=en").is(t, 200).has(t, "2\u00a0GiB", "of 8\u00a0GiB", "25%", "Plenty of room", "Next: at 80%")
	visitor = b.browser()

	b.clock.Move(time.Hour)
	b.measure(o, 8*gib, 3, 12)
	visitor.get(o.track).is(t, 200).has(t, "Plein", "100\u00a0%", "on ne pourra plus rien ajouter à partir du 6\u00a0décembre 2026", "Rien ne sera effacé").lacks(t, "On ne peut plus rien ajouter")
	b.clock.Move(15 * 24 * time.Hour)
	b.measure(o, 8*gib, 3, 12)
	visitor.get(o.track).is(t, 200).has(t, `class="stopped" role="alert"`, "On ne peut plus rien ajouter", "Lire, télécharger et supprimer restent possibles", "rien ne peut y être envoyé")
	b.measure(o, 1*gib, 3, 12)
	visitor.get(o.track).is(t, 200).has(t, "À l’aise").lacks(t, "On ne peut plus rien ajouter")

	// Before the space is open there is nothing to say, and no curve to see.
	q := b.pending("jardin")
	visitor.get("/track/"+b.links.TrackToken(q.ID)).is(t, 200).lacks(t, "Votre usage")
	for _, page := range []string{"/usage", "/usage.csv?metric=storage", "/more"} {
		visitor.get("/track/"+b.links.TrackToken(q.ID)+page).is(t, 404)
		visitor.get("/track/unknown"+page).is(t, 404)
	}
}

// When usage cannot be read, the page still shows all else.
func TestThePrivatePageStandsWithoutUsage(t *testing.T) {
	b := setup(t)
	o := b.opened("velo", "Les Amis du Vélo")
	_, err := b.raw.Exec("DROP TABLE quota_ask")
	must(t, err)
	b.browser().get(o.track).is(t, 200).has(t, "Votre espace est ouvert", "L’usage ne peut pas être montré", "donnez cette référence").lacks(t, "quota_ask", "SQL")
	b.addUser("ops@example.org", hosting.RoleOperator)
	staff := b.browser()
	staff.signIn("ops@example.org")
	staff.get("/admin/spaces/"+o.ID).is(t, 200).has(t, "velo-etherpad", "L’usage ne peut pas être montré").lacks(t, "quota_ask")
}

func TestCurvesAndTheirFiles(t *testing.T) {
	b := setup(t)
	o := b.opened("velo", `=cmd|'/c calc'!A1`)
	visitor := b.browser()
	visitor.get(o.track+"/usage").is(t, 200).has(t, "Rien n’est encore mesuré").lacks(t, `class="chart"`)
	for range 30 {
		b.clock.Move(24 * time.Hour)
		b.measure(o, int64(b.clock.Now().YearDay())<<20, 2, 7)
	}
	a := visitor.get(o.track+"/usage").is(t, 200).has(t, `class="chart" role="img" aria-labelledby="curve-1-title curve-1-desc"`, "Du 23/11/2026 au", "La limite est de 8\u00a0Gio",
		"<details class=\"figures-table\">", `href="`+o.track+`/usage.csv?metric=storage&amp;span=quarter" download`, "Pads", `aria-current="page">90 jours`, "<h2 id=\"curve-2-name\">Comptes")
	if a.Header.Get("Referrer-Policy") != "no-referrer" || a.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("the private page's headers: %v", a.Header)
	}
	for _, span := range []string{"week", "year", "all", "nonsense", "%22%3E%3Cscript%3E"} {
		visitor.get(o.track+"/usage?span="+span).is(t, 200).has(t, `class="chart"`).lacks(t, "<script>", "NaN")
	}
	a = visitor.get(o.track+"/usage.csv?metric=storage&span=all").is(t, 200).
		has(t, "space,metric,unit,at,last,max,limit\n", `'=cmd|'/c calc'!A1,storage,bytes,2026-12-01T00:00:00Z,351272960,351272960,8589934592`).lacks(t, "\n=")
	if a.Header.Get("Content-Disposition") != `attachment; filename="velo-storage-all.csv"` || a.Header.Get("Content-Type") != "text/csv; charset=utf-8" {
		t.Errorf("the file's headers: %v", a.Header)
	}
	for _, metric := range []string{"", "nonsense", "%3Cscript%3E", "../x"} {
		visitor.get(o.track+"/usage.csv?metric="+metric).is(t, 422).lacks(t, "<script>", "⟦")
	}

	b.addUser("revue@example.org", hosting.RoleReviewer)
	staff := b.browser()
	staff.get("/admin/spaces/"+o.ID+"/usage").is(t, 303)
	staff.get("/admin/spaces/"+o.ID+"/usage.csv?metric=storage").is(t, 303)
	staff.signIn("revue@example.org")
	staff.get("/admin/spaces/"+o.ID+"/usage?span=year").is(t, 200).has(t, `class="chart"`, "/admin/spaces/"+o.ID+"/usage.csv?metric=storage&amp;span=year")
	staff.get("/admin/spaces/"+o.ID+"/usage.csv?metric=accounts&span=week").is(t, 200).has(t, ",accounts,count,", ",2,2,10\n")
}

func TestAskingForMore(t *testing.T) {
	b := setup(t)
	o := b.opened("velo", "Les <b>Amis</b> du Vélo")
	b.measure(o, 7*gib, 9, 12)
	more := o.track + "/more"
	visitor := b.browser()
	visitor.get(more).is(t, 200).has(t, "Aujourd’hui\u00a0: 7\u00a0Gio sur 8\u00a0Gio", "<option value=\"standard\">Association – 40\u00a0Gio, 50 comptes", "Les &lt;b&gt;Amis").lacks(t, `value="starter"`)
	for _, c := range []struct {
		form url.Values
		text string
	}{
		{url.Values{}, `id="want-error"`},
		{url.Values{"want": {"storage"}, "storage": {"beaucoup"}, "reason": {"Des <i>archives</i>"}}, `id="amount-error"`},
		{url.Values{"want": {"storage"}, "storage": {"1e9"}, "reason": {"x"}}, `id="reason-error"`},
		{url.Values{"want": {"storage"}, "storage": {"4"}, "reason": {"Des archives, beaucoup d’archives"}}, `id="amount-error"`},
		{url.Values{"want": {"accounts"}, "accounts": {"-3"}, "reason": {"Des archives"}}, `id="amount-error"`},
		{url.Values{"want": {"storage"}, "storage": {"20"}, "reason": {""}}, `id="reason-error"`},
		{url.Values{"want": {"plan"}, "plan": {"infinite"}, "reason": {"Des archives, beaucoup d’archives"}}, `id="plan-error"`},
		{url.Values{"want": {"backup_bytes"}, "reason": {"Des archives, beaucoup d’archives"}}, `id="want-error"`},
	} {
		a := visitor.send(more, more, c.form).is(t, 422).has(t, c.text, `data-focus`, "À corriger")
		harmless(t, a, c.form)
		for _, field := range []string{"storage", "accounts", "reason"} {
			if text := c.form.Get(field); text != "" && !strings.Contains(html.UnescapeString(a.body), text) {
				t.Errorf("%v: %s was lost", c.form, field)
			}
		}
	}
	wish := url.Values{"want": {"storage"}, "storage": {"12,5"}, "accounts": {""}, "reason": {"Des archives, beaucoup d’archives"}}
	visitor.post(more, wish).is(t, 403).has(t, "envoyez à nouveau", `value="12,5"`, "beaucoup d’archives", `value="storage" checked`)
	if n := b.rows("quota_ask"); n != 0 {
		t.Fatalf("%d wishes were noted", n)
	}
	if to := visitor.send(more, more, wish).is(t, 303).Header.Get("Location"); to != o.track+"#usage" {
		t.Errorf("sent to %s", to)
	}
	visitor.get(o.track).is(t, 200).has(t, "Votre souhait est envoyé", "en attente de réponse", "12,5\u00a0Gio en tout").lacks(t, ">Demander plus<")
	visitor.send(more, more, wish).is(t, 409).has(t, `value="12,5"`)

	b.addUser("revue@example.org", hosting.RoleReviewer)
	b.addUser("ops@example.org", hosting.RoleOperator)
	reviewer, staff := b.browser(), b.browser()
	reviewer.signIn("revue@example.org")
	staff.signIn("ops@example.org")
	var id string
	must(t, b.raw.QueryRow("SELECT id FROM quota_ask").Scan(&id))
	reviewer.get("/admin/asks").is(t, 200).has(t, "Les &lt;b&gt;Amis", "7\u00a0Gio", "8\u00a0Gio", "12,5\u00a0Gio", "156\u00a0%", "beaucoup d’archives", "rôle d’opérateur").lacks(t, "<textarea")
	reviewer.send("/admin/requests", "/admin/asks/"+id, url.Values{"decision": {"grant"}}).is(t, 403)
	staff.send("/admin/asks", "/admin/asks/"+id, url.Values{"decision": {"decline"}, "answer": {" "}}).is(t, 422).has(t, "-error\"", "<details class=\"decide\" open>")
	staff.send("/admin/asks", "/admin/asks/"+id, url.Values{"decision": {"perhaps"}}).is(t, 400)
	staff.send("/admin/asks", "/admin/asks/"+id, url.Values{"decision": {"grant"}, "answer": {"Avec plaisir, <voilà>."}}).is(t, 303)
	staff.get("/admin/asks").is(t, 200).has(t, "Souhait accordé", "Tout a sa réponse")
	staff.get("/admin/asks?state=granted").is(t, 200).has(t, "Avec plaisir, &lt;voilà&gt;.", "ops@example.org")
	staff.get("/admin/asks?state=nonsense").is(t, 200)
	staff.send("/admin/requests", "/admin/asks/"+id, url.Values{"decision": {"grant"}}).is(t, 409)
	visitor.get(o.track).is(t, 200).has(t, "accordé", "Avec plaisir, &lt;voilà&gt;.", "sur 12,5\u00a0Gio", "La formule prévoit 8\u00a0Gio", ">Demander plus<")
}
