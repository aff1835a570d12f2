package control

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"framagit.org/frama/frama/services/hosting"
)

// forecastNow is the middle of a day.
var forecastNow = time.Date(2026, 6, 30, 12, 0, 0, 0, time.UTC)

// curve makes n days that end today, whose reserved memory is what f says of each, from 0.
func curve(n int, f func(day int) int) []hosting.CapacityDay {
	var days []hosting.CapacityDay
	for i := range n {
		days = append(days, hosting.CapacityDay{
			Day: forecastNow.Truncate(24*time.Hour).AddDate(0, 0, i-n+1), Reserved: hosting.Resources{Memory: f(i)}, StorageUsed: int64(f(i)) << 20,
		})
	}
	return days
}

func TestForecast(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	in := func(days float64) time.Time { return forecastNow.Add(time.Duration(days * 24 * float64(time.Hour))) }
	linear := func(day int) int { return 1000 + 100*day } // 100 MiB a day; 3700 after 28 days
	for name, c := range map[string]struct {
		days     []hosting.CapacityDay
		reserved int
		perWeek  int64
		full     time.Time // of 7200 MiB
		within   time.Duration
		known    int
	}{
		"nothing known":     {nil, 0, 0, time.Time{}, 0, 0},
		"six days":          {curve(6, linear), 1500, 0, time.Time{}, 0, 6},
		"seven days":        {curve(7, linear), 1600, 700, in(56), 0, 7},
		"steady":            {curve(28, linear), 3700, 700, in(35), 0, 28},
		"older is past":     {append(curve(60, func(int) int { return 9000 })[:32], curve(28, linear)...), 3700, 700, in(35), 0, 28},
		"flat":              {curve(28, func(int) int { return 2000 }), 2000, 0, time.Time{}, 0, 28},
		"falling":           {curve(28, func(day int) int { return 5000 - 100*day }), 2300, -700, time.Time{}, 0, 28},
		"one day far off":   {curve(28, func(day int) int { return linear(day) * map[bool]int{true: 0, false: 1}[day == 20] }), 3700, 700, in(35), 0, 28},
		"one jump":          {curve(28, func(day int) int { return 2000 + map[bool]int{true: 3000}[day >= 22] }), 5000, 0, time.Time{}, 0, 28},
		"steps of a week":   {curve(28, func(day int) int { return 1000 + 700*(day/7) }), 3100, 700, in(41), 5 * 24 * time.Hour, 28},
		"noisy":             {curve(28, func(day int) int { return linear(day) + random.IntN(400) - 200 }), 3700, 700, in(35), 3 * 24 * time.Hour, 28},
		"full, and growing": {curve(28, linear), 7200, 700, forecastNow, 0, 28},
		"more than full":    {curve(28, func(int) int { return 8000 }), 8000, 0, forecastNow, 0, 28},
		"in a lifetime":     {curve(28, func(day int) int { return day / 27 }), 1, 0, time.Time{}, 0, 28},
	} {
		t.Run(name, func(t *testing.T) {
			all := forecast(c.days, hosting.Resources{CPU: 100, Memory: 7200, Disk: 7200}, hosting.Resources{Memory: c.reserved}, forecastNow)
			if len(all) != 4 || all[1].Resource != "memory" || all[3].Resource != "storage" {
				t.Fatalf("%+v", all)
			}
			got := all[1]
			if got.Days != c.known || math.Abs(float64(got.PerWeek-c.perWeek)) > float64(c.within/time.Hour) {
				t.Errorf("%d a week over %d days, want %d over %d", got.PerWeek, got.Days, c.perWeek, c.known)
			}
			if got.FullAt.IsZero() != c.full.IsZero() || got.FullAt.Sub(c.full).Abs() > c.within+time.Minute {
				t.Errorf("full at %s, want %s", got.FullAt, c.full)
			}
			if cpu := all[0]; cpu.PerWeek != 0 || !cpu.FullAt.IsZero() {
				t.Errorf("of what nobody reserves: %+v", cpu)
			}
		})
	}
}

// What is really stored fills the disk at its own pace.
func TestForecastOfWhatIsStored(t *testing.T) {
	days := curve(28, func(day int) int { return 1000 + 10*day })
	got := forecast(days, hosting.Resources{Disk: 1270 + 140}, hosting.Resources{}, forecastNow)[3]
	if got.PerWeek != 70 || got.FullAt != forecastNow.AddDate(0, 0, 14) {
		t.Errorf("%+v", got)
	}
}
