package web_test

import (
	"html"
	"net/url"
	"strings"
	"testing"

	"framagit.org/frama/frama/services/hosting"
)

// hostile is one form that is wrong somewhere, or looks dangerous.
type hostile struct {
	name   string
	change func(url.Values)
	status int    // 303 when it is accepted all the same
	field  string // that has an error beside it
	text   string // of that error
}

func set(field, value string) func(url.Values) { return func(f url.Values) { f.Set(field, value) } }

func hostiles() []hostile {
	const (
		required, chars, short, long = "à remplir", "caractères invisibles", "un peu court", "trop long"
		email, website, slug         = "adresse de courriel n’est pas valable", "adresse complète", "lettres sans accent"
		choice, reserved             = "dans ce qui est proposé", "est réservé"
	)
	list := []hostile{
		{"nothing at all", func(f url.Values) { clear(f) }, 422, "association", required},
		{"only spaces", set("association", "   \t "), 422, "association", required},
		{"one letter", set("association", "A"), 422, "association", short},
		{"a name of 10 kB", set("association", strings.Repeat("é", 5000)), 422, "association", long},
		{"a name one letter too long", set("association", strings.Repeat("x", hosting.MaxName+1)), 422, "association", long},
		{"right-to-left override", set("association", "Les \u202eeirotsih\u202c"), 422, "association", chars},
		{"right-to-left mark", set("association", "Amis\u200f du vélo"), 422, "association", chars},
		{"isolates", set("association", "\u2066Amis\u2069 du vélo"), 422, "association", chars},
		{"zero-width space", set("association", "Am\u200bis du vélo"), 422, "association", chars},
		{"byte order mark", set("association", "\ufeffAmis du vélo"), 422, "association", chars},
		{"null byte", set("association", "Amis\x00 du vélo"), 422, "association", chars},
		{"escape sequence", set("association", "Amis \x1b[31mrouges"), 422, "association", chars},
		{"line separator", set("contact", "Zoé\u2028Durand"), 422, "contact", chars},
		{"only punctuation", set("association", "!!! ... ---"), 422, "association", chars},
		{"bad UTF-8", set("association", "Amis \xff\xfe du vélo"), 422, "association", chars},
		{"overlong UTF-8", set("contact", "Zo\xc0\xaf Durand"), 422, "contact", chars},
		{"no contact", set("contact", ""), 422, "contact", required},
		{"contact of 10 kB", set("contact", strings.Repeat("z", 10_000)), 422, "contact", long},
		{"no purpose", set("purpose", ""), 422, "purpose", required},
		{"short purpose", set("purpose", "Bonjour"), 422, "purpose", short},
		{"purpose too long", set("purpose", strings.Repeat("m", hosting.MaxPurpose+1)), 422, "purpose", long},
		{"purpose with an override", set("purpose", "Une phrase \u202e honnête"), 422, "purpose", chars},
		{"RNA too short", set("rna", "W12345"), 422, "rna", "numéro RNA"},
		{"RNA without W", set("rna", "1234567890"), 422, "rna", "numéro RNA"},
		{"RNA in full-width digits", set("rna", "W１２３４５６７８９"), 422, "rna", "numéro RNA"},
		{"SIRET with a wrong check digit", set("siret", "73282932000075"), 422, "siret", "SIRET"},
		{"SIRET of zeros", set("siret", "00000000000000"), 422, "siret", "SIRET"},
		{"SIRET too long", set("siret", strings.Repeat("7", 300)), 422, "siret", "SIRET"},
		{"SIRET in letters", set("siret", "quatorze"), 422, "siret", "SIRET"},
		{"website of a script", set("website", "javascript:alert(1)"), 422, "website", website},
		{"website of data", set("website", "data:text/html,<script>alert(1)</script>"), 422, "website", website},
		{"website with a password", set("website", "https://user:pass@velo.example"), 422, "website", website},
		{"website without a scheme", set("website", "velo.example"), 422, "website", website},
		{"website with spaces", set("website", "https://velo.example/ a"), 422, "website", website},
		{"website of this machine", set("website", "http://localhost/"), 422, "website", website},
		{"website too long", set("website", "https://velo.example/"+strings.Repeat("a", 400)), 422, "website", website},
		{"no address", set("email", ""), 422, "email", required},
		{"address without at", set("email", "zoe.velo.example"), 422, "email", email},
		{"address with two", set("email", "zoe@velo.example, eve@evil.example"), 422, "email", email},
		{"address with a display name", set("email", "Zoé <zoe@velo.example>"), 422, "email", email},
		{"header injection", set("email", "zoe@velo.example\r\nBcc: eve@evil.example"), 422, "email", email},
		{"header injection by line feed", set("email", "zoe@velo.example\nSubject: x"), 422, "email", email},
		{"quoted local part", set("email", `"zoe@x"@velo.example`), 422, "email", email},
		{"address literal", set("email", "zoe@[127.0.0.1]"), 422, "email", email},
		{"address with a comment", set("email", "zoe(comment)@velo.example"), 422, "email", email},
		{"homograph domain", set("email", "zoe@vеlo.example"), 422, "email", email},
		{"address without a dot", set("email", "root@localhost"), 422, "email", email},
		{"address too long", set("email", strings.Repeat("a", 65)+"@velo.example"), 422, "email", email},
		{"unknown language", set("lang", "de"), 422, "lang", choice},
		{"no slug", set("slug", ""), 422, "slug", required},
		{"short slug", set("slug", "ab"), 422, "slug", "Entre 3 et 40"},
		{"long slug", set("slug", strings.Repeat("a", 41)), 422, "slug", "Entre 3 et 40"},
		{"slug of 10 kB", set("slug", strings.Repeat("a", 10_000)), 422, "slug", "Entre 3 et 40"},
		{"homograph slug", set("slug", "vеlo"), 422, "slug", slug},
		{"slug with an accent", set("slug", "vélo"), 422, "slug", slug},
		{"punycode slug", set("slug", "xn--vlo-bma"), 422, "slug", slug},
		{"slug with dots", set("slug", "velo.example"), 422, "slug", slug},
		{"slug with a path", set("slug", "../../etc"), 422, "slug", slug},
		{"slug with a wildcard", set("slug", "*velo"), 422, "slug", slug},
		{"slug with an underscore", set("slug", "_acme-challenge"), 422, "slug", slug},
		{"slug at the edge", set("slug", "-velo"), 422, "slug", slug},
		{"slug of digits", set("slug", "192168"), 422, "slug", "au moins une lettre"},
		{"slug with a null byte", set("slug", "velo\x00"), 422, "slug", slug},
		{"slug with a zero-width joiner", set("slug", "ve\u200dlo"), 422, "slug", slug},
		{"reserved slug", set("slug", "admin"), 422, "slug", reserved},
		{"reserved slug in capitals", set("slug", "WWW"), 422, "slug", reserved},
		{"slug the host reserves", set("slug", "reserve"), 422, "slug", reserved},
		{"slug of another's pads", set("slug", "velo-pads"), 422, "slug", reserved},
		{"slug that is taken", set("slug", "deja-pris"), 422, "slug", "déjà pris"},
		{"taken slug in capitals", set("slug", " Deja-Pris "), 422, "slug", "déjà pris"},
		{"no kind", func(f url.Values) { f.Del("kinds") }, 422, "kinds", "au moins un service"},
		{"unknown kind", set("kinds", "raw_exec"), 422, "kinds", choice},
		{"kind that is not offered", set("kinds", "office"), 422, "kinds", choice},
		{"a kind twice", func(f url.Values) { f["kinds"] = []string{"pads", "pads"} }, 422, "kinds", choice},
		{"kind in brackets", func(f url.Values) { f["kinds[]"] = f["kinds"]; f.Del("kinds") }, 422, "kinds", "au moins un service"},
		{"unknown plan", set("plan", "infinite"), 422, "plan", choice},
		{"no plan", set("plan", ""), 422, "plan", choice},
		{"charter not accepted", set("charter", ""), 422, "charter", "Cochez la case"},
		{"old charter", set("charter", "2019-01"), 422, "charter", "a changé depuis"},
		{"slug sent twice", func(f url.Values) { f["slug"] = []string{"velo", "admin"} }, 422, "slug", "arrivé deux fois"},
		{"address sent twice", func(f url.Values) { f["email"] = []string{"zoe@velo.example", "eve@evil.example"} }, 422, "email", "arrivé deux fois"},
		{"charter sent twice", func(f url.Values) { f["charter"] = []string{charter, charter} }, 422, "charter", "arrivé deux fois"},
		{"fields nobody asked for", func(f url.Values) { f.Set("state", "approved"); f.Set("id", "1"); f.Set("reviewer_id", "1") }, 303, "", ""},
	}
	// What is dangerous elsewhere is a name like any other here.
	for _, text := range []string{
		`Robert'); DROP TABLE request;--`, `<script>alert("x")</script>`, `"><img src=x onerror=alert(1)>`, `${file("/etc/passwd")}`,
		`{{ key "secret" }} %{ for a in b }`, `</textarea><b>gras`, "`id` $(id) ; rm -rf /", `=HYPERLINK("http://evil.example")`, `%s%n%d ../../`,
	} {
		for _, field := range []string{"association", "contact", "purpose"} {
			list = append(list, hostile{"metacharacters in " + field + ": " + text, set(field, text), 303, "", ""})
		}
		list = append(list, hostile{"metacharacters in slug: " + text, set("slug", text), 422, "slug", slug},
			hostile{"metacharacters in email: " + text, set("email", text), 422, "email", email},
			hostile{"metacharacters in plan: " + text, set("plan", text), 422, "plan", choice},
			hostile{"metacharacters in kinds: " + text, set("kinds", text), 422, "kinds", choice})
	}
	return list
}

func TestHostileForms(t *testing.T) {
	b := setup(t)
	b.pending("deja-pris")
	b.addUser("revue@example.org", hosting.RoleReviewer)
	staff := b.browser()
	staff.signIn("revue@example.org")
	for _, h := range hostiles() {
		t.Run(h.name, func(t *testing.T) {
			form := typed()
			form.Set("slug", "velo")
			h.change(form)
			b.t = t
			before, audit, mails := b.rows("request"), b.rows("audit"), b.rows("outbox")
			visitor := b.browser()
			a := visitor.send("/request", "/request", form).is(t, h.status)
			if h.status == 303 {
				if b.rows("request") != before+1 {
					t.Fatal("accepted, but there is no request")
				}
				shownAsText(t, b, staff, form)
				_, err := b.raw.Exec("DELETE FROM request WHERE state = 'unconfirmed'")
				must(t, err)
				return
			}
			if b.rows("request") != before || b.rows("audit") != audit || b.rows("outbox") != mails {
				t.Error("refused, but something was written")
			}
			a.has(t, `id="`+h.field+`-error"`, `href="#`+h.field+`"`)
			if i := strings.Index(a.body, `id="`+h.field+`-error"`); i >= 0 && !strings.Contains(a.body[i:min(len(a.body), i+900)], h.text) {
				t.Errorf("beside %s there is no %q", h.field, h.text)
			}
			kept(t, a, form)
		})
	}
	if n := len(hostiles()); n < 60 {
		t.Errorf("%d hostile forms, want at least 60", n)
	}
}

// kept checks that the page holds all that was typed, as text.
func kept(t *testing.T, a answer, form url.Values) {
	t.Helper()
	page := html.UnescapeString(a.body)
	for _, field := range []string{"association", "rna", "siret", "website", "contact", "email", "purpose", "slug"} {
		value := strings.ReplaceAll(strings.ToValidUTF8(form.Get(field), "\ufffd"), "\x00", "\ufffd")
		if !strings.Contains(strings.ToValidUTF8(page, "\ufffd"), value) {
			t.Errorf("%s was lost: %.80q", field, value)
		}
	}
	harmless(t, a, form)
}

// harmless checks that nothing typed became markup.
func harmless(t *testing.T, a answer, form url.Values) {
	t.Helper()
	for field, values := range form {
		for _, value := range values {
			if strings.ContainsAny(value, "<\"") && strings.Contains(a.body, value) {
				t.Errorf("%s stands unescaped in the page: %q", field, value)
			}
		}
	}
}

// shownAsText follows an accepted request to the reviewer's page and the tracking page.
func shownAsText(t *testing.T, b *bench, staff *browser, form url.Values) {
	t.Helper()
	var id string
	must(t, b.raw.QueryRow("SELECT id FROM request WHERE state = 'unconfirmed'").Scan(&id))
	for _, path := range []string{"/admin/requests/" + id, "/admin/requests?state=unconfirmed", "/confirm/" + b.links.ConfirmToken(id), "/track/" + b.links.TrackToken(id)} {
		harmless(t, staff.get(path).is(t, 200), form)
	}
	page := html.UnescapeString(staff.get("/admin/requests/" + id).body)
	for _, field := range []string{"association", "contact", "purpose"} {
		if !strings.Contains(page, form.Get(field)) {
			t.Errorf("the reviewer does not see the %s as it was typed", field)
		}
	}
}

func TestHostileRequests(t *testing.T) {
	b := setup(t)
	q := b.pending("velo")
	confirm := "/confirm/" + b.links.ConfirmToken(q.ID)
	audit := b.rows("audit")
	visitor := b.browser()
	form := typed()
	form.Set("token", visitor.token("/request"))
	for _, c := range []struct {
		name, method, path, kind, body string
		status                         int
	}{
		{"JSON instead of a form", "POST", "/request", "application/json", `{"association":"x"}`, 415},
		{"multipart instead of a form", "POST", "/request", "multipart/form-data; boundary=x", "--x--", 415},
		{"plain text, which other sites can send", "POST", "/request", "text/plain", form.Encode(), 415},
		{"no content type", "POST", "/request", "", form.Encode(), 415},
		{"broken escapes", "POST", "/request", formType, "association=%zz&token=x", 400},
		{"semicolons", "POST", "/request", formType, "association=a;slug=b", 400},
		{"PUT of the form", "PUT", "/request", formType, form.Encode(), 405},
		{"DELETE of the form", "DELETE", "/request", "", "", 405},
		{"PATCH with an override", "PATCH", "/request?_method=POST", formType, form.Encode(), 405},
		{"POST to a page", "POST", "/", formType, form.Encode(), 405},
		{"POST to the tracking page", "POST", "/track/" + b.links.TrackToken(q.ID), formType, form.Encode(), 405},
		{"GET of an approval", "GET", "/admin/requests/" + q.ID + "/approve", "", "", 405},
		{"GET of the sign-out", "GET", "/admin/logout", "", "", 405},
		{"approval without a session", "POST", "/admin/requests/" + q.ID + "/approve", formType, form.Encode(), 401},
		{"unknown confirmation", "GET", "/confirm/" + strings.Repeat("A", 43), "", "", 404},
		{"unknown confirmation sent", "POST", "/confirm/" + strings.Repeat("A", 43), formType, form.Encode(), 404},
		{"unknown tracking page", "GET", "/track/" + strings.Repeat("A", 43), "", "", 404},
		{"tracking by the confirmation's token", "GET", "/track/" + b.links.ConfirmToken(q.ID), "", "", 404},
		{"confirmation by the tracking token", "GET", "/confirm/" + b.links.TrackToken(q.ID), "", "", 404},
		{"tracking by the request's ID", "GET", "/track/" + q.ID, "", "", 404},
		{"a token of SQL", "GET", "/track/%27%20OR%201%3D1--", "", "", 404},
		{"a token of 8 kB", "GET", "/track/" + strings.Repeat("a", 8<<10), "", "", 404},
		{"a path that climbs", "GET", "/static/../../etc/passwd", "", "", 404},
		{"a null byte in the path", "GET", "/track/%00", "", "", 404},
		{"slug of SQL", "GET", "/slug?slug=%27%3B+DROP+TABLE+space", "", "", 200},
		{"slug in bad UTF-8", "GET", "/slug?slug=%ff%fe&name=%ff", "", "", 200},
		{"replayed confirmation", "POST", confirm, formType, form.Encode(), 303},
		{"replayed confirmation again", "POST", confirm, formType, form.Encode(), 303},
	} {
		t.Run(c.name, func(t *testing.T) {
			b.t = t
			a := visitor.do(c.method, c.path, c.kind, c.body).is(t, c.status)
			if c.status >= 400 && !strings.Contains(a.body, "<h1>") {
				t.Errorf("no page says what is wrong: %.300s", a.body)
			}
		})
	}
	if b.rows("request") != 1 || b.rows("space") != 0 || b.rows("audit") != audit || b.state(q.ID) != hosting.RequestPending {
		t.Errorf("something was written: %d requests, %d spaces, %d new audit entries", b.rows("request"), b.rows("space"), b.rows("audit")-audit)
	}
}
