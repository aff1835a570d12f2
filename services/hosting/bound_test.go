package hosting

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestBoundKeepsThePromises: an application that keeps to its bound stops no growth that was promised another while, and none
// goes on that is stopped. Whatever it may still take never makes a stop that is due at once, and what is beyond does.
func TestBoundKeepsThePromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		story(t, func(l look) {
			bound := l.next.Bound(l.plan, l.now)
			weigh := func(used int64) Quota {
				q, _ := l.next.Weigh(Weighing{Used: used, Limit: l.limit, MonthAgo: -1, MeasuredAt: l.now, Thresholds: l.plan, Now: l.now})
				return q
			}
			switch stopped := l.next.Stopped(l.now); {
			case stopped && (bound < 0 || l.used < bound):
				t.Fatalf("growth is stopped at %d of %d, and the application may take up to %d", l.used, l.limit, bound)
			case stopped:
				return
			case bound >= 0 && l.used >= bound && l.used > 0:
				t.Fatalf("growth is not stopped at %d of %d, and the application takes no more than %d", l.used, l.limit, bound)
			case l.limit == Unlimited && bound != Unlimited:
				t.Fatalf("no limit, and a bound of %d", bound)
			}
			most := bound - 1
			if bound < 0 {
				most = 5000
			}
			if most > l.used {
				if used := rapid.Int64Range(l.used, most).Draw(t, "used within"); weigh(used).Stopped(l.now) {
					t.Fatalf("it may take up to %d, and %d stops growth at once", bound, used)
				}
			}
			if bound > 0 && !weigh(bound).Stopped(l.now) {
				t.Fatalf("%d of %d stops nothing, and the application takes no more", bound, l.limit)
			}
		})
	})
}

func TestBound(t *testing.T) {
	const limit = 1000
	soon, past := begin.Add(aDay), begin.Add(-aDay)
	patient := []Threshold{{Level: LevelFull, At: 110, Stops: true, Grace: aDay}}
	hasty := []Threshold{{Level: LevelFull, At: 20, Stops: true}, {Level: LevelOver, At: 50, Stops: true, Grace: aDay}}
	for name, c := range map[string]struct {
		q    Quota
		plan []Threshold
		want int64
	}{
		"no limit":                    {Quota{Limit: Unlimited, Used: 5}, nil, Unlimited},
		"much room":                   {Quota{Limit: limit, Used: 5}, nil, 1500},
		"days of grace":               {Quota{Limit: limit, Used: 1200, StopsAt: soon, GraceEnds: soon}, nil, 1500},
		"the days are over":           {Quota{Limit: limit, Used: 1200, StopsAt: past, GraceEnds: past}, nil, limit},
		"they are over this minute":   {Quota{Limit: limit, Used: 1200, StopsAt: begin, GraceEnds: begin}, nil, limit},
		"used up, below again":        {Quota{Limit: limit, Used: 980, GraceEnds: past}, nil, limit},
		"left over, below again":      {Quota{Limit: limit, Used: 980, GraceEnds: soon}, nil, 1500},
		"far beyond, by the host":     {Quota{Limit: limit, Used: 4000, StopsAt: soon, GraceEnds: soon}, nil, Unlimited},
		"far beyond, and stopped":     {Quota{Limit: limit, Used: 4000, StopsAt: past, GraceEnds: past}, nil, limit},
		"beyond, and a level to go":   {Quota{Limit: limit, Used: 300, Level: LevelFull, StopsAt: soon, GraceEnds: soon}, hasty, 500},
		"nothing stops at once":       {Quota{Limit: limit, Used: 5}, patient, Unlimited},
		"stopped by another plan":     {Quota{Limit: limit, Used: 1200, StopsAt: past, GraceEnds: past}, patient, 1100},
		"nothing may be used at all":  {Quota{Limit: 0}, nil, 0},
		"nothing, and some is there":  {Quota{Limit: 0, Used: 3, StopsAt: past, GraceEnds: past}, nil, 0},
		"nothing, but grace for some": {Quota{Limit: 0, Used: 3, StopsAt: soon, GraceEnds: soon}, nil, Unlimited},
	} {
		if got := c.q.Bound(c.plan, begin); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
	if (Quota{Limit: limit, StopsAt: soon, GraceEnds: soon, Used: limit}).Bound(nil, soon.Add(-time.Second)) != 1500 {
		t.Error("the last second of grace")
	}
}
