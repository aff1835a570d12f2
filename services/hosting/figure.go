package hosting

import (
	"math"
	"strconv"
)

// ByteUnit is a unit that people type and read bytes in (IEC 80000-13).
type ByteUnit struct {
	Name string
	Size float64 // bytes
}

// ByteUnits lists the units, the largest first.
func ByteUnits() []ByteUnit {
	return []ByteUnit{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}
}

// Figure writes a value of a metric for the staff, in English: bytes in the largest unit that fits, to a tenth; all else as a
// number. Pages and mails have their own, by language.
func Figure(metric string, value int64) string {
	if value == Unlimited {
		return "no limit"
	}
	if !ByteMetric(metric) {
		return strconv.FormatInt(value, 10)
	}
	for _, u := range ByteUnits() {
		if math.Abs(float64(value)) >= u.Size {
			return strconv.FormatFloat(math.Round(float64(value)/u.Size*10)/10, 'f', -1, 64) + " " + u.Name
		}
	}
	return "0 B"
}
