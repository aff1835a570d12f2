//go:build e2e

package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
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
		text = strings.Replace(text, "[catalogue]", fmt.Sprintf("[catalogue]\ndirs = [%q]", apps), 1)
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
	space, err := b.app.control.Approve(t.Context(), tester, q.ID)
	if err != nil {
		t.Fatal(err)
	}
	return space
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

// acmeDownThenLimiting: the authority cannot be reached, and has forgotten every account when it is back; then it
// limits.
func (b *badBed) acmeDownThenLimiting(t *testing.T) {
	b.approved(t, "limits")
	b.acme.down(t)
	r := spawn(t, b.env, "provision", "limits")
	r.says(45*time.Second, `limits +certificate +waiting +the certificate authority at .* cannot be reached: check its address`)
	r.signal(os.Interrupt)
	r.ends(30*time.Second, exitFailed)
	wants(t, command(t, b.env, exitFailed, "doctor"), `FAIL +acme .*refused`, `→ check acme\.directory, acme\.ca_file`)

	b.pebble.Stop()
	pebble, err := dev.StartPebble(context.Background(), dev.PebbleOptions{Data: b.options.data, EdgeHTTP: b.options.http, EdgeTLS: b.options.https})
	if err != nil {
		t.Fatal(err)
	}
	if pebble.Directory != b.pebble.Directory {
		t.Fatalf("Pebble is at %s now, not at %s", pebble.Directory, b.pebble.Directory)
	}
	b.pebble = pebble
	b.acme.limiting.Store(true)
	b.acme.up(t)
	r = spawn(t, b.env, "provision", "limits")
	r.says(30*time.Second, `limits +certificate +waiting +the certificate authority at .* limits how much it is asked; nothing to do`)
	refused := b.acme.refused.Load()
	b.acme.limiting.Store(false)
	r.ends(30*time.Second, exitOK)
	b.active(t, "limits")
	if refused == 0 || refused > 6 {
		t.Errorf("the authority was asked %d times in the 2 s for which it had asked to be left alone", refused)
	}
	v, err := b.app.control.Space(t.Context(), tester, "limits")
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range v.Instances {
		if i.Certificate == nil || i.Certificate.State != hosting.CertificateValid || i.Certificate.LastError != "" {
			t.Errorf("the certificate of %s still bears its trouble: %+v", i.Host, i.Certificate)
		}
	}
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
	for _, slug := range slugs {
		b.answering(t, slug)
	}
	wants(t, edge.said(), "(?s)HAProxy runs.*HAProxy runs")
}

// moodyACME stands before the ACME server: it can refuse orders as a rate limit does, and be gone.
type moodyACME struct {
	directory, caFile string
	limiting          atomic.Bool
	refused           atomic.Int64
	server            *httptest.Server
	gate              net.Listener
	address           string
}

func newMoodyACME(t *testing.T, b *bed) *moodyACME {
	t.Helper()
	m := &moodyACME{caFile: filepath.Join(b.options.data, "moody-ca.pem")}
	target, err := url.Parse(b.pebble.Directory)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		// The Host header stays as it came: Pebble makes its addresses from it.
		Director:  func(r *http.Request) { r.URL.Scheme, r.URL.Host = "https", target.Host },
		Transport: &http.Transport{TLSClientConfig: trusting(t, b.pebble.DirectoryCA)},
	}
	m.server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if m.limiting.Load() && strings.Contains(r.URL.Path, "order-plz") {
			m.refused.Add(1)
			w.Header().Set("Retry-After", "2")
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusTooManyRequests)
			fmt.Fprint(w, `{"type":"urn:ietf:params:acme:error:rateLimited","detail":"too many new orders","status":429}`)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(m.server.Close)
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: m.server.Certificate().Raw})
	if err := os.WriteFile(m.caFile, block, 0o600); err != nil {
		t.Fatal(err)
	}
	m.address = "127.0.0.1:0"
	m.up(t)
	m.directory = "https://" + m.address + target.Path
	t.Cleanup(func() { m.gate.Close() })
	return m
}

// trusting believes the authority in a file.
func trusting(t *testing.T, file string) *tls.Config {
	t.Helper()
	ca, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	return &tls.Config{RootCAs: roots, ServerName: "localhost", MinVersion: tls.VersionTLS12}
}

// up opens the port behind which the server is.
func (m *moodyACME) up(t *testing.T) {
	t.Helper()
	var err error
	if m.gate, err = net.Listen("tcp", m.address); err != nil {
		t.Fatal(err)
	}
	m.address = m.gate.Addr().String()
	go func(gate net.Listener) {
		for {
			in, err := gate.Accept()
			if err != nil {
				return
			}
			go pass(in, m.server.Listener.Addr().String())
		}
	}(m.gate)
}

// down closes the port, and what is open on it.
func (m *moodyACME) down(t *testing.T) {
	t.Helper()
	if err := m.gate.Close(); err != nil {
		t.Fatal(err)
	}
	m.server.CloseClientConnections()
}

// pass carries one connection to an address.
func pass(in net.Conn, address string) {
	defer in.Close()
	out, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer out.Close()
	done := make(chan struct{}, 2)
	for _, way := range [][2]net.Conn{{in, out}, {out, in}} {
		go func() {
			_, _ = io.Copy(way[0], way[1])
			done <- struct{}{}
		}()
	}
	<-done
}

// visitor fills in the form as a browser does, and sees status and page.
type visitor struct {
	t      *testing.T
	client *http.Client
	url    string
}

func newVisitor(t *testing.T, h host) *visitor {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &visitor{t: t, url: h.url, client: &http.Client{Jar: jar, Timeout: 40 * time.Second}}
}

// ask sends the form for a name. The page is the one after redirects.
func (v *visitor) ask(slug string) (status int, page string) {
	v.t.Helper()
	_, form := v.read(v.client.Get(v.url + "/request"))
	value := func(field string) string {
		m := regexp.MustCompile(`name="` + field + `"[^>]*value="([^"]*)"`).FindStringSubmatch(form)
		if m == nil {
			v.t.Fatalf("the form has no %s: %.500s", field, form)
		}
		return html.UnescapeString(m[1])
	}
	q := journey.Sample(slug)
	return v.read(v.client.PostForm(v.url+"/request", url.Values{
		"token": {value("token")}, "charter": {value("charter")}, "plan": {value("plan")}, "action": {"send"}, "lang": {"fr"},
		"association": {q.Association}, "rna": {q.RNA}, "contact": {q.Contact}, "email": {q.Email}, "purpose": {q.Purpose},
		"slug": {slug}, "kinds": q.Kinds,
	}))
}

func (v *visitor) read(resp *http.Response, err error) (int, string) {
	v.t.Helper()
	if err != nil {
		v.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// kept fails unless the page is the form with everything that was typed, and this said above it.
func (v *visitor) kept(page, slug, alert string) {
	v.t.Helper()
	q := journey.Sample(slug)
	text := html.UnescapeString(page)
	for _, typed := range []string{q.Association, q.RNA, q.Contact, q.Email, q.Purpose, slug} {
		if !strings.Contains(text, typed) {
			v.t.Errorf("%q was typed and is lost", typed)
		}
	}
	for _, kind := range q.Kinds {
		if !regexp.MustCompile(`name="kinds" value="` + kind + `" checked`).MatchString(page) {
			v.t.Errorf("%s was ticked and is not any more", kind)
		}
	}
	if !strings.Contains(text, alert) {
		v.t.Errorf("the page does not say %q: %.600s", alert, page)
	}
}

// TestBadDisk: the disk is full. The form says so and keeps what was typed; afterwards all that was accepted is there,
// nothing else is, and the file is sound.
func TestBadDisk(t *testing.T) {
	disk := filepath.Join(shortDir(t), "disk")
	if err := os.Mkdir(disk, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=8m"); err != nil {
		t.Fatalf("mount a small disk (this test needs root): %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, 0); err != nil {
			t.Error(err)
		}
	})
	database := filepath.Join(disk, "frama.db")
	h := newHost(t, "sqlite:"+database)
	serve := h.serve(t)
	v := newVisitor(t, h)
	accepted := []string{}
	status, page := v.ask("avant")
	if status != http.StatusOK {
		t.Fatalf("with room: %d %.300s", status, page)
	}
	accepted = append(accepted, "avant")

	filler := filepath.Join(disk, "filler")
	fill(t, filler)
	refused := ""
	for n := range 500 { // SQLite's log has room of its own, for some forms
		slug := fmt.Sprintf("plein-%d", n)
		if status, page = v.ask(slug); status != http.StatusOK {
			refused = slug
			break
		}
		accepted = append(accepted, slug)
	}
	if status != http.StatusServiceUnavailable {
		t.Fatalf("on a full disk, after %d forms: %d %.500s", len(accepted), status, page)
	}
	t.Logf("the disk was full for the database after %d forms", len(accepted))
	v.kept(page, refused, "La base de données n’a plus de place")
	wants(t, serve.said(), "no room left: free disk space")
	// What only reads goes on, and doctor says what is wrong.
	if status, _ := h.get(t, "/request"); status != http.StatusOK {
		t.Errorf("the empty form answers %d", status)
	}
	wants(t, command(t, h.environ(), exitFailed, "doctor"), `FAIL +disk +0 MiB free`, "→ free at least 1 GiB")

	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if status, page = v.ask(refused); status != http.StatusOK {
		t.Fatalf("with room again: %d %.500s", status, page)
	}
	accepted = append(accepted, refused)
	serve.signal(syscall.SIGTERM)
	serve.ends(20*time.Second, exitOK)
	sound(t, database, accepted)
}

// fill takes the last byte of the disk.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; {
		if _, err := f.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
}

// sound checks the file as SQLite itself sees it.
func sound(t *testing.T, database string, slugs []string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+database)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var verdict string
	if err := db.QueryRow("PRAGMA integrity_check").Scan(&verdict); err != nil || verdict != "ok" {
		t.Errorf("integrity_check: %s (%v)", verdict, err)
	}
	var requests, mails int
	if err := db.QueryRow("SELECT count(*) FROM request").Scan(&requests); err != nil {
		t.Fatal(err)
	}
	if err := db.QueryRow("SELECT count(*) FROM outbox").Scan(&mails); err != nil {
		t.Fatal(err)
	}
	if requests != len(slugs) || mails != len(slugs) {
		t.Errorf("%d forms were accepted; there are %d requests and %d mails", len(slugs), requests, mails)
	}
	for _, slug := range slugs {
		var n int
		if err := db.QueryRow("SELECT count(*) FROM request WHERE slug = ?", slug).Scan(&n); err != nil || n != 1 {
			t.Errorf("%s: %d requests (%v)", slug, n, err)
		}
	}
}

// TestBadPostgres: the database stops under a running server. Pages say so, with nothing lost, and work again with it.
func TestBadPostgres(t *testing.T) {
	data := shortDir(t)
	pg, err := dev.StartPostgres(t.Context(), dev.PostgresOptions{Data: data})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { pg.Stop() }()
	h := newHost(t, pg.URL("postgres"))
	serve := h.serve(t)
	v := newVisitor(t, h)
	if status, page := v.ask("avant"); status != http.StatusOK {
		t.Fatalf("with a database: %d %.300s", status, page)
	}
	a := opened(t, h.file)
	page, err := a.control.Requests(t.Context(), tester, control.RequestFilter{})
	if err != nil || len(page.Requests) != 1 {
		t.Fatalf("%d requests, %v", len(page.Requests), err)
	}
	track := strings.TrimPrefix(a.links().Track(page.Requests[0].ID), h.url)

	port := pg.Port
	pg.Stop()
	status, form := v.ask("pendant")
	if status != http.StatusServiceUnavailable {
		t.Errorf("the form answers %d: %.300s", status, form)
	}
	v.kept(form, "pendant", "La base de données ne répond pas")
	for _, path := range []string{track, strings.TrimSuffix(track, "/") + "/progress"} {
		if status, text := h.get(t, path); status != http.StatusServiceUnavailable || strings.Contains(text, "connect") {
			t.Errorf("%s answers %d: %.500s", path, status, text)
		}
	}
	wants(t, command(t, h.environ(), exitFailed, "request", "list"), "database does not answer: check that it runs")
	select {
	case <-serve.done:
		t.Fatalf("the server ended with its database: %s", serve.said())
	default:
	}

	if pg, err = dev.StartPostgres(context.Background(), dev.PostgresOptions{Data: data, Port: dev.Port{Number: port}}); err != nil {
		t.Fatal(err)
	}
	await(t, 10*time.Second, "the page does not come back", func() error { return answers(http.DefaultClient, h.url+track) })
	if status, text := v.ask("pendant"); status != http.StatusOK {
		t.Errorf("the form answers %d: %.300s", status, text)
	}
	// A connection that was in use within the last second is not looked at before it is used again, and fails once.
	await(t, 10*time.Second, "what was asked for is not all there", func() error {
		page, err := a.control.Requests(t.Context(), tester, control.RequestFilter{})
		if err == nil && len(page.Requests) != 2 {
			err = fmt.Errorf("%d requests", len(page.Requests))
		}
		return err
	})
}
