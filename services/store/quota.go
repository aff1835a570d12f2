package store

import (
	"slices"

	"framagit.org/frama/frama/services/hosting"
)

const quotaColumns = `space_id, metric, used, most, month_ago, level, level_since, told, told_at, stops_at, grace_ends, stopped_at,
	allowed_at, measured_at, exception_id`

func scanQuota(r row) (hosting.Quota, error) {
	var q hosting.Quota
	var since, told, stops, ends, stopped, allowed, measured int64
	err := r.Scan(&q.SpaceID, &q.Metric, &q.Used, &q.Limit, &q.MonthAgo, &q.Level, &since, &q.Told, &told, &stops, &ends, &stopped,
		&allowed, &measured, &q.ExceptionID)
	q.LevelSince, q.ToldAt, q.StopsAt, q.GraceEnds = instant(since), instant(told), instant(stops), instant(ends)
	q.StoppedAt, q.AllowedAt, q.MeasuredAt = instant(stopped), instant(allowed), instant(measured)
	return q, err
}

// TakeSpaces waits until nobody else weighs the spaces, changes their limits or answers their wishes, and keeps others
// waiting until the transaction ends. Spaces that do not exist are ignored.
func (tx *Tx) TakeSpaces(ids []string) error {
	if !tx.store.postgres || len(ids) == 0 {
		return nil // SQLite has one writer
	}
	_, err := many(tx, value[string], `SELECT id FROM space WHERE id `+tx.among(len(ids), 1)+` ORDER BY id FOR NO KEY UPDATE`, list(ids)...)
	return err
}

// SpacesOf returns the spaces with the IDs, in the order of their IDs, but for those that were withdrawn.
func (tx *Tx) SpacesOf(ids []string) ([]hosting.Space, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	return many(tx, scanSpace, `SELECT `+spaceColumns+` FROM space WHERE id `+tx.among(len(ids), 1)+`
		AND state <> 'withdrawn' ORDER BY id`, list(ids)...)
}

// SpacesAfter returns the IDs of spaces that follow the given one, of those that are or were open.
func (tx *Tx) SpacesAfter(id string, limit int) ([]string, error) {
	return many(tx, value[string], `SELECT id FROM space WHERE id > $1 AND activated_at > 0 ORDER BY id LIMIT $2`, id, limit)
}

// GrowthOf returns the own instances of spaces, by space: their application, host and growth.
func (tx *Tx) GrowthOf(spaces []string) (map[string][]hosting.Instance, error) {
	if len(spaces) == 0 {
		return nil, nil
	}
	all, err := many(tx, func(r row) (i hosting.Instance, err error) {
		var stopped int
		err = r.Scan(&i.ID, &i.SpaceID, &i.Kind, &i.App, &i.Host, &stopped)
		i.Growth.Stopped = stopped == 1
		return i, err
	}, `SELECT id, space_id, kind, app, host, stopped FROM instance WHERE space_id `+tx.among(len(spaces), 1)+` ORDER BY id`, list(spaces)...)
	return bySpace(all, func(i hosting.Instance) string { return i.SpaceID }), err
}

// QuotasOf returns how spaces stand, by space, the metrics in alphabetical order.
func (tx *Tx) QuotasOf(spaces []string) (map[string][]hosting.Quota, error) {
	if len(spaces) == 0 {
		return nil, nil
	}
	all, err := many(tx, scanQuota, `SELECT `+quotaColumns+` FROM quota WHERE space_id `+tx.among(len(spaces), 1)+`
		ORDER BY space_id, metric`, list(spaces)...)
	return bySpace(all, func(q hosting.Quota) string { return q.SpaceID }), err
}

// savedAtOnce is how many quotas a statement saves: SQLite takes 32 766 parameters.
const savedAtOnce = 500

// SaveQuotas keeps how spaces stand. Whoever calls it has taken the spaces before reading what it is based on.
func (tx *Tx) SaveQuotas(quotas []hosting.Quota) error {
	for part := range slices.Chunk(quotas, savedAtOnce) {
		const columns = 17
		args := make([]any, 0, columns*len(part))
		for _, q := range part {
			growth := int64(0)
			if q.MonthAgo >= 0 {
				growth = q.Used - q.MonthAgo
			}
			args = append(args, q.SpaceID, q.Metric, q.Used, q.Limit, q.Permille(), q.MonthAgo, growth, q.Level, micros(q.LevelSince),
				q.Told, micros(q.ToldAt), micros(q.StopsAt), micros(q.GraceEnds), micros(q.StoppedAt), micros(q.AllowedAt),
				micros(q.MeasuredAt), q.ExceptionID)
		}
		_, err := tx.exec(`INSERT INTO quota (space_id, metric, used, most, permille, month_ago, growth, level, level_since, told, told_at,
			stops_at, grace_ends, stopped_at, allowed_at, measured_at, exception_id) VALUES `+tx.rows(len(part), columns)+`
			ON CONFLICT (space_id, metric) DO UPDATE SET used = excluded.used, most = excluded.most, permille = excluded.permille,
			month_ago = excluded.month_ago, growth = excluded.growth, level = excluded.level, level_since = excluded.level_since,
			told = excluded.told, told_at = excluded.told_at, stops_at = excluded.stops_at, grace_ends = excluded.grace_ends,
			stopped_at = excluded.stopped_at, allowed_at = excluded.allowed_at, measured_at = excluded.measured_at,
			exception_id = excluded.exception_id`, args...)
		if err != nil {
			return err
		}
	}
	return nil
}

// SpacesToWeigh returns spaces that are to be weighed though nothing was measured: their days of grace are over, or an
// exception of theirs is.
func (tx *Tx) SpacesToWeigh() ([]string, error) {
	return many(tx, value[string], `SELECT space_id FROM quota WHERE stops_at > 0 AND stops_at <= $1 AND stopped_at = 0
		UNION SELECT q.space_id FROM quota q JOIN quota_exception e ON e.id = q.exception_id
			WHERE e.ended_at > 0 OR (e.expires_at > 0 AND e.expires_at <= $1)
		ORDER BY 1`, micros(tx.Now))
}

// list makes arguments of IDs.
func list(ids []string) []any {
	args := make([]any, len(ids))
	for i, id := range ids {
		args[i] = id
	}
	return args
}

// bySpace groups what belongs to spaces.
func bySpace[T any](all []T, space func(T) string) map[string][]T {
	groups := map[string][]T{}
	for _, v := range all {
		groups[space(v)] = append(groups[space(v)], v)
	}
	return groups
}
