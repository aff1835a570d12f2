package usage

import (
	"iter"
	"slices"
	"time"

	"framagit.org/frama/frama/services/hosting"
)

// Point is what a slot of a chunk has of a metric.
type Point struct {
	Last int64 // the last value in it
	Max  int64 // the largest in it; Last at level Raw
}

// Chunk is a while of an instance: slots of time, and a column of points for each metric. It may be used again and again, to
// save memory: Decode and Reset begin anew.
type Chunk struct {
	slots   []int32 // ascending
	columns []column
	spare   []column // whose memory can be used again
}

// column is a metric of a chunk; it is as long as there are slots.
type column struct {
	code Code
	has  []bool
	at   []Point
}

// Reset empties the chunk.
func (c *Chunk) Reset() {
	c.slots = c.slots[:0]
	c.spare = append(c.spare, c.columns...)
	c.columns = c.columns[:0]
}

// Empty says that nothing is in it.
func (c *Chunk) Empty() bool { return len(c.columns) == 0 }

// Put sets the value of a metric at a slot.
func (c *Chunk) Put(slot int, code Code, value int64) {
	n, col := c.place(slot, code)
	col.has[n], col.at[n] = true, Point{value, value}
}

// Merge adds later points to a slot: the last is the newer one, the largest is that of both.
func (c *Chunk) Merge(slot int, code Code, p Point) {
	n, col := c.place(slot, code)
	if col.has[n] {
		p.Max = max(p.Max, col.at[n].Max)
	}
	col.has[n], col.at[n] = true, p
}

// place makes room for a point and returns where.
func (c *Chunk) place(slot int, code Code) (int, *column) {
	n, found := slices.BinarySearch(c.slots, int32(slot))
	if !found {
		c.slots = slices.Insert(c.slots, n, int32(slot))
		for i := range c.columns {
			col := &c.columns[i]
			col.has, col.at = slices.Insert(col.has, n, false), slices.Insert(col.at, n, Point{})
		}
	}
	k, found := slices.BinarySearchFunc(c.columns, code, func(col column, code Code) int { return int(col.code) - int(code) })
	if !found {
		c.columns = slices.Insert(c.columns, k, c.blank(code))
	}
	return n, &c.columns[k]
}

// blank returns a column without points.
func (c *Chunk) blank(code Code) column {
	var col column
	if last := len(c.spare) - 1; last >= 0 {
		col, c.spare = c.spare[last], c.spare[:last]
	}
	n := len(c.slots)
	col.code, col.has, col.at = code, slices.Grow(col.has[:0], n)[:n], slices.Grow(col.at[:0], n)[:n]
	clear(col.has)
	clear(col.at)
	return col
}

// Codes returns the metrics that are in it.
func (c *Chunk) Codes() []Code {
	codes := make([]Code, len(c.columns))
	for n, col := range c.columns {
		codes[n] = col.code
	}
	return codes
}

// Points goes through the points of a metric in the order of their slots.
func (c *Chunk) Points(code Code) iter.Seq2[int, Point] {
	return func(yield func(int, Point) bool) {
		for _, col := range c.columns {
			if col.code != code {
				continue
			}
			for n, slot := range c.slots {
				if col.has[n] && !yield(int(slot), col.at[n]) {
					return
				}
			}
		}
	}
}

// AppendPoints appends the points of a metric, of a chunk of the level that begins at the start: those whose slot begins
// between two times, both included.
func (c *Chunk) AppendPoints(dst []hosting.UsagePoint, code Code, level Level, start Day, from, to time.Time) []hosting.UsagePoint {
	begins, step := level.At(start, 0), level.Step()
	for k := range c.columns {
		col := &c.columns[k]
		if col.code != code || begins.After(to) {
			continue
		}
		first, last := int32(max(from.Sub(begins), 0)/step), int32(min(to.Sub(begins)/step, secondsOfDay))
		for n, slot := range c.slots {
			if col.has[n] && slot >= first && slot <= last {
				dst = append(dst, hosting.UsagePoint{At: begins.Add(time.Duration(slot) * step), Last: col.at[n].Last, Max: col.at[n].Max})
			}
		}
	}
	return dst
}
