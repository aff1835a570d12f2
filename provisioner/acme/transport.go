package acme

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/go-acme/lego/v4/acme"

	"framagit.org/frama/frama/provisioner"
)

// trusted is the system's pool with the file's certificates added; nil, the system's own, without a file.
func trusted(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil //nolint:nilnil // nil is crypto/tls's word for the system's pool
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("acme: the CA file: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(raw) {
		return nil, fmt.Errorf("acme: the CA file %s holds no PEM certificate", file)
	}
	return pool, nil
}

func newHTTPClient(pool *x509.CertPool) *http.Client {
	return &http.Client{
		Timeout: time.Minute,
		Transport: busyTransport{next: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: 15 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
			TLSHandshakeTimeout:   15 * time.Second,
			ResponseHeaderTimeout: 30 * time.Second,
			IdleConnTimeout:       time.Minute,
			ForceAttemptHTTP2:     true,
			TLSClientConfig:       &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12},
		}},
	}
}

// busyError is an answer that asks to come back later. lego keeps the Retry-After of one kind of them only, and takes
// the plain pages that proxies in front of an authority send for damaged JSON.
type busyError struct {
	status int
	limit  bool // a rate limit, not a fault
	after  time.Duration
	detail string // bounded and printable
}

func (e *busyError) Error() string {
	return fmt.Sprintf("the authority answered %d: %s", e.status, e.detail)
}

func (e *busyError) explain(directory string) error {
	t := &provisioner.TemporaryError{After: e.after, Err: e}
	if e.limit {
		t.Reason = fmt.Sprintf("the certificate authority at %s limits how much it is asked; "+
			"nothing to do, the order is tried again when it allows", directory)
		if t.After <= 0 {
			t.After = afterLimit
		}
		return t
	}
	t.Reason = fmt.Sprintf("the certificate authority at %s has a fault of its own; the order is tried again", directory)
	if t.After <= 0 {
		t.After = afterFault
	}
	return t
}

// busyTransport turns 429 and 5xx answers into busyError, and paces lego where the authority does not: without a
// Retry-After, lego looks after a challenge only 5 s later, and for up to 500 s; with one second it looks after about 1,
// 2, 4, … up to 10 s, for 100 s.
type busyTransport struct{ next http.RoundTripper }

func (b busyTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := b.next.RoundTrip(req)
	if err == nil && req.Method == http.MethodPost && resp.StatusCode < 300 && resp.Header.Get("Retry-After") == "" {
		resp.Header.Set("Retry-After", "1")
	}
	if err != nil || (resp.StatusCode != http.StatusTooManyRequests && resp.StatusCode < 500) {
		return resp, err
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 16<<10)) // the status says enough
	e := &busyError{status: resp.StatusCode, after: retryAfter(resp.Header, time.Now())}
	var p acme.ProblemDetails
	if json.Unmarshal(body, &p) == nil && p.Detail != "" {
		body = []byte(p.Detail)
	}
	e.detail = printable(string(body), 300)
	e.limit = resp.StatusCode == http.StatusTooManyRequests || p.Type == problemLimit
	return nil, e
}

// retryAfter reads seconds or a date (RFC 9110, 10.2.3); 0 when there is neither. A date a little in the past, from a
// clock that is not ours, asks for a short pause all the same.
func retryAfter(h http.Header, now time.Time) time.Duration {
	value := h.Get("Retry-After")
	if n, err := strconv.Atoi(value); err == nil && n > 0 {
		return time.Duration(min(n, 14*24*3600)) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(at.Sub(now), time.Minute)
	}
	return 0
}

// printable bounds, in characters, a text that somebody else wrote and takes control characters out of it.
func printable(s string, limit int) string {
	s = strings.TrimSpace(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s))
	if r := []rune(s); len(r) > limit {
		s = string(r[:limit-1]) + "…"
	}
	return s
}
