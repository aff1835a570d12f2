package usage_test

import (
	"testing"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/usage"
)

// Years of values have these codes: a line may be added below the last, and nothing else may change.
func TestCodesAreForEver(t *testing.T) {
	for n, metric := range []string{
		"accounts", "bytes", "pads", "sheets", "polls", "forms", "answers", "events", "maps", "posts", "lists", "messages", "videos", "photos",
		"pages", "repositories", "meetings", "documents", "files", "storage", "volume_bytes", "database_bytes", "bucket_bytes", "backup_bytes",
	} {
		code, ok := usage.CodeOf(metric)
		if !ok || code != usage.Code(n+1) || code.Metric() != metric {
			t.Errorf("%s has code %d, of %q; want %d", metric, code, code.Metric(), n+1)
		}
	}
}

func TestEveryMetricHasACode(t *testing.T) {
	universal := []string{hosting.MetricStorage, hosting.MetricVolumeBytes, hosting.MetricDatabaseBytes, hosting.MetricBucketBytes, hosting.MetricBackupBytes}
	for _, metric := range append(catalogue.Metrics(), universal...) {
		if code, ok := usage.CodeOf(metric); !ok || code.Metric() != metric {
			t.Errorf("%s has no code: add it to the end of the list in usage.go", metric)
		}
	}
	for _, metric := range []string{"", "Pads", "storage "} {
		if code, ok := usage.CodeOf(metric); ok {
			t.Errorf("%q has code %d", metric, code)
		}
	}
	for _, code := range []usage.Code{0, 1 << 20} {
		if name := code.Metric(); name != "" {
			t.Errorf("code %d is %q", code, name)
		}
	}
}
