package hosting

import "time"

// Bound returns how far usage may grow now before growth stops, for applications that keep to a limit by themselves. It is
// Unlimited where nothing stops growth today.
//
// While growth is stopped, and where the days of grace were used up, that is the lowest threshold that stops. Otherwise it is
// the one that stops at once, since days of grace are there to go on working: an application that was told the limit itself
// would refuse at 100 percent what the association was promised for another two weeks, and no grace would ever begin. Usage
// beyond that threshold while growth is not stopped comes from a change that the host made, and has its days of grace too:
// until usage grows to a higher level.
func (q Quota) Bound(thresholds []Threshold, at time.Time) int64 {
	if q.Limit < 0 {
		return Unlimited
	}
	if len(thresholds) == 0 {
		thresholds = DefaultThresholds()
	}
	used := q.Stopped(at) || !q.GraceEnds.IsZero() && !at.Before(q.GraceEnds)
	bound := Unlimited
	for _, t := range thresholds {
		if part := PartOf(q.Limit, t.At); t.Stops && (used || t.Grace == 0) && (bound < 0 || part < bound) {
			bound = part
		}
	}
	if bound < 0 || q.Stopped(at) || q.Used == 0 || q.Used < bound {
		return bound
	}
	next := Unlimited
	for _, t := range thresholds {
		if part := PartOf(q.Limit, t.At); t.Level.Rank() > q.Level.Rank() && part > q.Used && (next < 0 || part < next) {
			next = part
		}
	}
	return next
}
