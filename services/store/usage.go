package store

import (
	"strconv"
	"time"

	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/usage"
)

// DueInstance is an instance that is to be measured, with the number of its series and when that was planned for.
type DueInstance struct {
	Series   int64
	NextAt   time.Time
	Instance hosting.Instance
}

// SeriesState is how measuring an instance goes.
type SeriesState struct {
	InstanceID string
	MeasuredAt time.Time // when a look last gave anything; zero for never
	ActiveAt   time.Time // when people last used it, as far as frama can tell; zero for unknown
	Failures   int       // looks in a row that gave nothing
	Broken     string    // what cannot be read of what is kept of it; empty for nothing
}

// AddMissingSeries begins a series for instances of active spaces that have none, those of the host's own spaces too: at
// most limit of them. next says when the n-th of them is measured first. It returns how many there were.
func (tx *Tx) AddMissingSeries(next func(n int) time.Time, limit int) (int, error) {
	missing, err := many(tx, value[string], `SELECT i.id FROM instance i JOIN space s ON s.id = i.space_id WHERE s.state = 'active'
		AND NOT EXISTS (SELECT 1 FROM usage_series u WHERE u.instance_id = i.id) ORDER BY i.id LIMIT $1`, limit)
	if err != nil {
		return 0, err
	}
	return len(missing), tx.addSeries(missing, next)
}

// addSeries begins series. Where another server begins some at the same moment, those of one of them are kept.
func (tx *Tx) addSeries(instances []string, next func(n int) time.Time) error {
	newest, err := one(tx, value[int64], `SELECT COALESCE(MAX(id), 0) FROM usage_series`)
	if err != nil {
		return err
	}
	return inBatches(instances, func(n int, some []string) error {
		var args []any
		for k, id := range some {
			args = append(args, newest+int64(n+k)+1, id, micros(next(n+k)), []byte{})
		}
		_, err := tx.exec(`INSERT INTO usage_series (id, instance_id, next_at, newest) VALUES `+tx.rows(len(some), 4)+` ON CONFLICT DO NOTHING`, args...)
		return err
	})
}

// DueInstances returns instances of active spaces whose time to be measured has come, the longest overdue first.
func (tx *Tx) DueInstances(limit int) ([]DueInstance, error) {
	return many(tx, func(r row) (d DueInstance, err error) {
		var next int64
		d.Instance, err = scanInstance(prefixed{r, []any{&d.Series, &next}})
		d.NextAt = instant(next)
		return d, err
	}, `SELECT series, next_at, `+instanceColumns+` FROM (SELECT id AS series, instance_id, next_at FROM usage_series WHERE next_at <= $1) due
		JOIN instance ON instance.id = due.instance_id
		WHERE EXISTS (SELECT 1 FROM space WHERE space.id = space_id AND state = 'active') ORDER BY next_at, series LIMIT $2`, micros(tx.Now), limit)
}

// prefixed scans columns that come before those that another scanner knows.
type prefixed struct {
	row
	first []any
}

func (p prefixed) Scan(rest ...any) error { return p.row.Scan(append(p.first, rest...)...) }

// ClaimMeasurements plans the next look at instances that are due, and returns those that nobody else claimed in the
// meantime: they are the caller's to measure now.
func (tx *Tx) ClaimMeasurements(due []DueInstance, next func(DueInstance) time.Time) ([]DueInstance, error) {
	var claimed []DueInstance
	err := inBatches(due, func(_ int, some []DueInstance) error {
		var args []any
		for _, d := range some {
			args = append(args, d.Series, micros(d.NextAt), micros(next(d)))
		}
		won, err := many(tx, value[int64], `UPDATE usage_series SET next_at = v.column3 FROM (VALUES `+tx.rows(len(some), 3, "BIGINT", "BIGINT", "BIGINT")+`) v
			WHERE usage_series.id = v.column1 AND usage_series.next_at = v.column2 RETURNING usage_series.id`, args...)
		if err != nil {
			return err
		}
		mine := make(map[int64]bool, len(won))
		for _, series := range won {
			mine[series] = true
		}
		for _, d := range some {
			if mine[d.Series] {
				claimed = append(claimed, d)
			}
		}
		return nil
	})
	return claimed, err
}

// UsageNow returns the newest values of a space's own instances, in the order the instances were made.
func (tx *Tx) UsageNow(space string) ([]hosting.UsageNow, error) {
	all, err := tx.UsageNowOf([]string{space})
	return all[space], err
}

// UsageNowOf returns the newest values of the own instances of spaces, by space. Values that cannot be read are left out:
// the next look replaces them.
func (tx *Tx) UsageNowOf(spaces []string) (map[string][]hosting.UsageNow, error) {
	all := make(map[string][]hosting.UsageNow, len(spaces))
	var newest usage.Newest
	err := inBatches(spaces, func(_ int, some []string) error {
		_, err := many(tx, func(r row) (none struct{}, err error) {
			var space, instance string
			var data []byte
			if err := r.Scan(&space, &instance, &data); err != nil {
				return none, err
			}
			if newest.Decode(data) != nil {
				return none, nil
			}
			for _, now := range newest.Metrics {
				if metric := now.Code.Metric(); metric != "" {
					all[space] = append(all[space], hosting.UsageNow{
						InstanceID: instance, Metric: metric, Value: now.Value, At: now.At, Problem: now.Problem, Since: now.Since, MonthAgo: now.MonthAgo,
					})
				}
			}
			return none, nil
		}, `SELECT i.space_id, i.id, u.newest FROM instance i JOIN usage_series u ON u.instance_id = i.id
			WHERE i.space_id `+tx.among(len(some), 1)+` ORDER BY i.id`, list(some)...)
		return err
	})
	return all, err
}

// SeriesOf returns how measuring the own instances of spaces goes, by space.
func (tx *Tx) SeriesOf(spaces []string) (map[string][]SeriesState, error) {
	all := make(map[string][]SeriesState, len(spaces))
	err := inBatches(spaces, func(_ int, some []string) error {
		_, err := many(tx, func(r row) (none struct{}, err error) {
			var space string
			var s SeriesState
			var measured, active int64
			if err := r.Scan(&space, &s.InstanceID, &measured, &active, &s.Failures, &s.Broken); err != nil {
				return none, err
			}
			s.MeasuredAt, s.ActiveAt = instant(measured), instant(active)
			all[space] = append(all[space], s)
			return none, nil
		}, `SELECT i.space_id, i.id, u.measured_at, u.active_at, u.failures, u.broken FROM instance i JOIN usage_series u ON u.instance_id = i.id
			WHERE i.space_id `+tx.among(len(some), 1)+` ORDER BY i.id`, list(some)...)
		return err
	})
	return all, err
}

// batchSize is how many rows a statement of this file takes at once: enough that the statement itself costs little, and
// far from what either database takes of parameters.
const batchSize = 200

// inBatches calls f with parts of all, and where each begins.
func inBatches[T any](all []T, f func(start int, some []T) error) error {
	for start := 0; start < len(all); start += batchSize {
		if err := f(start, all[start:min(start+batchSize, len(all))]); err != nil {
			return err
		}
	}
	return nil
}

// rows writes placeholders for rows of columns: ($1, $2), ($3, $4). Where PostgreSQL cannot tell the types from the
// statement, the first row names them. The statement has no others before them.
//
// SQLite looks for the name of each parameter among all of them, which takes long where they are many: there they have none.
func (tx *Tx) rows(count, columns int, types ...string) string {
	text := make([]byte, 0, count*columns*7)
	for n := range count * columns {
		switch {
		case n == 0:
			text = append(text, '(')
		case n%columns == 0:
			text = append(text, "), ("...)
		default:
			text = append(text, ", "...)
		}
		if n < len(types) {
			text = append(append(append(tx.mark(append(text, "CAST("...), n+1), " AS "...), types[n]...), ')')
		} else {
			text = tx.mark(text, n+1)
		}
	}
	return string(append(text, ')'))
}

// among is the condition that a column is one of n values, whose placeholders are the last of the statement and begin with
// the number first.
func (tx *Tx) among(n, first int) string {
	text := append(make([]byte, 0, n*6), "IN ("...)
	for k := range n {
		if k > 0 {
			text = append(text, ", "...)
		}
		text = tx.mark(text, first+k)
	}
	return string(append(text, ')'))
}

func (tx *Tx) mark(text []byte, n int) []byte {
	if !tx.store.postgres {
		return append(text, '?')
	}
	return strconv.AppendInt(append(text, '$'), int64(n), 10)
}
