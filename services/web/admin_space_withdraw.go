package web

import (
	"net/http"

	"github.com/gofiber/fiber/v2"
)

// withdrawForm is the reason why a space is taken back, as it is typed.
type withdrawForm struct {
	Open   bool
	Reason string
	Wrong  string
}

// adminWithdraw takes back a space that was approved and never worked on.
func (s *site) adminWithdraw(c *fiber.Ctx, in input) error {
	form := withdrawForm{Open: true, Reason: in.Get("reason")}
	if in.Forged {
		return s.spacePage(c, http.StatusForbidden, spacePage{Withdraw: form, Alert: s.t(c, "error.forged_form")})
	}
	if err := s.Control.Withdraw(c.UserContext(), s.actor(c), c.Params("id"), form.Reason); err != nil {
		return s.spaceFailed(c, err, func(p *spacePage, errors map[string]string) {
			p.Withdraw = form
			p.Withdraw.Wrong = errors["reason"]
		})
	}
	s.notify(c, "notice.withdrawn")
	return c.Redirect(spaceAddress(c), http.StatusSeeOther)
}
