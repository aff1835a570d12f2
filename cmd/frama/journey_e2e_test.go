//go:build e2e

package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"framagit.org/frama/frama/deploy/journey"
)

// TestJourney goes the whole way with the real binary, Nomad, ACME server, HAProxy, SMTP and Chromium, and then lives
// through what a host lives through: a job that restarts, frama stopped, frama upgraded in place.
func TestJourney(t *testing.T) {
	b := newBed(t, containers)
	first := buildFrama(t, "1.0.0-test")
	b.mustFrama(first, "", "migrate")
	b.mustFrama(first, devPassword+"\n", "user", "add", devEmail, "--name", "Ana", "--role", "admin")
	stopServe := b.start("serve", first, "serve")
	stopEdge := b.start("edge", first, "edge")
	j := b.journey(first, journey.Sample("lilas"))
	await(t, 20*time.Second, "frama serves", func() error { return answers(http.DefaultClient, b.config.PublicURL+"/healthz") })

	w := openWindow(t)
	track := b.askInChromium(w, j)
	b.approveInChromium(w, j)
	out := b.mustFrama(first, "", "provision", "--json")
	if !strings.Contains(out, `"active":1`) {
		t.Fatalf("provision: %s", out)
	}
	b.lookAround(w, track)

	client, err := j.HTTPS()
	if err != nil {
		t.Fatal(err)
	}
	pads := fmt.Sprintf("https://lilas-pads.%s:%d", b.config.Platform.Domain, b.config.Platform.HTTPSPort)
	text := "Réunion du mardi : arroser, semer, « partager ».\n"
	pad := etherpad{t: t, client: client, address: pads, key: b.secret("lilas-etherpad", "api_key")}
	pad.call("createPad", url.Values{"padID": {"reunion"}})
	pad.call("setText", url.Values{"padID": {"reunion"}, "text": {text}})
	sheet := fmt.Sprintf("https://lilas-calcs.%s:%d/_/semis", b.config.Platform.Domain, b.config.Platform.HTTPSPort)
	put(t, client, sheet, "graine,prix\nradis,2\n")
	b.seePadInChromium(w, pads+"/p/reunion", "Réunion du mardi")

	t.Log("the job restarts")
	b.restartJob("lilas-etherpad")
	pad.expect("reunion", text)

	t.Log("frama stops: spaces go on")
	stopServe()
	stopEdge()
	pad.expect("reunion", text)

	t.Log("frama is upgraded in place")
	second := buildFrama(t, "1.1.0-test")
	if out := b.mustFrama(second, "", "version"); !strings.Contains(out, "1.1.0-test") {
		t.Fatalf("version: %s", out)
	}
	b.mustFrama(second, "", "migrate")
	b.start("serve", second, "serve")
	b.start("edge", second, "edge")
	await(t, 20*time.Second, "the new frama serves", func() error { return answers(http.DefaultClient, b.config.PublicURL+"/healthz") })
	before := b.jobVersion("lilas-etherpad")
	b.mustFrama(second, "", "provision")
	if after := b.jobVersion("lilas-etherpad"); after != before {
		t.Errorf("the upgrade registered the job again: version %d, then %d", before, after)
	}
	pad.expect("reunion", text)
	if csv, err := fetch(client, sheet+"/csv"); err != nil || !strings.Contains(csv, "radis,2") {
		t.Errorf("the sheet holds %q (%v)", csv, err)
	}
	if out, err := b.frama(second, "", "doctor"); err != nil {
		t.Errorf("doctor: %v\n%s", err, out)
	}
	if out := b.mustFrama(second, "", "catalogue", "lint"); !strings.Contains(out, "No mistake found") {
		t.Errorf("lint: %s", out)
	}
	b.noSecretLeaked("lilas-etherpad")
}

// secret reads a value of a job's Nomad Variable, as an operator with the management token could.
func (b *bed) secret(job, key string) string {
	b.t.Helper()
	var v struct{ Items map[string]string }
	if err := b.askNomad(http.MethodGet, "/v1/var/nomad/jobs/"+job+"?namespace=frama", &v); err != nil {
		b.t.Fatal(err)
	}
	if v.Items[key] == "" {
		b.t.Fatalf("the variable of %s has no %s", job, key)
	}
	return v.Items[key]
}

func (b *bed) jobVersion(job string) int {
	b.t.Helper()
	var j struct{ Version int }
	if err := b.askNomad(http.MethodGet, "/v1/job/"+job+"?namespace=frama", &j); err != nil {
		b.t.Fatal(err)
	}
	return j.Version
}

// restartJob restarts the job's allocation and waits until its task runs again.
func (b *bed) restartJob(job string) {
	b.t.Helper()
	var allocs []struct{ ID, ClientStatus string }
	if err := b.askNomad(http.MethodGet, "/v1/job/"+job+"/allocations?namespace=frama", &allocs); err != nil {
		b.t.Fatal(err)
	}
	for _, a := range allocs {
		if a.ClientStatus == "running" {
			if err := b.askNomad(http.MethodPut, "/v1/client/allocation/"+a.ID+"/restart?namespace=frama", nil); err != nil {
				b.t.Fatal(err)
			}
		}
	}
	time.Sleep(time.Second) // the old task must be gone before anybody asks, or its answer would prove nothing
}

// noSecretLeaked looks for the jobs' secrets where they must not be: job specifications, logs, the database.
func (b *bed) noSecretLeaked(jobs ...string) {
	b.t.Helper()
	var haystack strings.Builder
	for _, job := range jobs {
		req, err := http.NewRequest(http.MethodGet, b.nomad.Address+"/v1/job/"+job+"?namespace=frama", nil)
		if err != nil {
			b.t.Fatal(err)
		}
		req.Header.Set("X-Nomad-Token", b.nomad.ManagementToken)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			b.t.Fatal(err)
		}
		_, _ = io.Copy(&haystack, resp.Body)
		resp.Body.Close()
	}
	files, _ := filepath.Glob(filepath.Join(b.options.data, "log", "*.log"))
	files = append(files, filepath.Join(b.options.data, "frama.db"), filepath.Join(b.options.data, "frama.db-wal"))
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err == nil {
			haystack.Write(text)
		}
	}
	for _, job := range jobs {
		var v struct{ Items map[string]string }
		if err := b.askNomad(http.MethodGet, "/v1/var/nomad/jobs/"+job+"?namespace=frama", &v); err != nil {
			b.t.Fatal(err)
		}
		for key, value := range v.Items {
			// What people typed and what frama switches on and off is no secret, and is in the database.
			open := key == "title" || key == "language" || value == "true" || value == "false" ||
				strings.HasPrefix(key, "db_") && key != "db_password"
			if !open && strings.Contains(haystack.String(), value) {
				b.t.Errorf("the secret %s of %s is in a job, a log or the database", key, job)
			}
		}
	}
	if strings.Contains(haystack.String(), "PRIVATE KEY") {
		b.t.Error("a private key is in a job, a log or the database")
	}
	if strings.Contains(haystack.String(), devPassword) {
		b.t.Error("a password is in a job, a log or the database")
	}
}

// etherpad talks to a pad server's own API, through the ingress.
type etherpad struct {
	t            *testing.T
	client       *http.Client
	address, key string
}

func (e etherpad) call(method string, args url.Values) string {
	e.t.Helper()
	body, err := e.try(method, args)
	if err != nil {
		e.t.Fatal(err)
	}
	return body
}

func (e etherpad) try(method string, args url.Values) (string, error) {
	form := url.Values{"apikey": {e.key}}
	for k, v := range args {
		form[k] = v
	}
	body, err := fetch(e.client, e.address+"/api/1.2.14/"+method+"?"+form.Encode())
	if err == nil && !strings.Contains(body, `"code":0`) {
		err = fmt.Errorf("%s: %s", method, body)
	}
	return body, err
}

// expect waits until the pad holds the text: a task that restarts takes a moment.
func (e etherpad) expect(pad, text string) {
	e.t.Helper()
	quoted := strings.ReplaceAll(strings.TrimSuffix(text, "\n"), `"`, `\"`)
	await(e.t, time.Minute, "the pad's text", func() error {
		body, err := e.try("getText", url.Values{"padID": {pad}})
		if err == nil && !strings.Contains(body, quoted) {
			err = fmt.Errorf("the pad holds %s", body)
		}
		return err
	})
}

func put(t *testing.T, client *http.Client, address, csv string) {
	t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPut, address, strings.NewReader(csv))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "text/csv")
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		text, _ := io.ReadAll(resp.Body)
		t.Fatalf("put the sheet: %s %s", resp.Status, text)
	}
}
