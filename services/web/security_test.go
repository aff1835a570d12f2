package web_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/web"
)

func TestHeadersOnEveryPage(t *testing.T) {
	b := setup(t, func(o *web.Options) { o.Secure, o.PublicURL = true, "https://frama.example.org" })
	for _, path := range []string{"/", "/request", "/slug?slug=velo", "/track/unknown", "/admin/login", "/nothing", "/healthz", "/favicon.svg"} {
		a := b.browser().get(path)
		for name, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
			"X-Content-Type-Options":  "nosniff", "X-Frame-Options": "DENY", "Cross-Origin-Opener-Policy": "same-origin",
			"Strict-Transport-Security": "max-age=31536000",
		} {
			if got := a.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
		if a.Header.Get("Referrer-Policy") == "" || a.Header.Get("Server") != "" {
			t.Errorf("%s: Referrer-Policy %q, Server %q", path, a.Header.Get("Referrer-Policy"), a.Header.Get("Server"))
		}
		if strings.Contains(a.body, "style=") || strings.Contains(a.body, "<style") || strings.Contains(a.body, "onclick") {
			t.Errorf("%s holds what the content policy forbids", path)
		}
	}
}

func TestStaticFilesAreKeptForEver(t *testing.T) {
	b := setup(t)
	home := b.browser().get("/").body
	i := strings.Index(home, "/static/style.")
	path := home[i : i+strings.Index(home[i:], `"`)]
	a := b.browser().get(path).is(t, 200)
	if a.Header.Get("Cache-Control") != "public, max-age=31536000, immutable" || a.Header.Get("Content-Type") != "text/css; charset=utf-8" {
		t.Errorf("headers %v", a.Header)
	}
	b.browser().get("/static/style.css").is(t, 404)
	b.browser().get("/static/..%2fweb.go").is(t, 404)
	b.browser().get("/robots.txt").is(t, 200).has(t, "Disallow: /track/")
}

func TestCookiesOfASecureSite(t *testing.T) {
	b := setup(t, func(o *web.Options) { o.Secure, o.PublicURL = true, "https://frama.example.org" })
	b.addUser("ops@example.org", hosting.RoleOperator)
	staff := b.browser()
	a := staff.send("/admin/login", "/admin/login", url.Values{"email": {"ops@example.org"}, "password": {password}}).is(t, 303)
	cookie := a.Header.Get("Set-Cookie")
	for _, want := range []string{"__Host-frama_session=", "HttpOnly", "secure", "path=/", "SameSite=Lax"} {
		if !strings.Contains(cookie, want) {
			t.Errorf("the cookie lacks %s: %s", want, cookie)
		}
	}
	if strings.Contains(strings.ToLower(cookie), "domain=") {
		t.Errorf("the cookie is not bound to the host: %s", cookie)
	}
	staff.get("/admin/requests").is(t, 200)
}

// Every route that changes something refuses a form that does not come from its own page.
func TestNoFormWorksWithoutItsToken(t *testing.T) {
	b := setup(t)
	q := b.pending("velo")
	b.addUser("admin@example.org", hosting.RoleAdmin)
	staff := b.browser()
	staff.signIn("admin@example.org")
	o := b.opened("jardin", "Jardins partagés")
	values := func(path string) map[string]string { // there is something behind each address
		switch {
		case strings.HasPrefix(path, "/track/"):
			return map[string]string{":token": b.links.TrackToken(o.Request.ID)}
		case strings.HasPrefix(path, "/admin/spaces/"):
			return map[string]string{":id": o.ID}
		}
		return map[string]string{":token": b.links.ConfirmToken(q.ID), ":id": q.ID, ":plan": "starter"}
	}
	tried := 0
	for _, route := range b.app.GetRoutes(true) {
		if route.Method == "GET" || route.Method == "HEAD" {
			continue
		}
		path := route.Path
		for parameter, value := range values(path) {
			path = strings.ReplaceAll(path, parameter, value)
		}
		tried++
		for _, form := range []url.Values{{}, {"token": {"AAAA"}}, {"token": {""}}} {
			if a := staff.post(path, form); a.StatusCode != 403 {
				t.Errorf("%s %s without its token: status %d", route.Method, path, a.StatusCode)
			}
		}
		// The right token, sent from another site.
		token := staff.token("/request")
		if strings.HasPrefix(path, "/admin/") && path != "/admin/login" {
			token = staff.token("/admin/requests")
		}
		for name, value := range map[string]string{"Sec-Fetch-Site": "same-site", "Origin": "https://velo-pads.example.org"} {
			staff.headers = map[string]string{name: value}
			if a := staff.post(path, url.Values{"token": {token}}); a.StatusCode != 403 {
				t.Errorf("%s %s with %s %s: status %d", route.Method, path, name, value, a.StatusCode)
			}
			staff.headers = map[string]string{}
		}
	}
	if tried < 14 {
		t.Errorf("only %d routes that change something", tried)
	}
	if b.state(q.ID) != hosting.RequestPending {
		t.Error("a forged form decided on a request")
	}
	if b.rows("quota_exception") != 0 || b.rows("quota_ask") != 0 {
		t.Error("a forged form changed a limit or asked for more")
	}
}

func TestForgedFormKeepsWhatWasTypedAndWorksTheSecondTime(t *testing.T) {
	b := setup(t)
	visitor := b.browser()
	form := typed()
	form.Set("token", "stale")
	a := visitor.post("/request", form).is(t, 403).has(t, "envoyez à nouveau", "Les Amis du Vélo", "zoe@velo.example", "Préparer nos ateliers", `value="velo"`)
	if strings.Count(a.body, " checked") != 5 { // language, two kinds, plan, charter
		t.Errorf("ticks were lost: %d", strings.Count(a.body, " checked"))
	}
	form.Set("token", tokenPattern.FindStringSubmatch(a.body)[1])
	visitor.post("/request", form).is(t, 303)
}

func TestSessionsEnd(t *testing.T) {
	b := setup(t)
	q := b.pending("velo")
	b.addUser("ops@example.org", hosting.RoleOperator)
	staff := b.browser()
	staff.signIn("ops@example.org")
	page := "/admin/requests/" + q.ID
	token := staff.token(page)
	session := staff.cookies["frama_session"]

	b.clock.Move(9 * time.Hour)
	staff.cookies["frama_session"] = session
	if to := staff.get(page).is(t, 303).Header.Get("Location"); to != "/admin/login?next="+url.QueryEscape(page) {
		t.Errorf("sent to %s", to)
	}
	staff.post(page+"/refuse", url.Values{"token": {token}, "reason": {"Une longue raison <écrite>"}}).is(t, 401).
		has(t, "Une longue raison &lt;écrite&gt;", `name="next" value="`+page+`"`)

	b.clock.Move(-9 * time.Hour)
	staff.cookies["frama_session"] = session
	staff.send("/admin/requests", "/admin/logout", url.Values{}).is(t, 303)
	staff.cookies["frama_session"] = session
	staff.get("/admin/requests").is(t, 303)
}

func TestSignInLeadsOnlyToTheDashboard(t *testing.T) {
	b := setup(t)
	b.addUser("ops@example.org", hosting.RoleOperator)
	for next, want := range map[string]string{
		"/admin/spaces?q=a": "/admin/spaces?q=a", "/admin": "/admin", "": "/admin", "https://evil.example/admin/": "/admin",
		"//evil.example/admin/": "/admin", "/\\evil.example/admin": "/admin", "/admin/../../x": "/admin", "javascript:alert(1)": "/admin",
		"/adminevil": "/admin", "/admin\r\nX: y": "/admin", "///evil.example/admin/": "/admin", "//evil.example/admin/spaces": "/admin", "/track/x": "/admin",
	} {
		a := b.browser().send("/admin/login", "/admin/login", url.Values{"email": {"ops@example.org"}, "password": {password}, "next": {next}}).is(t, 303)
		if got := a.Header.Get("Location"); got != want {
			t.Errorf("next=%q leads to %q, want %q", next, got, want)
		}
	}
}

func TestSignInIsLimitedAndSaysLittle(t *testing.T) {
	b := setup(t)
	b.addUser("ops@example.org", hosting.RoleOperator)
	staff := b.browser()
	wrong := url.Values{"email": {"ops@example.org"}, "password": {"wrong"}}
	known := staff.send("/admin/login", "/admin/login", wrong).is(t, 401).has(t, "ne convient pas", `value="ops@example.org"`).lacks(t, ">wrong", `"wrong"`)
	unknown := staff.send("/admin/login", "/admin/login", url.Values{"email": {"nobody@example.org"}, "password": {"wrong"}}).is(t, 401)
	if strings.ReplaceAll(known.body, "ops@", "nobody@") != unknown.body {
		t.Error("the answers tell which addresses have an account")
	}
	for range 4 {
		staff.send("/admin/login", "/admin/login", wrong).is(t, 401)
	}
	wrong.Set("password", password)
	a := staff.send("/admin/login", "/admin/login", wrong).is(t, 429).has(t, "15 minutes")
	if a.Header.Get("Retry-After") != "900" {
		t.Errorf("Retry-After %q", a.Header.Get("Retry-After"))
	}
}

func TestFormsAreLimitedPerAddress(t *testing.T) {
	b := setup(t, func(o *web.Options) { o.FormLimitPerMinute, o.TrustedProxies = 3, []string{"0.0.0.0"} })
	visitor := b.browser()
	visitor.headers["X-Forwarded-For"] = "6.6.6.6, 192.0.2.7"
	form := typed()
	form.Set("email", "wrong")
	for range 3 {
		visitor.send("/request", "/request", form).is(t, 422)
	}
	// Another first hop is only what the client says: still the same address.
	visitor.headers["X-Forwarded-For"] = "7.7.7.7, 192.0.2.7"
	a := visitor.send("/request", "/request", form).is(t, 429).has(t, "Les Amis du Vélo", "rien de ce que vous avez écrit")
	if a.Header.Get("Retry-After") != "20" {
		t.Errorf("Retry-After %q", a.Header.Get("Retry-After"))
	}
	visitor.headers["X-Forwarded-For"] = "192.0.2.8"
	visitor.send("/request", "/request", form).is(t, 422)
	visitor.headers["X-Forwarded-For"] = "192.0.2.7"
	b.clock.Move(20 * time.Second)
	visitor.send("/request", "/request", form).is(t, 422)
}

func TestLanguageIsTheVisitorsChoice(t *testing.T) {
	b := setup(t)
	visitor := b.browser()
	visitor.get("/").has(t, `<html lang="fr">`)
	visitor.headers["Accept-Language"] = "en-GB,en;q=0.9"
	visitor.get("/").has(t, `<html lang="en">`, "An online space of your own")
	visitor.get("/?lang=fr").has(t, `<html lang="fr">`)
	visitor.get("/request").has(t, `<html lang="fr">`)
	form := typed()
	form.Set("action", "lang-en")
	form.Set("purpose", "À garder mot pour mot")
	visitor.send("/request", "/request", form).is(t, 200).has(t, `<html lang="en">`, "À garder mot pour mot", "Request a space")
	visitor.get("/").has(t, `<html lang="en">`)
	visitor.get("/?lang=%3Cscript%3E").is(t, 200).has(t, `<html lang="en">`)
	visitor.get("/nothing").is(t, 404).has(t, "This page does not exist")
}

func TestErrorsTellAReferenceAndNothingElse(t *testing.T) {
	b := setup(t)
	q := b.pending("velo")
	_, err := b.raw.Exec("DROP TABLE outbox")
	must(t, err)
	visitor := b.browser()
	form := typed()
	form.Set("slug", "autre")
	a := visitor.send("/request", "/request", form).is(t, 500).has(t, "donnez cette référence", "Préparer nos ateliers").lacks(t, "outbox", "SQL", "no such table")
	if !strings.Contains(b.log.String(), "no such table") || !strings.Contains(b.log.String(), a.Header.Get("X-Request-Id")) {
		t.Error("the log holds neither the cause nor the reference")
	}
	_, err = b.raw.Exec("ALTER TABLE request RENAME TO gone")
	must(t, err)
	token := b.links.TrackToken(q.ID)
	visitor.get("/track/"+token).is(t, 500).has(t, "Quelque chose a cassé").lacks(t, "gone", "SQL")
	visitor.get("/x/TRACK/"+token).is(t, 404)
	visitor.get("/confirm/"+b.links.ConfirmToken(q.ID)+"/more").is(t, 404)
	for _, secret := range []string{token, b.links.ConfirmToken(q.ID)} {
		if strings.Contains(b.log.String(), secret) {
			t.Error("the log holds the token of a private link")
		}
	}
}

func TestRolesAreRespected(t *testing.T) {
	b := setup(t)
	b.pending("velo")
	b.addUser("revue@example.org", hosting.RoleReviewer)
	staff := b.browser()
	staff.signIn("revue@example.org")
	staff.send("/admin/requests", "/admin/runs/unknown/retry", url.Values{}).is(t, 403).has(t, "operator")
	for _, path := range []string{"/admin/requests/unknown", "/admin/spaces/unknown", "/admin/nothing"} {
		staff.get(path).is(t, 404)
	}
	staff.get("/admin").is(t, 303)
	staff.get("/admin/spaces").is(t, 200).has(t, "Aucun espace pour l’instant", "/admin/requests")
	staff.get("/admin/requests?state=refused").is(t, 200).has(t, "Aucune demande dans cet état")
	staff.get("/admin/requests?state=nonsense&kind=%27&page=-1&q=%25%27%22%3Cb%3E").is(t, 200).has(t, "&lt;b&gt;").lacks(t, "<b>")
	staff.get("/admin/audit?q=rien").is(t, 200).has(t, "Rien ne correspond")
}
