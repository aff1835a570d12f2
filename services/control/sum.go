package control

import (
	"cmp"
	"slices"
	"time"

	"framagit.org/frama/frama/services/hosting"
)

// sum is what the instances of a space use of a quota together.
type sum struct {
	value   int64
	month   int64     // what was used 30 days before
	unknown bool      // not by all of them
	at      time.Time // of the oldest value; zero while there is none
	parts   []QuotaPart
}

func (s sum) known() bool { return !s.at.IsZero() }

func (s sum) monthAgo() int64 {
	if s.unknown || !s.known() {
		return -1
	}
	return s.month
}

// sums adds up the newest values of a space's instances, by quota. Storage is files, database and bucket of each; accounts
// are those of the instance that has most, for the same people have one in each; of all else there is the sum.
func sums(usage []hosting.UsageNow) map[string]sum {
	all := map[string]sum{}
	for i, u := range usage {
		if u.At.IsZero() {
			continue
		}
		switch {
		case u.Metric == hosting.MetricAccounts:
			all[u.Metric] = all[u.Metric].most(u)
		case countsAsStorage(u.Metric, func() bool { return measures(usage, i, hosting.MetricVolumeBytes) }):
			all[hosting.MetricStorage] = all[hosting.MetricStorage].plus(u)
		case !hosting.ByteMetric(u.Metric):
			all[u.Metric] = all[u.Metric].plus(u)
		}
	}
	return all
}

// countsAsStorage says whether a metric of an instance is part of its space's storage. What an application says of its files
// counts where nobody looked at its volume.
func countsAsStorage(metric string, volume func() bool) bool {
	switch metric {
	case hosting.MetricVolumeBytes, hosting.MetricDatabaseBytes, hosting.MetricBucketBytes:
		return true
	case hosting.MetricBytes:
		return !volume()
	}
	return false
}

// measures says whether the instance of the i-th value has one of a metric, too.
func measures(usage []hosting.UsageNow, i int, metric string) bool {
	return slices.ContainsFunc(usage, func(u hosting.UsageNow) bool {
		return u.InstanceID == usage[i].InstanceID && u.Metric == metric && !u.At.IsZero()
	})
}

func (s sum) plus(u hosting.UsageNow) sum {
	s.value += u.Value
	s.month += max(u.MonthAgo, 0)
	return s.with(u)
}

func (s sum) most(u hosting.UsageNow) sum {
	s.value = max(s.value, u.Value)
	s.month = max(s.month, u.MonthAgo)
	return s.with(u)
}

func (s sum) with(u hosting.UsageNow) sum {
	s.unknown = s.unknown || u.MonthAgo < 0
	if s.at.IsZero() || u.At.Before(s.at) {
		s.at = u.At
	}
	s.parts = append(s.parts, QuotaPart{InstanceID: u.InstanceID, Metric: u.Metric, Value: u.Value})
	return s
}

// largest orders parts, the largest first.
func largest(parts []QuotaPart) []QuotaPart {
	slices.SortStableFunc(parts, func(a, b QuotaPart) int { return cmp.Compare(b.Value, a.Value) })
	return parts
}
