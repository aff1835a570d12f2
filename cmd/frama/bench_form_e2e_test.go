//go:build e2e

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"framagit.org/frama/frama/deploy/dev"
	"framagit.org/frama/frama/services/locale"
	"framagit.org/frama/frama/services/seal"
	"framagit.org/frama/frama/services/web"
)

const (
	formAtOnce = 8   // at once, each on a connection of its own
	formEach   = 500 // submissions of each client in a round
	formRounds = 3
)

// BenchmarkForm measures how many submissions of the public form a second frama takes, and how long the slowest
// hundredth waits, against a fiber handler that keeps the same fields with one INSERT: the same database, the same
// settings, the same promise that an answered submission survives a power cut. Each runs in a process of its own; the
// clients are in this one. Rounds alternate, on databases that grow as one in use does.
func BenchmarkForm(b *testing.B) {
	begin()
	dir := shortDir(b)
	ports, err := dev.FreePorts(3)
	if err != nil {
		b.Fatal(err)
	}
	local := func(n int) string { return fmt.Sprintf("127.0.0.1:%d", ports[n]) }
	file := filepath.Join(dir, "frama.toml")
	text := tomlTable("", "listen", local(0), "public_url", "http://"+local(0), "database", "sqlite:"+filepath.Join(dir, "frama.db"), "form_limit", 0) +
		tomlTable("seal", "key_file", filepath.Join(dir, "seal.key"))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	binary, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	launchBinary(b, filepath.Join(dir, "form.log"), []string{"FRAMA_TEST_ROLE=form", "FRAMA_TEST_CONFIG=" + file}, binary)
	launchBinary(b, filepath.Join(dir, "bare.log"), nil, buildBare(b, "bare", bareForm), local(1), filepath.Join(dir, "bare.db"))
	for _, address := range []string{local(0), local(1)} {
		await(b, 20*time.Second, "the server at "+address, func() error { return answers(http.DefaultClient, "http://"+address+"/healthz") })
	}
	frama, bare := newFormClients(b, local(0)), newFormClients(b, local(1))
	frama.round(b, 50)
	bare.round(b, 50)
	for round := range formRounds {
		rate, p99 := frama.round(b, formEach)
		bareRate, bareP99 := bare.round(b, formEach)
		say("round %d: frama %.0f/s, p99 %.1f ms; bare %.0f/s, p99 %.1f ms", round+1, rate, ms(p99), bareRate, ms(bareP99))
		frama.keep(rate, p99)
		bare.keep(bareRate, bareP99)
	}
	rate, p99 := median(frama.rates), ms(median(frama.slowest))
	benchLine{"form-throughput", rate, "1/s", median(bare.rates) / rate, "bare-fiber-insert", 2}.print()
	benchLine{"form-p99", p99, "ms", p99 / ms(median(bare.slowest)), "bare-fiber-insert", 2}.print()
}

// formChild serves frama's pages as frama serve does, without what else that one does.
func formChild() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	fail := func(err error) int {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	c := &cli{in: strings.NewReader(""), out: os.Stdout, err: os.Stderr, file: os.Getenv("FRAMA_TEST_CONFIG")}
	conf, err := c.load()
	if err != nil {
		return fail(err)
	}
	a, err := c.wire(ctx, conf, seal.LoadOrMake)
	if err != nil {
		return fail(err)
	}
	defer a.store.Close()
	if _, err := a.migrate(ctx); err != nil {
		return fail(err)
	}
	words, err := locale.Load()
	if err != nil {
		return fail(err)
	}
	site, err := web.New(web.Options{
		Control: a.control, Locale: words, PublicURL: conf.PublicURL, FormLimitPerMinute: conf.FormLimit,
		SigningKey: a.seal.Derive("forms", 32), HostName: conf.Host.Name, CharterURL: conf.Host.CharterURL, Log: a.log, Version: version(),
	})
	if err != nil {
		return fail(err)
	}
	if err := site.Listen(conf.Listen); err != nil {
		return fail(err)
	}
	return 0
}

// bareForm is the least that a form can be: fiber, one INSERT with the settings of frama's database, a redirect.
const bareForm = `package main

import (
	"database/sql"
	"os"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"
	_ "modernc.org/sqlite"
)

func main() {
	db, err := sql.Open("sqlite", "file:"+os.Args[2]+"?_pragma=busy_timeout(10000)&_pragma=foreign_keys(1)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_txlock=immediate")
	if err != nil {
		panic(err)
	}
	db.SetMaxOpenConns(1)
	db.SetMaxIdleConns(1)
	if _, err := db.Exec("CREATE TABLE request (id TEXT PRIMARY KEY, association TEXT, contact TEXT, email TEXT, lang TEXT, purpose TEXT, slug TEXT, kinds TEXT, plan TEXT, charter TEXT, created_at INTEGER)"); err != nil {
		panic(err)
	}
	app := fiber.New(fiber.Config{DisableStartupMessage: true, Immutable: true})
	app.Get("/healthz", func(c *fiber.Ctx) error { return c.SendString("ok") })
	app.Get("/request", func(c *fiber.Ctx) error { return c.SendString("<input name=\"token\" value=\"none\">") })
	app.Post("/request", func(c *fiber.Ctx) error {
		_, err := db.Exec("INSERT INTO request VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)", uuid.Must(uuid.NewV7()).String(),
			c.FormValue("association"), c.FormValue("contact"), c.FormValue("email"), c.FormValue("lang"), c.FormValue("purpose"),
			c.FormValue("slug"), c.FormValue("kinds"), c.FormValue("plan"), c.FormValue("charter"), time.Now().UnixMicro())
		if err != nil {
			return err
		}
		return c.Redirect("/request/sent", 303)
	})
	panic(app.Listen(os.Args[1]))
}
`

// formClients are browsers that send one form after the other.
type formClients struct {
	address string
	token   string
	cookie  string
	sent    int
	rates   []float64       // submissions a second, by round
	slowest []time.Duration // 99th percentile, by round
}

var tokenInput = regexp.MustCompile(`name="token" value="([^"]+)"`)

// newFormClients opens the form once, as a browser has to: for its token and the cookie that belongs to it.
func newFormClients(b *testing.B, address string) *formClients {
	b.Helper()
	resp, err := http.Get("http://" + address + "/request")
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	if err != nil {
		b.Fatal(err)
	}
	found := tokenInput.FindSubmatch(page)
	if found == nil {
		b.Fatalf("no token in the form of %s:\n%s", address, page)
	}
	f := &formClients{address: address, token: string(found[1]), cookie: "none=none"}
	for _, c := range resp.Cookies() {
		f.cookie = c.Name + "=" + c.Value
	}
	return f
}

func (f *formClients) keep(rate float64, p99 time.Duration) {
	f.rates, f.slowest = append(f.rates, rate), append(f.slowest, p99)
}

// round sends the forms of all clients and returns how many a second were answered, and the 99th percentile of the wait.
func (f *formClients) round(b *testing.B, each int) (rate float64, p99 time.Duration) {
	b.Helper()
	waits := make([][]time.Duration, formAtOnce)
	var all sync.WaitGroup
	start := time.Now()
	for n := range formAtOnce {
		first := f.sent + n*each
		all.Go(func() {
			var err error
			if waits[n], err = f.client(first, each); err != nil {
				b.Errorf("form at %s: %v", f.address, err)
			}
		})
	}
	all.Wait()
	took := time.Since(start)
	if b.Failed() {
		b.FailNow()
	}
	f.sent += formAtOnce * each
	sorted := slices.Sorted(slices.Values(slices.Concat(waits...)))
	return float64(len(sorted)) / took.Seconds(), sorted[len(sorted)*99/100]
}

// client sends forms over one connection. It writes HTTP by hand, to leave the processors to the servers.
func (f *formClients) client(first, each int) ([]time.Duration, error) {
	conn, err := net.Dial("tcp", f.address)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	answers := bufio.NewReader(conn)
	var waits []time.Duration
	for n := range each {
		form := f.form(first + n)
		start := time.Now()
		_, err := fmt.Fprintf(conn, "POST /request HTTP/1.1\r\nHost: %s\r\nSec-Fetch-Site: same-origin\r\nAccept-Language: fr\r\nCookie: %s\r\n"+
			"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s", f.address, f.cookie, len(form), form)
		if err != nil {
			return nil, err
		}
		resp, err := http.ReadResponse(answers, nil)
		if err != nil {
			return nil, err
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusSeeOther {
			return nil, fmt.Errorf("status %s (%w):\n%s", resp.Status, err, body)
		}
		waits = append(waits, time.Since(start))
	}
	return waits, nil
}

func (f *formClients) form(n int) string {
	slug := fmt.Sprintf("bench-%06d", n)
	return url.Values{
		"token": {f.token}, "action": {"send"}, "association": {"Les Jardins partagés du Lilas"}, "contact": {"Camille Martin"},
		"email": {"contact@" + slug + ".example.org"}, "lang": {"fr"}, "slug": {slug}, "kinds": {"pads"}, "plan": {"starter"}, "charter": {"2"},
		"purpose": {"Écrire à plusieurs les comptes rendus, tenir le planning de l'arrosage et le budget des semis."},
	}.Encode()
}
