package exchange_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"framagit.org/frama/frama/catalogue"
)

// What was captured is mostly a token: no error shows it, wherever a later request carried it.
func TestCapturedTokensAreHidden(t *testing.T) {
	const token = "tOk+en/Of S3cret=="
	for name, c := range map[string]struct {
		page, pattern, next string
		answer              func(w http.ResponseWriter) // to the second request
	}{
		"in a path":  {page: token, pattern: "(.+)", next: "/reset/{token}"},
		"in a query": {page: token, pattern: "(.+)", next: "/reset?with={token}"},
		"as a path":  {page: "/reset/tOk%2Ben?of=S3cret%3D", pattern: "(.+)", next: "{token}"},
		"as a link":  {page: "http://HOST/reset/tOken?of=S3cret", pattern: "(.+)", next: "{token}"},
		"echoed":     {page: token, pattern: "(.+)", next: "/", answer: func(w http.ResponseWriter) { _, _ = io.WriteString(w, token) }},
		"as PHP's JSON": {page: token, pattern: "(.+)", next: "/", answer: func(w http.ResponseWriter) {
			_, _ = io.WriteString(w, `{"t":"`+strings.ReplaceAll(token, "/", `\/`)+`"}`)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			e := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/form" {
					_, _ = io.WriteString(w, strings.ReplaceAll(c.page, "HOST", r.Host))
					return
				}
				if c.answer != nil {
					c.answer(w)
				}
			})
			err := e.Run(t.Context(), []catalogue.Request{
				{Path: "/form", Captures: map[string]string{"token": c.pattern}}, {Path: c.next, Status: 418},
			})
			if err == nil || strings.Contains(err.Error(), "S3cret") || strings.Contains(err.Error(), "tOk") {
				t.Errorf("the error shows it: %v", err)
			}
		})
	}
}

// An instance decides how long its answers are, but not how long an error is.
func TestErrorsAreShort(t *testing.T) {
	long := strings.Repeat("long ", 4000)
	for name, answer := range map[string]http.HandlerFunc{
		"where it redirects to": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Location", "/"+long); w.WriteHeader(302) },
		"its status": func(w http.ResponseWriter, _ *http.Request) {
			conn, _, _ := w.(http.Hijacker).Hijack()
			defer conn.Close()
			fmt.Fprintf(conn, "HTTP/1.1 200 %s\r\nContent-Length: 9\r\n\r\n", long)
		},
		"no HTTP at all": func(w http.ResponseWriter, _ *http.Request) {
			conn, _, _ := w.(http.Hijacker).Hijack()
			defer conn.Close()
			fmt.Fprintf(conn, "%s\r\n\r\n", long)
		},
	} {
		t.Run(name, func(t *testing.T) {
			err := serve(t, answer).Run(t.Context(), []catalogue.Request{{Path: "/"}})
			if err == nil || len(err.Error()) > 2000 {
				t.Errorf("%d bytes", len(fmt.Sprint(err)))
			}
		})
	}
}
