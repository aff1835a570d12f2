package web

import (
	"net/http"
	"net/url"

	"github.com/gofiber/fiber/v2"

	"framagit.org/frama/frama/services/control"
	"framagit.org/frama/frama/services/hosting"
)

// asksPage is the wishes for more.
type asksPage struct {
	Asks   []askCard
	State  hosting.AskState
	States []tab
	Alert  string
}

// Sub are the neighbouring pages.
func (asksPage) Sub() []tab { return limitTabs("asks") }

// askCard is a wish with what it compares to, and the answer as it is typed.
type askCard struct {
	control.AskView
	Has, Wants control.PlanView // for a wish for another plan
	Typed      string           // answer
	Wrong      string
	Open       bool // the form stands open
}

// Grows is by how much the limit would be raised, in thousandths of what it is; 0 where that says nothing.
func (a askCard) Grows() int {
	if a.Quota.Limit <= 0 || a.Wanted <= 0 {
		return 0
	}
	return int(min(float64(a.Wanted)/float64(a.Quota.Limit), 100) * 1000)
}

// adminAsks lists the wishes. Without a choice it shows those that wait for an answer.
func (s *site) adminAsks(c *fiber.Ctx) error {
	return s.asksPage(c, http.StatusOK, askCard{}, "")
}

// adminAskAnswer grants or declines one.
func (s *site) adminAskAnswer(c *fiber.Ctx, in input) error {
	id, grant := c.Params("id"), in.Get("decision") == "grant"
	typed := askCard{Typed: in.Get("answer"), Open: true}
	typed.ID = id
	if in.Forged {
		return s.asksPage(c, http.StatusForbidden, typed, s.t(c, "error.forged_form"))
	}
	if !grant && in.Get("decision") != "decline" {
		return fiber.ErrBadRequest
	}
	if err := s.Control.AnswerAsk(c.UserContext(), s.actor(c), id, grant, typed.Typed); err != nil {
		if known(err) == nil {
			return err
		}
		f := s.failure(c, err)
		typed.Wrong = s.fieldErrors(c, err)["answer"]
		return s.asksPage(c, f.Status, typed, f.Message)
	}
	s.notify(c, map[bool]string{true: "notice.ask_granted", false: "notice.ask_declined"}[grant])
	return c.Redirect("/admin/asks", http.StatusSeeOther)
}

func (s *site) asksPage(c *fiber.Ctx, status int, typed askCard, alert string) error {
	view := asksPage{State: hosting.AskState(c.Query("state", string(hosting.AskOpen))), Alert: alert}
	states := []hosting.AskState{hosting.AskOpen, hosting.AskGranted, hosting.AskDeclined}
	current := hosting.AskOpen
	for _, state := range append(states, "all") {
		if view.State == state {
			current = state
		}
	}
	view.State = current
	asked := current
	if asked == "all" {
		asked = ""
	}
	found, err := s.Control.Asks(c.UserContext(), s.actor(c), asked)
	if err != nil {
		return err
	}
	for _, state := range append(states, "all") {
		count := -1
		if state == current {
			count = len(found)
		}
		view.States = append(view.States, newTab("/admin/asks", "tab_ask.", url.Values{}, string(state), count, state == current))
	}
	plans := s.Control.PlanViews()
	for _, a := range found {
		card := askCard{AskView: a}
		if a.ID == typed.ID {
			card.Typed, card.Wrong, card.Open = typed.Typed, typed.Wrong, typed.Open
		}
		if a.Plan != "" {
			card.Has, card.Wants = planOf(plans, a.Space.Plan), planOf(plans, a.Plan)
		}
		view.Asks = append(view.Asks, card)
	}
	return s.render(c, status, "admin_asks", page{Title: s.t(c, "asks.title"), Section: "usage", Data: view})
}
