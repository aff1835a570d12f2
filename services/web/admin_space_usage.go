package web

import (
	"github.com/gofiber/fiber/v2"

	"framagit.org/frama/frama/services/control"
)

// adminSpaceUsage shows the staff how the use of a space went.
func (s *site) adminSpaceUsage(c *fiber.Ctx) error {
	found, err := s.Control.SpaceUsage(c.UserContext(), s.actor(c), c.Params("id"))
	back := "/admin/spaces/" + c.Params("id")
	return s.historyPage(c, page{Title: s.t(c, "usage.curves_title"), Section: "spaces"}, back+"/usage", back, found, err, s.spaceHistory(c))
}

// adminSpaceUsageFile is the same as a table for spreadsheets.
func (s *site) adminSpaceUsageFile(c *fiber.Ctx) error {
	return s.historyFile(c, s.spaceHistory(c))
}

func (s *site) spaceHistory(c *fiber.Ctx) history {
	return func(metric, span string) (control.History, error) {
		return s.Control.UsageHistory(c.UserContext(), s.actor(c), c.Params("id"), metric, span)
	}
}
