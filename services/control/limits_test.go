package control_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"framagit.org/frama/frama/services/control"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
	"framagit.org/frama/frama/services/store/storetest"
)

// key is the message key of an error that a person reads.
func key(err error) string {
	if err == nil {
		return ""
	}
	_, key, _ := strings.Cut(err.Error(), ": ")
	key, _, _ = strings.Cut(key, ": ")
	return key
}

func TestPlansAreAdoptedOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		h := newHouse(t, dsn)
		plans, err := h.Plans(context.Background(), h.staff)
		h.must(err)
		equal(t, "in force", []any{len(plans), plans[0].Plan, plans[0].Version, plans[0].AppliedBy}, []any{3, "starter", 1, "frama"})
		h.restart(h.plan(2, "accounts = 5\nstorage = 4096"))
		h.must(h.AdoptPlans(context.Background()))
		again, err := h.Plans(context.Background(), h.staff)
		h.must(err)
		equal(t, "a new version is not adopted", again[0], plans[0])
		equal(t, "audit", len(h.audited("plan.apply")), 3)
		equal(t, "people are shown what is in force", h.PlanViews()[0].StorageMiB, 8192)
	})
}

func TestPlansAreAdoptedByManyAtOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		h := newHouse(t, dsn)
		h.restart(addPlan(t))
		done := make(chan error)
		for range 6 {
			go func() { done <- h.AdoptPlans(context.Background()) }()
		}
		for range 6 {
			h.must(<-done)
		}
		equal(t, "audit", len(h.audited("plan.apply")), 4)
	})
}

// addPlan writes a folder with one plan more.
func addPlan(t *testing.T) string {
	t.Helper()
	h := &house{desk: &desk{t: t}}
	dir := h.plan(1, "accounts = 5\nstorage = 4096\nlike = \"standard\"")
	rewrite(t, dir+"/plans.hcl", `plan "starter"`, `plan "tiny"`)
	return dir
}

// TestAPlanIsAppliedAsItWasLookedAt: preview, apply, and what spaces meet.
func TestAPlanIsAppliedAsItWasLookedAt(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		h := newHouse(t, dsn)
		full, calm := h.open("jardins"), h.open("ateliers")
		h.storage(full, 16*7)
		h.storage(calm, 16)
		changes, err := h.PlanChanges(context.Background(), h.staff)
		h.must(err)
		equal(t, "no changes", len(changes), 0)
		before := len(h.letters())

		h.restart(h.plan(2, "accounts = 10\nstorage = 4096\nthreshold \"notice\" {\n at = 70\n}"))
		changes, err = h.PlanChanges(context.Background(), h.staff)
		h.must(err)
		c := changes[0]
		equal(t, "one plan", []any{len(changes), c.Plan, c.Current.Version, c.New.Version, c.Spaces, c.Effects, c.Problem}, []any{1, "starter", 1, 2, 2, 2, ""})
		if !strings.HasSuffix(c.Where, "plans.hcl:1") {
			t.Errorf("where: %s", c.Where)
		}
		e := c.Affected[0]
		equal(t, "affected", []any{e.Space.Slug, e.Metric, e.Used, e.Before, e.After, e.LevelBefore, e.LevelAfter},
			[]any{"jardins", "storage", 7 * gib, 8 * gib, 4 * gib, hosting.LevelNotice, hosting.LevelOver})
		equal(t, "a preview changes nothing", []any{h.reweigh(), len(h.letters()), h.quota(full, "storage").Limit}, []any{0, before, 8 * gib})

		reviewer := hosting.Actor{Name: "rené", Role: hosting.RoleOperator}
		equal(t, "admins only", hosting.CodeOf(h.ApplyPlan(context.Background(), reviewer, "starter", 2)), hosting.Forbidden)
		equal(t, "another version than the file's", key(h.ApplyPlan(context.Background(), h.staff, "starter", 3)), "error.plan_version_other")
		equal(t, "no such plan", key(h.ApplyPlan(context.Background(), h.staff, "none", 1)), "error.plan_unknown")
		h.must(h.ApplyPlan(context.Background(), h.staff, "starter", 2))
		equal(t, "applied twice", key(h.ApplyPlan(context.Background(), h.staff, "starter", 2)), "error.plan_applied")
		equal(t, "people are shown it", h.PlanViews()[0].StorageMiB, 4096)
		equal(t, "audit", h.audited("plan.apply")[3:], []string{"version 2"})
		equal(t, "one level changed", h.reweigh(), 1)
		q := h.quota(full, "storage")
		equal(t, "far beyond, with days of grace", []any{q.Level, q.Limit, q.StopsAt.Sub(h.clock.Now()).Round(time.Hour), h.stopped(full)}, []any{hosting.LevelOver, 4 * gib, grace, []bool{false, false}})
		equal(t, "told", h.letters()[before:], []string{"quota_full"})
		h.clock.Advance(grace)
		h.reweigh()
		equal(t, "then stopped", h.stopped(full), []bool{true, true})
		equal(t, "the other is left alone", h.stopped(calm), []bool{false, false})
	})
}

func TestPlansThatCannotBeApplied(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	h.restart(h.plan(3, "accounts = 10\nstorage = 4096"))
	h.must(h.ApplyPlan(context.Background(), h.staff, "starter", 3))
	for name, c := range map[string]struct {
		version int
		rest    string
		problem string
	}{
		"the same":               {3, "accounts = 10\nstorage = 4096", "error.plan_applied"},
		"version not raised":     {3, "accounts = 11\nstorage = 4096", "error.plan_version_same"},
		"other thresholds":       {3, "accounts = 10\nstorage = 4096\nthreshold \"notice\" {\n at = 60\n}", "error.plan_version_same"},
		"a limit":                {3, "accounts = 10\nstorage = 4096\nlimit \"pads\" {\n most = 5\n}", "error.plan_version_same"},
		"a lower version":        {2, "accounts = 10\nstorage = 4096", "error.plan_version_lower"},
		"a lower, other version": {1, "accounts = 12\nstorage = 4096", "error.plan_version_lower"},
	} {
		t.Run(name, func(t *testing.T) {
			h.t = t
			h.restart(h.plan(c.version, c.rest))
			equal(t, "applied", key(h.ApplyPlan(context.Background(), h.staff, "starter", c.version)), c.problem)
			changes, err := h.PlanChanges(context.Background(), h.staff)
			h.must(err)
			if c.problem == "error.plan_applied" {
				equal(t, "changes", len(changes), 0)
			} else {
				equal(t, "said before", changes[0].Problem, c.problem)
			}
		})
	}
	h.t = t
	h.restart(h.plan(4, "accounts = 10\nstorage = 4096"))
	changes, err := h.PlanChanges(context.Background(), h.staff)
	h.must(err)
	equal(t, "only the version was raised", []any{len(changes), changes[0].Problem}, []any{1, ""})
	h.must(h.ApplyPlan(context.Background(), h.staff, "starter", 4))
}

// TestTwoApplyAPlan: one does, the other is told.
func TestTwoApplyAPlan(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		h := newHouse(t, dsn)
		h.restart(h.plan(2, "accounts = 10\nstorage = 4096"))
		h.race(4, func(int) error { return h.ApplyPlan(context.Background(), h.staff, "starter", 2) }, "error.plan_applied")
		equal(t, "audit", len(h.audited("plan.apply")), 4)
	})
}

func TestExceptions(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		h := newHouse(t, dsn)
		f := h.open("jardins")
		h.storage(f, 16*7+12) // 7.75 of 8 GiB
		before := len(h.letters())
		ends := h.clock.Now().Add(30 * aDay)
		made, err := h.SetException(context.Background(), h.staff, "jardins", control.NewException{Metric: "storage", Limit: 20 * gib, Reason: " Le festival ", ExpiresAt: ends})
		h.must(err)
		q := h.quota(f, "storage")
		equal(t, "weighed at once", []any{q.Limit, q.Level, q.ExceptionID}, []any{20 * gib, hosting.LevelOK, made.ID})
		equal(t, "told", h.letters()[before:], []string{"quota_limit"})
		v, err := h.SpaceUsage(context.Background(), h.staff, "jardins")
		h.must(err)
		equal(t, "on pages", []any{v.Quotas[0].Exception.Reason, v.Quotas[0].PlanLimit}, []any{"Le festival", 8 * gib})
		h.storage(f, 16*14)
		h.clock.Advance(30*aDay - time.Minute)
		equal(t, "nothing is due", h.reweigh(), 0)
		h.clock.Advance(time.Minute)
		equal(t, "the exception is over", h.reweigh(), 1)
		q = h.quota(f, "storage")
		equal(t, "the plan's limit, with days of grace", []any{q.Limit, q.Level, q.ExceptionID, h.stopped(f), q.StopsAt.Sub(h.clock.Now()).Round(time.Hour)},
			[]any{8 * gib, hosting.LevelOver, "", []bool{false, false}, grace})
		equal(t, "told of the date", h.letters()[before+1:], []string{"quota_full"})

		first, err := h.SetException(context.Background(), h.staff, "jardins", control.NewException{Metric: "storage", Limit: 15 * gib, Reason: "essai"})
		h.must(err)
		second, err := h.SetException(context.Background(), h.staff, "jardins", control.NewException{Metric: "storage", Limit: hosting.Unlimited, Reason: "essai"})
		h.must(err)
		all, err := h.Exceptions(context.Background(), h.staff, "jardins")
		h.must(err)
		equal(t, "the newest first", []string{all[0].ID, all[1].ID, all[2].ID}, []string{second.ID, first.ID, made.ID})
		equal(t, "one ends the other", []any{all[1].EndedBy, all[0].EndedBy, all[2].EndedBy}, []any{"ana", "", ""})
		inForce, err := h.Exceptions(context.Background(), h.staff, "")
		h.must(err)
		equal(t, "in force", []any{len(inForce), inForce[0].ID, inForce[0].Space.Slug}, []any{1, second.ID, "jardins"})
		equal(t, "no limit", h.quota(f, "storage").Level, hosting.LevelOK)
		h.must(h.EndException(context.Background(), h.staff, "jardins", "storage"))
		equal(t, "ended twice", key(h.EndException(context.Background(), h.staff, "jardins", "storage")), "error.no_exception")
		equal(t, "the plan's again", h.quota(f, "storage").Limit, 8*gib)
		equal(t, "audit", []int{len(h.audited("quota.exception")), len(h.audited("quota.exception_end"))}, []int{3, 1})
	})
}

func TestExceptionsThatAreRefused(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	h.open("jardins")
	good := control.NewException{Metric: "storage", Limit: gib, Reason: "essai", ExpiresAt: h.clock.Now().Add(time.Hour)}
	for name, c := range map[string]struct {
		change func(*control.NewException)
		field  string
	}{
		"no metric":       {func(e *control.NewException) { e.Metric = "" }, "metric"},
		"bytes":           {func(e *control.NewException) { e.Metric = hosting.MetricBytes }, "metric"},
		"unknown":         {func(e *control.NewException) { e.Metric = "cats" }, "metric"},
		"nothing":         {func(e *control.NewException) { e.Limit = 0 }, "limit"},
		"less":            {func(e *control.NewException) { e.Limit = -2 }, "limit"},
		"absurd":          {func(e *control.NewException) { e.Limit = 1 << 60 }, "limit"},
		"no reason":       {func(e *control.NewException) { e.Reason = "  " }, "reason"},
		"short reason":    {func(e *control.NewException) { e.Reason = "ok" }, "reason"},
		"long reason":     {func(e *control.NewException) { e.Reason = strings.Repeat("é", 501) }, "reason"},
		"hidden reason":   {func(e *control.NewException) { e.Reason = "abc\u202edef" }, "reason"},
		"over already":    {func(e *control.NewException) { e.ExpiresAt = h.clock.Now() }, "expires"},
		"over long since": {func(e *control.NewException) { e.ExpiresAt = time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC) }, "expires"},
	} {
		e := good
		c.change(&e)
		_, err := h.SetException(context.Background(), h.staff, "jardins", e)
		if hosting.CodeOf(err) != hosting.Invalid || !strings.Contains(err.Error(), "; "+c.field+": ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, role := range []hosting.Role{"", hosting.RoleReviewer} {
		actor := hosting.Actor{Name: "x", Role: role}
		_, err := h.SetException(context.Background(), actor, "jardins", good)
		equal(t, "role "+string(role), hosting.CodeOf(err), hosting.Forbidden)
		equal(t, "to end", hosting.CodeOf(h.EndException(context.Background(), actor, "jardins", "storage")), hosting.Forbidden)
		equal(t, "to answer", hosting.CodeOf(h.AnswerAsk(context.Background(), actor, "x", true, "")), hosting.Forbidden)
	}
	_, err := h.SetException(context.Background(), h.staff, "nobody", good)
	equal(t, "no such space", hosting.CodeOf(err), hosting.NotFound)
	equal(t, "mails", h.letters(), nil)
}

func TestWishes(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		h := newHouse(t, dsn)
		f := h.open("jardins")
		h.storage(f, 16*9)
		public, ctx := hosting.Actor{Name: "public"}, context.Background()
		before := len(h.letters())
		a, err := h.AskMore(ctx, public, f.track, control.NewAsk{Metric: "storage", Wanted: 20 * gib, Reason: "Les photos du festival."})
		h.must(err)
		_, err = h.AskMore(ctx, public, f.track, control.NewAsk{Plan: "large", Reason: "Nous grandissons vite."})
		equal(t, "one at a time", key(err), "error.ask_open")
		equal(t, "the staff is told", h.letters()[before:], []string{"staff_ask"})
		v, err := h.TrackUsage(ctx, f.track)
		h.must(err)
		equal(t, "on the private page", v.Ask.ID, a.ID)
		asks, err := h.Asks(ctx, h.staff, hosting.AskOpen)
		h.must(err)
		equal(t, "for the staff", []any{len(asks), asks[0].ID, asks[0].Space.Slug, asks[0].Quota.Used}, []any{1, a.ID, "jardins", 9 * gib})

		equal(t, "declined without a word", hosting.CodeOf(h.AnswerAsk(ctx, h.staff, a.ID, false, " ")), hosting.Invalid)
		h.must(h.AnswerAsk(ctx, h.staff, a.ID, false, "Pas cette année, mais l’an prochain."))
		equal(t, "answered twice", key(h.AnswerAsk(ctx, h.staff, a.ID, true, "")), "error.ask_answered")
		equal(t, "told", h.letters()[before+1:], []string{"ask_declined"})
		equal(t, "nothing changed", h.quota(f, "storage").Limit, 8*gib)

		b, err := h.AskMore(ctx, public, f.track, control.NewAsk{Metric: "storage", Wanted: 20 * gib, Reason: strings.Repeat("Les photos du festival. ", 80)})
		h.must(err)
		h.must(h.AnswerAsk(ctx, h.staff, b.ID, true, ""))
		q := h.quota(f, "storage")
		equal(t, "granted", []any{q.Limit, q.Level}, []any{20 * gib, hosting.LevelOK})
		list, err := h.Exceptions(ctx, h.staff, "jardins")
		h.must(err)
		equal(t, "as an exception without an end", []any{len(list), list[0].ExpiresAt.IsZero(), len([]rune(list[0].Reason))}, []any{1, true, 500})
		c, err := h.AskMore(ctx, public, f.track, control.NewAsk{Plan: "standard", Reason: "Nous grandissons vite."})
		h.must(err)
		h.must(h.AnswerAsk(ctx, h.staff, c.ID, true, "Bienvenue !"))
		_, err = h.AskMore(ctx, public, f.track, control.NewAsk{Plan: "large", Reason: "Nous grandissons vite."})
		equal(t, "four in a day", hosting.CodeOf(err), hosting.TooMany)
		h.read(func(tx *store.Tx) error {
			s, err := tx.Space(f.ID)
			equal(t, "the plan", s.Plan, "standard")
			return err
		})
		equal(t, "accounts of the plan", h.quota(f, "accounts").Limit, int64(50))
		equal(t, "letters", h.letters()[before+2:], []string{"staff_ask", "ask_granted", "staff_ask", "ask_granted"})
		equal(t, "audit", []int{len(h.audited("ask.submit")), len(h.audited("ask.grant")), len(h.audited("ask.decline"))}, []int{3, 2, 1})
		h.clock.Advance(aDay + time.Minute)
		_, err = h.AskMore(ctx, public, f.track, control.NewAsk{Plan: "large", Reason: "Nous grandissons vite."})
		h.must(err)
	})
}

// TestAWishThatCannotBeGrantedStaysOpen: what the answer would do fails, so nothing is answered.
func TestAWishThatCannotBeGrantedStaysOpen(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	f := h.open("jardins")
	a, err := h.AskMore(context.Background(), hosting.Actor{Name: "public"}, f.track, control.NewAsk{Plan: "standard", Reason: "Nous grandissons vite."})
	h.must(err)
	h.write(func(tx *store.Tx) error { return tx.InsertRun(tx.NewID(), f.ID, "test", 1, []string{"wait"}) })
	before := len(h.letters())
	equal(t, "somebody works on it", key(h.AnswerAsk(context.Background(), h.staff, a.ID, true, "Oui !")), "error.plan_busy")
	open, err := h.Asks(context.Background(), h.staff, hosting.AskOpen)
	h.must(err)
	equal(t, "the wish, letters, answers", []int{len(open), len(h.letters()) - before, len(h.audited("ask.grant"))}, []int{1, 0, 0})
}

func TestWishesThatAreRefused(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	f := h.open("jardins")
	const reason = "Les photos du festival."
	for name, c := range map[string]struct {
		ask   control.NewAsk
		field string
	}{
		"nothing":           {control.NewAsk{Reason: reason}, "metric"},
		"no reason":         {control.NewAsk{Plan: "large"}, "reason"},
		"short reason":      {control.NewAsk{Plan: "large", Reason: "svp"}, "reason"},
		"long reason":       {control.NewAsk{Plan: "large", Reason: strings.Repeat("a", 2001)}, "reason"},
		"no such plan":      {control.NewAsk{Plan: "huge", Reason: reason}, "plan"},
		"the same plan":     {control.NewAsk{Plan: "starter", Reason: reason}, "plan"},
		"a plan and more":   {control.NewAsk{Plan: "large", Metric: "storage", Wanted: 90 * gib, Reason: reason}, "plan"},
		"what has no limit": {control.NewAsk{Metric: "pads", Wanted: 5, Reason: reason}, "metric"},
		"unknown":           {control.NewAsk{Metric: "cats", Wanted: 5, Reason: reason}, "metric"},
		"as much":           {control.NewAsk{Metric: "storage", Wanted: 8 * gib, Reason: reason}, "wanted"},
		"less":              {control.NewAsk{Metric: "accounts", Wanted: -5, Reason: reason}, "wanted"},
		"absurd":            {control.NewAsk{Metric: "accounts", Wanted: 1 << 60, Reason: reason}, "wanted"},
	} {
		_, err := h.AskMore(context.Background(), hosting.Actor{Name: "public"}, f.track, c.ask)
		if hosting.CodeOf(err) != hosting.Invalid || !strings.Contains(err.Error(), "; "+c.field+": ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := h.AskMore(context.Background(), hosting.Actor{Name: "public"}, "nonsense", control.NewAsk{Plan: "large", Reason: reason})
	equal(t, "a wrong link", hosting.CodeOf(err), hosting.NotFound)
	equal(t, "mails", h.letters(), nil)
}

// TestReadingNeedsARole: nothing is shown to who has none.
func TestReadingNeedsARole(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	h.open("jardins")
	ctx, nobody := context.Background(), hosting.Actor{Name: "public"}
	for name, f := range map[string]func(hosting.Actor) error{
		"quotas": func(a hosting.Actor) error { _, err := h.Quotas(ctx, a, control.QuotaFilter{}); return err },
		"unused": func(a hosting.Actor) error {
			_, err := h.Quotas(ctx, a, control.QuotaFilter{Order: control.QuotaUnused})
			return err
		},
		"usage": func(a hosting.Actor) error { _, err := h.SpaceUsage(ctx, a, "jardins"); return err },
		"history": func(a hosting.Actor) error {
			_, err := h.UsageHistory(ctx, a, "jardins", "storage", control.RangeYear)
			return err
		},
		"exceptions": func(a hosting.Actor) error { _, err := h.Exceptions(ctx, a, ""); return err },
		"plans":      func(a hosting.Actor) error { _, err := h.Plans(ctx, a); return err },
		"changes":    func(a hosting.Actor) error { _, err := h.PlanChanges(ctx, a); return err },
		"wishes":     func(a hosting.Actor) error { _, err := h.Asks(ctx, a, ""); return err },
	} {
		equal(t, name+" for anybody", hosting.CodeOf(f(nobody)), hosting.Forbidden)
		h.must(f(hosting.Actor{Name: "rené", Role: hosting.RoleReviewer}))
	}
}

// TestWishComesTrueBefore: the host gives more than was asked for before it answers. Granting the wish takes nothing away.
func TestWishComesTrueBefore(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		h := newHouse(t, dsn)
		f := h.open("jardins")
		ctx := context.Background()
		a, err := h.AskMore(ctx, hosting.Actor{Name: "public"}, f.track, control.NewAsk{Metric: "accounts", Wanted: 20, Reason: "Nous grandissons vite."})
		h.must(err)
		_, err = h.SetException(ctx, h.staff, f.Slug, control.NewException{Metric: "accounts", Limit: 100, Reason: "Festival."})
		h.must(err)
		h.must(h.AnswerAsk(ctx, h.staff, a.ID, true, ""))
		v, err := h.SpaceUsage(ctx, h.staff, f.Slug)
		h.must(err)
		for _, q := range v.Quotas {
			if q.Metric == "accounts" {
				equal(t, "limit", q.Limit, int64(100))
			}
		}
	})
}
