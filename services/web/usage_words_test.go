package web

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"framagit.org/frama/frama/services/control"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/locale"
)

func TestWordsOfUsage(t *testing.T) {
	l, err := locale.Load()
	if err != nil {
		t.Fatal(err)
	}
	const day = 24 * time.Hour
	grown := func(metric string, used, before int64) string {
		return growth(l, "fr", hosting.Quota{Metric: metric, Used: used, MonthAgo: before})
	}
	for _, c := range []struct{ got, want string }{
		{amount("fr", "storage", 3<<30), "3\u00a0Gio"}, {amount("en", "pads", 12345), "12,345"}, {most(l, "fr", "storage", hosting.Unlimited), "sans limite"}, {most(l, "en", "accounts", 50), "50"},
		{grown("storage", 3<<30, 1<<30), "+2\u00a0Gio"}, {grown("pads", 3, 10), "−7"}, {grown("pads", 3, 3), "stable"}, {grown("pads", 3, -1), "–"}, {grown("storage", 0, 1<<30), "−1\u00a0Gio"},
		{until(l, "fr", day), "1 jour"}, {until(l, "fr", -day), "1 jour"}, {until(l, "en", 14*day), "14 days"}, {until(l, "en", 49*day), "7 weeks"}, {until(l, "fr", 100*day), "3 mois"}, {until(l, "en", 1000*day), "3 years"},
		{resource(l, "fr", "cpu", 1500), "1500\u00a0MHz"}, {resource(l, "en", "memory", int64(2048)), "2\u00a0GiB"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

func TestTypedAmounts(t *testing.T) {
	for _, c := range []struct {
		metric, text string
		want         int64
		ok           bool
	}{
		{"storage", "40", 40 << 30, true}, {"storage", " 12,5 ", 25 << 29, true}, {"storage", "0.5", 1 << 29, true}, {"storage", "1\u202f024", 1 << 40, true}, {"storage", "", 0, false}, {"storage", "1e3", 0, false},
		{"storage", "-1", 0, false}, {"storage", "NaN", 0, false}, {"storage", "0x10", 0, false}, {"storage", "1.2.3", 0, false}, {"storage", "99999999999", 0, false}, {"accounts", "50", 50, true},
		{"accounts", "1 200", 1200, true}, {"accounts", "1,5", 0, false}, {"accounts", "-3", 0, false}, {"accounts", "", 0, false}, {"accounts", "9999999999999999999", 0, false},
	} {
		if n, ok := typedAmount(c.metric, c.text); ok != c.ok || ok && n != c.want {
			t.Errorf("%s %q: %d %v, want %d %v", c.metric, c.text, n, ok, c.want, c.ok)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		for _, metric := range []string{"storage", "accounts"} {
			if n, ok := typedAmount(metric, text); ok && n < 0 {
				t.Fatalf("%s %q is %d", metric, text, n)
			}
		}
	})
}

// A bar is never drawn beyond its ends, whatever was measured and promised.
func TestBarsStayInBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := quotaCard{QuotaView: control.QuotaView{Quota: hosting.Quota{Used: rapid.Int64Min(0).Draw(t, "used"), Limit: rapid.Int64Min(-1).Draw(t, "limit")}}}
		b := resourceBar{Reserved: rapid.IntRange(0, math.MaxInt32).Draw(t, "reserved"), Promisable: rapid.IntRange(-1000, math.MaxInt32).Draw(t, "promisable")}
		for _, fill := range []int{q.Fill(), b.Fill()} {
			if fill < 0 || fill > 1000 {
				t.Fatalf("%d thousandths are filled", fill)
			}
		}
		if q.Left() < 0 || b.Left() < 0 {
			t.Fatalf("%d, %d left", q.Left(), b.Left())
		}
	})
}

func TestSpansOfRows(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var points []hosting.UsagePoint
	for i := range int64(1825) {
		points = append(points, hosting.UsagePoint{At: at.AddDate(0, 0, int(i)), Last: i, Max: i + 10*(i%2)})
	}
	list, each := rows(points, 24*time.Hour)
	if len(list) != 97 || each != 19*24*time.Hour || list[0].Last != 1824 || list[96].At != at || list[96].Max != 27 {
		t.Errorf("%d rows of %s: first %+v, last %+v", len(list), each, list[0], list[len(list)-1])
	}
	if list, each := rows(nil, time.Hour); len(list) != 0 || each != time.Hour {
		t.Errorf("no points: %v %s", list, each)
	}
}

// A host that has entered nothing yet is told what to do, in both languages.
func TestCapacityOfANewHost(t *testing.T) {
	l, err := locale.Load()
	if err != nil {
		t.Fatal(err)
	}
	files, err := newAssets()
	if err != nil {
		t.Fatal(err)
	}
	v, err := newViews(l, files, newIcons(nil, func(string) []byte { return nil }), nil, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	for _, lang := range locale.Languages() {
		var b strings.Builder
		if err := v.pages["admin_capacity/"+lang].ExecuteTemplate(&b, "content", page{Data: capacityPage{}}); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{l.T(lang, "capacity.none"), "nomad.cluster", "[cost]\nservers = ", "seat_price", "watts", "grams_per_kwh", l.T(lang, "cost.key_hours")} {
			if !strings.Contains(b.String(), want) {
				t.Errorf("%s: the page lacks %q", lang, want)
			}
		}
	}
}

func TestChangesOfAPlanLineByLine(t *testing.T) {
	old := hosting.PlanVersion{Limits: hosting.Limits{"storage": 8, "pads": 100, "polls": 5}, Thresholds: hosting.DefaultThresholds()}
	card := newChange(control.PlanChange{Current: &old, New: hosting.PlanVersion{Limits: hosting.Limits{"accounts": 3, "storage": 9, "pads": 50, "polls": 5}, Thresholds: old.Thresholds[:2]}})
	want := []changeLine{{"storage", 8, 9, false, false}, {"accounts", -1, 3, false, true}, {"pads", 100, 50, false, true}, {"polls", 5, 5, true, false}}
	if !slices.Equal(card.Lines, want) || !card.Thresholds || card.Retention {
		t.Errorf("got %+v", card)
	}
	if card := newChange(control.PlanChange{New: old}); card.Thresholds || card.CurrentVersion() != 0 || len(card.Lines) != 3 {
		t.Errorf("a new plan: %+v", card)
	}
}
