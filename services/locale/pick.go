package locale

import (
	"strconv"
	"strings"
)

// Pick returns the language to speak: the first of the choices that frama speaks (what was asked for in the address,
// then what a cookie remembers), then what the browser prefers (RFC 9110 §12.5.4), then French.
func Pick(acceptLanguage string, choices ...string) string {
	for _, choice := range choices {
		if Known(choice) {
			return choice
		}
	}
	best, weight := French, 0.0
	for i, entry := range strings.Split(acceptLanguage, ",") {
		if i == 20 { // nobody speaks more; somebody may send more
			break
		}
		tag, parameters, _ := strings.Cut(entry, ";")
		base, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(tag)), "-")
		if q := quality(parameters); Known(base) && q > weight {
			best, weight = base, q
		}
	}
	return best
}

func quality(parameters string) float64 {
	value, ok := strings.CutPrefix(strings.TrimSpace(parameters), "q=")
	if !ok {
		return 1
	}
	q, err := strconv.ParseFloat(value, 64)
	if err != nil || q < 0 || q > 1 {
		return 0
	}
	return q
}
