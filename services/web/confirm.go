package web

import (
	"net/http"

	"github.com/gofiber/fiber/v2"

	"framagit.org/frama/frama/services/hosting"
)

// confirmAsk shows a button. Opening the link does nothing by itself: mail scanners open every link they see.
func (s *site) confirmAsk(c *fiber.Ctx) error {
	request, err := s.Control.ConfirmPreview(c.UserContext(), c.Params("token"))
	if err != nil {
		return err
	}
	return s.confirmPage(c, http.StatusOK, request, "")
}

// confirmDo confirms and leads to the tracking page. A second time does no harm and leads there too.
func (s *site) confirmDo(c *fiber.Ctx, in input) error {
	token := c.Params("token")
	if in.Forged {
		request, err := s.Control.ConfirmPreview(c.UserContext(), token)
		if err != nil {
			return err
		}
		return s.confirmPage(c, http.StatusForbidden, request, s.t(c, "error.forged_form"))
	}
	track, err := s.Control.Confirm(c.UserContext(), s.actor(c), token)
	if err != nil {
		return err
	}
	return c.Redirect("/track/"+track, http.StatusSeeOther)
}

func (s *site) confirmPage(c *fiber.Ctx, status int, request hosting.Request, alert string) error {
	return s.render(c, status, "confirm", page{
		Title: s.t(c, "confirm.title"), NoIndex: true, Token: s.formToken(c),
		Data: fiber.Map{"Request": request, "Alert": alert, "Done": request.State != hosting.RequestUnconfirmed},
	})
}
