package usage

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"framagit.org/frama/frama/services/hosting"
)

// Newest is what was read last of each metric of an instance.
type Newest struct {
	LookedAt time.Time // the newest look, also when it gave nothing; zero for never
	Metrics  []Now     // ascending by code
}

// Now is the newest value of a metric.
type Now struct {
	Code     Code
	Value    int64
	At       time.Time // of the value; zero while there was none
	Problem  string    // why the newest look gave none
	Since    time.Time // since when there is a problem
	MonthAgo int64     // the value 30 days before; -1 where nobody knows
}

// longestProblem keeps what applications say about themselves from filling the database, in bytes.
const longestProblem = 300

// Outcome is what a look changed.
type Outcome struct {
	Ignored bool              // it is older than another, which counts
	Gave    bool              // at least one value
	Failed  bool              // no value, and at least one problem
	Active  bool              // people did something: a value that only they change is another than before
	Changed []hosting.Reading // those that are first values, or other values than before
}

// Take notes a look. One that is older than the newest is ignored, unless that one lies in the future by the given clock:
// then the clock was wrong and has been put right.
func (n *Newest) Take(m hosting.Measurement, clock time.Time) (Outcome, error) {
	var o Outcome
	if m.At.Before(n.LookedAt) && !n.LookedAt.After(clock) {
		return Outcome{Ignored: true}, nil
	}
	n.LookedAt = m.At
	for _, r := range m.Readings {
		code, ok := CodeOf(r.Metric)
		if !ok {
			return o, fmt.Errorf("instance %s: %q is not a metric that frama keeps", m.InstanceID, r.Metric)
		}
		now := n.metric(code)
		if r.Problem != "" {
			if now.Problem == "" {
				now.Since = m.At
			}
			now.Problem = strings.ToValidUTF8(r.Problem[:min(len(r.Problem), longestProblem)], "")
			o.Failed = true
			continue
		}
		if now.At.IsZero() || now.Value != r.Value {
			o.Changed = append(o.Changed, r)
			o.Active = o.Active || !now.At.IsZero() && byPeople(r.Metric)
		}
		now.Value, now.At, now.Problem, now.Since = r.Value, m.At, "", time.Time{}
		o.Gave = true
	}
	o.Failed = o.Failed && !o.Gave
	return o, nil
}

// byPeople says whether a metric changes only when people do something. What frama measures from outside also changes by
// logs, caches and the work of the database.
func byPeople(metric string) bool {
	return metric == hosting.MetricBytes || !hosting.ByteMetric(metric)
}

// metric finds a metric's place, or makes it.
func (n *Newest) metric(code Code) *Now {
	k, found := slices.BinarySearchFunc(n.Metrics, code, func(now Now, code Code) int { return int(now.Code) - int(code) })
	if !found {
		n.Metrics = slices.Insert(n.Metrics, k, Now{Code: code, MonthAgo: -1})
	}
	return &n.Metrics[k]
}

const newestVersion = 1

// Flags of a metric's newest value.
const (
	flagValue   = 1 << iota // there is one
	flagProblem             // and a problem
	flagMonth               // and the value a month ago
	flagsNow    = flagValue | flagProblem | flagMonth
)

// Append appends its bytes: version, time of the look, then for each metric code, flags, and what the flags say.
func (n *Newest) Append(dst []byte) []byte {
	looked := n.LookedAt.UnixMicro()
	since := func(t time.Time) uint64 { return zigzag(uint64(looked) - uint64(t.UnixMicro())) }
	dst = append(dst, newestVersion)
	dst = binary.AppendUvarint(dst, zigzag(uint64(looked)))
	for _, now := range n.Metrics {
		var flags byte
		if !now.At.IsZero() {
			flags |= flagValue
		}
		if now.Problem != "" {
			flags |= flagProblem
		}
		if now.MonthAgo >= 0 {
			flags |= flagMonth
		}
		dst = append(binary.AppendUvarint(dst, uint64(now.Code)), flags)
		if flags&flagValue != 0 {
			dst = binary.AppendUvarint(dst, zigzag(uint64(now.Value)))
			dst = binary.AppendUvarint(dst, since(now.At))
		}
		if flags&flagProblem != 0 {
			dst = binary.AppendUvarint(dst, since(now.Since))
			dst = binary.AppendUvarint(dst, uint64(len(now.Problem)))
			dst = append(dst, now.Problem...)
		}
		if flags&flagMonth != 0 {
			dst = binary.AppendUvarint(dst, zigzag(uint64(now.MonthAgo)-uint64(now.Value)))
		}
	}
	return dst
}

// Decode reads what Append wrote, whatever the bytes are; no bytes are what was never measured.
func (n *Newest) Decode(data []byte) error {
	n.LookedAt, n.Metrics = time.Time{}, n.Metrics[:0]
	if len(data) == 0 {
		return nil
	}
	if err := n.read(data); err != nil {
		n.LookedAt, n.Metrics = time.Time{}, n.Metrics[:0]
		return fmt.Errorf("the newest values, %d bytes, cannot be read: %w", len(data), err)
	}
	return nil
}

func (n *Newest) read(data []byte) error {
	r := tokenReader{data: data}
	if version := r.byte(); version != newestVersion {
		return fmt.Errorf("their format %d is not known here; a newer frama wrote it", version)
	}
	looked := unzigzag(r.uvarint())
	at := func() time.Time { return time.UnixMicro(int64(looked - unzigzag(r.uvarint()))).UTC() }
	n.LookedAt = time.UnixMicro(int64(looked)).UTC()
	for before := uint64(0); len(r.data) > 0; {
		code, flags := r.uvarint(), r.byte()
		if r.err == nil && (code <= before || code > maxCode || flags&^flagsNow != 0) {
			return errValue
		}
		before = code
		now := Now{Code: Code(code), MonthAgo: -1}
		if flags&flagValue != 0 {
			now.Value = int64(unzigzag(r.uvarint()))
			now.At = at()
		}
		if flags&flagProblem != 0 {
			now.Since = at()
			length := r.uvarint()
			if length > longestProblem {
				return errValue
			}
			now.Problem = string(r.bytes(int(length)))
		}
		if flags&flagMonth != 0 {
			now.MonthAgo = int64(unzigzag(r.uvarint()) + uint64(now.Value))
		}
		n.Metrics = append(n.Metrics, now)
	}
	return r.err
}
