package web

import (
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"

	"framagit.org/frama/frama/services/control"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/locale"
)

// capacityPage is what there is, what was promised and what it costs.
type capacityPage struct {
	Clusters   []clusterCard
	Failed     *failure
	Costs      costCard
	CostFailed *failure
}

// clusterCard is a cluster with a bar, a forecast and a curve for each resource.
type clusterCard struct {
	control.ClusterView
	Bars []resourceBar
}

// Seen says whether the cluster was ever looked at.
func (v clusterCard) Seen() bool { return !v.SeenAt.IsZero() }

// resourceBar is one resource of a cluster: how much of what can be promised is promised, and how much is really used.
type resourceBar struct {
	Name                       string // cpu, memory, disk
	Reserved, Promisable, Used int    // MHz or MiB
	Allocatable, Foreign       int
	Needed                     int     // by what waits
	Factor                     float64 // of overcommitment
	Forecast                   *control.Forecast
	Stored                     int64             // bytes that spaces really keep; of disk
	Storing                    *control.Forecast // of those
	Picture                    template.HTML
	Days                       []resourceDay // the newest first
}

// resourceDay is a resource on a day.
type resourceDay struct {
	Day                        time.Time
	Reserved, Promisable, Used int
}

// costCard is what the spaces cost, with what that is for each.
type costCard struct{ control.CostView }

// PerSpace is the average share of a space.
func (c costCard) PerSpace() float64 { return c.Total / float64(max(c.Count, 1)) }

// PerAccount is the average share of a person with an account.
func (c costCard) PerAccount() float64 { return c.Total / float64(max(c.Accounts, 1)) }

// Permille is how much is promised of what can be, in thousandths.
func (b resourceBar) Permille() int {
	if b.Promisable <= 0 {
		if b.Reserved > 0 {
			return 1000
		}
		return 0
	}
	return int(float64(b.Reserved) / float64(b.Promisable) * 1000)
}

// Fill is how much of the bar is filled, in thousandths.
func (b resourceBar) Fill() int { return min(b.Permille(), 1000) }

// Level is how near the end is, in the words of limits.
func (b resourceBar) Level() hosting.Level {
	switch p := b.Permille(); {
	case p > 1000:
		return hosting.LevelOver
	case p >= 1000:
		return hosting.LevelFull
	case p >= 950:
		return hosting.LevelWarning
	case p >= 800:
		return hosting.LevelNotice
	}
	return hosting.LevelOK
}

// Far says whether so much can be promised that a line of it would leave nothing to see of the others.
func (b resourceBar) Far() bool {
	return !slices.ContainsFunc(b.Days, func(d resourceDay) bool { return d.Promisable <= 5*max(d.Reserved, d.Used) })
}

// Left is what can still be promised.
func (b resourceBar) Left() int { return max(0, b.Promisable-b.Reserved) }

// adminCapacity shows the clusters and the costs. Either stands without the other.
func (s *site) adminCapacity(c *fiber.Ctx) error {
	var view capacityPage
	clusters, err := s.Control.Clusters(c.UserContext(), s.actor(c))
	if err != nil {
		f := s.failure(c, err)
		view.Failed = &f
	}
	for i, v := range clusters {
		view.Clusters = append(view.Clusters, s.clusterCard(c, "cluster-"+strconv.Itoa(i+1), v))
	}
	if view.Costs.CostView, err = s.Control.Costs(c.UserContext(), s.actor(c)); err != nil {
		f := s.failure(c, err)
		view.CostFailed = &f
	}
	return s.render(c, http.StatusOK, "admin_capacity", page{Title: s.t(c, "capacity.title"), Section: "capacity", Data: view})
}

func (s *site) clusterCard(c *fiber.Ctx, id string, v control.ClusterView) clusterCard {
	card := clusterCard{ClusterView: v}
	for _, r := range []struct {
		name   string
		of     func(hosting.Resources) int
		factor float64
	}{
		{"cpu", func(r hosting.Resources) int { return r.CPU }, v.Overcommit.CPU},
		{"memory", func(r hosting.Resources) int { return r.Memory }, v.Overcommit.Memory},
		{"disk", func(r hosting.Resources) int { return r.Disk }, 1},
	} {
		bar := resourceBar{
			Name: r.name, Reserved: r.of(v.Reserved), Promisable: r.of(v.Promisable), Used: r.of(v.Used), Allocatable: r.of(v.Allocatable),
			Foreign: r.of(v.Foreign), Needed: r.of(v.Needed), Factor: max(r.factor, 1),
		}
		for _, f := range v.Forecast {
			switch {
			case f.Resource == r.name:
				bar.Forecast = &f
			case r.name == "disk" && f.Resource == "storage" && len(v.Days) > 0:
				bar.Storing, bar.Stored = &f, v.Days[len(v.Days)-1].StorageUsed
			}
		}
		for _, day := range v.Days {
			bar.Days = append([]resourceDay{{day.Day, r.of(day.Reserved), r.of(day.Promisable), r.of(day.Used)}}, bar.Days...)
		}
		if len(bar.Days) > 1 {
			bar.Picture = s.drawResource(c, id+"-"+r.name, bar)
		}
		bar.Days = bar.Days[:min(len(bar.Days), maxRows)]
		card.Bars = append(card.Bars, bar)
	}
	return card
}

// drawResource draws what was promised, what was used and what could be promised.
func (s *site) drawResource(c *fiber.Ctx, id string, b resourceBar) template.HTML {
	lang := s.visitOf(c).Lang
	write := func(n int64) string {
		if b.Name == "cpu" {
			return s.t(c, "review.megahertz", n)
		}
		return locale.Bytes(lang, n)
	}
	unit := int64(1)
	if b.Name != "cpu" {
		unit = 1 << 20
	}
	lines := []chartLine{{Step: 24 * time.Hour}, {Step: 24 * time.Hour}, {Step: 24 * time.Hour}}
	for _, d := range slices.Backward(b.Days) {
		for j, n := range []int{d.Reserved, d.Used, d.Promisable} {
			lines[j].Points = append(lines[j].Points, chartPoint{d.Day, int64(n) * unit})
		}
	}
	if b.Far() {
		lines = lines[:2]
	}
	first, last := b.Days[len(b.Days)-1], b.Days[0]
	day := func(t time.Time) string { return t.UTC().Format("02/01/2006") }
	return chart{
		ID: id, Title: s.t(c, "capacity."+b.Name), Lines: lines, Limit: -1, Binary: unit > 1, From: first.Day, To: last.Day, Value: write, Day: day,
		Desc: s.t(c, "capacity.curve_desc", day(first.Day), day(last.Day), write(int64(first.Reserved)*unit), write(int64(last.Reserved)*unit), write(int64(last.Promisable)*unit)),
	}.SVG()
}
