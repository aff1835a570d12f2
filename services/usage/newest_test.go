package usage_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/usage"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func look(at time.Time, readings ...hosting.Reading) hosting.Measurement {
	return hosting.Measurement{InstanceID: "i", SpaceID: "s", At: at, Readings: readings}
}

func TestNewest(t *testing.T) {
	pads := func(v int64) hosting.Reading { return hosting.Reading{Metric: "pads", Value: v} }
	volume := func(v int64) hosting.Reading { return hosting.Reading{Metric: hosting.MetricVolumeBytes, Value: v} }
	broken := func(metric string) hosting.Reading { return hosting.Reading{Metric: metric, Problem: "no answer"} }
	at := func(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }
	padsCode, _ := usage.CodeOf("pads")
	volumeCode, _ := usage.CodeOf(hosting.MetricVolumeBytes)

	var n usage.Newest
	for _, step := range []struct {
		name  string
		look  hosting.Measurement
		clock time.Time
		want  usage.Outcome
	}{
		{"first values", look(at(0), pads(3), volume(100)), at(0), usage.Outcome{Gave: true, Changed: []hosting.Reading{pads(3), volume(100)}}},
		{"nothing new", look(at(1), pads(3), volume(100)), at(1), usage.Outcome{Gave: true}},
		{"logs grow", look(at(2), pads(3), volume(101)), at(2), usage.Outcome{Gave: true, Changed: []hosting.Reading{volume(101)}}},
		{"somebody writes", look(at(3), pads(4), volume(101)), at(3), usage.Outcome{Gave: true, Active: true, Changed: []hosting.Reading{pads(4)}}},
		{"half of it fails", look(at(4), broken("pads"), volume(101)), at(4), usage.Outcome{Gave: true}},
		{"it keeps failing", look(at(5), broken("pads"), volume(101)), at(5), usage.Outcome{Gave: true}},
		{"nothing answers", look(at(6), broken("pads"), broken(hosting.MetricVolumeBytes)), at(6), usage.Outcome{Failed: true}},
		{"nothing is measured", look(at(7)), at(7), usage.Outcome{}},
		{"too late", look(at(1), pads(90)), at(8), usage.Outcome{Ignored: true}},
	} {
		got, err := n.Take(step.look, step.clock)
		if err != nil || !reflect.DeepEqual(got, step.want) {
			t.Errorf("%s: got %+v, want %+v (%v)", step.name, got, step.want, err)
		}
	}
	want := usage.Newest{LookedAt: at(7), Metrics: []usage.Now{
		{Code: padsCode, Value: 4, At: at(3), Problem: "no answer", Since: at(4), MonthAgo: -1},
		{Code: volumeCode, Value: 101, At: at(5), Problem: "no answer", Since: at(6), MonthAgo: -1},
	}}
	if !reflect.DeepEqual(n, want) {
		t.Errorf("got %+v\nwant %+v", n, want)
	}
	if _, err := n.Take(look(at(9), pads(5)), at(9)); err != nil || n.Metrics[0].Problem != "" || !n.Metrics[0].Since.IsZero() {
		t.Errorf("a value did not end the problem: %+v (%v)", n.Metrics[0], err)
	}
	if _, err := n.Take(look(at(9), hosting.Reading{Metric: "unheard_of", Value: 1}), at(9)); err == nil || !strings.Contains(err.Error(), "instance i") {
		t.Errorf("a metric without a code: %v", err)
	}
	long := hosting.Reading{Metric: "pads", Problem: strings.Repeat("é", 1000)}
	if _, err := n.Take(look(at(10), long), at(10)); err != nil || len(n.Metrics[0].Problem) > 300 || strings.ContainsRune(n.Metrics[0].Problem, '\ufffd') {
		t.Errorf("a problem of %d bytes (%v)", len(n.Metrics[0].Problem), err)
	}
}

// A look from the future, by a clock that has been put right since, does not hide the next ones.
func TestNewestAfterAWrongClock(t *testing.T) {
	var n usage.Newest
	future := noon.AddDate(70, 0, 0)
	for _, m := range []struct {
		at    time.Time
		value int64
	}{{future, 5}, {noon, 3}, {noon.Add(time.Hour), 4}} {
		if o, err := n.Take(look(m.at, hosting.Reading{Metric: "pads", Value: m.value}), m.at); err != nil || !o.Gave {
			t.Fatalf("the look of %s: %+v, %v", m.at, o, err)
		}
	}
	if got := n.Metrics[0]; got.Value != 4 || !got.At.Equal(noon.Add(time.Hour)) {
		t.Errorf("got %+v", got)
	}
}

func TestNewestIsKept(t *testing.T) {
	times := rapid.Custom(func(t *rapid.T) time.Time { return time.UnixMicro(rapid.Int64Range(1, 1<<55).Draw(t, "us")).UTC() })
	rapid.Check(t, func(t *rapid.T) {
		want := usage.Newest{LookedAt: times.Draw(t, "looked")}
		for code := range rapid.IntRange(0, 24).Draw(t, "metrics") {
			now := usage.Now{Code: usage.Code(code*2 + 1), MonthAgo: rapid.Int64Min(-1).Draw(t, "month")}
			if rapid.Bool().Draw(t, "value") {
				now.Value, now.At = rapid.Int64().Draw(t, "value"), times.Draw(t, "at")
			}
			if rapid.Bool().Draw(t, "problem") {
				now.Problem, now.Since = rapid.StringN(1, 20, 300).Draw(t, "problem"), times.Draw(t, "since")
			}
			want.Metrics = append(want.Metrics, now)
		}
		data := want.Append(nil)
		var got usage.Newest
		if err := got.Decode(data); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("got %+v\nwant %+v (%v)", got, want, err)
		}
		harmed := slices.Clone(data)
		harmed[rapid.IntRange(0, len(data)-1).Draw(t, "place")] = rapid.Byte().Draw(t, "byte")
		harmed = harmed[:rapid.IntRange(0, len(harmed)).Draw(t, "cut")]
		_ = got.Decode(harmed) // must not panic
	})
	var none usage.Newest
	if err := none.Decode(nil); err != nil || !none.LookedAt.IsZero() || len(none.Metrics) > 0 {
		t.Errorf("what was never measured: %+v, %v", none, err)
	}
}
