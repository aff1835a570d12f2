package measure

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// most is the largest number that is believed: 9 PB, or more people than there are. Up to it, numbers of JSON and of
// Prometheus are exact.
const most = int64(1) << 53

var decimal = regexp.MustCompile(`^[+-]?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]{1,3})?$`)

// number reads a count or a size, or says why it cannot be one.
func number(text string) (value int64, problem string) {
	text = strings.TrimSpace(text)
	switch {
	case text == "":
		return 0, "nothing came where a number should be"
	case len(strings.Fields(text)) > 1:
		return 0, "several words came where one number should be: let the probe give the number alone"
	}
	if value, err := strconv.ParseInt(text, 10, 64); err == nil {
		return believed(value)
	}
	if !decimal.MatchString(text) {
		switch strings.ToLower(strings.TrimLeft(text, "+-")) {
		case "nan", "inf", "infinity":
			return 0, fmt.Sprintf("%s came, which is no amount: see what the application counts", text)
		}
		return 0, "what came is no number"
	}
	f, err := strconv.ParseFloat(text, 64)
	switch {
	case err != nil || math.Abs(f) > float64(most):
		return 0, absurd(text)
	case f != math.Trunc(f):
		return 0, fmt.Sprintf("%s came, a fraction, where a whole number should be: is it the right field?", clipped(text))
	}
	return believed(int64(f))
}

// believed refuses numbers that cannot be true.
func believed(value int64) (int64, string) {
	switch {
	case value < 0:
		return 0, fmt.Sprintf("%d came, which is less than nothing: see what the application counts", value)
	case value > most:
		return 0, absurd(strconv.FormatInt(value, 10))
	}
	return value, ""
}

func absurd(text string) string {
	return clipped(text) + " came, which is more than there can be: see what the application counts"
}

func clipped(text string) string {
	if len(text) > 24 {
		return text[:24] + "…"
	}
	return text
}
