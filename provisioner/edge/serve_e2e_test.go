//go:build e2e

package edge

import (
	"crypto/tls"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"framagit.org/frama/frama/provisioner"
)

func TestServe(t *testing.T) {
	b := newBoard(t)
	n := newNode(t, b)
	n.opts.HSTS = 24 * time.Hour
	pads, calcs := instance(t, "pads"), instance(t, "calcs")
	dead := instance(t, "dead")
	gone := active("dead.test", dead)
	dead.Close()
	valid := time.Now().Add(time.Hour)
	hosts := []string{"pads.test", "calcs.test", "dead.test", "soon.test", "closed.test"}
	v := b.change(func(s *provisioner.Snapshot) {
		s.Routes = []provisioner.Route{
			active("pads.test", pads), active("calcs.test", calcs), gone,
			{Host: "soon.test", State: provisioner.RouteStarting},
			{Host: "closed.test", State: provisioner.RouteSuspended},
		}
		for i, h := range hosts {
			s.Certificates = append(s.Certificates, n.ca.issue("c"+string(rune('0'+i)), valid, h))
		}
	})
	n.start()
	if a := b.acked(t, v); a.Error != "" || a.Agent != "edge-1" {
		t.Fatalf("acknowledged %+v", a)
	}
	c := n.client()

	t.Run("routes", func(t *testing.T) {
		for i := range 50 { // connections are kept and shared: never across instances
			host := []string{"pads", "calcs"}[i%2]
			if code, body, resp := n.get(c, "https://"+host+".test/"); code != 200 || body != host || resp.ProtoMajor != 2 {
				t.Fatalf("%s answered %d %q over %s", host, code, body, resp.Proto)
			}
		}
	})
	t.Run("headers", func(t *testing.T) {
		req, _ := http.NewRequest(http.MethodGet, "https://pads.test/headers", nil)
		for _, h := range []string{"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Prefix", "X_Forwarded_For", "Forwarded", "X-Real-Ip", "Proxy"} {
			req.Header[h] = []string{"forged"}
		}
		resp, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var buf strings.Builder
		if _, err := copyBody(&buf, resp); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(buf.String(), "forged") {
			t.Errorf("forged headers got through:\n%s", buf.String())
		}
		for _, want := range []string{"Host: pads.test\n", "X-Forwarded-For: 127.0.0.1\r\n", "X-Forwarded-Proto: https\r\n", "X-Forwarded-Host: pads.test\r\n"} {
			if !strings.Contains(buf.String(), want) {
				t.Errorf("no %q in\n%s", want, buf.String())
			}
		}
		if got := resp.Header.Get("Strict-Transport-Security"); got != "max-age=86400" {
			t.Errorf("HSTS: %q", got)
		}
	})
	t.Run("websocket", func(t *testing.T) {
		d := websocket.Dialer{NetDialContext: n.dial, TLSClientConfig: &tls.Config{RootCAs: n.ca.pool}}
		ws, _, err := d.Dial("wss://calcs.test/socket", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer ws.Close()
		for _, m := range []string{"one", "two"} {
			if err := ws.WriteMessage(websocket.TextMessage, []byte(m)); err != nil {
				t.Fatal(err)
			}
			if _, got, err := ws.ReadMessage(); err != nil || string(got) != "calcs:"+m {
				t.Fatalf("echo %q %v", got, err)
			}
		}
	})
	t.Run("redirect", func(t *testing.T) {
		port := n.opts.HTTPS[strings.LastIndex(n.opts.HTTPS, ":"):]
		code, _, resp := n.get(c, "http://pads.test/p/x?y=z")
		if code != http.StatusPermanentRedirect || resp.Header.Get("Location") != "https://pads.test"+port+"/p/x?y=z" {
			t.Errorf("%d to %q", code, resp.Header.Get("Location"))
		}
	})
	t.Run("challenge", func(t *testing.T) {
		for _, host := range []string{"pads.test", "unknown.test", "soon.test"} {
			if code, body, _ := n.get(c, "http://"+host+"/.well-known/acme-challenge/AZaz09_-"); code != 200 || body != "AZaz09_-."+testThumbprint {
				t.Errorf("%s: %d %q", host, code, body)
			}
		}
		for _, bad := range []string{"a.b", "a%0d%0ab", "a/b", "", "<b>", strings.Repeat("a", 300)} {
			if code, body, _ := n.get(c, "http://pads.test/.well-known/acme-challenge/"+bad); code != 404 || strings.Contains(body, testThumbprint) {
				t.Errorf("%q: %d %q", bad, code, body)
			}
		}
	})
	t.Run("pages", func(t *testing.T) {
		for _, tc := range []struct {
			url, text, retry string
			code             int
		}{
			{"https://soon.test/", "se prépare", "15", 503},
			{"http://soon.test/", "se prépare", "15", 503},
			{"https://closed.test/", "is suspended", "3600", 503},
			{"http://unknown.test/", "Aucun espace", "", 404},
			{"https://dead.test/", "ne répond pas", "30", 503},
		} {
			code, body, resp := n.get(c, tc.url)
			if code != tc.code || !strings.Contains(body, tc.text) || resp.Header.Get("Retry-After") != tc.retry ||
				resp.Header.Get("Content-Type") != "text/html; charset=utf-8" || resp.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s: %d %v\n%s", tc.url, code, resp.Header, body)
			}
		}
	})
	t.Run("unknown name over TLS", func(t *testing.T) {
		blind := n.client()
		blind.Transport.(*http.Transport).TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
		code, body, resp := n.get(blind, "https://unknown.test/")
		if code != 404 || !strings.Contains(body, "No space at this address") || resp.TLS.PeerCertificates[0].Subject.CommonName != "no such host" {
			t.Errorf("%d %s", code, body)
		}
	})
	t.Run("old TLS", func(t *testing.T) {
		old := n.client()
		old.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: n.ca.pool, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
		if resp, err := old.Get("https://pads.test/"); err == nil {
			resp.Body.Close()
			t.Error("TLS 1.1 was accepted")
		}
	})
}
