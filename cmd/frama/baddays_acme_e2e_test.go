//go:build e2e

package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"framagit.org/frama/frama/deploy/dev"
	"framagit.org/frama/frama/services/hosting"
)

// acmeDownThenLimiting: the authority cannot be reached, and has forgotten every account when it is back; then it
// limits.
func (b *badBed) acmeDownThenLimiting(t *testing.T) {
	b.approved(t, "limits")
	b.acme.down(t)
	r := spawn(t, b.env, "provision", "limits")
	r.says(45*time.Second, `limits +certificate +waiting +the certificate authority at .* cannot be reached: check its address`)
	r.signal(os.Interrupt)
	r.ends(30*time.Second, exitFailed)
	wants(t, command(t, b.env, exitFailed, "doctor"), `FAIL +acme .*refused`, `→ check acme\.directory, acme\.ca_file`)

	b.pebble.Stop()
	pebble, err := dev.StartPebble(context.Background(), dev.PebbleOptions{Data: b.options.data, EdgeHTTP: b.options.http, EdgeTLS: b.options.https})
	if err != nil {
		t.Fatal(err)
	}
	if pebble.Directory != b.pebble.Directory {
		t.Fatalf("Pebble is at %s now, not at %s", pebble.Directory, b.pebble.Directory)
	}
	b.pebble = pebble
	b.acme.limiting.Store(true)
	b.acme.up(t)
	r = spawn(t, b.env, "provision", "limits")
	r.says(30*time.Second, `limits +certificate +waiting +the certificate authority at .* limits how much it is asked; nothing to do`)
	refused := b.acme.refused.Load()
	b.acme.limiting.Store(false)
	r.ends(30*time.Second, exitOK)
	b.active(t, "limits")
	if refused == 0 || refused > 6 {
		t.Errorf("the authority was asked %d times in the 2 s for which it had asked to be left alone", refused)
	}
	v, err := b.app.control.Space(t.Context(), tester, "limits")
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range v.Instances {
		if i.Certificate == nil || i.Certificate.State != hosting.CertificateValid || i.Certificate.LastError != "" {
			t.Errorf("the certificate of %s still bears its trouble: %+v", i.Host, i.Certificate)
		}
	}
}

// moodyACME stands before the ACME server: it can refuse orders as a rate limit does, and be gone.
type moodyACME struct {
	directory, caFile string
	limiting          atomic.Bool
	refused           atomic.Int64
	server            *httptest.Server
	gate              net.Listener
	address           string
}

func newMoodyACME(t *testing.T, b *bed) *moodyACME {
	t.Helper()
	m := &moodyACME{caFile: filepath.Join(b.options.data, "moody-ca.pem")}
	target, err := url.Parse(b.pebble.Directory)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		// The Host header stays as it came: Pebble makes its addresses from it.
		Director:  func(r *http.Request) { r.URL.Scheme, r.URL.Host = "https", target.Host },
		Transport: &http.Transport{TLSClientConfig: trusting(t, b.pebble.DirectoryCA)},
	}
	m.server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if m.limiting.Load() && strings.Contains(r.URL.Path, "order-plz") {
			m.refused.Add(1)
			w.Header().Set("Retry-After", "2")
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusTooManyRequests)
			fmt.Fprint(w, `{"type":"urn:ietf:params:acme:error:rateLimited","detail":"too many new orders","status":429}`)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(m.server.Close)
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: m.server.Certificate().Raw})
	if err := os.WriteFile(m.caFile, block, 0o600); err != nil {
		t.Fatal(err)
	}
	m.address = "127.0.0.1:0"
	m.up(t)
	m.directory = "https://" + m.address + target.Path
	t.Cleanup(func() { m.gate.Close() })
	return m
}

// trusting believes the authority in a file.
func trusting(t *testing.T, file string) *tls.Config {
	t.Helper()
	ca, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	return &tls.Config{RootCAs: roots, ServerName: "localhost", MinVersion: tls.VersionTLS12}
}

// up opens the port behind which the server is.
func (m *moodyACME) up(t *testing.T) {
	t.Helper()
	var err error
	if m.gate, err = net.Listen("tcp", m.address); err != nil {
		t.Fatal(err)
	}
	m.address = m.gate.Addr().String()
	go func(gate net.Listener) {
		for {
			in, err := gate.Accept()
			if err != nil {
				return
			}
			go pass(in, m.server.Listener.Addr().String())
		}
	}(m.gate)
}

// down closes the port, and what is open on it.
func (m *moodyACME) down(t *testing.T) {
	t.Helper()
	if err := m.gate.Close(); err != nil {
		t.Fatal(err)
	}
	m.server.CloseClientConnections()
}

// pass carries one connection to an address.
func pass(in net.Conn, address string) {
	defer in.Close()
	out, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer out.Close()
	done := make(chan struct{}, 2)
	for _, way := range [][2]net.Conn{{in, out}, {out, in}} {
		go func() {
			_, _ = io.Copy(way[0], way[1])
			done <- struct{}{}
		}()
	}
	<-done
}
