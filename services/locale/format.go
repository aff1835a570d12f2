package locale

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Non-breaking spaces: a figure never parts from its unit at the end of a line.
const (
	narrow = "\u202f" // French: between thousands
	joined = "\u00a0" // between a figure and its unit
)

// Number writes a whole number with its thousands apart: 12 345 in French, 12,345 in English.
func Number(lang string, n int64) string {
	digits := strconv.FormatInt(n, 10)
	sign := ""
	if strings.HasPrefix(digits, "-") {
		sign, digits = "-", digits[1:]
	}
	separator := narrow
	if lang == English {
		separator = ","
	}
	if len(digits) <= 3 || (lang != English && len(digits) == 4) { // French keeps four digits together
		return sign + digits
	}
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteString(separator)
		}
		b.WriteRune(d)
	}
	return sign + b.String()
}

// Bytes writes a size with at most one decimal, in binary units since that is what disks and memory are given in here:
// 1,5 Gio in French, 1.5 GiB in English.
func Bytes(lang string, n int64) string {
	units, point := []string{"octets", "Kio", "Mio", "Gio", "Tio", "Pio"}, ","
	if lang == English {
		units, point = []string{"bytes", "KiB", "MiB", "GiB", "TiB", "PiB"}, "."
	}
	value, unit := float64(n), 0
	for (value >= 1024 || value <= -1024) && unit < len(units)-1 {
		value /= 1024
		unit++
	}
	if unit == 0 {
		return Number(lang, n) + joined + units[0]
	}
	text := strings.TrimSuffix(fmt.Sprintf("%.1f", value), ".0")
	return strings.Replace(text, ".", point, 1) + joined + units[unit]
}

// MiB writes a size given in mebibytes.
func MiB(lang string, n int) string { return Bytes(lang, int64(n)<<20) }

// Date writes a day: 3 novembre 2026, 3 November 2026. The zero time is a dash.
func (l *Locale) Date(lang string, t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	day := strconv.Itoa(t.Day())
	if lang != English && t.Day() == 1 {
		day = "1er"
	}
	return day + joined + l.T(lang, "month."+strconv.Itoa(int(t.Month()))) + " " + strconv.Itoa(t.Year())
}

// DateTime writes a day and a time with its zone, since host, reviewers and associations may live in different ones.
func (l *Locale) DateTime(lang string, t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return l.T(lang, "date.time", l.Date(lang, t), t.Format("15:04"), t.Format("MST"))
}

// Duration writes a length of time in its one or two largest units: 2 min 5 s, 3 jours, 3 days. Less than a second is
// written in milliseconds.
func (l *Locale) Duration(lang string, d time.Duration) string {
	d = max(d, 0)
	switch {
	case d < time.Second:
		return strconv.FormatInt(d.Milliseconds(), 10) + joined + "ms"
	case d < time.Minute:
		return strconv.Itoa(int(d/time.Second)) + joined + "s"
	case d < time.Hour:
		return pair(int(d/time.Minute), "min", int(d%time.Minute/time.Second), "s")
	case d < 48*time.Hour:
		return pair(int(d/time.Hour), "h", int(d%time.Hour/time.Minute), "min")
	}
	return l.T(lang, "duration.days", int(d/(24*time.Hour)))
}

// Ago writes how long before now t was, or how long after now it will be.
func (l *Locale) Ago(lang string, t, now time.Time) string {
	switch d := now.Sub(t); {
	case t.IsZero():
		return "–"
	case d < -time.Minute:
		return l.T(lang, "duration.in", coarse(-d))
	case d < time.Minute:
		return l.T(lang, "duration.now")
	default:
		return l.T(lang, "duration.ago", coarse(d))
	}
}

// coarse drops what nobody reads in "3 h 12 min ago".
func coarse(d time.Duration) time.Duration {
	if d >= time.Hour {
		return d.Truncate(time.Hour)
	}
	return d.Truncate(time.Minute)
}

func pair(large int, largeUnit string, small int, smallUnit string) string {
	text := strconv.Itoa(large) + joined + largeUnit
	if small > 0 {
		text += " " + strconv.Itoa(small) + joined + smallUnit
	}
	return text
}
