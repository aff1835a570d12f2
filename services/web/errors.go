package web

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"

	"framagit.org/frama/frama/services/hosting"
)

// statusOf is the HTTP status of an error's code: the one place where the two meet.
func statusOf(code hosting.Code) int {
	switch code {
	case hosting.Invalid:
		return http.StatusUnprocessableEntity
	case hosting.NotFound:
		return http.StatusNotFound
	case hosting.Conflict:
		return http.StatusConflict
	case hosting.Forbidden:
		return http.StatusForbidden
	case hosting.Unsigned:
		return http.StatusUnauthorized
	case hosting.TooMany:
		return http.StatusTooManyRequests
	case hosting.Unavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// failure is an error as a page shows it.
type failure struct {
	Status  int
	Message string // in the visitor's language
	Ref     string // what to quote when asking for help; only where nothing else explains the error
}

// failure translates err for the visitor of c. What has no message for people is logged, and a reference takes its
// place: err.Error() never reaches a page.
func (s *site) failure(c *fiber.Ctx, err error) failure {
	v := s.visitOf(c)
	var known *hosting.Error
	if errors.As(err, &known) && known.Code != hosting.Internal {
		if known.Err != nil {
			s.Log.WarnContext(c.UserContext(), "refused", "id", v.ID, "error", known.Error())
		}
		return failure{Status: statusOf(known.Code), Message: s.Locale.T(v.Lang, known.Key, known.Args...)}
	}
	var http *fiber.Error
	if errors.As(err, &http) && http.Code < 500 {
		return failure{Status: http.Code, Message: s.Locale.T(v.Lang, httpKey(http.Code))}
	}
	s.Log.LogAttrs(c.UserContext(), slog.LevelError, "failed", slog.String("id", v.ID),
		slog.String("path", loggedPath(c.Path())), slog.String("error", err.Error()))
	if errors.Is(err, context.DeadlineExceeded) {
		return failure{Status: statusOf(hosting.Unavailable), Message: s.Locale.T(v.Lang, "error.slow"), Ref: v.ID}
	}
	return failure{Status: statusOf(hosting.Internal), Message: s.Locale.T(v.Lang, "error.internal"), Ref: v.ID}
}

// httpKey names the message for what the HTTP layer itself refuses.
func httpKey(status int) string {
	switch status {
	case 404:
		return "error.not_found"
	case 405:
		return "error.method"
	case 408:
		return "error.timeout"
	case 413:
		return "error.too_large"
	case 415:
		return "error.media_type"
	case 431:
		return "error.header_too_large"
	}
	return "error.bad_request"
}

// fail answers with the page of an error. Who is not signed in is sent to sign in.
func (s *site) fail(c *fiber.Ctx, err error) error {
	v := s.visitOf(c)
	f := s.failure(c, err)
	if f.Status == http.StatusTooManyRequests && len(c.Response().Header.Peek("Retry-After")) == 0 {
		retryAfter(c, time.Minute)
	}
	if c.Path() == "/slug" {
		return c.Status(f.Status).JSON(fiber.Map{"message": f.Message})
	}
	return s.render(c, f.Status, "error", page{Title: s.Locale.T(v.Lang, titleKey(f.Status)), NoIndex: true, Data: f})
}

func titleKey(status int) string {
	switch status {
	case 403, 404, 405, 409, 413, 429, 500, 503:
		return "error.title." + strconv.Itoa(status)
	}
	return "error.title.other"
}

// unrouted is fiber's own error handler: it sees what failed before the routes, such as a body that is too large.
func (s *site) unrouted(c *fiber.Ctx, err error) error {
	s.setHeaders(c)
	err = s.fail(c, err)
	s.Log.Info("request", "id", s.visitOf(c).ID, "status", c.Response().StatusCode(), "ip", s.visitOf(c).IP)
	return err
}

// retryAfter says in whole seconds when to come back, at least one.
func retryAfter(c *fiber.Ctx, wait time.Duration) {
	c.Set("Retry-After", strconv.Itoa(max(1, int((wait+time.Second-1)/time.Second))))
}
