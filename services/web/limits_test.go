package web_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"framagit.org/frama/frama/services/hosting"
)

// hostileName is an association's name that would run in a page or in a spreadsheet that took it for its own.
const hostileName = `=1+1"><script>alert(1)</script><svg onload=x>`

func (b *bench) staffOf(role hosting.Role) *browser {
	b.t.Helper()
	email := string(role) + "@example.org"
	b.addUser(email, role)
	staff := b.browser()
	staff.signIn(email)
	return staff
}

func TestTheListOfLimits(t *testing.T) {
	b := setup(t)
	staff := b.staffOf(hosting.RoleReviewer)
	staff.get("/admin/usage").is(t, 200).has(t, "Rien n’est encore mesuré", "frama usage measure", `href="/admin/usage" aria-current="page"`)
	calm, full := b.opened("jardin", "Jardins partagés"), b.opened("velo", hostileName)
	b.measure(calm, gib, 2, 3)
	b.measure(full, 13*gib, 2, 3)
	a := staff.get("/admin/usage").is(t, 200).has(t, "13\u00a0Gio", "sur 8\u00a0Gio", "162\u00a0%", "Très au-delà", "&lt;script&gt;", "/admin/spaces/"+full.ID+"#usage").lacks(t, "<script>alert", "<svg onload")
	if strings.Index(a.body, full.ID) > strings.Index(a.body, calm.ID) {
		t.Error("the farthest over its limit is not the first")
	}
	staff.get("/admin/usage?level=over").is(t, 200).has(t, full.ID, `aria-current="true">Très au-delà <span class="count">1</span>`).lacks(t, calm.ID)
	staff.get("/admin/usage?metric=accounts&q=jardin").is(t, 200).has(t, calm.ID, `<option value="accounts" selected>`).lacks(t, full.ID)
	staff.get("/admin/usage?order=growth").is(t, 200).has(t, `aria-current="true">Croissance rapide`)
	staff.get("/admin/usage?order=unused").is(t, 200).has(t, "Tous les espaces servent")
	staff.get("/admin/usage?order=%27&level=%22%3E&metric=%3Cb%3E&page=-4&q=%25%3Cb%3E").is(t, 200).lacks(t, "<b>")

	m := b.measurement(calm, 0, 0, 0)
	m.Readings = []hosting.Reading{{Metric: "pads", Problem: `the answer is no number: "<b>12</b>". Look at the manifest.`}, {Metric: hosting.MetricAccounts, Problem: "timeout"}}
	must(t, b.control.RecordUsage(t.Context(), []hosting.Measurement{m}))
	staff.get("/admin/usage?q=jardin").is(t, 200).has(t, "1 mesure en échec")
	staff.get("/admin/spaces/"+calm.ID).is(t, 200).has(t, "Ce qui n’a pas pu être mesuré", "&lt;b&gt;12&lt;/b&gt;", "dernier chiffre connu\u00a0: 3").lacks(t, "<b>12")
	b.browser().get(calm.track).is(t, 200).lacks(t, "is no number") // why a probe fails is the staff's to know
}

func TestAnExceptionOfALimit(t *testing.T) {
	b := setup(t)
	o := b.opened("velo", "Les Amis du Vélo")
	b.measure(o, 9*gib, 9, 3)
	page := "/admin/spaces/" + o.ID
	reviewer := b.staffOf(hosting.RoleReviewer)
	reviewer.get(page).is(t, 200).has(t, "9\u00a0Gio").lacks(t, "Donner une autre limite", "/exception")
	staff := b.staffOf(hosting.RoleOperator)
	for field, form := range map[string]url.Values{
		"limit":   {"metric": {"storage"}, "limit": {"<b>beaucoup"}, "reason": {"Festival en mars"}},
		"reason":  {"metric": {"storage"}, "limit": {"20"}, "reason": {""}},
		"expires": {"metric": {"storage"}, "limit": {"20"}, "reason": {"Festival en mars"}, "expires": {"demain"}},
		"metric":  {"metric": {"backup_bytes"}, "limit": {"20"}, "reason": {"Festival en mars"}},
	} {
		a := staff.send(page, page+"/exception", form).is(t, 422).has(t, `id="`+field+`-error"`, `<details class="decide" open>`, form.Get("reason"))
		harmless(t, a, form)
	}
	form := url.Values{"metric": {"storage"}, "limit": {"20,5"}, "reason": {"Festival <en> mars"}, "expires": {"2026-12-31"}}
	staff.post(page+"/exception", form).is(t, 403).has(t, `value="20,5"`, "Festival &lt;en&gt; mars")
	if b.rows("quota_exception") != 0 {
		t.Fatal("an exception was made")
	}
	staff.send(page, page+"/exception", form).is(t, 303)
	staff.get(page).is(t, 200).has(t, "L’exception est en place", "sur 20,5\u00a0Gio", "Festival &lt;en&gt; mars", "jusqu’au 31\u00a0décembre 2026", "Terminer l’exception")
	reviewer.get(page).is(t, 200).has(t, "Festival &lt;en&gt; mars").lacks(t, "Donner une autre limite", "/exception")
	b.browser().get(o.track).is(t, 200).has(t, "sur 20,5\u00a0Gio", "La formule prévoit 8\u00a0Gio", "31\u00a0décembre 2026").lacks(t, "Festival")
	b.staffOf(hosting.RoleAdmin).send(page, page+"/exception/end", url.Values{"metric": {"storage"}}).is(t, 303)
	staff.get(page).is(t, 200).has(t, "sur 8\u00a0Gio").lacks(t, "Terminer l’exception")
	staff.send(page, page+"/exception/end", url.Values{"metric": {"storage"}}).is(t, 409)
	staff.send(page, page+"/exception", url.Values{"metric": {"accounts"}, "free": {"1"}, "reason": {"Une fédération"}}).is(t, 303)
	staff.get(page).is(t, 200).has(t, "Comptes, sans limite")
}

func TestAnotherPlan(t *testing.T) {
	b := setup(t)
	o := b.opened("velo", "Les Amis du Vélo")
	b.measure(o, 9*gib, 9, 3)
	page := "/admin/spaces/" + o.ID + "/plan"
	reviewer, staff := b.staffOf(hosting.RoleReviewer), b.staffOf(hosting.RoleOperator)
	staff.get(page).is(t, 200).has(t, "Formule actuelle\u00a0: Découverte", `<option value="standard"`).lacks(t, "Passer à", `value="starter"`)
	staff.get(page+"?plan=%3Cscript%3E").is(t, 200).lacks(t, "<script>", "Passer à")
	reviewer.get(page+"?plan=standard").is(t, 200).has(t, "La grappe a la place", "512\u00a0Mio", "640\u00a0Mio", "40\u00a0Gio", "rôle d’opérateur").lacks(t, "Passer à")
	reviewer.send("/admin/requests", page, url.Values{"plan": {"standard"}}).is(t, 403)
	staff.get(page+"?plan=standard").is(t, 200).has(t, "Passer à «\u00a0Association\u00a0»", "À l’aise")
	staff.send(page+"?plan=standard", page, url.Values{"plan": {"infinite"}}).is(t, 422)
	staff.send(page+"?plan=standard", page, url.Values{"plan": {"standard"}}).is(t, 303)
	staff.get("/admin/spaces/"+o.ID).is(t, 200).has(t, "La formule a changé", "sur 40\u00a0Gio", "Changement de formule")
	staff.get("/admin/spaces/unknown/plan").is(t, 404)

	// Where there is no room the change is refused, and the page says so before.
	small := b.opened("jardin", "Jardins partagés")
	b.cluster(hosting.Resources{CPU: 9000, Memory: 1100, Disk: 90_000}, hosting.Resources{})
	page = "/admin/spaces/" + small.ID + "/plan"
	staff.get(page+"?plan=large").is(t, 200).has(t, "La grappe n’a pas la place").lacks(t, "Passer à")
	staff.send("/admin/requests", page, url.Values{"plan": {"large"}}).is(t, 409).has(t, "La grappe n’a pas de place pour cette formule")
}

func TestPlansThatTheFilesChanged(t *testing.T) {
	b := setup(t)
	o := b.opened("velo", "Les Amis du Vélo")
	b.measure(o, 7*gib, 9, 3)
	staff, admin := b.staffOf(hosting.RoleOperator), b.staffOf(hosting.RoleAdmin)
	staff.get("/admin/plans").is(t, 200).has(t, "rien à appliquer", "Découverte", "version 1", "8\u00a0Gio", "l’ajout s’arrête après 14 jours", "rien n’est retiré").lacks(t, "Appliquer…")
	// What is in force is an older and smaller plan than the file's.
	_, err := b.raw.Exec(`UPDATE plan_version SET version = 0, limits = replace(limits, '8589934592', '1073741824') WHERE plan = 'starter'`)
	must(t, err)
	_, err = b.control.Reweigh(t.Context())
	must(t, err)
	staff.get("/admin/plans").is(t, 200).has(t, "le fichier dit autre chose", "En vigueur, version 0", "Dans le fichier, version 1", "1 espace a cette formule", o.ID, "frama plan apply starter").lacks(t, "/apply")
	staff.send("/admin/requests", "/admin/plans/starter/apply", url.Values{"version": {"1"}}).is(t, 403)
	admin.get("/admin/plans").is(t, 200).has(t, "Oui, mettre en vigueur la version 1 de «\u00a0Découverte\u00a0»")
	admin.send("/admin/plans", "/admin/plans/starter/apply", url.Values{"version": {"7"}}).is(t, 409)
	admin.send("/admin/plans", "/admin/plans/starter/apply", url.Values{"version": {"x"}}).is(t, 400)
	admin.send("/admin/plans", "/admin/plans/starter/apply", url.Values{"version": {"1"}}).is(t, 303)
	admin.get("/admin/plans").is(t, 200).has(t, "rien à appliquer", "en vigueur", "admin@example.org")
}

func TestWithdrawingASpace(t *testing.T) {
	b := setup(t)
	o := b.approved("velo", "Les Amis du Vélo")
	page := "/admin/spaces/" + o.ID
	b.staffOf(hosting.RoleReviewer).get(page).is(t, 200).lacks(t, page+"/withdraw")
	staff := b.staffOf(hosting.RoleOperator)
	staff.send(page, page+"/withdraw", url.Values{"reason": {" "}}).is(t, 422).has(t, `id="withdraw-reason-error"`, `<details class="decide" open>`)
	staff.post(page+"/withdraw", url.Values{"reason": {"Une raison <écrite> avec soin."}}).is(t, 403).has(t, "Une raison &lt;écrite&gt; avec soin.")
	staff.send(page, page+"/withdraw", url.Values{"reason": {"L’association <a> changé d’avis."}}).is(t, 303)
	staff.get(page).is(t, 200).has(t, "Espace retiré", "Retiré").lacks(t, page+"/withdraw", "frama provision")
	b.browser().get(o.track).is(t, 200).has(t, "nous avons dû revenir en arrière", "L’association &lt;a&gt; changé d’avis.", "Demande retirée par l’équipe", `data-poll="0"`).lacks(t, "Votre usage")
	staff.get("/admin/spaces?state=withdrawn").is(t, 200).has(t, "Retirés", o.ID)
	staff.send("/admin/requests", page+"/withdraw", url.Values{"reason": {"L’association a changé d’avis."}}).is(t, 409)
	live := b.opened("jardin", "Jardins partagés")
	staff.get("/admin/spaces/"+live.ID).is(t, 200).lacks(t, "/withdraw")
}

func TestARequestThatWaitsForRoom(t *testing.T) {
	b := setup(t)
	staff := b.staffOf(hosting.RoleReviewer)
	q := b.pending("velo")
	page := "/admin/requests/" + q.ID
	staff.get(page).is(t, 200).has(t, "frama n’a pas encore regardé la grappe", "Oui, accepter la demande")
	b.cluster(hosting.Resources{CPU: 9000, Memory: 600, Disk: 90_000}, hosting.Resources{})
	staff.get(page).is(t, 200).has(t, "La place suffit", "88\u00a0Mio de mémoire", "Oui, accepter la demande")
	b.cluster(hosting.Resources{CPU: 9000, Memory: 500, Disk: 90_000}, hosting.Resources{})
	staff.get(page).is(t, 200).has(t, "la demande attendrait", "Mémoire\u00a0: 12\u00a0Mio", "Oui, accepter et faire attendre")
	staff.send(page, page+"/approve", url.Values{}).is(t, 303)
	staff.get(page).is(t, 200).has(t, "la place manque, elle attend son tour", "La demande est acceptée et attend de la place", "Refuser…").lacks(t, "Oui, accepter")
	track := "/track/" + b.links.TrackToken(q.ID)
	b.browser().get(track).is(t, 200).has(t, "Nos machines sont pleines en ce moment", "De la place sur nos machines", `data-poll="60"`)
	staff.get("/admin/requests?state=waiting").is(t, 200).has(t, "En attente de place", "attend depuis le 22\u00a0novembre 2026")
	staff.get("/admin/capacity").is(t, 200).has(t, "1 demande attend de la place", "512\u00a0Mio de mémoire")

	second := b.pending("jardin")
	staff.get("/admin/requests/"+second.ID).is(t, 200).has(t, "1 demande attend déjà")
	b.cluster(hosting.Resources{CPU: 9000, Memory: 600, Disk: 90_000}, hosting.Resources{})
	if n, err := b.control.AdmitWaiting(t.Context()); n != 1 || err != nil {
		t.Fatalf("%d admitted: %v", n, err)
	}
	b.browser().get(track).is(t, 200).has(t, "votre espace se prépare", "De la place sur nos machines")
}

func TestCapacityAndCosts(t *testing.T) {
	b := setup(t)
	staff := b.staffOf(hosting.RoleReviewer)
	staff.get("/admin/capacity").is(t, 200).has(t, "Grappe main", "frama n’a pas encore regardé cette grappe", "1295,00\u00a0€", "351\u00a0kWh", "11,22\u00a0kg")
	for day := range 10 {
		if day%2 == 0 {
			b.opened("asso-"+string(rune('a'+day)), hostileName)
		}
		b.cluster(hosting.Resources{CPU: 9000, Memory: 4096, Disk: 90_000}, hosting.Resources{CPU: 200, Memory: 900, Disk: 2000})
		b.clock.Move(24 * time.Hour)
	}
	staff = b.browser()
	staff.signIn("reviewer@example.org")
	staff.get("/admin/capacity").is(t, 200).has(t, "3 machines", "2,5\u00a0Gio</strong> promis sur 4\u00a0Gio", "× 3", `class="chart"`, "Plein dans", "par semaine", "900\u00a0Mio",
		"259,00\u00a0€", "20\u00a0%", "&lt;script&gt;").lacks(t, "<script>alert", "NaN", "<svg onload")
	staff.get("/admin/capacity?lang=en").is(t, 200).has(t, "Full in", "€1,295.00", "CPU")
}
