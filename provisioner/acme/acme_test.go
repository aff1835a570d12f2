package acme

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"framagit.org/frama/frama/provisioner"
)

// RFC 7638, 3.1.
func TestThumbprintVector(t *testing.T) {
	n, err := base64.RawURLEncoding.DecodeString("0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRX" +
		"jBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zg" +
		"dAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw")
	if err != nil {
		t.Fatal(err)
	}
	got, err := thumbprint(&rsa.PublicKey{N: new(big.Int).SetBytes(n), E: 65537})
	if err != nil || got != "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs" {
		t.Errorf("got %q %v", got, err)
	}
}

func TestThumbprintNeedsNoServer(t *testing.T) {
	store := &memory{}
	options := Options{Directory: "https://127.0.0.1:1/dir", Accounts: store}
	one, err := New(options)
	if err != nil {
		t.Fatal(err)
	}
	first, err := one.Thumbprint(context.Background())
	if err != nil || len(first) != 43 || store.saves != 1 {
		t.Fatalf("%q %v, saved %d times", first, err, store.saves)
	}
	two, _ := New(options)
	if again, err := two.Thumbprint(context.Background()); err != nil || again != first || store.saves != 1 {
		t.Errorf("after a restart: %q %v, saved %d times", again, err, store.saves)
	}
	store.raw[options.Directory] = []byte(`{"key":"-----BEGIN EC PRIVATE KEY-----\nSECRET"}`)
	three, _ := New(options)
	if _, err := three.Thumbprint(context.Background()); err == nil || strings.Contains(err.Error(), "SECRET") {
		t.Errorf("a damaged account: %v", err)
	}
}

func TestNewRefuses(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]Options{
		"plain http":  {Directory: "http://127.0.0.1/dir", Accounts: &memory{}},
		"no URL":      {Directory: "letsencrypt", Accounts: &memory{}},
		"no store":    {Directory: "https://ca.test/dir"},
		"half an EAB": {Directory: "https://ca.test/dir", Accounts: &memory{}, EABKeyID: "x"},
		"no CA file":  {Directory: "https://ca.test/dir", Accounts: &memory{}, CAFile: "/none"},
		"empty CA":    {Directory: "https://ca.test/dir", Accounts: &memory{}, CAFile: empty},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

func TestOrderErrors(t *testing.T) {
	for name, tc := range map[string]struct {
		answer http.HandlerFunc
		want   string
		after  time.Duration // 0: not temporary
	}{
		"limited":                {refuse(429, "rateLimited", "too many certificates", "Retry-After", "7200"), "limits how much", 2 * time.Hour},
		"limited without a time": {refuse(429, "rateLimited", "too many"), "limits how much", afterLimit},
		"limited as a fault":     {refuse(503, "rateLimited", "service busy", "Retry-After", "30"), "limits how much", 30 * time.Second},
		"page of a proxy": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(502)
			_, _ = io.WriteString(w, "<html>\nbad\x1b[31m gateway")
		}, "answered 502: <html> bad [31m gateway", afterFault},
		"internal": {refuse(500, "serverInternal", "boom"), "fault of its own", afterFault},
		"rejected": {refuse(400, "rejectedIdentifier", "policy forbids"), "does not certify names such as pads.test", 0},
		"caa":      {refuse(403, "caa", "CAA record prevents issuance"), "CAA record", 0},
		"no DNS":   {refuse(400, "dns", "NXDOMAIN"), "A or AAAA record", afterInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.orders = []http.HandlerFunc{tc.answer}
			_, err := f.issuer(t).Issue(context.Background(), "pads.test", nil)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("got %v", err)
			}
			var later *provisioner.TemporaryError
			if errors.As(err, &later) != (tc.after > 0) || (later != nil && later.After != tc.after) {
				t.Errorf("got %#v, want to come back after %s", later, tc.after)
			}
			if f.keyless {
				t.Error("the account was registered before its key was saved")
			}
		})
	}
}

func TestUnreachable(t *testing.T) {
	f := newFake(t)
	var later *provisioner.TemporaryError

	f.directory = func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
		w.WriteHeader(503)
	}
	if _, err := f.issuer(t).Issue(context.Background(), "pads.test", nil); !errors.As(err, &later) || later.After < 50*time.Minute {
		t.Errorf("a directory in maintenance: %v", err)
	}
	f.directory = nil
	stranger, err := New(Options{Directory: f.URL + "/dir", Accounts: &memory{}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stranger.Issue(context.Background(), "pads.test", nil); !errors.As(err, &later) || !strings.Contains(later.Reason, "is not trusted here") {
		t.Errorf("an unknown authority: %v", err)
	}
	i := f.issuer(t)
	f.Close()
	if _, err := i.Issue(context.Background(), "pads.test", nil); !errors.As(err, &later) || !strings.Contains(later.Reason, "cannot be reached") {
		t.Errorf("an authority that is gone: %v", err)
	}
}

func TestForgottenAccount(t *testing.T) {
	f := newFake(t)
	end := refuse(400, "rejectedIdentifier", "enough")
	f.orders = []http.HandlerFunc{end, refuse(400, "accountDoesNotExist", "who are you"), end, end}
	i := f.issuer(t)
	for range 3 {
		if _, err := i.Issue(context.Background(), "pads.test", nil); err == nil || !strings.Contains(err.Error(), "enough") {
			t.Fatal(err)
		}
	}
	if len(f.accounts) != 2 || f.accounts[0] != f.accounts[1] {
		t.Errorf("registered %v, want the same key twice", f.accounts)
	}
	f.orders = []http.HandlerFunc{end}
	if _, err := f.issuer(t).Issue(context.Background(), "pads.test", nil); err == nil || len(f.accounts) != 2 {
		t.Errorf("after a restart the stored account was not used: %v, %d registrations", err, len(f.accounts))
	}
}

func TestRegisteredOnce(t *testing.T) {
	f := newFake(t)
	i := f.issuer(t)
	var wg sync.WaitGroup
	for range 8 {
		f.orders = append(f.orders, refuse(400, "rejectedIdentifier", "enough"))
	}
	for range 8 {
		wg.Go(func() { _, _ = i.Issue(context.Background(), "pads.test", nil) })
	}
	wg.Wait()
	if len(f.accounts) != 1 || len(f.replaces) != 8 {
		t.Errorf("%d registrations, %d orders", len(f.accounts), len(f.replaces))
	}
}

func TestAlreadyReplaced(t *testing.T) {
	f := newFake(t)
	f.orders = []http.HandlerFunc{refuse(409, "alreadyReplaced", "cert was replaced"), refuse(400, "rejectedIdentifier", "enough")}
	leaf := selfIssued(t, "pads.test")
	_, err := f.issuer(t).Issue(context.Background(), "pads.test", leaf)
	if err == nil || !strings.Contains(err.Error(), "enough") {
		t.Fatal(err)
	}
	if len(f.replaces) != 2 || f.replaces[0] == "" || f.replaces[1] != "" {
		t.Errorf("orders named %q", f.replaces)
	}
}

func TestPreflight(t *testing.T) {
	answer := "tok.thumb"
	edge := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != "pads.test" || r.URL.Path != challengePath+"tok" {
			t.Errorf("asked %s%s", r.Host, r.URL)
		}
		fmt.Fprintln(w, answer)
	}))
	defer edge.Close()
	p := preflight{edge: edge.Listener.Addr().String(), limit: 100 * time.Millisecond, every: 10 * time.Millisecond}
	if err := p.check(context.Background(), "pads.test", "tok", "tok.thumb"); err != nil {
		t.Fatal(err)
	}
	for instead, want := range map[string]string{
		"<h1>Welcome to nginx\x1b!</h1>": `it answered 200 OK: "<h1>Welcome to nginx !</h1>"`,
		"tok.other":                      "another ACME account",
	} {
		answer = instead
		err := p.check(context.Background(), "pads.test", "tok", "tok.thumb")
		var later *provisioner.TemporaryError
		if !errors.As(err, &later) || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.edge = l.Addr().String()
	l.Close()
	if err := p.check(context.Background(), "pads.test", "tok", "tok.thumb"); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("got %v", err)
	}
}

func selfIssued(t *testing.T, host string) []byte {
	t.Helper()
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(5), DNSNames: []string{host}, AuthorityKeyId: []byte{1, 2, 3}, SubjectKeyId: []byte{1, 2, 3}, IsCA: true, BasicConstraintsValid: true}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
