package web

import (
	"net/http"
	"time"

	"github.com/gofiber/fiber/v2"

	"framagit.org/frama/frama/services/control"
	"framagit.org/frama/frama/services/hosting"
)

// maxRetentionShown is how many objects the private page names.
const maxRetentionShown = 50

// retentionPanel is the content that is to be removed because nobody changed it for long.
type retentionPanel struct {
	Objects []control.RetentionObject // the first to be removed first
	Others  int                       // that are not shown
	From    time.Time                 // when the first of them is removed
	Keep    string                    // address of the button that keeps all
}

// retentionPanel returns nil while nothing is to be removed. When it cannot be read the page still shows all else.
func (s *site) retentionPanel(c *fiber.Ctx, token string) *retentionPanel {
	found, err := s.Control.TrackRetention(c.UserContext(), token)
	if err != nil {
		s.failure(c, err) // is in the log then
		return nil
	}
	if found.Open == 0 {
		return nil
	}
	p := &retentionPanel{Objects: found.Objects[:min(found.Open, len(found.Objects))], Keep: "/track/" + token + "/keep"}
	p.From = p.Objects[0].RemoveAt
	p.Objects = p.Objects[:min(len(p.Objects), maxRetentionShown)]
	p.Others = found.Open - len(p.Objects)
	return p
}

// trackKeep keeps all that was announced.
func (s *site) trackKeep(c *fiber.Ctx, in input) error {
	c.Set("Referrer-Policy", "no-referrer")
	if in.Forged {
		return hosting.Errorf(hosting.Forbidden, "error.forged_form")
	}
	if _, err := s.Control.KeepAll(c.UserContext(), s.actor(c), c.Params("token")); err != nil {
		return err
	}
	s.notify(c, "notice.kept")
	return c.Redirect("/track/"+c.Params("token"), http.StatusSeeOther)
}
