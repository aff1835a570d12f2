package web

import (
	"cmp"
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/gofiber/fiber/v2"

	"framagit.org/frama/frama/services/control"
	"framagit.org/frama/frama/services/hosting"
)

// session is the session of whoever is signed in, or an error of code Unsigned.
func (s *site) session(c *fiber.Ctx) (control.Session, error) {
	token := c.Cookies(s.cookieName(sessionCookie))
	if token == "" {
		return control.Session{}, hosting.Errorf(hosting.Unsigned, "error.unsigned")
	}
	return s.Control.Session(c.UserContext(), token)
}

// signedIn lets the staff in and sends everybody else to sign in, and then back to the page they wanted.
func (s *site) signedIn(next fiber.Handler) fiber.Handler {
	return func(c *fiber.Ctx) error {
		session, err := s.session(c)
		if hosting.CodeOf(err) == hosting.Unsigned {
			return c.Redirect("/admin/login?next="+url.QueryEscape(c.OriginalURL()), http.StatusSeeOther)
		}
		if err != nil {
			return err
		}
		s.visitOf(c).Session = &session
		return next(c)
	}
}

// signInAgain answers a form of the dashboard that was sent after the session ended: sign in, and here is what you
// wrote.
func (s *site) signInAgain(c *fiber.Ctx, in input) error {
	return s.loginPage(c, http.StatusUnauthorized, loginForm{
		Next: formPage(c.Path()), Kept: cmp.Or(in.Get("reason"), in.Get("answer")), Alert: s.t(c, "error.session_over"),
	})
}

// formPage is the page whose form is sent to the path: that of a request or a space, or the list of wishes or plans.
func formPage(path string) string {
	part := strings.SplitN(path, "/", 5) // "", admin, requests, ID, …
	switch {
	case len(part) >= 5 && part[3] != "" && (part[2] == "requests" || part[2] == "spaces"):
		return strings.Join(part[:4], "/")
	case len(part) >= 4 && (part[2] == "asks" || part[2] == "plans"):
		return strings.Join(part[:3], "/")
	}
	return "/admin"
}

// localPath returns next when it is a page of the dashboard, and the dashboard's first page otherwise: a link to the
// sign-in page must not lead to another site.
func localPath(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.IsAbs() || u.Host != "" || u.Opaque != "" || strings.ContainsAny(next, "\\\r\n\t") ||
		u.Path != path.Clean(u.Path) || (u.Path != "/admin" && !strings.HasPrefix(u.Path, "/admin/")) {
		return "/admin"
	}
	return u.RequestURI()
}
