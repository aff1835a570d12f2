package control_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"framagit.org/frama/frama/services/control"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
	"framagit.org/frama/frama/services/store/storetest"
)

func rewrite(t *testing.T, path, from, to string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(text), from, to)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestManyWeighAtOnce: whoever measures and weighs a space at the same moment, each letter is written once.
func TestManyWeighAtOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		h := newHouse(t, dsn)
		spaces := []flat{h.open("jardins"), h.open("ateliers"), h.open("radio")}
		at := func(sixteenths int64) {
			t.Helper()
			var all sync.WaitGroup
			for n := range 8 {
				all.Go(func() {
					var ms []hosting.Measurement
					for k := range spaces {
						ms = append(ms, h.measurement(spaces[(k+n)%3], 0, map[string]int64{hosting.MetricVolumeBytes: sixteenths * gib / 16}))
					}
					if n%2 == 0 {
						if err := h.RecordUsage(context.Background(), ms); err != nil {
							t.Error(err)
						}
						return
					}
					if _, err := h.Reweigh(context.Background()); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
		}
		for _, sixteenths := range []int64{1, 105, 106, 128, 130} {
			at(sixteenths)
			h.clock.Advance(time.Minute)
		}
		h.clock.Advance(grace)
		at(130)
		h.clock.Advance(time.Minute)
		at(10)
		counts := map[string]int{}
		for _, template := range h.letters() {
			counts[template]++
		}
		equal(t, "letters", counts, map[string]int{"quota_notice": 3, "quota_full": 3, "quota_stopped": 3, "quota_allowed": 3})
		for _, f := range spaces {
			equal(t, "allowed", h.stopped(f), []bool{false, false})
		}
		equal(t, "audit", len(h.audited("space.quota_level")), 6)
	})
}

// TestTwoAnswerAWish: one does, the other is told.
func TestTwoAnswerAWish(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		h := newHouse(t, dsn)
		f := h.open("jardins")
		a, err := h.AskMore(context.Background(), hosting.Actor{Name: "public"}, f.track, control.NewAsk{Plan: "standard", Reason: "Nous grandissons vite."})
		h.must(err)
		h.race(6, func(n int) error {
			return h.AnswerAsk(context.Background(), h.staff, a.ID, n%2 == 0, "Voici pourquoi.")
		}, "error.ask_answered")
		answers := len(h.audited("ask.grant")) + len(h.audited("ask.decline"))
		equal(t, "answers", answers, 1)
	})
}

// TestExceptionsAtOnce: whoever is last has the say, and one is in force.
func TestExceptionsAtOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		h := newHouse(t, dsn)
		f := h.open("jardins")
		h.storage(f, 16*9)
		var all sync.WaitGroup
		for n := range 6 {
			all.Go(func() {
				_, err := h.SetException(context.Background(), h.staff, "jardins", control.NewException{Metric: "storage", Limit: int64(10+n) * gib, Reason: fmt.Sprint("essai ", n)})
				if err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		list, err := h.Exceptions(context.Background(), h.staff, "")
		h.must(err)
		q := h.quota(f, "storage")
		if len(list) != 1 || q.ExceptionID != list[0].ID || q.Limit != list[0].Limit {
			t.Errorf("%d are in force: %+v; weighed with %+v", len(list), list, q)
		}
	})
}

// lives is how many lives of limits are drawn for each database.
const lives = 25

// TestWhateverHappensToLimits draws lives of two spaces, with all that changes how they stand, and checks after each step that
// nothing was deleted, that instances are stopped when, and only when, a limit says so, and that mails are few.
func TestWhateverHappensToLimits(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		h := newHouse(t, dsn)
		n, broken := 0, false
		rapid.Check(t, func(rt *rapid.T) {
			// Each life weighs all before it again; a failure has as many as it takes to find the shortest.
			if n++; n > lives && !broken {
				return
			}
			defer func() { broken = broken || rt.Failed() }()
			l := &life{T: rt, house: h, version: 1}
			l.reset()
			for _, slug := range []string{"un", "deux"} {
				l.spaces = append(l.spaces, h.settled(fmt.Sprintf("%s-%d", slug, n)))
			}
			rt.Repeat(map[string]func(*rapid.T){
				"measure": l.measure, "wait": l.wait, "reweigh": func(*rapid.T) { h.reweigh() }, "exception": l.exception,
				"end": l.end, "apply": l.apply, "": l.check,
			})
			l.few()
			l.nothingIsLost()
		})
		h.t = t
		h.outbox() // each can be rendered
	})
}

// settled makes a space with two instances as it is once it is open, in one write.
func (h *house) settled(slug string) (f flat) {
	h.t.Helper()
	q := storetest.NewRequest(slug)
	f.Space = hosting.Space{ID: storetest.NewID(), RequestID: q.ID, Handle: slug, Slug: slug, Name: q.Association.Name, Email: q.Contact.Email,
		Lang: "fr", Plan: "starter", State: hosting.SpaceActive}
	f.instances = []hosting.Instance{storetest.NewInstance(f.Space, "pads", "stand-in"), storetest.NewInstance(f.Space, "calcs", "stand-in-too")}
	h.write(func(tx *store.Tx) error {
		q.CreatedAt, f.CreatedAt, f.ActivatedAt = tx.Now, tx.Now, tx.Now
		return errors.Join(tx.InsertRequest(q, q.ID, "track "+q.ID), tx.InsertSpace(f.Space), tx.InsertInstance(f.instances[0]), tx.InsertInstance(f.instances[1]))
	})
	return f
}

// life is two spaces and what happens to them.
type life struct {
	*rapid.T
	*house
	spaces  []flat
	version int
	changes int // of limits by the host
	swings  int // of usage, of each metric

	exceptions int
	measured   map[string]bool // by instance
}

func (l *life) reset() {
	plans, err := l.Plans(context.Background(), l.staff)
	l.must(err)
	l.version, l.measured = plans[0].Version, map[string]bool{}
}

func (l *life) space(t *rapid.T) flat { return l.spaces[rapid.IntRange(0, 1).Draw(t, "space")] }

func (l *life) measure(t *rapid.T) {
	f := l.space(t)
	values := map[string]int64{hosting.MetricVolumeBytes: rapid.Int64Range(0, 14).Draw(t, "GiB") * gib, hosting.MetricAccounts: rapid.Int64Range(0, 16).Draw(t, "accounts")}
	instance := rapid.IntRange(0, 1).Draw(t, "instance")
	l.swings += 2
	l.measured[f.instances[instance].ID] = true
	l.look(f, instance, values)
}

func (l *life) wait(t *rapid.T) {
	l.clock.Advance(time.Duration(rapid.IntRange(1, 20).Draw(t, "days")) * aDay)
}

func (l *life) exception(t *rapid.T) {
	e := control.NewException{Metric: rapid.SampledFrom([]string{"storage", "accounts"}).Draw(t, "metric"), Reason: "essai"}
	e.Limit = rapid.SampledFrom([]int64{1, 5, 12, 10 * gib, hosting.Unlimited}).Draw(t, "limit")
	if rapid.Bool().Draw(t, "ends") {
		e.ExpiresAt = l.clock.Now().Add(10 * aDay)
	}
	_, err := l.SetException(context.Background(), l.staff, l.space(t).Slug, e)
	l.must(err)
	l.exceptions++
	l.changes += 2 // its end is one, too
}

func (l *life) end(t *rapid.T) {
	err := l.EndException(context.Background(), l.staff, l.space(t).Slug, "storage")
	if err != nil && key(err) != "error.no_exception" {
		l.must(err)
	}
	l.changes++
}

// apply puts a version of the plan in force that no file has: reading one takes longer than all else here.
func (l *life) apply(t *rapid.T) {
	l.version++
	v := hosting.PlanVersion{Plan: "starter", Version: l.version, Limits: hosting.Limits{
		hosting.MetricStorage: rapid.Int64Range(1, 12).Draw(t, "storage") * gib, hosting.MetricAccounts: rapid.Int64Range(1, 12).Draw(t, "accounts")}}
	if rapid.Bool().Draw(t, "strict") {
		v.Thresholds = []hosting.Threshold{{Level: hosting.LevelNotice, At: 50}, {Level: hosting.LevelFull, At: 90, Stops: true}}
	}
	l.write(func(tx *store.Tx) error {
		v.AppliedAt = tx.Now
		return tx.InsertPlanVersion(v)
	})
	l.changes += 2 * len(l.spaces)
}

func (l *life) check(t *rapid.T) {
	now := l.clock.Now()
	for _, f := range l.spaces {
		var quotas []hosting.Quota
		l.read(func(tx *store.Tx) error {
			all, err := tx.QuotasOf([]string{f.ID})
			quotas = all[f.ID]
			return err
		})
		// Between two weighings, what was due since is not done yet.
		due := false
		l.read(func(tx *store.Tx) error {
			ids, err := tx.SpacesToWeigh()
			for _, id := range ids {
				due = due || id == f.ID
			}
			return err
		})
		wanted := map[string]bool{}
		for _, q := range quotas {
			wanted["storage"] = wanted["storage"] || q.Metric == "storage" && q.Stopped(now)
			wanted[q.Metric] = wanted[q.Metric] || q.Stopped(now)
		}
		for i, stopped := range l.stopped(f) {
			may := wanted["storage"] || wanted["accounts"]
			if stopped && !may && !due || !stopped && wanted["storage"] && !due {
				t.Fatalf("instance %d is stopped: %v, with %+v at %s", i, stopped, quotas, now)
			}
		}
	}
}

// few makes sure that people are not written to over and over: of each level of each metric once for a swing of usage or a
// change by the host, and of a stop and its end.
func (l *life) few() {
	mails := 0
	l.read(func(tx *store.Tx) error {
		all, err := tx.Mails("", 500) // the newest
		for _, m := range all {
			if strings.HasPrefix(m.Template, "quota_") && (m.RequestID == l.spaces[0].RequestID || m.RequestID == l.spaces[1].RequestID) {
				mails++
			}
		}
		return err
	})
	if mails > 2*l.swings+2*l.changes {
		l.Fatalf("%d mails for %d swings and %d changes", mails, l.swings, l.changes)
	}
}

// nothingIsLost counts what may never be deleted.
func (l *life) nothingIsLost() {
	l.read(func(tx *store.Tx) error {
		exceptions := 0
		for _, f := range l.spaces {
			if _, err := tx.Space(f.ID); err != nil {
				return err
			}
			instances, err := tx.Instances(f.ID)
			if err != nil || len(instances) != len(f.instances) {
				return fmt.Errorf("%d instances of %d are left: %w", len(instances), len(f.instances), err)
			}
			list, err := tx.ExceptionsOf(f.ID)
			if err != nil {
				return err
			}
			exceptions += len(list)
			usage, err := tx.UsageNowOf([]string{f.ID})
			if err != nil {
				return err
			}
			for _, i := range f.instances {
				measured := slices.ContainsFunc(usage[f.ID], func(u hosting.UsageNow) bool { return u.InstanceID == i.ID })
				if measured != l.measured[i.ID] {
					return fmt.Errorf("values of instance %s are there: %v", i.ID, measured)
				}
			}
		}
		if exceptions != l.exceptions {
			return fmt.Errorf("%d exceptions of %d are left", exceptions, l.exceptions)
		}
		return nil
	})
}
