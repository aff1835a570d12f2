package hosting

import "time"

// Rearm is how many points of percent below a threshold usage has to fall before the association is told of it again, and
// before days of grace are given anew.
const Rearm = 5

// QuotaEvent is something that an association is told of a quota, or that is done about it.
type QuotaEvent string

const (
	QuotaReached QuotaEvent = "reached" // a level higher than the association was told of
	QuotaStopped QuotaEvent = "stopped" // growth is stopped from now on
	QuotaAllowed QuotaEvent = "allowed" // and allowed again
)

// Weighing is what a quota is weighed against.
type Weighing struct {
	Used       int64
	Limit      int64 // Unlimited for none
	MonthAgo   int64 // -1 where nobody knows
	MeasuredAt time.Time
	Thresholds []Threshold // none: the default ones
	Exception  string      // where the limit comes from, when it is not the plan
	Now        time.Time
}

// Weigh says how a space stands with a limit now, and what follows, from how it stood when it was weighed before: nothing but
// space and metric for the first time. Weighing again what did not change changes nothing.
//
// Nobody is surprised: what was promised as the end of grace is never brought forward, unless usage itself grows to a level
// that stops sooner. A level that is reached because the host changed the limit, or that the first look finds, gets the
// longest grace of the plan. And nobody is written to over and over: of each level once, until usage was five points below
// it; of a stop once, and of its end once, until usage was five points below what stopped it. Days of grace are given as
// often: a space that goes below its limit for an hour does not get them anew.
func (q Quota) Weigh(w Weighing) (next Quota, events []QuotaEvent) {
	last := q
	if len(w.Thresholds) == 0 {
		w.Thresholds = DefaultThresholds()
	}
	if last.MeasuredAt.IsZero() {
		last.Used = w.Used // what the first look finds is no growth
	}
	if last.Level == "" {
		last.Level, last.Told, last.LevelSince = LevelOK, LevelOK, w.Now
	}
	next = last
	next.Used, next.Limit, next.MonthAgo, next.MeasuredAt, next.ExceptionID = w.Used, w.Limit, w.MonthAgo, w.MeasuredAt, w.Exception
	next.Level = levelAt(w.Used, w.Limit, w.Thresholds, 0)
	if next.Level != last.Level {
		next.LevelSince = w.Now
	}
	next.calm(w)
	anew := next.grace(last, w)
	reached := anew || next.Level.Rank() > next.Told.Rank()
	if reached {
		next.Told, next.ToldAt = next.Level, w.Now
	}
	switch stopped := next.Stopped(w.Now); {
	case stopped && next.StoppedAt.IsZero():
		next.StoppedAt = w.Now
		events = append(events, QuotaStopped) // which says all that the level would
	case reached:
		events = append(events, QuotaReached)
	case !stopped && !next.StoppedAt.IsZero() && next.AllowedAt.IsZero():
		next.AllowedAt = w.Now
		events = append(events, QuotaAllowed)
	}
	if next.below(w) {
		next.GraceEnds, next.StoppedAt, next.AllowedAt = time.Time{}, time.Time{}, time.Time{}
	}
	return next, events
}

// calm forgets what the association was told once usage is well below it.
func (q *Quota) calm(w Weighing) {
	if still := levelAt(w.Used, w.Limit, w.Thresholds, Rearm); still.Rank() < q.Told.Rank() {
		q.Told = still
	}
}

// below says whether usage is well below all that stops growth.
func (q *Quota) below(w Weighing) bool {
	for _, t := range w.Thresholds {
		if t.Stops && reaches(w.Used, w.Limit, t.At-Rearm) {
			return false
		}
	}
	return true
}

// grace sets when growth stops, and says whether days of grace are given anew for what the host changed.
func (q *Quota) grace(last Quota, w Weighing) (anew bool) {
	soonest, longest, stops := time.Duration(-1), time.Duration(0), false
	for _, t := range w.Thresholds {
		if !t.Stops {
			continue
		}
		longest = max(longest, t.Grace)
		if reaches(w.Used, w.Limit, t.At) {
			stops = true
			if soonest < 0 || t.Grace < soonest {
				soonest = t.Grace
			}
		}
	}
	if !stops {
		q.StopsAt = time.Time{}
		return false
	}
	without := levelAt(last.Used, w.Limit, w.Thresholds, 0) // where the space would be had it used no more
	byHost, grown := without.Rank() > last.Level.Rank(), q.Level.Rank() > without.Rank()
	ends := w.Now.Add(soonest)
	switch {
	case byHost && !grown && last.StopsAt.IsZero():
		anew = true
		q.GraceEnds, q.StoppedAt, q.AllowedAt = w.Now.Add(longest), time.Time{}, time.Time{}
	case q.GraceEnds.IsZero():
		q.GraceEnds = ends
	case q.Level.Rank() > last.Level.Rank() && grown && ends.Before(q.GraceEnds):
		q.GraceEnds = ends
	}
	q.StopsAt = q.GraceEnds
	return anew
}

// Next is the threshold that usage reaches next, and the value at which it does; its zero value after the last one, and
// where there is no limit.
func (q Quota) Next(thresholds []Threshold) (Threshold, int64) {
	if q.Limit < 0 {
		return Threshold{}, 0
	}
	if len(thresholds) == 0 {
		thresholds = DefaultThresholds()
	}
	for _, t := range thresholds {
		if !reaches(q.Used, q.Limit, t.At) {
			return t, PartOf(q.Limit, t.At)
		}
	}
	return Threshold{}, 0
}

// LevelAt is the level of a usage under a plan's thresholds, the default ones where it has none.
func LevelAt(used, limit int64, thresholds []Threshold) Level {
	if len(thresholds) == 0 {
		thresholds = DefaultThresholds()
	}
	return levelAt(used, limit, thresholds, 0)
}

// levelAt is the highest level whose threshold, less some points of percent, is reached.
func levelAt(used, limit int64, thresholds []Threshold, less int) Level {
	level := LevelOK
	for _, t := range thresholds {
		if t.Level.Rank() > level.Rank() && reaches(used, limit, t.At-less) {
			level = t.Level
		}
	}
	return level
}

// reaches says whether used is at least so many percent of the limit.
func reaches(used, limit int64, percent int) bool {
	return limit >= 0 && used > 0 && used >= PartOf(limit, percent)
}

// PartOf is the smallest value that is so many percent of a limit.
func PartOf(limit int64, percent int) int64 {
	p := int64(max(percent, 0))
	return limit/100*p + (limit%100*p+99)/100
}
