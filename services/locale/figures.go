package locale

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// Percent writes thousandths as whole percents: 87 % in French, 87% in English. What is not all is never rounded up to it.
func Percent(lang string, permille int) string {
	text := Number(lang, int64(permille/10))
	if lang == English {
		return text + "%"
	}
	return text + joined + "%"
}

// Decimal writes a number with at most that many decimals: 1,5 in French, 1.5 in English. What is no number is a dash.
func Decimal(lang string, value float64, decimals int) string {
	text, ok := fixed(lang, value, decimals)
	if !ok {
		return text
	}
	if strings.ContainsAny(text, ".,") && decimals > 0 {
		whole, fraction, _ := cutLast(text, point(lang))
		if fraction = strings.TrimRight(fraction, "0"); fraction == "" {
			return whole
		}
		return whole + point(lang) + fraction
	}
	return text
}

// Money writes an amount of a currency (ISO 4217) with two decimals: 1 234,50 EUR in French, EUR 1,234.50 in English. The euro
// has its sign.
func Money(lang string, amount float64, currency string) string {
	text, ok := fixed(lang, amount, 2)
	if !ok {
		return text
	}
	if currency == "EUR" {
		currency = "€"
	}
	switch {
	case lang != English:
		return text + joined + currency
	case currency == "€":
		return currency + text
	}
	return currency + joined + text
}

// Day writes a day in figures, for axes and narrow columns: 22/11/2026.
func Day(t time.Time) string { return t.Format("02/01/2006") }

// fixed writes a number with exactly that many decimals, and says whether it is one.
func fixed(lang string, value float64, decimals int) (string, bool) {
	if math.IsNaN(value) || math.IsInf(value, 0) || math.Abs(value) >= 1e15 {
		return "–", false
	}
	text := strconv.FormatFloat(math.Abs(value), 'f', decimals, 64)
	whole, fraction, _ := strings.Cut(text, ".")
	n, _ := strconv.ParseInt(whole, 10, 64) // digits only, fewer than 17
	out := Number(lang, n)
	if fraction != "" {
		out += point(lang) + fraction
	}
	if value < 0 && strings.Trim(text, "0.") != "" {
		out = "-" + out
	}
	return out, true
}

func point(lang string) string {
	if lang == English {
		return "."
	}
	return ","
}

func cutLast(text, at string) (before, after string, found bool) {
	i := strings.LastIndex(text, at)
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+len(at):], true
}
