//go:build e2e

package web_test

import (
	"context"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"framagit.org/frama/frama/services/hosting"
)

func TestFormByKeyboardOnly(t *testing.T) {
	w := open(t)
	w.visit("/request")
	w.run(chromedp.KeyEvent(kb.Tab))
	if text := w.focused(); text != "Aller au contenu" {
		t.Fatalf("the first stop of the keyboard is %q", text)
	}
	write := func(id, text string) {
		t.Helper()
		w.tabTo(id)
		w.run(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
			_, err := cdp.Call(ctx, t, input.InsertText, input.InsertTextParams{Text: text})
			return err
		}))
	}
	write("association", "Les Amis du Vélo")
	w.run(chromedp.KeyEvent(kb.Tab))
	w.wait(`document.getElementById("slug").value === "amis-velo"`)
	write("contact", "Zoé Durand")
	write("email", "zoe@velo.example")
	write("purpose", "Préparer nos ateliers et nos comptes rendus à plusieurs.")
	w.tabTo("kinds=pads")
	w.run(chromedp.KeyEvent(" "))
	w.tabTo("kinds=calcs")
	w.run(chromedp.KeyEvent(" "))
	w.tabTo("charter")
	w.run(chromedp.KeyEvent(" "))
	w.wait(`document.querySelector("#slug-answer .hosts")`)
	w.shoot("form")
	w.dark(true)
	w.shoot("form-dark")
	w.dark(false)
	// Enter in a field sends the form, not the button that looks the name up.
	w.run(chromedp.Focus("#email"), chromedp.KeyEvent(kb.Enter), chromedp.WaitVisible(".big-icon"))
	if path := w.eval("location.pathname"); path != "/request/sent" {
		t.Fatalf("Enter led to %s", path)
	}
	w.shoot("sent")
	if n := w.rows("request"); n != 1 {
		t.Fatalf("%d requests, want 1", n)
	}
}

func TestFormErrorsAndLanguageInABrowser(t *testing.T) {
	w := open(t)
	w.visit("/request")
	w.run(chromedp.SendKeys("#association", "A"), chromedp.SendKeys("#siret", "123"), chromedp.SendKeys("#email", "zoe"),
		chromedp.SendKeys("#purpose", "Garder <ce> texte & tout"), chromedp.Submit("#request-form"), chromedp.WaitVisible("#summary"))
	if id := w.focused(); id != "summary" {
		t.Errorf("the focus is on %q, not on the summary of errors", id)
	}
	w.shoot("form-errors")
	w.run(chromedp.Click(`button[value="lang-en"]`), chromedp.WaitVisible(`html[lang=en]`))
	if text := w.eval(`document.getElementById("purpose").value`); text != "Garder <ce> texte & tout" {
		t.Errorf("the switch of language lost the text: %q", text)
	}
	w.shoot("form-english")
	w.size(390, true)
	w.visit("/request")
	w.shoot("form-mobile")
	if w.eval(`String(document.documentElement.scrollWidth <= innerWidth)`) != "true" {
		t.Error("the page is wider than a phone")
	}
	w.visit("/")
	w.shoot("home-mobile")
	w.size(1200, false)
	w.visit("/?lang=fr")
	w.shoot("home")
	w.dark(true)
	w.shoot("home-dark")
	w.visit("/nothing-here")
	w.shoot("error-dark")
}

func TestDashboardInABrowser(t *testing.T) {
	w := open(t)
	first := w.pending("velo")
	for i, name := range []string{"Jardins partagés du Canal", "Chorale À Tue-Tête", "Radio Quartier Libre", "Ludothèque Les Dés Pipés"} {
		s := submission()
		s.Association.Name, s.Slug, s.Contact.Email = name, hosting.ProposeSlug(name, hosting.Reserved{}), "bonjour@asso.example"
		s.Kinds = s.Kinds[:1+i%2]
		q, err := w.control.Submit(t.Context(), hosting.Actor{Name: "public"}, s)
		must(t, err)
		_, err = w.control.Confirm(t.Context(), hosting.Actor{Name: "public"}, w.links.ConfirmToken(q.ID))
		must(t, err)
		w.clock.Move(7 * time.Hour)
	}
	w.addUser("ops@example.org", hosting.RoleOperator)
	w.visit("/admin/requests")
	w.shoot("login")
	w.run(chromedp.SendKeys("#email", "ops@example.org"), chromedp.SendKeys("#password", password+kb.Enter), chromedp.WaitVisible(".staff .tabs"))
	w.shoot("queue")
	w.size(390, true)
	w.shoot("queue-mobile")
	w.size(1200, false)
	w.visit("/admin/requests/" + first.ID)
	w.shoot("request")
	w.run(chromedp.Click(".decide:nth-of-type(2) summary"))
	w.shoot("request-refuse")
	w.run(chromedp.Click(".decide:nth-of-type(1) summary"), chromedp.Click(".decide:nth-of-type(1) button"), chromedp.WaitVisible(".notice"))
	w.shoot("request-approved")

	// The worker is at its third step: the tracking page shows it, and goes on by itself.
	claim, ok, err := w.store.ClaimRun(t.Context(), "test", nil, time.Hour)
	must(t, err)
	if !ok {
		t.Fatal("no run to claim")
	}
	for seq := range 5 {
		must(t, w.store.BeginStep(t.Context(), claim, seq))
		w.clock.Move(1700 * time.Millisecond)
		if seq < 4 {
			must(t, w.store.FinishStep(t.Context(), claim, seq, ""))
		}
	}
	w.visit("/track/" + w.links.TrackToken(first.ID))
	w.shoot("track")
	must(t, w.store.FinishStep(t.Context(), claim, 4, ""))
	must(t, w.store.BeginStep(t.Context(), claim, 5))
	w.wait(`document.getElementById("progress-status").textContent.includes("Étape 6")`)
	must(t, w.store.ParkRun(t.Context(), claim, 5, "The certificate authority answered 429 rateLimited: retry after 03:00 UTC."))
	w.wait(`document.querySelector(".stage-stopped")`)
	w.shoot("track-parked")

	w.visit("/admin/spaces")
	w.shoot("spaces")
	w.run(chromedp.Click(".row-link"), chromedp.WaitVisible(".parked"))
	w.shoot("space")
	w.dark(true)
	w.shoot("space-dark")
	w.dark(false)
	w.run(chromedp.Click(".parked button"), chromedp.WaitVisible(".notice"))
	w.finish(t)
	w.visit("/track/" + w.links.TrackToken(first.ID))
	w.shoot("track-open")
	w.visit("/admin/audit")
	w.shoot("audit")
	w.visit("/admin/requests?q=" + url.QueryEscape("rien de tel"))
	w.shoot("queue-empty")
	w.visit("/admin/requests")
	pdf, err := chromedp.Run(w.ctx, chromedp.PrintToPDF())
	must(t, err)
	if !strings.HasPrefix(string(pdf), "%PDF") {
		t.Error("the page does not print")
	}
}

// finish does what is left of the retried run.
func (w *window) finish(t *testing.T) {
	claim, ok, err := w.store.ClaimRun(t.Context(), "test", nil, time.Hour)
	must(t, err)
	if !ok {
		t.Fatal("the retried run cannot be claimed")
	}
	for _, step := range claim.Run.Steps[5:] {
		must(t, w.store.BeginStep(t.Context(), claim, step.Seq))
		must(t, w.store.FinishStep(t.Context(), claim, step.Seq, ""))
	}
	must(t, w.store.FinishRun(t.Context(), claim))
	_, err = w.raw.Exec("UPDATE space SET state = 'active', activated_at = ?", w.clock.Now().UnixMicro())
	must(t, err)
}
