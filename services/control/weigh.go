package control

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
)

// frama is who acts when nobody asked for it.
func frama() hosting.Actor { return hosting.Actor{Name: "frama"} }

// staleQuota is how much older than what was measured a quota may say it is: a save for each look at an instance whose usage
// did not change would be most of what a sweep costs.
const staleQuota = 6 * time.Hour

// scale is what spaces are weighed with, read for many of them at once.
type scale struct {
	plans      map[string]hosting.PlanVersion
	spaces     []hosting.Space
	instances  map[string][]hosting.Instance // by space
	usage      map[string][]hosting.UsageNow // by space
	quotas     map[string][]hosting.Quota
	exceptions map[string][]hosting.QuotaException
}

// scale reads what spaces are weighed with.
func (c *Control) scale(tx *store.Tx, ids []string) (s scale, err error) {
	if s.plans, err = c.plans(tx); err != nil {
		return s, err
	}
	if s.spaces, err = tx.SpacesOf(ids); err != nil {
		return s, err
	}
	if s.instances, err = tx.GrowthOf(ids); err != nil {
		return s, err
	}
	if s.usage, err = tx.UsageNowOf(ids); err != nil {
		return s, err
	}
	if s.quotas, err = tx.QuotasOf(ids); err != nil {
		return s, err
	}
	s.exceptions, err = tx.ExceptionsInForce(ids)
	return s, err
}

// plan is the version that holds for a space; no limits where nobody knows the plan any more.
func (s scale) plan(space hosting.Space) hosting.PlanVersion {
	if v, ok := s.plans[space.Plan]; ok {
		return v
	}
	return hosting.PlanVersion{Plan: space.Plan}
}

// exception is what a space has instead of its plan's limit, nil for nothing.
func (s scale) exception(space, metric string) *hosting.QuotaException {
	for i := range s.exceptions[space] {
		if e := &s.exceptions[space][i]; e.Metric == metric {
			return e
		}
	}
	return nil
}

// limit is what holds for a space and a metric: its exception, else the plan. The host's own spaces have no limits, since
// those who use them are many.
func (s scale) limit(space hosting.Space, plan hosting.PlanVersion, metric string) (limit int64, exception string) {
	if space.Shared {
		return hosting.Unlimited, ""
	}
	if e := s.exception(space.ID, metric); e != nil {
		return e.Limit, e.ID
	}
	return planLimit(plan, metric), ""
}

func planLimit(plan hosting.PlanVersion, metric string) int64 {
	if limit, ok := plan.Limits[metric]; ok {
		return limit
	}
	return hosting.Unlimited
}

// metrics lists what a space is weighed by: storage and accounts always, then in alphabetical order the objects that its
// plan or an exception limits and that something counts, and those it was weighed by before.
func (s scale) metrics(space hosting.Space, plan hosting.PlanVersion, totals map[string]sum) []string {
	more := map[string]bool{}
	for metric := range plan.Limits {
		more[metric] = totals[metric].known()
	}
	for _, e := range s.exceptions[space.ID] {
		more[e.Metric] = totals[e.Metric].known()
	}
	for _, q := range s.quotas[space.ID] {
		more[q.Metric] = true
	}
	maps.DeleteFunc(more, func(metric string, wanted bool) bool {
		return !wanted || metric == hosting.MetricStorage || metric == hosting.MetricAccounts
	})
	return append([]string{hosting.MetricStorage, hosting.MetricAccounts}, slices.Sorted(maps.Keys(more))...)
}

// weighed is how one quota of a space stood and stands.
type weighed struct {
	last, next hosting.Quota
	events     []hosting.QuotaEvent
}

// weigh says how a space stands with each of its quotas.
func (s scale) weigh(space hosting.Space, plan hosting.PlanVersion, now time.Time) []weighed {
	totals := sums(s.usage[space.ID])
	var all []weighed
	for _, metric := range s.metrics(space, plan, totals) {
		last := hosting.Quota{SpaceID: space.ID, Metric: metric}
		for _, q := range s.quotas[space.ID] {
			if q.Metric == metric {
				last = q
			}
		}
		total := totals[metric]
		limit, exception := s.limit(space, plan, metric)
		w := weighed{last: last}
		w.next, w.events = last.Weigh(hosting.Weighing{Used: total.value, Limit: limit, MonthAgo: total.monthAgo(),
			MeasuredAt: total.at, Thresholds: plan.Thresholds, Exception: exception, Now: now})
		all = append(all, w)
	}
	return all
}

// weigh weighs spaces that were taken (store.Tx.TakeSpaces): it keeps what changed, writes to the associations and notes
// whose growth is to be stopped. It returns how many spaces' levels changed.
func (c *Control) weigh(tx *store.Tx, ids []string) (changed int, err error) {
	s, err := c.scale(tx, ids)
	if err != nil {
		return 0, err
	}
	var save []hosting.Quota
	for _, space := range s.spaces {
		all := s.weigh(space, s.plan(space), tx.Now)
		moved := false
		for _, w := range all {
			if differs(w.last, w.next) {
				save = append(save, w.next)
			}
			moved = moved || w.last.Level != w.next.Level && (w.last.Level != "" || w.next.Level != hosting.LevelOK)
		}
		if moved {
			changed++
		}
		if err := c.stop(tx, s, space, all); err != nil {
			return changed, err
		}
		if err := c.tell(tx, s, space, all); err != nil {
			return changed, err
		}
	}
	return changed, tx.SaveQuotas(save)
}

// differs says whether a quota is worth keeping again.
func differs(last, next hosting.Quota) bool {
	fresh := next.MeasuredAt.Sub(last.MeasuredAt)
	if fresh < staleQuota && !last.MeasuredAt.IsZero() {
		last.MeasuredAt = next.MeasuredAt
	}
	return last != next
}

// stop notes which instances of a space are to take no more: all its own when its storage is full, and for other metrics
// those that count them. It says so in the audit log.
func (c *Control) stop(tx *store.Tx, s scale, space hosting.Space, all []weighed) error {
	why := map[string]hosting.Quota{} // by instance
	for _, w := range all {
		if !w.next.Stopped(tx.Now) {
			continue
		}
		for _, i := range concerned(s, space.ID, w.next.Metric) {
			if _, known := why[i.ID]; !known {
				why[i.ID] = w.next
			}
		}
	}
	stopped, allowed := map[string]int{}, 0
	for _, i := range s.instances[space.ID] {
		q, wanted := why[i.ID]
		if wanted == i.Growth.Stopped {
			continue
		}
		if err := tx.SetStopped(i.ID, wanted); err != nil {
			return err
		}
		if wanted {
			stopped[fmt.Sprintf("growth stopped: %s %s of %s", q.Metric, hosting.Figure(q.Metric, q.Used), hosting.Figure(q.Metric, q.Limit))]++
		} else {
			allowed++
		}
	}
	for _, detail := range slices.Sorted(maps.Keys(stopped)) {
		if n := stopped[detail]; n > 1 {
			detail += fmt.Sprintf(" (%d instances)", n)
		}
		if err := tx.Audit(frama(), "space.quota_level", subject("space", space.ID), detail); err != nil {
			return err
		}
	}
	if allowed > 0 {
		return tx.Audit(frama(), "space.quota_level", subject("space", space.ID), "growth allowed again")
	}
	return nil
}

// concerned are the instances of a space that a quota is about.
func concerned(s scale, space, metric string) []hosting.Instance {
	if metric == hosting.MetricStorage {
		return s.instances[space]
	}
	return slices.DeleteFunc(slices.Clone(s.instances[space]), func(i hosting.Instance) bool {
		return !slices.ContainsFunc(s.usage[space], func(u hosting.UsageNow) bool {
			return u.InstanceID == i.ID && u.Metric == metric && !u.At.IsZero()
		})
	})
}
