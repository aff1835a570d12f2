package web

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"

	"github.com/gofiber/fiber/v2"

	"framagit.org/frama/frama/services/control"
	"framagit.org/frama/frama/services/hosting"
)

// plansPage is the plans in force, and what the files say differently.
type plansPage struct {
	Plans   []planCard
	Changes []changeCard
	Alert   string
}

// Sub are the neighbouring pages.
func (plansPage) Sub() []tab { return limitTabs("plans") }

// planCard is a version of a plan with its limits in one order.
type planCard struct {
	hosting.PlanVersion
	Name   string // as people know it
	Metric []string
}

// changeCard is a change with both sides, line by line.
type changeCard struct {
	control.PlanChange
	Name       string
	Lines      []changeLine
	Thresholds bool // they differ
	Retention  bool // it differs
}

// CurrentVersion is the version in force, 0 for none.
func (c changeCard) CurrentVersion() int {
	if c.Current == nil {
		return 0
	}
	return c.Current.Version
}

// changeLine is a limit before and after.
type changeLine struct {
	Metric     string
	Old, New   int64 // hosting.Unlimited for none
	Same, Less bool
}

// metricsOf lists what limits are about: storage and accounts first, then by name.
func metricsOf(limits ...hosting.Limits) []string {
	var list []string
	for _, l := range limits {
		for metric := range l {
			if !slices.Contains(list, metric) {
				list = append(list, metric)
			}
		}
	}
	place := func(metric string) int {
		switch metric {
		case hosting.MetricStorage:
			return 0
		case hosting.MetricAccounts:
			return 1
		}
		return 2
	}
	slices.SortFunc(list, func(a, b string) int { return cmp.Or(cmp.Compare(place(a), place(b)), cmp.Compare(a, b)) })
	return list
}

func limitOf(l hosting.Limits, metric string) int64 {
	if n, ok := l[metric]; ok {
		return n
	}
	return hosting.Unlimited
}

func newChange(change control.PlanChange) changeCard {
	card := changeCard{PlanChange: change}
	old := hosting.PlanVersion{}
	if change.Current != nil {
		old = *change.Current
		card.Thresholds = !slices.Equal(old.Thresholds, change.New.Thresholds)
		card.Retention = !slices.Equal(old.Retention, change.New.Retention)
	}
	for _, metric := range metricsOf(old.Limits, change.New.Limits) {
		before, after := limitOf(old.Limits, metric), limitOf(change.New.Limits, metric)
		less := after >= 0 && (before < 0 || after < before)
		card.Lines = append(card.Lines, changeLine{Metric: metric, Old: before, New: after, Same: before == after, Less: less && before != after})
	}
	return card
}

// adminPlans shows the plans.
func (s *site) adminPlans(c *fiber.Ctx) error { return s.plansPage(c, http.StatusOK, "") }

// adminPlanApply puts the files' version of a plan in force: the one that was looked at, no other.
func (s *site) adminPlanApply(c *fiber.Ctx, in input) error {
	if in.Forged {
		return s.plansPage(c, http.StatusForbidden, s.t(c, "error.forged_form"))
	}
	version, err := strconv.Atoi(in.Get("version"))
	if err != nil {
		return fiber.ErrBadRequest
	}
	if err := s.Control.ApplyPlan(c.UserContext(), s.actor(c), c.Params("plan"), version); err != nil {
		if known(err) == nil {
			return err
		}
		f := s.failure(c, err)
		return s.plansPage(c, f.Status, f.Message)
	}
	s.notify(c, "notice.plan_applied")
	return c.Redirect("/admin/plans", http.StatusSeeOther)
}

func (s *site) plansPage(c *fiber.Ctx, status int, alert string) error {
	view := plansPage{Alert: alert}
	plans, err := s.Control.Plans(c.UserContext(), s.actor(c))
	if err != nil {
		return err
	}
	for _, p := range plans {
		view.Plans = append(view.Plans, planCard{PlanVersion: p, Name: s.planTitle(c, p.Plan), Metric: metricsOf(p.Limits)})
	}
	changes, err := s.Control.PlanChanges(c.UserContext(), s.actor(c))
	if err != nil {
		return err
	}
	for _, change := range changes {
		card := newChange(change)
		card.Name = cmp.Or(picked(change.Title, s.visitOf(c).Lang), change.Plan)
		view.Changes = append(view.Changes, card)
	}
	return s.render(c, status, "admin_plans", page{Title: s.t(c, "plans.title"), Section: "usage", Data: view})
}
