//go:build e2e

package main

import (
	"context"
	"database/sql"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"framagit.org/frama/frama/deploy/dev"
	"framagit.org/frama/frama/deploy/journey"
	"framagit.org/frama/frama/services/control"
)

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
