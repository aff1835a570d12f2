package storetest

import (
	"context"
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
)

// day is midnight UTC of a time.
func day(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }

// column names a metric of an instance.
type column struct{ instance, metric string }

// usageModel is what frama says it keeps, in maps.
type usageModel struct {
	samples  map[column]map[time.Time]int64              // as read, by second
	hours    map[column]map[time.Time]hosting.UsagePoint // rolled up
	days     map[column]map[time.Time]hosting.UsagePoint
	rolledTo map[string]time.Time // by instance: first day that is not rolled up
	rolledOn map[string]time.Time
	forgotOn map[string]time.Time
	looked   map[string]time.Time
	now      map[column]hosting.UsageNow
}

func newUsageModel() *usageModel {
	return &usageModel{
		samples: map[column]map[time.Time]int64{}, hours: map[column]map[time.Time]hosting.UsagePoint{}, days: map[column]map[time.Time]hosting.UsagePoint{},
		rolledTo: map[string]time.Time{}, rolledOn: map[string]time.Time{}, forgotOn: map[string]time.Time{}, looked: map[string]time.Time{},
		now: map[column]hosting.UsageNow{},
	}
}

// clone is what is there should a transaction fail.
func (m *usageModel) clone() *usageModel {
	deep := func(of map[column]map[time.Time]hosting.UsagePoint) map[column]map[time.Time]hosting.UsagePoint {
		all := map[column]map[time.Time]hosting.UsagePoint{}
		for c, points := range of {
			all[c] = maps.Clone(points)
		}
		return all
	}
	samples := map[column]map[time.Time]int64{}
	for c, values := range m.samples {
		samples[c] = maps.Clone(values)
	}
	return &usageModel{samples, deep(m.hours), deep(m.days), maps.Clone(m.rolledTo), maps.Clone(m.rolledOn), maps.Clone(m.forgotOn),
		maps.Clone(m.looked), maps.Clone(m.now)}
}

func (m *usageModel) add(look hosting.Measurement, clock time.Time) {
	i, today := look.InstanceID, day(clock)
	for _, days := range []map[string]time.Time{m.rolledTo, m.rolledOn, m.forgotOn} {
		if days[i].After(today) {
			days[i] = today
		}
	}
	newest := !look.At.Before(m.looked[i]) || m.looked[i].After(clock)
	if newest {
		m.looked[i] = look.At
	}
	for _, r := range look.Readings {
		c := column{i, r.Metric}
		if r.Problem == "" && !day(look.At).Before(m.rolledTo[i]) {
			if m.samples[c] == nil {
				m.samples[c] = map[time.Time]int64{}
			}
			m.samples[c][look.At.Truncate(time.Second)] = r.Value
		}
		if !newest {
			continue
		}
		now, known := m.now[c]
		if !known {
			now = hosting.UsageNow{InstanceID: i, Metric: r.Metric, MonthAgo: -1}
		}
		switch {
		case r.Problem == "":
			now.Value, now.At, now.Problem, now.Since = r.Value, look.At, "", time.Time{}
		case now.Problem == "":
			now.Problem, now.Since = r.Problem, look.At
		default:
			now.Problem = r.Problem
		}
		m.now[c] = now
	}
}

// points joins samples to points of a step.
func points(samples map[time.Time]int64, step time.Duration, wanted func(time.Time) bool) map[time.Time]hosting.UsagePoint {
	all := map[time.Time]hosting.UsagePoint{}
	for _, at := range slices.SortedFunc(maps.Keys(samples), time.Time.Compare) {
		if !wanted(day(at)) {
			continue
		}
		slot := at.Truncate(step)
		p, found := all[slot]
		if !found {
			p = hosting.UsagePoint{At: slot, Max: samples[at]}
		}
		p.Last, p.Max = samples[at], max(p.Max, samples[at])
		all[slot] = p
	}
	return all
}

// over puts newer points over older ones; a maximum stays.
func over(old, newer map[time.Time]hosting.UsagePoint) map[time.Time]hosting.UsagePoint {
	all := maps.Clone(old)
	if all == nil {
		all = map[time.Time]hosting.UsagePoint{}
	}
	for at, p := range newer {
		if had, found := all[at]; found {
			p.Max = max(p.Max, had.Max)
		}
		all[at] = p
	}
	return all
}

func (m *usageModel) rollUp(clock time.Time, instances []string) {
	today := day(clock)
	for _, i := range instances {
		if _, begun := m.looked[i]; !begun || !m.rolledOn[i].Before(today) {
			continue
		}
		complete := func(d time.Time) bool { return d.Before(today) && !d.Before(m.rolledTo[i]) }
		for c, samples := range m.samples {
			if c.instance == i {
				m.hours[c] = over(m.hours[c], points(samples, time.Hour, complete))
				m.days[c] = over(m.days[c], points(samples, 24*time.Hour, complete))
			}
		}
		m.rolledTo[i], m.rolledOn[i] = today, today
		for c, now := range m.now {
			if c.instance != i {
				continue
			}
			now.MonthAgo = -1
			for back := 37; back >= 30; back-- {
				if p, found := m.days[c][today.AddDate(0, 0, -back)]; found {
					now.MonthAgo = p.Last
				}
			}
			m.now[c] = now
		}
	}
}

func (m *usageModel) forget(clock time.Time, instances []string) {
	today := day(clock)
	for _, i := range instances {
		if _, begun := m.looked[i]; !begun || !m.forgotOn[i].Before(today) {
			continue
		}
		m.forgotOn[i] = today
		for c := range m.samples {
			if c.instance == i {
				maps.DeleteFunc(m.samples[c], func(at time.Time, _ int64) bool {
					return day(at).Before(today.AddDate(0, 0, -7)) && day(at).Before(m.rolledTo[i])
				})
			}
		}
		for c := range m.hours {
			if c.instance == i {
				maps.DeleteFunc(m.hours[c], func(at time.Time, _ hosting.UsagePoint) bool {
					sunday := day(at)
					for sunday.Weekday() != time.Sunday {
						sunday = sunday.AddDate(0, 0, 1)
					}
					return sunday.Before(today.AddDate(0, 0, -90))
				})
			}
		}
	}
}

func (m *usageModel) curve(c column, from, to time.Time, step time.Duration) (all []hosting.UsagePoint) {
	rolled := m.days[c]
	if step == time.Hour {
		rolled = m.hours[c]
	}
	open := points(m.samples[c], step, func(d time.Time) bool { return !d.Before(m.rolledTo[c.instance]) })
	for _, p := range over(rolled, open) {
		if p.At.Add(step).After(from) && !p.At.After(to) {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b hosting.UsagePoint) int { return a.At.Compare(b.At) })
	return all
}

var errCrash = errors.New("the process dies here")

// usageHistory: whatever is measured, rolled up and forgotten, in whatever order and by clocks that go back, with processes
// that die on the way: newest values and curves are those of the model.
func usageHistory(b bundle) {
	space, all := addMeasured(b, "amis", "etherpad", "ethercalc", "pollaris")
	metrics := []string{"pads", "accounts", hosting.MetricVolumeBytes}
	var ids []string
	for _, i := range all {
		ids = append(ids, i.ID)
	}
	slices.Sort(ids)
	start, beside := b.clock.Now(), b.beside()
	rapid.Check(b.T, func(t *rapid.T) {
		for _, table := range []string{"usage_chunk", "usage_now", "usage_series"} {
			if _, err := beside.Exec("DELETE FROM " + table); err != nil {
				t.Fatal(err)
			}
		}
		b.clock.Advance(start.Sub(b.clock.Now()))
		model := newUsageModel()
		for range rapid.IntRange(1, 12).Draw(t, "transactions") {
			b.clock.Advance(rapid.OneOf(rapid.Just(time.Duration(0)), rapid.Custom(func(t *rapid.T) time.Duration {
				return time.Duration(rapid.Int64Range(-30*3600, 80*3600).Draw(t, "seconds")) * time.Second
			}), rapid.SampledFrom([]time.Duration{24 * time.Hour, 5 * 24 * time.Hour, 30 * 24 * time.Hour, 100 * 24 * time.Hour})).Draw(t, "passes"))
			crash := rapid.IntRange(0, 5).Draw(t, "crash") == 0
			next := model.clone()
			steps := rapid.SliceOfN(rapid.SampledFrom([]string{"look", "look", "looks", "looks", "roll up", "forget"}), 1, 4).Draw(t, "steps")
			var looks [][]hosting.Measurement
			for _, step := range steps {
				switch step {
				case "look":
					looks = append(looks, drawLooks(t, b.now(), all, metrics, 1))
				case "looks":
					looks = append(looks, drawLooks(t, b.now(), all, metrics, 8))
				}
			}
			limit := rapid.SampledFrom([]int{1, 2, 100}).Draw(t, "at a time")
			err := b.store.Write(context.Background(), func(tx *store.Tx) error {
				n := 0
				for _, step := range steps {
					switch step {
					case "roll up":
						if err := untilNone(tx.RollUp, limit); err != nil {
							return err
						}
						next.rollUp(tx.Now, ids)
					case "forget":
						if err := untilNone(tx.ForgetUsage, limit); err != nil {
							return err
						}
						next.forget(tx.Now, ids)
					default:
						if err := tx.AddMeasurements(looks[n]); err != nil {
							return err
						}
						for _, look := range looks[n] {
							next.add(look, tx.Now)
						}
						n++
					}
				}
				if crash {
					return errCrash
				}
				return nil
			})
			if crash && errors.Is(err, errCrash) {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			model = next
		}
		model.compare(b, t, space.ID, ids, metrics)
	})
}

func untilNone(f func(int) (int, error), limit int) error {
	for {
		if n, err := f(limit); n == 0 || err != nil {
			return err
		}
	}
}

// drawLooks makes looks at instances: mostly now, some late, some a little in the future.
func drawLooks(t *rapid.T, now time.Time, all []hosting.Instance, metrics []string, most int) (looks []hosting.Measurement) {
	for range rapid.IntRange(1, most).Draw(t, "looks") {
		i := rapid.SampledFrom(all).Draw(t, "instance")
		at := now.Add(-time.Duration(rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(-3600, 60*3600)).Draw(t, "late")) * time.Second)
		m := hosting.Measurement{InstanceID: i.ID, SpaceID: i.SpaceID, At: at}
		for _, metric := range metrics {
			switch rapid.IntRange(0, 4).Draw(t, "reading") {
			case 0:
			case 1:
				m.Readings = append(m.Readings, problem(metric, rapid.SampledFrom([]string{"no answer", "refused"}).Draw(t, "problem")))
			default:
				m.Readings = append(m.Readings, reading(metric, rapid.OneOf(rapid.Int64Range(0, 9), rapid.Int64Min(0)).Draw(t, "value")))
			}
		}
		looks = append(looks, m)
	}
	return looks
}

func (m *usageModel) compare(b bundle, t *rapid.T, space string, ids, metrics []string) {
	err := b.store.Read(context.Background(), func(tx *store.Tx) error {
		now, err := tx.UsageNow(space)
		if err != nil {
			return err
		}
		want := slices.Collect(maps.Values(m.now))
		order := func(a, b hosting.UsageNow) int { return strings.Compare(a.InstanceID+a.Metric, b.InstanceID+b.Metric) }
		slices.SortFunc(now, order)
		slices.SortFunc(want, order)
		if len(want)+len(now) > 0 && !reflect.DeepEqual(now, want) {
			t.Fatalf("newest values:\n got %+v\nwant %+v", now, want)
		}
		first := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		for _, step := range []time.Duration{time.Hour, 24 * time.Hour} {
			from, to := first, tx.Now.AddDate(1, 0, 0)
			if rapid.Bool().Draw(t, "part of it") {
				from = first.Add(time.Duration(rapid.Int64Range(0, int64(tx.Now.Sub(first)/time.Second)).Draw(t, "from")) * time.Second)
				to = tx.Now.Add(-time.Duration(rapid.Int64Range(0, int64(tx.Now.Sub(from)/time.Second)).Draw(t, "to")) * time.Second)
			}
			curves, err := tx.UsageCurves(ids, metrics, from, to, step)
			if err != nil {
				return err
			}
			for _, metric := range metrics {
				for _, id := range ids {
					if got, want := curves[metric][id], m.curve(column{id, metric}, from, to, step); !slices.Equal(got, want) {
						t.Fatalf("%s of %s every %s from %s to %s:\n got %v\nwant %v", metric, id, step, from, to, got, want)
					}
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
