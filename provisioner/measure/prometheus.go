package measure

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// sum adds up a metric over its label sets, in a page as Prometheus reads it. Of histograms and summaries it takes the
// number of observations, written with _count.
func sum(body []byte, name string) (string, error) {
	if markup(body) {
		return "", &lie{"a page for browsers (HTML) came instead of metrics: check the manifest's path", string(body)}
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(body))
	if err != nil {
		return "", &lie{fmt.Sprintf("the answer is no page of metrics (%v)", err), string(body)}
	}
	family := families[name]
	if family == nil {
		if base, counted := strings.CutSuffix(name, "_count"); counted {
			family = families[base]
		}
	}
	if len(family.GetMetric()) == 0 {
		return "", &told{fmt.Sprintf("there is no metric %q among the %d on the page: check the manifest's field against this version of the application",
			name, len(families))}
	}
	var total int64
	for _, m := range family.GetMetric() {
		text := amount(family.GetType(), m)
		value, problem := number(text)
		if problem != "" {
			return "", &lie{problem: fmt.Sprintf("one of the %d values of %s: %s", len(family.GetMetric()), name, problem)}
		}
		if total += value; total > most {
			return "", &lie{problem: fmt.Sprintf("%s: %s", name, absurd(strconv.FormatInt(total, 10)))}
		}
	}
	return strconv.FormatInt(total, 10), nil
}

// amount is the value of one label set.
func amount(kind dto.MetricType, m *dto.Metric) string {
	value := math.NaN()
	switch kind {
	case dto.MetricType_COUNTER:
		value = m.GetCounter().GetValue()
	case dto.MetricType_GAUGE:
		value = m.GetGauge().GetValue()
	case dto.MetricType_UNTYPED:
		value = m.GetUntyped().GetValue()
	case dto.MetricType_SUMMARY:
		return strconv.FormatUint(m.GetSummary().GetSampleCount(), 10)
	case dto.MetricType_HISTOGRAM:
		return strconv.FormatUint(m.GetHistogram().GetSampleCount(), 10)
	}
	if value == math.Trunc(value) && math.Abs(value) <= float64(most) {
		return strconv.FormatInt(int64(value), 10)
	}
	return strconv.FormatFloat(value, 'g', -1, 64)
}
