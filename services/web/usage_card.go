package web

import (
	"errors"
	"slices"
	"time"

	"github.com/gofiber/fiber/v2"

	"framagit.org/frama/frama/services/control"
	"framagit.org/frama/frama/services/hosting"
)

// usagePanel is how a space stands, for the association's page and for the staff's. When usage cannot be read the page still
// shows all else.
type usagePanel struct {
	control.UsageView
	Cards    []quotaCard
	Counts   []figure // of what has no limit
	Failed   *failure // why there are no figures
	Curves   string   // address of the curves
	More     string   // address of the form to ask for more; empty for nobody who may
	Problems []probeProblem
	PlanName string // that the wish names, as people know it
}

// figure is what a space has of something.
type figure struct {
	Metric string
	Value  int64
}

// counts adds up over the instances what no quota is about.
func counts(u control.UsageView) []figure {
	var list []figure
	for _, metric := range metrics(u) {
		f, known := figure{Metric: metric}, false
		for _, i := range u.Instances {
			for _, now := range i.Now {
				if now.Metric == metric && !now.At.IsZero() {
					f.Value, known = f.Value+now.Value, true
				}
			}
		}
		if known && !slices.ContainsFunc(u.Quotas, func(q control.QuotaView) bool { return q.Metric == metric }) {
			list = append(list, f)
		}
	}
	return list
}

// quotaCard is one limit with all that follows from it.
type quotaCard struct {
	control.QuotaView
	Staff bool // shown to the staff, which may end exceptions
	now   time.Time
}

// probeProblem is a figure that could not be read.
type probeProblem struct {
	hosting.UsageNow
	Kind, App string
}

// Limited says whether there is a limit.
func (q quotaCard) Limited() bool { return q.Limit >= 0 }

// Fill is how much of the bar is filled, in thousandths.
func (q quotaCard) Fill() int { return min(q.Permille(), 1000) }

// Left is what can still be added.
func (q quotaCard) Left() int64 { return max(0, q.Limit-q.Used) }

// HasStopped says whether growth is stopped; WillStop, whether it will be unless usage falls.
func (q quotaCard) HasStopped() bool { return q.Stopped(q.now) }

// WillStop says whether growth will be stopped at StopsAt.
func (q quotaCard) WillStop() bool { return !q.StopsAt.IsZero() && !q.HasStopped() }

// Tight says whether it is time to make room.
func (q quotaCard) Tight() bool { return q.Level.Rank() > 0 }

// Filling says when the limit is reached at the pace of the last month, when that is near enough to mean something.
func (q quotaCard) Filling() bool {
	return q.Full.After(q.now) && q.Full.Before(q.now.AddDate(3, 0, 0))
}

// Ways are the means by which growth is stopped, each once.
func (q quotaCard) Ways() []string {
	ways := slices.Clone(q.Means)
	slices.Sort(ways)
	return slices.Compact(ways)
}

// Advice names the message that says how to make room.
func (q quotaCard) Advice() string {
	switch q.Metric {
	case hosting.MetricStorage, hosting.MetricAccounts:
		return "usage.room." + q.Metric
	}
	return "usage.room.objects"
}

// Stopped are the limits that keep the space from growing.
func (p usagePanel) Stopped() []quotaCard {
	return slices.DeleteFunc(slices.Clone(p.Cards), func(q quotaCard) bool { return !q.HasStopped() })
}

// Tight are the limits that are near or reached.
func (p usagePanel) Tight() []quotaCard {
	return slices.DeleteFunc(slices.Clone(p.Cards), func(q quotaCard) bool { return !q.Tight() })
}

// Bars are the cards with a limit, Free those without.
func (p usagePanel) Bars() []quotaCard {
	return slices.DeleteFunc(slices.Clone(p.Cards), func(q quotaCard) bool { return !q.Limited() })
}

// Free are what is counted and has no limit.
func (p usagePanel) Free() []quotaCard {
	return slices.DeleteFunc(slices.Clone(p.Cards), quotaCard.Limited)
}

// usagePanel makes the panel of what the use case answered. It returns nil when there is nothing to show: the space has no
// usage at all.
func (s *site) usagePanel(c *fiber.Ctx, found control.UsageView, err error, curves string) *usagePanel {
	if hosting.CodeOf(err) == hosting.NotFound {
		return nil
	}
	if err != nil {
		f := s.failure(c, err)
		return &usagePanel{Failed: &f}
	}
	p := &usagePanel{UsageView: found, Curves: curves, Counts: counts(found)}
	staff := s.visitOf(c).Session != nil
	for _, q := range found.Quotas {
		p.Cards = append(p.Cards, quotaCard{QuotaView: q, Staff: staff, now: s.Now()})
	}
	for _, i := range found.Instances {
		for _, now := range i.Now {
			if now.Problem != "" {
				p.Problems = append(p.Problems, probeProblem{UsageNow: now, Kind: i.Kind, App: i.App})
			}
		}
	}
	if found.Ask != nil && found.Ask.Plan != "" {
		p.PlanName = s.planTitle(c, found.Ask.Plan)
	}
	return p
}

// known returns err as one that people can do something about, or nil.
func known(err error) *hosting.Error {
	var e *hosting.Error
	if !errors.As(err, &e) || e.Code == hosting.Internal || e.Code == hosting.NotFound {
		return nil
	}
	return e
}
