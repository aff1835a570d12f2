//go:build e2e

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"framagit.org/frama/frama/deploy/dev"
	"framagit.org/frama/frama/deploy/journey"
	"framagit.org/frama/frama/services/control"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
	"framagit.org/frama/frama/services/work"
)

// badBed is one platform for all the days on which one of its parts fails.
type badBed struct {
	*bed
	app  *app
	acme *moodyACME
	env  []string
}

// TestBadDays takes away what frama depends on, one part after the other. Each time a run waits and says for what, and
// goes on once the part is back.
func TestBadDays(t *testing.T) {
	apps := tinyCatalogue(t)
	b := &badBed{bed: newBed(t)}
	b.acme = newMoodyACME(t, b.bed)
	b.reconfigure(func(text string) string {
		text = strings.Replace(text, b.pebble.Directory, b.acme.directory, 1)
		text = strings.Replace(text, b.pebble.DirectoryCA, b.acme.caFile, 1)
		text = tinyOffer(text, apps)
		return strings.Replace(text, "[smtp]", "[smtp]\ntimeout = \"1s\"", 1)
	})
	b.env = []string{"FRAMA_CONFIG=" + b.configFile()}
	command(t, b.env, exitOK, "migrate")
	b.app = opened(t, b.configFile())
	serve := spawn(t, b.env, "serve")
	serve.says(20*time.Second, "frama serves")
	edge := spawn(t, b.env, "edge")

	t.Run("NomadRefuses", b.nomadRefuses)
	t.Run("WorkerStopped", b.workerStopped)
	t.Run("NomadDownThenFull", b.nomadDownThenFull)
	t.Run("ACMEDownThenLimiting", b.acmeDownThenLimiting)
	t.Run("MailServerDown", func(t *testing.T) { b.mailServerDown(t, serve) })
	t.Run("HAProxyKilled", func(t *testing.T) { b.haproxyKilled(t, edge) })
}

// open lists the spaces that are open, and makes one where there is none.
func (b *badBed) open(t *testing.T) (slugs []string) {
	t.Helper()
	list := func() {
		page, err := b.app.control.Spaces(t.Context(), tester, control.SpaceFilter{State: hosting.SpaceActive})
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range page.Spaces {
			slugs = append(slugs, v.Space.Slug)
		}
	}
	if list(); len(slugs) == 0 {
		b.approved(t, "first")
		spawn(t, b.env, "provision", "first").ends(45*time.Second, exitOK)
		list()
	}
	return slugs
}

// approved makes an approved space.
func (b *badBed) approved(t *testing.T, slug string) hosting.Space {
	t.Helper()
	q, err := request(t.Context(), b.app, slug)
	if err != nil {
		t.Fatal(err)
	}
	approval, err := b.app.control.Approve(t.Context(), tester, q.ID)
	if err != nil {
		t.Fatal(err)
	}
	return approval.Space
}

// lastRun is the state in which a space and its run are.
func (b *badBed) lastRun(t *testing.T, slug string) (hosting.SpaceState, work.Run) {
	t.Helper()
	v, err := b.app.control.Space(t.Context(), tester, slug)
	if err != nil {
		t.Fatal(err)
	}
	return v.Space.State, *v.LastRun()
}

// active fails unless the space is open and answers over HTTPS, by one run.
func (b *badBed) active(t *testing.T, slug string) {
	t.Helper()
	v, err := b.app.control.Space(t.Context(), tester, slug)
	if err != nil {
		t.Fatal(err)
	}
	if v.Space.State != hosting.SpaceActive || len(v.Runs) != 1 {
		t.Errorf("%s is %s after %d runs", slug, v.Space.State, len(v.Runs))
	}
	b.answering(t, slug)
}

func (b *badBed) answering(t *testing.T, slug string) {
	t.Helper()
	client, err := b.journey("", journey.Request{}).HTTPS()
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"pads", "calcs"} {
		address := fmt.Sprintf("https://%s-%s.%s:%d/", slug, kind, b.config.Platform.Domain, b.options.https)
		await(t, 45*time.Second, address+" does not answer", func() error { return answers(client, address) })
	}
}

// nomadRefuses: a token without frama's policy.
func (b *badBed) nomadRefuses(t *testing.T) {
	b.approved(t, "refuses")
	token, err := b.tokenWithout()
	if err != nil {
		t.Fatal(err)
	}
	weak := append([]string{"FRAMA_NOMAD_TOKEN=" + token}, b.env...)
	r := spawn(t, weak, "provision", "refuses")
	r.says(20*time.Second, `refuses +place +waiting +Nomad does not allow frama to .* in namespace frama`,
		`apply deploy/nomad-acl/frama\.policy\.hcl and check the token`)
	said := command(t, weak, exitFailed, "doctor")
	wants(t, said, `FAIL +nomad may submit-job`, `nomad acl policy apply frama deploy/nomad-acl/frama\.policy\.hcl`)
	r.signal(os.Interrupt)
	r.ends(10*time.Second, exitFailed)
	for _, text := range []string{said, r.said()} {
		if strings.Contains(text, token) {
			t.Errorf("the token is shown: %s", text)
		}
	}
	wants(t, command(t, append([]string{"FRAMA_NOMAD_TOKEN=11111111-2222-3333-4444-555555555555"}, b.env...), exitFailed, "doctor"),
		`FAIL +nomad token`, `→ make a token`)

	// With the right one it goes on at once, not when it would have looked again.
	good := spawn(t, b.env, "provision", "refuses")
	good.ends(45*time.Second, exitOK)
	b.active(t, "refuses")
}

// tokenWithout makes a token that Nomad knows and lets do nothing.
func (b *badBed) tokenWithout() (string, error) {
	body, err := json.Marshal(map[string]any{"Name": "weak", "Type": "client", "Policies": []string{"nothing"}})
	if err != nil {
		return "", err
	}
	req, err := http.NewRequest(http.MethodPut, b.nomad.Address+"/v1/acl/token", bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("X-Nomad-Token", b.nomad.ManagementToken)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	var token struct{ SecretID string }
	if err != nil || json.Unmarshal(text, &token) != nil || token.SecretID == "" {
		return "", fmt.Errorf("make a token: %s %s (%w)", resp.Status, text, err)
	}
	return token.SecretID, nil
}

// workerStopped: SIGTERM in the middle of a step, here one that asks a Nomad that never answers. The run is free at
// once: the next worker does not wait for the lease.
func (b *badBed) workerStopped(t *testing.T) {
	space := b.approved(t, "stopped")
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	accepted := make(chan net.Conn, 16)
	go func() {
		for {
			c, err := silent.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	}()
	r := spawn(t, append([]string{"FRAMA_NOMAD_ADDRESS=http://" + silent.Addr().String()}, b.env...), "provision", "stopped")
	select {
	case c := <-accepted:
		defer c.Close()
	case <-time.After(15 * time.Second):
		t.Fatal("the worker does not ask Nomad")
	}
	r.signal(syscall.SIGTERM)
	r.ends(3*time.Second, exitFailed)
	wants(t, r.said(), "0 active, 0 failed, 1 waiting", "goes on with the next frama provision")
	_, run := b.lastRun(t, space.Slug)
	if step, _ := run.Current(); run.State != work.RunReady || run.NotBefore.After(time.Now()) || !strings.Contains(step.Message, "interrupted") {
		t.Errorf("the run is %s until %s, at %+v", run.State, run.NotBefore, step)
	}
	spawn(t, b.env, "provision", "stopped").ends(45*time.Second, exitOK)
	b.active(t, "stopped")
}

// nomadDownThenFull: no Nomad at the start of a run, then one without room, then one with. The run goes on by itself,
// and what runs already keeps answering while Nomad is away.
func (b *badBed) nomadDownThenFull(t *testing.T) {
	slugs := b.open(t)
	b.approved(t, "patient")
	b.nomad.Kill()
	r := spawn(t, b.env, "provision", "patient")
	r.says(20*time.Second, `patient +place +waiting +Nomad does not answer at `+regexp.QuoteMeta(b.nomad.Address), `correct nomad\.address`)
	for _, slug := range slugs {
		b.answering(t, slug)
	}
	if err := answers(http.DefaultClient, b.config.PublicURL+"/request"); err != nil {
		t.Error(err)
	}

	const space = 48 // MiB that a space of tiny applications reserves
	b.startNomad(t, space*len(slugs)+14)
	r.says(30*time.Second, `patient +place +waiting +no node has room for the space\. Missing: memory \(needs 48 MiB, the most free on a node is \d+\)`,
		"Add a node or free one")
	if state, run := b.lastRun(t, "patient"); run.State == work.RunParked {
		t.Errorf("a run that waits for room was given up; the space is %s", state)
	}
	b.nomad.Kill()
	b.startNomad(t, 0)
	r.ends(60*time.Second, exitOK)
	b.active(t, "patient")
}

// startNomad starts the agent again where it was, on a machine that seems to have this much memory (MiB; 0: the real one).
func (b *badBed) startNomad(t *testing.T, memory int) {
	t.Helper()
	at, err := url.Parse(b.nomad.Address)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(at.Port())
	if err != nil {
		t.Fatal(err)
	}
	agent, err := dev.StartNomad(context.Background(), dev.NomadOptions{
		Data: filepath.Join(b.options.data, "nomad"), HTTP: dev.Port{Number: port}, Memory: memory,
	})
	if err != nil {
		t.Fatal(err)
	}
	b.nomad = agent
}

// mailServerDown: the form is accepted all the same; its mail waits, and leaves when the server is back.
func (b *badBed) mailServerDown(t *testing.T, serve *running) {
	b.mailbox.Stop()
	j := b.journey("", journey.Sample("post"))
	if err := j.Ask(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	serve.says(15*time.Second, "mails cannot be sent; they are kept, and sent when this is mended")
	wants(t, command(t, b.env, exitFailed, "doctor"), `FAIL +smtp .*refused`, "→ .")
	if waiting := b.waitingMails(t); waiting == 0 {
		t.Error("no mail waits in the outbox")
	}
	mailbox, err := dev.StartMaildev(context.Background(), dev.MaildevOptions{Data: b.options.data, Web: dev.Port{Number: b.options.mailP}})
	if err != nil {
		t.Fatal(err)
	}
	if mailbox.SMTPAddr != b.mailbox.SMTPAddr {
		t.Fatalf("maildev is at %s now, not at %s", mailbox.SMTPAddr, b.mailbox.SMTPAddr)
	}
	b.mailbox = mailbox
	var result journey.Result
	if err := j.Confirm(t.Context(), &result); err != nil {
		t.Fatal(err)
	}
	serve.says(5*time.Second, "mails can be sent again")
	await(t, 15*time.Second, "mail still waits", func() error {
		if n := b.waitingMails(t); n > 0 {
			return fmt.Errorf("%d mails wait", n)
		}
		return nil
	})
	mails, err := j.Mailbox.All(t.Context(), j.Request.Email)
	if err != nil {
		t.Fatal(err)
	}
	confirms := 0
	for _, m := range mails {
		if strings.Contains(m.Text, "/confirm/") {
			confirms++
		}
	}
	if confirms != 1 {
		t.Errorf("%d mails ask to confirm", confirms)
	}
}

func (b *badBed) waitingMails(t *testing.T) int {
	t.Helper()
	var mails []store.Mail
	err := b.app.store.Read(t.Context(), func(tx *store.Tx) (err error) {
		mails, err = tx.Mails("waiting", 100)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return len(mails)
}

// haproxyKilled: the agent brings the ingress back with all it served.
func (b *badBed) haproxyKilled(t *testing.T, edge *running) {
	slugs := b.open(t)
	pids := haproxies(b.config.Edge.Data)
	if len(pids) == 0 {
		t.Fatal("no HAProxy runs")
	}
	for _, pid := range pids {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && err != syscall.ESRCH {
			t.Fatal(err)
		}
	}
	edge.says(45*time.Second, "(?s)HAProxy runs.*HAProxy runs")
	for _, slug := range slugs {
		b.answering(t, slug)
	}
}

// opened is frama in this process, on the same database as the commands.
func opened(t testing.TB, file string) *app {
	t.Helper()
	c := &cli{in: strings.NewReader(""), out: &bytes.Buffer{}, err: &bytes.Buffer{}, file: file}
	a, err := c.open(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.store.Close() })
	return a
}
