package web_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/services/auth"
	"framagit.org/frama/frama/services/control"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/locale"
	"framagit.org/frama/frama/services/seal"
	"framagit.org/frama/frama/services/store"
	"framagit.org/frama/frama/services/web"
)

const (
	charter  = "2026-01"
	password = "correct horse battery"
)

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) Move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// bench is the real site over the real use cases and a database in a temporary folder.
type bench struct {
	t       *testing.T
	app     *fiber.App
	control *control.Control
	store   *store.Store
	links   auth.Links
	clock   *clock
	log     *bytes.Buffer
	raw     *sql.DB // the same database, to count rows
}

func setup(t *testing.T, change ...func(*web.Options)) *bench {
	t.Helper()
	apps, err := catalogue.Load()
	must(t, err)
	return setupHost(t, apps, nil, change...)
}

// setupHost is the site of a host with that catalogue, which offers those kinds.
func setupHost(t *testing.T, apps *catalogue.Catalogue, offer []string, change ...func(*web.Options)) *bench {
	t.Helper()
	b := &bench{t: t, clock: &clock{at: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)}, log: &bytes.Buffer{}}
	newID := func() string { return uuid.Must(uuid.NewV7()).String() }
	key, err := seal.New(bytes.Repeat([]byte{7}, seal.Size))
	must(t, err)
	path := filepath.Join(t.TempDir(), "frama.db")
	b.store, err = store.Open(t.Context(), "sqlite:"+path, store.Options{Now: b.clock.Now, NewID: newID, Seal: key})
	must(t, err)
	t.Cleanup(func() { _ = b.store.Close() })
	_, err = b.store.Migrate(t.Context())
	must(t, err)
	b.raw, err = sql.Open("sqlite", "file:"+path)
	must(t, err)
	t.Cleanup(func() { _ = b.raw.Close() })

	b.links = auth.Links{Key: bytes.Repeat([]byte{1}, 32), PublicURL: "http://frama.example.org"}
	b.control = control.New(b.store, apps, control.Options{
		Platform: "example.org", HTTPSPort: 443, PublicURL: b.links.PublicURL, HostName: "Maison commune",
		Offer: offer, HostEmail: "bonjour@example.org", CharterVersion: charter, Reserved: []string{"reserve"}, LinkKey: b.links.Key, SessionTTL: 8 * time.Hour,
		Cluster: "main", Overcommit: hosting.Overcommit{CPU: 3, Memory: 1},
		Cost: control.Cost{Currency: "EUR", Servers: 420, Hours: 35, HourRate: 25, SeatPrice: 6, Watts: 480, GramsPerKWh: 32},
		Now:  b.clock.Now, NewID: newID,
	})
	must(t, b.control.AdoptPlans(t.Context()))
	messages, err := locale.Load()
	must(t, err)
	options := web.Options{
		Control: b.control, Locale: messages, PublicURL: b.links.PublicURL, SigningKey: bytes.Repeat([]byte{2}, 32),
		HostName: "Maison commune", CharterURL: "https://example.org/charte", Version: "test", Now: b.clock.Now,
		Log: slog.New(slog.NewJSONHandler(b.log, nil)),
	}
	for _, f := range change {
		f(&options)
	}
	b.app, err = web.New(options)
	must(t, err)
	return b
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// rows counts what a table holds.
func (b *bench) rows(table string) (n int) {
	b.t.Helper()
	must(b.t, b.raw.QueryRow("SELECT count(*) FROM "+table).Scan(&n))
	return n
}

func (b *bench) admin() hosting.Actor {
	return hosting.Actor{Name: "cli:test", Role: hosting.RoleAdmin}
}

func (b *bench) addUser(email string, role hosting.Role) {
	b.t.Helper()
	_, err := b.control.AddUser(context.Background(), b.admin(), email, "Camille Martin", role, password)
	must(b.t, err)
}

// pending puts a confirmed request for slug into the queue.
func (b *bench) pending(slug string) hosting.Request {
	b.t.Helper()
	s := submission()
	s.Slug = slug
	q, err := b.control.Submit(context.Background(), hosting.Actor{Name: "public"}, s)
	must(b.t, err)
	_, err = b.control.Confirm(context.Background(), hosting.Actor{Name: "public"}, b.links.ConfirmToken(q.ID))
	must(b.t, err)
	return q
}

func submission() hosting.Submission {
	return hosting.Submission{
		Association: hosting.Association{Name: "Les Amis du Vélo"},
		Contact:     hosting.Contact{Name: "Zoé Durand", Email: "zoe@velo.example", Lang: "fr"},
		Purpose:     "Préparer nos ateliers et nos comptes rendus ensemble.",
		Slug:        "velo", Kinds: []string{"pads", "calcs"}, Plan: "starter", Charter: charter,
	}
}

// typed is a form that nothing is wrong with.
func typed() url.Values {
	return url.Values{
		"association": {"Les Amis du Vélo"}, "rna": {""}, "siret": {""}, "website": {""}, "contact": {"Zoé Durand"},
		"email": {"zoe@velo.example"}, "lang": {"fr"}, "purpose": {"Préparer nos ateliers et nos comptes rendus ensemble."},
		"slug": {"velo"}, "kinds": {"pads", "calcs"}, "plan": {"starter"}, "charter": {charter}, "action": {"send"},
	}
}

// browser keeps cookies, as people's do.
type browser struct {
	*bench
	cookies map[string]string
	headers map[string]string
}

func (b *bench) browser() *browser {
	return &browser{bench: b, cookies: map[string]string{}, headers: map[string]string{}}
}

// answer is what came back.
type answer struct {
	*http.Response
	body string
}

func (br *browser) do(method, path, kind, body string) answer {
	br.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Host = "frama.example.org"
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	for name, value := range br.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	for name, value := range br.headers {
		r.Header.Set(name, value)
	}
	response, err := br.app.Test(r, -1)
	must(br.t, err)
	text, err := io.ReadAll(response.Body)
	must(br.t, err)
	for _, c := range response.Cookies() {
		if c.Value == "" {
			delete(br.cookies, c.Name)
			continue
		}
		if br.cookies[c.Name] = c.Value; !c.Expires.IsZero() || c.MaxAge <= 0 {
			br.t.Errorf("%s %s: the lifetime of %s depends on the visitor's clock: %s", method, path, c.Name, c.Raw)
		}
	}
	if strings.Contains(string(text), "⟦") {
		br.t.Errorf("%s %s shows a key without a message: %.200s", method, path, text[bytes.Index(text, []byte("⟦")):])
	}
	return answer{response, string(text)}
}

func (br *browser) get(path string) answer {
	br.t.Helper()
	return br.do("GET", path, "", "")
}

const formType = "application/x-www-form-urlencoded"

func (br *browser) post(path string, form url.Values) answer {
	br.t.Helper()
	return br.do("POST", path, formType, form.Encode())
}

var tokenPattern = regexp.MustCompile(`name="token" value="([^"]+)"`)

// token reads the token of the forms on a page.
func (br *browser) token(page string) string {
	br.t.Helper()
	found := tokenPattern.FindStringSubmatch(br.get(page).body)
	if found == nil {
		br.t.Fatalf("%s has no form", page)
	}
	return html.UnescapeString(found[1])
}

// send fills in the form on page and sends it to path.
func (br *browser) send(page, path string, form url.Values) answer {
	br.t.Helper()
	form.Set("token", br.token(page))
	return br.post(path, form)
}

func (br *browser) signIn(email string) {
	br.t.Helper()
	a := br.send("/admin/login", "/admin/login", url.Values{"email": {email}, "password": {password}})
	a.is(br.t, 303)
}

func (a answer) is(t *testing.T, status int) answer {
	t.Helper()
	if a.StatusCode != status {
		t.Fatalf("status %d, want %d\n%s", a.StatusCode, status, main(a.body))
	}
	return a
}

func (a answer) has(t *testing.T, texts ...string) answer {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(a.body, text) {
			t.Errorf("the page lacks %q\n%s", text, main(a.body))
		}
	}
	return a
}

func (a answer) lacks(t *testing.T, texts ...string) answer {
	t.Helper()
	for _, text := range texts {
		if strings.Contains(a.body, text) {
			t.Errorf("the page has %q\n%s", text, main(a.body))
		}
	}
	return a
}

// main is the part of a page that tests fail about.
func main(body string) string {
	if i := strings.Index(body, "<main"); i >= 0 {
		body = body[i:]
	}
	return fmt.Sprintf("%.1500s", body)
}
