package web

import (
	"cmp"
	"fmt"
	"html/template"
	"math"
	"slices"
	"strings"
	"time"
)

// Sizes of a chart, in the units of its own plane: it is drawn as wide as the page allows, and its lines and words keep
// their size.
const (
	chartWidth  = 1000
	chartHeight = 180
	chartTop    = 22  // above the highest line, for its label
	chartFoot   = 26  // below the axis, for the days
	chartPoints = 400 // that are drawn of a line, at most
)

// chart is a picture of how figures went: lines over time. It has neither script nor style of its own. Who cannot see it has
// its title and description, and the table that stands behind each chart.
type chart struct {
	ID          string // of the element, unique on the page; letters, digits and hyphens
	Title, Desc string
	Lines       []chartLine
	Limit       int64 // a line of its own; negative for none
	Binary      bool  // bytes: steps of 1024
	From, To    time.Time
	Value       func(int64) string     // labels of the axis
	Day         func(time.Time) string // labels of the days
}

// chartLine is one line; the page says what it is. Lines differ in more than colour: the first is whole with what is below it filled, the second
// dashed, the third dotted.
type chartLine struct {
	Points []chartPoint // the oldest first
	Step   time.Duration
}

// chartPoint is a value at a time.
type chartPoint struct {
	At    time.Time
	Value int64 // never below zero; what is, is drawn as zero
}

// SVG writes the picture. Its words are escaped.
func (c chart) SVG() template.HTML {
	from, to := c.span()
	top, step := axis(c.highest(), c.Binary)
	p := plane{from: from, seconds: to.Sub(from).Seconds(), top: float64(top)}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="chart" role="img" aria-labelledby="%[1]s-title %[1]s-desc" width="100%%" height="%[2]d"><title id="%[1]s-title">%[3]s</title><desc id="%[1]s-desc">%[4]s</desc>`,
		c.ID, chartTop+chartHeight+chartFoot, escaped(c.Title), escaped(c.Desc))
	fmt.Fprintf(&b, `<svg y="%d" width="100%%" height="%d" viewBox="0 0 %d %d" preserveAspectRatio="none" overflow="visible" aria-hidden="true">`,
		chartTop, chartHeight, chartWidth, chartHeight)
	for v := int64(0); v <= top && v >= 0; v += step {
		fmt.Fprintf(&b, `<path class="chart-grid" d="M0 %[1]sH%[2]d"/>`, num(p.y(v)), chartWidth)
	}
	for i, line := range c.Lines {
		line.draw(&b, p, i)
	}
	if c.limited() {
		fmt.Fprintf(&b, `<path class="chart-limit" d="M0 %sH%d"/>`, num(p.y(c.Limit)), chartWidth)
	}
	b.WriteString(`</svg><g class="chart-words" aria-hidden="true">`)
	for v := int64(0); v <= top && v >= 0; v += step {
		label := "0" // of what, the others say
		if v > 0 {
			label = c.Value(v)
		}
		fmt.Fprintf(&b, `<text x="0" y="%s">%s</text>`, num(p.y(v)+chartTop-5), escaped(label))
	}
	foot := chartTop + chartHeight + 18
	fmt.Fprintf(&b, `<text x="0" y="%d">%s</text>`, foot, escaped(c.Day(from)))
	fmt.Fprintf(&b, `<text class="chart-mid" x="50%%" y="%d" text-anchor="middle">%s</text>`, foot, escaped(c.Day(from.Add(to.Sub(from)/2))))
	fmt.Fprintf(&b, `<text x="100%%" y="%d" text-anchor="end">%s</text></g></svg>`, foot, escaped(c.Day(to)))
	return template.HTML(b.String()) //nolint:gosec // written here, and all words in it escaped
}

// span is the time that is drawn: from the first point when that is later than the time asked for, and never nothing.
func (c chart) span() (from, to time.Time) {
	first := time.Time{}
	to = c.To
	for _, line := range c.Lines {
		if n := len(line.Points); n > 0 {
			if first.IsZero() || line.Points[0].At.Before(first) {
				first = line.Points[0].At
			}
			if last := line.Points[n-1].At; last.After(to) {
				to = last
			}
		}
	}
	from = c.From
	if first.After(from) {
		from = first
	}
	if !to.After(from) { // a single point stands in the middle
		from, to = from.Add(-12*time.Hour), from.Add(12*time.Hour)
	}
	return from, to
}

// highest is what the axis has to reach: the largest value, and the limit where that does not flatten the lines.
func (c chart) highest() int64 {
	most := c.largest()
	if c.limited() {
		most = max(most, c.Limit)
	}
	return most
}

func (c chart) largest() int64 {
	most := int64(0)
	for _, line := range c.Lines {
		for _, p := range line.Points {
			most = max(most, p.Value)
		}
	}
	return most
}

// limited says whether the limit is drawn: one that is far above all values would leave nothing to see of them.
func (c chart) limited() bool { return c.Limit >= 0 && c.Limit/5 <= c.largest() }

// draw writes the stretches of the line between which nothing was measured.
func (l chartLine) draw(b *strings.Builder, p plane, index int) {
	for _, stretch := range l.stretches() {
		var path strings.Builder
		for i, point := range stretch {
			fmt.Fprintf(&path, "%c%s %s", "ML"[min(i, 1)], num(p.x(point.At)), num(p.y(point.Value)))
		}
		if len(stretch) == 1 {
			path.WriteString("h0") // a dot: the ends of lines are round
		} else if index == 0 {
			fmt.Fprintf(b, `<path class="chart-area" d="%sL%s %d L%s %d Z"/>`, path.String(),
				num(p.x(stretch[len(stretch)-1].At)), chartHeight, num(p.x(stretch[0].At)), chartHeight)
		}
		fmt.Fprintf(b, `<path class="chart-line chart-line-%d" d="%s"/>`, index+1, path.String())
	}
}

// stretches parts the line where nothing was measured for long: more than twice the usual time between two points. Of long
// lines it keeps the lowest and the highest point of each part, so that no peak is lost.
func (l chartLine) stretches() [][]chartPoint {
	if len(l.Points) == 0 {
		return nil
	}
	gap := l.gap()
	var parts [][]chartPoint
	start := 0
	for i := 1; i <= len(l.Points); i++ {
		if i == len(l.Points) || l.Points[i].At.Sub(l.Points[i-1].At) > gap {
			parts = append(parts, l.Points[start:i])
			start = i
		}
	}
	if len(l.Points) <= chartPoints {
		return parts
	}
	return thinned(parts, len(l.Points))
}

func (l chartLine) gap() time.Duration {
	between := make([]time.Duration, 0, len(l.Points))
	for i := 1; i < len(l.Points); i++ {
		between = append(between, l.Points[i].At.Sub(l.Points[i-1].At))
	}
	usual := l.Step
	if len(between) > 0 {
		slices.Sort(between)
		usual = max(usual, between[len(between)/2])
	}
	return 2*usual + usual/2
}

// thinned keeps of count points, in equal groups, the lowest and the highest of each, and the parting of those that stay.
func thinned(parts [][]chartPoint, count int) [][]chartPoint {
	group := (2*count + chartPoints - 1) / chartPoints // points that two stand for
	var out [][]chartPoint
	seen := 0
	for _, part := range parts {
		var kept []chartPoint
		for len(part) > 0 {
			n := min(len(part), group-seen%group)
			low, high := extremes(part[:n])
			kept = append(kept, part[low])
			if high != low {
				kept = append(kept, part[high])
			}
			part, seen = part[n:], seen+n
		}
		out = append(out, kept)
	}
	return bounded(out)
}

// bounded keeps the highest point of neighbouring parts where they are many: a line that is all gaps has more parts than
// there are points to draw.
func bounded(parts [][]chartPoint) [][]chartPoint {
	total := 0
	for _, part := range parts {
		total += len(part)
	}
	if total <= chartPoints {
		return parts
	}
	var out [][]chartPoint
	for some := range slices.Chunk(parts, total/chartPoints+1) {
		together := slices.Concat(some...)
		out = append(out, []chartPoint{slices.MaxFunc(together, func(a, b chartPoint) int { return cmp.Compare(a.Value, b.Value) })})
	}
	return out
}

// extremes are the places of the lowest and the highest point, in the order of time.
func extremes(points []chartPoint) (first, second int) {
	low, high := 0, 0
	for i, p := range points {
		if p.Value < points[low].Value {
			low = i
		}
		if p.Value > points[high].Value {
			high = i
		}
	}
	return min(low, high), max(low, high)
}

// plane turns times and values into places.
type plane struct {
	from    time.Time
	seconds float64
	top     float64
}

func (p plane) x(at time.Time) float64 {
	return min(max(at.Sub(p.from).Seconds()/p.seconds, 0), 1) * chartWidth
}

func (p plane) y(v int64) float64 {
	return (1 - min(max(float64(v)/p.top, 0), 1)) * chartHeight
}

// axis is the highest value of the axis and the distance between its lines: two to four round steps, whole ones. Bytes go by
// powers of two, so that every label is short in the unit people read it in.
func axis(most int64, binary bool) (top, step int64) {
	most = max(most, 1)
	step = 1
	for i := 0; step < most/4+min(most%4, 1); i++ {
		switch {
		case binary || i%3 != 1:
			step *= 2 // 2, then after 5: 10
		default:
			step = step / 2 * 5 // 5
		}
	}
	for top = step; top < most && top <= math.MaxInt64-step; {
		top += step
	}
	return top, step
}

// num writes a place with one decimal, which is a tenth of what anybody sees.
func num(f float64) string { return strings.TrimSuffix(fmt.Sprintf("%.1f", f), ".0") }

func escaped(text string) string { return template.HTMLEscapeString(text) }
