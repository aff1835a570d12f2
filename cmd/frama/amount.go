package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"framagit.org/frama/frama/services/hosting"
)

// amount reads what somebody typed as a limit of a metric: "none", a whole number, or for bytes a number with its unit.
func amount(metric, text string) (int64, error) {
	text = strings.TrimSpace(text)
	if text == "none" {
		return hosting.Unlimited, nil
	}
	unit := 1.0
	if hosting.ByteMetric(metric) {
		number, size, ok := splitUnit(text)
		if !ok {
			return 0, usageError{fmt.Errorf("%q is no amount of bytes: write a number and its unit, as 40GiB or 500MiB, or none", text)}
		}
		text, unit = number, size
	}
	value, err := strconv.ParseFloat(text, 64)
	switch {
	case err != nil, !(value >= 0), unit == 1 && value != math.Trunc(value):
		return 0, usageError{fmt.Errorf("%q is no limit of %s: write a whole number, or none", text, metric)}
	case value*unit > 1<<60:
		return 0, usageError{fmt.Errorf("%q is more than frama can count", text)}
	}
	return int64(math.Round(value * unit)), nil
}

// splitUnit takes the unit off a number. K, M, G and T alone mean the binary units, as for df and du.
func splitUnit(text string) (number string, size float64, ok bool) {
	for _, u := range hosting.ByteUnits() {
		for _, suffix := range []string{u.Name, strings.TrimSuffix(u.Name, "iB")} {
			if n, found := cutSuffixFold(text, suffix); found {
				return strings.TrimSpace(n), u.Size, n != ""
			}
		}
	}
	return "", 0, false
}

func cutSuffixFold(text, suffix string) (string, bool) {
	if n := len(text) - len(suffix); n >= 0 && strings.EqualFold(text[n:], suffix) {
		return text[:n], true
	}
	return text, false
}

// day writes a date as people at a terminal read it; a dash for none.
func day(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format(time.DateOnly)
}

// grown writes by how much a value of a metric went up or down.
func grown(metric string, by int64) string {
	switch {
	case by > 0:
		return "+" + hosting.Figure(metric, by)
	case by < 0:
		return "-" + hosting.Figure(metric, -by) // -1 alone stands for no limit
	}
	return hosting.Figure(metric, 0)
}

// percent writes thousandths.
func percent(permille int) string {
	return strconv.FormatFloat(float64(permille)/10, 'f', -1, 64) + " %"
}

// bar draws a share of a width in characters that every terminal has.
func bar(permille, width int) string {
	full := min(max(permille, 0)*width/1000, width)
	return "[" + strings.Repeat("#", full) + strings.Repeat(".", width-full) + "]"
}
