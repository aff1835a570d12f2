package web

import (
	"strings"

	"github.com/gofiber/fiber/v2"
)

// contentPolicy lets a page load this site's own files and nothing else: no third party, no inline script or style.
// connect-src is for the scripts that ask whether a name is free and how far the work is.
const contentPolicy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// headers sets what every answer carries. A handler may say something else afterwards.
func (s *site) headers(c *fiber.Ctx) error {
	s.setHeaders(c)
	return c.Next()
}

func (s *site) setHeaders(c *fiber.Ctx) {
	c.Set("Content-Security-Policy", contentPolicy)
	c.Set("X-Content-Type-Options", "nosniff")
	c.Set("X-Frame-Options", "DENY")
	// Not no-referrer: browsers would send "Origin: null" with our own forms.
	c.Set("Referrer-Policy", "same-origin")
	c.Set("Cross-Origin-Opener-Policy", "same-origin")
	c.Set("Cross-Origin-Resource-Policy", "same-origin")
	c.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=(), browsing-topics=()")
	c.Set("X-Request-Id", s.visitOf(c).ID)
	if s.Secure {
		c.Set("Strict-Transport-Security", "max-age=31536000")
	}
	c.Set("Cache-Control", "private, no-cache")
	if path := strings.ToLower(c.Path()); !strings.HasPrefix(path, "/static/") && !strings.HasPrefix(path, "/icons") {
		c.Vary("Accept-Language", "Cookie")
		for _, private := range []string{"/admin", "/track", "/confirm"} {
			if strings.HasPrefix(path, private) {
				setPrivate(c)
			}
		}
	}
}

// setPrivate keeps a page out of caches and search engines.
func setPrivate(c *fiber.Ctx) {
	c.Set("Cache-Control", "no-store")
	c.Set("X-Robots-Tag", "noindex, nofollow")
}
