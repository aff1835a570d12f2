//go:build e2e

package web_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"framagit.org/frama/frama/services/hosting"
)

// pendingWith puts a confirmed request for those kinds into the queue.
func (w *window) pendingWith(slug string, kinds ...string) hosting.Request {
	w.t.Helper()
	s := submission()
	s.Slug, s.Kinds = slug, kinds
	q, err := w.control.Submit(context.Background(), hosting.Actor{Name: "public"}, s)
	must(w.t, err)
	_, err = w.control.Confirm(context.Background(), hosting.Actor{Name: "public"}, w.links.ConfirmToken(q.ID))
	must(w.t, err)
	return q
}

// says waits for the sentence that follows the choice of services.
func (w *window) says(text string) {
	w.t.Helper()
	w.wait(fmt.Sprintf(`document.getElementById("room-says").textContent.includes(%q)`, text))
}

func TestServicesChosenByKeyboard(t *testing.T) {
	w := open(t, wide...)
	w.visit("/request")
	w.says("Choisissez des services")
	w.tabTo("kinds=cloud")
	w.run(chromedp.KeyEvent(" "))
	w.says("occupe 4\u00a0Gio sur les 8\u00a0Gio de la formule «\u00a0Découverte\u00a0».")
	w.wait(`!document.querySelector("[data-with=cloud]").hidden`)
	w.tabTo("kinds=pads")
	w.run(chromedp.KeyEvent(" "))
	w.tabTo("kinds=forms")
	w.run(chromedp.KeyEvent(" "))
	w.tabTo("kinds=meet") // shared: takes nothing
	w.run(chromedp.KeyEvent(" "))
	w.says("occupe 6\u00a0Gio sur les 8\u00a0Gio")
	w.tabTo("kinds=social")
	w.run(chromedp.KeyEvent(" "))
	w.says("occupe 10\u00a0Gio sur les 8\u00a0Gio")
	w.says("C’est plus que la formule")
	w.tabTo("plan=starter")
	w.run(chromedp.KeyEvent(kb.ArrowRight))
	w.says("occupe 66\u00a0Gio sur les 40\u00a0Gio de la formule «\u00a0Association\u00a0».")
	w.wait(`document.querySelector("[data-disk] .service-size").textContent === "Occupe 32\u00a0Gio (formule Association)"`)
	w.run(chromedp.KeyEvent(kb.ArrowRight))
	w.eval(`document.querySelector("input[name=kinds][value=social]").click(), ""`)
	w.says("occupe 180\u00a0Gio sur les 200\u00a0Gio de la formule «\u00a0Fédération\u00a0».")
	w.says("Jusqu’à 250 comptes")
	if strings.Contains(w.eval(`document.getElementById("room-says").textContent`), "C’est plus") {
		t.Error("what just fits is said to be too much")
	}
	if w.eval(`String(document.querySelector("#room-says").getAttribute("aria-live"))`) != "polite" {
		t.Error("the total is not read out")
	}
}

// What the script writes at once is what the server writes when the form comes back, whatever is chosen.
func TestScriptAndServerSayTheSame(t *testing.T) {
	w := open(t, "cloud", "pads", "calcs", "polls", "forms", "meet")
	const said = `(page) => page.getElementById("room-says").textContent.trim() + "|" +
		[...page.querySelectorAll(".service-size, [data-with]:not([hidden])")].map((e) => e.textContent).join("|")`
	for _, lang := range []string{"fr", "en"} {
		w.visit("/request?lang=" + lang)
		for _, kinds := range []string{"polls", "cloud polls", "cloud pads calcs polls forms", "pads polls meet", "meet", ""} {
			for _, plan := range []string{"starter", "standard"} {
				w.eval(fmt.Sprintf(`(() => {
					for (const box of document.querySelectorAll("[name=kinds]")) {
						if (box.checked !== %q.split(" ").includes(box.value)) box.click();
					}
					document.querySelector("[name=plan][value=%s]").click();
					return "";
				})()`, kinds, plan))
				back := w.eval(fmt.Sprintf(`(async () => {
					const form = new URLSearchParams(new FormData(document.getElementById("request-form")));
					form.set("action", "check");
					const answer = await fetch("/request", { method: "POST", body: form });
					return (%s)(new DOMParser().parseFromString(await answer.text(), "text/html"));
				})()`, said))
				if !strings.Contains(back, "Gi") && !strings.Contains(back, "plan") {
					t.Fatalf("the server says %q", back)
				}
				w.wait(fmt.Sprintf(`(%s)(document) === %q`, said, back))
			}
		}
	}
}
