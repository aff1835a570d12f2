package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
)

// quotaOf returns a quota that is complete, for the time.
func quotaOf(space, metric string, used, limit int64, at time.Time) hosting.Quota {
	return hosting.Quota{SpaceID: space, Metric: metric, Used: used, Limit: limit, MonthAgo: used / 2, Level: hosting.LevelAt(used, limit, nil),
		LevelSince: at, Told: hosting.LevelNotice, ToldAt: at.Add(time.Second), StopsAt: at.Add(time.Hour), GraceEnds: at.Add(2 * time.Hour),
		StoppedAt: at.Add(3 * time.Hour), AllowedAt: at.Add(4 * time.Hour), MeasuredAt: at.Add(-time.Hour), ExceptionID: "e"}
}

func quotas(b bundle) {
	one, two := AddSpace(b, b.store, "un"), AddSpace(b, b.store, "deux")
	of := func(spaces ...string) map[string][]hosting.Quota {
		return read(b, func(tx *store.Tx) (map[string][]hosting.Quota, error) { return tx.QuotasOf(spaces) })
	}
	same(b, "of no space", len(of()), 0)
	same(b, "nothing is weighed", len(of(one.ID, two.ID)), 0)
	storage, accounts := quotaOf(one.ID, "storage", 90, 100, b.now()), quotaOf(one.ID, "accounts", 5, 10, b.now())
	other := hosting.Quota{SpaceID: two.ID, Metric: "storage", Used: 1 << 50, Limit: hosting.Unlimited, MonthAgo: -1, Level: hosting.LevelOK, Told: hosting.LevelOK, LevelSince: b.now()}
	b.write(func(tx *store.Tx) error { return tx.SaveQuotas(nil) })
	b.write(func(tx *store.Tx) error { return tx.SaveQuotas([]hosting.Quota{storage, accounts, other}) })
	same(b, "as saved", of(one.ID, two.ID, "none"), map[string][]hosting.Quota{one.ID: {accounts, storage}, two.ID: {other}})
	storage = quotaOf(one.ID, "storage", 70, 80, b.now().Add(time.Minute))
	storage.ExceptionID, storage.StopsAt = "", time.Time{}
	b.write(func(tx *store.Tx) error { return tx.SaveQuotas([]hosting.Quota{storage}) })
	same(b, "saved again", of(one.ID)[one.ID], []hosting.Quota{accounts, storage})

	// More than a statement takes.
	var many []hosting.Quota
	for n := range 1203 {
		many = append(many, quotaOf(two.ID, fmt.Sprintf("metric-%04d", n), int64(n), 10, b.now()))
	}
	b.write(func(tx *store.Tx) error { return tx.SaveQuotas(many) })
	same(b, "all of them", of(two.ID)[two.ID], append(many, other))
}

func quotaSpaces(b bundle) {
	a, c := opened(b, "alpha"), opened(b, "beta")
	gone := AddSpace(b, b.store, "gone")
	b.write(func(tx *store.Tx) error { _, err := tx.MoveSpace(gone.ID, hosting.SpaceWithdrawn); return err })
	host, shared := AddCommons(b, b.store, "lists", "mailman")
	pads := AddInstance(b, b.store, a, "pads", "etherpad")
	b.write(func(tx *store.Tx) error { return tx.SetStopped(pads.ID, true) })

	same(b, "in order, without what was withdrawn", idsOf(read(b, func(tx *store.Tx) ([]hosting.Space, error) {
		return tx.SpacesOf([]string{c.ID, gone.ID, a.ID, "none"})
	})), []string{a.ID, c.ID})
	all := []string{a.ID, c.ID}
	same(b, "those that were opened", read(b, func(tx *store.Tx) ([]string, error) { return tx.SpacesAfter("", 10) }), all)
	same(b, "a page", read(b, func(tx *store.Tx) ([]string, error) { return tx.SpacesAfter(all[0], 1) }), all[1:2])
	same(b, "with a plan", read(b, func(tx *store.Tx) ([]string, error) { return tx.SpacesWithPlan("small", "", 10) }), []string{a.ID, c.ID})
	same(b, "after one", read(b, func(tx *store.Tx) ([]string, error) { return tx.SpacesWithPlan("small", a.ID, 10) }), []string{c.ID})
	same(b, "the host's are left out", read(b, func(tx *store.Tx) ([]string, error) { return tx.SpacesWithPlan("large", "", 10) }), nil)
	growth := read(b, func(tx *store.Tx) (map[string][]hosting.Instance, error) {
		return tx.GrowthOf([]string{host.ID, c.ID, a.ID})
	})
	same(b, "growth", growth, map[string][]hosting.Instance{
		a.ID:    {{ID: pads.ID, SpaceID: a.ID, Kind: "pads", App: "etherpad", Host: pads.Host, Growth: hosting.Growth{Stopped: true}}},
		host.ID: {{ID: shared.ID, SpaceID: host.ID, Kind: "lists", App: "mailman", Host: shared.Host}},
	})
}

func idsOf(spaces []hosting.Space) (ids []string) {
	for _, s := range spaces {
		ids = append(ids, s.ID)
	}
	return ids
}

func quotaList(b bundle) {
	var spaces []hosting.Space
	var all []hosting.Quota
	for n, used := range []int64{10, 160, 85, 100, 97} {
		s := AddSpace(b, b.store, fmt.Sprintf("espace-%d", n))
		spaces = append(spaces, s)
		q := quotaOf(s.ID, "storage", used, 100, b.now())
		q.MonthAgo = used - int64(n)
		all = append(all, q, quotaOf(s.ID, "accounts", int64(n), 4, b.now()))
	}
	all[0].MonthAgo = -1 // nobody knows: no growth
	b.write(func(tx *store.Tx) error { return tx.SaveQuotas(all) })
	type found struct {
		which []string
		total int
	}
	list := func(q store.QuotaQuery, offset, limit int) found {
		f := found{}
		rows := read(b, func(tx *store.Tx) (rows []hosting.Quota, err error) {
			rows, f.total, err = tx.Quotas(q, offset, limit)
			return rows, err
		})
		for _, r := range rows {
			n := slices.IndexFunc(spaces, func(s hosting.Space) bool { return s.ID == r.SpaceID })
			f.which = append(f.which, fmt.Sprintf("%d %s %d", n, r.Metric, r.Permille()))
		}
		return f
	}
	same(b, "near", list(store.QuotaQuery{Metric: "storage"}, 0, 3), found{[]string{"1 storage 1600", "3 storage 1000", "4 storage 970"}, 5})
	same(b, "near, page two", list(store.QuotaQuery{Metric: "storage"}, 3, 3), found{[]string{"2 storage 850", "0 storage 100"}, 5})
	same(b, "both metrics", list(store.QuotaQuery{}, 0, 3), found{[]string{"1 storage 1600", "4 accounts 1000", "3 storage 1000"}, 10})
	same(b, "of a level", list(store.QuotaQuery{Level: hosting.LevelFull}, 0, 9), found{[]string{"4 accounts 1000", "3 storage 1000"}, 2})
	same(b, "found by name", list(store.QuotaQuery{Text: "AMIS de Espace-2"}, 0, 9), found{[]string{"2 storage 850", "2 accounts 500"}, 2})
	same(b, "growth", list(store.QuotaQuery{ByGrowth: true, Metric: "storage"}, 0, 9), found{[]string{
		"4 storage 970", "3 storage 1000", "2 storage 850", "1 storage 1600", "0 storage 100"}, 5})
	levels := func(q store.QuotaQuery) map[hosting.Level]int {
		return read(b, func(tx *store.Tx) (map[hosting.Level]int, error) { return tx.QuotaLevels(q) })
	}
	same(b, "levels, whatever the level asked for", levels(store.QuotaQuery{Level: hosting.LevelOK}), map[hosting.Level]int{
		hosting.LevelOK: 1, hosting.LevelOver: 1, hosting.LevelNotice: 1, hosting.LevelFull: 2})
	same(b, "levels of accounts", levels(store.QuotaQuery{Metric: "accounts"}), map[hosting.Level]int{hosting.LevelOK: 4, hosting.LevelFull: 1})
	same(b, "levels of what was found", levels(store.QuotaQuery{Text: "espace-3"}), map[hosting.Level]int{hosting.LevelFull: 1})
}

func quotaUnused(b bundle) {
	spaces := map[string]hosting.Space{}
	year := 365 * 24 * time.Hour
	begin := b.now()
	look := func(slug string, ages ...time.Duration) { // an instance for each; 0 for never used
		s := opened(b, slug)
		spaces[slug] = s
		for n, age := range ages {
			i := AddInstance(b, b.store, s, fmt.Sprint("kind", n), fmt.Sprint("app", n))
			m := hosting.Measurement{InstanceID: i.ID, SpaceID: s.ID, At: begin.Add(2 * year), Readings: []hosting.Reading{{Metric: "pads", Problem: "it does not answer"}}}
			if age > 0 {
				m.ActiveAt = m.At.Add(-age)
			}
			b.write(func(tx *store.Tx) error { return tx.AddMeasurements([]hosting.Measurement{m}) })
		}
	}
	day := 24 * time.Hour
	look("longtemps", 500*day, 600*day)
	look("plus-longtemps", 700*day)
	look("a-moitie", 500*day, 3*day)
	look("inconnu", 0)
	look("hier", day)
	b.clock.Advance(2*year - 100*day)
	look("recent", 400*day) // opened less than a year before
	b.clock.Advance(100 * day)
	unused := func(text string, offset, limit int) (found []string, total int) {
		ids := read(b, func(tx *store.Tx) (ids []string, err error) {
			ids, total, err = tx.UnusedSpaces(text, tx.Now.Add(-year), offset, limit)
			return ids, err
		})
		for _, id := range ids {
			for slug, s := range spaces {
				if s.ID == id {
					found = append(found, slug)
				}
			}
		}
		return found, total
	}
	all, total := unused("", 0, 10)
	same(b, "unused, the longest first", all, []string{"plus-longtemps", "longtemps"})
	same(b, "how many", total, 2)
	second, total := unused("", 1, 1)
	same(b, "page two", append(second, fmt.Sprint(total)), []string{"longtemps", "2"})
	named, _ := unused("plus-", 0, 10)
	same(b, "found by name", named, []string{"plus-longtemps"})
}

func spacesToWeigh(b bundle) {
	due := func() []string {
		return read(b, func(tx *store.Tx) ([]string, error) { return tx.SpacesToWeigh() })
	}
	grace, stopped, excepted, calm := AddSpace(b, b.store, "delai"), AddSpace(b, b.store, "arrete"), AddSpace(b, b.store, "exception"), AddSpace(b, b.store, "calme")
	blank := func(s hosting.Space) hosting.Quota {
		return hosting.Quota{SpaceID: s.ID, Metric: "storage", Limit: 10, Level: hosting.LevelFull, Told: hosting.LevelFull, LevelSince: b.now()}
	}
	one, two, three := blank(grace), blank(stopped), blank(excepted)
	one.StopsAt, two.StopsAt, two.StoppedAt, three.ExceptionID = b.now().Add(time.Hour), b.now(), b.now(), "e1"
	b.write(func(tx *store.Tx) error {
		return errors.Join(tx.SaveQuotas([]hosting.Quota{one, two, three, blank(calm)}),
			tx.InsertException(hosting.QuotaException{ID: "e1", SpaceID: excepted.ID, Metric: "storage", Limit: 10, Reason: "essai", CreatedAt: tx.Now, ExpiresAt: tx.Now.Add(2 * time.Hour)}))
	})
	same(b, "nothing is due", due(), nil)
	b.clock.Advance(time.Hour)
	same(b, "grace is over", due(), []string{grace.ID})
	one.StoppedAt = b.now()
	b.write(func(tx *store.Tx) error { return tx.SaveQuotas([]hosting.Quota{one}) })
	same(b, "weighed", due(), nil)
	b.clock.Advance(time.Hour)
	same(b, "the exception is over", due(), []string{excepted.ID})
	three.ExceptionID = ""
	b.write(func(tx *store.Tx) error { return tx.SaveQuotas([]hosting.Quota{three}) })
	same(b, "weighed with the plan", due(), nil)
}

// oneWeighsAtATime: of writers that take the same spaces, each sees what the one before it left.
func oneWeighsAtATime(b bundle) {
	a, c := AddSpace(b, b.store, "alpha"), AddSpace(b, b.store, "beta")
	const writers = 12
	var all sync.WaitGroup
	for n := range writers {
		all.Go(func() {
			ids := []string{a.ID, c.ID}
			if n%2 == 1 {
				slices.Reverse(ids)
			}
			b.write(func(tx *store.Tx) error {
				if err := tx.TakeSpaces(ids); err != nil {
					return err
				}
				known, err := tx.QuotasOf(ids)
				if err != nil {
					return err
				}
				var save []hosting.Quota
				for _, id := range ids {
					q := hosting.Quota{SpaceID: id, Metric: "storage", Level: hosting.LevelOK, Told: hosting.LevelOK, LevelSince: tx.Now}
					if len(known[id]) > 0 {
						q = known[id][0]
					}
					q.Used++
					save = append(save, q)
				}
				return tx.SaveQuotas(save)
			})
		})
	}
	all.Wait()
	for id, q := range read(b, func(tx *store.Tx) (map[string][]hosting.Quota, error) { return tx.QuotasOf([]string{a.ID, c.ID}) }) {
		same(b, "each counted once, "+id, q[0].Used, int64(writers))
	}
}

func planVersions(b bundle) {
	inForce := func() map[string]hosting.PlanVersion {
		return read(b, func(tx *store.Tx) (map[string]hosting.PlanVersion, error) { return tx.PlansInForce() })
	}
	same(b, "none", len(inForce()), 0)
	first := hosting.PlanVersion{Plan: "standard", Version: 1, Limits: hosting.Limits{"storage": 40 << 30, "accounts": 50}, Thresholds: hosting.DefaultThresholds(),
		Retention: []hosting.RetentionRule{{Metric: "pads", Unused: 365 * 24 * time.Hour, Announce: 30 * 24 * time.Hour}}, AppliedAt: b.now(), AppliedBy: "ana@host.example"}
	bare := hosting.PlanVersion{Plan: "bare", Version: 3, Limits: hosting.Limits{}, AppliedAt: b.now(), AppliedBy: "frama"}
	put := func(v hosting.PlanVersion) { b.write(func(tx *store.Tx) error { return tx.InsertPlanVersion(v) }) }
	put(first)
	put(bare)
	same(b, "as applied", inForce(), map[string]hosting.PlanVersion{"standard": first, "bare": bare})
	b.refused(store.ErrTaken, func(tx *store.Tx) error { return tx.InsertPlanVersion(first) })
	third, second := first, first
	third.Version, third.Limits = 3, hosting.Limits{"storage": 50 << 30}
	second.Version = 2
	put(third)
	put(second) // whoever was slower changes nothing
	same(b, "the newest version", inForce()["standard"], third)
}

func exceptions(b bundle) {
	s, other := AddSpace(b, b.store, "amis"), AddSpace(b, b.store, "autres")
	add := func(space hosting.Space, metric string, limit int64, ends time.Time) hosting.QuotaException {
		e := hosting.QuotaException{ID: NewID(), SpaceID: space.ID, Metric: metric, Limit: limit, Reason: "Festival « d’été »\net après", ExpiresAt: ends, CreatedAt: b.now(), CreatedBy: "ana"}
		b.write(func(tx *store.Tx) error { return tx.InsertException(e) })
		return e
	}
	inForce := func() map[string][]hosting.QuotaException {
		return read(b, func(tx *store.Tx) (map[string][]hosting.QuotaException, error) {
			return tx.ExceptionsInForce([]string{s.ID, other.ID})
		})
	}
	end := func(metric string) bool {
		var ended bool
		b.write(func(tx *store.Tx) (err error) { ended, err = tx.EndException(s.ID, metric, "bob"); return err })
		return ended
	}
	same(b, "none to end", end("storage"), false)
	storage := add(s, "storage", 1<<40, b.now().Add(time.Hour))
	accounts := add(s, "accounts", hosting.Unlimited, time.Time{})
	theirs := add(other, "storage", 7, time.Time{})
	same(b, "in force", inForce(), map[string][]hosting.QuotaException{s.ID: {storage, accounts}, other.ID: {theirs}})
	same(b, "ended", end("accounts"), true)
	same(b, "ended once", end("accounts"), false)
	accounts.EndedAt, accounts.EndedBy = b.now(), "bob"
	same(b, "still in force", inForce(), map[string][]hosting.QuotaException{s.ID: {storage}, other.ID: {theirs}})
	b.clock.Advance(time.Hour)
	same(b, "expired", inForce(), map[string][]hosting.QuotaException{other.ID: {theirs}})
	same(b, "what expired cannot be ended", end("storage"), false)
	newest := add(s, "storage", 2, time.Time{})
	same(b, "of a space, the newest first", read(b, func(tx *store.Tx) ([]hosting.QuotaException, error) { return tx.ExceptionsOf(s.ID) }),
		[]hosting.QuotaException{newest, accounts, storage})
	same(b, "of all", read(b, func(tx *store.Tx) ([]hosting.QuotaException, error) { return tx.Exceptions(10) }), []hosting.QuotaException{newest, theirs})
	same(b, "of all, the first", read(b, func(tx *store.Tx) ([]hosting.QuotaException, error) { return tx.Exceptions(1) }), []hosting.QuotaException{newest})
}

func asks(b bundle) {
	s, other := AddSpace(b, b.store, "amis"), AddSpace(b, b.store, "autres")
	ask := func(space hosting.Space) hosting.QuotaAsk {
		return hosting.QuotaAsk{ID: NewID(), SpaceID: space.ID, Metric: "storage", Wanted: 60 << 30, Reason: "Les photos\ndu festival", State: hosting.AskOpen, CreatedAt: b.now()}
	}
	add := func(a hosting.QuotaAsk) hosting.QuotaAsk {
		b.write(func(tx *store.Tx) error { return tx.InsertAsk(a) })
		return a
	}
	list := func(state hosting.AskState, limit int) []hosting.QuotaAsk {
		return read(b, func(tx *store.Tx) ([]hosting.QuotaAsk, error) { return tx.Asks(state, limit) })
	}
	missing(b, func(tx *store.Tx) (hosting.QuotaAsk, error) { return tx.AskOf(s.ID) })
	missing(b, func(tx *store.Tx) (hosting.QuotaAsk, error) { return tx.Ask("none") })
	first := add(ask(s))
	b.refused(store.ErrTaken, func(tx *store.Tx) error { return tx.InsertAsk(ask(s)) })
	b.clock.Advance(time.Minute)
	theirs := add(ask(other))
	same(b, "the oldest open one first", list("", 10), []hosting.QuotaAsk{first, theirs})
	same(b, "by ID", read(b, func(tx *store.Tx) (hosting.QuotaAsk, error) { return tx.Ask(first.ID) }), first)

	first.State, first.Answer, first.AnsweredAt, first.AnsweredBy = hosting.AskDeclined, "Pas cette année.", b.now(), "ana"
	b.write(func(tx *store.Tx) error { return tx.AnswerAsk(first) })
	b.refused(store.ErrStale, func(tx *store.Tx) error { return tx.AnswerAsk(first) })
	same(b, "declined", list(hosting.AskDeclined, 10), []hosting.QuotaAsk{first})
	b.clock.Advance(time.Minute)
	plan := ask(s)
	plan.Metric, plan.Wanted, plan.Plan = "", 0, "large"
	add(plan)
	same(b, "open ones first", list("", 10), []hosting.QuotaAsk{theirs, plan, first})
	same(b, "at most", list("", 2), []hosting.QuotaAsk{theirs, plan})
	same(b, "the newest of a space", read(b, func(tx *store.Tx) (hosting.QuotaAsk, error) { return tx.AskOf(s.ID) }), plan)
	since := func(d time.Duration) int {
		return read(b, func(tx *store.Tx) (int, error) { return tx.AsksSince(s.ID, tx.Now.Add(-d)) })
	}
	same(b, "lately", []int{since(time.Second), since(90 * time.Second), since(time.Hour)}, []int{1, 1, 2})
}

// asksAtOnce: one wish of a space is open, whoever else sends one at the same moment; and one answer counts.
func asksAtOnce(b bundle) {
	s := AddSpace(b, b.store, "amis")
	compete := func(what string, do func(tx *store.Tx, n int) error, losing error) {
		b.Helper()
		errs := make([]error, 8)
		var all sync.WaitGroup
		for n := range errs {
			all.Go(func() { errs[n] = b.store.Write(context.Background(), func(tx *store.Tx) error { return do(tx, n) }) })
		}
		all.Wait()
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
			} else if !errors.Is(err, losing) {
				b.Fatalf("%s: %v", what, err)
			}
		}
		same(b, what, won, 1)
	}
	compete("one is open", func(tx *store.Tx, _ int) error {
		return tx.InsertAsk(hosting.QuotaAsk{ID: NewID(), SpaceID: s.ID, Plan: "large", Reason: "plus", State: hosting.AskOpen, CreatedAt: tx.Now})
	}, store.ErrTaken)
	a := read(b, func(tx *store.Tx) (hosting.QuotaAsk, error) { return tx.AskOf(s.ID) })
	compete("one answers", func(tx *store.Tx, n int) error {
		mine := a
		mine.State, mine.Answer, mine.AnsweredAt = hosting.AskGranted, fmt.Sprint(n), tx.Now
		return tx.AnswerAsk(mine)
	}, store.ErrStale)
}
