//go:build e2e

package web_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"framagit.org/frama/frama/deploy/dev"
	"framagit.org/frama/frama/services/hosting"
)

// axe is the program that looks for barriers; the browser gets it past the pages' policy.
func axe(t *testing.T) string {
	t.Helper()
	path := filepath.Join(dev.Cache(), "axe", "node_modules", "axe-core", "axe.min.js")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("axe-core is not in the cache: run deploy/tools/get axe: %v", err)
	}
	return string(text)
}

// barriers reports what axe finds on the page.
func (w *window) barriers(axe, where string) {
	w.t.Helper()
	found := w.eval(axe + `;axe.run(document, { resultTypes: ["violations"] }).then((r) => JSON.stringify(
		r.violations.map((v) => ({ Rule: v.id, Help: v.help, Nodes: v.nodes.map((n) => n.target + ": " + n.failureSummary) }))))`)
	var violations []struct {
		Rule, Help string
		Nodes      []string
	}
	must(w.t, json.Unmarshal([]byte(found), &violations))
	for _, v := range violations {
		w.t.Errorf("%s: %s (%s)\n%.600s", where, v.Help, v.Rule, fmt.Sprint(v.Nodes))
	}
}

// Each page of the catalogue, in both languages, light and dark, on a large screen and on the narrowest phone.
func TestPagesOfTheCatalogueHaveNoBarriers(t *testing.T) {
	w, axe := open(t, wide...), axe(t)
	q := w.pendingWith("velo", "cloud", "forms", "mindmaps", "meet")
	w.addUser("revue@example.org", hosting.RoleReviewer)
	look := func(name, path string, prepare ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		for _, lang := range []string{"fr", "en"} {
			for _, width := range []int64{1200, 320} {
				w.size(width, width < 600)
				for _, dark := range []bool{false, true} {
					w.dark(dark)
					w.visit(path + "?lang=" + lang)
					w.run(prepare...)
					shown := fmt.Sprintf("%s-%s-%d", name, lang, width)
					if dark {
						shown += "-dark"
					}
					w.barriers(axe, shown)
					// A phone makes its window as wide as the page, so that innerWidth tells nothing.
					if w.eval(fmt.Sprintf(`String(document.documentElement.scrollWidth <= %d)`, width)) != "true" {
						t.Errorf("%s: the page is wider than the window", shown)
					}
					if os.Getenv("FRAMA_SCREENSHOTS") != "" {
						w.shoot("catalogue-" + shown)
					}
				}
			}
		}
		w.size(1200, false)
		w.dark(false)
	}
	look("public", "/catalogue", chromedp.Click("#mindmaps summary"))
	look("form", "/request", chromedp.Click(`[name=kinds][value=cloud]`), chromedp.Click(`[name=kinds][value=pads]`),
		chromedp.Click(`[name=kinds][value=social]`), chromedp.Click(".more-sizes summary"), chromedp.WaitVisible(".room-over"))

	w.visit("/admin/login?lang=fr")
	w.run(chromedp.SendKeys("#email", "revue@example.org"), chromedp.SendKeys("#password", password+"\r"), chromedp.WaitVisible(".staff .tabs"))
	look("staff", "/admin/catalogue")
	look("asked", "/admin/requests/"+q.ID)
}

// The pictures of kinds are masks, which the colours of contrast modes would blot out.
func TestPicturesAreSeenInForcedColours(t *testing.T) {
	w := open(t, wide...)
	w.run(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "forced-colors", Value: "active"}},
		})
		return err
	}))
	for _, path := range []string{"/catalogue", "/request", "/"} {
		w.visit(path)
		hidden := w.eval(`String([...document.querySelectorAll(".kind-icon")].filter((e) => {
			const s = getComputedStyle(e), page = getComputedStyle(document.body).backgroundColor;
			return !s.maskImage.includes("/icons/") || s.backgroundColor === page;
		}).length + " of " + document.querySelectorAll(".kind-icon").length)`)
		if hidden[:2] != "0 " || hidden == "0 of 0" {
			t.Errorf("%s: pictures that cannot be seen: %s", path, hidden)
		}
		w.shoot("catalogue-forced-" + strings.Trim(path, "/"))
	}
}
