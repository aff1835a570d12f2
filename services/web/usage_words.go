package web

import (
	"cmp"
	"html/template"
	"maps"
	"math"
	"strings"
	"time"

	"framagit.org/frama/frama/services/control"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/locale"
)

// usageFuncs is what templates can say of usage, limits and capacity in one language.
func usageFuncs(l *locale.Locale, lang string, now func() time.Time) template.FuncMap {
	return template.FuncMap{
		"metric":   func(name string) string { return named(l, lang, "metric.", name) },
		"amount":   func(metric string, n int64) string { return amount(lang, metric, n) },
		"most":     func(metric string, n int64) string { return most(l, lang, metric, n) },
		"bytes":    func(n int64) string { return locale.Bytes(lang, n) },
		"count":    func(n int64) string { return locale.Number(lang, n) },
		"growth":   func(q hosting.Quota) string { return growth(l, lang, q) },
		"permille": func(n int) string { return locale.Percent(lang, n) },
		"percent":  func(n int) string { return locale.Percent(lang, 10*n) },
		"decimal":  func(f float64) string { return locale.Decimal(lang, f, 2) },
		"round":    func(f float64) string { return locale.Decimal(lang, math.Round(f), 0) },
		"money":    func(f float64, currency string) string { return locale.Money(lang, f, currency) },
		"share": func(f float64) string {
			return locale.Decimal(lang, 100*f, 1) + strings.TrimPrefix(locale.Percent(lang, 0), "0")
		},
		"length": func(d time.Duration) string { return l.Duration(lang, d) },
		"until":  func(t time.Time) string { return until(l, lang, t.Sub(now())) },
		"day":    func(t time.Time) string { return locale.Day(t.Local()) },
		"level":  func(level hosting.Level) string { return l.T(lang, "level."+string(cmp.Or(level, hosting.LevelOK))) },
		"means":  func(name string) string { return named(l, lang, "means.", name) },
		"levelIcon": func(level hosting.Level) string {
			switch level {
			case hosting.LevelNotice:
				return "clock"
			case hosting.LevelWarning, hosting.LevelFull, hosting.LevelOver:
				return "alert"
			}
			return "check"
		},
		"admin":    func(s *control.Session) bool { return s != nil && s.User.Role.AtLeast(hosting.RoleAdmin) },
		"resource": func(name string, n any) string { return resource(l, lang, name, n) },
		"dayUTC":   func(t time.Time) string { return locale.Day(t.UTC()) },
	}
}

// allFuncs are the words of all pages.
func allFuncs(sets ...template.FuncMap) template.FuncMap {
	all := template.FuncMap{}
	for _, set := range sets {
		maps.Copy(all, set)
	}
	return all
}

// amount writes a figure in the units people know: bytes as sizes, all else as numbers.
func amount(lang, metric string, n int64) string {
	if hosting.ByteMetric(metric) {
		return locale.Bytes(lang, n)
	}
	return locale.Number(lang, n)
}

// most writes a limit.
func most(l *locale.Locale, lang, metric string, n int64) string {
	if n < 0 {
		return l.T(lang, "usage.no_limit")
	}
	return amount(lang, metric, n)
}

// growth writes what was added in 30 days: +1,2 Gio, −3, or a dash where nobody knows.
func growth(l *locale.Locale, lang string, q hosting.Quota) string {
	if q.MonthAgo < 0 {
		return "–"
	}
	switch d := q.Used - q.MonthAgo; {
	case d > 0:
		return "+" + amount(lang, q.Metric, d)
	case d < 0:
		return "−" + strings.TrimPrefix(amount(lang, q.Metric, d), "-")
	}
	return l.T(lang, "usage.no_growth")
}

// resource writes an amount of cpu (MHz), or of memory or disk (MiB). Templates have it as int or int64.
func resource(l *locale.Locale, lang, name string, n any) string {
	var whole int64
	switch n := n.(type) {
	case int:
		whole = int64(n)
	case int64:
		whole = n
	}
	if name == "cpu" {
		return l.T(lang, "review.megahertz", whole)
	}
	return locale.MiB(lang, int(whole))
}

// until writes a time to come as people plan: in days up to a fortnight, then in weeks, then in months.
func until(l *locale.Locale, lang string, d time.Duration) string {
	days := int(d.Hours()/24 + 0.5)
	switch {
	case days < 15:
		return l.T(lang, "until.days", max(days, 1))
	case days < 70:
		return l.T(lang, "until.weeks", (days+3)/7)
	case days < 700:
		return l.T(lang, "until.months", (days+15)/30)
	}
	return l.T(lang, "until.years", (days+182)/365)
}
