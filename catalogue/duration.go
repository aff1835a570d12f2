package catalogue

import (
	"fmt"
	"regexp"
	"strconv"
	"time"
)

const day = 24 * time.Hour

// mostDays is how many days are read: from 106 752 on, a time.Duration would begin anew and pass for a short one.
const mostDays = 100_000

var durationText = regexp.MustCompile(`^([0-9]{1,6})([dh])$`)

// duration reads days or hours, as "14d" or "36h", within bounds. It is 0 when there is none.
func (r *reader) duration(name string, required bool, least, most time.Duration) time.Duration {
	says := fmt.Sprintf("must be days or hours, as \"14d\" or \"36h\", from %s to %s", inDays(least), inDays(most))
	var d time.Duration
	rule := check{says, func(s string) string {
		var ok bool
		if d, ok = parseDuration(s); !ok || d < least || d > most {
			d = 0
			return says
		}
		return ""
	}}
	if required {
		r.text(name, rule)
	} else {
		r.optional(name, rule)
	}
	return d
}

func parseDuration(s string) (time.Duration, bool) {
	m := durationText.FindStringSubmatch(s)
	if m == nil {
		return 0, false
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		return 0, false
	}
	if m[2] == "d" {
		if n > mostDays {
			return 0, false
		}
		return time.Duration(n) * day, true
	}
	return time.Duration(n) * time.Hour, true
}

// inDays writes a duration as files do.
func inDays(d time.Duration) string {
	if d%day == 0 {
		return fmt.Sprintf("%dd", d/day)
	}
	return fmt.Sprintf("%dh", d/time.Hour)
}
