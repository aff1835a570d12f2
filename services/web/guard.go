package web

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/url"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"framagit.org/frama/frama/services/hosting"
)

// tokenField is the hidden field that proves a form comes from one of our pages.
const tokenField = "token"

// input is a form as it was sent. Forged is true when it does not prove to come from our own page: the handler must
// do nothing with it but show it again.
type input struct {
	url.Values
	Forged bool
}

// inputHandler receives a form.
type inputHandler func(c *fiber.Ctx, in input) error

// public wraps what receives a form from anybody. Its token is an HMAC of a random cookie: another site can neither
// read nor set that cookie.
func (s *site) public(next inputHandler) fiber.Handler {
	return func(c *fiber.Ctx) error {
		in, err := decode(c)
		if err != nil {
			return err
		}
		cookie := c.Cookies(s.cookieName(formCookie))
		in.Forged = !s.sameOrigin(c) || cookie == "" || !equal(in.Get(tokenField), s.sign("form", cookie))
		return next(c, in)
	}
}

// staff wraps what receives a form of the dashboard. Its token belongs to the session.
func (s *site) staff(next inputHandler) fiber.Handler {
	return func(c *fiber.Ctx) error {
		in, err := decode(c)
		if err != nil {
			return err
		}
		session, err := s.session(c)
		if hosting.CodeOf(err) == hosting.Unsigned {
			return s.signInAgain(c, in)
		}
		if err != nil {
			return err
		}
		s.visitOf(c).Session = &session
		in.Forged = !s.sameOrigin(c) || !equal(in.Get(tokenField), session.CSRF)
		return next(c, in)
	}
}

// decode reads a form's fields into memory of their own.
func decode(c *fiber.Ctx) (input, error) {
	kind, _, _ := strings.Cut(c.Get("Content-Type"), ";")
	if !strings.EqualFold(strings.TrimSpace(kind), "application/x-www-form-urlencoded") {
		return input{}, fiber.ErrUnsupportedMediaType
	}
	values, err := url.ParseQuery(string(c.Body()))
	if err != nil {
		return input{}, fiber.ErrBadRequest
	}
	return input{Values: values}, nil
}

// sameOrigin says whether a form was sent by a page of this site. Browsers tell in Sec-Fetch-Site, older ones in
// Origin; what sends neither is no browser that could be tricked, and has the token to show. A space under the same
// domain (same-site) is not us: anybody may run scripts there.
func (s *site) sameOrigin(c *fiber.Ctx) bool {
	if site := c.Get("Sec-Fetch-Site"); site != "" {
		return site == "same-origin" || site == "none"
	}
	origin := strings.ToLower(c.Get("Origin"))
	if origin == "" || origin == s.origin {
		return true
	}
	from, err := url.Parse(origin)
	return err == nil && from.Host != "" && from.Host == strings.ToLower(c.Get("Host"))
}

// formToken is the token of the public forms on the page that is being written. It sets the cookie where there is none.
func (s *site) formToken(c *fiber.Ctx) string {
	v := s.visitOf(c)
	if v.cookie == "" {
		v.cookie = c.Cookies(s.cookieName(formCookie))
	}
	if len(v.cookie) != 22 {
		v.cookie = random(16)
		s.setCookie(c, s.cookieName(formCookie), v.cookie, s.Now().Add(7*24*time.Hour))
	}
	return s.sign("form", v.cookie)
}

// sign returns a keyed hash of value; purpose keeps one kind of token from passing for another.
func (s *site) sign(purpose, value string) string {
	mac := hmac.New(sha256.New, s.SigningKey)
	mac.Write([]byte(purpose + "\x00" + value))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
