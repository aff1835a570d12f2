package web

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"framagit.org/frama/frama/services/control"
	"framagit.org/frama/frama/services/hosting"
)

// exceptionForm is a limit of one space as it is typed.
type exceptionForm struct {
	Open    bool
	Metric  string
	Limit   string // GiB for storage
	Free    bool   // no limit at all
	Reason  string
	Expires string // 2026-12-31, or empty for never
	Errors  map[string]string
	Metrics []string
}

// adminException gives a space a limit of its own.
func (s *site) adminException(c *fiber.Ctx, in input) error {
	form := exceptionForm{
		Open: true, Metric: in.Get("metric"), Limit: in.Get("limit"), Free: in.Get("free") != "", Reason: in.Get("reason"), Expires: in.Get("expires"),
	}
	if in.Forged {
		return s.spacePage(c, http.StatusForbidden, spacePage{Exception: form, Alert: s.t(c, "error.forged_form")})
	}
	e, err := newException(form)
	if err == nil {
		_, err = s.Control.SetException(c.UserContext(), s.actor(c), c.Params("id"), e)
	}
	if err != nil {
		return s.spaceFailed(c, err, func(p *spacePage, errors map[string]string) { p.Exception, p.Exception.Errors = form, errors })
	}
	s.notify(c, "notice.exception")
	return c.Redirect(spaceAddress(c)+"#usage", http.StatusSeeOther)
}

// newException reads the form.
func newException(f exceptionForm) (control.NewException, error) {
	e := control.NewException{Metric: f.Metric, Limit: hosting.Unlimited, Reason: f.Reason}
	wrong := &hosting.Error{Code: hosting.Invalid, Key: "error.form"}
	if !f.Free {
		n, ok := typedAmount(f.Metric, f.Limit)
		if !ok {
			wrong.Fields = append(wrong.Fields, hosting.FieldError{Field: "limit", Key: "error.amount"})
		}
		e.Limit = n
	}
	if text := strings.TrimSpace(f.Expires); text != "" {
		day, err := time.ParseInLocation(time.DateOnly, text, time.Local)
		if err != nil {
			wrong.Fields = append(wrong.Fields, hosting.FieldError{Field: "expires", Key: "error.day"})
		}
		e.ExpiresAt = day.AddDate(0, 0, 1).Add(-time.Second) // the whole of that day
	}
	if len(wrong.Fields) > 0 {
		return e, together(wrong, hosting.ValidateNote("reason", f.Reason))
	}
	return e, nil
}

// adminExceptionEnd brings a space back to its plan.
func (s *site) adminExceptionEnd(c *fiber.Ctx, in input) error {
	if in.Forged {
		return hosting.Errorf(hosting.Forbidden, "error.forged")
	}
	if err := s.Control.EndException(c.UserContext(), s.actor(c), c.Params("id"), in.Get("metric")); err != nil {
		return s.spaceFailed(c, err, func(*spacePage, map[string]string) {})
	}
	s.notify(c, "notice.exception_ended")
	return c.Redirect(spaceAddress(c)+"#usage", http.StatusSeeOther)
}

func spaceAddress(c *fiber.Ctx) string { return "/admin/spaces/" + url.PathEscape(c.Params("id")) }
