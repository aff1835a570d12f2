package retain_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/provisioner/exchange"
	"framagit.org/frama/frama/provisioner/retain"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/mail"
	"framagit.org/frama/frama/services/store"
	"framagit.org/frama/frama/services/store/storetest"
)

const day = 24 * time.Hour

// key is the secret of the application.
const key = "S3cretKeyOfThisInstance"

// failer is what both tests and properties are.
type failer interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// world is a host with one open space, whose pads live in a server that plays Etherpad.
type world struct {
	failer
	ctx      context.Context
	store    *store.Store
	clock    *storetest.Clock
	space    hosting.Space
	instance hosting.Instance
	pads     *etherpad
	archive  string
	options  retain.Options
	version  int    // of the plan in force
	cancel   func() // ends the round that is going on
}

// rule removes pads that nobody changed for 60 days, ten days after the association was told.
var rule = hosting.RetentionRule{Metric: "pads", Unused: 60 * day, Announce: 10 * day}

func newWorld(t *testing.T) *world { return newWorldIn(t, t, t.TempDir()) }

func newWorldIn(t testing.TB, f failer, dir string) *world {
	clock := storetest.NewClock()
	w := &world{failer: f, ctx: context.Background(), clock: clock, store: storetest.Open(t, "sqlite:"+filepath.Join(dir, "frama.db"), clock.With),
		archive: filepath.Join(dir, "archive")}
	apps, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	w.pads = &etherpad{failer: f, archive: w.archive, now: clock.Now, all: map[string]*pad{}, fail: map[string]http.HandlerFunc{}}
	server := httptest.NewServer(w.pads)
	t.Cleanup(server.Close)
	w.options = retain.Options{
		Store: w.store, Catalogue: apps, Archive: w.archive, MailDomain: "host.example", Now: clock.Now,
		URL: func(host string) string { return "https://" + host }, Log: slog.New(slog.DiscardHandler),
		Pace: time.Nanosecond, Within: 20 * time.Minute, Patience: time.Millisecond,
		Talk: func(context.Context, hosting.Instance) (*exchange.Exchange, error) {
			return &exchange.Exchange{Client: server.Client(), URL: server.URL, Secrets: map[string]string{"api_key": key}, Timeout: time.Minute}, nil
		},
	}
	w.space = storetest.AddSpace(t, w.store, "lilas")
	w.instance = storetest.AddInstance(t, w.store, w.space, "pads", "etherpad")
	w.write(func(tx *store.Tx) error {
		for _, to := range []hosting.SpaceState{hosting.SpaceProvisioning, hosting.SpaceActive} {
			if _, err := tx.MoveSpace(w.space.ID, to); err != nil {
				return err
			}
		}
		return tx.Route(w.instance.ID, strings.TrimPrefix(server.URL, "http://"))
	})
	return w
}

func (w *world) write(f func(*store.Tx) error) {
	w.Helper()
	if err := w.store.Write(w.ctx, f); err != nil {
		w.Fatalf("%v", err)
	}
}

func (w *world) read(f func(*store.Tx) error) {
	w.Helper()
	if err := w.store.Read(w.ctx, f); err != nil {
		w.Fatalf("%v", err)
	}
}

// apply puts rules in force.
func (w *world) apply(rules ...hosting.RetentionRule) {
	w.Helper()
	w.version++
	w.write(func(tx *store.Tx) error {
		return tx.InsertPlanVersion(hosting.PlanVersion{Plan: w.space.Plan, Version: w.version, Retention: rules, AppliedAt: tx.Now, AppliedBy: "ana"})
	})
}

// round looks at the space as frama serve does; at has frama end after a step.
func (w *world) round(at ...string) retain.Report {
	w.Helper()
	return w.roundWith(retain.Ask{}, at...)
}

// end is what a step panics with.
type end struct{}

func (w *world) roundWith(ask retain.Ask, at ...string) (report retain.Report) {
	w.Helper()
	r := retain.New(w.options)
	ctx, cancel := context.WithCancel(w.ctx)
	defer cancel()
	w.cancel = cancel
	r.At(func(name string) {
		if slices.Contains(at, name) {
			w.pads.died = true
			panic(end{})
		}
	})
	defer func() {
		if p := recover(); p != nil {
			if _, ours := p.(end); !ours {
				panic(p)
			}
		}
	}()
	reports, err := r.Serially(ctx, ask)
	if err != nil {
		w.Errorf("%v", err)
	}
	if len(reports) == 1 {
		return reports[0]
	}
	return report
}

// send hands over what waits in the outbox, and returns the mails about retention that it has ever had, the oldest first.
func (w *world) send() (about []store.Mail) {
	w.Helper()
	w.write(func(tx *store.Tx) error {
		due, err := tx.MailsDue(100)
		for _, m := range due {
			err = errors.Join(err, tx.MailSent(m.ID))
		}
		return err
	})
	w.read(func(tx *store.Tx) error {
		all, err := tx.Mails("", 1000)
		for _, m := range all {
			if m.Template == mail.TemplateRetention {
				about = append([]store.Mail{m}, about...)
			}
		}
		return err
	})
	return about
}

// rows are the objects of the space as they stand, by name.
func (w *world) rows() map[string]hosting.Retained {
	w.Helper()
	out := map[string]hosting.Retained{}
	w.read(func(tx *store.Tx) error {
		all, err := tx.RetainedOf(w.space.ID, 100_000)
		for _, o := range slices.Backward(all) {
			out[o.Object] = o
		}
		return err
	})
	return out
}

// states are all rows, shortly: name, state and problem.
func (w *world) states() (out []string) {
	w.Helper()
	for name, o := range w.rows() {
		out = append(out, strings.TrimSpace(name+" "+string(o.State)+" "+o.Problem))
	}
	slices.Sort(out)
	return out
}

// audited are the lines about retention, the oldest first.
func (w *world) audited() (lines []string) {
	w.Helper()
	w.read(func(tx *store.Tx) error {
		all, _, err := tx.AuditLog("", 0, 1000)
		for _, a := range all {
			if strings.HasPrefix(a.Action, "retention.") {
				lines = append([]string{a.Action + " " + a.Detail}, lines...)
			}
		}
		return err
	})
	return lines
}

func (w *world) same(what string, got, want any) {
	w.Helper()
	if g, m := fmt.Sprintf("%q", got), fmt.Sprintf("%q", want); g != m {
		w.Errorf("%s:\n got %s\nwant %s", what, g, m)
	}
}

// pad is one text.
type pad struct {
	text   string
	edited time.Time
}

// etherpad plays the application. It will not remove a pad that has no whole file in the archive.
type etherpad struct {
	failer
	archive string
	now     func() time.Time

	mu       sync.Mutex
	died     bool // frama ended
	all      map[string]*pad
	fail     map[string]http.HandlerFunc // by what is asked for
	names    []any                       // what it lists instead
	times    map[string]string           // what it says instead, in JSON
	removed  []string
	watch    func(op string) // is told of each request
	asked    map[string]int
	onRemove func(name string, p *pad)
}

// write makes or changes a pad.
func (e *etherpad) write(name, text string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all[name] = &pad{text, e.now()}
}

func (e *etherpad) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(strings.TrimPrefix(r.URL.EscapedPath(), "/"), "/")
	var op, name string
	switch {
	case len(parts) == 4 && parts[0] == "p" && parts[2] == "export":
		op = "export"
		name, _ = url.PathUnescape(parts[1])
	case len(parts) == 3 && parts[0] == "api" && r.FormValue("apikey") == key:
		op, name = parts[2], r.FormValue("padID")
	default:
		e.Errorf("a request that nobody should make: %s %s", r.Method, r.RequestURI)
		http.NotFound(w, r)
		return
	}
	e.mu.Lock()
	if e.asked == nil {
		e.asked = map[string]int{}
	}
	e.asked[op]++
	fail := e.fail[op]
	if e.watch != nil {
		e.watch(op)
	}
	e.mu.Unlock()
	if fail != nil {
		fail(w, r)
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	p, known := e.all[name]
	switch {
	case op == "listAllPads":
		names := e.names
		for _, n := range sorted(e.all) {
			names = append(names, n)
		}
		answer(w, map[string]any{"padIDs": names})
	case !known:
		_, _ = w.Write([]byte(`{"code":1,"message":"padID does not exist"}`))
	case op == "getLastEdited" && e.times[name] != "":
		_, _ = w.Write([]byte(`{"code":0,"data":{"lastEdited":` + e.times[name] + `}}`))
	case op == "getLastEdited":
		answer(w, map[string]any{"lastEdited": p.edited.UnixMilli()})
	case op == "export":
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte(p.text))
	case op == "deletePad":
		e.wantsFile(name, p)
		if e.onRemove != nil {
			e.onRemove(name, p)
		}
		delete(e.all, name)
		e.removed = append(e.removed, name)
		answer(w, nil)
	}
}

func answer(w http.ResponseWriter, data any) {
	_ = json.NewEncoder(w).Encode(map[string]any{"code": 0, "message": "ok", "data": data})
}

func sorted(all map[string]*pad) (names []string) {
	for n := range all {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// wantsFile sees that what is being removed was exported.
func (e *etherpad) wantsFile(name string, p *pad) {
	if !slices.Contains(mapped(e.files(), func(f file) string { return f.text }), p.text) {
		e.Errorf("%q is removed without a whole export of it", name)
	}
}

type file struct{ name, text string }

func mapped[A, B any](all []A, f func(A) B) (out []B) {
	for _, a := range all {
		out = append(out, f(a))
	}
	return out
}

// files are the whole exports.
func (e *etherpad) files() (all []file) {
	err := filepath.WalkDir(e.archive, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if want := map[bool]fs.FileMode{true: 0o700, false: 0o600}[d.IsDir()]; info.Mode().Perm() != want {
			e.Errorf("%s has mode %o", path, info.Mode().Perm())
		}
		if d.IsDir() || strings.HasSuffix(path, ".part") {
			return nil
		}
		text, err := os.ReadFile(path)
		name, _ := filepath.Rel(e.archive, path)
		all = append(all, file{name, string(text)})
		return err
	})
	if err != nil {
		e.Errorf("%v", err)
	}
	return all
}
