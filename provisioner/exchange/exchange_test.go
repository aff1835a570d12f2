package exchange_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/provisioner/exchange"
)

const key = "S3cretKeyOf/this+instance=="

// serve starts an instance, and a conversation with it.
func serve(t *testing.T, h http.HandlerFunc) *exchange.Exchange {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return &exchange.Exchange{
		Client: s.Client(), URL: s.URL, Values: map[string]string{"object": "essai42", "email": "a@b.example", "title": `L'"été" & co`},
		Secrets: map[string]string{"key": key, "short": "abc"}, Timeout: 2 * time.Second, Limit: 1 << 16,
	}
}

func TestFill(t *testing.T) {
	for _, test := range []struct {
		name          string
		q             catalogue.Request
		uri, body     string // as they arrive
		header, basic string
	}{
		{name: "path", q: catalogue.Request{Path: "/p/{object}?as={email}"}, uri: "/p/essai42?as=a%40b.example"},
		{name: "a secret in the query is escaped", q: catalogue.Request{Path: "/api?k={key}"}, uri: "/api?k=S3cretKeyOf%2Fthis%2Binstance%3D%3D"},
		{name: "a form's body is escaped", q: catalogue.Request{Method: "POST", Path: "/", Body: "t={title}&k={key}",
			ContentType: "application/x-www-form-urlencoded"}, uri: "/", body: "t=L%27%22%C3%A9t%C3%A9%22+%26+co&k=S3cretKeyOf%2Fthis%2Binstance%3D%3D"},
		{name: "JSON is escaped", q: catalogue.Request{Method: "PUT", Path: "/", Body: `{"t":"{title}"}`, ContentType: "application/json"},
			uri: "/", body: `{"t":"L'\"été\" \u0026 co"}`},
		{name: "other bodies are not", q: catalogue.Request{Method: "PUT", Path: "/", Body: "{title}", ContentType: "text/csv"},
			uri: "/", body: `L'"été" & co`},
		{name: "headers and basic authentication", q: catalogue.Request{Path: "/", Headers: map[string]string{"X-Key": "{key}"}, User: "admin", Password: "{key}"},
			uri: "/", header: key, basic: "admin:" + key},
		{name: "braces that mean nothing stay", q: catalogue.Request{Method: "POST", Path: "/", Body: "{unknown} {}"}, uri: "/", body: "{unknown} {}"},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := serve(t, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				user, password, _ := r.BasicAuth()
				for what, pair := range map[string][2]string{
					"URI": {r.RequestURI, test.uri}, "body": {string(body), test.body}, "header": {r.Header.Get("X-Key"), test.header},
					"basic": {strings.Trim(user+":"+password, ":"), test.basic},
				} {
					if pair[0] != pair[1] {
						t.Errorf("%s = %q, want %q", what, pair[0], pair[1])
					}
				}
			})
			if err := e.Run(t.Context(), []catalogue.Request{test.q}); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestSignIn goes through what real applications need: a token of a form, a cookie, a redirect that is asked for, an
// address from a page, and what the writing captured in the reading.
func TestSignIn(t *testing.T) {
	e := serve(t, func(w http.ResponseWriter, r *http.Request) {
		cookie, _ := r.Cookie("session")
		switch {
		case r.URL.Path == "/login" && r.Method == "GET":
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = io.WriteString(w, `<input name=token value="a&amp;b+c/d">`)
		case r.URL.Path == "/login" && r.FormValue("token") == "a&b+c/d" && r.FormValue("password") == key:
			http.SetCookie(w, &http.Cookie{Name: "session", Value: "1", Path: "/"})
			http.Redirect(w, r, "/home", http.StatusFound)
		case cookie == nil:
			http.Error(w, "sign in first", http.StatusForbidden)
		case r.URL.Path == "/home":
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"next":"http:\/\/%s\/notes\/7?full=1"}`, r.Host)
		case r.RequestURI == "/notes/7?full=1&x=a%26b%2Bc%2Fd":
			_, _ = io.WriteString(w, "essai42")
		default:
			http.NotFound(w, r)
		}
	})
	write := []catalogue.Request{
		{Name: "form", Path: "/login", Captures: map[string]string{"token": `value="([^"]+)"`}},
		{Name: "sign-in", Method: "POST", Path: "/login", Body: "token={token}&password={key}", ContentType: "application/x-www-form-urlencoded", Status: 302},
		{Name: "home", Path: "/home", Captures: map[string]string{"next": `"next":"([^"]+)"`}},
		{Name: "note", Path: "{next}&x={token}", Contains: "{object}", Lacks: "sign in"},
	}
	if err := e.Run(t.Context(), write); err != nil {
		t.Fatal(err)
	}
	// Cookies end with a check; what it captured does not.
	err := e.Run(t.Context(), []catalogue.Request{{Name: "note", Path: "{next}"}})
	if err == nil || !strings.Contains(err.Error(), "answered 403 instead of 200") {
		t.Errorf("without a cookie: %v", err)
	}
	e.Secrets["key"] = "another password"
	if err := e.Run(t.Context(), write[:2]); err == nil {
		t.Error("a wrong password was good")
	}
}

func TestFailures(t *testing.T) {
	for _, test := range []struct {
		name   string
		q      catalogue.Request
		answer http.HandlerFunc
		want   []string // parts of the error
		silent bool     // ErrNoAnswer
	}{
		{name: "wrong status", answer: func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "out of order", 500) },
			want: []string{"request try: GET /x: answered 500 instead of 200; it begins with: out of order"}},
		{name: "an empty answer", answer: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) },
			want: []string{"answered 204 instead of 200; its body is empty"}},
		{name: "a redirect is not followed", answer: func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/setup?k="+key, http.StatusFound) },
			want: []string{"answered 302 (to /setup?k=•••) instead of 200"}},
		{name: "text is missing", q: catalogue.Request{Contains: "{object}"},
			answer: func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "nothing\x00here\n\n yet") },
			want:   []string{`the answer does not hold "essai42"; it begins with: nothing here yet`}},
		{name: "text that must not be there", q: catalogue.Request{Lacks: "error"},
			answer: func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "an error") }, want: []string{`which it must not`}},
		{name: "capture is missing", q: catalogue.Request{Captures: map[string]string{"csrf": `csrf=(\w+)`}},
			answer: func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") },
			want:   []string{`the answer holds nothing for {csrf}, which csrf=(\w+) looks for; it begins with: <html>`}},
		{name: "only the beginning is shown", q: catalogue.Request{Contains: "x"},
			answer: func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strings.Repeat("é", 5000)) },
			want:   []string{strings.Repeat("é", 200) + "…"}},
		{name: "an endless body", answer: func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := io.WriteString(w, strings.Repeat("x", 4096)); err != nil {
					return
				}
			}
		}, want: []string{"answered 200 OK, and then: its body has more than 65536 bytes"}},
		{name: "a slow body", answer: func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "begun")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}, want: []string{"and then: no whole answer within 2s"}},
		{name: "no answer", answer: func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
			want: []string{"GET /x: no whole answer within 2s"}, silent: true},
		{name: "hung up", answer: func(w http.ResponseWriter, _ *http.Request) {
			conn, _, _ := w.(http.Hijacker).Hijack()
			conn.Close()
		}, want: []string{"GET /x: ", "EOF"}, silent: true},
		{name: "secrets are hidden, however they are written", q: catalogue.Request{Path: "/x?k={key}", Contains: "{key}!"},
			answer: func(w http.ResponseWriter, _ *http.Request) {
				fmt.Fprintf(w, "%s S3cretKeyOf%%2Fthis%%2Binstance%%3D%%3D %s abc", key, strings.Repeat("-", 180)+key)
			}, want: []string{"GET /x?k=•••", `does not hold "•••!"`, "begins with: ••• ••• ---", "-•••"}},
		{name: "another machine's address", q: catalogue.Request{Path: "{email}"}, answer: func(http.ResponseWriter, *http.Request) {},
			want: []string{"no address of the instance"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			e := serve(t, test.answer)
			q := test.q
			q.Name = "try"
			if q.Path == "" {
				q.Path = "/x"
			}
			err := e.Run(t.Context(), []catalogue.Request{q})
			if err == nil {
				t.Fatal("no error")
			}
			for _, part := range test.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("the error does not hold %q: %v", part, err)
				}
			}
			if strings.Contains(err.Error(), "S3cret") {
				t.Errorf("a secret shows: %v", err)
			}
			if errors.Is(err, exchange.ErrNoAnswer) != test.silent {
				t.Errorf("ErrNoAnswer = %v: %v", !test.silent, err)
			}
		})
	}
}

// TestStop: what a caller breaks off is said to be broken off.
func TestStop(t *testing.T) {
	e := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if err := e.Run(ctx, []catalogue.Request{{Path: "/"}}); !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
}

// TestGone: an address where nobody listens.
func TestGone(t *testing.T) {
	s := httptest.NewServer(nil)
	e := &exchange.Exchange{Client: s.Client(), URL: s.URL}
	s.Close()
	if err := e.Run(t.Context(), []catalogue.Request{{Path: "/"}}); !errors.Is(err, exchange.ErrNoAnswer) {
		t.Errorf("the error is %v", err)
	}
}

// TestDirect: an instance that has no route yet is told its public address.
func TestDirect(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := r.Cookie("session"); err != nil {
			http.SetCookie(w, &http.Cookie{Name: "session", Value: "1", Path: "/", Secure: true})
		} else {
			_, _ = io.WriteString(w, "signed in at ")
		}
		fmt.Fprint(w, r.Header.Get("X-Forwarded-Proto"), "://", r.Host, " and ", r.Header.Get("X-Forwarded-Host"))
	}))
	defer s.Close()
	e := &exchange.Exchange{
		Client: &http.Client{Transport: exchange.Direct(strings.TrimPrefix(s.URL, "http://"))}, URL: "https://lilas-pads.example:8443",
	}
	requests := []catalogue.Request{{Path: "/", Contains: "{url} and {host}"}, {Path: "/", Contains: "signed in at {url}"}}
	if err := e.Run(t.Context(), requests); err != nil {
		t.Error(err)
	}
}

// The cookies of one account are not its word against another that asks by basic authentication.
func TestEachAccountHasItsCookies(t *testing.T) {
	e := serve(t, func(w http.ResponseWriter, r *http.Request) {
		user, _, _ := r.BasicAuth()
		if c, err := r.Cookie("session"); err == nil && c.Value != user {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		http.SetCookie(w, &http.Cookie{Name: "session", Value: user, Path: "/"})
	})
	var requests []catalogue.Request
	for _, user := range []string{"frama", "frama", "admin", "frama", "admin"} {
		requests = append(requests, catalogue.Request{Name: user, Path: "/", User: user, Password: "{key}", Status: 200})
	}
	if err := e.Run(t.Context(), requests); err != nil {
		t.Error(err)
	}
}
