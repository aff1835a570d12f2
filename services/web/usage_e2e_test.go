//go:build e2e

package web_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"framagit.org/frama/frama/services/control"
	"framagit.org/frama/frama/services/hosting"
)

// year is a host with a history: spaces at every level, a cluster that fills up, wishes and a request that waits for room.
func (w *window) year() (full, over, approved opened, waiting hosting.Request) {
	w.t.Helper()
	full = w.opened("velo", "Les Amis du Vélo")
	over = w.opened("radio", "Radio Quartier Libre")
	calm, near := w.opened("jardin", "Jardins partagés du Canal"), w.opened("chorale", "Chorale À Tue-Tête")
	for day := range int64(100) {
		w.cluster(hosting.Resources{CPU: 24000, Memory: 14_000 + int(day/90)*100, Disk: 90_000}, hosting.Resources{CPU: 2000 + int(day)*11, Memory: 5000 + int(day)*23, Disk: 9000 + int(day)*150})
		if day < 40 || day > 52 { // nobody measured anything for a while
			step := func(o opened, bytes, people, pads int64) hosting.Measurement {
				return w.measurement(o, bytes<<20, people, pads)
			}
			must(w.t, w.control.RecordUsage(context.Background(), []hosting.Measurement{
				step(full, 2000+day*63, 4, 30+day), step(calm, 900+day%7*20, 3, 8), step(near, 3000+day*46, 6+day/30, 40+day/2), step(over, 8000+day*48, 9, 300+4*day),
			}))
		}
		if day%20 == 9 {
			w.opened(fmt.Sprint("asso-", day), fmt.Sprint("Association n° ", day))
		}
		w.clock.Move(24 * time.Hour)
	}
	_, err := w.control.RollUp(context.Background())
	must(w.t, err)
	w.measure(full, 8300<<20, 4, 130)
	m := w.measurement(near, 0, 0, 0)
	m.Readings = []hosting.Reading{{Metric: "pads", Problem: "GET /api/1.2.15/listAllPads answered 401: the key was refused. Look whether the application was set up by hand."}, {Metric: hosting.MetricAccounts, Value: 9}}
	must(w.t, w.control.RecordUsage(context.Background(), []hosting.Measurement{m}))
	_, err = w.control.SetException(context.Background(), w.admin(), near.ID, control.NewException{
		Metric: "accounts", Limit: 15, Reason: "Festival en mars : dix bénévoles de plus.", ExpiresAt: w.clock.Now().AddDate(0, 3, 0),
	})
	must(w.t, err)
	for o, ask := range map[*opened]control.NewAsk{
		&full: {Metric: "storage", Wanted: 20 << 30, Reason: "Nous numérisons nos archives : environ dix gigaoctets de photos."},
		&over: {Plan: "standard", Reason: "Nous sommes quarante maintenant, et la radio garde ses émissions."},
	} {
		_, err := w.control.AskMore(context.Background(), hosting.Actor{Name: "public"}, strings.TrimPrefix(o.track, "/track/"), ask)
		must(w.t, err)
	}
	approved = w.approved("ludotheque", "Ludothèque Les Dés Pipés")
	w.cluster(hosting.Resources{CPU: 24000, Memory: 100, Disk: 90_000}, hosting.Resources{CPU: 3000, Memory: 7000, Disk: 24_000})
	waiting = w.pending("theatre")
	_, err = w.control.Approve(context.Background(), w.admin(), waiting.ID)
	must(w.t, err)
	return full, over, approved, waiting
}

// Each page about usage, in both languages, light and dark, on a large screen and on the narrowest phone.
func TestPagesOfUsageHaveNoBarriers(t *testing.T) {
	w, axe := open(t), axe(t)
	full, over, approved, waiting := w.year()
	next := w.pending("cirque")
	w.addUser("ops@example.org", hosting.RoleAdmin)
	look := func(name, path string, prepare ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		if only := os.Getenv("FRAMA_PAGE"); only != "" && !strings.Contains(name, only) {
			return
		}
		for _, lang := range []string{"fr", "en"} {
			for _, width := range []int64{1200, 320} {
				w.size(width, width < 600)
				for _, dark := range []bool{false, true} {
					w.dark(dark)
					sign := "?"
					if strings.Contains(path, "?") {
						sign = "&"
					}
					w.visit(path + sign + "lang=" + lang)
					w.run(prepare...)
					w.run(chromedp.Sleep(200 * time.Millisecond)) // colours change gently under the mouse
					shown := fmt.Sprintf("%s-%s-%d", name, lang, width)
					if dark {
						shown += "-dark"
					}
					w.barriers(axe, shown)
					if w.eval(fmt.Sprintf(`String(document.documentElement.scrollWidth <= %d)`, width)) != "true" {
						t.Errorf("%s: the page is wider than the window", shown)
					}
					if os.Getenv("FRAMA_SCREENSHOTS") != "" {
						w.shoot("usage-" + shown)
					}
				}
			}
		}
		w.size(1200, false)
		w.dark(false)
	}
	look("track", full.track)
	look("track-stopped", over.track)
	look("curves", full.track+"/usage", chromedp.Click(".figures-table summary"))
	look("year", full.track+"/usage?span=year")
	look("more", full.track+"/more", chromedp.Click(`[value="storage"]`))
	look("more-errors", full.track+"/more", chromedp.Click(`[value="storage"]`), chromedp.SendKeys("#storage", "beaucoup"), chromedp.Submit("#reason"), chromedp.WaitVisible("#amount-error"))
	look("track-waiting", "/track/"+w.links.TrackToken(waiting.ID))

	w.visit("/admin/login?lang=fr")
	w.run(chromedp.SendKeys("#email", "ops@example.org"), chromedp.SendKeys("#password", password+"\r"), chromedp.WaitVisible(".staff .tabs"))
	look("limits", "/admin/usage")
	look("growth", "/admin/usage?order=growth")
	look("space", "/admin/spaces/"+full.ID)
	look("withdraw", "/admin/spaces/"+approved.ID, chromedp.Click(".danger"))
	look("probes", "/admin/spaces/chorale", chromedp.Click("#usage ~ .decide summary"))
	look("move", "/admin/spaces/"+full.ID+"/plan?plan=standard")
	look("asks", "/admin/asks", chromedp.Click(".ask summary"))
	look("plans", "/admin/plans")
	look("capacity", "/admin/capacity", chromedp.Click("#costs ~ details summary"), chromedp.Click(".figures-table summary"))
	look("queue", "/admin/requests?state=waiting")
	look("room", "/admin/requests/"+next.ID, chromedp.Click(".decide summary"))
	look("waits", "/admin/requests/"+waiting.ID)
}

// An association asks for more without a mouse; what it typed wrong is beside its field, and the page prints.
func TestMoreIsAskedForByKeyboard(t *testing.T) {
	w := open(t)
	w.clock.Move(time.Until(w.clock.Now()).Abs() + time.Hour) // the browser drops cookies that its own clock says are over
	o := w.opened("velo", "Les Amis du Vélo")
	w.measure(o, 7<<30, 9, 12)
	w.visit(o.track)
	w.tabTo("Demander plus")
	w.run(chromedp.KeyEvent(kb.Enter), chromedp.WaitVisible("#want"))
	w.tabTo("want=plan")
	w.run(chromedp.KeyEvent(" "), chromedp.KeyEvent(kb.ArrowDown))
	if chosen := w.eval(`document.querySelector("[name=want]:checked").value`); chosen != "storage" {
		t.Fatalf("the arrow chose %q", chosen)
	}
	if shown := w.eval(`[...document.querySelectorAll(".wish-detail")].filter((e) => e.offsetParent).length + ""`); shown != "1" {
		t.Errorf("%s amounts are asked for at once", shown)
	}
	w.tabTo("storage")
	w.run(chromedp.KeyEvent("beaucoup"))
	w.tabTo("reason")
	w.run(chromedp.KeyEvent("Nos archives"))
	w.tabTo("Envoyer")
	w.run(chromedp.KeyEvent(kb.Enter), chromedp.WaitVisible("#amount-error"))
	if id := w.focused(); id != "summary" {
		t.Errorf("the focus is on %q, not on the summary of errors", id)
	}
	if kept := w.eval(`document.getElementById("storage").value + "|" + document.getElementById("reason").value`); kept != "beaucoup|Nos archives" {
		t.Errorf("what was typed is now %q", kept)
	}
	w.tabTo("storage")
	w.run(chromedp.KeyEvent("20"), chromedp.KeyEvent(kb.Enter), chromedp.WaitVisible(".notice"))
	if said := w.eval(`document.querySelector(".wish-state").textContent`); !strings.Contains(said, "20\u00a0Gio en tout") {
		t.Errorf("the page says %q", said)
	}
	if n := w.rows("quota_ask"); n != 1 {
		t.Errorf("%d wishes", n)
	}
	for _, page := range []string{o.track, o.track + "/usage"} {
		w.visit(page)
		pdf, err := chromedp.Run(w.ctx, chromedp.PrintToPDF())
		must(t, err)
		if !strings.HasPrefix(string(pdf), "%PDF") {
			t.Errorf("%s does not print", page)
		}
	}
}
