package nomad

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"github.com/hashicorp/nomad/api"
)

// disconnectVersion is the first Nomad that knows the disconnect block of a group. Older ones ignore it silently.
const disconnectVersion = "1.8.0"

// servers remembers the version of the cluster's servers, which changes when they are upgraded.
type servers struct {
	mu      sync.Mutex
	oldest  string
	learned time.Time
}

const serversFresh = 10 * time.Minute

// serverVersion is the version of the oldest server.
func (c *Cluster) serverVersion(ctx context.Context) (string, error) {
	c.servers.mu.Lock()
	defer c.servers.mu.Unlock()
	if c.servers.oldest != "" && time.Since(c.servers.learned) < serversFresh {
		return c.servers.oldest, nil
	}
	oldest := ""
	err := c.call(ctx, "read the version of the servers", func(ctx context.Context) error {
		r, err := c.read(ctx)
		if err != nil {
			return err
		}
		health, _, err := c.client.Operator().AutopilotServerHealth(r)
		var answer api.UnexpectedResponseError
		if status(err) == http.StatusTooManyRequests && asAnswer(err, &answer) {
			// Nomad answers so when a server is unhealthy; the answer is complete all the same.
			health = &api.OperatorHealthReply{}
			if json.Unmarshal([]byte(answer.Body()), health) != nil {
				return err
			}
		} else if err != nil {
			return err
		}
		for _, s := range health.Servers {
			if s.Version != "" && (oldest == "" || older(s.Version, oldest)) {
				oldest = s.Version
			}
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	c.servers.oldest, c.servers.learned = oldest, time.Now()
	return oldest, nil
}

// knowsDisconnect reports whether every server knows the disconnect block.
func (c *Cluster) knowsDisconnect(ctx context.Context) (bool, error) {
	version, err := c.serverVersion(ctx)
	return err == nil && version != "" && !older(version, disconnectVersion), err
}
