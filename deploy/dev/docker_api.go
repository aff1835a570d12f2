package dev

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// engineAPI makes the few calls to a container engine that a platform needs; its containers are Nomad's.
type engineAPI struct {
	socket string
	client *http.Client
}

func newEngineAPI(socket string) engineAPI {
	return engineAPI{socket: socket, client: &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true, // the last user of an engine must be able to stop it
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
	}}}
}

// ping reports whether an engine answers.
func (e engineAPI) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return e.call(ctx, http.MethodGet, "/_ping", nil)
}

// call makes one call; out takes the answer as JSON and may be nil.
func (e engineAPI) call(ctx context.Context, method, path string, out any) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://engine"+path, nil)
	if err != nil {
		return err
	}
	resp, err := e.client.Do(req)
	if err != nil {
		return fmt.Errorf("container engine at %s: %w", e.socket, err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("container engine at %s: %w", e.socket, err)
	}
	if resp.StatusCode >= 300 {
		return &errStatus{"the container engine", resp.StatusCode, strings.TrimSpace(string(answer))}
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer, out)
}

func escape(text string) string { return url.QueryEscape(text) }
