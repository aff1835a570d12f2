package web

import (
	"github.com/gofiber/fiber/v2"

	"framagit.org/frama/frama/services/control"
)

// trackUsage shows an association how its use went, to the holder of its private link.
func (s *site) trackUsage(c *fiber.Ctx) error {
	c.Set("Referrer-Policy", "no-referrer")
	found, err := s.Control.TrackUsage(c.UserContext(), c.Params("token"))
	back := "/track/" + c.Params("token")
	return s.historyPage(c, page{Title: s.t(c, "usage.curves_title"), NoIndex: true}, back+"/usage", back, found, err, s.trackHistory(c))
}

// trackUsageFile is the same as a table for spreadsheets.
func (s *site) trackUsageFile(c *fiber.Ctx) error {
	c.Set("Referrer-Policy", "no-referrer")
	return s.historyFile(c, s.trackHistory(c))
}

func (s *site) trackHistory(c *fiber.Ctx) history {
	return func(metric, span string) (control.History, error) {
		return s.Control.TrackHistory(c.UserContext(), c.Params("token"), metric, span)
	}
}
