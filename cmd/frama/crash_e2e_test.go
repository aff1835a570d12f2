//go:build e2e

package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"framagit.org/frama/frama/deploy/dev"
	"framagit.org/frama/frama/deploy/journey"
	"framagit.org/frama/frama/services/control"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/locale"
	"framagit.org/frama/frama/services/store"
	"framagit.org/frama/frama/services/work"
)

// TestCrash kills the worker (SIGKILL) just before and just after every commit of a provisioning run and of its last
// mail, each time on a space of its own, starts another worker, and looks at the world afterwards: one job that was
// registered once, one volume and one certificate an instance, no order repeated whose certificate was stored, one mail.
func TestCrash(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { testCrash(t, "") })
	t.Run("postgres", func(t *testing.T) {
		pg, err := dev.StartPostgres(t.Context(), dev.PostgresOptions{Data: shortDir(t)})
		if err != nil {
			t.Fatal(err)
		}
		defer pg.Stop()
		testCrash(t, pg.URL("postgres"))
	})
}

func testCrash(t *testing.T, database string) {
	apps := tinyCatalogue(t)
	b := newBed(t)
	orders := countOrders(t, b)
	b.reconfigure(func(text string) string {
		if database != "" {
			text = strings.Replace(text, "sqlite:"+filepath.Join(b.options.data, "frama.db"), database, 1)
		}
		text = strings.Replace(text, b.pebble.Directory, orders.directory, 1)
		text = strings.Replace(text, b.pebble.DirectoryCA, orders.caFile, 1)
		text = tinyOffer(text, apps)
		// A worker that was killed is succeeded after the lease; a mail it had in hand after five timeouts.
		return strings.Replace(text, "[smtp]", "[worker]\nlease = \"1s\"\n\n[smtp]\ntimeout = \"300ms\"", 1)
	})
	frama := buildFrama(t, "crash")
	b.mustFrama(frama, "", "migrate")
	// The server feeds the ingress. Its own mail server is a closed port: mail is the worker's here.
	t.Setenv("FRAMA_SMTP_PORT", "1")
	b.start("serve", frama, "serve")
	b.start("edge", frama, "edge")
	t.Setenv("FRAMA_SMTP_PORT", "")
	os.Unsetenv("FRAMA_SMTP_PORT")

	c := &cli{in: strings.NewReader(""), out: io.Discard, err: testWriter{t}, file: b.configFile()}
	a, err := c.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.store.Close() })

	trial := &crashTrial{bed: b, app: a, orders: orders, worker: buildWorker(t)}
	// The first run of all also makes the ACME account, which the others find.
	trial.run(t, 998, "")
	moments := trial.run(t, 999, "")
	if len(moments) < 40 {
		t.Fatalf("a run without a crash has only %d moments: %v", len(moments), moments)
	}
	t.Logf("%d moments to die at", len(moments))
	var hit sync.Map
	group := make(chan struct{}, 16)
	var all sync.WaitGroup
	for n, moment := range moments {
		if strings.HasPrefix(moment, "mail") {
			// Workers share the outbox: one at a time, so that each sends its own space's mail.
			all.Wait()
		}
		group <- struct{}{}
		all.Go(func() {
			defer func() { <-group }()
			if trial.run(t, n, moment) == nil {
				hit.Store(moment, true)
			}
		})
		if strings.HasPrefix(moment, "mail") {
			all.Wait()
		}
	}
	all.Wait()
	trial.lookAtIsolation(t, "crash-998", "crash-999")
	// Heartbeats and hosts that are certified side by side come in any order, and SQLite commits what meets together: a
	// moment of one run need not come again in another. Most do, or the test has lost its grip.
	var missed []string
	for _, moment := range moments {
		if _, ok := hit.Load(moment); !ok && !strings.Contains(moment, "defer") {
			missed = append(missed, moment)
		}
	}
	if len(missed) > len(moments)/10 {
		t.Errorf("at %d of %d moments no worker died: %v", len(missed), len(moments), missed)
	}
}

// crashTrial provisions a space with a worker that dies at one moment.
type crashTrial struct {
	bed    *bed
	app    *app
	orders *orderCounter
	worker string // binary that plays the worker
}

// buildWorker builds this test binary again, without the race detector where that is on: some hundred processes that
// live for seconds would spend most of them on it.
func buildWorker(t *testing.T) string {
	path := filepath.Join(t.TempDir(), "worker")
	if out, err := exec.Command("go", "test", "-c", "-tags", "e2e", "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("build the worker: %v\n%s", err, out)
	}
	return path
}

// run returns the moments that were met when the worker lived, and nil when it died where it should.
func (c *crashTrial) run(t *testing.T, n int, moment string) []string {
	slug := fmt.Sprintf("crash-%03d", n)
	space := c.space(t, slug)
	met, died, err := c.child(space.ID, moment)
	if err != nil {
		t.Errorf("%s, worker to die %s: %v", slug, moment, err)
		return met
	}
	stored := map[string]int{}
	if died {
		// Orders of hosts whose certificate is stored must not grow from here.
		for _, host := range c.hosts(t, space.ID) {
			if c.certificate(t, host).State == hosting.CertificateValid {
				stored[host] = c.orders.of(host)
			}
		}
		if _, diedAgain, err := c.child(space.ID, ""); err != nil || diedAgain {
			t.Errorf("%s, after dying %s: the next worker: %v", slug, moment, err)
			return nil
		}
	}
	c.look(t, slug, space, moment, stored)
	if died {
		return nil
	}
	return met
}

// child runs a worker process on one space. It prints each moment it meets.
func (c *crashTrial) child(space, moment string) (met []string, died bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.worker)
	cmd.Env = append(os.Environ(), "FRAMA_TEST_ROLE=crash", "FRAMA_TEST_CONFIG="+c.bed.configFile(), "FRAMA_TEST_SPACE="+space,
		"FRAMA_TEST_MOMENT="+moment)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, false, err
	}
	var log strings.Builder
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		return nil, false, err
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		met = append(met, lines.Text())
	}
	err = cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() && ctx.Err() == nil {
			return met, true, nil
		}
	}
	if err != nil {
		err = fmt.Errorf("%w: %s", err, log.String())
	}
	return met, false, err
}

// space makes an approved space, as the form and the dashboard would.
func (c *crashTrial) space(t *testing.T, slug string) hosting.Space {
	ctx, control := context.Background(), c.app.control
	q := journey.Sample(slug)
	request, err := control.Submit(ctx, c.app.public(), hosting.Submission{
		Association: hosting.Association{Name: q.Association}, Contact: hosting.Contact{Name: q.Contact, Email: q.Email, Lang: "fr"},
		Purpose: q.Purpose, Slug: slug, Kinds: q.Kinds, Plan: control.Offer().Plans[0], Charter: control.Offer().CharterVersion,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := control.Confirm(ctx, c.app.public(), c.app.links().ConfirmToken(request.ID)); err != nil {
		t.Fatal(err)
	}
	staff := hosting.Actor{Name: "test", Role: hosting.RoleAdmin}
	approval, err := control.Approve(ctx, staff, request.ID)
	if err != nil {
		t.Fatal(err)
	}
	space := approval.Space
	// What was mailed so far is out of the way: the worker has one mail to send, that the space is open.
	if status := sendMail(ctx, c.app, &death{}, space.ID); status != 0 {
		t.Fatal("the mails before the run are not sent")
	}
	return space
}

func (a *app) public() hosting.Actor { return hosting.Actor{Name: "public"} }

func (c *crashTrial) view(t *testing.T, space string) control.SpaceView {
	v, err := c.app.control.Space(context.Background(), hosting.Actor{Role: hosting.RoleAdmin}, space)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func (c *crashTrial) hosts(t *testing.T, space string) (hosts []string) {
	for _, i := range c.view(t, space).Instances {
		hosts = append(hosts, i.Host)
	}
	return hosts
}

func (c *crashTrial) certificate(t *testing.T, host string) (cert hosting.Certificate) {
	err := c.app.store.Read(context.Background(), func(tx *store.Tx) (err error) {
		cert, err = tx.Certificate(host)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	return cert
}

// look compares the world with what it should be.
func (c *crashTrial) look(t *testing.T, slug string, space hosting.Space, moment string, stored map[string]int) {
	fail := func(format string, args ...any) {
		t.Errorf("%s, after dying %q: "+format, append([]any{slug, moment}, args...)...)
	}
	v := c.view(t, space.ID)
	if v.Space.State != hosting.SpaceActive || len(v.Runs) != 1 || v.Runs[0].State != work.RunDone {
		fail("space is %s, runs %+v", v.Space.State, v.Runs)
	}
	var jobs []struct {
		ID      string
		Version int
	}
	var volumes []struct{ Name string }
	if err := c.bed.askNomad(http.MethodGet, "/v1/jobs?namespace=frama&meta=false&prefix="+space.Handle+"-", &jobs); err != nil {
		fail("%v", err)
	}
	if err := c.bed.askNomad(http.MethodGet, "/v1/volumes?type=csi&namespace=frama", &volumes); err != nil {
		fail("%v", err)
	}
	if len(jobs) != len(v.Instances) {
		fail("%d jobs for %d instances", len(jobs), len(v.Instances))
	}
	for _, i := range v.Instances {
		var job struct{ Version int }
		if err := c.bed.askNomad(http.MethodGet, "/v1/job/"+i.Job+"?namespace=frama", &job); err != nil || job.Version != 0 {
			fail("job %s has version %d, registered more than once (%v)", i.Job, job.Version, err)
		}
		count := 0
		for _, volume := range volumes {
			if volume.Name == i.Volume {
				count++
			}
		}
		if count != 1 {
			fail("%d volumes %s", count, i.Volume)
		}
		if cert := c.certificate(t, i.Host); cert.State != hosting.CertificateValid {
			fail("certificate of %s is %s", i.Host, cert.State)
		}
		if before, ok := stored[i.Host]; ok && c.orders.of(i.Host) != before {
			fail("the certificate of %s was stored and ordered again (%d, then %d orders)", i.Host, before, c.orders.of(i.Host))
		}
		if n := c.orders.of(i.Host); n < 1 || n > 2 {
			fail("%d orders for %s", n, i.Host)
		}
	}
	c.lookAtMail(slug, moment, fail)
}

// lookAtMail expects one mail that says that the space is open. A worker that died in the middle of handing it over
// may have handed it over twice, as the same message.
func (c *crashTrial) lookAtMail(slug, moment string, fail func(string, ...any)) {
	mails, err := c.bed.mails(journey.Sample(slug).Email, slug+"-pads.")
	if err != nil {
		fail("%v", err)
	}
	ids := map[string]bool{}
	for _, m := range mails {
		ids[m.Headers["message-id"]] = true
	}
	most := 1
	if strings.HasPrefix(moment, "mail") {
		most = 2
	}
	if len(ids) != 1 || len(mails) > most {
		fail("%d mails that the space is open, with %d Message-IDs", len(mails), len(ids))
	}
}

// lookAtIsolation asks Nomad for variables with the workload identity tokens of two associations' jobs: each reads its
// own job's, and neither the other's nor that of another job of the same space.
func (c *crashTrial) lookAtIsolation(t *testing.T, one, other string) {
	for _, asks := range [][2]string{{one, other}, {other, one}} {
		job := asks[0] + "-tinypads"
		token := c.workloadToken(t, job)
		for wanted, status := range map[string]int{
			job: http.StatusOK, asks[1] + "-tinypads": http.StatusForbidden, asks[0] + "-tinycalcs": http.StatusForbidden,
		} {
			req, err := http.NewRequest(http.MethodGet, c.bed.nomad.Address+"/v1/var/nomad/jobs/"+wanted+"?namespace=frama", nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("X-Nomad-Token", token)
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != status {
				t.Errorf("with the token of %s, the variables of %s answer %s, not %d", job, wanted, resp.Status, status)
			}
		}
	}
}

// workloadToken reads the token that Nomad gave to the job's task.
func (c *crashTrial) workloadToken(t *testing.T, job string) string {
	var allocs []struct{ ID string }
	if err := c.bed.askNomad(http.MethodGet, "/v1/job/"+job+"/allocations?namespace=frama", &allocs); err != nil {
		t.Fatal(err)
	}
	for _, a := range allocs {
		found, _ := filepath.Glob(filepath.Join(c.bed.options.data, "nomad", "state", "alloc", a.ID, "*", "secrets", "nomad_token"))
		for _, path := range found {
			if token, err := os.ReadFile(path); err == nil && len(token) > 0 {
				return strings.TrimSpace(string(token))
			}
		}
	}
	t.Fatalf("no token of %s found", job)
	return ""
}

func (b *bed) mails(to, text string) (found []journey.Mail, err error) {
	all, err := journey.Mailbox{URL: b.mailbox.WebURL}.All(context.Background(), to)
	for _, m := range all {
		if strings.Contains(m.Text, text) {
			found = append(found, m)
		}
	}
	return found, err
}

// crashChild is the worker that dies: it executes the space's run, then sends its mail.
func crashChild() int {
	death := &death{at: os.Getenv("FRAMA_TEST_MOMENT"), met: map[string]bool{}}
	c := &cli{in: strings.NewReader(""), out: os.Stderr, err: os.Stderr, file: os.Getenv("FRAMA_TEST_CONFIG"), hook: death.hook}
	ctx := context.Background()
	a, err := c.open(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	p, err := a.provisioner()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	space := os.Getenv("FRAMA_TEST_SPACE")
	w := a.worker("crash", p.Definitions())
	w.Spaces, w.Journal = []string{space}, &dyingJournal{Store: a.store, death: death}
	death.step("claim")
	for {
		if _, err := w.Once(ctx); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		v, err := a.control.Space(ctx, hosting.Actor{Role: hosting.RoleAdmin}, space)
		if err != nil || v.Runs[0].State == work.RunParked {
			fmt.Fprintln(os.Stderr, err, v.Runs)
			return 1
		}
		if v.Runs[0].State == work.RunDone {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	return sendMail(ctx, a, death, space)
}

// sendMail drains the outbox until every mail to the space's contact is sent.
func sendMail(ctx context.Context, a *app, death *death, space string) int {
	death.step("mail")
	words, err := locale.Load()
	if err != nil {
		return 1
	}
	outbox, err := a.outbox(words)
	if err != nil {
		return 1
	}
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if _, err := outbox.Once(ctx); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		waiting := 0
		err := a.store.Read(ctx, func(tx *store.Tx) error {
			mails, err := tx.Mails("waiting", 1000)
			for _, m := range mails {
				q, err := tx.Request(m.RequestID)
				if err == nil && q.SpaceID == space {
					waiting++
				}
			}
			return err
		})
		if err == nil && waiting == 0 {
			return 0
		}
	}
	fmt.Fprintln(os.Stderr, "mail still waits")
	return 1
}

// death ends the process at one moment. A moment is named by the step, the number of the write within it and the side of
// the commit; each is met once, so that waiting steps do not make new ones.
type death struct {
	at   string
	mu   sync.Mutex
	name string
	n    int
	met  map[string]bool
}

func (d *death) step(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.name, d.n = name, 0
}

func (d *death) hook(m store.Moment) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.name == "" {
		return // the start of the process, before the work
	}
	moment := fmt.Sprintf("%s, write %d, %s", d.name, d.n, m)
	if m == store.AfterCommit {
		d.n++
	}
	if d.met[moment] {
		return
	}
	d.met[moment] = true
	fmt.Println(moment)
	if moment == d.at {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}

// dyingJournal tells death which step is at work.
type dyingJournal struct {
	*store.Store
	death *death
}

func (j *dyingJournal) BeginStep(ctx context.Context, c work.Claim, seq int) error {
	j.death.step(c.Run.Steps[seq].Name)
	return j.Store.BeginStep(ctx, c, seq)
}

func (j *dyingJournal) FinishStep(ctx context.Context, c work.Claim, seq int, output string) error {
	j.death.step(c.Run.Steps[seq].Name + " finish")
	return j.Store.FinishStep(ctx, c, seq, output)
}

func (j *dyingJournal) DeferStep(ctx context.Context, c work.Claim, seq int, at time.Time, message string, failed bool) error {
	j.death.step(c.Run.Steps[seq].Name + " defer")
	return j.Store.DeferStep(ctx, c, seq, at, message, failed)
}

func (j *dyingJournal) FinishRun(ctx context.Context, c work.Claim) error {
	j.death.step("finish")
	return j.Store.FinishRun(ctx, c)
}

// orderCounter stands before the ACME server and counts the orders for each host.
type orderCounter struct {
	directory, caFile string
	mu                sync.Mutex
	counts            map[string]int
}

func (o *orderCounter) of(host string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.counts[host]
}

func countOrders(t *testing.T, b *bed) *orderCounter {
	o := &orderCounter{counts: map[string]int{}}
	target, err := url.Parse(b.pebble.Directory)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(b.pebble.DirectoryCA)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	proxy := &httputil.ReverseProxy{
		// The Host header stays as it came: Pebble makes its addresses from it.
		Director:  func(r *http.Request) { r.URL.Scheme, r.URL.Host = "https", target.Host },
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "localhost"}},
	}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "order-plz") {
			body, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(strings.NewReader(string(body)))
			o.count(body)
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	o.caFile = filepath.Join(b.options.data, "counter-ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(o.caFile, block, 0o600); err != nil {
		t.Fatal(err)
	}
	o.directory = server.URL + target.Path
	return o
}

// count reads the identifiers of a new order from its signed body (RFC 8555, 7.4).
func (o *orderCounter) count(body []byte) {
	var jws struct{ Payload string }
	var order struct{ Identifiers []struct{ Value string } }
	if json.Unmarshal(body, &jws) != nil {
		return
	}
	payload, err := base64.RawURLEncoding.DecodeString(jws.Payload)
	if err != nil || json.Unmarshal(payload, &order) != nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, i := range order.Identifiers {
		o.counts[i.Value]++
	}
}
