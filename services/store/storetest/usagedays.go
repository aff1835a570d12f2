package storetest

import (
	"context"
	"strings"
	"sync"
	"time"

	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
)

func (b bundle) rollUp() {
	b.Helper()
	b.write(func(tx *store.Tx) error { return untilNone(tx.RollUp, 10) })
}

func (b bundle) forgetUsage() {
	b.Helper()
	b.write(func(tx *store.Tx) error { return untilNone(tx.ForgetUsage, 10) })
}

// curve is the whole curve of pads of an instance, also of days that a clock put right has yet to come to.
func (b bundle) curve(i hosting.Instance, step time.Duration) []hosting.UsagePoint {
	b.Helper()
	return read(b, func(tx *store.Tx) (map[string]map[string][]hosting.UsagePoint, error) {
		return tx.UsageCurves([]string{i.ID}, []string{"pads"}, time.Unix(0, 0), tx.Now.Add(daily), step)
	})["pads"][i.ID]
}

// setClock moves the clock to a time.
func (b bundle) setClock(to time.Time) { b.clock.Advance(to.Sub(b.clock.Now())) }

const daily = 24 * time.Hour

// usageDays: a value belongs to the hour and the day of UTC that it was read in, to the microsecond, before and after it is
// rolled up.
func usageDays(b bundle) {
	_, all := addMeasured(b, "amis", "etherpad")
	pads := all[0]
	midnight := time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC) // of a new month, in the middle of a week
	for n, at := range []time.Time{midnight.Add(-time.Hour), midnight.Add(-time.Microsecond), midnight, midnight.Add(time.Hour - time.Microsecond), midnight.Add(time.Hour)} {
		b.setClock(at)
		b.measure(b.look(pads, reading("pads", int64(10-n))))
	}
	hours := []hosting.UsagePoint{{At: midnight.Add(-time.Hour), Last: 9, Max: 10}, {At: midnight, Last: 7, Max: 8}, {At: midnight.Add(time.Hour), Last: 6, Max: 6}}
	days := []hosting.UsagePoint{{At: midnight.Add(-daily), Last: 9, Max: 10}, {At: midnight, Last: 6, Max: 8}}
	expect := func(when string) {
		b.Helper()
		same(b, "hours "+when, b.curve(pads, time.Hour), hours)
		same(b, "days "+when, b.curve(pads, daily), days)
	}
	expect("as read")
	b.rollUp()
	expect("with one day rolled up")
	b.measure(hosting.Measurement{InstanceID: pads.ID, At: midnight.Add(-time.Minute), Readings: []hosting.Reading{reading("pads", 1000)}})
	expect("after a value that came too late")
	b.setClock(midnight.Add(-time.Second)) // the clock was wrong: the day is not over
	b.measure(b.look(pads, reading("pads", 9)))
	expect("with the day open again")
	b.setClock(midnight.Add(time.Hour))
	b.rollUp()
	expect("with the day rolled up again")
	b.setClock(midnight.Add(daily))
	b.rollUp()
	expect("with both")
	part := read(b, func(tx *store.Tx) (map[string]map[string][]hosting.UsagePoint, error) {
		return tx.UsageCurves([]string{pads.ID, "nobody"}, []string{"pads"}, midnight.Add(time.Minute), midnight.Add(59*time.Minute), time.Hour)
	})
	same(b, "the hour that the time is in", part["pads"], map[string][]hosting.UsagePoint{pads.ID: hours[1:2]})

	b.setClock(midnight.AddDate(0, 0, 8))
	b.forgetUsage()
	expect("once what was read is forgotten")
	b.setClock(time.Date(2026, 7, 4, 23, 0, 0, 0, time.UTC)) // the week ended on 5 April, 90 days before
	b.rollUp()
	b.forgetUsage()
	expect("on the last day that hours are kept")
	b.setClock(time.Date(2026, 7, 5, 0, 0, 0, 0, time.UTC))
	b.forgetUsage()
	hours = nil
	expect("once hours are forgotten")

	for _, wrong := range []func(*store.Tx) (map[string]map[string][]hosting.UsagePoint, error){
		func(tx *store.Tx) (map[string]map[string][]hosting.UsagePoint, error) {
			return tx.UsageCurves([]string{pads.ID}, []string{"unheard_of"}, midnight, tx.Now, daily)
		},
		func(tx *store.Tx) (map[string]map[string][]hosting.UsagePoint, error) {
			return tx.UsageCurves([]string{pads.ID}, []string{"pads"}, midnight, tx.Now, time.Minute)
		},
	} {
		if err := b.store.Read(context.Background(), func(tx *store.Tx) error { _, err := wrong(tx); return err }); err == nil {
			b.Error("a curve that nobody keeps")
		}
	}
}

// usageMonthAgo: growth is held against the value of 30 days before, or of a few days before that.
func usageMonthAgo(b bundle) {
	space, all := addMeasured(b, "amis", "etherpad")
	first := time.Date(2026, 2, 25, 12, 0, 0, 0, time.UTC)
	ago := func(day int) int64 {
		b.Helper()
		b.setClock(first.AddDate(0, 0, day))
		b.rollUp()
		return read(b, func(tx *store.Tx) ([]hosting.UsageNow, error) { return tx.UsageNow(space.ID) })[0].MonthAgo
	}
	for _, day := range []int{0, 1, 4} {
		b.setClock(first.AddDate(0, 0, day))
		b.measure(b.look(all[0], reading("pads", int64(100+day))))
	}
	same(b, "too early", [2]int64{ago(5), ago(29)}, [2]int64{-1, -1})
	for _, c := range []struct {
		day  int
		want int64
	}{{30, 100}, {31, 101}, {32, 101}, {33, 101}, {34, 104}, {41, 104}, {42, -1}} {
		same(b, "a month before day "+first.AddDate(0, 0, c.day).Format(time.DateOnly), ago(c.day), c.want)
	}
}

// usageWrongClock: a clock that was decades ahead, and was put right, costs nothing but what was read in the meantime.
func usageWrongClock(b bundle) {
	space, all := addMeasured(b, "amis", "etherpad")
	pads, start := all[0], time.Date(2026, 4, 1, 12, 0, 0, 0, time.UTC)
	b.setClock(start)
	b.measure(b.look(pads, reading("pads", 3)))
	b.setClock(start.AddDate(70, 0, 0))
	b.measure(b.look(pads, reading("pads", 99)))
	b.rollUp()
	b.forgetUsage()

	b.setClock(start.Add(time.Hour))
	b.measure(b.look(pads, reading("pads", 2)))
	same(b, "newest", read(b, func(tx *store.Tx) ([]hosting.UsageNow, error) { return tx.UsageNow(space.ID) }),
		[]hosting.UsageNow{{InstanceID: pads.ID, Metric: "pads", Value: 2, At: b.now(), MonthAgo: -1}})
	state := read(b, func(tx *store.Tx) (map[string][]store.SeriesState, error) { return tx.SeriesOf([]string{space.ID}) })[space.ID]
	same(b, "state", state, []store.SeriesState{{InstanceID: pads.ID, MeasuredAt: b.now(), ActiveAt: b.now()}})
	want := []hosting.UsagePoint{{At: start.Truncate(daily), Last: 2, Max: 3}}
	same(b, "days", b.curve(pads, daily), want)
	b.setClock(start.Add(daily))
	b.rollUp()
	b.setClock(start.AddDate(0, 0, 20))
	b.rollUp()
	b.forgetUsage()
	same(b, "days, rolled up again", b.curve(pads, daily), want)
}

// usageBroken: what cannot be read is said to be so, stays as it is, and stops nobody else.
func usageBroken(b bundle) {
	space, all := addMeasured(b, "amis", "etherpad", "ethercalc")
	bad, good := all[0], all[1]
	start := time.Date(2026, 4, 1, 12, 0, 0, 0, time.UTC)
	b.setClock(start)
	b.measure(b.look(bad, reading("pads", 3)), b.look(good, reading("pads", 5)))
	const chunk = `WHERE level = 0 AND series = (SELECT id FROM usage_series WHERE instance_id = $1)`
	b.raw(`UPDATE usage_chunk SET level = 9 `+chunk, bad.ID) // set aside, to be put back
	b.raw(`INSERT INTO usage_chunk (series, level, start, data) SELECT series, 0, start, $2 FROM usage_chunk
		WHERE level = 9 AND series = (SELECT id FROM usage_series WHERE instance_id = $1)`, bad.ID, []byte{1, 255, 255})

	b.clock.Advance(time.Hour)
	b.measure(b.look(bad, reading("pads", 4)), b.look(good, reading("pads", 6)))
	broken := func(when string, want bool) {
		b.Helper()
		for _, s := range read(b, func(tx *store.Tx) (map[string][]store.SeriesState, error) { return tx.SeriesOf([]string{space.ID}) })[space.ID] {
			named := strings.Contains(s.Broken, bad.ID) && strings.Contains(s.Broken, "2026-04-01")
			if s.InstanceID == bad.ID && named != want || s.InstanceID == good.ID && s.Broken != "" {
				b.Errorf("%s: %+v", when, s)
			}
		}
	}
	broken("after a look", true)
	values := read(b, func(tx *store.Tx) ([]hosting.UsageNow, error) { return tx.UsageNow(space.ID) })
	same(b, "newest of both", []int64{values[0].Value, values[1].Value}, []int64{4, 6})

	for day := range 20 {
		b.setClock(start.AddDate(0, 0, day+1))
		b.rollUp()
		b.forgetUsage()
	}
	broken("after the roll-up", true)
	same(b, "days of the other", b.curve(good, daily), []hosting.UsagePoint{{At: start.Truncate(daily), Last: 6, Max: 6}})
	err := b.store.Read(context.Background(), func(tx *store.Tx) error {
		_, err := tx.UsageCurves([]string{bad.ID}, []string{"pads"}, start, tx.Now, daily)
		return err
	})
	if err == nil || !strings.Contains(err.Error(), bad.ID) || !strings.Contains(err.Error(), "2026-04-01") {
		b.Errorf("a curve with a hole in it: %v", err)
	}

	b.raw(`DELETE FROM usage_chunk `+chunk, bad.ID)
	b.raw(`UPDATE usage_chunk SET level = 0 WHERE level = 9 AND series = (SELECT id FROM usage_series WHERE instance_id = $1)`, bad.ID)
	b.clock.Advance(daily)
	b.rollUp()
	broken("once it is put back", false)
	same(b, "days, put back", b.curve(bad, daily), []hosting.UsagePoint{{At: start.Truncate(daily), Last: 3, Max: 3}})

	b.raw(`UPDATE usage_series SET newest = $2 WHERE instance_id = $1`, bad.ID, []byte{7, 7})
	same(b, "newest of the other", len(read(b, func(tx *store.Tx) ([]hosting.UsageNow, error) { return tx.UsageNow(space.ID) })), 1)
	b.measure(b.look(bad, reading("pads", 8)))
	same(b, "newest of both", len(read(b, func(tx *store.Tx) ([]hosting.UsageNow, error) { return tx.UsageNow(space.ID) })), 2)
}

// usageRollUpAtOnce: two servers roll up, forget and measure at the same time; each day is packed once and nothing is lost.
func usageRollUpAtOnce(b bundle) {
	var apps []string
	for n := range 40 {
		apps = append(apps, "app"+string(rune('a'+n%26))+string(rune('a'+n/26)))
	}
	_, all := addMeasured(b, "amis", apps...)
	second := Open(b, b.dsn, b.clock.With)
	start := time.Date(2026, 4, 1, 12, 0, 0, 0, time.UTC)
	b.setClock(start)
	for range 10 {
		var ms []hosting.Measurement
		for n, i := range all {
			ms = append(ms, b.look(i, reading("pads", int64(n))))
		}
		b.measure(ms...)
		b.clock.Advance(daily)
	}
	var servers sync.WaitGroup
	for n := range 6 {
		s := []*store.Store{b.store, second}[n%2]
		servers.Go(func() {
			for {
				count := 0
				err := s.Write(context.Background(), func(tx *store.Tx) (err error) {
					switch n / 2 {
					case 0:
						count, err = tx.RollUp(3)
					case 1:
						count, err = tx.ForgetUsage(3)
					case 2:
						return tx.AddMeasurements([]hosting.Measurement{b.look(all[0], reading("pads", 0)), b.look(all[39], reading("pads", 39))})
					}
					return err
				})
				if err != nil {
					b.Error(err)
				}
				if count == 0 {
					return
				}
			}
		})
	}
	servers.Wait()
	b.rollUp()
	b.forgetUsage()
	for n, i := range all {
		points := b.curve(i, daily)
		if n != 0 && n != 39 && len(points) != 10 {
			b.Fatalf("instance %d has %d days", n, len(points))
		}
		for k, p := range points {
			same(b, "a day", p, hosting.UsagePoint{At: start.Truncate(daily).AddDate(0, 0, k), Last: int64(n), Max: int64(n)})
		}
	}
}
