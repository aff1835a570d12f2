// Package usage measures what instances use, and packs the values so that many years of them take little room.
//
// A Sweeper looks at each instance in its turn and hands over what it found; hosting.Measurement is one look. The store
// keeps the values in chunks. A chunk holds all metrics of one instance for a while:
//
//	Raw    a day of values as they were read, by second; kept for a week
//	Hours  a week of hours, each with its last and its largest value; kept for 90 days
//	Days   a month of days, the same; kept for ever
//
// All days are UTC. When a day is complete, RollDay adds it to the two others. What was read last is kept apart, as Newest:
// most questions need no more.
//
// Values hardly change from one look to the next, so a chunk has differences, in as few bytes as they need, and a run of
// equal values takes one or two bytes however long it is. Chunks are read by every later version of frama: codes of metrics
// and formats are only ever added.
package usage

import "framagit.org/frama/frama/services/hosting"

// Code stands for a metric in what is kept.
type Code uint32

// metrics are the metrics by code, from 1 on. A code is for ever: new metrics go to the end, none is taken away.
var metrics = [...]string{
	hosting.MetricAccounts, hosting.MetricBytes, "pads", "sheets", "polls", "forms", "answers", "events", "maps", "posts", "lists",
	"messages", "videos", "photos", "pages", "repositories", "meetings", "documents", "files",
	hosting.MetricStorage, hosting.MetricVolumeBytes, hosting.MetricDatabaseBytes, hosting.MetricBucketBytes, hosting.MetricBackupBytes,
}

// CodeOf returns the code of a metric; false where it has none.
func CodeOf(metric string) (Code, bool) {
	for n, name := range metrics {
		if name == metric {
			return Code(n + 1), true
		}
	}
	return 0, false
}

// Metric returns the name of a metric; empty for one of a newer frama.
func (c Code) Metric() string {
	if c == 0 || int(c) > len(metrics) {
		return ""
	}
	return metrics[c-1]
}
