package dev

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	nomadjobs "framagit.org/frama/frama/deploy/nomad"
)

// VolumePlugin says how the volume plugin runs on a Nomad of this machine.
type VolumePlugin struct {
	Frama     string // the frama binary
	Folder    string // of the volumes
	Plain     bool   // volumes without limits
	Namespace string // "frama-node" when empty
	ClientDir string // Nomad's folder for the state of its client
}

// BuildFrama builds the frama binary into a folder, for tests outside of cmd/frama.
func BuildFrama(ctx context.Context, dir string) (path string, err error) {
	path = filepath.Join(dir, "frama")
	said, err := exec.CommandContext(ctx, "go", "build", "-o", path, "framagit.org/frama/frama/cmd/frama").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build frama: %w\n%s", err, said)
	}
	return path, nil
}

// RunVolumePlugin registers the plugin's job with an administrator's token and waits until Nomad finds the plugin healthy.
func RunVolumePlugin(ctx context.Context, address, token string, p VolumePlugin) error {
	return (&nomadAPI{address: address, token: token}).runVolumePlugin(ctx, p)
}

func (a *nomadAPI) runVolumePlugin(ctx context.Context, p VolumePlugin) error {
	if err := a.registerVolumePlugin(ctx, p); err != nil {
		return fmt.Errorf("run the volume plugin: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		err := a.volumePluginHealthy(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the volume plugin is not healthy: %w", err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (a *nomadAPI) registerVolumePlugin(ctx context.Context, p VolumePlugin) error {
	if p.Namespace == "" {
		p.Namespace = "frama-node"
	}
	if err := os.MkdirAll(p.Folder, 0o755); err != nil {
		return fmt.Errorf("folder of the volumes: %w", err)
	}
	err := a.call(ctx, http.MethodPut, "/v1/namespace/"+p.Namespace, map[string]string{
		"Name": p.Namespace, "Description": "frama's volume plugin, and nothing else",
	}, nil)
	if err != nil {
		return fmt.Errorf("make namespace %s: %w", p.Namespace, err)
	}
	variables, err := json.Marshal(map[string]any{
		"folder": p.Folder, "plain": p.Plain, "frama": p.Frama, "client_dir": p.ClientDir, "namespace": p.Namespace,
	})
	if err != nil {
		return err
	}
	var job map[string]any
	query := "?namespace=" + url.QueryEscape(p.Namespace)
	err = a.call(ctx, http.MethodPut, "/v1/jobs/parse"+query, map[string]any{"JobHCL": nomadjobs.Volumes, "Variables": string(variables)}, &job)
	if err != nil {
		return err
	}
	return a.call(ctx, http.MethodPut, "/v1/jobs"+query, map[string]any{"Job": job}, nil)
}

// volumePluginHealthy asks the servers, who learn it from the client.
func (a *nomadAPI) volumePluginHealthy(ctx context.Context) error {
	var plugin struct{ NodesHealthy, NodesExpected int }
	if err := a.call(ctx, http.MethodGet, "/v1/plugin/csi/frama", nil, &plugin); err != nil {
		return err
	}
	if plugin.NodesHealthy == 0 {
		return errors.New("no node has a healthy one")
	}
	return nil
}
