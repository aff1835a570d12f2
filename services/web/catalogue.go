package web

import (
	"net/http"

	"github.com/gofiber/fiber/v2"

	"framagit.org/frama/frama/services/control"
)

// cataloguePage is what the host offers, for everybody.
type cataloguePage struct {
	Services []service
	Plans    []control.PlanView
}

// catalogue says of each service what it is, under which licence, how it is copied and how large it is.
func (s *site) catalogue(c *fiber.Ctx) error {
	return s.render(c, http.StatusOK, "catalogue", page{
		Title: s.t(c, "catalogue.title"),
		Data:  cataloguePage{Services: newServices(s.Control.KindViews(), nil, control.PlanView{}), Plans: s.Control.PlanViews()},
	})
}
