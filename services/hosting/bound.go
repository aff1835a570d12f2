package hosting

import "time"

// Bound is how far usage may grow now before growth stops: what an application is told that keeps to a limit by itself.
// Unlimited where nothing stops it today.
//
// While growth is stopped, and where the days of grace were used up, that is the lowest threshold that stops. Otherwise it is
// the one that stops at once, since days of grace are there to go on working: an application that was told the limit itself
// would refuse at 100 percent what the association was promised for another two weeks, and no grace would ever begin. Usage
// that is beyond it though growth is not stopped got there by what the host changed, and has its days of grace too.
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
	if !q.Stopped(at) && q.Used > 0 && q.Used >= bound {
		return Unlimited
	}
	return bound
}
