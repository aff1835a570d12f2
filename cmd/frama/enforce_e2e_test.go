//go:build e2e

package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/gorilla/websocket"

	"framagit.org/frama/frama/deploy/journey"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/seal"
	"framagit.org/frama/frama/services/store"
)

// The limits of the test: small ones, and no days of grace.
const tightPlan = `plan "starter" {
  title {
    fr = "Découverte"
    en = "Starter"
  }
  description {
    fr = "Pour les essais."
    en = "For tests."
  }
  version  = 1
  accounts = 10
  storage  = 8192

  limit "pads" {
    most = 20
  }
  limit "sheets" {
    most = 5
  }
  threshold "full" {
    at    = 100
    stops = true
  }
}
`

// TestGrowthIsStoppedGently drives a real Etherpad and a real EtherCalc to their limits and back: each level is told by
// mail, and at the last one Etherpad makes no new pads by its own means, while EtherCalc is for reading only at the ingress.
// What is there can be read, written or deleted as before; certificates are renewed; another space notices nothing.
func TestGrowthIsStoppedGently(t *testing.T) {
	b := newBed(t, containers)
	plans := filepath.Join(b.options.data, "catalogue")
	if err := os.MkdirAll(plans, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(plans, "plans.hcl"), []byte(tightPlan), 0o644); err != nil {
		t.Fatal(err)
	}
	b.reconfigure(func(text string) string {
		return strings.NewReplacer("[catalogue]\n", "[catalogue]\ndirs = ["+quoteJS(plans)+"]\n", `every = "1m"`, `every = "24h"`).Replace(text)
	})
	frama := buildFrama(t, "1.0.0-test")
	b.mustFrama(frama, "", "migrate")
	b.mustFrama(frama, devPassword+"\n", "user", "add", devEmail, "--name", "Ana", "--role", "admin")
	b.start("serve", frama, "serve")
	b.start("edge", frama, "edge")
	await(t, 20*time.Second, "frama serves", func() error { return answers(http.DefaultClient, b.config.PublicURL+"/healthz") })
	e := &enforced{bed: b, binary: frama, t: t}
	for _, slug := range []string{"lilas", "roses"} {
		q := journey.Sample(slug)
		q.Plan = "starter"
		if _, err := b.journey(frama, q).Go(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if e.client, err = b.journey(frama, journey.Sample("lilas")).HTTPS(); err != nil {
		t.Fatal(err)
	}
	if e.app, err = b.cli.wire(t.Context(), b.config, seal.Load); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.app.store.Close() })

	pads := etherpad{t: t, client: e.client, address: e.url("lilas", "pads"), key: b.secret("lilas-etherpad", "api_key")}
	others := etherpad{t: t, client: e.client, address: e.url("roses", "pads"), key: b.secret("roses-etherpad", "api_key")}
	others.call("createPad", url.Values{"padID": {"ailleurs"}, "text": {"Rien ne change ici.\n"}})
	began := b.allocation("roses-etherpad")
	e.pads(pads, 1, 15)
	e.measure("lilas", hosting.LevelOK, "pads", 15)
	e.mails()

	t.Log("up: told at each level")
	e.pads(pads, 16, 16)
	e.measure("lilas", hosting.LevelNotice, "pads", 16)
	e.mails("80", "Rien ne change")
	e.pads(pads, 17, 19)
	e.measure("lilas", hosting.LevelWarning, "pads", 19)
	e.mails("95")
	e.pads(pads, 20, 20)
	e.measure("lilas", hosting.LevelFull, "pads", 20)
	e.mails("on ne peut plus rien ajouter")

	t.Log("Etherpad makes no new pads by its own means")
	e.settled("lilas", "pads", "app-create")
	if got := b.secret("lilas-etherpad", "edit_only"); got != "true" {
		t.Errorf("edit_only is %q", got)
	}
	e.settled("lilas", "calcs", "")
	w := openWindow(t)
	w.run(chromedp.Navigate(pads.address + "/p/nouveau"))
	w.wait(`(() => { const no = document.querySelector("#permissionDenied"); return no && getComputedStyle(no).display !== "none"; })()`)
	w.shoot("no-new-pad")
	e.count(pads, 20)
	pads.expect("pad-3", "Le pad numéro 3")
	e.writeInChromium(w, pads, "pad-3", "Encore une ligne.")

	t.Log("EtherCalc is for reading only at the ingress")
	sheets, othersSheets := e.url("lilas", "calcs"), e.url("roses", "calcs")
	for n := range 4 {
		put(t, e.client, fmt.Sprintf("%s/_/feuille-%d", sheets, n+1), "graine,prix\nradis,2\n")
	}
	e.measure("lilas", hosting.LevelNotice, "sheets", 4)
	e.mails("80", "4")
	put(t, e.client, sheets+"/_/feuille-5", "graine,prix\nradis,2\n")
	e.measure("lilas", hosting.LevelFull, "sheets", 5)
	e.mails("on ne peut plus rien ajouter")
	e.settled("lilas", "calcs", hosting.GrowthAtIngress)
	e.expectStatus(http.MethodPut, sheets+"/_/feuille-6", 507)
	e.expectStatus(http.MethodPut, sheets+"/_/feuille-1", 507)
	e.expectStatus(http.MethodPost, sheets+"/_", 507)
	if status := e.socket(sheets); status != 507 {
		t.Errorf("a WebSocket is answered %d", status)
	}
	if csv, err := fetch(e.client, sheets+"/_/feuille-1/csv"); err != nil || !strings.Contains(csv, "radis,2") {
		t.Errorf("the sheet holds %q (%v)", csv, err)
	}
	for _, lang := range []string{"fr", "en"} {
		page := e.refusal(sheets+"/_/feuille-6", lang, "text/html")
		if want := map[string]string{"fr": "Cet espace est plein", "en": "This space is full"}[lang]; !strings.Contains(page, want) {
			t.Errorf("the page says %s", page)
		}
	}
	if text := e.refusal(sheets+"/_", "fr", "application/json"); !json.Valid([]byte(text)) {
		t.Errorf("no JSON: %s", text)
	}

	t.Log("certificates are renewed meanwhile, and another space notices nothing")
	e.renewed(e.host("lilas", "calcs"))
	e.expectStatus(http.MethodPut, sheets+"/_/feuille-6", 507)
	put(t, e.client, othersSheets+"/_/feuille", "a,1\n")
	others.call("createPad", url.Values{"padID": {"encore"}})
	others.expect("ailleurs", "Rien ne change ici.")
	if now := b.allocation("roses-etherpad"); now != began {
		t.Errorf("the other space's Etherpad was started again: %s, then %s", began, now)
	}
	if got := b.secret("roses-etherpad", "edit_only"); got != "false" {
		t.Errorf("edit_only of the other space is %q", got)
	}

	t.Log("down: allowed again by itself")
	for _, n := range []int{3, 4, 5} {
		e.expectStatus(http.MethodDelete, fmt.Sprintf("%s/_/feuille-%d", sheets, n), 201)
	}
	e.measure("lilas", hosting.LevelOK, "sheets", 2)
	e.mails("on peut de nouveau ajouter")
	e.settled("lilas", "calcs", "")
	put(t, e.client, sheets+"/_/feuille-6", "graine,prix\nradis,3\n")
	e.settled("lilas", "pads", "app-create")

	for n := 11; n <= 20; n++ {
		pads.call("deletePad", url.Values{"padID": {fmt.Sprintf("pad-%d", n)}})
	}
	e.measure("lilas", hosting.LevelOK, "pads", 10)
	e.mails("on peut de nouveau ajouter")
	e.settled("lilas", "pads", "")
	if got := b.secret("lilas-etherpad", "edit_only"); got != "false" {
		t.Errorf("edit_only is %q", got)
	}
	e.writeInChromium(w, pads, "nouveau", "On recommence.")
	pads.expect("pad-3", "Encore une ligne.")
	e.audited("growth.stop", "lilas-pads", "app-create")
	e.audited("growth.stop", "lilas-calcs", hosting.GrowthAtIngress)
	e.audited("growth.allow", "lilas-pads", "app-create")
	e.audited("growth.allow", "lilas-calcs", hosting.GrowthAtIngress)
	b.noSecretLeaked("lilas-etherpad", "roses-etherpad")
}

// enforced is a platform whose spaces reach their limits.
type enforced struct {
	*bed
	binary string
	t      *testing.T
	client *http.Client
	app    *app
	told   int // quota mails that were looked at
}

func (e *enforced) host(slug, kind string) string {
	return slug + "-" + kind + "." + e.config.Platform.Domain
}

func (e *enforced) url(slug, kind string) string {
	return fmt.Sprintf("https://%s:%d", e.host(slug, kind), e.config.Platform.HTTPSPort)
}

// pads makes pads through Etherpad's own API.
func (e *enforced) pads(pads etherpad, from, to int) {
	e.t.Helper()
	for n := from; n <= to; n++ {
		pads.call("createPad", url.Values{"padID": {fmt.Sprintf("pad-%d", n)}, "text": {fmt.Sprintf("Le pad numéro %d\n", n)}})
	}
}

// count wants Etherpad itself to say that it has so many pads.
func (e *enforced) count(pads etherpad, want int) {
	e.t.Helper()
	var answer struct{ Data struct{ PadIDs []string } }
	if err := json.Unmarshal([]byte(pads.call("listAllPads", nil)), &answer); err != nil {
		e.t.Fatal(err)
	}
	if len(answer.Data.PadIDs) != want {
		e.t.Errorf("there are %d pads, want %d: %v", len(answer.Data.PadIDs), want, answer.Data.PadIDs)
	}
}

// measure measures a space and wants it to stand so with one of its limits.
func (e *enforced) measure(slug string, level hosting.Level, metric string, used int64) {
	e.t.Helper()
	e.mustFrama(e.binary, "", "usage", "measure", slug)
	v, err := e.app.control.SpaceUsage(e.t.Context(), hosting.Actor{Name: "test", Role: hosting.RoleAdmin}, slug)
	if err != nil {
		e.t.Fatal(err)
	}
	for _, q := range v.Quotas {
		if q.Metric == metric {
			if q.Level != level || q.Used != used {
				e.t.Fatalf("%s of %s: %d of %d, level %s; want %d, level %s", metric, slug, q.Used, q.Limit, q.Level, used, level)
			}
			return
		}
	}
	e.t.Fatalf("%s is not weighed by %s: %+v", slug, metric, v.Quotas)
}

// mails wants exactly one more mail about limits, with all the words; none without words.
func (e *enforced) mails(words ...string) {
	e.t.Helper()
	box := journey.Mailbox{URL: e.mailbox.WebURL}
	about := func() (all []journey.Mail) {
		mails, err := box.All(e.t.Context(), "contact@lilas.example")
		if err != nil {
			e.t.Fatal(err)
		}
		for _, m := range mails {
			if strings.Contains(m.Subject, "limite") || strings.Contains(m.Subject, "ajouter") {
				all = append(all, m)
			}
		}
		return all
	}
	if len(words) == 0 {
		if all := about(); len(all) != e.told {
			e.t.Errorf("%d mails about limits, want %d", len(all), e.told)
		}
		return
	}
	e.told++
	await(e.t, 30*time.Second, fmt.Sprintf("mail %d about limits", e.told), func() error {
		if all := about(); len(all) < e.told {
			return fmt.Errorf("%d have come", len(all))
		}
		return nil
	})
	all := about()
	if len(all) > e.told {
		e.t.Errorf("%d mails about limits, want %d", len(all), e.told)
	}
	mail := all[e.told-1]
	e.t.Logf("mail: %s", mail.Subject)
	for _, word := range words {
		if !strings.Contains(mail.Subject+mail.Text, word) {
			e.t.Errorf("the mail %q does not say %q:\n%s", mail.Subject, word, mail.Text)
		}
	}
}

func (e *enforced) instance(slug, kind string) (found hosting.Instance, err error) {
	err = e.app.store.Read(e.t.Context(), func(tx *store.Tx) error {
		s, err := tx.SpaceNamed(slug)
		if err != nil {
			return err
		}
		all, err := tx.Instances(s.ID)
		for _, i := range all {
			if i.Kind == kind {
				found = i
			}
		}
		return err
	})
	return found, err
}

// settled waits until growth of an instance is stopped by the means, or allowed when there are none, and the ingress knows.
func (e *enforced) settled(slug, kind, as string) {
	e.t.Helper()
	await(e.t, 3*time.Minute, "growth of "+slug+"-"+kind+" as "+quoteJS(as), func() error {
		i, err := e.instance(slug, kind)
		if err == nil && (i.Growth.As != as || i.Growth.Unsettled()) {
			err = fmt.Errorf("it is %+v", i.Growth)
		}
		return err
	})
	var version int64
	err := e.app.store.Read(e.t.Context(), func(tx *store.Tx) (err error) { version, err = tx.EdgeVersion(); return err })
	if err != nil {
		e.t.Fatal(err)
	}
	e.edgesHave(version)
}

// edgesHave waits until the ingress agent says that it serves a version.
func (e *enforced) edgesHave(version int64) {
	e.t.Helper()
	await(e.t, time.Minute, "the ingress follows", func() error {
		return e.app.store.Read(e.t.Context(), func(tx *store.Tx) error {
			edges, err := tx.EdgesSince(tx.Now.Add(-time.Hour))
			if err == nil && (len(edges) == 0 || slices.ContainsFunc(edges, func(s store.EdgeSeen) bool { return s.Version < version })) {
				err = fmt.Errorf("%+v, want version %d", edges, version)
			}
			return err
		})
	})
}

// ask makes a request as somebody with a browser of a language would.
func (e *enforced) ask(method, address, lang, accept string) (int, string) {
	e.t.Helper()
	var body io.Reader
	if method == http.MethodPut || method == http.MethodPost {
		body = bytes.NewBufferString("a,1\n")
	}
	req, err := http.NewRequestWithContext(e.t.Context(), method, address, body)
	if err != nil {
		e.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "text/csv")
	req.Header.Set("Accept-Language", lang)
	req.Header.Set("Accept", accept)
	resp, err := e.client.Do(req)
	if err != nil {
		e.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text)
}

func (e *enforced) expectStatus(method, address string, want int) {
	e.t.Helper()
	if got, text := e.ask(method, address, "fr", "*/*"); got != want {
		e.t.Errorf("%s %s is answered %d, want %d: %.300s", method, address, got, want, text)
	}
}

func (e *enforced) refusal(address, lang, accept string) string {
	e.t.Helper()
	got, text := e.ask(http.MethodPost, address, lang, accept)
	if got != 507 {
		e.t.Errorf("%s is answered %d", address, got)
	}
	return text
}

// socket opens a WebSocket as EtherCalc's page does, and returns the status.
func (e *enforced) socket(address string) int {
	e.t.Helper()
	roots, err := os.ReadFile(e.config.ACME.RootsFile)
	if err != nil {
		e.t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(roots)
	d := websocket.Dialer{TLSClientConfig: &tls.Config{RootCAs: pool}, NetDialContext: e.client.Transport.(*http.Transport).DialContext}
	ws, resp, err := d.DialContext(e.t.Context(), strings.Replace(address, "https", "wss", 1)+"/socket.io/?EIO=3&transport=websocket", nil)
	if resp == nil {
		e.t.Fatal(err)
	}
	if ws != nil {
		ws.Close()
	}
	return resp.StatusCode
}

// writeInChromium opens a pad as a member would and writes a line: it goes over a WebSocket through the ingress.
func (e *enforced) writeInChromium(w *window, pads etherpad, pad, line string) {
	e.t.Helper()
	const inner = `document.querySelector("iframe[name=ace_outer]").contentDocument.querySelector("iframe[name=ace_inner]")`
	w.run(chromedp.Navigate(pads.address + "/p/" + pad))
	w.wait(`(() => { try { return ` + inner + `.contentDocument.body.contentEditable === "true" && !document.querySelector("#editorloadingbox:not([style*=none])"); }
		catch (e) { return false; } })()`)
	w.run(chromedp.Sleep(time.Second))
	w.eval(`(() => { const frame = ` + inner + `; frame.contentWindow.focus(); frame.contentDocument.body.focus();
		frame.contentDocument.execCommand("insertText", false, ` + quoteJS(line) + `); return ""; })()`)
	w.shoot("pad-" + pad)
	pads.expect(pad, line)
}

// renewed has the certificate of a host renewed now, and waits until the ingress serves the new one.
func (e *enforced) renewed(host string) {
	e.t.Helper()
	var old hosting.Certificate
	err := e.app.store.Write(e.t.Context(), func(tx *store.Tx) (err error) {
		if old, err = tx.Certificate(host); err != nil {
			return err
		}
		return tx.FailCertificate(old.ID, "", tx.Now)
	})
	if err != nil {
		e.t.Fatal(err)
	}
	await(e.t, 2*time.Minute, "the renewed certificate of "+host, func() error {
		served, err := e.served(host)
		if err == nil && strings.Contains(old.ChainPEM, served) {
			err = errors.New("the old one is served")
		}
		return err
	})
}

// served is the certificate that the ingress shows for a host, in PEM.
func (e *enforced) served(host string) (string, error) {
	ctx, cancel := context.WithTimeout(e.t.Context(), 10*time.Second)
	defer cancel()
	d := tls.Dialer{Config: &tls.Config{ServerName: host, InsecureSkipVerify: true}}
	conn, err := d.DialContext(ctx, "tcp", e.config.Edge.HTTPS)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	leaf := conn.(*tls.Conn).ConnectionState().PeerCertificates[0].Raw
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf})), nil
}

// audited wants a line of the audit log.
func (e *enforced) audited(action string, words ...string) {
	e.t.Helper()
	err := e.app.store.Read(e.t.Context(), func(tx *store.Tx) error {
		all, _, err := tx.AuditLog("", 0, 500)
		for _, a := range all {
			missing := slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(a.Detail, w) })
			if a.Action == action && !missing {
				return nil
			}
		}
		return errors.Join(err, fmt.Errorf("no line %s with %q", action, words))
	})
	if err != nil {
		e.t.Error(err)
	}
}

// allocation names the running allocation of a job, and when its tasks were started.
func (b *bed) allocation(job string) string {
	b.t.Helper()
	var allocs []struct {
		ID, ClientStatus string
		TaskStates       map[string]struct{ StartedAt string }
	}
	if err := b.askNomad(http.MethodGet, "/v1/job/"+job+"/allocations?namespace=frama", &allocs); err != nil {
		b.t.Fatal(err)
	}
	for _, a := range allocs {
		if a.ClientStatus == "running" {
			return fmt.Sprintf("%s %v", a.ID, a.TaskStates)
		}
	}
	return ""
}
