//go:build e2e

package nomad

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"framagit.org/frama/frama/deploy/dev"
	nomadacl "framagit.org/frama/frama/deploy/nomad-acl"

	"github.com/hashicorp/nomad/api"
)

// agent is a real Nomad of one node, with access rules on, shared by the tests of this package.
type agent struct {
	address string
	root    string // management token
	token   string // frama's
	node    string
	dir     string
	client  *api.Client
	frama   string // the binary of the volume plugin
	stop    func()
}

// testAgent is started by TestMain and read by tests.
var testAgent *agent

func TestMain(m *testing.M) {
	a, err := startAgent()
	if err != nil {
		fmt.Fprintln(os.Stderr, "start nomad:", err)
		os.Exit(1)
	}
	testAgent = a
	code := m.Run()
	a.stop()
	os.Exit(code)
}

func startAgent() (*agent, error) {
	binary, err := dev.Tool("nomad")
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "frama-nomad-e2e")
	if err != nil {
		return nil, err
	}
	frama, err := dev.BuildFrama(context.Background(), dir)
	if err != nil {
		return nil, err
	}
	var ports [3]int
	var listeners []net.Listener
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		ports[i] = l.Addr().(*net.TCPAddr).Port
		listeners = append(listeners, l)
	}
	for _, l := range listeners {
		_ = l.Close()
	}
	config := fmt.Sprintf(`
data_dir  = %q
bind_addr = "127.0.0.1"
ports { http = %d
 rpc = %d
 serf = %d }
acl { enabled = true }
server { enabled = true
 bootstrap_expect = 1 }
client {
  enabled = true
  network_interface = "lo"
  cpu_total_compute = 4000
  memory_total_mb   = 4000
  reserved { reserved_ports = "22,8000-8002" }
  options { "fingerprint.denylist" = "env_aws,env_gce,env_azure,env_digitalocean" }
  chroot_env {
    %q = "/bin/sh"
    "/bin/sleep" = "/bin/sleep"
    "/bin/cat" = "/bin/cat"
    "/etc/passwd" = "/etc/passwd"
    "/etc/group" = "/etc/group"
    "/lib/x86_64-linux-gnu/libc.so.6" = "/lib/x86_64-linux-gnu/libc.so.6"
    %q = "/lib64/ld-linux-x86-64.so.2"
  }
}
limits { http_max_conns_per_client = 0 }
advertise { http = "127.0.0.1"
 rpc = "127.0.0.1"
 serf = "127.0.0.1" }
plugin "raw_exec" { config { enabled = true } }
`, dir+"/data", ports[0], ports[1], ports[2], behind("/bin/sh"), behind("/lib64/ld-linux-x86-64.so.2"))
	if err := os.WriteFile(dir+"/agent.hcl", []byte(config), 0o600); err != nil {
		return nil, err
	}
	log, err := os.Create(dir + "/agent.log")
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(binary, "agent", "-dev", "-config", dir+"/agent.hcl")
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	var once sync.Once
	a := &agent{address: fmt.Sprintf("http://127.0.0.1:%d", ports[0]), dir: dir, frama: frama}
	a.stop = func() {
		once.Do(func() {
			a.purge()
			_ = cmd.Process.Signal(syscall.SIGINT)
			done := make(chan struct{})
			go func() { _ = cmd.Wait(); close(done) }()
			select {
			case <-done:
			case <-time.After(15 * time.Second):
				_ = cmd.Process.Kill()
			}
			unmountBelow(dir) // folders of secrets are in memory, and stay mounted until Nomad forgets the allocation
			_ = os.RemoveAll(dir)
		})
	}
	if err := a.bootstrap(); err != nil {
		text, _ := os.ReadFile(dir + "/agent.log")
		a.stop()
		return nil, fmt.Errorf("%w\n%s", err, bytes.TrimSpace(text[max(0, len(text)-3000):]))
	}
	return a, nil
}

// behind is the file that a link leads to: Nomad would put the bare link into a task's chroot.
func behind(link string) string {
	path, err := filepath.EvalSymlinks(link)
	if err != nil {
		return link
	}
	return path
}

func (a *agent) bootstrap() error {
	client, err := api.NewClient(&api.Config{Address: a.address, HttpClient: &http.Client{Timeout: 10 * time.Second, Transport: http.DefaultTransport}})
	if err != nil {
		return err
	}
	a.client = client
	if err := until(60*time.Second, func() error {
		token, _, err := client.ACLTokens().Bootstrap(nil)
		if err == nil {
			a.root = token.SecretID
		}
		return err
	}); err != nil {
		return err
	}
	client.SetSecretID(a.root)
	if _, err := client.Namespaces().Register(&api.Namespace{Name: "frama"}, nil); err != nil {
		return err
	}
	if a.token, err = a.newToken("frama", nomadacl.Policy); err != nil {
		return err
	}
	err = until(60*time.Second, func() error {
		nodes, _, err := client.Nodes().List(nil)
		if err != nil {
			return err
		}
		if len(nodes) != 1 || nodes[0].Status != "ready" {
			return fmt.Errorf("%d nodes", len(nodes))
		}
		a.node = nodes[0].ID
		return nil
	})
	if err != nil {
		return err
	}
	return dev.RunVolumePlugin(context.Background(), a.address, a.root, dev.VolumePlugin{
		Frama: a.frama, Folder: a.dir + "/volumes", Plain: true, ClientDir: a.dir + "/data/client",
	})
}

func (a *agent) newToken(name, rules string) (string, error) {
	if _, err := a.client.ACLPolicies().Upsert(&api.ACLPolicy{Name: name, Rules: rules}, nil); err != nil {
		return "", err
	}
	token, _, err := a.client.ACLTokens().Create(&api.ACLToken{Name: name, Type: "client", Policies: []string{name}}, nil)
	if err != nil {
		return "", err
	}
	return token.SecretID, nil
}

// purge stops every job so that no process outlives the agent, the volume plugin last: it unmounts what the others leave.
func (a *agent) purge() {
	if a.client == nil {
		return
	}
	for _, kind := range []string{"service", "batch", "system"} {
		jobs, _, err := a.client.Jobs().List(&api.QueryOptions{Namespace: "*"})
		if err != nil {
			return
		}
		for _, j := range jobs {
			if j.Type == kind {
				_, _, _ = a.client.Jobs().Deregister(j.ID, true, &api.WriteOptions{Namespace: j.Namespace})
			}
		}
		_ = until(10*time.Second, func() error {
			allocs, _, err := a.client.Allocations().List(&api.QueryOptions{Namespace: "*", Filter: `ClientStatus == "running"`})
			for _, alloc := range allocs {
				if alloc.JobType == kind {
					err = fmt.Errorf("%s still runs", alloc.JobID)
				}
			}
			return err
		})
	}
}

func unmountBelow(dir string) {
	mounts, _ := os.ReadFile("/proc/self/mounts")
	for _, line := range strings.Split(string(mounts), "\n") {
		if fields := strings.Fields(line); len(fields) > 1 && strings.HasPrefix(fields[1], dir+"/") {
			_ = syscall.Unmount(fields[1], syscall.MNT_DETACH)
		}
	}
}

func until(limit time.Duration, try func() error) error {
	deadline := time.Now().Add(limit)
	for {
		err := try()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func cluster(t *testing.T, change ...func(*Options)) *Cluster {
	t.Helper()
	o := Options{Address: testAgent.address, Token: Static(testAgent.token), Policy: DevelopmentPolicy()}
	for _, c := range change {
		c(&o)
	}
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// get reads a path of the API with a bearer token, as a task would.
func get(ctx context.Context, path, token string) (int, string) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, testAgent.address+path, nil)
	if err != nil {
		return 0, err.Error()
	}
	req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(token))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(body)
}

func asJSON(v any) string { out, _ := json.Marshal(v); return string(out) }
