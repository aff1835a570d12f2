package store

import (
	"slices"

	"framagit.org/frama/frama/services/usage"
)

// How long values are kept, in days. Values of days are kept for ever.
const (
	rawDays  = 7
	hourDays = 90
)

// RollUp packs the completed days of at most limit series and returns how many it looked at: 0 once all are packed, or
// somebody else is packing the rest. What cannot be read stops its own series only: nothing of that is thrown away, and it is
// tried again on the next day.
func (tx *Tx) RollUp(limit int) (int, error) {
	today := usage.DayOf(tx.Now)
	all, err := tx.lockOthers(`rolled_on < $1 ORDER BY rolled_on, id LIMIT $2`, today, limit)
	if err != nil || len(all) == 0 {
		return 0, err
	}
	kept := newChunks(4 * len(all))
	days, err := kept.loadForRollUp(tx, all, today)
	if err != nil {
		return 0, err
	}
	var p packer
	for _, s := range all {
		s.broken = ""
		if err := p.pack(s, days[s.id], kept); err != nil {
			s.breaks(err)
		} else {
			s.rolledTo = today
		}
		if err := p.monthAgo(s, today, kept); err != nil {
			s.breaks(err)
		}
		s.rolledOn, s.moved = today, true
	}
	if err := kept.save(tx); err != nil {
		return 0, err
	}
	return len(all), tx.saveSeries(all)
}

// loadForRollUp reads all that rolling up needs, and returns the days to roll up of each series, oldest first.
func (c *chunks) loadForRollUp(tx *Tx, all []*series, today usage.Day) (map[int64][]usage.Day, error) {
	rolledTo := make(map[int64]usage.Day, len(all))
	oldest := today
	for _, s := range all {
		rolledTo[s.id] = s.rolledTo
		oldest = min(oldest, s.rolledTo)
	}
	if err := c.load(tx, all, usage.Raw, oldest, today-1); err != nil {
		return nil, err
	}
	days := make(map[int64][]usage.Day, len(all))
	oldest = today
	for key := range c.data {
		if key.start >= rolledTo[key.series] {
			days[key.series] = append(days[key.series], key.start)
			oldest = min(oldest, key.start)
		}
	}
	for _, list := range days {
		slices.Sort(list)
	}
	if err := c.load(tx, all, usage.Hours, usage.Hours.Start(oldest), today); err != nil {
		return nil, err
	}
	oldest = min(oldest, today-usage.MonthDays-usage.MonthSlack)
	return days, c.load(tx, all, usage.Days, usage.Days.Start(oldest), today)
}

// packer has the memory that packing one series after the other needs.
type packer struct{ raw, hours, days usage.Chunk }

// pack rolls up days of a series.
func (p *packer) pack(s *series, list []usage.Day, kept *chunks) error {
	for _, day := range list {
		if err := kept.read(chunkKey{s.id, usage.Raw, day}, &p.raw); err != nil {
			return err
		}
		hours, days := chunkKey{s.id, usage.Hours, usage.Hours.Start(day)}, chunkKey{s.id, usage.Days, usage.Days.Start(day)}
		if err := kept.read(hours, &p.hours); err != nil {
			return err
		}
		if err := kept.read(days, &p.days); err != nil {
			return err
		}
		usage.RollDay(&p.raw, day, &p.hours, &p.days)
		kept.write(hours, &p.hours)
		kept.write(days, &p.days)
		s.rolledTo = day + 1
	}
	return nil
}

// monthAgo finds the values of 30 days before, or of a few days before that where there is none.
func (p *packer) monthAgo(s *series, today usage.Day, kept *chunks) error {
	to := today - usage.MonthDays
	from := to - usage.MonthSlack
	for n := range s.newest.Metrics {
		s.newest.Metrics[n].MonthAgo = -1
	}
	// The older month first: what the newer one has takes its place.
	for start := usage.Days.Start(from); start <= to; start = usage.Days.Start(start + 31) {
		key := chunkKey{s.id, usage.Days, start}
		if _, found := kept.data[key]; !found {
			continue
		}
		if err := kept.read(key, &p.days); err != nil {
			return err
		}
		for n := range s.newest.Metrics {
			now := &s.newest.Metrics[n]
			if value, found := p.days.LastUpTo(start, now.Code, from, to); found {
				now.MonthAgo = value
			}
		}
	}
	return nil
}

// ForgetUsage deletes values as read that are older than 7 days, and weeks of hours that ended 90 days ago, of at most limit
// series: only what is rolled up. Days stay for ever. It returns how many series it looked at: 0 once all are done for today.
func (tx *Tx) ForgetUsage(limit int) (int, error) {
	today := usage.DayOf(tx.Now)
	all, err := tx.lockOthers(`forgot_on < $1 ORDER BY forgot_on, id LIMIT $2`, today, limit)
	if err != nil || len(all) == 0 {
		return 0, err
	}
	byEnd := map[usage.Day][]any{}
	var ids []any
	for _, s := range all {
		end := min(today-rawDays, s.rolledTo)
		byEnd[end] = append(byEnd[end], s.id)
		ids = append(ids, s.id)
	}
	forget := func(level usage.Level, end usage.Day, ids []any) error {
		return inBatches(ids, func(_ int, some []any) error {
			_, err := tx.exec(`DELETE FROM usage_chunk WHERE level = $1 AND start < $2 AND series `+tx.among(len(some), 3),
				append([]any{level, end}, some...)...)
			return err
		})
	}
	for end, some := range byEnd {
		if err := forget(usage.Raw, end, some); err != nil {
			return 0, err
		}
	}
	if err := forget(usage.Hours, today-hourDays-6, ids); err != nil {
		return 0, err
	}
	err = inBatches(ids, func(_ int, some []any) error {
		_, err := tx.exec(`UPDATE usage_series SET forgot_on = $1 WHERE id `+tx.among(len(some), 2), append([]any{today}, some...)...)
		return err
	})
	return len(all), err
}
