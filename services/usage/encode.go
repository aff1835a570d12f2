package usage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// A chunk is kept as
//
//	version, number of slots, slots, then for each metric: code, length, flags, [bitmap of slots it has,] values [, largest]
//
// Numbers are unsigned varints, slots and values are sequences of tokens. Slots are differences of differences, as if a slot
// -1 had come before at a distance of 1; values are differences; the largest is how much it exceeds the last.

const chunkVersion = 1

// Flags of a metric.
const (
	flagGaps = 1 << iota // it does not have all slots: a bitmap says which
	flagMax              // some largest value exceeds the last
	flagsAll = flagGaps | flagMax
)

var (
	errCut     = errors.New("it ends too early")
	errSurplus = errors.New("there are bytes too many")
	errValue   = errors.New("a number in it cannot be")
)

// Append appends the chunk's bytes.
func (c *Chunk) Append(dst []byte) []byte {
	dst = append(dst, chunkVersion)
	dst = binary.AppendUvarint(dst, uint64(len(c.slots)))
	w := tokenWriter{dst: dst}
	before, distance := int32(-1), int32(1)
	for _, slot := range c.slots {
		w.add(zigzag(uint64(int64(slot - before - distance))))
		before, distance = slot, slot-before
	}
	dst = w.end()
	var body []byte
	for n := range c.columns {
		body = c.columns[n].append(body[:0])
		dst = binary.AppendUvarint(dst, uint64(c.columns[n].code))
		dst = binary.AppendUvarint(dst, uint64(len(body)))
		dst = append(dst, body...)
	}
	return dst
}

func (col *column) append(dst []byte) []byte {
	var flags byte
	for n, has := range col.has {
		if !has {
			flags |= flagGaps
		} else if col.at[n].Max != col.at[n].Last {
			flags |= flagMax
		}
	}
	dst = append(dst, flags)
	if flags&flagGaps != 0 {
		start := len(dst)
		dst = append(dst, make([]byte, (len(col.has)+7)/8)...)
		for n, has := range col.has {
			if has {
				dst[start+n/8] |= 1 << (n % 8)
			}
		}
	}
	w := tokenWriter{dst: dst}
	before := uint64(0)
	for n, has := range col.has {
		if has {
			value := uint64(col.at[n].Last)
			w.add(zigzag(value - before))
			before = value
		}
	}
	if flags&flagMax == 0 {
		return w.end()
	}
	w = tokenWriter{dst: w.end()}
	for n, has := range col.has {
		if has {
			w.add(uint64(col.at[n].Max) - uint64(col.at[n].Last))
		}
	}
	return w.end()
}

// Decode reads a chunk, whatever the bytes are.
func (c *Chunk) Decode(data []byte) error { return c.decode(data, nil) }

// DecodeOnly reads some metrics of a chunk, which is less work.
func (c *Chunk) DecodeOnly(data []byte, codes ...Code) error { return c.decode(data, codes) }

// decode reads the metrics that are named, or all for nil.
func (c *Chunk) decode(data []byte, only []Code) error {
	c.Reset()
	err := c.read(data, only)
	if err != nil {
		c.Reset()
		return fmt.Errorf("a chunk of %d bytes cannot be read: %w", len(data), err)
	}
	return nil
}

func (c *Chunk) read(data []byte, only []Code) error {
	r := tokenReader{data: data}
	if version := r.byte(); r.err == nil && version != chunkVersion {
		return fmt.Errorf("its format %d is not known here; a newer frama wrote it", version)
	}
	if err := c.readSlots(&r); err != nil {
		return err
	}
	points := 0
	for before := uint64(0); len(r.data) > 0; {
		code, length := r.uvarint(), r.uvarint()
		if r.err != nil {
			return r.err
		}
		if code <= before || code > maxCode {
			return errValue
		}
		if length > uint64(len(r.data)) {
			return errCut
		}
		body := r.data[:length]
		r.data, before = r.data[length:], code
		if only != nil && !slices.Contains(only, Code(code)) {
			continue
		}
		if points += len(c.slots); points > maxPoints {
			return errValue
		}
		c.columns = append(c.columns, c.blank(Code(code)))
		if err := c.columns[len(c.columns)-1].read(body); err != nil {
			return err
		}
	}
	return nil
}

const (
	maxCode   = 1<<31 - 1 // keeps codes within what a Code holds
	maxPoints = 1 << 20   // keeps bytes that are not a chunk from taking much memory; a look a minute with 40 metrics has 57 600
)

func (c *Chunk) readSlots(r *tokenReader) error {
	count := r.uvarint()
	if count > secondsOfDay {
		return errValue
	}
	c.slots = slices.Grow(c.slots, int(count))
	before, distance := int64(-1), int64(1)
	for range count {
		step := int64(unzigzag(r.token()))
		if r.err != nil {
			return r.err
		}
		if step < -secondsOfDay || step > secondsOfDay {
			return errValue
		}
		distance += step
		if distance <= 0 || before+distance >= secondsOfDay {
			return errValue
		}
		before += distance
		c.slots = append(c.slots, int32(before))
	}
	return r.sequenceEnds()
}

func (col *column) read(data []byte) error {
	r := tokenReader{data: data}
	flags := r.byte()
	if flags&^flagsAll != 0 {
		return errValue
	}
	if flags&flagGaps == 0 {
		for n := range col.has {
			col.has[n] = true
		}
	} else {
		bitmap := r.bytes((len(col.has) + 7) / 8)
		for n := range bitmap {
			for bit := range 8 {
				if bitmap[n]&(1<<bit) == 0 {
					continue
				}
				if n*8+bit >= len(col.has) {
					return errValue
				}
				col.has[n*8+bit] = true
			}
		}
	}
	before := uint64(0)
	for n, has := range col.has {
		if has {
			before += unzigzag(r.token())
			col.at[n] = Point{int64(before), int64(before)}
		}
	}
	if err := r.sequenceEnds(); err != nil {
		return err
	}
	if flags&flagMax != 0 {
		for n, has := range col.has {
			if has {
				col.at[n].Max = int64(uint64(col.at[n].Last) + r.token())
			}
		}
		if err := r.sequenceEnds(); err != nil {
			return err
		}
	}
	if len(r.data) > 0 {
		return errSurplus
	}
	return nil
}
