package usage_test

import (
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"framagit.org/frama/frama/services/usage"
)

// A day rolled up has the last and the largest value of each of its hours and of itself; again, it changes nothing, and no
// other day is touched.
func TestRollDay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		day := usage.Day(rapid.IntRange(20000, 22000).Draw(t, "day"))
		var raw, hours, days usage.Chunk
		samples := map[usage.Code]map[int]int64{}
		for range rapid.IntRange(0, 60).Draw(t, "samples") {
			slot, code, v := rapid.IntRange(0, 24*60*60-1).Draw(t, "second"), usage.Code(rapid.IntRange(1, 3).Draw(t, "code")), values().Draw(t, "value")
			raw.Put(slot, code, v)
			if samples[code] == nil {
				samples[code] = map[int]int64{}
			}
			samples[code][slot] = v
		}
		wantHours, wantDays := table{}, table{}
		add := func(to table, slot int, code usage.Code, v int64) {
			p := usage.Point{Last: v, Max: v}
			if had, ok := to[code][slot]; ok {
				p.Max = max(p.Max, had.Max)
			}
			to.put(slot, code, p)
		}
		week, month := usage.Hours.Start(day), usage.Days.Start(day)
		for code, points := range samples {
			for second := range 24 * 60 * 60 {
				if v, ok := points[second]; ok {
					add(wantHours, int(day-week)*24+second/3600, code, v)
					add(wantDays, int(day-month), code, v)
				}
			}
		}
		// What is there of other days stays.
		other := rapid.IntRange(0, 6).Draw(t, "other day of the week")
		if other != int(day-week) {
			hours.Put(other*24+5, 9, 1)
			wantHours.put(other*24+5, 9, usage.Point{Last: 1, Max: 1})
		}
		for range rapid.IntRange(1, 3).Draw(t, "times") {
			usage.RollDay(&raw, day, &hours, &days)
			hours, days = *decoded(t, hours.Append(nil)), *decoded(t, days.Append(nil))
		}
		if got := tableOf(&hours); !reflect.DeepEqual(got, wantHours) {
			t.Fatalf("hours: got %v\nwant %v", got, wantHours)
		}
		if got := tableOf(&days); !reflect.DeepEqual(got, wantDays) {
			t.Fatalf("days: got %v\nwant %v", got, wantDays)
		}
		for code, points := range wantDays {
			for slot, p := range points {
				if v, found := days.LastUpTo(month, code, day-7, day); !found || v != p.Last {
					t.Fatalf("slot %d: the last is %d, %v, want %d", slot, v, found, p.Last)
				}
				if _, found := days.LastUpTo(month, code, day-7, day-1); found {
					t.Fatal("a value of the day before")
				}
			}
		}
	})
}
