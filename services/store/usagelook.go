package store

import (
	"slices"
	"strings"
	"time"

	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/usage"
)

// AddMeasurements keeps what looks at instances gave. Values for days that are rolled up already come too late and are
// ignored. A problem keeps the value that was read before it.
func (tx *Tx) AddMeasurements(ms []hosting.Measurement) error {
	// By instance, so that two servers take locks in the same order; the looks at one instance stay in theirs.
	ms = slices.Clone(ms)
	slices.SortStableFunc(ms, func(a, b hosting.Measurement) int { return strings.Compare(a.InstanceID, b.InstanceID) })
	return inBatches(ms, func(_ int, some []hosting.Measurement) error { return tx.addMeasurements(some) })
}

func (tx *Tx) addMeasurements(ms []hosting.Measurement) error {
	all, err := tx.seriesOf(ms)
	if err != nil {
		return err
	}
	byInstance := make(map[string]*series, len(all))
	for _, s := range all {
		byInstance[s.instance] = s
	}
	first, last := usage.DayOf(ms[0].At), usage.DayOf(ms[0].At)
	for _, m := range ms {
		first, last = min(first, usage.DayOf(m.At)), max(last, usage.DayOf(m.At))
	}
	kept := newChunks(len(all))
	if err := kept.load(tx, all, usage.Raw, first, last); err != nil {
		return err
	}
	var sums []any // rows of usage_now
	var raw usage.Chunk
	for _, m := range ms {
		s := byInstance[m.InstanceID]
		s.trust(tx.Now)
		changed, err := s.take(m, tx.Now)
		if err != nil {
			return err
		}
		for _, r := range changed {
			sums = append(sums, s.instance, r.Metric, r.Value, micros(m.At))
		}
		if err := s.keep(m, kept, &raw); err != nil {
			s.breaks(err)
		}
	}
	if err := kept.save(tx); err != nil {
		return err
	}
	if err := tx.saveSeries(all); err != nil {
		return err
	}
	return tx.saveSums(sums)
}

// seriesOf locks the series of what was measured, and begins those that are missing.
func (tx *Tx) seriesOf(ms []hosting.Measurement) ([]*series, error) {
	var instances []string
	for _, m := range ms {
		if len(instances) == 0 || instances[len(instances)-1] != m.InstanceID {
			instances = append(instances, m.InstanceID)
		}
	}
	lock := func() ([]*series, error) {
		return tx.lockSeries(`instance_id `+tx.among(len(instances), 1)+` ORDER BY instance_id`, list(instances)...)
	}
	all, err := lock()
	if err != nil || len(all) == len(instances) {
		return all, err
	}
	missing := slices.DeleteFunc(slices.Clone(instances), func(id string) bool {
		return slices.ContainsFunc(all, func(s *series) bool { return s.instance == id })
	})
	if err := tx.addSeries(missing, func(int) time.Time { return tx.Now }); err != nil {
		return nil, err
	}
	if all, err = lock(); err == nil && len(all) != len(instances) {
		err = ErrStale
	}
	return all, err
}

// trust takes back what was noted for days that have not come yet: the clock was wrong and has been put right. Rolling a day
// up again does no harm.
func (s *series) trust(now time.Time) {
	if today := usage.DayOf(now); max(s.rolledTo, s.rolledOn, s.forgotOn) > today {
		s.rolledTo, s.rolledOn, s.forgotOn = min(s.rolledTo, today), min(s.rolledOn, today), min(s.forgotOn, today)
		s.moved = true
	}
}

// take notes a look in the row, and returns the readings that are other values than before.
func (s *series) take(m hosting.Measurement, now time.Time) ([]hosting.Reading, error) {
	looked, err := s.newest.Take(m, now)
	if err != nil || looked.Ignored {
		return nil, err
	}
	switch {
	case looked.Gave:
		s.measured, s.failures = micros(m.At), 0
	case looked.Failed:
		s.failures++
	}
	active := micros(m.ActiveAt)
	if active == 0 && looked.Active {
		active = micros(m.At)
	}
	active = min(active, micros(m.At)) // whatever an application says, nobody used it in the future
	if active > s.active || s.active > micros(now) && active > 0 {
		s.active, s.moved = active, true
	}
	return looked.Changed, nil
}

// keep adds the values of a look to the chunk of its day.
func (s *series) keep(m hosting.Measurement, kept *chunks, raw *usage.Chunk) error {
	day := usage.DayOf(m.At)
	if day < s.rolledTo {
		return nil
	}
	key := chunkKey{s.id, usage.Raw, day}
	if err := kept.read(key, raw); err != nil {
		return err
	}
	slot, added := usage.Raw.Slot(day, m.At), false
	for _, r := range m.Readings {
		if code, ok := usage.CodeOf(r.Metric); ok && r.Problem == "" {
			raw.Put(slot, code, r.Value)
			added = true
		}
	}
	if added {
		kept.write(key, raw)
	}
	return nil
}

// saveSums writes rows of usage_now; of several for the same, the last.
func (tx *Tx) saveSums(args []any) error {
	const columns = 4
	newest := map[[2]any]int{}
	for n := 0; n < len(args); n += columns {
		newest[[2]any{args[n], args[n+1]}] = n
	}
	var all [][]any
	for n := 0; n < len(args); n += columns {
		if newest[[2]any{args[n], args[n+1]}] == n {
			all = append(all, args[n:n+columns])
		}
	}
	return inBatches(all, func(_ int, some [][]any) error {
		_, err := tx.exec(`INSERT INTO usage_now (instance_id, metric, value, at) VALUES `+tx.rows(len(some), columns)+`
			ON CONFLICT (instance_id, metric) DO UPDATE SET value = excluded.value, at = excluded.at`, slices.Concat(some...)...)
		return err
	})
}
