package hosting

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var begin = time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)

const aDay = 24 * time.Hour

// step is one look at a space in a story.
type step struct {
	days   float64 // since the last
	used   int64
	limit  int64
	level  Level
	stops  float64 // days from the beginning until growth stops; -1 for not
	events []QuotaEvent
}

func TestStories(t *testing.T) {
	told, stopped, allowed := QuotaReached, QuotaStopped, QuotaAllowed
	for name, story := range map[string][]step{
		"up and down": {
			{0, 10, 100, LevelOK, -1, nil},
			{1, 79, 100, LevelOK, -1, nil},
			{1, 80, 100, LevelNotice, -1, []QuotaEvent{told}},
			{1, 94, 100, LevelNotice, -1, nil},
			{1, 95, 100, LevelWarning, -1, []QuotaEvent{told}},
			{1, 100, 100, LevelFull, 19, []QuotaEvent{told}}, // day 5 and 14 more
			{1, 120, 100, LevelFull, 19, nil},
			{12.9, 120, 100, LevelFull, 19, nil},
			{0.1, 120, 100, LevelFull, 19, []QuotaEvent{stopped}},
			{1, 120, 100, LevelFull, 19, nil},
			{1, 99, 100, LevelWarning, -1, []QuotaEvent{allowed}},
			{1, 60, 100, LevelOK, -1, nil},
		},
		"far beyond at once": {
			{0, 10, 100, LevelOK, -1, nil},
			{1, 200, 100, LevelOver, 1, []QuotaEvent{stopped}}, // one mail, which says all
			{1, 140, 100, LevelFull, 1, nil},                   // what is stopped stays so until there is room
			{1, 99, 100, LevelWarning, -1, []QuotaEvent{allowed}},
		},
		"grace is given once": {
			{0, 10, 100, LevelOK, -1, nil},
			{1, 100, 100, LevelFull, 15, []QuotaEvent{told}},
			{1, 99, 100, LevelWarning, -1, nil},
			{1, 100, 100, LevelFull, 15, nil}, // not anew
			{13, 101, 100, LevelFull, 15, []QuotaEvent{stopped}},
			{1, 99, 100, LevelWarning, -1, []QuotaEvent{allowed}},
			{1, 100, 100, LevelFull, 15, nil}, // at once, as the last mail said
			{1, 99, 100, LevelWarning, -1, nil},
			{1, 94, 100, LevelNotice, -1, nil}, // five points below: all is forgotten
			{1, 100, 100, LevelFull, 35, []QuotaEvent{told}},
		},
		"flapping around a threshold": {
			{0, 79, 100, LevelOK, -1, nil},
			{1, 80, 100, LevelNotice, -1, []QuotaEvent{told}},
			{1, 79, 100, LevelOK, -1, nil},
			{1, 80, 100, LevelNotice, -1, nil},
			{1, 75, 100, LevelOK, -1, nil},
			{1, 80, 100, LevelNotice, -1, nil},
			{1, 74, 100, LevelOK, -1, nil},
			{1, 80, 100, LevelNotice, -1, []QuotaEvent{told}},
		},
		"the limit falls under what is used": {
			{0, 150, 200, LevelOK, -1, nil},
			{1, 150, 100, LevelOver, 15, []QuotaEvent{told}}, // days of grace, though it is far beyond
			{1, 151, 100, LevelOver, 15, nil},
			{13, 151, 100, LevelOver, 15, []QuotaEvent{stopped}},
		},
		"the limit falls, then usage grows to a level of its own": {
			{0, 110, 200, LevelOK, -1, nil},
			{1, 110, 100, LevelFull, 15, []QuotaEvent{told}},
			{1, 150, 100, LevelOver, 2, []QuotaEvent{stopped}},
		},
		"the limit falls after grace was spent": {
			{0, 10, 100, LevelOK, -1, nil},
			{1, 100, 100, LevelFull, 15, []QuotaEvent{told}},
			{14, 100, 100, LevelFull, 15, []QuotaEvent{stopped}},
			{1, 99, 100, LevelWarning, -1, []QuotaEvent{allowed}},
			{1, 99, 90, LevelFull, 31, []QuotaEvent{told}}, // the host's doing: told, and days of grace again
			{14, 99, 90, LevelFull, 31, []QuotaEvent{stopped}},
		},
		"a limit that rises ends a stop": {
			{0, 10, 100, LevelOK, -1, nil},
			{1, 160, 100, LevelOver, 1, []QuotaEvent{stopped}},
			{1, 160, 200, LevelNotice, -1, []QuotaEvent{allowed}},
			{1, 160, Unlimited, LevelOK, -1, nil},
		},
		"the first look finds a full space": {
			{0, 900, 100, LevelOver, 14, []QuotaEvent{told}},
			{14, 900, 100, LevelOver, 14, []QuotaEvent{stopped}},
		},
		"no limit": {
			{0, 900, Unlimited, LevelOK, -1, nil},
			{1, 1 << 60, Unlimited, LevelOK, -1, nil},
		},
	} {
		t.Run(name, func(t *testing.T) {
			q, now := Quota{SpaceID: "s", Metric: MetricStorage}, begin
			for n, s := range story {
				now = now.Add(time.Duration(s.days * float64(aDay)))
				next, events := q.Weigh(Weighing{Used: s.used, Limit: s.limit, MonthAgo: -1, MeasuredAt: now, Now: now})
				want := time.Time{}
				if s.stops >= 0 {
					want = begin.Add(time.Duration(s.stops * float64(aDay)))
				}
				if next.Level != s.level || !next.StopsAt.Round(time.Hour).Equal(want) || !slices.Equal(events, s.events) {
					t.Errorf("step %d: level %s, stops %s, events %v; want %+v", n+1, next.Level, next.StopsAt, events, s)
				}
				q = next
			}
		})
	}
}

// thresholds draws those that a plan may have: in order, some of them stopping.
func thresholds(t *rapid.T) []Threshold {
	var all []Threshold
	at := 0
	for _, level := range []Level{LevelNotice, LevelWarning, LevelFull, LevelOver} {
		at += rapid.IntRange(1, 60).Draw(t, "at")
		th := Threshold{Level: level, At: at}
		if level.Rank() >= LevelFull.Rank() && rapid.Bool().Draw(t, "stops") {
			th.Stops, th.Grace = true, time.Duration(rapid.IntRange(0, 20).Draw(t, "grace"))*aDay
		}
		all = append(all, th)
	}
	return all
}

// TestLevelsFollowUsage: more usage, or a smaller limit, never gives a lower level.
func TestLevelsFollowUsage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plan := thresholds(t)
		used := rapid.Int64Range(0, 1<<53).Draw(t, "used")
		limit := rapid.Int64Range(1, 1<<53).Draw(t, "limit")
		level := LevelAt(used, limit, plan)
		if more := LevelAt(used+rapid.Int64Range(0, 1<<53).Draw(t, "more"), limit, plan); more.Rank() < level.Rank() {
			t.Fatalf("%s with more than %s", more, level)
		}
		if smaller := LevelAt(used, rapid.Int64Range(1, limit).Draw(t, "smaller"), plan); smaller.Rank() < level.Rank() {
			t.Fatalf("%s under a smaller limit than %s", smaller, level)
		}
		for _, th := range plan {
			at := PartOf(limit, th.At)
			if at > 0 && (LevelAt(at, limit, plan).Rank() < th.Level.Rank() || LevelAt(at-1, limit, plan).Rank() >= th.Level.Rank()) {
				t.Fatalf("%s is not reached at exactly %d of %d", th.Level, at, limit)
			}
		}
	})
}

// look is what the rules are checked with after each step of a drawn story.
type look struct {
	now         time.Time
	used, limit int64
	plan        []Threshold
	last, next  Quota
	events      []QuotaEvent
}

// story draws a life of a quota: usage that jumps or flaps, limits and plans that change, time that passes.
func story(t *rapid.T, check func(look)) {
	q := Quota{SpaceID: "s", Metric: MetricStorage}
	now, plan, limit := begin, thresholds(t), rapid.Int64Range(1, 1000).Draw(t, "limit")
	used := rapid.Int64Range(0, 1500).Draw(t, "used")
	for range rapid.IntRange(1, 60).Draw(t, "steps") {
		now = now.Add(time.Duration(rapid.IntRange(0, 200).Draw(t, "hours")) * time.Hour)
		switch rapid.IntRange(0, 12).Draw(t, "what") {
		case 0:
			limit = rapid.Int64Range(1, 1000).Draw(t, "limit")
		case 1:
			limit = Unlimited
		case 2:
			plan = thresholds(t)
		case 3:
			used = rapid.Int64Range(0, 1500).Draw(t, "used")
		default:
			used = max(0, used+rapid.Int64Range(-30, 30).Draw(t, "change"))
		}
		next, events := q.Weigh(Weighing{Used: used, Limit: limit, MonthAgo: -1, MeasuredAt: now, Thresholds: plan, Now: now})
		check(look{now, used, limit, plan, q, next, events})
		q = next
	}
}

// TestRulesHoldInEveryStory checks each step of drawn stories against the rules as they are written for hosts.
func TestRulesHoldInEveryStory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var promised time.Time // what was said as the end of grace, while it holds
		story(t, func(l look) {
			next := l.next
			stopsHere := slices.ContainsFunc(l.plan, func(th Threshold) bool { return th.Stops && reaches(l.used, l.limit, th.At) })
			switch {
			case next.Level != LevelAt(l.used, l.limit, l.plan):
				t.Fatal("the level is not that of the usage")
			case l.limit == Unlimited && (next.Level != LevelOK || !next.StopsAt.IsZero()):
				t.Fatal("something without a limit was limited")
			case stopsHere == next.StopsAt.IsZero():
				t.Fatalf("growth stops %s, though a threshold that stops is reached: %v", next.StopsAt, stopsHere)
			case next.Told.Rank() < next.Level.Rank():
				t.Fatal("a level was reached and not told")
			case len(l.events) > 1:
				t.Fatalf("%v at once", l.events)
			}
			grown := l.used > l.last.Used && l.last.Level != "" && next.Level.Rank() > l.last.Level.Rank()
			if !promised.IsZero() && stopsHere && next.StopsAt.Before(promised) && !grown {
				t.Fatalf("growth was to stop at %s, and now at %s, though usage did not grow to a new level", promised, next.StopsAt)
			}
			if l.last.Level == "" && next.Stopped(l.now) {
				for _, th := range l.plan {
					if th.Stops && th.Grace > 0 {
						t.Fatal("the first look stopped growth without grace")
					}
				}
			}
			promised = next.StopsAt
			again, events := next.Weigh(Weighing{Used: l.used, Limit: l.limit, MonthAgo: -1, MeasuredAt: l.now, Thresholds: l.plan, Now: l.now})
			if again != next || len(events) > 0 {
				t.Fatalf("weighing again changes\n%+v into\n%+v with %v", next, again, events)
			}
		})
	})
}

// TestMailsAreBounded: without changes by the host, an association is written to at most once for each level, once for a stop
// and once for its end, before usage was well below again.
func TestMailsAreBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plan := thresholds(t)
		q, now := Quota{SpaceID: "s", Metric: MetricStorage}, begin
		const limit = 1000
		used := rapid.Int64Range(0, 1500).Draw(t, "used")
		reached := map[Level]bool{}
		stopped, allowed := 0, 0
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 100).Draw(t, "hours")) * time.Hour)
			used = max(0, used+rapid.Int64Range(-60, 60).Draw(t, "change"))
			last := q
			var events []QuotaEvent
			q, events = q.Weigh(Weighing{Used: used, Limit: limit, MonthAgo: -1, MeasuredAt: now, Thresholds: plan, Now: now})
			calm := true
			for _, th := range plan {
				if !reaches(used, limit, th.At-Rearm) {
					delete(reached, th.Level)
				} else if th.Stops {
					calm = false
				}
			}
			for _, e := range events {
				switch e {
				case QuotaReached:
					if reached[q.Level] {
						t.Fatalf("told twice of %s", q.Level)
					}
				case QuotaStopped:
					if stopped++; stopped > 1 {
						t.Fatal("told twice that growth is stopped")
					}
				case QuotaAllowed:
					if allowed++; allowed > stopped {
						t.Fatal("allowed what was not stopped")
					}
					if last.StopsAt.IsZero() {
						t.Fatal("allowed, though nothing was stopped the last time")
					}
				}
			}
			for _, th := range plan {
				if q.Level.Rank() >= th.Level.Rank() {
					reached[th.Level] = true
				}
			}
			if calm {
				stopped, allowed = 0, 0
			}
		}
	})
}

// TestNotMeasuredYet: a limit is known before usage is, and the first look still gets days of grace.
func TestNotMeasuredYet(t *testing.T) {
	q, events := Quota{SpaceID: "s", Metric: MetricStorage}.Weigh(Weighing{Limit: 100, MonthAgo: -1, Now: begin})
	again, _ := q.Weigh(Weighing{Limit: 100, MonthAgo: -1, Now: begin.Add(aDay)})
	if q.Level != LevelOK || len(events) > 0 || again != q {
		t.Errorf("%+v %v, then %+v", q, events, again)
	}
	found, events := q.Weigh(Weighing{Used: 500, Limit: 100, MonthAgo: -1, MeasuredAt: begin.Add(aDay), Now: begin.Add(aDay)})
	if found.Level != LevelOver || found.Stopped(begin.Add(aDay)) || !slices.Equal(events, []QuotaEvent{QuotaReached}) {
		t.Errorf("%+v %v", found, events)
	}
}

func TestNext(t *testing.T) {
	for _, c := range []struct {
		used, limit int64
		level       Level
		at          int64
	}{{0, 1000, LevelNotice, 800}, {800, 1000, LevelWarning, 950}, {999, 1000, LevelFull, 1000}, {1000, 1000, LevelOver, 1500}, {1500, 1000, "", 0}, {5, Unlimited, "", 0}, {0, 3, LevelNotice, 3}} {
		next, at := Quota{Used: c.used, Limit: c.limit}.Next(nil)
		if next.Level != c.level || at != c.at {
			t.Errorf("%d of %d: %s at %d, want %s at %d", c.used, c.limit, next.Level, at, c.level, c.at)
		}
	}
}
