package acme

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"framagit.org/frama/frama/provisioner"
)

// challengePath is where RFC 8555, 8.3 puts the answer.
const challengePath = "/.well-known/acme-challenge/"

// challenger is lego's HTTP-01 provider. It presents nothing, since edges answer by themselves; it only looks.
type challenger struct {
	check func(ctx context.Context, host, token, keyAuth string) error
	limit time.Duration
}

func (c challenger) Present(host, token, keyAuth string) error {
	ctx, cancel := context.WithTimeout(context.Background(), c.limit+time.Minute) // lego hands none over
	defer cancel()
	return c.check(ctx, host, token, keyAuth)
}

func (challenger) CleanUp(string, string, string) error { return nil }

// preflight asks for the challenge the way the authority will.
type preflight struct {
	edge  string // asked instead of the host's port 80 if not empty
	limit time.Duration
	every time.Duration
}

// check returns once the host answers rightly, or a TemporaryError that says what answered instead.
func (p preflight) check(ctx context.Context, host, token, keyAuth string) error {
	ctx, cancel := context.WithTimeout(ctx, p.limit)
	defer cancel()
	client := p.client()
	defer client.CloseIdleConnections()
	tick := time.NewTicker(p.every)
	defer tick.Stop()
	instead := errors.New("no answer")
	for {
		err := ask(ctx, client, "http://"+host+challengePath+token, keyAuth)
		if err == nil {
			return nil
		}
		if ctx.Err() == nil {
			instead = err // the last answer, not our own impatience
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return &provisioner.TemporaryError{Reason: p.reason(host), After: afterPreflight, Err: instead}
		}
	}
}

func (p preflight) reason(host string) string {
	if p.edge != "" {
		return fmt.Sprintf("%s does not answer its ACME challenge at %s: check that the edge agent and HAProxy run there "+
			"and have taken a snapshot", host, p.edge)
	}
	return fmt.Sprintf("http://%s does not answer its ACME challenge, so the certificate authority was not asked: check "+
		"that its A and AAAA records lead to the ingress of this platform, and that port 80 is open", host)
}

// client follows redirects and believes any certificate on the way, as authorities do: a challenge proves itself.
func (p preflight) client() *http.Client {
	var d net.Dialer
	return &http.Client{
		Timeout: 5 * time.Second,
		Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				if p.edge != "" && strings.HasSuffix(addr, ":80") {
					addr = p.edge
				}
				return d.DialContext(ctx, network, addr)
			},
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // see above
		},
		CheckRedirect: func(_ *http.Request, via []*http.Request) error {
			if len(via) >= 10 {
				return errors.New("more than ten redirects")
			}
			return nil
		},
	}
}

// ask fetches a URL and compares the body.
func ask(ctx context.Context, client *http.Client, url, want string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	got := strings.TrimRight(string(body), " \t\r\n")
	switch {
	case resp.StatusCode == http.StatusOK && got == want:
		return nil
	case resp.StatusCode == http.StatusOK && strings.HasPrefix(got, want[:strings.IndexByte(want, '.')+1]) && len(got) == len(want):
		return errors.New("an edge answered for another ACME account: it has not taken the newest snapshot yet, " +
			"or belongs to another frama")
	}
	return fmt.Errorf("it answered %s: %q", resp.Status, printable(got, 120))
}
