package storetest

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
)

// addMeasured stores an active space with an instance of each application.
func addMeasured(b bundle, slug string, apps ...string) (hosting.Space, []hosting.Instance) {
	b.Helper()
	s := AddSpace(b, b.store, slug)
	var all []hosting.Instance
	for _, app := range apps {
		all = append(all, AddInstance(b, b.store, s, app, app))
	}
	b.moveSpace(s.ID, hosting.SpaceProvisioning, hosting.SpaceActive)
	return s, all
}

func (b bundle) moveSpace(id string, to ...hosting.SpaceState) {
	b.Helper()
	for _, state := range to {
		b.write(func(tx *store.Tx) error { _, err := tx.MoveSpace(id, state); return err })
	}
}

// beside opens the database beside the store, to do what that never does.
func (b bundle) beside() *sql.DB {
	b.Helper()
	driver, dsn := "pgx", b.dsn
	if path, lite := strings.CutPrefix(b.dsn, "sqlite:"); lite {
		driver, dsn = "sqlite", "file:"+path+"?_pragma=busy_timeout(10000)"
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	return db
}

func (b bundle) raw(statement string, args ...any) {
	b.Helper()
	if _, err := b.beside().Exec(statement, args...); err != nil {
		b.Fatalf("%s: %v", statement, err)
	}
}

func reading(metric string, value int64) hosting.Reading {
	return hosting.Reading{Metric: metric, Value: value}
}

func problem(metric, words string) hosting.Reading {
	return hosting.Reading{Metric: metric, Problem: words}
}

// look is a measurement now.
func (b bundle) look(i hosting.Instance, readings ...hosting.Reading) hosting.Measurement {
	return hosting.Measurement{InstanceID: i.ID, SpaceID: i.SpaceID, At: b.now(), Readings: readings}
}

func (b bundle) measure(ms ...hosting.Measurement) {
	b.Helper()
	b.write(func(tx *store.Tx) error { return tx.AddMeasurements(ms) })
}

func (b bundle) dueInstances(limit int) []store.DueInstance {
	b.Helper()
	return read(b, func(tx *store.Tx) ([]store.DueInstance, error) { return tx.DueInstances(limit) })
}

func usageDue(b bundle) {
	_, first := addMeasured(b, "un", "etherpad", "ethercalc")
	waiting := AddSpace(b, b.store, "attente")
	AddInstance(b, b.store, waiting, "pads", "etherpad")
	commons, shared := AddCommons(b, b.store, "polls", "pollaris")
	b.moveSpace(commons.ID, hosting.SpaceProvisioning, hosting.SpaceActive)

	start := b.now()
	begin := func(limit int) int {
		b.Helper()
		var n int
		b.write(func(tx *store.Tx) (err error) {
			n, err = tx.AddMissingSeries(func(n int) time.Time { return start.Add(time.Duration(n) * time.Minute) }, limit)
			return err
		})
		return n
	}
	same(b, "series begun", begin(2), 2)
	same(b, "series begun", begin(10), 1) // the host's own
	same(b, "series begun again", begin(10), 0)

	ids := func(due []store.DueInstance) (all []string) {
		for _, d := range due {
			all = append(all, d.Instance.ID)
		}
		return all
	}
	same(b, "due at once", ids(b.dueInstances(10)), []string{first[0].ID, shared.ID})
	b.clock.Advance(time.Minute - time.Microsecond)
	same(b, "due just before", len(b.dueInstances(10)), 2)
	b.clock.Advance(time.Microsecond)
	due := b.dueInstances(10)
	same(b, "due", ids(due), []string{first[0].ID, shared.ID, first[1].ID})
	same(b, "due with all that is known of it", due[2].Instance, first[1])
	same(b, "when", due[2].NextAt, start.Add(time.Minute))
	same(b, "the longest overdue", ids(b.dueInstances(1)), []string{first[0].ID})

	claim := func(due ...store.DueInstance) (won []store.DueInstance) {
		b.Helper()
		b.write(func(tx *store.Tx) (err error) {
			won, err = tx.ClaimMeasurements(due, func(d store.DueInstance) time.Time { return d.NextAt.Add(time.Hour) })
			return err
		})
		return won
	}
	same(b, "claimed", ids(claim(due[:2]...)), ids(due[:2]))
	same(b, "claimed again", ids(claim(due...)), ids(due[2:]))
	same(b, "due once claimed", b.dueInstances(10), nil)
	same(b, "nothing claimed", claim(), nil)
	b.clock.Advance(time.Hour)
	same(b, "due an hour later", ids(b.dueInstances(10)), ids(due))

	b.raw(`UPDATE space SET state = $1 WHERE id = $2`, string(hosting.SpaceWithdrawn), first[0].SpaceID)
	same(b, "due once it is closed", ids(b.dueInstances(10)), []string{shared.ID})
	b.moveSpace(waiting.ID, hosting.SpaceProvisioning, hosting.SpaceActive)
	same(b, "series begun once active", begin(10), 1)
}

// usageClaims: of several servers that see the same instances due, one measures each.
func usageClaims(b bundle) {
	var apps []string
	for n := range 30 {
		apps = append(apps, fmt.Sprintf("app%d", n))
	}
	_, all := addMeasured(b, "amis", apps...)
	b.write(func(tx *store.Tx) error {
		_, err := tx.AddMissingSeries(func(n int) time.Time { return tx.Now.Add(-time.Duration(n%3) * time.Second) }, 100)
		return err
	})
	second := Open(b, b.dsn, b.clock.With)
	var mu sync.Mutex
	won := map[string]int{}
	var servers sync.WaitGroup
	for n := range 8 {
		s := []*store.Store{b.store, second}[n%2]
		servers.Go(func() {
			var due, mine []store.DueInstance
			err := s.Read(context.Background(), func(tx *store.Tx) (err error) { due, err = tx.DueInstances(20); return err })
			if err == nil {
				err = s.Write(context.Background(), func(tx *store.Tx) (err error) {
					mine, err = tx.ClaimMeasurements(due, func(d store.DueInstance) time.Time { return d.NextAt.Add(time.Hour) })
					return err
				})
			}
			if err != nil {
				b.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			for _, d := range mine {
				won[d.Instance.ID]++
			}
		})
	}
	servers.Wait()
	for id, times := range won {
		if times != 1 {
			b.Errorf("instance %s was claimed %d times", id, times)
		}
	}
	if len(won) < 20 || len(won)+len(b.dueInstances(100)) != len(all) {
		b.Errorf("%d of %d claimed, %d due", len(won), len(all), len(b.dueInstances(100)))
	}
}

func usageNow(b bundle) {
	space, all := addMeasured(b, "amis", "etherpad", "ethercalc")
	pads, calcs := all[0], all[1]
	other, others := addMeasured(b, "autres", "etherpad")
	now := func() []hosting.UsageNow {
		b.Helper()
		return read(b, func(tx *store.Tx) ([]hosting.UsageNow, error) { return tx.UsageNow(space.ID) })
	}
	state := func() []store.SeriesState {
		b.Helper()
		return read(b, func(tx *store.Tx) (map[string][]store.SeriesState, error) { return tx.SeriesOf([]string{space.ID}) })[space.ID]
	}
	same(b, "before anything was measured", now(), nil)

	first := b.now()
	b.measure(b.look(calcs, reading("sheets", 4)), b.look(pads, reading("pads", 12), reading(hosting.MetricVolumeBytes, math.MaxInt64)),
		b.look(others[0], reading("pads", 1)))
	padsNow := hosting.UsageNow{InstanceID: pads.ID, Metric: "pads", Value: 12, At: first, MonthAgo: -1}
	volumeNow := hosting.UsageNow{InstanceID: pads.ID, Metric: hosting.MetricVolumeBytes, Value: math.MaxInt64, At: first, MonthAgo: -1}
	sheetsNow := hosting.UsageNow{InstanceID: calcs.ID, Metric: "sheets", Value: 4, At: first, MonthAgo: -1}
	same(b, "newest values", now(), []hosting.UsageNow{padsNow, volumeNow, sheetsNow})
	same(b, "state", state(), []store.SeriesState{{InstanceID: pads.ID, MeasuredAt: first}, {InstanceID: calcs.ID, MeasuredAt: first}})

	b.clock.Advance(time.Hour)
	failed := b.now()
	b.measure(b.look(pads, problem("pads", "it\x00says \xff nothing"), reading(hosting.MetricVolumeBytes, 5)), b.look(calcs, problem("sheets", "no answer")))
	b.clock.Advance(time.Hour)
	b.measure(b.look(calcs, problem("sheets", "still no answer")))
	padsNow.Problem, padsNow.Since = "it\x00says  nothing", failed
	volumeNow.Value, volumeNow.At = 5, failed
	sheetsNow.Problem, sheetsNow.Since = "still no answer", failed
	same(b, "values before the problems", now(), []hosting.UsageNow{padsNow, volumeNow, sheetsNow})
	same(b, "failures", state(), []store.SeriesState{{InstanceID: pads.ID, MeasuredAt: failed}, {InstanceID: calcs.ID, MeasuredAt: first, Failures: 2}})

	b.clock.Advance(time.Hour)
	used := b.now()
	b.measure(b.look(pads, reading("pads", 13)), b.look(calcs, reading("sheets", 4)))
	padsNow = hosting.UsageNow{InstanceID: pads.ID, Metric: "pads", Value: 13, At: used, MonthAgo: -1}
	sheetsNow = hosting.UsageNow{InstanceID: calcs.ID, Metric: "sheets", Value: 4, At: used, MonthAgo: -1}
	same(b, "values after the problems", now(), []hosting.UsageNow{padsNow, volumeNow, sheetsNow})
	same(b, "somebody wrote", state(), []store.SeriesState{{InstanceID: pads.ID, MeasuredAt: used, ActiveAt: used}, {InstanceID: calcs.ID, MeasuredAt: used}})

	// What the application says of its people counts more than what changed, and nobody was there in the future.
	b.clock.Advance(time.Hour)
	said := b.look(pads, reading("pads", 14))
	said.ActiveAt = used.Add(time.Minute)
	lies := b.look(calcs, reading("sheets", 4))
	lies.ActiveAt = b.now().AddDate(50, 0, 0)
	b.measure(said, lies)
	same(b, "as applications say", state(), []store.SeriesState{{InstanceID: pads.ID, MeasuredAt: b.now(), ActiveAt: used.Add(time.Minute)},
		{InstanceID: calcs.ID, MeasuredAt: b.now(), ActiveAt: b.now()}})

	same(b, "of several spaces", len(read(b, func(tx *store.Tx) (map[string][]hosting.UsageNow, error) {
		return tx.UsageNowOf([]string{space.ID, other.ID, "nobody"})
	})), 2)
	for _, m := range []hosting.Measurement{b.look(hosting.Instance{ID: "nobody"}, reading("pads", 1)), b.look(pads, reading("unheard_of", 1))} {
		if err := b.store.Write(context.Background(), func(tx *store.Tx) error { return tx.AddMeasurements([]hosting.Measurement{m}) }); err == nil {
			b.Errorf("%+v was kept", m)
		}
	}
	b.measure()
}

// usageMany: more instances than a statement takes, several looks at one in a call, two servers at once.
func usageMany(b bundle) {
	const spaces = 6
	var all []hosting.Instance
	var names []string
	for s := range spaces {
		var apps []string
		for n := range 100 {
			apps = append(apps, fmt.Sprintf("app%d", n))
		}
		space, more := addMeasured(b, fmt.Sprintf("s%d", s), apps...)
		all, names = append(all, more...), append(names, space.ID)
	}
	second := Open(b, b.dsn, b.clock.With)
	start := b.now().Truncate(time.Hour)
	var servers sync.WaitGroup
	for server, s := range []*store.Store{b.store, second} {
		servers.Go(func() {
			var ms []hosting.Measurement
			for n := range all {
				i := all[(n*7+server*13)%len(all)]
				for k := range 3 {
					at := start.Add(time.Duration(2*k+server) * time.Minute)
					ms = append(ms, hosting.Measurement{InstanceID: i.ID, At: at, Readings: []hosting.Reading{reading("pads", int64(at.Minute()))}})
				}
			}
			if err := s.Write(context.Background(), func(tx *store.Tx) error { return tx.AddMeasurements(ms) }); err != nil {
				b.Error(err)
			}
		})
	}
	servers.Wait()
	newest := read(b, func(tx *store.Tx) (map[string][]hosting.UsageNow, error) { return tx.UsageNowOf(names) })
	for _, id := range names {
		for _, u := range newest[id] {
			if u.Value != int64(start.Add(5*time.Minute).Minute()) {
				b.Fatalf("%+v", u)
			}
		}
		same(b, "values", len(newest[id]), 100)
	}
	var ids []string
	for _, i := range all {
		ids = append(ids, i.ID)
	}
	curves := read(b, func(tx *store.Tx) (map[string]map[string][]hosting.UsagePoint, error) {
		return tx.UsageCurves(ids, []string{"pads"}, start, start.Add(59*time.Minute), time.Hour)
	})["pads"]
	same(b, "curves", len(curves), len(all))
	largest := int64(start.Add(5 * time.Minute).Minute())
	for _, points := range curves {
		same(b, "a curve", points, []hosting.UsagePoint{{At: start.UTC(), Last: largest, Max: largest}})
	}
}
