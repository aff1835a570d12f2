package web

import (
	"errors"
	"net/http"
	"strings"

	"github.com/gofiber/fiber/v2"

	"framagit.org/frama/frama/services/hosting"
)

// requestForm shows the empty form.
func (s *site) requestForm(c *fiber.Ctx) error {
	typed := hosting.Submission{Contact: hosting.Contact{Lang: s.visitOf(c).Lang}}
	if offer := s.Control.Offer(); len(offer.Plans) > 0 {
		typed.Plan = offer.Plans[0]
	}
	return s.requestPage(c, http.StatusOK, requestForm{Typed: typed})
}

// requestSend receives the form. Buttons other than "send" show it again: to look the name up, or in the other
// language. Whatever goes wrong, the answer is the form with all that was typed.
func (s *site) requestSend(c *fiber.Ctx, in input) error {
	typed := submission(in)
	action := in.Get("action")
	if lang, ok := strings.CutPrefix(action, "lang-"); ok && (lang == "fr" || lang == "en") {
		s.chooseLanguage(c, lang)
		return s.requestPage(c, http.StatusOK, requestForm{Typed: typed})
	}
	if in.Forged {
		return s.requestPage(c, http.StatusForbidden, requestForm{Typed: typed, Alert: s.t(c, "error.forged_form")})
	}
	if action == "check" {
		return s.requestCheck(c, typed)
	}
	if wait, ok := s.forms.take(s.visitOf(c).IP); !ok {
		retryAfter(c, wait)
		return s.requestPage(c, http.StatusTooManyRequests, requestForm{Typed: typed, Alert: s.t(c, "error.too_many_forms")})
	}
	if twice := repeated(in); len(twice) > 0 {
		return s.requestWrong(c, typed, s.withRepeated(typed, twice))
	}
	if _, err := s.Control.Submit(c.UserContext(), s.actor(c), typed); err != nil {
		return s.requestWrong(c, typed, err)
	}
	s.remember(c, sentCookie, strings.TrimSpace(typed.Contact.Email))
	return c.Redirect("/request/sent", http.StatusSeeOther)
}

// requestCheck answers the button beside the name.
func (s *site) requestCheck(c *fiber.Ctx, typed hosting.Submission) error {
	if wait, ok := s.checks.take(s.visitOf(c).IP); !ok {
		retryAfter(c, wait)
		return s.requestPage(c, http.StatusTooManyRequests, requestForm{Typed: typed, Alert: s.t(c, "error.too_many_forms")})
	}
	answer, err := s.nameAnswer(c, typed.Association.Name, typed.Slug)
	if err != nil {
		return s.requestWrong(c, typed, err)
	}
	if typed.Slug == "" {
		typed.Slug = answer.Proposal
	}
	return s.requestPage(c, http.StatusOK, requestForm{Typed: typed, Name: &answer})
}

// withRepeated adds what the domain finds wrong, so that people see all errors at once.
func (s *site) withRepeated(typed hosting.Submission, twice []hosting.FieldError) error {
	all := &hosting.Error{Code: hosting.Invalid, Key: "error.form", Fields: twice}
	var wrong *hosting.Error
	if errors.As(typed.Normal().Validate(s.Control.Offer()), &wrong) {
		for _, f := range wrong.Fields {
			if _, known := all.Field(f.Field); !known {
				all.Fields = append(all.Fields, f)
			}
		}
	}
	return all
}

// requestWrong shows the form again with what err says, beside the fields where it can.
func (s *site) requestWrong(c *fiber.Ctx, typed hosting.Submission, err error) error {
	f := s.failure(c, err)
	form := requestForm{Typed: typed, Alert: f.Message, Ref: f.Ref, Errors: s.fieldErrors(c, err)}
	if f.Status == http.StatusTooManyRequests {
		retryAfter(c, 0)
	}
	return s.requestPage(c, f.Status, form)
}

// fieldErrors are the errors of err in the visitor's language, by field.
func (s *site) fieldErrors(c *fiber.Ctx, err error) map[string]string {
	texts := map[string]string{}
	var wrong *hosting.Error
	if errors.As(err, &wrong) {
		for _, f := range wrong.Fields {
			texts[f.Field] = s.t(c, f.Key, f.Args...)
		}
	}
	return texts
}

func (s *site) requestPage(c *fiber.Ctx, status int, f requestForm) error {
	f.Offer, f.Plans = s.Control.Offer(), s.Control.PlanViews()
	plan := planOf(f.Plans, f.Typed.Plan)
	f.Services = newServices(s.Control.KindViews(), f.Typed.Kinds, plan)
	f.Room = newRoom(f.Services, plan)
	title := s.t(c, "request.title")
	if f.Alert != "" {
		title = s.t(c, "request.title_error", title)
	}
	return s.render(c, status, "request", page{
		Title: title, FormID: "request-form", Scripts: []string{"request.js", "choose.js"}, Token: s.formToken(c), Data: f,
	})
}

// requestSent says to look at the mail. The address is shown so that a typing error is seen.
func (s *site) requestSent(c *fiber.Ctx) error {
	c.Set("Cache-Control", "no-store")
	return s.render(c, http.StatusOK, "sent", page{
		Title: s.t(c, "sent.title"), NoIndex: true, Data: fiber.Map{"Email": s.recall(c, sentCookie)},
	})
}
