package dev

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// nomadAPI makes the few administrative calls that starting and stopping an agent need. frama itself talks to Nomad
// through provisioner/nomad, with a token that may do none of this.
type nomadAPI struct {
	address string
	token   string
}

// errStatus is an answer other than 200.
type errStatus struct {
	who  string
	code int
	body string
}

func (e *errStatus) Error() string { return fmt.Sprintf("%s answered %d: %s", e.who, e.code, e.body) }

func isStatus(err error, code int) bool {
	var s *errStatus
	return errors.As(err, &s) && s.code == code
}

func (a *nomadAPI) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		encoded, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(encoded)
	}
	req, err := http.NewRequestWithContext(ctx, method, a.address+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("X-Nomad-Token", a.token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return &errStatus{"nomad", resp.StatusCode, strings.TrimSpace(string(answer))}
	}
	if out == nil || len(answer) == 0 {
		return nil
	}
	return json.Unmarshal(answer, out)
}

func (a *nomadAPI) hasLeader(ctx context.Context) error {
	var leader string
	if err := a.call(ctx, http.MethodGet, "/v1/status/leader", nil, &leader); err != nil {
		return err
	}
	if leader == "" {
		return errors.New("no leader yet")
	}
	return nil
}

func (a *nomadAPI) nodeReady(ctx context.Context, id string, drivers []string) error {
	var node struct {
		Status  string
		Drivers map[string]struct {
			Healthy           bool
			HealthDescription string
		}
	}
	if err := a.call(ctx, http.MethodGet, "/v1/node/"+id, nil, &node); err != nil {
		return err
	}
	if node.Status != "ready" {
		return fmt.Errorf("node is %s", node.Status)
	}
	for _, name := range drivers {
		if driver, known := node.Drivers[name]; !known || !driver.Healthy {
			return fmt.Errorf("driver %s is not healthy: %s", name, driver.HealthDescription)
		}
	}
	return nil
}

// clientRegistered tells whether the agent's client has registered with its server since the agent started. The state of
// the node itself does not say so, since it is that of the last run.
//
// A registration that fails at a restart is tried again when another call of the client's succeeds. Asking for its
// statistics makes it resolve the token, which is such a call.
func (a *nomadAPI) clientRegistered(ctx context.Context) error {
	if err := a.call(ctx, http.MethodGet, "/v1/client/stats", nil, nil); err != nil {
		return err
	}
	var self struct {
		Stats struct {
			Client struct {
				TTL string `json:"heartbeat_ttl"`
			} `json:"client"`
		} `json:"stats"`
	}
	if err := a.call(ctx, http.MethodGet, "/v1/agent/self", nil, &self); err != nil {
		return err
	}
	if ttl := self.Stats.Client.TTL; ttl == "" || ttl == "0s" {
		return errors.New("the node has not registered yet")
	}
	return nil
}

// drain tells the servers to stop everything on the node at once: a negative deadline is a forced drain. System jobs, which
// is the volume plugin, stay: stopped with the others it would leave their mounts.
func (a *nomadAPI) drain(ctx context.Context, node string) error {
	return a.call(ctx, http.MethodPut, "/v1/node/"+node+"/drain", map[string]any{
		"DrainSpec": map[string]any{"Deadline": -1, "IgnoreSystemJobs": true}, "MarkEligible": false,
	}, nil)
}

func (a *nomadAPI) setEligible(ctx context.Context, node string) error {
	// Ends a drain that a crash cut short, too.
	err := a.call(ctx, http.MethodPut, "/v1/node/"+node+"/drain", map[string]any{"DrainSpec": nil, "MarkEligible": true}, nil)
	if err != nil {
		return fmt.Errorf("let Nomad's node take work: %w", err)
	}
	return nil
}

// running counts the allocations on the node whose tasks have not ended, without those of system jobs.
func (a *nomadAPI) running(ctx context.Context, node string) (int, error) {
	var allocations []struct {
		Job                         struct{ Type string }
		ClientStatus, DesiredStatus string
	}
	if err := a.call(ctx, http.MethodGet, "/v1/node/"+node+"/allocations", nil, &allocations); err != nil {
		return -1, err
	}
	count := 0
	for _, alloc := range allocations {
		if alloc.Job.Type == "system" {
			continue
		}
		if alloc.ClientStatus == "running" || alloc.ClientStatus == "pending" && alloc.DesiredStatus == "run" {
			count++
		}
	}
	return count, nil
}

// collect removes ended allocations from the client.
func (a *nomadAPI) collect(ctx context.Context, node string) error {
	return a.call(ctx, http.MethodGet, "/v1/client/gc?node_id="+node, nil, nil)
}

// reschedule places failed allocations of all jobs again at once, which Nomad would do only after a delay. Allocations
// that a client restores before its server's keys are ready fail: "group_services failed: Permission denied".
func (a *nomadAPI) reschedule(ctx context.Context) error {
	var jobs []struct{ ID, Namespace string }
	if err := a.call(ctx, http.MethodGet, "/v1/jobs?namespace=*", nil, &jobs); err != nil {
		return fmt.Errorf("list Nomad's jobs: %w", err)
	}
	for _, job := range jobs {
		path := "/v1/job/" + url.PathEscape(job.ID) + "/evaluate?namespace=" + url.QueryEscape(job.Namespace)
		err := a.call(ctx, http.MethodPut, path, map[string]any{
			"JobID": job.ID, "EvalOptions": map[string]bool{"ForceReschedule": true},
		}, nil)
		if err != nil {
			return fmt.Errorf("place job %s again: %w", job.ID, err)
		}
	}
	return nil
}
