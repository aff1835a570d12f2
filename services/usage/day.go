package usage

import "time"

// Day is a day of UTC, counted from 1 January 1970.
type Day int32

const secondsOfDay = 24 * 60 * 60

// DayOf returns the day of a time, which is not before 1970.
func DayOf(t time.Time) Day { return Day(t.Unix() / secondsOfDay) }

// Time returns the midnight at which the day begins.
func (d Day) Time() time.Time { return time.Unix(int64(d)*secondsOfDay, 0).UTC() }

// Level says for how long the values of a chunk stand.
type Level int

// Levels, as they are stored.
const (
	Raw   Level = iota // a moment; a chunk is a day of them
	Hours              // an hour; a chunk is a week of them, from Monday
	Days               // a day; a chunk is a month of them
)

// Start returns the first day of the chunk that has the day.
func (l Level) Start(d Day) Day {
	switch l {
	case Hours:
		return d - (d+3)%7 // 1 January 1970 was a Thursday
	case Days:
		return d - Day(d.Time().Day()-1)
	}
	return d
}

// Slot returns the place of a time in its chunk, which begins at the start.
func (l Level) Slot(start Day, t time.Time) int {
	seconds := t.Unix() - int64(start)*secondsOfDay
	switch l {
	case Hours:
		return int(seconds / 3600)
	case Days:
		return int(seconds / secondsOfDay)
	}
	return int(seconds)
}

// At returns when the time that a slot stands for begins.
func (l Level) At(start Day, slot int) time.Time {
	seconds := int64(slot)
	switch l {
	case Hours:
		seconds *= 3600
	case Days:
		seconds *= secondsOfDay
	}
	return time.Unix(int64(start)*secondsOfDay+seconds, 0).UTC()
}

// Step returns how long a slot is.
func (l Level) Step() time.Duration {
	switch l {
	case Hours:
		return time.Hour
	case Days:
		return 24 * time.Hour
	}
	return time.Second
}
