package control

import (
	"context"
	"errors"
	"slices"
	"time"

	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
)

// SpaceUsage returns how a space stands, found by ID, slug or handle.
func (c *Control) SpaceUsage(ctx context.Context, actor hosting.Actor, name string) (v UsageView, err error) {
	if err := allow(actor, hosting.RoleReviewer); err != nil {
		return v, err
	}
	err = c.store.Read(ctx, func(tx *store.Tx) error {
		s, err := tx.SpaceNamed(name)
		if err != nil {
			return err
		}
		v, err = c.usageView(tx, s)
		return err
	})
	return v, failure(err)
}

// TrackUsage is the same for the holder of a request's private link. A space that is not open yet has none: NotFound.
func (c *Control) TrackUsage(ctx context.Context, token string) (v UsageView, err error) {
	err = c.store.Read(ctx, func(tx *store.Tx) error {
		_, s, err := c.tracked(tx, token)
		if err != nil {
			return err
		}
		v, err = c.usageView(tx, s)
		return err
	})
	return v, failure(err)
}

// usageView gathers what a space uses of its limits.
func (c *Control) usageView(tx *store.Tx, s hosting.Space) (v UsageView, err error) {
	weighing, err := c.scale(tx, []string{s.ID})
	if err != nil {
		return v, err
	}
	v.Space, v.Plan = s, weighing.plan(s)
	if v.Instances, err = c.instanceUsage(tx, s, weighing.usage[s.ID]); err != nil {
		return v, err
	}
	for _, i := range v.Instances {
		v.ActiveAt = later(v.ActiveAt, i.ActiveAt)
		v.Measured = v.Measured || !i.MeasuredAt.IsZero()
	}
	totals := sums(weighing.usage[s.ID])
	for _, w := range weighing.weigh(s, v.Plan, tx.Now) {
		v.Quotas = append(v.Quotas, c.quotaView(weighing, s, v.Plan, w.next, totals[w.next.Metric], tx.Now))
	}
	ask, err := tx.AskOf(s.ID)
	if errors.Is(err, store.ErrNotFound) {
		return v, nil
	}
	v.Ask = &ask
	return v, err
}

func (c *Control) instanceUsage(tx *store.Tx, s hosting.Space, usage []hosting.UsageNow) ([]InstanceUsage, error) {
	instances, err := tx.Instances(s.ID)
	if err != nil {
		return nil, err
	}
	series, err := tx.SeriesOf([]string{s.ID})
	if err != nil {
		return nil, err
	}
	var all []InstanceUsage
	for _, i := range instances {
		u := InstanceUsage{InstanceView: c.instanceView(i)}
		u.Shared = s.Shared
		for _, state := range series[s.ID] {
			if state.InstanceID == i.ID {
				u.MeasuredAt, u.ActiveAt, u.Failures = state.MeasuredAt, state.ActiveAt, state.Failures
			}
		}
		for _, n := range usage {
			if n.InstanceID == i.ID {
				u.Now = append(u.Now, n)
			}
		}
		all = append(all, u)
	}
	return all, nil
}

// quotaView says what follows from how a space stands with a limit.
func (c *Control) quotaView(weighing scale, s hosting.Space, plan hosting.PlanVersion, q hosting.Quota, total sum, now time.Time) QuotaView {
	v := QuotaView{Quota: q, PlanLimit: planLimit(plan, q.Metric), Full: fullAt(q, now)}
	if s.Shared {
		v.PlanLimit = hosting.Unlimited
	} else {
		v.Exception = weighing.exception(s.ID, q.Metric)
	}
	if q.Limit != hosting.Unlimited {
		v.Next, v.NextAt = q.Next(plan.Thresholds)
	}
	names := map[string]hosting.Instance{}
	for _, i := range weighing.instances[s.ID] {
		names[i.ID] = i
	}
	for _, p := range total.parts {
		p.Kind, p.App = names[p.InstanceID].Kind, names[p.InstanceID].App
		v.Parts = append(v.Parts, p)
	}
	v.Parts = largest(v.Parts)
	for _, i := range concerned(weighing, s.ID, q.Metric) {
		if means := c.means(i.App, q.Metric); !slices.Contains(v.Means, means) {
			v.Means = append(v.Means, means)
		}
	}
	return v
}

// means is how growth of an instance of an application is stopped for a metric: by the narrowest means it has, else at the
// ingress. An application that only takes a limit holds itself to what it was told of, and to nothing else.
func (c *Control) means(name, metric string) string {
	app, known := c.catalogue.App(name)
	if !known {
		return hosting.GrowthAtIngress
	}
	if app.Run().Enforce.Reaches(metric) {
		return app.Quota
	}
	return hosting.GrowthAtIngress
}

// pace is the time that a forecast goes by.
const pace = 30 * 24 * time.Hour

// farthest is how far a forecast looks: what is farther nobody can know.
const farthest = 5 * year

// fullAt says when a limit is reached at the pace of the last 30 days; zero for never, and where it is already.
func fullAt(q hosting.Quota, now time.Time) time.Time {
	grown := q.Used - q.MonthAgo
	if q.Limit < 0 || q.MonthAgo < 0 || grown <= 0 || q.Used >= q.Limit {
		return time.Time{}
	}
	wait := float64(q.Limit-q.Used) / float64(grown) * float64(pace)
	if wait > float64(farthest) {
		return time.Time{}
	}
	return now.Add(time.Duration(wait)).Truncate(time.Hour)
}
