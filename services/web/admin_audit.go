package web

import (
	"net/http"
	"net/url"

	"github.com/gofiber/fiber/v2"

	"framagit.org/frama/frama/services/control"
)

// auditPage is a page of the audit log.
type auditPage struct {
	control.AuditPage
	Text  string
	Pages pages
}

// adminAudit shows who did what, the newest first.
func (s *site) adminAudit(c *fiber.Ctx) error {
	text := clipped(c.Query("q"))
	found, err := s.Control.Audit(c.UserContext(), s.actor(c), text, pageNumber(c))
	if err != nil {
		return err
	}
	view := auditPage{AuditPage: found, Text: text, Pages: newPages(found.Page, "/admin/audit", url.Values{"q": {text}})}
	return s.render(c, http.StatusOK, "admin_audit", page{Title: s.t(c, "audit.title"), Section: "audit", Data: view})
}
