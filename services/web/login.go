package web

import (
	"errors"
	"net/http"
	"time"

	"github.com/gofiber/fiber/v2"

	"framagit.org/frama/frama/services/hosting"
)

// loginForm is the sign-in page.
type loginForm struct {
	Email string
	Next  string // page of the dashboard to go to afterwards
	Alert string
	Kept  string // a reason that was typed when the session ended, to copy
}

// login shows the sign-in page, or the dashboard to who is signed in.
func (s *site) login(c *fiber.Ctx) error {
	next := localPath(c.Query("next"))
	if _, err := s.session(c); err == nil {
		return c.Redirect(next, http.StatusSeeOther)
	}
	return s.loginPage(c, http.StatusOK, loginForm{Next: next})
}

// loginSend signs in. Use case and address limit how often one may try: the first guards an account against many
// addresses, the second the machine against one address (a password hash takes real time on purpose).
func (s *site) loginSend(c *fiber.Ctx, in input) error {
	form := loginForm{Email: in.Get("email"), Next: localPath(in.Get("next")), Kept: in.Get("kept")}
	if in.Forged {
		form.Alert = s.t(c, "error.forged_form")
		return s.loginPage(c, http.StatusForbidden, form)
	}
	if wait, ok := s.logins.take(s.visitOf(c).IP); !ok {
		retryAfter(c, wait)
		form.Alert = s.t(c, "error.too_many_forms")
		return s.loginPage(c, http.StatusTooManyRequests, form)
	}
	session, err := s.Control.SignIn(c.UserContext(), s.actor(c), in.Get("email"), in.Get("password"))
	if err != nil {
		if hosting.CodeOf(err) == hosting.Internal {
			return err
		}
		f := s.failure(c, err)
		form.Alert = f.Message
		if f.Status == http.StatusTooManyRequests {
			retryAfter(c, waitOf(err))
		}
		return s.loginPage(c, f.Status, form)
	}
	s.setCookie(c, s.cookieName(sessionCookie), session.Token, session.ExpiresAt)
	return c.Redirect(form.Next, http.StatusSeeOther)
}

// waitOf reads from a TooMany error how long to wait: its first argument is in minutes.
func waitOf(err error) time.Duration {
	var known *hosting.Error
	if errors.As(err, &known) && len(known.Args) > 0 {
		if minutes, ok := known.Args[0].(int); ok {
			return time.Duration(minutes) * time.Minute
		}
	}
	return time.Minute
}

// logout ends the session.
func (s *site) logout(c *fiber.Ctx, in input) error {
	if in.Forged {
		return hosting.Errorf(hosting.Forbidden, "error.forged")
	}
	if err := s.Control.SignOut(c.UserContext(), s.actor(c), c.Cookies(s.cookieName(sessionCookie))); err != nil {
		return err
	}
	s.dropCookie(c, s.cookieName(sessionCookie))
	s.notify(c, "notice.signed_out")
	return c.Redirect("/admin/login", http.StatusSeeOther)
}

func (s *site) loginPage(c *fiber.Ctx, status int, f loginForm) error {
	setPrivate(c)
	return s.render(c, status, "login", page{Title: s.t(c, "login.title"), NoIndex: true, Token: s.formToken(c), Data: f})
}
