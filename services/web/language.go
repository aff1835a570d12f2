package web

import (
	"time"

	"github.com/gofiber/fiber/v2"

	"framagit.org/frama/frama/services/locale"
)

// language settles the language of the page: what the address asks for (?lang=), what was chosen before, what the
// browser prefers, French.
func (s *site) language(c *fiber.Ctx) error {
	asked := c.Query("lang")
	if c.Method() != fiber.MethodGet {
		asked = ""
	}
	s.visitOf(c).Lang = locale.Pick(c.Get("Accept-Language"), asked, c.Cookies(langCookie))
	if locale.Known(asked) {
		s.chooseLanguage(c, asked)
	}
	return c.Next()
}

// chooseLanguage switches the page and remembers it for a year.
func (s *site) chooseLanguage(c *fiber.Ctx, lang string) {
	s.visitOf(c).Lang = lang
	s.setCookie(c, langCookie, lang, s.Now().Add(365*24*time.Hour))
}

// t is the message in the visitor's language.
func (s *site) t(c *fiber.Ctx, key string, args ...any) string {
	return s.Locale.T(s.visitOf(c).Lang, key, args...)
}
