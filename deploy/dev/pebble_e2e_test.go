//go:build e2e

package dev

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

func startPebble(t *testing.T, o PebbleOptions) *Pebble {
	t.Helper()
	began := time.Now()
	p, err := StartPebble(testContext(t), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	t.Logf("Pebble ready after %s", time.Since(began).Round(time.Millisecond))
	return p
}

// trusting makes a client that trusts the file alone.
func trusting(t *testing.T, file string) *http.Client {
	t.Helper()
	client, err := certificate{authority: file}.httpClient()
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func TestPebbleIsReachedWithItsAuthorityOnly(t *testing.T) {
	p := startPebble(t, PebbleOptions{Data: t.TempDir(), EdgeHTTP: 8080, EdgeTLS: 8443})
	body, err := get(t.Context(), trusting(t, p.DirectoryCA), p.Directory)
	if err != nil {
		t.Fatal(err)
	}
	var directory struct{ NewOrder, RenewalInfo string }
	if err := json.Unmarshal(body, &directory); err != nil || directory.NewOrder == "" || directory.RenewalInfo == "" {
		t.Errorf("the directory lacks newOrder or renewalInfo (%v): %s", err, body)
	}
	_, err = get(t.Context(), http.DefaultClient, p.Directory)
	var unknown x509.UnknownAuthorityError
	if !errors.As(err, &unknown) {
		t.Errorf("without the authority: %v, want that it is unknown", err)
	}
}

func TestPebbleGathersTheRootsOfAllStarts(t *testing.T) {
	o := PebbleOptions{Data: t.TempDir(), EdgeHTTP: 8080, EdgeTLS: 8443}
	first := startPebble(t, o)
	old, err := first.Roots(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	authority, err := os.ReadFile(first.DirectoryCA)
	if err != nil {
		t.Fatal(err)
	}
	first.Stop()

	second := startPebble(t, o)
	if second.Directory != first.Directory {
		t.Errorf("the directory moved from %s to %s", first.Directory, second.Directory)
	}
	if again, err := os.ReadFile(second.DirectoryCA); err != nil || !bytes.Equal(authority, again) {
		t.Errorf("the directory's own authority changed (%v)", err)
	}
	present, err := second.Roots(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(old, present) {
		t.Error("the root is the same after a restart: gathering is no longer needed")
	}
	rest, err := os.ReadFile(second.RootsFile)
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for block, rest := pem.Decode(rest); block != nil; block, rest = pem.Decode(rest) {
		count++
	}
	if count != 2 || !bytes.Contains(rest, bytes.TrimSpace(old)) || !bytes.Contains(rest, bytes.TrimSpace(present)) {
		t.Errorf("%d roots in the file, want the old and the present one:\n%s", count, rest)
	}
}

// TestPebbleAsksOurNameserver: every name must lead to 127.0.0.1, or validation would leave the machine.
func TestPebbleAsksOurNameserver(t *testing.T) {
	p := startPebble(t, PebbleOptions{Data: t.TempDir(), EdgeHTTP: 8080, EdgeTLS: 8443})
	asks := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", p.DNS)
	}}
	addresses, err := asks.LookupHost(t.Context(), "pads.frama.example.")
	if err != nil || len(addresses) != 1 || addresses[0] != "127.0.0.1" {
		t.Errorf("got %v, %v, want 127.0.0.1 alone", addresses, err)
	}
	answer, err := http.Post(p.DNSManagement+"/set-default-ipv4", "application/json", strings.NewReader(`{"ip":"127.0.0.2"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if text, _ := io.ReadAll(answer.Body); answer.StatusCode != http.StatusOK {
		t.Errorf("management answered %s: %s", answer.Status, text)
	}
}

func TestPebbleRefusesAsManyNoncesAsToldTo(t *testing.T) {
	p := startPebble(t, PebbleOptions{Data: t.TempDir(), EdgeHTTP: 8080, EdgeTLS: 8443, RejectNonces: 50})
	if log := p.server.Tail(100); !strings.Contains(log, "50% of good nonces") {
		t.Errorf("Pebble does not say that it refuses nonces:\n%s", log)
	}
}

func TestPebbleNamesATakenPort(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := Port{Number: l.Addr().(*net.TCPAddr).Port, Option: "--acme-port"}
	_, err = StartPebble(testContext(t), PebbleOptions{Data: t.TempDir(), EdgeHTTP: 8080, Directory: port})
	if err == nil || !strings.Contains(err.Error(), "--acme-port") || !strings.Contains(err.Error(), "dev.test (process ") {
		t.Errorf("got %v, want the port's holder (this test) and the option", err)
	}
}
