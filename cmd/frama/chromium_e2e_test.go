//go:build e2e

package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"framagit.org/frama/frama/deploy/dev"
	"framagit.org/frama/frama/deploy/journey"
)

// window is a real Chromium.
type window struct {
	t      *testing.T
	ctx    context.Context
	folder string // of the pictures
}

func openWindow(t *testing.T) *window {
	t.Helper()
	chromium, err := dev.Tool("chromium")
	if err != nil {
		t.Fatal(err)
	}
	w := &window{t: t, folder: os.Getenv("FRAMA_SCREENSHOTS")}
	if w.folder == "" {
		w.folder = t.TempDir()
	}
	if err := os.MkdirAll(w.folder, 0o755); err != nil {
		t.Fatal(err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()),
		// The certificates are verified by the test's own client; Chromium does not know the test authority.
		chromedp.Flag("ignore-certificate-errors", true), chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("lang", "fr-FR"), chromedp.Flag("accept-lang", "fr-FR"),
		chromedp.WindowSize(1200, 1000))
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, end := chromedp.NewContext(allocator)
	t.Cleanup(end)
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	t.Cleanup(cancel)
	w.ctx = ctx
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *window) run(actions ...chromedp.Action[chromedp.Void]) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, 90*time.Second)
	defer cancel()
	err := chromedp.Do(ctx, actions...)
	for err != nil && strings.Contains(err.Error(), "ERR_NETWORK_CHANGED") { // a container's interface came or went
		err = chromedp.Do(ctx, actions...)
	}
	if err != nil {
		w.t.Fatalf("in Chromium, at %s: %v\n%s", w.eval("location.href"), err, w.eval("String(document.body?.innerText)"))
	}
}

func (w *window) eval(script string) string {
	w.t.Helper()
	text, err := chromedp.Run(w.ctx, chromedp.Evaluate[string](script))
	if err != nil {
		w.t.Fatal(err)
	}
	return text
}

// wait asks again and again from here: a script that waits in the page dies when the page is left.
func (w *window) wait(script string) {
	w.t.Helper()
	await(w.t, 2*time.Minute, "waiting for "+script, func() error {
		ok, err := chromedp.Run(w.ctx, chromedp.Evaluate[bool]("Boolean("+script+")"))
		if err == nil && !ok {
			err = errors.New("not yet")
		}
		return err
	})
}

// shoot takes a picture of the whole page.
func (w *window) shoot(name string) {
	w.t.Helper()
	w.run(chromedp.Sleep(200 * time.Millisecond))
	picture, err := chromedp.Run(w.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(w.folder, name+".png"), picture, 0o644); err != nil {
		w.t.Fatal(err)
	}
}

// askInChromium fills in the form, follows the link of the mail and returns the address of the private page.
func (b *bed) askInChromium(w *window, j journey.Journey) string {
	b.t.Helper()
	q := j.Request
	w.run(chromedp.Navigate(j.PublicURL+"/request"), chromedp.SendKeys("#association", q.Association), chromedp.SendKeys("#rna", q.RNA),
		chromedp.SendKeys("#contact", q.Contact), chromedp.SendKeys("#email", q.Email), chromedp.SendKeys("#purpose", q.Purpose))
	for _, kind := range q.Kinds {
		w.run(chromedp.Click(`input[name=kinds][value=` + kind + `]`))
	}
	w.wait(`document.getElementById("slug").value !== ""`)   // proposed from the name
	w.eval(`(document.getElementById("slug").select(), "")`) // typing replaces what is selected
	w.run(chromedp.SendKeys("#slug", q.Slug), chromedp.Click("#charter"))
	w.wait(`document.querySelector("#slug-answer .hosts").innerText.includes("` + q.Slug + `-pads.")`)
	w.shoot("form")
	w.run(chromedp.Submit("#request-form"))
	w.wait(`location.pathname === "/request/sent"`)
	ctx, cancel := context.WithTimeout(b.t.Context(), 20*time.Second)
	defer cancel()
	link, err := j.ConfirmLink(ctx)
	if err != nil {
		b.t.Fatal(err)
	}
	w.run(chromedp.Navigate(link), chromedp.Submit(`form[action^="/confirm/"]`))
	w.wait(`location.pathname.startsWith("/track/")`)
	return w.eval("location.href")
}

// approveInChromium signs in, finds the request in the queue and approves it.
func (b *bed) approveInChromium(w *window, j journey.Journey) {
	b.t.Helper()
	w.run(chromedp.Navigate(j.PublicURL+"/admin/requests"), chromedp.SendKeys("#email", j.Staff.Email),
		chromedp.SendKeys("#password", j.Staff.Password), chromedp.Submit("#password"))
	w.wait(`document.querySelector('a[href^="/admin/requests/"]')`)
	w.shoot("queue")
	w.run(chromedp.Navigate(w.eval(`document.querySelector('main a[href^="/admin/requests/0"]').href`)))
	w.wait(`document.querySelector('form[action$="/approve"]')`)
	w.shoot("request")
	w.run(chromedp.Submit(`form[action$="/approve"]`))
	w.wait(`document.querySelector(".notice")`)
}

// lookAround looks at what the association and the staff see of a space that is open.
func (b *bed) lookAround(w *window, track string) {
	b.t.Helper()
	w.run(chromedp.Navigate(track))
	w.wait(`document.body.innerText.includes("lilas-pads.")`)
	w.shoot("tracking")
	w.run(chromedp.Navigate(b.config.PublicURL + "/admin/spaces/lilas"))
	w.wait(`document.body.innerText.includes("lilas-calcs.")`)
	w.shoot("space")
}

// seePadInChromium opens a pad as a member would: its text comes over a WebSocket through the ingress.
func (b *bed) seePadInChromium(w *window, address, text string) {
	b.t.Helper()
	w.run(chromedp.Navigate(address))
	w.wait(`(() => { const outer = document.querySelector("iframe[name=ace_outer]"); const inner = outer && outer.contentDocument &&
		outer.contentDocument.querySelector("iframe[name=ace_inner]");
		return inner && inner.contentDocument && inner.contentDocument.body.innerText.includes(` + quoteJS(text) + `); })()`)
	w.shoot("pad")
}

func quoteJS(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
