//go:build e2e

package web_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/services/web"
)

// window is a real Chromium at the site on a real port.
type window struct {
	*bench
	ctx     context.Context
	address string
	folder  string // screenshots
}

// open starts it; offer are the kinds that the host offers, the core ones when none is named.
func open(t *testing.T, offer ...string) *window {
	t.Helper()
	apps, err := catalogue.Load()
	must(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	w := &window{address: "http://" + listener.Addr().String(), folder: os.Getenv("FRAMA_SCREENSHOTS")}
	w.bench = setupHost(t, apps, offer, func(o *web.Options) { o.PublicURL = w.address })
	if w.folder == "" {
		w.folder = t.TempDir()
	}
	must(t, os.MkdirAll(w.folder, 0o755))
	go func() { _ = w.app.Listener(listener) }()
	t.Cleanup(func() { _ = w.app.Shutdown() })

	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath("/usr/bin/chromium"), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("lang", "fr-FR"),
		chromedp.Flag("accept-lang", "fr-FR"))
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, end := chromedp.NewContext(allocator)
	t.Cleanup(end)
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	t.Cleanup(cancel)
	w.ctx = ctx
	must(t, chromedp.Do(ctx, chromedp.Navigate("about:blank"))) // starts the browser, which lives as long as this context
	must(t, chromedp.Listen(ctx, func(event any) {
		if e, ok := event.(*runtime.EventExceptionThrown); ok {
			t.Errorf("the script failed: %s", e.ExceptionDetails.Text)
		}
	}))
	w.size(1200, false)
	return w
}

func (w *window) run(actions ...chromedp.Action[chromedp.Void]) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, 90*time.Second)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		if picture, err := chromedp.Run(w.ctx, chromedp.FullScreenshot(100)); err == nil {
			_ = os.WriteFile(filepath.Join(w.folder, "failure.png"), picture, 0o644)
		}
		w.t.Fatal(err)
	}
}

func (w *window) visit(path string) {
	w.t.Helper()
	w.run(chromedp.Navigate(w.address + path))
}

// shoot writes a picture of the whole page.
func (w *window) shoot(name string) {
	w.t.Helper()
	w.run(chromedp.Sleep(150 * time.Millisecond))
	picture, err := chromedp.Run(w.ctx, chromedp.FullScreenshot(100))
	must(w.t, err)
	must(w.t, os.WriteFile(filepath.Join(w.folder, name+".png"), picture, 0o644))
}

func (w *window) dark(on bool) {
	value := "light"
	if on {
		value = "dark"
	}
	w.run(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: value}},
		})
		return err
	}))
}

func (w *window) size(width int64, mobile bool) {
	w.run(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
			Width: width, Height: 900, DeviceScaleFactor: 1, Mobile: mobile,
		})
		return err
	}))
}

func (w *window) eval(script string) string {
	w.t.Helper()
	text, err := chromedp.Run(w.ctx, chromedp.Evaluate[string](script, chromedp.EvalAwaitPromise))
	must(w.t, err)
	return text
}

// focused is the id, name or text of what has the focus.
func (w *window) focused() string {
	return w.eval(`(() => { const e = document.activeElement; return e.id || (e.name ? e.name + "=" + e.value : e.textContent.trim()); })()`)
}

// tabTo presses Tab until id has the focus, as somebody without a mouse would.
func (w *window) tabTo(id string) {
	w.t.Helper()
	for range 60 {
		if w.focused() == id {
			return
		}
		w.run(chromedp.KeyEvent(kb.Tab))
	}
	w.t.Fatalf("the keyboard does not reach %s", id)
}

func (w *window) wait(script string) {
	w.t.Helper()
	if _, err := chromedp.Run(w.ctx, chromedp.Poll[bool]("Boolean("+script+")", chromedp.WithPollingTimeout(time.Minute))); err != nil {
		w.t.Fatalf("waiting for %s: %v", script, err)
	}
}
