package web

import "github.com/gofiber/fiber/v2"

// home says what the host offers and leads to the form.
func (s *site) home(c *fiber.Ctx) error {
	return s.render(c, fiber.StatusOK, "home", page{
		Title: s.t(c, "home.title"),
		Data: fiber.Map{
			"Kinds": s.Control.KindViews(),
			"Plans": s.Control.PlanViews(),
		},
	})
}
