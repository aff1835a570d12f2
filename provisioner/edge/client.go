package edge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// maxSnapshot bounds a body, in bytes: 20 000 certificates take about 120 MB.
const maxSnapshot = 512 << 20

// client asks a Publisher.
type client struct {
	server string // base URL without a slash at its end
	token  string
	http   *http.Client
}

// checkServer refuses to send a token and to fetch private keys in the clear over a network.
func checkServer(server string) (string, error) {
	u, err := url.Parse(server)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return "", fmt.Errorf("edge: the server %q is not a URL such as https://frama.example.org:8700", server)
	}
	if u.Scheme == "http" && !loopback(u.Hostname()) {
		return "", fmt.Errorf("edge: %s would carry private keys in the clear: use https, or a tunnel that ends on loopback", server)
	}
	return strings.TrimRight(u.String(), "/"), nil
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || (err == nil && ip.IsLoopback())
}

// fetch waits for a snapshot other than the held one; nil without an error when there was none in time.
func (c *client) fetch(ctx context.Context, held *signed, wait time.Duration) (*signed, error) {
	after, etag := int64(-1), ""
	if held != nil {
		after, etag = held.snapshot.Version, held.ETag
	}
	ctx, cancel := context.WithTimeout(ctx, wait+3*time.Minute) // large snapshots over thin lines
	defer cancel()
	target := c.server + SnapshotPath + "?after=" + strconv.FormatInt(after, 10) +
		"&wait=" + strconv.Itoa(int(wait/time.Second))
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return nil, fmt.Errorf("ask frama for the snapshot: %w", err)
	}
	if etag != "" {
		req.Header.Set("If-None-Match", etag)
	}
	resp, err := c.do(req)
	if err != nil {
		return nil, fmt.Errorf("ask frama for the snapshot: %w", err)
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusNoContent, http.StatusNotModified:
		return nil, nil //nolint:nilnil // documented: nothing new
	case http.StatusOK:
	default:
		return nil, fmt.Errorf("ask frama for the snapshot: %w", refusal(resp))
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxSnapshot+1))
	if err != nil {
		return nil, fmt.Errorf("read the snapshot: %w", err)
	}
	if len(body) > maxSnapshot {
		return nil, fmt.Errorf("the snapshot is larger than %d bytes", maxSnapshot)
	}
	return &signed{ETag: resp.Header.Get("ETag"), Signature: resp.Header.Get(SignatureHeader), Body: body}, nil
}

// ack tells frama what became of a version.
func (c *client) ack(ctx context.Context, a Ack) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	body, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("acknowledge: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.server+AckPath, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("acknowledge: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.do(req)
	if err != nil {
		return fmt.Errorf("acknowledge: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		return fmt.Errorf("acknowledge: %w", refusal(resp))
	}
	return nil
}

func (c *client) do(req *http.Request) (*http.Response, error) {
	req.Header.Set("Authorization", "Bearer "+c.token)
	return c.http.Do(req)
}

// refusal is what the server said instead.
func refusal(resp *http.Response) error {
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 500)) // whatever could be read
	return errors.New(resp.Status + ": " + printable(strings.TrimSpace(string(text)), 300))
}

// newHTTPClient has limits for everything but the body, which fetch and ack bound themselves.
func newHTTPClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
			TLSHandshakeTimeout:   10 * time.Second,
			ResponseHeaderTimeout: maxWait + 30*time.Second,
			IdleConnTimeout:       2 * time.Minute,
			ForceAttemptHTTP2:     true,
		},
		// The token goes to the configured server only.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
