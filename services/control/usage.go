package control

import (
	"context"
	"slices"
	"time"

	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
)

// UsageView is how a space stands with its limits, and what its instances use.
type UsageView struct {
	Space     hosting.Space
	Plan      hosting.PlanVersion // the version in force
	Quotas    []QuotaView         // storage and accounts first, then objects
	Instances []InstanceUsage
	Ask       *hosting.QuotaAsk // the newest wish for more, nil for none
	ActiveAt  time.Time         // when people last used any of it; zero for unknown
	Measured  bool              // something was measured at least once
}

// QuotaView is one limit of a space with what follows from it.
type QuotaView struct {
	hosting.Quota
	Exception *hosting.QuotaException // nil when the limit is the plan's
	PlanLimit int64                   // what the plan says; hosting.Unlimited for none
	Next      hosting.Threshold       // the next that will be reached; its Level is empty after the last
	NextAt    int64                   // of Used
	Full      time.Time               // when the limit is reached at the pace of the last 30 days; zero for never
	Parts     []QuotaPart             // what counts, the largest first
	Means     []string                // how growth is stopped, one of catalogue.Quotas for each instance that is concerned
}

// QuotaPart is what one instance adds to a quota.
type QuotaPart struct {
	InstanceID, Kind, App string
	Metric                string // volume_bytes, database_bytes, … or the quota's own
	Value                 int64
}

// InstanceUsage is what one instance uses.
type InstanceUsage struct {
	InstanceView
	Now        []hosting.UsageNow
	MeasuredAt time.Time // zero for never
	ActiveAt   time.Time
	Failures   int // looks in a row that gave nothing
}

// History is the curve of a metric of a space.
type History struct {
	Space  hosting.Space
	Metric string
	Unit   string        // bytes or a count
	Step   time.Duration // between two points: an hour or a day
	Points []hosting.UsagePoint
	Limit  int64 // now; hosting.Unlimited for none
}

// Ranges of a history.
const (
	RangeWeek    = "week"    // hours
	RangeQuarter = "quarter" // 90 days
	RangeYear    = "year"    // days
	RangeAll     = "all"     // days
)

// spacesAtOnce is how many spaces, and measuredAtOnce how many instances, a transaction deals with.
const (
	spacesAtOnce   = 200
	measuredAtOnce = 400
)

// RecordUsage keeps what was measured, weighs the spaces that are concerned against their limits, tells the associations
// that reached a threshold, and notes whose growth is to be stopped or allowed. What is measured at once is one
// transaction, or several where it is a lot: each keeps its part.
func (c *Control) RecordUsage(ctx context.Context, measurements []hosting.Measurement) error {
	for part := range slices.Chunk(measurements, measuredAtOnce) {
		var ids []string
		for _, m := range part {
			ids = append(ids, m.SpaceID)
		}
		slices.Sort(ids)
		ids = slices.Compact(ids)
		err := c.store.Write(ctx, func(tx *store.Tx) error {
			if err := tx.TakeSpaces(ids); err != nil {
				return err
			}
			if err := tx.AddMeasurements(part); err != nil {
				return err
			}
			_, err := c.weigh(tx, ids)
			return err
		})
		if err != nil {
			return failure(err)
		}
	}
	return nil
}

// packedAtOnce is how many instances a transaction rolls up: SQLite's other writers wait for no longer.
const packedAtOnce = 200

// RollUp packs usage of completed days, and forgets what is older than it is kept (values as read 7 days, hours 90 days, days
// for ever). It returns how many instances it packed.
func (c *Control) RollUp(ctx context.Context) (packed int, err error) {
	for _, work := range []struct {
		step   func(tx *store.Tx) (int, error)
		counts int
	}{
		{func(tx *store.Tx) (int, error) { return tx.RollUp(packedAtOnce) }, 1},
		{func(tx *store.Tx) (int, error) { return tx.ForgetUsage(packedAtOnce) }, 0},
	} {
		for n := 1; n > 0; {
			err := c.store.Write(ctx, func(tx *store.Tx) (err error) {
				n, err = work.step(tx)
				return err
			})
			if err != nil {
				return packed, failure(err)
			}
			packed += n * work.counts
		}
	}
	return packed, nil
}
