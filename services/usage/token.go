package usage

import "encoding/binary"

// A token is a number, or a run of zeros. Its first byte has, from the lowest bit: whether it is a run, six bits of the
// number or of the run's length, and whether a varint with the higher bits follows. So small differences take a byte, and so
// do up to 63 values that do not change.
const (
	tokenRun  = 0x01
	tokenMore = 0x80
	tokenBits = 6
	tokenMask = 1<<tokenBits - 1
)

// tokenWriter writes a sequence of numbers.
type tokenWriter struct {
	dst   []byte
	zeros uint64 // that are not written yet
}

func (w *tokenWriter) add(v uint64) {
	if v == 0 {
		w.zeros++
		return
	}
	w.flush()
	w.token(v, 0)
}

// end returns all bytes once the sequence is complete.
func (w *tokenWriter) end() []byte {
	w.flush()
	return w.dst
}

func (w *tokenWriter) flush() {
	if w.zeros > 0 {
		w.token(w.zeros, tokenRun)
		w.zeros = 0
	}
}

func (w *tokenWriter) token(v uint64, run byte) {
	first := byte(v&tokenMask)<<1 | run
	if v >>= tokenBits; v == 0 {
		w.dst = append(w.dst, first)
		return
	}
	w.dst = binary.AppendUvarint(append(w.dst, first|tokenMore), v)
}

// tokenReader reads sequences back. After the first error everything is 0.
type tokenReader struct {
	data  []byte
	zeros uint64 // of the run that it is in
	err   error
}

func (r *tokenReader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.data, r.zeros = nil, 0
}

func (r *tokenReader) byte() byte {
	if len(r.data) == 0 {
		r.fail(errCut)
		return 0
	}
	b := r.data[0]
	r.data = r.data[1:]
	return b
}

func (r *tokenReader) bytes(n int) []byte {
	if n > len(r.data) {
		r.fail(errCut)
		return nil
	}
	b := r.data[:n]
	r.data = r.data[n:]
	return b
}

func (r *tokenReader) uvarint() uint64 {
	v, n := binary.Uvarint(r.data)
	switch {
	case n == 0:
		r.fail(errCut)
		return 0
	case n < 0:
		r.fail(errValue)
		return 0
	}
	r.data = r.data[n:]
	return v
}

// token returns the next number of the sequence.
func (r *tokenReader) token() uint64 {
	if r.zeros > 0 {
		r.zeros--
		return 0
	}
	first := r.byte()
	v := uint64(first>>1) & tokenMask
	if first&tokenMore != 0 {
		more := r.uvarint()
		if more == 0 || more > (1<<64-1)>>tokenBits {
			r.fail(errValue)
			return 0
		}
		v |= more << tokenBits
	}
	if r.err != nil {
		return 0
	}
	if first&tokenRun == 0 {
		return v
	}
	if v == 0 {
		r.fail(errValue)
		return 0
	}
	r.zeros = v - 1
	return 0
}

// sequenceEnds checks that the sequence has no more numbers than were read.
func (r *tokenReader) sequenceEnds() error {
	if r.zeros > 0 {
		r.fail(errSurplus)
	}
	return r.err
}

// zigzag and unzigzag make small numbers of differences of both signs.
func zigzag(d uint64) uint64   { return d<<1 ^ uint64(int64(d)>>63) }
func unzigzag(z uint64) uint64 { return z>>1 ^ -(z & 1) }
