package web

import (
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"

	"framagit.org/frama/frama/services/control"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/locale"
)

const (
	maxCurves = 16  // on a page; no application counts more things
	maxRows   = 100 // of the table behind a curve; the file to download has all
)

// historyPage is the curves of a space.
type historyPage struct {
	Name   string // of the space
	Back   string // page it belongs to
	Spans  []tab
	Curves []curve
	Failed *failure // why there are none
}

// curve is one figure over time: a picture, and the table behind it.
type curve struct {
	control.History
	ID      string
	Picture template.HTML
	Rows    []hosting.UsagePoint // the newest first
	Each    time.Duration        // that a row stands for
	Last    hosting.UsagePoint
	Limited bool   // the limit is a line of the picture
	File    string // address of all figures
	Failed  *failure
}

// Hours says whether a row of the table stands for less than a day.
func (v curve) Hours() bool { return v.Each < 24*time.Hour }

// history reads the curve of a metric over a span.
type history func(metric, span string) (control.History, error)

// spans lists the ranges people choose from, with the days each goes back; 0 for all.
func spans() []struct {
	Name string
	Days int
} {
	return []struct {
		Name string
		Days int
	}{{control.RangeWeek, 7}, {control.RangeQuarter, 90}, {control.RangeYear, 365}, {control.RangeAll, 0}}
}

// span is the range that the address asks for: 90 days unless it names another.
func span(c *fiber.Ctx) string {
	for _, known := range spans() {
		if c.Query("span") == known.Name {
			return known.Name
		}
	}
	return control.RangeQuarter
}

// historyPage shows the curves of all that is counted in the space. base is the page's address.
func (s *site) historyPage(c *fiber.Ctx, p page, base, back string, found control.UsageView, err error, read history) error {
	view := historyPage{Name: found.Space.Name, Back: back}
	asked := span(c)
	for _, known := range spans() {
		view.Spans = append(view.Spans, tab{Label: "span." + known.Name, Href: address(base, url.Values{}, "span", known.Name), Count: -1, Current: asked == known.Name})
	}
	switch {
	case hosting.CodeOf(err) == hosting.NotFound:
		return err
	case err != nil:
		f := s.failure(c, err)
		view.Failed = &f
	}
	if !found.Measured {
		found = control.UsageView{} // nothing to draw yet
	}
	for i, metric := range metrics(found) {
		view.Curves = append(view.Curves, s.curve(c, "curve-"+strconv.Itoa(i+1), base, metric, asked, read))
	}
	p.Data = view
	return s.render(c, http.StatusOK, "usage", p)
}

// metrics lists what a space's curves are about: its limits first, then all that its applications count. What storage adds up
// from has no curve of its own.
func metrics(u control.UsageView) []string {
	var list []string
	for _, q := range u.Quotas {
		list = append(list, q.Metric)
	}
	parts := []string{hosting.MetricBytes, hosting.MetricVolumeBytes, hosting.MetricDatabaseBytes, hosting.MetricBucketBytes}
	if !slices.Contains(list, hosting.MetricStorage) {
		parts = nil
	}
	for _, i := range u.Instances {
		for _, now := range i.Now {
			if !slices.Contains(list, now.Metric) && !slices.Contains(parts, now.Metric) {
				list = append(list, now.Metric)
			}
		}
	}
	return list[:min(len(list), maxCurves)]
}

// curve reads and draws one. One that fails leaves the others be.
func (s *site) curve(c *fiber.Ctx, id, base, metric, span string, read history) curve {
	view := curve{ID: id, File: address(base+".csv", url.Values{"metric": {metric}}, "span", span)}
	found, err := read(metric, span)
	if err != nil {
		f := s.failure(c, err)
		view.Failed = &f
		view.Metric = metric
		return view
	}
	view.History = found
	view.Metric = metric
	n := len(found.Points)
	if n == 0 {
		return view
	}
	view.Last = found.Points[n-1]
	view.Rows, view.Each = rows(found.Points, found.Step)
	view.Picture, view.Limited = s.draw(c, view, span)
	return view
}

// rows are the points, the newest first, several together where there are too many to read.
func rows(points []hosting.UsagePoint, step time.Duration) ([]hosting.UsagePoint, time.Duration) {
	together := (len(points) + maxRows - 1) / maxRows
	var list []hosting.UsagePoint
	for some := range slices.Chunk(points, max(together, 1)) {
		row := hosting.UsagePoint{At: some[0].At, Last: some[len(some)-1].Last}
		for _, p := range some {
			row.Max = max(row.Max, p.Max, p.Last)
		}
		list = append(list, row)
	}
	slices.Reverse(list)
	return list, time.Duration(max(together, 1)) * step
}

// draw makes the picture of a curve: the highest value of each hour or day. It says whether the limit is in it.
func (s *site) draw(c *fiber.Ctx, v curve, span string) (template.HTML, bool) {
	lang := s.visitOf(c).Lang
	line := chartLine{Step: v.Step}
	least, most := v.Points[0].Last, int64(0)
	for _, p := range v.Points {
		line.Points = append(line.Points, chartPoint{p.At, max(p.Max, p.Last)})
		least, most = min(least, p.Last), max(most, p.Max, p.Last)
	}
	write := func(n int64) string { return amount(lang, v.Metric, n) }
	day := func(t time.Time) string { return locale.Day(t.Local()) }
	if v.Step >= 24*time.Hour {
		day = func(t time.Time) string { return locale.Day(t.UTC()) } // points are days of UTC
	}
	first := line.Points[0].At
	desc := s.t(c, "usage.curve_desc", day(first), day(v.Last.At), write(v.Points[0].Last), write(v.Last.Last), write(least), write(most))
	if v.Limit >= 0 {
		desc += " " + s.t(c, "usage.curve_limit", write(v.Limit))
	}
	picture := chart{
		ID: v.ID, Title: named(s.Locale, lang, "metric.", v.Metric), Desc: desc, Lines: []chartLine{line}, Limit: v.Limit,
		Binary: hosting.ByteMetric(v.Metric), From: first, To: s.Now(), Value: write, Day: day,
	}
	for _, known := range spans() {
		if known.Name == span && known.Days > 0 {
			picture.From = s.Now().AddDate(0, 0, -known.Days)
		}
	}
	return picture.SVG(), picture.limited()
}

// historyFile sends the figures of one metric as a table for spreadsheets.
func (s *site) historyFile(c *fiber.Ctx, read history) error {
	metric, asked := c.Query("metric"), span(c)
	found, err := read(metric, asked)
	if err != nil {
		return err
	}
	unit := "count"
	if hosting.ByteMetric(metric) {
		unit = "bytes"
	}
	t := table{{"space", "metric", "unit", "at", "last", "max", "limit"}}
	limit := strconv.FormatInt(found.Limit, 10)
	if found.Limit < 0 {
		limit = ""
	}
	for _, p := range found.Points {
		t = append(t, []string{found.Space.Name, metric, unit, p.At.UTC().Format(time.RFC3339), strconv.FormatInt(p.Last, 10),
			strconv.FormatInt(max(p.Max, p.Last), 10), limit})
	}
	return sendTable(c, found.Space.Slug+"-"+metric+"-"+asked, t)
}
