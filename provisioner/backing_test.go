package provisioner

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
	"framagit.org/frama/frama/services/store/storetest"
	"framagit.org/frama/frama/services/work"
)

// bench is a provisioner whose servers and variables are in memory. What frama does to real servers is tested in
// provisioner/backing; here it is in which order, and what is left of it when it is cut short.
type bench struct {
	*Provisioner

	t         testing.TB
	clock     *storetest.Clock
	cluster   *variables
	instances []hosting.Instance
	steps     *cutter
}

func newBench(t testing.TB, servers ...*account) *bench {
	t.Helper()
	apps, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	clock, steps := storetest.NewClock(), &cutter{}
	s := storetest.Open(t, storetest.SQLite(t), clock.With)
	b := &bench{t: t, clock: clock, cluster: &variables{cutter: steps, jobs: map[string]map[string]string{}}, steps: steps}
	b.Provisioner = &Provisioner{
		Store: s, Catalogue: apps, Cluster: b.cluster, Log: slog.New(slog.DiscardHandler), Now: clock.Now, Options: Options{},
	}
	for _, server := range servers {
		server.cutter = steps
		b.Backing = append(b.Backing, Server{Backing: server})
	}
	for _, name := range []string{"lilas", "rosiers", "tilleuls", "saules"} {
		b.instances = append(b.instances, storetest.AddInstance(t, s, storetest.AddSpace(t, s, name), "pads", "etherpad"))
	}
	return b
}

// provision runs the step for an instance's space.
func (b *bench) provision(i hosting.Instance) error {
	_, err := b.backing(context.Background(), work.Run{SpaceID: i.SpaceID})
	return err
}

func (b *bench) made(i hosting.Instance) hosting.Backing {
	b.t.Helper()
	for {
		err := b.provision(i)
		var waits *TemporaryError
		if errors.As(err, &waits) {
			continue
		}
		if err != nil {
			b.t.Fatal(err)
		}
		return b.entry(i)
	}
}

func (b *bench) entry(i hosting.Instance) (entry hosting.Backing) {
	b.t.Helper()
	err := b.Store.Read(context.Background(), func(tx *store.Tx) error {
		list, err := tx.Backings(i.ID)
		if err == nil && len(list) == 1 {
			entry = list[0]
		}
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return entry
}

// cutter counts what is done to the world, and ends it at the nth thing.
type cutter struct {
	mu   sync.Mutex
	n    int
	stop int
}

var errCut = errors.New("cut short")

// at is called before and after each thing.
func (c *cutter) at() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n++; c.n == c.stop {
		panic(errCut)
	}
}

// variables is a Cluster of which only the variables are there.
type variables struct {
	Cluster
	*cutter

	mu   sync.Mutex
	jobs map[string]map[string]string
}

func (v *variables) Secrets(_ context.Context, job string) (map[string]string, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return maps.Clone(v.jobs[job]), nil
}

func (v *variables) ChangeSecrets(_ context.Context, job string, change func(map[string]string)) error {
	v.at()
	v.mu.Lock()
	items := map[string]string{}
	maps.Copy(items, v.jobs[job])
	change(items)
	v.jobs[job] = items
	v.mu.Unlock()
	v.at()
	return nil
}

func (v *variables) EnsureSecrets(ctx context.Context, job string, fixed map[string]string, _ map[string]func() string) error {
	return v.ChangeSecrets(ctx, job, func(items map[string]string) { maps.Copy(items, fixed) })
}

// account is a Backing that knows the password of each name.
type account struct {
	*cutter

	name, kind string
	down       bool
	unfit      error
	mu         sync.Mutex
	passwords  map[string]string
	closed     map[string]bool
	made       int
}

func newAccount(name string) *account {
	return &account{name: name, kind: "postgres", passwords: map[string]string{}, closed: map[string]bool{}}
}

func (a *account) Kind() string                 { return a.kind }
func (a *account) Name() string                 { return a.name }
func (a *account) Identifier(job string) string { return Identifier("frama", job, "_", 46) }
func (a *account) Secrets(string, io.Reader) map[string]string {
	return map[string]string{"db_password": SecretText(rand.Reader, 20)}
}

func (a *account) Fits(context.Context, Grant) error {
	if a.down {
		return &TemporaryError{Reason: a.name + " does not answer"}
	}
	return a.unfit
}
func (a *account) Check(context.Context) (string, error) { return "in memory", nil }
func (a *account) Aside(name string, _ time.Time) string { return name + "_aside" }

func (a *account) Ensure(_ context.Context, g Grant) (map[string]string, error) {
	a.do(func() {
		if a.passwords[g.Name] == "" {
			a.made++
		}
		a.passwords[g.Name] = g.Secrets["db_password"]
	})
	return map[string]string{"db_host": a.name, "db_name": g.Name}, nil
}

func (a *account) Rotate(_ context.Context, g Grant, next map[string]string) error {
	a.do(func() { a.passwords[g.Name] = next["db_password"] })
	return nil
}

func (a *account) Login(_ context.Context, g Grant) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed[g.Name] || a.passwords[g.Name] == "" || a.passwords[g.Name] != g.Secrets["db_password"] {
		return errors.New("not let in")
	}
	return nil
}

func (a *account) Retire(_ context.Context, g Grant) error {
	a.do(func() { a.closed[g.Name] = true })
	return nil
}

func (a *account) Restore(_ context.Context, g Grant) error {
	a.do(func() { a.closed[g.Name] = false })
	return nil
}

func (a *account) Purge(_ context.Context, g Grant) error {
	a.do(func() { delete(a.passwords, g.Name) })
	return nil
}

func (a *account) do(f func()) {
	a.at()
	a.mu.Lock()
	f()
	a.mu.Unlock()
	a.at()
}

// TestBackingOnce: many workers at once make one thing, and the job finds how to use it.
func TestBackingOnce(t *testing.T) {
	server := newAccount("db1")
	b := newBench(t, server)
	i := b.instances[0]
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { b.made(i) })
	}
	all.Wait()
	items := b.cluster.jobs[i.Job]
	want := "frama_lilas_etherpad"
	if server.made != 1 || items["db_name"] != want || items["db_host"] != "db1" || items["db_password"] != server.passwords[want] || len(items["db_password"]) != 20 {
		t.Errorf("made %d, the job finds %v, the server knows %v", server.made, items, server.passwords)
	}
	if e := b.entry(i); e.State != hosting.BackingMade || e.Server != "db1" || e.Name != want {
		t.Errorf("got %+v", e)
	}
	password := items["db_password"]
	b.made(i)
	if b.cluster.jobs[i.Job]["db_password"] != password {
		t.Error("a retry brought another password")
	}
}

// TestBackingServer: the server with the fewest entries that takes new ones and fits; what is on one stays there.
func TestBackingServer(t *testing.T) {
	one, two, full, unfit, cache := newAccount("one"), newAccount("two"), newAccount("full"), newAccount("unfit"), newAccount("cache")
	unfit.unfit, cache.kind = errors.New("too old"), "redis"
	b := newBench(t, full, one, two, unfit, cache)
	b.Backing[0].Full = true
	at := map[string]int{}
	for _, i := range b.instances {
		at[b.made(i).Server]++
	}
	if at["one"] != 2 || at["two"] != 2 {
		t.Errorf("got %v", at)
	}
	where := b.entry(b.instances[0]).Server
	for n := range b.Backing {
		b.Backing[n].Full = true
	}
	if again := b.made(b.instances[0]).Server; again != where {
		t.Errorf("moved from %s to %s", where, again)
	}
	for n, s := range b.Backing {
		if s.Name() == where {
			b.Backing = append(b.Backing[:n:n], b.Backing[n+1:]...)
			break
		}
	}
	refused(t, b.provision(b.instances[0]), `declares no backing server "`+where+`" any more`)
}

// TestBackingNone: without a server that fits, the run is parked and says what to declare; one that is down is passed
// over, or waited for when it is the only one.
func TestBackingNone(t *testing.T) {
	b := newBench(t)
	refused(t, b.provision(b.instances[0]), "etherpad needs postgres", "[[backing]]", `kind = "postgres"`)
	down, up := newAccount("down"), newAccount("up")
	down.down = true
	b = newBench(t, down, up)
	if at := b.made(b.instances[0]).Server; at != "up" {
		t.Errorf("made on %s", at)
	}
	b.Backing = b.Backing[:1]
	var waits *TemporaryError
	if err := b.provision(b.instances[1]); !errors.As(err, &waits) {
		t.Errorf("got %v", err)
	}
	if e := b.entry(b.instances[1]); e.ID != "" {
		t.Errorf("chosen all the same: %+v", e)
	}
	// One that does not fit beside it is no reason to ask a person.
	old := newAccount("old")
	old.unfit = &RefusedError{Reason: "too old"}
	b = newBench(t, old, down)
	if err := b.provision(b.instances[0]); errors.As(err, new(*RefusedError)) || !errors.As(err, &waits) {
		t.Errorf("got %v", err)
	}
}

func refused(t testing.TB, err error, words ...string) {
	t.Helper()
	var asks *RefusedError
	if !errors.As(err, &asks) {
		t.Fatalf("got %v, want a refusal", err)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
}

// TestBackingKilled: wherever work is cut short, one of the passwords in the variable opens the server, and the same call
// brings it to its end.
func TestBackingKilled(t *testing.T) {
	actor := hosting.Actor{Name: "test"}
	for _, tc := range []struct {
		name  string
		from  func(b *bench, i hosting.Instance) // what was before
		do    func(b *bench, i hosting.Instance) error
		state hosting.BackingState
		open  bool
	}{
		{"provision", func(*bench, hosting.Instance) {}, (*bench).provision, hosting.BackingMade, true},
		{"rotate", func(b *bench, i hosting.Instance) { b.made(i) }, func(b *bench, i hosting.Instance) error {
			return b.RotateBacking(context.Background(), actor, b.entry(i).ID)
		}, hosting.BackingMade, true},
		{"retire", func(b *bench, i hosting.Instance) { b.made(i) }, func(b *bench, i hosting.Instance) error {
			return b.RetireBacking(context.Background(), actor, b.entry(i).ID)
		}, hosting.BackingRetired, false},
		{"restore", func(b *bench, i hosting.Instance) {
			b.made(i)
			b.must(b.RetireBacking(context.Background(), actor, b.entry(i).ID))
		}, func(b *bench, i hosting.Instance) error {
			if b.entry(i).State == hosting.BackingMade {
				return nil
			}
			return b.RestoreBacking(context.Background(), actor, b.entry(i).ID)
		}, hosting.BackingMade, true},
		{"purge", func(b *bench, i hosting.Instance) {
			b.made(i)
			b.must(b.RetireBacking(context.Background(), actor, b.entry(i).ID))
			b.clock.Advance(BackingGrace)
		}, func(b *bench, i hosting.Instance) error {
			return b.PurgeBacking(context.Background(), actor, b.entry(i).ID, false)
		}, hosting.BackingPurged, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for stop := 1; ; stop++ {
				server := newAccount("db1")
				b := newBench(t, server)
				i := b.instances[0]
				tc.from(b, i)
				old := b.cluster.jobs[i.Job]["db_password"]
				b.steps.n, b.steps.stop = 0, stop
				cut := b.cut(func() error { return tc.do(b, i) })
				b.steps.stop = 0
				items, known := b.cluster.jobs[i.Job], server.passwords["frama_lilas_etherpad"]
				if known != "" && known != items["db_password"] && known != items["db_password_next"] {
					t.Errorf("cut at %d: the server's password is nowhere in the variable", stop)
				}
				if cut && b.entry(i).ID == "" && server.made > 0 {
					t.Errorf("cut at %d: something is on the server that frama does not know of", stop)
				}
				b.must(tc.do(b, i))
				entry, items := b.entry(i), b.cluster.jobs[i.Job]
				login := server.Login(t.Context(), Grant{Name: entry.Name, Secrets: map[string]string{"db_password": items["db_password"]}})
				if entry.State != tc.state || tc.open != (login == nil) || items["db_password_next"] != "" || server.made != 1 {
					t.Errorf("cut at %d: ends %s, login: %v, variable %v, made %d times", stop, entry.State, login, items, server.made)
				}
				if tc.name == "rotate" && (items["db_password"] == old || entry.RotatedAt.IsZero()) {
					t.Errorf("cut at %d: the old password stayed", stop)
				}
				if tc.state == hosting.BackingPurged && items["db_host"] != "" {
					t.Errorf("cut at %d: the variable still says %v", stop, items)
				}
				if !cut {
					if stop < 3 {
						t.Errorf("it was cut short %d times only", stop-1)
					}
					return
				}
			}
		})
	}
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// cut runs f until it is done or cut short.
func (b *bench) cut(f func() error) (cut bool) {
	b.t.Helper()
	defer func() {
		if r := recover(); r != nil {
			if r != errCut {
				panic(r)
			}
			cut = true
		}
	}()
	b.must(f())
	return false
}

// TestBackingLife: retired only when asked, by whom is in the audit log; nothing uses what is retired; data goes after
// its time only.
func TestBackingLife(t *testing.T) {
	server := newAccount("db1")
	b := newBench(t, server)
	ctx, actor, i := t.Context(), hosting.Actor{Name: "ana"}, b.instances[0]
	id := b.made(i).ID
	refused(t, b.PurgeBacking(ctx, actor, id, true), "made and cannot be purged")
	refused(t, b.RestoreBacking(ctx, actor, id), "cannot be restored")
	b.must(b.CheckBacking(ctx, id, false))
	b.must(b.RetireBacking(ctx, actor, id))
	refused(t, b.provision(i), "frama backing restore")
	refused(t, b.RotateBacking(ctx, actor, id), "cannot be rotated")
	b.clock.Advance(BackingGrace - time.Hour)
	refused(t, b.PurgeBacking(ctx, actor, id, false), "stays until")
	b.must(b.RestoreBacking(ctx, actor, id))
	b.must(b.CheckBacking(ctx, id, false))
	if e := b.entry(i); !e.RetiredAt.IsZero() || e.SetAside != "" {
		t.Errorf("restored: %+v", e)
	}
	server.passwords[b.entry(i).Name] = "changed by somebody"
	if err := b.CheckBacking(ctx, id, false); err == nil {
		t.Error("the check does not see that the instance is not let in")
	}
	b.must(b.CheckBacking(ctx, id, true))
	b.must(b.CheckBacking(ctx, id, false))
	b.must(b.RetireBacking(ctx, actor, id))
	b.must(b.PurgeBacking(ctx, actor, id, true))
	if len(server.passwords) != 0 {
		t.Error("it is still there")
	}
	refused(t, b.RestoreBacking(ctx, actor, id), "purged and cannot be restored")
	var log []string
	b.must(b.Store.Read(ctx, func(tx *store.Tx) error {
		entries, err := tx.AuditOf("space:" + i.SpaceID)
		for _, e := range entries {
			log = append([]string{e.Actor + " " + e.Action}, log...)
		}
		return err
	}))
	if got := strings.Join(log, ", "); got != "ana backing.retire, ana backing.restore, ana backing.retire, ana backing.purge" {
		t.Errorf("audit log: %s", got)
	}
}

// TestBackingHeld: whoever works on an entry is alone with it, and one who died gives way in the end.
func TestBackingHeld(t *testing.T) {
	b := newBench(t, newAccount("db1"))
	id := b.made(b.instances[0]).ID
	b.must(b.Store.Write(t.Context(), func(tx *store.Tx) error { return tx.HoldBacking(id, "somebody", tx.Now.Add(holdFor)) }))
	var waits *TemporaryError
	if err := b.RotateBacking(t.Context(), hosting.Actor{}, id); !errors.As(err, &waits) || !strings.Contains(err.Error(), "somebody else works on") {
		t.Errorf("got %v", err)
	}
	b.clock.Advance(holdFor + time.Second)
	b.must(b.RotateBacking(t.Context(), hosting.Actor{}, id))
}

// TestIdentifier: names are safe, and no two jobs share one.
func TestIdentifier(t *testing.T) {
	long := strings.Repeat("association-", 5)
	for _, tc := range []struct{ job, separator, want string }{
		{"lilas-etherpad", "_", "frama_lilas_etherpad"},
		{"lilas-etherpad", "-", "frama-lilas-etherpad"},
		{"pg-amis-etherpad", "_", "frama_pg_amis_etherpad"}, // pg_… is PostgreSQL's own
		{long + "a", "_", "frama_association_association_associa_"},
	} {
		got := Identifier("frama", tc.job, tc.separator, 50)
		if !strings.HasPrefix(got, tc.want) || len(got) > 50 || len(tc.want) < 30 && got != tc.want {
			t.Errorf("%s: %s", tc.job, got)
		}
	}
	if Identifier("frama", long+"a", "_", 46) == Identifier("frama", long+"b", "_", 46) {
		t.Error("two jobs have one name")
	}
}
