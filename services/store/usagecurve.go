package store

import (
	"database/sql"
	"fmt"
	"slices"
	"time"

	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/usage"
)

// UsageCurves returns curves by metric and by instance, oldest point first; step is an hour or 24 hours (days begin at
// midnight UTC). A curve has the points whose hour or day overlaps with the time between from and to. Days that are not rolled
// up yet are part of it, so it reaches to the newest value. Where nothing is kept there is no curve.
func (tx *Tx) UsageCurves(instances, metrics []string, from, to time.Time, step time.Duration) (map[string]map[string][]hosting.UsagePoint, error) {
	c := curves{level: usage.Days, from: from.UTC().Truncate(step), to: to}
	switch step {
	case usage.Days.Step():
	case usage.Hours.Step():
		c.level = usage.Hours
	default:
		return nil, fmt.Errorf("a curve has a point for each hour or for each day, not every %s", step)
	}
	for _, metric := range metrics {
		code, known := usage.CodeOf(metric)
		if !known {
			return nil, fmt.Errorf("%q is not a metric that frama keeps", metric)
		}
		c.codes = append(c.codes, code)
	}
	all := make(map[string]map[string][]hosting.UsagePoint, len(metrics))
	for _, metric := range metrics {
		all[metric] = make(map[string][]hosting.UsagePoint, len(instances))
	}
	if to.Before(from) {
		return all, nil
	}
	return all, inBatches(instances, func(_ int, some []string) error {
		c.rolled, c.recent = map[line][]hosting.UsagePoint{}, map[line][]hosting.UsagePoint{}
		if err := c.read(tx, some); err != nil {
			return err
		}
		for n, code := range c.codes {
			for _, instance := range some {
				l := line{instance, code}
				if points := joined(c.rolled[l], c.recent[l]); len(points) > 0 {
					all[metrics[n]][instance] = points
				}
			}
		}
		return nil
	})
}

// line is a metric of an instance.
type line struct {
	instance string
	code     usage.Code
}

// curves gathers points from chunks.
type curves struct {
	level    usage.Level
	codes    []usage.Code
	from, to time.Time
	rolled   map[line][]hosting.UsagePoint
	recent   map[line][]hosting.UsagePoint // of days that are not rolled up

	chunk, hours, days usage.Chunk
}

func (c *curves) read(tx *Tx, instances []string) error {
	first, last := usage.DayOf(c.from), usage.DayOf(c.to)
	const columns = `SELECT s.instance_id, s.id, c.level, c.start, c.data FROM usage_series s JOIN usage_chunk c ON c.series = s.id
		WHERE c.level = $1 AND c.start BETWEEN $2 AND $3`
	for _, part := range []struct {
		level usage.Level
		start usage.Day
		which string
	}{{c.level, c.level.Start(first), ""}, {usage.Raw, first, " AND c.start >= s.rolled_to"}} {
		args := append([]any{part.level, part.start, last}, list(instances)...)
		if _, err := many(tx, c.add, columns+part.which+` AND s.instance_id `+tx.among(len(instances), 4), args...); err != nil {
			return err
		}
	}
	return nil
}

// add gathers the points of a chunk.
func (c *curves) add(r row) (none struct{}, err error) {
	var instance string
	var series int64
	var level usage.Level
	var start usage.Day
	var data sql.RawBytes // valid until the next row
	if err := r.Scan(&instance, &series, &level, &start, &data); err != nil {
		return none, err
	}
	if err := c.chunk.DecodeOnly(data, c.codes...); err != nil {
		return none, fmt.Errorf("series %d of instance %s, level %d from %s: %w", series, instance, level, start.Time().Format(time.DateOnly), err)
	}
	chunk, into := &c.chunk, c.rolled
	if level == usage.Raw {
		into = c.recent
		chunk, start = c.packed(start)
	}
	for _, code := range c.codes {
		l := line{instance, code}
		points := into[l]
		if points == nil {
			points = make([]hosting.UsagePoint, 0, min(c.to.Sub(c.from)/c.level.Step()+1, mostAhead))
		}
		into[l] = chunk.AppendPoints(points, code, c.level, start, c.from, c.to)
	}
	return none, nil
}

// mostAhead is for how many points memory is taken before they are read: five years of days.
const mostAhead = 5 * 366

// packed rolls up the chunk of a day that is not rolled up, and says when the result begins.
func (c *curves) packed(day usage.Day) (*usage.Chunk, usage.Day) {
	c.hours.Reset()
	c.days.Reset()
	usage.RollDay(&c.chunk, day, &c.hours, &c.days)
	if c.level == usage.Hours {
		return &c.hours, usage.Hours.Start(day)
	}
	return &c.days, usage.Days.Start(day)
}

// joined puts recent points after those that are rolled up. A day is in both when a clock that has been put right since had
// rolled it up.
func joined(rolled, recent []hosting.UsagePoint) []hosting.UsagePoint {
	points := append(rolled, recent...)
	if inTime := func(a, b hosting.UsagePoint) int { return a.At.Compare(b.At) }; !slices.IsSortedFunc(points, inTime) {
		slices.SortStableFunc(points, inTime)
	}
	kept := points[:0]
	for _, p := range points {
		if last := len(kept) - 1; last >= 0 && kept[last].At.Equal(p.At) {
			kept[last] = hosting.UsagePoint{At: p.At, Last: p.Last, Max: max(kept[last].Max, p.Max)}
			continue
		}
		kept = append(kept, p)
	}
	return kept
}
