package control_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/services/auth"
	"framagit.org/frama/frama/services/control"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/locale"
	"framagit.org/frama/frama/services/mail"
	"framagit.org/frama/frama/services/store"
	"framagit.org/frama/frama/services/store/storetest"
)

const (
	gib   = int64(1) << 30
	aDay  = 24 * time.Hour
	grace = 14 * aDay
)

// house is a desk whose clock can be moved, with the plans that frama comes with.
type house struct {
	*desk
	clock *storetest.Clock
	mails *mail.Renderer
}

func newHouse(t *testing.T, dsn string, folders ...string) *house {
	t.Helper()
	words, err := locale.Load()
	if err != nil {
		t.Fatal(err)
	}
	h := &house{clock: storetest.NewClock()}
	h.desk = &desk{t: t, store: storetest.Open(t, dsn, h.clock.With), links: auth.Links{Key: []byte(strings.Repeat("k", 32)), PublicURL: "https://host.example"},
		staff: hosting.Actor{Name: "ana", Role: hosting.RoleAdmin, IP: "192.0.2.1"}}
	if h.mails, err = mail.NewRenderer(mail.RenderOptions{Host: "host", Links: h.links, Locale: words}); err != nil {
		t.Fatal(err)
	}
	h.restart(folders...)
	h.must(h.AdoptPlans(context.Background()))
	h.write(func(tx *store.Tx) error {
		return tx.InsertUser(hosting.User{ID: storetest.NewID(), Email: "ana@host.example", Name: "Ana", Role: hosting.RoleAdmin, CreatedAt: tx.Now})
	})
	return h
}

// restart reads the catalogue again, with folders of the host's own.
func (h *house) restart(folders ...string) {
	h.t.Helper()
	apps, err := catalogue.Load(append([]string{"testdata/catalogue"}, folders...)...)
	if err != nil {
		h.t.Fatal(err)
	}
	h.desk.Control = control.New(h.store, apps, control.Options{
		Platform: "example.org", PublicURL: h.links.PublicURL, HostName: "host", HostEmail: "hello@host.example",
		CharterVersion: "1", LinkKey: h.links.Key, SessionTTL: time.Hour, Now: h.clock.Now, NewID: storetest.NewID,
	})
}

func (h *house) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) write(f func(*store.Tx) error) {
	h.t.Helper()
	h.must(h.store.Write(context.Background(), f))
}

func (h *house) read(f func(*store.Tx) error) {
	h.t.Helper()
	h.must(h.store.Read(context.Background(), f))
}

// plan writes a catalogue folder with another version of the plan "starter", and returns its path.
func (h *house) plan(version int, rest string) string {
	h.t.Helper()
	dir := h.t.TempDir()
	text := fmt.Sprintf("plan \"starter\" {\n  title {\n    fr = \"Découverte\"\n    en = \"Starter\"\n  }\n  description {\n    fr = \"Pour essayer.\"\n"+
		"    en = \"To try.\"\n  }\n  version = %d\n%s\n}\n", version, rest)
	h.must(os.WriteFile(filepath.Join(dir, "plans.hcl"), []byte(text), 0o600))
	return dir
}

// flat is a space that is open, with its instances.
type flat struct {
	hosting.Space
	instances []hosting.Instance
	track     string // token of its private page
}

// open makes a space with pads and spreadsheets.
func (h *house) open(slug string) flat {
	h.t.Helper()
	q := h.pending(slug, slug+"@asso.example")
	h.confirm(q)
	a, err := h.Approve(context.Background(), h.staff, q.ID)
	h.must(err)
	f := flat{track: h.links.TrackToken(q.ID)}
	h.opened(slug)
	h.read(func(tx *store.Tx) error {
		f.Space, err = tx.Space(a.Space.ID)
		if err != nil {
			return err
		}
		f.instances, err = tx.Instances(f.ID)
		return err
	})
	return f
}

// look records what an instance of a space uses, by metric.
func (h *house) look(f flat, instance int, values map[string]int64) {
	h.t.Helper()
	h.must(h.RecordUsage(context.Background(), []hosting.Measurement{h.measurement(f, instance, values)}))
}

func (h *house) measurement(f flat, instance int, values map[string]int64) hosting.Measurement {
	m := hosting.Measurement{InstanceID: f.instances[instance].ID, SpaceID: f.ID, At: h.clock.Now().UTC().Truncate(time.Microsecond)}
	for metric, value := range values {
		m.Readings = append(m.Readings, hosting.Reading{Metric: metric, Value: value})
	}
	return m
}

// storage records what the first instance keeps in its volume, as a sixteenth of a GiB each.
func (h *house) storage(f flat, sixteenths int64) {
	h.t.Helper()
	h.look(f, 0, map[string]int64{hosting.MetricVolumeBytes: sixteenths * gib / 16})
}

func (h *house) quota(f flat, metric string) hosting.Quota {
	h.t.Helper()
	var quotas map[string][]hosting.Quota
	h.read(func(tx *store.Tx) (err error) { quotas, err = tx.QuotasOf([]string{f.ID}); return err })
	for _, q := range quotas[f.ID] {
		if q.Metric == metric {
			return q
		}
	}
	h.t.Fatalf("the space %s has no quota of %s", f.Slug, metric)
	return hosting.Quota{}
}

// stopped says of each instance whether it is to take no more.
func (h *house) stopped(f flat) (all []bool) {
	h.t.Helper()
	h.read(func(tx *store.Tx) error {
		instances, err := tx.Instances(f.ID)
		for _, i := range instances {
			all = append(all, i.Growth.Stopped)
		}
		return err
	})
	return all
}

// letters returns the templates of mails about limits, the oldest first, and makes sure that each can be rendered.
func (h *house) letters() (templates []string) {
	h.t.Helper()
	for _, m := range h.outbox() {
		if strings.HasPrefix(m.Template, "quota_") || strings.Contains(m.Template, "ask") {
			templates = append(templates, m.Template)
		}
	}
	return templates
}

func (h *house) outbox() []store.Mail {
	h.t.Helper()
	var mails []store.Mail
	h.read(func(tx *store.Tx) (err error) { mails, err = tx.Mails("", 10_000); return err })
	slices.Reverse(mails)
	for _, m := range mails {
		if _, err := h.mails.Render(m); err != nil {
			h.t.Fatal(err)
		}
	}
	return mails
}

// audited returns the details of what the audit log says of an action, the oldest first.
func (h *house) audited(action string) (details []string) {
	h.t.Helper()
	h.read(func(tx *store.Tx) error {
		entries, _, err := tx.AuditLog(action, 0, 10_000)
		for _, e := range entries {
			if e.Action == action {
				details = append(details, e.Detail)
			}
		}
		return err
	})
	slices.Reverse(details)
	return details
}

func (h *house) reweigh() int {
	h.t.Helper()
	n, err := h.Reweigh(context.Background())
	h.must(err)
	return n
}

func equal[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if g, w := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); g != w {
		t.Errorf("%s:\n got %s\nwant %s", what, g, w)
	}
}

// TestUpAndDown follows a space over its limit of storage and back.
func TestUpAndDown(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		h := newHouse(t, dsn)
		f := h.open("jardins") // 8 GiB
		h.look(f, 1, map[string]int64{hosting.MetricVolumeBytes: gib, hosting.MetricDatabaseBytes: gib, hosting.MetricAccounts: 3})
		h.storage(f, 1)
		equal(t, "mails at the beginning", h.letters(), nil)
		h.storage(f, 16*4+7) // with the other instance, 6.4375 GiB of 8
		equal(t, "told", h.letters(), []string{"quota_notice"})
		h.storage(f, 16*5+10)
		h.storage(f, 16*6)
		equal(t, "level", h.quota(f, "storage").Level, hosting.LevelFull)
		equal(t, "told of each level", h.letters(), []string{"quota_notice", "quota_warning", "quota_full"})
		equal(t, "nothing is stopped yet", h.stopped(f), []bool{false, false})
		stops := h.quota(f, "storage").StopsAt
		equal(t, "grace", stops, h.clock.Now().UTC().Truncate(time.Microsecond).Add(grace))

		h.clock.Advance(grace - time.Minute)
		h.reweigh()
		equal(t, "still nothing", h.stopped(f), []bool{false, false})
		h.clock.Advance(time.Minute)
		h.reweigh()
		equal(t, "stopped", h.stopped(f), []bool{true, true})
		equal(t, "told of it", h.letters()[3:], []string{"quota_stopped"})
		equal(t, "and again, nothing", h.reweigh(), 0)
		h.storage(f, 16*6-1)
		equal(t, "allowed again by itself", h.stopped(f), []bool{false, false})
		equal(t, "told of that", h.letters()[4:], []string{"quota_allowed"})
		h.storage(f, 16*6)
		equal(t, "stopped at once: days of grace are given once", h.stopped(f), []bool{true, true})
		equal(t, "without a mail", len(h.letters()), 5)
		h.storage(f, 16)
		equal(t, "audit", h.audited("space.quota_level"), []string{
			"growth stopped: storage 8 GiB of 8 GiB (2 instances)", "growth allowed again", "growth stopped: storage 8 GiB of 8 GiB (2 instances)", "growth allowed again"})
	})
}

// TestWhatCounts sets out what is added up, and what is not.
func TestWhatCounts(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	f := h.open("jardins")
	h.look(f, 0, map[string]int64{hosting.MetricBytes: 5 * gib, hosting.MetricDatabaseBytes: gib, hosting.MetricBackupBytes: 100 * gib, hosting.MetricAccounts: 4, "pads": 3})
	equal(t, "bytes count where no volume was looked at", h.quota(f, "storage").Used, 6*gib)
	h.look(f, 0, map[string]int64{hosting.MetricVolumeBytes: 2 * gib})
	equal(t, "else the volume does", h.quota(f, "storage").Used, 3*gib)
	h.look(f, 1, map[string]int64{hosting.MetricBytes: gib, hosting.MetricBucketBytes: gib, hosting.MetricAccounts: 6, "pads": 4})
	equal(t, "both instances", h.quota(f, "storage").Used, 5*gib)
	equal(t, "the same people have an account in each", h.quota(f, "accounts").Used, int64(6))

	v, err := h.SpaceUsage(context.Background(), h.staff, "jardins")
	h.must(err)
	equal(t, "metrics", []string{v.Quotas[0].Metric, v.Quotas[1].Metric, fmt.Sprint(len(v.Quotas))}, []string{"storage", "accounts", "2"})
	var parts []string
	for _, p := range v.Quotas[0].Parts {
		parts = append(parts, fmt.Sprint(p.Metric, " ", p.Kind, " ", p.Value/gib))
	}
	equal(t, "parts", parts, []string{"volume_bytes pads 2", "database_bytes pads 1", "bytes calcs 1", "bucket_bytes calcs 1"})
	equal(t, "next", v.Quotas[0].Next.Level, hosting.LevelNotice)
	equal(t, "next at", v.Quotas[0].NextAt, hosting.PartOf(8*gib, 80))
	equal(t, "measured", v.Measured, true)

	same, err := h.TrackUsage(context.Background(), f.track)
	h.must(err)
	equal(t, "what the association sees", same, v)
	if _, err := h.TrackUsage(context.Background(), "nonsense"); hosting.CodeOf(err) != hosting.NotFound {
		t.Errorf("a wrong link: %v", err)
	}
}

func TestASpaceThatIsNotOpenHasNoUsage(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	q := h.pending("jardins", "camille@asso.example")
	h.confirm(q)
	for range 2 {
		_, err := h.TrackUsage(context.Background(), h.links.TrackToken(q.ID))
		equal(t, "usage", hosting.CodeOf(err), hosting.NotFound)
		_, err = h.TrackHistory(context.Background(), h.links.TrackToken(q.ID), "storage", control.RangeWeek)
		equal(t, "history", hosting.CodeOf(err), hosting.NotFound)
		_, err = h.AskMore(context.Background(), hosting.Actor{Name: "public"}, h.links.TrackToken(q.ID), control.NewAsk{Plan: "large", Reason: "Nous grandissons vite."})
		equal(t, "wish", hosting.CodeOf(err), hosting.NotFound)
		_, _ = h.Approve(context.Background(), h.staff, q.ID)
	}
	v, err := h.SpaceUsage(context.Background(), h.staff, "jardins")
	h.must(err)
	equal(t, "the staff sees limits", []any{v.Measured, v.Quotas[0].Limit, v.Quotas[1].Limit}, []any{false, 8 * gib, int64(10)})
}

// TestTheHostsOwnSpacesHaveNoLimit: many use them.
func TestTheHostsOwnSpacesHaveNoLimit(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	space, instance := storetest.AddCommons(t, h.store, "lists", "all-lists")
	h.must(h.RecordUsage(context.Background(), []hosting.Measurement{{InstanceID: instance.ID, SpaceID: space.ID, At: h.clock.Now(),
		Readings: []hosting.Reading{{Metric: hosting.MetricVolumeBytes, Value: 1 << 50}, {Metric: hosting.MetricAccounts, Value: 1 << 30}}}}))
	h.clock.Advance(400 * aDay)
	h.reweigh()
	f := flat{Space: space}
	q := h.quota(f, "storage")
	equal(t, "measured, and not limited", []any{q.Used, q.Limit, q.Level, h.stopped(f)}, []any{int64(1) << 50, hosting.Unlimited, hosting.LevelOK, []bool{false}})
	equal(t, "mails", h.letters(), nil)
	_, err := h.SetException(context.Background(), h.staff, space.ID, control.NewException{Metric: "storage", Limit: 5, Reason: "essai"})
	equal(t, "an exception", hosting.CodeOf(err), hosting.Conflict)
	v, err := h.SpaceUsage(context.Background(), h.staff, space.ID)
	h.must(err)
	equal(t, "limits on pages", []int64{v.Quotas[0].PlanLimit, v.Quotas[1].PlanLimit}, []int64{hosting.Unlimited, hosting.Unlimited})
}

// TestAProblemChangesNothing: the last value counts until there is another.
func TestAProblemChangesNothing(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	f := h.open("jardins")
	h.storage(f, 16*9)
	h.clock.Advance(grace)
	m := h.measurement(f, 0, nil)
	m.Readings = []hosting.Reading{{Metric: hosting.MetricVolumeBytes, Problem: "it does not answer: look at its log"}}
	h.must(h.RecordUsage(context.Background(), []hosting.Measurement{m}))
	equal(t, "still over, and stopped", h.stopped(f), []bool{true, true})
	p, err := h.Quotas(context.Background(), h.staff, control.QuotaFilter{})
	h.must(err)
	equal(t, "the list says so", []any{p.Rows[0].Space.Slug, p.Rows[0].Problems, p.Counts[hosting.LevelFull], p.Total}, []any{"jardins", 1, 1, 2})
}

// TestObjectsStopOnlyWhatCountsThem: a limit of pads leaves the spreadsheets alone.
func TestObjectsStopOnlyWhatCountsThem(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	f := h.open("jardins")
	h.look(f, 0, map[string]int64{"pads": 10})
	h.look(f, 1, map[string]int64{"sheets": 10})
	_, err := h.SetException(context.Background(), h.staff, "jardins", control.NewException{Metric: "pads", Limit: 10, Reason: "essai"})
	h.must(err)
	h.clock.Advance(grace)
	h.reweigh()
	equal(t, "stopped", h.stopped(f), []bool{true, false})
	v, err := h.SpaceUsage(context.Background(), h.staff, "jardins")
	h.must(err)
	equal(t, "quotas", []string{v.Quotas[0].Metric, v.Quotas[1].Metric, v.Quotas[2].Metric, fmt.Sprint(len(v.Quotas))}, []string{"storage", "accounts", "pads", "3"})
	equal(t, "parts", len(v.Quotas[2].Parts), 1)
	h.must(h.EndException(context.Background(), h.staff, "jardins", "pads"))
	equal(t, "no limit of pads any more", h.stopped(f), []bool{false, false})
}

// TestEveryLimitHasAWord: a mail about any metric can be rendered.
func TestEveryLimitHasAWord(t *testing.T) {
	words, err := locale.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, metric := range append([]string{hosting.MetricStorage, hosting.MetricAccounts}, catalogue.ObjectMetrics()...) {
		if !words.Has("mail.metric." + metric) {
			t.Errorf("mails have no word for %s: add mail.metric.%s", metric, metric)
		}
	}
}

func TestForecastOfALimit(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	f := h.open("jardins")
	h.storage(f, 16)
	for range 30 {
		h.clock.Advance(aDay)
		_, err := h.RollUp(context.Background())
		h.must(err)
		h.storage(f, 16)
	}
	h.clock.Advance(aDay)
	h.storage(f, 32) // 1 GiB more than 30 days before; 6 are left
	v, err := h.SpaceUsage(context.Background(), h.staff, "jardins")
	h.must(err)
	if q := v.Quotas[0]; q.MonthAgo != gib || q.Full.Sub(h.clock.Now()).Round(aDay) != 180*aDay {
		t.Errorf("a month ago %d, full at %s; want 1 GiB and 180 days from %s", q.MonthAgo, q.Full, h.clock.Now())
	}
	list, err := h.Quotas(context.Background(), h.staff, control.QuotaFilter{Order: control.QuotaGrowth})
	h.must(err)
	equal(t, "growth", []any{list.Rows[0].Space.Slug, list.Rows[0].Quota.Metric, list.Total}, []any{"jardins", "storage", 1})
}

func TestHistory(t *testing.T) {
	h := newHouse(t, storetest.SQLite(t))
	f := h.open("jardins")
	for n := range int64(50) {
		h.look(f, 0, map[string]int64{hosting.MetricVolumeBytes: n, hosting.MetricBytes: 1000, hosting.MetricAccounts: n})
		if n%2 == 0 {
			h.look(f, 1, map[string]int64{hosting.MetricBytes: 100, hosting.MetricAccounts: 5})
		}
		h.clock.Advance(time.Hour)
	}
	h.clock.Advance(-time.Minute)
	get := func(metric, span string) control.History {
		t.Helper()
		v, err := h.UsageHistory(context.Background(), h.staff, "jardins", metric, span)
		h.must(err)
		return v
	}
	week := get("storage", control.RangeWeek)
	equal(t, "hours", []any{len(week.Points), week.Step, week.Limit, week.Unit}, []any{50, time.Hour, 8 * gib, "bytes"})
	equal(t, "last", week.Points[49].Last, int64(149)) // 49 in the volume, which counts instead of bytes, and 100 of the other
	equal(t, "one that was not looked at counts with what it had", week.Points[47].Last, int64(147))
	days := get("storage", control.RangeAll)
	equal(t, "days", []any{days.Step, len(days.Points), days.Points[len(days.Points)-1].Last}, []any{aDay, 3, int64(149)})
	accounts := get("accounts", control.RangeQuarter)
	equal(t, "accounts of the instance that has most", accounts.Points[len(accounts.Points)-1].Last, int64(49))
	equal(t, "as a count", []any{accounts.Unit, accounts.Limit}, []any{"count", int64(10)})
	h.clock.Advance(5 * time.Hour)
	equal(t, "no point where nothing was measured", len(get("storage", control.RangeWeek).Points), 50)
	for _, c := range [][2]string{{"cats", control.RangeWeek}, {"storage", "century"}} {
		_, err := h.UsageHistory(context.Background(), h.staff, "jardins", c[0], c[1])
		equal(t, c[0]+" "+c[1], hosting.CodeOf(err), hosting.Invalid)
	}
	tracked, err := h.TrackHistory(context.Background(), f.track, "storage", control.RangeWeek)
	h.must(err)
	equal(t, "what the association sees", tracked, get("storage", control.RangeWeek))
}
