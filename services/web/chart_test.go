package web

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var chartStart = time.Date(2026, 8, 1, 0, 0, 0, 0, time.UTC)

// drawn is a chart of values, an hour apart; a negative value is an hour when nothing was measured.
func drawn(limit int64, binary bool, values ...int64) chart {
	line := chartLine{Step: time.Hour}
	for i, v := range values {
		if v >= 0 {
			line.Points = append(line.Points, chartPoint{chartStart.Add(time.Duration(i) * time.Hour), v})
		}
	}
	return chart{
		ID: "c", Title: "Stockage", Desc: "De 1 à 2", Lines: []chartLine{line}, Limit: limit, Binary: binary, From: chartStart,
		To: chartStart.Add(time.Duration(len(values)-1) * time.Hour), Value: func(n int64) string { return strconv.FormatInt(n, 10) },
		Day: func(t time.Time) string { return t.Format("02/01/2006") },
	}
}

// wellFormed reads the picture as XML, as a browser does, and returns its words.
func wellFormed(t interface{ Fatalf(string, ...any) }, svg string) string {
	d := xml.NewDecoder(strings.NewReader(svg))
	var words strings.Builder
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return words.String()
		}
		if err != nil {
			t.Fatalf("not well formed: %v\n%.400s", err, svg)
		}
		if text, ok := token.(xml.CharData); ok {
			words.Write(text)
			words.WriteByte('\n')
		}
	}
}

func TestChart(t *testing.T) {
	svg := string(drawn(8, false, 0, 2, 4, -1, -1, -1, 8, 8).SVG())
	wellFormed(t, svg)
	for _, want := range []string{
		`role="img" aria-labelledby="c-title c-desc"`, `<title id="c-title">Stockage</title>`, `<desc id="c-desc">De 1 à 2</desc>`,
		`class="chart-limit" d="M0 0H1000"`,
		// Three hours without a look part the line.
		`class="chart-line chart-line-1" d="M0 180L142.9 135L285.7 90"`, `class="chart-line chart-line-1" d="M857.1 0L1000 0"`,
		`class="chart-area" d="M857.1 0L1000 0L1000 180 L857.1 180 Z"`, `>01/08/2026</text>`,
	} {
		if !strings.Contains(svg, want) {
			t.Errorf("no %s in\n%s", want, svg)
		}
	}
	for _, never := range []string{"style=", "<script", "NaN", "Inf"} {
		if strings.Contains(svg, never) {
			t.Errorf("%s in\n%s", never, svg)
		}
	}
	if svg := string(drawn(-1, false, 3).SVG()); !strings.Contains(svg, `d="M500 `) || !strings.Contains(svg, "h0") {
		t.Errorf("a single point is no dot in the middle:\n%s", svg)
	}
	if svg := string(drawn(-1, false).SVG()); strings.Contains(svg, "chart-line") {
		t.Errorf("nothing was measured, and there is a line:\n%s", svg)
	}
	if svg := string(drawn(1000, false, 1, 2).SVG()); strings.Contains(svg, "chart-limit") || !strings.Contains(svg, ">2</text>") {
		t.Errorf("a limit that is far away flattens the line:\n%s", svg)
	}
}

// A long line keeps its peak and its trough, a line of pieces stays small, and what is older than the picture stands at its edge.
func TestChartOfManyPoints(t *testing.T) {
	values := make([]int64, 3000)
	for i := range values {
		values[i] = 500
	}
	values[1777], values[1778] = 900, 100
	count := func(line chartLine) (n int, low, high int64) {
		low = math.MaxInt64
		for _, stretch := range line.stretches() {
			for _, p := range stretch {
				n, low, high = n+1, min(low, p.Value), max(high, p.Value)
			}
		}
		return n, low, high
	}
	if n, low, high := count(drawn(-1, false, values...).Lines[0]); n > chartPoints || n < chartPoints/4 || low != 100 || high != 900 {
		t.Errorf("%d points from %d to %d", n, low, high)
	}
	pieces := chartLine{Step: time.Hour}
	for i := range int64(3000) {
		pieces.Points = append(pieces.Points, chartPoint{chartStart.Add(time.Duration(i+10*(i/3)) * time.Hour), i})
	}
	if n, _, high := count(pieces); n > chartPoints || n < chartPoints/4 || high != 2999 {
		t.Errorf("%d points of the pieces, the highest %d", n, high)
	}
	late := drawn(-1, false, 1, 2, 3, 4)
	late.From = chartStart.Add(2 * time.Hour)
	if svg := string(late.SVG()); !strings.Contains(svg, `d="M0 135L0 90L0 45L1000 0"`) {
		t.Errorf("points before the picture leave it:\n%s", svg)
	}
}

func TestChartAxis(t *testing.T) {
	for _, c := range []struct {
		most      int64
		binary    bool
		top, step int64
	}{
		{0, false, 1, 1}, {1, false, 1, 1}, {3, false, 3, 1}, {5, false, 6, 2}, {10, false, 10, 5}, {37, false, 40, 10}, {50, false, 60, 20}, {51, false, 60, 20}, {100, false, 100, 50}, {1999, false, 2000, 500},
		{8 << 30, true, 8 << 30, 2 << 30}, {40 << 30, true, 48 << 30, 16 << 30}, {900 << 20, true, 1 << 30, 256 << 20}, {1, true, 1, 1},
	} {
		if top, step := axis(c.most, c.binary); top != c.top || step != c.step {
			t.Errorf("axis(%d, %v) = %d, %d; want %d, %d", c.most, c.binary, top, step, c.top, c.step)
		}
	}
}

var paths = regexp.MustCompile(` d="[^"]*"`)

var points = regexp.MustCompile(`[ML](\S+?) ([^LMhHZ" ]+)`)

// Whatever was measured, the picture is well formed, in bounds, small, and shows the highest point.
func TestChartOfAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 3000).Draw(t, "points")
		span := rapid.Int64Range(1, int64(400*24*time.Hour)).Draw(t, "longest gap")
		value := rapid.SampledFrom([]*rapid.Generator[int64]{rapid.Int64Range(0, 50), rapid.Int64Range(-5, 1<<40), rapid.Int64()}).Draw(t, "values")
		c := drawn(rapid.Int64Min(-1).Draw(t, "limit"), rapid.Bool().Draw(t, "binary"))
		c.Title = rapid.String().Draw(t, "title")
		c.To = chartStart
		at, most := chartStart, int64(0)
		for range n {
			at = at.Add(time.Duration(rapid.Int64Range(1, span).Draw(t, "gap")))
			v := value.Draw(t, "value")
			most = max(most, v)
			c.Lines[0].Points = append(c.Lines[0].Points, chartPoint{at, v})
		}
		kept, highest := 0, int64(0)
		for _, stretch := range c.Lines[0].stretches() {
			kept += len(stretch)
			for i, p := range stretch {
				highest = max(highest, p.Value)
				if i > 0 && !p.At.After(stretch[i-1].At) {
					t.Fatalf("the line goes back in time")
				}
			}
		}
		if kept > chartPoints || n > 0 && kept == 0 {
			t.Fatalf("%d points of %d are drawn", kept, n)
		}
		if highest != most {
			t.Fatalf("the highest point is %d, drawn is %d", most, highest)
		}
		svg := string(c.SVG())
		if !strings.ContainsFunc(c.Title, func(r rune) bool { return r < ' ' || r == '\ufffe' || r == '\uffff' }) {
			wellFormed(t, svg)
		}
		drawn := strings.Join(paths.FindAllString(svg, -1), "")
		for _, m := range points.FindAllStringSubmatch(drawn, -1) {
			for i, most := range []float64{chartWidth, chartHeight} {
				f, err := strconv.ParseFloat(m[i+1], 64)
				if err != nil || math.IsNaN(f) || f < 0 || f > most {
					t.Fatalf("a point at %q", m[0])
				}
			}
		}
	})
}
