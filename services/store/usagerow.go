package store

import (
	"fmt"
	"slices"

	"framagit.org/frama/frama/services/usage"
)

// series is a row of usage_series.
type series struct {
	id                 int64
	instance           string
	next               int64
	measured, active   int64
	failures           int
	rolledTo           usage.Day // first day that is not rolled up
	rolledOn, forgotOn usage.Day
	newest             usage.Newest
	broken             string
	moved              bool // something that has an index is another than before
}

const seriesColumns = `id, instance_id, next_at, measured_at, active_at, failures, rolled_to, rolled_on, forgot_on, newest, broken`

func scanSeries(r row) (*series, error) {
	s := new(series)
	var newest []byte
	if err := r.Scan(&s.id, &s.instance, &s.next, &s.measured, &s.active, &s.failures, &s.rolledTo, &s.rolledOn, &s.forgotOn, &newest, &s.broken); err != nil {
		return s, err
	}
	if err := s.newest.Decode(newest); err != nil {
		s.breaks(err) // what is measured next replaces it
	}
	return s, nil
}

// breaks notes what cannot be read. Nothing is thrown away for that, and the other series go on.
func (s *series) breaks(err error) {
	s.broken = fmt.Sprintf("series %d of instance %s: %v", s.id, s.instance, err)
}

// lockSeries reads series and keeps everybody else from changing them or their chunks until the transaction ends.
func (tx *Tx) lockSeries(where string, args ...any) ([]*series, error) {
	query := `SELECT ` + seriesColumns + ` FROM usage_series WHERE ` + where
	if tx.store.postgres {
		query += ` FOR UPDATE`
	}
	return many(tx, scanSeries, query, args...)
}

// lockOthers is lockSeries without those that somebody else works on.
func (tx *Tx) lockOthers(where string, args ...any) ([]*series, error) {
	if tx.store.postgres {
		where += ` FOR UPDATE SKIP LOCKED`
	}
	return many(tx, scanSeries, `SELECT `+seriesColumns+` FROM usage_series WHERE `+where, args...)
}

// saveSeries writes series back. When they are measured next is left alone: a claim may have changed it.
func (tx *Tx) saveSeries(all []*series) error {
	// Indexes are written only where they change: that is most of the work.
	const usual = `measured_at = excluded.measured_at, failures = excluded.failures, newest = excluded.newest, broken = excluded.broken`
	const moves = usual + `, active_at = excluded.active_at, rolled_to = excluded.rolled_to, rolled_on = excluded.rolled_on, forgot_on = excluded.forgot_on`
	var still, moved []*series
	for _, s := range all {
		if s.moved {
			moved = append(moved, s)
		} else {
			still = append(still, s)
		}
	}
	if err := tx.setSeries(still, usual); err != nil {
		return err
	}
	return tx.setSeries(moved, moves)
}

func (tx *Tx) setSeries(all []*series, set string) error {
	return inBatches(all, func(_ int, some []*series) error {
		args := make([]any, 0, len(some)*11)
		for _, s := range some {
			args = append(args, s.id, s.instance, s.next, s.measured, s.active, s.failures, s.rolledTo, s.rolledOn, s.forgotOn,
				s.newest.Append(nil), s.broken)
		}
		// All rows are there; written so because both databases know the types of an INSERT's parameters.
		_, err := tx.exec(`INSERT INTO usage_series (`+seriesColumns+`) VALUES `+tx.rows(len(some), 11)+` ON CONFLICT (id) DO UPDATE SET `+set, args...)
		return err
	})
}

// chunkKey finds a chunk.
type chunkKey struct {
	series int64
	level  usage.Level
	start  usage.Day
}

// chunks are chunks of several series, as they are kept.
type chunks struct {
	data  map[chunkKey][]byte
	dirty map[chunkKey]bool
}

func newChunks(room int) *chunks {
	return &chunks{data: make(map[chunkKey][]byte, room), dirty: make(map[chunkKey]bool, room)}
}

// load reads the chunks of series that begin between two days, both included.
func (c *chunks) load(tx *Tx, all []*series, level usage.Level, from, to usage.Day) error {
	return inBatches(all, func(_ int, some []*series) error {
		args := []any{level, from, to}
		for _, s := range some {
			args = append(args, s.id)
		}
		_, err := many(tx, func(r row) (none struct{}, err error) {
			key := chunkKey{level: level}
			var data []byte
			if err := r.Scan(&key.series, &key.start, &data); err != nil {
				return none, err
			}
			c.data[key] = data
			return none, nil
		}, `SELECT series, start, data FROM usage_chunk WHERE level = $1 AND start BETWEEN $2 AND $3 AND series `+tx.among(len(some), 4), args...)
		return err
	})
}

// read decodes a chunk; one that is not there is empty.
func (c *chunks) read(key chunkKey, into *usage.Chunk) error {
	data, found := c.data[key]
	if !found {
		into.Reset()
		return nil
	}
	if err := into.Decode(data); err != nil {
		return fmt.Errorf("level %d from %s: %w", key.level, key.start.Time().Format("2006-01-02"), err)
	}
	return nil
}

// write keeps a chunk for save.
func (c *chunks) write(key chunkKey, chunk *usage.Chunk) {
	c.data[key] = chunk.Append(nil)
	c.dirty[key] = true
}

// save writes the chunks that changed, in the order of their key.
func (c *chunks) save(tx *Tx) error {
	keys := make([]chunkKey, 0, len(c.dirty))
	for key := range c.dirty {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b chunkKey) int {
		if a.series != b.series {
			return int(a.series - b.series)
		}
		if a.level != b.level {
			return int(a.level - b.level)
		}
		return int(a.start - b.start)
	})
	return inBatches(keys, func(_ int, some []chunkKey) error {
		args := make([]any, 0, len(some)*4)
		for _, key := range some {
			args = append(args, key.series, key.level, key.start, c.data[key])
		}
		_, err := tx.exec(`INSERT INTO usage_chunk (series, level, start, data) VALUES `+tx.rows(len(some), 4)+`
			ON CONFLICT (series, level, start) DO UPDATE SET data = excluded.data`, args...)
		return err
	})
}
