package web

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime/debug"
	"strings"

	"github.com/gofiber/fiber/v2"

	"framagit.org/frama/frama/services/control"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/locale"
)

// visit is what the handlers of one request know about it.
type visit struct {
	ID      string // reference that people can quote and the log holds
	IP      string
	Lang    string
	Session *control.Session // nil unless a member of the staff is signed in
	cookie  string           // of the public forms, once read or made
}

const visitKey = "visit"

// visitOf returns the visit of c. A request that never reached the routes (too large, malformed) gets one here.
func (s *site) visitOf(c *fiber.Ctx) *visit {
	if v, ok := c.Locals(visitKey).(*visit); ok {
		return v
	}
	v := &visit{ID: random(9), IP: s.clientIP(c), Lang: locale.Pick(c.Get("Accept-Language"), c.Cookies(langCookie))}
	c.Locals(visitKey, v)
	return v
}

// actor is the public at the other end of c, or the member of the staff who is signed in.
func (s *site) actor(c *fiber.Ctx) hosting.Actor {
	v := s.visitOf(c)
	if v.Session != nil {
		return v.Session.Actor(v.IP)
	}
	return hosting.Actor{Name: "public", IP: v.IP}
}

// observe gives every request a reference, a deadline and a line in the log, and turns errors and panics into pages.
// The log never holds a query (people's names are searched for) nor a token.
func (s *site) observe(c *fiber.Ctx) error {
	started := s.Now()
	v := s.visitOf(c)
	ctx, cancel := context.WithTimeout(context.Background(), requestLimit)
	defer cancel()
	ctx = hosting.WithReference(ctx, "request", v.ID)
	end := func(string, int) {}
	if s.Around != nil {
		ctx, end = s.Around(ctx, v.ID, c.Method())
	}
	c.SetUserContext(ctx)

	err := s.caught(c)
	if err != nil {
		err = s.fail(c, err)
	}
	end(c.Route().Path, c.Response().StatusCode())
	s.Log.LogAttrs(ctx, slog.LevelInfo, "request",
		slog.String("id", v.ID), slog.String("method", c.Method()), slog.String("path", loggedPath(c.Path())),
		slog.Int("status", c.Response().StatusCode()), slog.Duration("took", s.Now().Sub(started)),
		slog.String("ip", v.IP))
	return err
}

// caught runs the other handlers and returns a panic as an error.
func (s *site) caught(c *fiber.Ctx) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	return c.Next()
}

// loggedPath hides the tokens of private links, whatever else was typed around them.
func loggedPath(path string) string {
	for _, private := range []string{"track", "confirm"} {
		if i := strings.Index(strings.ToLower(path), private); i >= 0 {
			return path[:i] + private + "/…"
		}
	}
	return path
}

// clientIP is the address of whoever asks. X-Forwarded-For is read from its end, and only as far as the proxies that
// wrote it are trusted: what stands before was typed by the client.
func (s *site) clientIP(c *fiber.Ctx) string {
	addr, ok := netip.AddrFromSlice(c.Context().RemoteIP())
	if !ok {
		return ""
	}
	addr = addr.Unmap()
	hops := strings.Split(c.Get("X-Forwarded-For"), ",")
	for i := len(hops) - 1; i >= 0 && s.trusts(addr); i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		addr = hop.Unmap()
	}
	return addr.String()
}

func (s *site) trusts(addr netip.Addr) bool {
	for _, p := range s.proxies {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// prefixes reads a list of addresses and networks.
func prefixes(list []string) ([]netip.Prefix, error) {
	var read []netip.Prefix
	for _, text := range list {
		if addr, err := netip.ParseAddr(text); err == nil {
			read = append(read, netip.PrefixFrom(addr, addr.BitLen()))
			continue
		}
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("trusted proxy %q: expected an address or a network such as 10.0.0.0/8", text)
		}
		read = append(read, prefix)
	}
	return read, nil
}

// random returns n random bytes as text that fits cookies and addresses.
func random(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails (crypto/rand)
	return base64.RawURLEncoding.EncodeToString(b)
}
