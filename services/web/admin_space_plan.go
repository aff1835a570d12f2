package web

import (
	"net/http"
	"slices"

	"github.com/gofiber/fiber/v2"

	"framagit.org/frama/frama/services/control"
	"framagit.org/frama/frama/services/hosting"
)

// movePage is what another plan would mean for a space.
type movePage struct {
	Space  hosting.Space
	From   string // the plan it has, as people know it
	Plans  []control.PlanView
	Chosen string            // ID of the plan to compare with; empty before one is chosen
	Title  string            // of that plan
	Move   *control.PlanMove // nil before one is chosen
	Alert  string
}

// adminPlanMove shows what another plan would mean, before anything is changed.
func (s *site) adminPlanMove(c *fiber.Ctx) error {
	return s.movePage(c, http.StatusOK, c.Query("plan"), "")
}

// adminPlanMoveDo gives the space the plan.
func (s *site) adminPlanMoveDo(c *fiber.Ctx, in input) error {
	plan := in.Get("plan")
	if in.Forged {
		return s.movePage(c, http.StatusForbidden, plan, s.t(c, "error.forged_form"))
	}
	if _, err := s.Control.ChangePlan(c.UserContext(), s.actor(c), c.Params("id"), plan); err != nil {
		if known(err) == nil {
			return err
		}
		f := s.failure(c, err)
		return s.movePage(c, f.Status, plan, f.Message)
	}
	s.notify(c, "notice.plan_changed")
	return c.Redirect(spaceAddress(c), http.StatusSeeOther)
}

func (s *site) movePage(c *fiber.Ctx, status int, plan, alert string) error {
	found, err := s.Control.Space(c.UserContext(), s.actor(c), c.Params("id"))
	if err != nil {
		return err
	}
	view := movePage{Space: found.Space, From: s.planTitle(c, found.Space.Plan), Alert: alert}
	for _, p := range s.Control.PlanViews() {
		if p.ID != found.Space.Plan {
			view.Plans = append(view.Plans, p)
		}
	}
	if slices.ContainsFunc(view.Plans, func(p control.PlanView) bool { return p.ID == plan }) {
		view.Chosen, view.Title = plan, s.planTitle(c, plan)
		switch move, err := s.Control.PreviewPlan(c.UserContext(), s.actor(c), c.Params("id"), plan); {
		case err == nil:
			view.Move = &move
		case known(err) == nil:
			return err
		case view.Alert == "":
			f := s.failure(c, err)
			view.Alert, status = f.Message, f.Status
		}
	}
	return s.render(c, status, "admin_space_plan", page{Title: s.t(c, "move.title"), Section: "spaces", Data: view})
}
