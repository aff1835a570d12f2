//go:build e2e

package dev

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// writer appends a line to its volume at each start, as nobody, through shell programs of the volume frama-usr.
const writer = `
job "writer" {
  namespace = "frama"
  group "app" {
    volume "data" {
      type            = "csi"
      source          = "writer-data"
      access_mode     = "multi-node-single-writer"
      attachment_mode = "file-system"
    }
    volume "usr" {
      type      = "host"
      source    = "frama-usr"
      read_only = true
    }
    update {
      min_healthy_time = "1s"
    }
    task "writer" {
      driver = "exec"
      config {
        command = "/bin/sh"
        args    = ["-c", "echo \"$(id -un) $NOMAD_ALLOC_ID\" >> /data/starts; trap exit TERM; sleep 3600 & wait"]
      }
      volume_mount {
        volume      = "data"
        destination = "/data"
      }
      volume_mount {
        volume      = "usr"
        destination = "/usr"
        read_only   = true
      }
      resources {
        cpu    = 50
        memory = 32
      }
    }
  }
}
`

func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func nomadOptions(t *testing.T) NomadOptions {
	ports, err := FreePorts(3)
	if err != nil {
		t.Fatal(err)
	}
	frama, err := framaBinary()
	if err != nil {
		t.Fatal(err)
	}
	return NomadOptions{
		Frama: frama, Data: filepath.Join(t.TempDir(), "nomad"), HTTP: Port{ports[0], ""}, RPC: Port{ports[1], ""}, Serf: Port{ports[2], ""},
		MinPort: 25000, MaxPort: 25999, Progress: func(text string) { t.Log(text) },
	}
}

func startNomad(t *testing.T, o NomadOptions) *Nomad {
	t.Helper()
	began := time.Now()
	n, err := StartNomad(testContext(t), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("Nomad ready after %s", time.Since(began).Round(time.Millisecond))
	return n
}

// asFrama calls with frama's own token.
func (n *Nomad) asFrama() *nomadAPI { return &nomadAPI{address: n.Address, token: n.Token} }

// framaBinary is built once for all tests of this package.
var framaBinary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "frama-dev-e2e")
	if err != nil {
		return "", err
	}
	return BuildFrama(context.Background(), dir)
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := framaBinary(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// makeVolume makes a volume on this machine, and registers it with frama's own token.
func makeVolume(t *testing.T, n *Nomad, name string) {
	t.Helper()
	if err := n.AwaitVolumes(t.Context()); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), n.options.Frama, "volume", "create", "--folder", n.Volumes, "--plain", "--mib", "10", "--uid", "65534", "--gid", "65534", name)
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	err := n.asFrama().call(t.Context(), http.MethodPut, "/v1/volume/csi/"+name+"?namespace=frama", map[string]any{"Volumes": []map[string]any{{
		"Namespace": "frama", "ID": name, "Name": name, "ExternalID": name, "PluginID": "frama",
		"RequestedCapabilities": []map[string]string{{"AccessMode": "multi-node-single-writer", "AttachmentMode": "file-system"}},
	}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
}

func register(t *testing.T, n *Nomad, hcl string) {
	t.Helper()
	var job json.RawMessage
	err := n.asFrama().call(t.Context(), http.MethodPost, "/v1/jobs/parse?namespace=frama", map[string]any{"JobHCL": hcl}, &job)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.asFrama().call(t.Context(), http.MethodPut, "/v1/jobs?namespace=frama", map[string]any{"Job": job}, nil); err != nil {
		t.Fatal(err)
	}
}

// starts waits until the writer has started at least want times, and returns the lines it wrote.
func starts(t *testing.T, n *Nomad, want int) []string {
	t.Helper()
	began := time.Now()
	for {
		files, _ := filepath.Glob(filepath.Join(n.options.Data, "volumes", "*", "starts"))
		if len(files) == 1 {
			text, _ := os.ReadFile(files[0])
			if lines := strings.Split(strings.TrimSpace(string(text)), "\n"); len(lines) >= want {
				t.Logf("task started after %s", time.Since(began).Round(time.Millisecond))
				return lines
			}
		}
		if time.Since(began) > 30*time.Second {
			t.Fatalf("the task did not start %d times; log:\n%s", want, n.Process.Tail(40))
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func mountsBelow(t *testing.T, dir string) bool {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(string(table), " "+dir+"/")
}

func TestNomadKeepsJobsAndDataOverRestartsAndCrashes(t *testing.T) {
	o := nomadOptions(t)
	n := startNomad(t, o)
	makeVolume(t, n, "writer-data")
	register(t, n, writer)
	lines := starts(t, n, 1)
	if !strings.HasPrefix(lines[0], "nobody ") {
		t.Errorf("the task ran as %q, want nobody", lines[0])
	}

	began := time.Now()
	if err := n.Stop(testContext(t)); err != nil {
		t.Fatal(err)
	}
	t.Logf("stopped after %s", time.Since(began).Round(time.Millisecond))
	if left := strays(o.Data); len(left) > 0 {
		t.Errorf("Stop left processes %v", left)
	}
	if mountsBelow(t, o.Data) {
		t.Error("Stop left mounts")
	}

	again := startNomad(t, o)
	if again.Token != n.Token || again.NodeID != n.NodeID {
		t.Errorf("token and node changed over a restart")
	}
	starts(t, again, 2)

	again.Kill() // the agent crashes; its tasks go on
	if len(strays(o.Data)) == 0 {
		t.Error("no task outlived the agent, so this test shows nothing")
	}
	third := startNomad(t, o)
	starts(t, third, 3)
	if err := third.Stop(testContext(t)); err != nil {
		t.Fatal(err)
	}

	// As after a restart of the machine: another boot, and no mounts.
	if err := os.WriteFile(third.bootFile(), []byte("another boot"), 0o600); err != nil {
		t.Fatal(err)
	}
	fourth := startNomad(t, o)
	starts(t, fourth, 4)

	// The agent crashes and Stop cleans up after it, mounts included.
	fourth.Process.Kill()
	if err := fourth.Stop(testContext(t)); err == nil {
		t.Error("Stop of a crashed agent has nothing to say")
	}
	if left := strays(o.Data); len(left) > 0 || mountsBelow(t, o.Data) {
		t.Errorf("Stop of a crashed agent left processes %v, mounts %v", left, mountsBelow(t, o.Data))
	}
	fifth := startNomad(t, o)
	lines = starts(t, fifth, 5)
	for want := 6; lines[len(lines)-1] == lines[3]; want++ { // first again in the allocation without mounts, then anew
		lines = starts(t, fifth, want)
	}
	if err := fifth.Stop(testContext(t)); err != nil {
		t.Fatal(err)
	}
	if err := fifth.Stop(testContext(t)); err != nil {
		t.Errorf("a second Stop: %v", err)
	}
	t.Log("starts:\n" + strings.Join(lines, "\n"))
}

func TestNomadKeepsTasksThatOutlivedTheAgent(t *testing.T) {
	o := nomadOptions(t)
	n := startNomad(t, o)
	makeVolume(t, n, "writer-data")
	register(t, n, writer)
	starts(t, n, 1)
	before := strays(o.Data)
	if _, err := Sweep(filepath.Dir(o.Data)); err == nil {
		t.Error("Sweep works on the folder of a living agent")
	}
	n.Kill()
	outlived := strays(o.Data)

	o.KeepTasks = true
	again := startNomad(t, o)
	time.Sleep(2 * time.Second) // a task that is not recovered would be started anew within this time
	for _, pid := range outlived {
		if !slices.Contains(strays(o.Data), pid) {
			t.Errorf("process %d of the task ended (before: %v)", pid, before)
		}
	}
	if lines := starts(t, again, 1); len(lines) != 1 {
		t.Errorf("the task was started again: %q", lines)
	}
	again.Kill()
	count, err := Sweep(filepath.Dir(o.Data))
	if err != nil || count == 0 || len(strays(o.Data)) > 0 {
		t.Errorf("Sweep ended %d processes, %v; left %v", count, err, strays(o.Data))
	}
	if err := unmountBelow(o.Data); err != nil {
		t.Error(err)
	}
}

func TestNomadDeniesWhatFramaDoesNotNeed(t *testing.T) {
	o := nomadOptions(t)
	n := startNomad(t, o)
	t.Cleanup(func() { _ = n.Stop(context.Background()) })
	if info, err := os.Stat(n.TokenFile); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("token file: %v, %v, want mode 0600", info.Mode(), err)
	}
	nobody := &nomadAPI{address: n.Address}
	for _, c := range []struct {
		who          string
		api          *nomadAPI
		method, path string
		in           any
		allowed      bool
	}{
		{"anonymous", nobody, http.MethodGet, "/v1/jobs?namespace=frama", nil, false},
		{"anonymous", nobody, http.MethodGet, "/v1/nodes", nil, false},
		{"anonymous", nobody, http.MethodGet, "/v1/var/nomad/jobs/x?namespace=frama", nil, false},
		{"frama", n.asFrama(), http.MethodGet, "/v1/jobs?namespace=frama", nil, true},
		{"frama", n.asFrama(), http.MethodGet, "/v1/nodes", nil, true},
		{"frama", n.asFrama(), http.MethodGet, "/v1/volumes?type=csi&namespace=frama", nil, true},
		{"frama", n.asFrama(), http.MethodPut, "/v1/var/nomad/jobs/x?namespace=frama", map[string]any{
			"Path": "nomad/jobs/x", "Namespace": "frama", "Items": map[string]string{"a": "b"}}, true},
		{"frama", n.asFrama(), http.MethodPut, "/v1/var/other?namespace=frama", map[string]any{
			"Path": "other", "Namespace": "frama", "Items": map[string]string{"a": "b"}}, false},
		{"frama", n.asFrama(), http.MethodPut, "/v1/namespace/mine", map[string]string{"Name": "mine"}, false},
		{"frama", n.asFrama(), http.MethodGet, "/v1/acl/tokens", nil, false},
		{"frama", n.asFrama(), http.MethodPut, "/v1/node/" + n.NodeID + "/drain", map[string]any{}, false},
		{"frama", n.asFrama(), http.MethodGet, "/v1/operator/scheduler/configuration", nil, true}, // frama doctor looks at oversubscription
		{"frama", n.asFrama(), http.MethodPut, "/v1/operator/scheduler/configuration", map[string]any{}, false},
	} {
		err := c.api.call(t.Context(), c.method, c.path, c.in, nil)
		if denied := isStatus(err, http.StatusForbidden); denied == c.allowed || c.allowed && err != nil {
			t.Errorf("%s %s %s: %v, want allowed %v", c.who, c.method, c.path, err, c.allowed)
		}
	}
	t.Run("a second start on the folder", func(t *testing.T) {
		second := o
		_, err := StartNomad(t.Context(), second)
		if err == nil || !strings.Contains(err.Error(), "in use by another") {
			t.Errorf("got %v, want that the folder is in use", err)
		}
	})
	t.Run("a taken port", func(t *testing.T) {
		other := o
		other.Data = filepath.Join(t.TempDir(), "nomad")
		other.HTTP.Option = "--nomad-port"
		_, err := StartNomad(t.Context(), other)
		if err == nil || !strings.Contains(err.Error(), "nomad") || !strings.Contains(err.Error(), "--nomad-port") {
			t.Errorf("got %v, want the port's holder and the option", err)
		}
	})
	t.Run("a cancelled start", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		fresh := nomadOptions(t)
		if _, err := StartNomad(ctx, fresh); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want cancelled", err)
		}
		if left := strays(fresh.Data); len(left) > 0 {
			t.Errorf("left processes %v", left)
		}
	})
}
