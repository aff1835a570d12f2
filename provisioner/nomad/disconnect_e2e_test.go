//go:build e2e

package nomad

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"framagit.org/frama/frama/deploy/dev"
	nomadacl "framagit.org/frama/frama/deploy/nomad-acl"
	"framagit.org/frama/frama/provisioner"

	"github.com/hashicorp/nomad/api"
)

// TestNodeThatGoesAwayAndReturns stops a client's agent until the servers lose sight of it, and lets it go on. Its tasks run
// all the time, and nothing is started twice.
func TestNodeThatGoesAwayAndReturns(t *testing.T) {
	p := newPair(t)
	j := instance("e2e-away", 21090)
	j.Node = p.node
	j.Source = strings.NewReplacer(`"/bin/sleep"`, `"/bin/sh"`, `["3600"]`, `["-c", "echo start >> /data/starts; while true; do sleep 1; done"]`).Replace(j.Source)
	volume := provisioner.Volume{Name: j.Volume, Node: p.node, Instance: j.InstanceID, UID: 65534, GID: 65534, CapacityMiB: 10}
	if err := until(30*time.Second, func() error { return p.cluster.EnsureVolume(t.Context(), volume) }); err != nil {
		t.Fatal(err)
	}
	if err := p.cluster.EnsureSecrets(t.Context(), j.ID, map[string]string{"key": "value"}, nil); err != nil {
		t.Fatal(err)
	}
	if err := until(30*time.Second, func() error { return p.cluster.EnsureJob(t.Context(), j) }); err != nil {
		t.Fatal(err)
	}
	healthy(t, p.cluster, j.ID)
	before, err := p.cluster.runningOf(t.Context(), j.ID)
	if err != nil {
		t.Fatal(err)
	}

	if err := p.client.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	err = until(60*time.Second, func() error {
		allocs, err := p.cluster.allocations(t.Context(), j.ID)
		if err == nil && !(len(allocs) > 0 && allocs[0].ClientStatus == api.AllocClientStatusUnknown) {
			err = fmt.Errorf("%s", asJSON(allocs))
		}
		return err
	})
	if err != nil {
		t.Errorf("the servers do not lose sight of it, or give it up: %v", err)
	}
	// Somebody evaluates the job meanwhile.
	if _, _, err := p.root.Jobs().ForceEvaluate(j.ID, &api.WriteOptions{Namespace: "frama"}); err != nil {
		t.Error(err)
	}
	if err := p.client.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	one := func() error {
		allocs, err := p.cluster.allocations(t.Context(), j.ID)
		if err != nil {
			return err
		}
		var running, others []string
		for _, a := range allocs {
			switch {
			case a.ClientStatus == api.AllocClientStatusRunning:
				running = append(running, a.ID)
			default:
				others = append(others, a.ID+" "+a.ClientStatus)
			}
		}
		if len(running) != 1 || running[0] != before.ID || len(others) > 0 {
			return fmt.Errorf("%v run, want %s; beside them %v", running, before.ID, others)
		}
		return nil
	}
	if err := until(60*time.Second, one); err != nil {
		t.Fatal(err)
	}
	for range 20 { // something that is started later
		time.Sleep(500 * time.Millisecond)
		if err := one(); err != nil {
			t.Fatal(err)
		}
	}
	if text, err := os.ReadFile(filepath.Join(p.dir, "volumes", j.Volume, "starts")); err != nil || string(text) != "start\n" {
		t.Errorf("it was started %q, %v", text, err)
	}
	// What needs the plugin on that node works again.
	volume.CapacityMiB = 20
	if err := until(60*time.Second, func() error { return p.cluster.EnsureVolume(t.Context(), volume) }); err != nil {
		t.Error(err)
	}
}

// pair is a server and a client in processes of their own.
type pair struct {
	dir, node      string
	server, client *exec.Cmd
	cluster        *Cluster
	root           *api.Client
}

const pairConfig = `
data_dir  = %[1]q
bind_addr = "127.0.0.1"
ports {
  http = %[2]d
  rpc  = %[3]d
  serf = %[4]d
}
advertise {
  http = "127.0.0.1:%[2]d"
  rpc  = "127.0.0.1:%[3]d"
  serf = "127.0.0.1:%[4]d"
}
acl {
  enabled    = true
  token_ttl  = "1s"
  policy_ttl = "1s"
}
limits { http_max_conns_per_client = 0 }
disable_update_check = true
plugin "raw_exec" {
  config {
    enabled = true
  }
}
`

const pairServer = `
server {
  enabled                    = true
  bootstrap_expect           = 1
  raft_multiplier            = 1
  heartbeat_grace            = "1s"
  min_heartbeat_ttl          = "2s"
  max_heartbeats_per_second  = 50
  failover_heartbeat_ttl     = "5s"
}
`

const pairClient = `
client {
  enabled           = true
  servers           = ["127.0.0.1:%[1]d"]
  network_interface = "lo"
  options { "fingerprint.denylist" = "env_aws,env_gce,env_azure,env_digitalocean" }
  chroot_env {
    %[2]q = "/bin/sh"
    "/bin/sleep" = "/bin/sleep"
    "/etc/passwd" = "/etc/passwd"
    "/lib/x86_64-linux-gnu/libc.so.6" = "/lib/x86_64-linux-gnu/libc.so.6"
    %[3]q = "/lib64/ld-linux-x86-64.so.2"
  }
}
`

func newPair(t *testing.T) *pair {
	t.Helper()
	nomad, err := dev.Tool("nomad")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "frama-pair")
	if err != nil {
		t.Fatal(err)
	}
	p := &pair{dir: dir}
	t.Cleanup(p.end(t))
	ports, err := dev.FreePorts(6)
	if err != nil {
		t.Fatal(err)
	}
	start := func(name, role string, ports []int) *exec.Cmd {
		config := fmt.Sprintf(pairConfig, filepath.Join(dir, name), ports[0], ports[1], ports[2]) + role
		if err := os.WriteFile(filepath.Join(dir, name+".hcl"), []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		log, err := os.Create(filepath.Join(dir, name+".log"))
		if err != nil {
			t.Fatal(err)
		}
		defer log.Close()
		cmd := exec.Command(nomad, "agent", "-config", filepath.Join(dir, name+".hcl"))
		cmd.Stdout, cmd.Stderr = log, log
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd
	}
	p.server = start("server", pairServer, ports[:3])
	address := fmt.Sprintf("http://127.0.0.1:%d", ports[0])
	if p.root, err = api.NewClient(&api.Config{Address: address, HttpClient: &http.Client{Timeout: 10 * time.Second}}); err != nil {
		t.Fatal(err)
	}
	a := &agent{client: p.root}
	err = until(60*time.Second, func() error {
		token, _, err := p.root.ACLTokens().Bootstrap(nil)
		if err == nil {
			a.root = token.SecretID
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	p.root.SetSecretID(a.root)
	p.client = start("client", fmt.Sprintf(pairClient, ports[1], behind("/bin/sh"), behind("/lib64/ld-linux-x86-64.so.2")), ports[3:])
	if _, err := p.root.Namespaces().Register(&api.Namespace{Name: "frama"}, nil); err != nil {
		t.Fatal(err)
	}
	token, err := a.newToken("frama", nomadacl.Policy)
	if err != nil {
		t.Fatal(err)
	}
	err = until(60*time.Second, func() error {
		nodes, _, err := p.root.Nodes().List(nil)
		if err == nil && (len(nodes) != 1 || nodes[0].Status != api.NodeStatusReady) {
			err = errors.New("the client has not registered")
		}
		if err == nil {
			p.node = nodes[0].ID
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if p.cluster, err = New(Options{Address: address, Token: Static(token), Policy: DevelopmentPolicy()}); err != nil {
		t.Fatal(err)
	}
	err = dev.RunVolumePlugin(t.Context(), address, a.root, dev.VolumePlugin{
		Frama: testAgent.frama, Folder: filepath.Join(dir, "volumes"), Plain: true, ClientDir: filepath.Join(dir, "client", "client"),
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// end stops the tasks, then both agents.
func (p *pair) end(t *testing.T) func() {
	return func() {
		if p.client != nil {
			_ = p.client.Process.Signal(syscall.SIGCONT)
			(&agent{client: p.root}).purge()
		}
		for _, cmd := range []*exec.Cmd{p.client, p.server} {
			if cmd != nil {
				_ = cmd.Process.Kill()
				_ = cmd.Wait()
			}
		}
		if t.Failed() {
			for _, name := range []string{"server.log", "client.log"} {
				text, _ := os.ReadFile(filepath.Join(p.dir, name))
				t.Logf("%s:\n%s", name, text[max(0, len(text)-6000):])
			}
		}
		unmountBelow(p.dir)
		_ = os.RemoveAll(p.dir)
	}
}
