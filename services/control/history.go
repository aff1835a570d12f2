package control

import (
	"context"
	"slices"
	"time"

	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
)

// UsageHistory returns the curve of a metric of a space: of one of its quotas, or of one metric summed over its instances.
func (c *Control) UsageHistory(ctx context.Context, actor hosting.Actor, space, metric, span string) (h History, err error) {
	if err := allow(actor, hosting.RoleReviewer); err != nil {
		return h, err
	}
	err = c.store.Read(ctx, func(tx *store.Tx) error {
		s, err := tx.SpaceNamed(space)
		if err != nil {
			return err
		}
		h, err = c.history(tx, s, metric, span)
		return err
	})
	return h, failure(err)
}

// TrackHistory is the same for the holder of a request's private link.
func (c *Control) TrackHistory(ctx context.Context, token, metric, span string) (h History, err error) {
	err = c.store.Read(ctx, func(tx *store.Tx) error {
		_, s, err := c.tracked(tx, token)
		if err != nil {
			return err
		}
		h, err = c.history(tx, s, metric, span)
		return err
	})
	return h, failure(err)
}

const (
	hour = time.Hour
	day  = 24 * time.Hour
)

// history reads the curves of a space's instances and adds them up.
func (c *Control) history(tx *store.Tx, s hosting.Space, metric, span string) (History, error) {
	h := History{Space: s, Metric: metric, Unit: "count", Step: day, Limit: hosting.Unlimited}
	if hosting.ByteMetric(metric) {
		h.Unit = "bytes"
	} else if !slices.Contains(limitable(), metric) {
		return h, wrong("metric", "error.choice")
	}
	from := tx.Now
	switch span {
	case RangeWeek:
		h.Step, from = hour, from.Add(-7*day)
	case RangeQuarter:
		from = from.Add(-90 * day)
	case RangeYear:
		from = from.Add(-year)
	case RangeAll:
		from = s.CreatedAt
	default:
		return h, wrong("range", "error.choice")
	}
	if from.Before(s.CreatedAt) {
		from = s.CreatedAt
	}
	weighing, err := c.scale(tx, []string{s.ID})
	if err != nil {
		return h, err
	}
	h.Limit, _ = weighing.limit(s, weighing.plan(s), metric)
	ids := make([]string, len(weighing.instances[s.ID]))
	for n, i := range weighing.instances[s.ID] {
		ids[n] = i.ID
	}
	curves, err := tx.UsageCurves(ids, partsOf(metric), from, tx.Now, h.Step) // by metric, by instance
	if err != nil {
		return h, err
	}
	h.Points = merge(ids, metric, curves, from.Truncate(h.Step), tx.Now, h.Step)
	return h, nil
}

// partsOf lists the metrics of instances that a metric of a space is made of.
func partsOf(metric string) []string {
	if metric == hosting.MetricStorage {
		return []string{hosting.MetricVolumeBytes, hosting.MetricBytes, hosting.MetricDatabaseBytes, hosting.MetricBucketBytes}
	}
	return []string{metric}
}

// merge adds up the curves of instances. Where one has no point beside others that have, what it had last counts: a look
// that failed makes no dent. There is no point where nothing was measured at all.
func merge(ids []string, metric string, curves map[string]map[string][]hosting.UsagePoint, from, to time.Time, step time.Duration) []hosting.UsagePoint {
	n := int(to.Sub(from)/step) + 1
	if n <= 0 {
		return nil
	}
	total := make([]hosting.UsagePoint, n)
	for _, id := range ids {
		for part, byInstance := range curves {
			until := n
			if volume := curves[hosting.MetricVolumeBytes][id]; part == hosting.MetricBytes && metric == hosting.MetricStorage && len(volume) > 0 {
				until = min(n, place(volume[0], from, step)) // then the volume counts instead
			}
			lay(total[:until], byInstance[id], from, step, metric == hosting.MetricAccounts)
		}
	}
	return slices.DeleteFunc(total, func(p hosting.UsagePoint) bool { return p.At.IsZero() })
}

// lay adds a curve to the total, or only where it is higher. Between two of its points the earlier counts.
func lay(total, points []hosting.UsagePoint, from time.Time, step time.Duration, highest bool) {
	next := 0
	for n, p := range points {
		at := next
		if n == 0 {
			at = place(p, from, step)
		}
		if next = len(total); n+1 < len(points) {
			next = min(next, place(points[n+1], from, step))
		}
		if at < next {
			total[at].At = from.Add(time.Duration(at) * step)
		}
		for ; at < next; at++ {
			if t := &total[at]; highest {
				t.Last, t.Max = max(t.Last, p.Last), max(t.Max, p.Max)
			} else {
				t.Last, t.Max = t.Last+p.Last, t.Max+p.Max
			}
			p.Max = p.Last
		}
	}
}

// place is where a point belongs in a total.
func place(p hosting.UsagePoint, from time.Time, step time.Duration) int {
	return max(int(p.At.Sub(from)/step), 0)
}
