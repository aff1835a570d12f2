package usage_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"framagit.org/frama/frama/services/usage"
)

// Days, weeks and months begin where the calendar of UTC says, and every time has its own place in each.
func TestSlots(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := time.Unix(rapid.Int64Range(0, 1e11).Draw(t, "time"), rapid.Int64Range(0, 999999999).Draw(t, "ns")).
			In(time.FixedZone("elsewhere", rapid.IntRange(-12, 14).Draw(t, "zone")*3600))
		day, utc := usage.DayOf(at), at.UTC()
		if midnight := time.Date(utc.Year(), utc.Month(), utc.Day(), 0, 0, 0, 0, time.UTC); !day.Time().Equal(midnight) {
			t.Fatalf("%s is in the day from %s", at, day.Time())
		}
		for level, step := range map[usage.Level]time.Duration{usage.Raw: time.Second, usage.Hours: time.Hour, usage.Days: 24 * time.Hour} {
			start := level.Start(day)
			slot := level.Slot(start, at)
			if begins := level.At(start, slot); !begins.Equal(utc.Truncate(step)) || level.Step() != step {
				t.Fatalf("level %d: %s has slot %d from %s, which is %s", level, at, slot, start.Time(), begins)
			}
			switch from := start.Time(); level {
			case usage.Raw:
				if start != day {
					t.Fatalf("%s begins at %s", day.Time(), from)
				}
			case usage.Hours:
				if from.Weekday() != time.Monday || slot < 0 || slot >= 7*24 {
					t.Fatalf("the week of %s begins at %s, slot %d", at, from, slot)
				}
			case usage.Days:
				if from.Day() != 1 || from.Month() != utc.Month() || slot != utc.Day()-1 {
					t.Fatalf("the month of %s begins at %s, slot %d", at, from, slot)
				}
			}
		}
	})
}
