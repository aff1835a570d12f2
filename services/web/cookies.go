package web

import (
	"encoding/base64"
	"math"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
)

// Cookies. All but the language are bound to this very host (prefix __Host-) where the site is on https, so that a
// space under the same domain cannot plant one.
const (
	langCookie    = "frama_lang"    // the language somebody chose
	formCookie    = "frama_form"    // random; the tokens of public forms derive from it
	sentCookie    = "frama_sent"    // the address a confirmation was just sent to, signed
	noticeCookie  = "frama_notice"  // what the next page says has been done
	sessionCookie = "frama_session" // a signed-in member of the staff
)

func (s *site) cookieName(name string) string {
	if s.Secure {
		return "__Host-" + name
	}
	return name
}

func (s *site) setCookie(c *fiber.Ctx, name, value string, until time.Time) {
	cookie := fiber.Cookie{Name: name, Value: value, Path: "/", HTTPOnly: true, Secure: s.Secure, SameSite: fiber.CookieSameSiteLaxMode}
	if left := until.Sub(s.Now()); left > 0 {
		cookie.MaxAge = int(math.Ceil(left.Seconds())) // a date would be read by the visitor's clock, which may be wrong
	} else {
		cookie.Expires = time.Unix(0, 0)
	}
	c.Cookie(&cookie)
}

// dropCookie makes the browser forget a cookie, if it has it.
func (s *site) dropCookie(c *fiber.Ctx, name string) {
	if c.Cookies(name) != "" {
		s.setCookie(c, name, "", time.Time{})
	}
}

// notify has the next page say that something is done. key names a message.
func (s *site) notify(c *fiber.Ctx, key string) {
	s.setCookie(c, s.cookieName(noticeCookie), key, s.Now().Add(time.Minute))
}

// notice returns what notify left, once. Cookies are the visitor's to write: only our own notices are shown.
func (s *site) notice(c *fiber.Ctx) string {
	name := s.cookieName(noticeCookie)
	key := c.Cookies(name)
	s.dropCookie(c, name)
	if !strings.HasPrefix(key, "notice.") || !s.Locale.Has(key) {
		return ""
	}
	return s.Locale.T(s.visitOf(c).Lang, key)
}

// remember keeps a text for a few minutes in a signed cookie; recall reads it.
func (s *site) remember(c *fiber.Ctx, name, text string) {
	s.setCookie(c, s.cookieName(name), base64.RawURLEncoding.EncodeToString([]byte(text))+"."+s.sign(name, text),
		s.Now().Add(10*time.Minute))
}

func (s *site) recall(c *fiber.Ctx, name string) string {
	encoded, mac, _ := strings.Cut(c.Cookies(s.cookieName(name)), ".")
	text, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil || !equal(mac, s.sign(name, string(text))) {
		return ""
	}
	return string(text)
}
