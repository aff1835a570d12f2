//go:build e2e

package edge

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"framagit.org/frama/frama/provisioner"
)

// TestReadOnly is what people meet while growth of an instance is stopped at the ingress.
func TestReadOnly(t *testing.T) {
	b := newBoard(t)
	n := newNode(t, b)
	blog, other := instance(t, "blog"), instance(t, "other")
	full := active("blog.test", blog)
	full.ReadOnly, full.Writes = true, []string{"/wp-login.php", "/auth/", "/live"}
	valid := time.Now().Add(time.Hour)
	v := b.change(func(s *provisioner.Snapshot) {
		s.Routes = []provisioner.Route{active("blog.test", blog), active("other.test", other)}
		for i, h := range []string{"blog.test", "other.test"} {
			s.Certificates = append(s.Certificates, n.ca.issue("c"+string(rune('0'+i)), valid, h))
		}
	})
	agent := n.start()
	b.acked(t, v)
	c := n.client()
	// do makes a request as it stands, with headers as name, value, and says what answered.
	do := func(method, address string, headers ...string) (int, string, http.Header) {
		t.Helper()
		req, err := http.NewRequest(method, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(headers); i += 2 {
			req.Header.Set(headers[i], headers[i+1])
		}
		resp, err := c.Do(req)
		if err != nil {
			t.Fatalf("%s %s: %v", method, address, err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(body), resp.Header
	}
	// raw sends a request line over TLS and HTTP/1.1 without anybody's tidying, and returns the status.
	raw := func(lines string) string {
		t.Helper()
		conn, err := tls.Dial("tcp", n.opts.HTTPS, &tls.Config{RootCAs: n.ca.pool, ServerName: "blog.test", NextProtos: []string{"http/1.1"}})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		fmt.Fprintf(conn, "%s\r\nHost: blog.test\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", strings.ReplaceAll(lines, "\n", "\r\n"))
		status, err := bufio.NewReader(conn).ReadString('\n')
		if err != nil {
			t.Fatalf("%q: %v", lines, err)
		}
		return strings.Fields(status)[1]
	}
	connect := func(address string) (*websocket.Conn, int) {
		t.Helper()
		d := websocket.Dialer{NetDialContext: n.dial, TLSClientConfig: &tls.Config{RootCAs: n.ca.pool}, HandshakeTimeout: 10 * time.Second}
		ws, resp, err := d.Dial(address, nil)
		if resp == nil {
			t.Fatal(err)
		}
		if err != nil {
			return nil, resp.StatusCode
		}
		t.Cleanup(func() { ws.Close() })
		return ws, resp.StatusCode
	}
	methods := []string{"GET", "HEAD", "OPTIONS", "PROPFIND", "REPORT", "DELETE", "POST", "PUT", "PATCH", "MKCOL", "COPY", "MOVE", "PROPPATCH",
		"LOCK", "TRACE", "get", "Delete", "PROPFINDX"}
	reads := methods[:6]
	status := func(host string, writes bool) {
		t.Helper()
		for i, m := range methods {
			want := 200
			if i >= len(reads) && !writes {
				want = 507
			}
			if code, _, _ := do(m, "https://"+host+"/some/page?x=y"); code != want {
				t.Errorf("%s to %s: %d, want %d", m, host, code, want)
			}
		}
	}
	before, err := agent.haproxy.api.info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	status("blog.test", true)
	open, _ := connect("wss://blog.test/socket")
	if open == nil {
		t.Fatal("no WebSocket while all is allowed")
	}

	b.acked(t, b.change(func(s *provisioner.Snapshot) { s.Routes = set(s.Routes, full) }))
	t.Run("methods", func(t *testing.T) {
		status("blog.test", false)
		status("other.test", true)
	})
	t.Run("HTTP/1.1 as it is written", func(t *testing.T) {
		for line, want := range map[string]string{
			"POST / HTTP/1.1": "507", "GET / HTTP/1.1": "200", "POST https://blog.test/ HTTP/1.1": "507", "POST //blog.test/auth/ HTTP/1.1": "507",
			"CONNECT blog.test:443 HTTP/1.1": "507", "POST * HTTP/1.1": "507", "DELETE /x HTTP/1.1": "200", "PUT / HTTP/1.0": "507",
			"POST /auth/sign-in HTTP/1.1": "200", "POST https://blog.test/auth/sign-in HTTP/1.1": "200",
			"GET / HTTP/1.1\nUpgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==": "507", "GET / HTTP/1.1\nUpgrade: h2c\nConnection: Upgrade": "507",
		} {
			if got := raw(line); got != want {
				t.Errorf("%q: %s, want %s", line, got, want)
			}
		}
	})
	t.Run("writes", func(t *testing.T) {
		for path, want := range map[string]int{
			"/wp-login.php": 200, "/wp-login.php?action=lostpassword": 200, "/auth/": 200, "/auth/sign-in": 200, "/auth/a/b.c-d_e~": 200, "/auth/@a:b+c,d=e": 200,
			"/auth": 507, "/AUTH/sign-in": 507, "/Wp-login.php": 507, "/x/auth/": 507, "//auth/": 507, "/./auth/": 507,
			"/auth/../post": 507, "/auth/..": 507, "/auth/%2e%2e/post": 507, "/auth/%2E./post": 507, "/auth//x": 507, "/auth/.well-known/x": 200, "/auth/...": 507, "/auth/..;/x": 507,
			"/auth/a;b": 507, "/auth/a%2fb": 507, "/%61uth/": 507, "/wp-login.php/../post": 507, "/wp-login.php%00": 507, "/auth/\\..\\x": 507,
			"/": 507, "/other.test/auth/": 507,
		} {
			// As it stands: Go would tidy some of these.
			req := &http.Request{Method: "POST", Host: "blog.test", URL: &url.URL{Scheme: "https", Host: "blog.test", Opaque: "//blog.test" + path}}
			if strings.HasPrefix(path, "//") || strings.Contains(path, "\\") {
				if got := raw("POST " + path + " HTTP/1.1"); got != fmt.Sprint(want) {
					t.Errorf("POST %s: %s, want %d", path, got, want)
				}
				continue
			}
			resp, err := c.Do(req)
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			resp.Body.Close()
			if resp.StatusCode != want {
				t.Errorf("POST %s: %d, want %d", path, resp.StatusCode, want)
			}
		}
		if code, _, _ := do("POST", "https://other.test/anything"); code != 200 {
			t.Errorf("another host: %d", code)
		}
	})
	t.Run("other names of a method", func(t *testing.T) {
		for _, h := range []string{"X-HTTP-Method-Override", "x-http-method", "X-Method-Override", "X_HTTP_Method_Override", "X.HTTP.Method.Override"} {
			for _, m := range []string{"GET", "DELETE"} {
				if got := raw(m + " / HTTP/1.1\n" + h + ": POST"); got != "507" {
					t.Errorf("%s with %s: %s", m, h, got)
				}
			}
			if got := raw("POST /auth/ HTTP/1.1\n" + h + ": PUT"); got != "200" {
				t.Errorf("%s where all passes: %s", h, got)
			}
		}
		for query, want := range map[string]string{
			"_method=POST": "507", "a=b&_method=PUT": "507", "a=b&%5fmethod=PUT": "507", "+_method=PUT": "507", ".method=PUT": "507",
			"%5Bmethod=PUT": "507", "_METHOD=put": "507", "a=%zz&%5Fmethod=PUT": "507", "a=%2&%5Fmethod=PUT": "507", "a=50%": "507",
			"payment_method=card": "200", "a=_method": "200", "a=%C3%A9+b&_methods=x": "200", "q=100%25": "200", "x": "200", "": "200",
		} {
			if got := raw("GET /?" + query + " HTTP/1.1"); got != want {
				t.Errorf("%s: %s, want %s", query, got, want)
			}
		}
	})
	t.Run("websocket", func(t *testing.T) {
		if ws, code := connect("wss://blog.test/socket"); ws != nil || code != 507 {
			t.Errorf("a new one: %d", code)
		}
		if _, code := connect("wss://other.test/socket"); code != 101 {
			t.Errorf("on another host: %d", code)
		}
		if got := extendedConnect(t, n, "blog.test"); got != "507" {
			t.Errorf("a new one over HTTP/2: %s", got)
		}
		if got := extendedConnect(t, n, "other.test"); got != "200" {
			t.Errorf("over HTTP/2, on another host: %s", got)
		}
		// Those that were open go on: whoever is in the middle of a sentence ends it.
		if err := open.WriteMessage(websocket.TextMessage, []byte("still")); err != nil {
			t.Fatal(err)
		}
		if _, got, err := open.ReadMessage(); err != nil || string(got) != "blog:still" {
			t.Errorf("one that was open: %q %v", got, err)
		}
	})
	t.Run("pages", func(t *testing.T) {
		for _, tc := range []struct{ lang, accept, kind, text string }{
			{"fr-FR,fr;q=0.9,en;q=0.8", "text/html,application/xhtml+xml,*/*;q=0.8", "text/html; charset=utf-8", `<html lang="fr">`},
			{"en-GB,en;q=0.9,fr;q=0.1", "text/html", "text/html; charset=utf-8", `<html lang="en">`},
			{"de", "*/*", "text/html; charset=utf-8", `<html lang="fr">`},
			{"", "", "text/html; charset=utf-8", `<html lang="fr">`},
			{"en", "application/json, text/plain, */*", "application/json", "nothing can be added"},
			{"fr", "application/vnd.api+json", "application/json", "a été prévenue par courriel"},
			{"fr", "text/html, application/json", "text/html; charset=utf-8", "Rien n’est perdu"},
		} {
			code, body, h := do("POST", "https://blog.test/", "Accept-Language", tc.lang, "Accept", tc.accept)
			if code != 507 || h.Get("Content-Type") != tc.kind || !strings.Contains(body, tc.text) || h.Get("Cache-Control") != "no-store" {
				t.Errorf("%+v: %d %v\n%s", tc, code, h, body)
			}
			if tc.kind == "application/json" && !json.Valid([]byte(body)) {
				t.Errorf("no JSON: %s", body)
			}
		}
	})
	t.Run("challenge and certificate", func(t *testing.T) {
		path := "blog.test/.well-known/acme-challenge/AZaz09_-"
		for _, m := range []string{"GET", "POST"} {
			if code, body, _ := do(m, "http://"+path); code != 200 || body != "AZaz09_-."+testThumbprint {
				t.Errorf("%s: %d %q", m, code, body)
			}
		}
		if code, _, h := do("POST", "http://blog.test/x"); code != 308 || !strings.HasPrefix(h.Get("Location"), "https://blog.test") {
			t.Errorf("over http: %d to %s", code, h.Get("Location"))
		}
		renewed := n.ca.issue("c0", valid, "blog.test")
		b.acked(t, b.change(func(s *provisioner.Snapshot) { s.Certificates[0] = renewed }))
		fresh := n.client()
		resp, err := fresh.Get("https://blog.test/")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		want, _, _ := newCertificate(renewed, time.Now())
		leaf := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: resp.TLS.PeerCertificates[0].Raw})
		if !strings.Contains(string(want.pem), string(leaf)) {
			t.Error("the old certificate is still served")
		}
	})
	if now, err := agent.haproxy.api.info(t.Context()); err != nil || now.pid != before.pid {
		t.Errorf("HAProxy was reloaded: worker %d, was %d (%v)", now.pid, before.pid, err)
	}
	t.Run("a restart of all", func(t *testing.T) {
		n.kill()
		said, err := os.ReadFile(filepath.Join(n.opts.Dir, "writes.map"))
		if err != nil || string(said) != "blog.test/auth/ 1\nblog.test/live 1\nblog.test/wp-login.php 1\n" {
			t.Errorf("%s %v", said, err)
		}
		if err := agent.haproxy.stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		n.start()
		status("blog.test", false)
		if code, _, _ := do("POST", "https://blog.test/auth/"); code != 200 {
			t.Errorf("writes: %d", code)
		}
	})
	b.acked(t, b.change(func(s *provisioner.Snapshot) { s.Routes = set(s.Routes, active("blog.test", blog)) }))
	t.Run("allowed again", func(t *testing.T) {
		status("blog.test", true)
		if ws, code := connect("wss://blog.test/socket"); ws == nil {
			t.Errorf("a new WebSocket: %d", code)
		}
		if said, err := os.ReadFile(filepath.Join(n.opts.Dir, "writes.map")); err != nil || len(said) > 0 {
			t.Errorf("%s %v", said, err)
		}
	})
}

// extendedConnect opens a WebSocket the way of RFC 8441, in a stream of HTTP/2, and returns the status.
func extendedConnect(t *testing.T, n *node, host string) string {
	t.Helper()
	conn, err := tls.Dial("tcp", n.opts.HTTPS, &tls.Config{RootCAs: n.ca.pool, ServerName: host, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, f := range [][2]string{{":method", "CONNECT"}, {":protocol", "websocket"}, {":scheme", "https"}, {":path", "/socket"},
		{":authority", host}, {"sec-websocket-version", "13"}} {
		if err := encoder.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}); err != nil {
			t.Fatal(err)
		}
	}
	_, _ = io.WriteString(conn, http2.ClientPreface)
	framer := http2.NewFramer(conn, conn)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	if err := framer.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	if err := framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true}); err != nil {
		t.Fatal(err)
	}
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		if h, ok := frame.(*http2.MetaHeadersFrame); ok {
			return h.PseudoValue("status")
		}
	}
}
