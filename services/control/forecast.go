package control

import (
	"slices"
	"time"

	"framagit.org/frama/frama/services/hosting"
)

// Forecast says when a resource is used up at the pace of the last weeks.
type Forecast struct {
	Resource string    // cpu, memory, disk: of what is promised; storage: of what is really kept on disk
	PerWeek  int64     // growth: MHz, MiB
	FullAt   time.Time // zero: never at this pace, or too little is known
	Days     int       // that the pace was taken from; under 7 there is no forecast
}

const (
	paceDays  = 28 // how many days a pace is taken from, today included
	leastDays = 7
	horizon   = 10 * 365 * 24 * time.Hour // what is farther away than this is no forecast
)

// forecast says when what can be promised is promised, and when the disk is full for real, at the pace of the last days.
func forecast(days []hosting.CapacityDay, promisable, reserved hosting.Resources, now time.Time) []Forecast {
	from := now.UTC().Truncate(24*time.Hour).AddDate(0, 0, 1-paceDays)
	days = slices.DeleteFunc(slices.Clone(days), func(d hosting.CapacityDay) bool { return d.Day.Before(from) || d.Day.After(now) })
	stored := int64(0)
	if len(days) > 0 {
		stored = days[len(days)-1].StorageUsed >> 20
	}
	of := func(resource string, held, most int64, pick func(hosting.CapacityDay) int64) Forecast {
		points := make([]point, len(days))
		for i, d := range days {
			points[i] = point{d.Day.Sub(from).Hours() / 24, float64(pick(d))}
		}
		return lookAhead(resource, points, held, most, now)
	}
	return []Forecast{
		of("cpu", int64(reserved.CPU), int64(promisable.CPU), func(d hosting.CapacityDay) int64 { return int64(d.Reserved.CPU) }),
		of("memory", int64(reserved.Memory), int64(promisable.Memory), func(d hosting.CapacityDay) int64 { return int64(d.Reserved.Memory) }),
		of("disk", int64(reserved.Disk), int64(promisable.Disk), func(d hosting.CapacityDay) int64 { return int64(d.Reserved.Disk) }),
		of("storage", stored, int64(promisable.Disk), func(d hosting.CapacityDay) int64 { return d.StorageUsed >> 20 }),
	}
}

// point is a value on a day.
type point struct{ day, value float64 }

// lookAhead says when held reaches most at the pace of the points, oldest first.
func lookAhead(resource string, points []point, held, most int64, now time.Time) Forecast {
	f := Forecast{Resource: resource, Days: len(points)}
	if f.Days < leastDays {
		return f
	}
	pace := slope(points)
	f.PerWeek = int64(pace * 7)
	switch left := float64(most - held); {
	case left <= 0:
		f.FullAt = now
	case pace <= 0:
	case left/pace*24 < horizon.Hours():
		f.FullAt = now.Add(time.Duration(left / pace * 24 * float64(time.Hour)))
	}
	return f
}

// slope is the growth a day: the median of the slopes between all pairs of days (Theil and Sen), so that a day that is
// far off, as when a node was away, and one jump, as when many spaces were approved at once, do not make the pace.
func slope(points []point) float64 {
	var slopes []float64
	for i, a := range points {
		for _, b := range points[i+1:] {
			if b.day > a.day {
				slopes = append(slopes, (b.value-a.value)/(b.day-a.day))
			}
		}
	}
	if len(slopes) == 0 {
		return 0
	}
	slices.Sort(slopes)
	middle := len(slopes) / 2
	if len(slopes)%2 == 1 {
		return slopes[middle]
	}
	return (slopes[middle-1] + slopes[middle]) / 2
}
