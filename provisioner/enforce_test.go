package provisioner_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/provisioner"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
)

// obedient is a cluster on paper whose jobs start again when their variable changes.
type obedient struct {
	*paper
	begun  time.Time // grows with each start
	ignore bool      // nothing starts again
	older  bool      // jobs are older than the catalogue's settings
	fail   error     // of the next changes
	health provisioner.JobState
}

func (c *obedient) ChangeSecrets(_ context.Context, job string, change func(map[string]string)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fail != nil {
		return c.fail
	}
	items := maps.Clone(c.secrets[job])
	if items == nil {
		items = map[string]string{}
	}
	change(items)
	if !maps.Equal(items, c.secrets[job]) && !c.ignore {
		c.begun = c.begun.Add(time.Second)
	}
	c.secrets[job] = items
	return nil
}

func (c *obedient) ReadsSecret(context.Context, string, string) (bool, error) { return !c.older, nil }

func (c *obedient) JobHealth(ctx context.Context, job string) (provisioner.JobHealth, error) {
	h, err := c.paper.JobHealth(ctx, job)
	c.mu.Lock()
	defer c.mu.Unlock()
	h.Begun = c.begun
	if c.health != "" {
		h.State = c.health
	}
	return h, err
}

// enforcing is a world with open spaces, whose growth is stopped and allowed.
type enforcing struct {
	*world
	cluster  *obedient
	clock    time.Time
	enforcer *provisioner.Enforcer
	requests []string
	refuse   error // of the next requests
}

func newEnforcing(t *testing.T) *enforcing {
	w := newWorld(t, "polls", "events", "cloud", "site", "wiki")
	e := &enforcing{world: w, cluster: &obedient{paper: w.cluster, begun: time.Unix(1, 0)}, clock: time.Now()}
	w.p.Cluster, w.p.Now = e.cluster, func() time.Time { return e.clock }
	w.p.Requests = func(_ context.Context, i hosting.Instance, list []catalogue.Request) error {
		w.cluster.mu.Lock()
		defer w.cluster.mu.Unlock()
		for _, q := range list {
			e.requests = append(e.requests, i.Job+" "+q.Method+" "+q.Path)
		}
		return e.refuse
	}
	e.restart()
	return e
}

// restart is what frama knows after its own start: nothing.
func (e *enforcing) restart() {
	e.enforcer = provisioner.NewEnforcer(e.p, 30*time.Millisecond, 50*time.Millisecond)
}

// opened provisions a space with an instance.
func (e *enforcing) opened(slug, kind string) hosting.Instance {
	e.t.Helper()
	e.approved(slug, kind)
	v := e.work(slug)
	if v.Space.State != hosting.SpaceActive {
		e.t.Fatalf("%+v", step(v))
	}
	e.requests, e.paper().execs = nil, nil
	return e.instance(v.Instances[0].ID)
}

func (e *enforcing) paper() *paper { return e.world.cluster }

func (e *enforcing) instance(id string) (i hosting.Instance) {
	e.t.Helper()
	e.read(func(tx *store.Tx) (err error) { i, err = tx.Instance(id); return err })
	return i
}

func (e *enforcing) read(f func(*store.Tx) error) {
	e.t.Helper()
	if err := e.store.Read(e.t.Context(), f); err != nil {
		e.t.Fatal(err)
	}
}

func (e *enforcing) write(f func(*store.Tx) error) {
	e.t.Helper()
	if err := e.store.Write(e.t.Context(), f); err != nil {
		e.t.Fatal(err)
	}
}

func (e *enforcing) want(i hosting.Instance, stopped bool) {
	e.t.Helper()
	e.write(func(tx *store.Tx) error { return tx.SetStopped(i.ID, stopped) })
}

// round settles what can be settled now, and says how growth of an instance stands then.
func (e *enforcing) round(i hosting.Instance) string {
	e.t.Helper()
	if err := e.enforcer.Round(e.t.Context()); err != nil {
		e.t.Fatal(err)
	}
	g := e.instance(i.ID).Growth
	return strings.TrimSpace(g.As + " " + g.Problem)
}

func (e *enforcing) is(i hosting.Instance, want string) {
	e.t.Helper()
	if got := e.round(i); got != want {
		e.t.Fatalf("growth of %s: %q, want %q", i.Job, got, want)
	}
}

// route is what the ingress is told of an instance.
func (e *enforcing) route(i hosting.Instance) provisioner.Route {
	e.t.Helper()
	snap, err := e.p.Snapshot(e.t.Context())
	if err != nil {
		e.t.Fatal(err)
	}
	for _, r := range snap.Routes {
		if r.Host == i.Host {
			return r
		}
	}
	e.t.Fatalf("no route of %s", i.Host)
	return provisioner.Route{}
}

// audited are the lines about growth, the oldest first.
func (e *enforcing) audited() (lines []string) {
	e.t.Helper()
	e.read(func(tx *store.Tx) error {
		all, _, err := tx.AuditLog("", 0, 100)
		for _, a := range all {
			if strings.HasPrefix(a.Action, "growth.") {
				lines = append([]string{a.Actor + " " + a.Action + " " + a.Detail}, lines...)
			}
		}
		return err
	})
	return lines
}

func (e *enforcing) same(what string, got, want any) {
	e.t.Helper()
	if !reflect.DeepEqual(got, want) {
		e.t.Errorf("%s:\n got %q\nwant %q", what, got, want)
	}
}

func TestGrowthStopsBySetting(t *testing.T) {
	e := newEnforcing(t)
	i, other := e.opened("lilas", "polls"), e.opened("roses", "polls")
	full := func() string { return e.cluster.secrets[i.Job]["full"] }
	e.same("a fresh instance", full(), "false")
	e.is(i, "")
	e.want(i, true)
	e.is(i, "app-create")
	e.same("the setting", full(), "true")
	e.same("of another instance", e.cluster.secrets[other.Job]["full"], "false")
	e.same("it was seen to work", e.requests, []string{i.Job + " GET /"})
	if e.route(i).ReadOnly {
		t.Error("the ingress stops what the application stops")
	}
	e.same("nothing is left to know", e.round(i), "app-create")
	e.same("remembered", e.enforcer.Known(), 0)
	e.want(i, false)
	e.is(i, "")
	e.same("the setting", full(), "false")
	e.same("audit", e.audited(), []string{"frama growth.stop " + i.Host + " (app-create)", "frama growth.allow " + i.Host + " (app-create)"})

	// One that reads its files by itself is not started again: it is waited for a little.
	e.cluster.ignore = true
	e.want(i, true)
	e.is(i, "app-create")
	// A variable that is gone is not made again with one key in it.
	delete(e.cluster.secrets, i.Job)
	e.want(i, false)
	e.is(i, "app-create the Nomad Variable nomad/jobs/"+i.Job+" is gone: put it back")
	e.same("the variable", e.cluster.secrets[i.Job], map[string]string{})
}

// A job that was registered before its entry had the setting reads nothing of it: it is not taken for stopped.
func TestGrowthOfAnOlderJobStopsAtTheIngress(t *testing.T) {
	e := newEnforcing(t)
	i := e.opened("lilas", "polls")
	e.cluster.older, e.cluster.ignore = true, true
	e.want(i, true)
	for range 3 {
		if got := e.round(i); !strings.Contains(got, "was registered before") {
			t.Fatalf("growth is %q", got)
		}
		e.clock = e.clock.Add(time.Minute)
	}
	if !e.route(i).ReadOnly {
		t.Error("nothing stops it")
	}
	e.want(i, false)
	e.is(i, "")
	e.want(i, true)
	e.cluster.older, e.cluster.ignore = false, false // another plan registered it anew
	e.is(i, "app-create")
}

// Several frama serve one host. One that began earlier, with what was wanted then, undoes what another does.
func TestGrowthIsSettledByTwoAtOnce(t *testing.T) {
	e := newEnforcing(t)
	i := e.opened("lilas", "polls")
	var other func(items map[string]string) (as string)
	e.p.Requests = func(context.Context, hosting.Instance, []catalogue.Request) error {
		if other != nil {
			e.paper().mu.Lock()
			as := other(e.cluster.secrets[i.Job])
			e.paper().mu.Unlock()
			other = nil
			e.write(func(tx *store.Tx) error { return tx.GrowthSettled(i.ID, as, "") })
		}
		return nil
	}
	for _, stop := range []bool{true, false} {
		setting, as := strconv.FormatBool(stop), map[bool]string{true: "app-create"}
		other = func(items map[string]string) string {
			items["full"] = strconv.FormatBool(!stop)
			return as[!stop]
		}
		e.want(i, stop)
		e.round(i)
		e.is(i, as[stop])
		e.same("the setting", e.cluster.secrets[i.Job]["full"], setting)
	}
}

func TestGrowthStopsByActs(t *testing.T) {
	e := newEnforcing(t)
	i := e.opened("lilas", "events")
	e.want(i, true)
	e.is(i, "app-read-only")
	e.same("commands", e.paper().execs, [][]string{{i.Job, "app", "su", "-s", "/bin/sh", "-c", `exec "$0" "$@"`, "--", "www-data", "close"}})
	e.want(i, false)
	e.is(i, "")
	e.same("requests", e.requests, []string{i.Job + " POST /open"})
	e.same("commands", len(e.paper().execs), 1)
}

func TestGrowthStopsAtTheIngress(t *testing.T) {
	e := newEnforcing(t)
	i, other := e.opened("lilas", "site"), e.opened("roses", "wiki")
	before, err := e.p.SnapshotVersion(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	e.want(i, true)
	e.is(i, hosting.GrowthAtIngress)
	after, err := e.p.SnapshotVersion(t.Context())
	if err != nil || after != before+1 {
		t.Errorf("the edges' version went from %d to %d: %v", before, after, err)
	}
	r := e.route(i)
	if !r.ReadOnly || r.State != provisioner.RouteActive || !reflect.DeepEqual(r.Writes, []string{"/sign-in", "/out/"}) {
		t.Errorf("%+v", r)
	}
	if e.route(other).ReadOnly {
		t.Error("another space is for reading only")
	}
	e.want(i, false)
	e.is(i, "")
	if r := e.route(i); r.ReadOnly || r.Writes != nil {
		t.Errorf("%+v", r)
	}
	e.same("nobody spoke to it", len(e.paper().execs)+len(e.requests), 0)
	e.same("audit", e.audited(), []string{"frama growth.stop " + i.Host + " (ingress)", "frama growth.allow " + i.Host + " (ingress)"})
}

// An entry of the catalogue may have got means of its own since, or lost them.
func TestGrowthIsStoppedByTheMeansOfToday(t *testing.T) {
	e := newEnforcing(t)
	gained, lost := e.opened("lilas", "polls"), e.opened("roses", "site")
	for i, as := range map[hosting.Instance]string{gained: hosting.GrowthAtIngress, lost: "app-create"} {
		e.want(i, true)
		e.write(func(tx *store.Tx) error { return tx.GrowthSettled(i.ID, as, "") })
	}
	e.is(gained, "app-create")
	e.is(lost, hosting.GrowthAtIngress)
	e.same("the setting", e.cluster.secrets[gained.Job]["full"], "true")
	if e.route(gained).ReadOnly || !e.route(lost).ReadOnly {
		t.Error("the ingress does not follow")
	}
}

// TestTheIngressStandsIn is an application that does not do as it is told.
func TestTheIngressStandsIn(t *testing.T) {
	e := newEnforcing(t)
	i := e.opened("lilas", "events")
	secret := e.cluster.secrets[i.Job]["admin_password"]
	e.paper().exec = func(context.Context, int, []string) (int, string, error) {
		return 3, "cannot sign in with " + secret, nil
	}
	const problem = "the command in task app ended with status 3: cannot sign in with •••"
	e.want(i, true)
	e.is(i, "app-read-only "+problem)
	e.is(i, "app-read-only "+problem)
	e.same("it is left alone a while", len(e.paper().execs), 1)
	e.clock = e.clock.Add(5 * time.Second)
	e.is(i, "app-read-only "+problem)
	if e.route(i).ReadOnly {
		t.Error("the ingress stands in after two failures")
	}
	e.clock = e.clock.Add(20 * time.Second)
	e.is(i, "ingress "+problem)
	if !e.route(i).ReadOnly {
		t.Error("the ingress does not stand in")
	}
	for n, after := range []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, 15 * time.Minute} {
		e.clock = e.clock.Add(after - time.Second)
		tried := len(e.paper().execs)
		e.is(i, "ingress "+problem)
		e.same("tried before its time", len(e.paper().execs), tried)
		if n == 2 {
			e.restart() // frama knows no failures then, and holds on to what it did all the same
		} else {
			e.clock = e.clock.Add(time.Second)
		}
		e.is(i, "ingress "+problem)
		e.same("tried at its time", len(e.paper().execs), tried+1)
		if n == 2 {
			break
		}
	}
	e.paper().exec = nil
	e.clock = e.clock.Add(time.Hour)
	e.is(i, "app-read-only")
	if e.route(i).ReadOnly {
		t.Error("the ingress still stands in")
	}
	e.same("audit", e.audited(), []string{
		"frama growth.stop " + i.Host + " (ingress): " + problem, "frama growth.stop " + i.Host + " (app-read-only)",
	})

	// It cannot be allowed again: that is not hidden, and the ingress is not in the way.
	e.refuse = errors.New("it answered 500")
	e.want(i, false)
	e.is(i, "app-read-only it answered 500")
	e.refuse = nil
	e.clock = e.clock.Add(time.Hour)
	e.is(i, "")
}

// What is wanted anew is tried at once, and what an attempt that failed did is undone, also by a frama that knows of none.
func TestGrowthIsAllowedAfterAttemptsToStopIt(t *testing.T) {
	for _, failures := range []int{1, 4} {
		t.Run(fmt.Sprint(failures), func(t *testing.T) {
			e := newEnforcing(t)
			i := e.opened("lilas", "polls")
			e.refuse = errors.New("it does not answer")
			e.want(i, true)
			for range failures {
				ctx, cancel := context.WithTimeout(t.Context(), 60*time.Millisecond)
				_ = e.enforcer.Round(ctx)
				cancel()
				e.clock = e.clock.Add(time.Hour)
			}
			e.same("the setting", e.cluster.secrets[i.Job]["full"], "true")
			e.restart()
			e.refuse = nil
			e.want(i, false)
			e.is(i, "")
			e.same("the setting", e.cluster.secrets[i.Job]["full"], "false")
			if e.route(i).ReadOnly {
				t.Error("the ingress is still for reading only")
			}
		})
	}
}

func TestOneThatHangsHoldsUpNobody(t *testing.T) {
	e := newEnforcing(t)
	stuck := e.opened("lilas", "events")
	var all []hosting.Instance
	for n := range 12 {
		all = append(all, e.opened(fmt.Sprintf("espace%d", n), "polls"))
	}
	e.enforcer = provisioner.NewEnforcer(e.p, 30*time.Millisecond, time.Hour)
	release := make(chan struct{})
	e.paper().exec = func(ctx context.Context, _ int, _ []string) (int, string, error) {
		select {
		case <-release:
			return 0, "", nil
		case <-ctx.Done():
			return 0, "", ctx.Err()
		}
	}
	for _, i := range append(all, stuck) {
		e.want(i, true)
	}
	if err := e.enforcer.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, i := range all {
		for e.instance(i.ID).Growth.Unsettled() {
			time.Sleep(time.Millisecond)
		}
	}
	for range 3 { // one at work is not begun again
		if err := e.enforcer.Begin(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	e.same("it is at work", e.instance(stuck.ID).Growth.Problem, "it was begun and is not done yet")
	close(release)
	e.enforcer.Wait()
	e.same("it is done", e.instance(stuck.ID).Growth.As, "app-read-only")
	e.same("commands", len(e.paper().execs), 1)
}

// However many hang, what the ingress does is done.
func TestTheIngressWaitsForNoApplication(t *testing.T) {
	e := newEnforcing(t)
	site := e.opened("lilas", "site")
	var all []hosting.Instance
	for n := range 9 {
		all = append(all, e.opened(fmt.Sprintf("espace%d", n), []string{"events", "polls"}[n%2]))
	}
	e.refuse = errors.New("it does not answer")
	e.enforcer = provisioner.NewEnforcer(e.p, 30*time.Millisecond, time.Hour)
	e.paper().exec = func(ctx context.Context, _ int, _ []string) (int, string, error) {
		<-ctx.Done()
		return 0, "", ctx.Err()
	}
	for _, i := range all {
		e.want(i, true)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if err := e.enforcer.Begin(ctx); err != nil {
		t.Fatal(err)
	}
	e.want(site, true)
	if err := e.enforcer.Begin(ctx); err != nil {
		t.Fatal(err)
	}
	for e.instance(site.ID).Growth.Unsettled() {
		time.Sleep(time.Millisecond)
	}
	cancel()
	e.enforcer.Wait()
	// frama ended: nothing is wrong with any of them.
	for _, i := range all {
		if p := e.instance(i.ID).Growth.Problem; p != "" && p != "it was begun and is not done yet" {
			t.Errorf("%s: %s", i.Job, p)
		}
	}
}

func TestApplicationsAreToldTheirLimits(t *testing.T) {
	e := newEnforcing(t)
	i := e.opened("lilas", "cloud") // with a volume of 10 GiB, of which it keeps 1 GiB
	last := func() []string {
		if n := len(e.paper().execs); n > 0 {
			return e.paper().execs[n-1][2:]
		}
		return nil
	}
	saved := func(q hosting.Quota) {
		q.SpaceID, q.Level, q.Told = i.SpaceID, hosting.LevelOK, hosting.LevelOK
		e.write(func(tx *store.Tx) error { return tx.SaveQuotas([]hosting.Quota{q}) })
	}
	limit := func(metric string, most, used int64, stops bool) {
		q := hosting.Quota{Metric: metric, Limit: most, Used: used}
		if stops {
			q.StopsAt, q.GraceEnds = time.Unix(1, 0), time.Unix(1, 0)
		}
		saved(q)
	}
	const gib = 1 << 30
	e.is(i, "")
	e.same("before it was weighed", last(), []string(nil))
	limit(hosting.MetricStorage, 4*gib, 0, false)
	e.is(i, "")
	e.same("told where growth stops at once", last(), []string{"limit", "6144", "6442450944", "1000000000"})
	e.is(i, "")
	e.same("told once", len(e.paper().execs), 1)
	for _, c := range []struct {
		what string
		q    hosting.Quota
		mib  string
	}{
		{"a smaller limit, in the days of grace", hosting.Quota{Limit: 3 * gib, Used: 3*gib + 1, StopsAt: time.Now().Add(time.Hour), GraceEnds: time.Now().Add(time.Hour)}, "4608"},
		{"far beyond it, in the days of grace", hosting.Quota{Limit: gib, Used: 3 * gib, StopsAt: time.Now().Add(time.Hour), GraceEnds: time.Now().Add(time.Hour)}, "9216"},
		{"once growth is stopped", hosting.Quota{Limit: 3 * gib, Used: 3 * gib, StopsAt: time.Unix(1, 0), GraceEnds: time.Unix(1, 0)}, "3072"},
		{"more than the volume holds", hosting.Quota{Limit: 100 * gib}, "9216"},
		{"no limit", hosting.Quota{Limit: hosting.Unlimited}, "9216"},
		{"a limit below what it keeps for itself", hosting.Quota{Limit: gib / 4}, "384"},
	} {
		c.q.Metric = hosting.MetricStorage
		saved(c.q)
		e.is(i, "")
		e.same(c.what, last()[1], c.mib)
	}
	before := len(e.paper().execs)
	limit(hosting.MetricAccounts, 40, 0, false)
	limit(hosting.MetricStorage, hosting.Unlimited, 0, false)
	e.is(i, "")
	e.same("told anew", last(), []string{"limit", "9216", "9663676416", "60"})
	e.write(func(tx *store.Tx) error { return tx.VolumeSized(i.ID, 20480) })
	e.is(i, "")
	e.same("a larger volume", last(), []string{"limit", "19456", "20401094656", "60"})
	e.same("audit", len(e.audited()), 0)

	// It keeps to what it was told by itself.
	limit(hosting.MetricAccounts, 50, 50, true)
	e.want(i, true)
	e.is(i, "app-instance")
	// Of other limits it knows nothing.
	limit("posts", 5, 5, true)
	e.is(i, hosting.GrowthAtIngress)
	e.is(i, hosting.GrowthAtIngress)
	limit("posts", 5, 4, false)
	e.is(i, "app-instance")
	e.want(i, false)
	e.is(i, "")
	e.same("commands", len(e.paper().execs), before+3)

	// One that does not listen.
	e.paper().exec = func(ctx context.Context, _ int, _ []string) (int, string, error) {
		<-ctx.Done()
		return 0, "", ctx.Err()
	}
	const problem = "it was not told its limits: the command in task app did not end within 50ms: see what the task of job lilas-with-limits " +
		"does (nomad alloc logs)"
	limit(hosting.MetricAccounts, 80, 50, false)
	e.is(i, problem)
	e.want(i, true)
	e.is(i, problem)
	for range 2 {
		e.clock = e.clock.Add(time.Hour)
		e.round(i)
	}
	e.is(i, "ingress "+problem)
	e.paper().exec = nil
	e.clock = e.clock.Add(time.Hour)
	e.is(i, "app-instance")
	e.same("told", last(), []string{"limit", "19456", "20401094656", "120"})
	e.want(i, false)
	e.is(i, "")
}
