//go:build e2e

package isolation_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"

	"framagit.org/frama/frama/deploy/dev"
	nomadjobs "framagit.org/frama/frama/deploy/nomad"
	"framagit.org/frama/frama/provisioner"
	"framagit.org/frama/frama/provisioner/isolation"
	"framagit.org/frama/frama/provisioner/nomad"
)

// testImage holds this test's binary, which is all that its containers run.
const testImage = "frama.local/isolation-test:1.0"

const testJob = `variable "job_id" {
  type = string
}
variable "port" {
  type = number
}
job "x" {
  id   = "${var.job_id}"
  type = "service"
  group "app" {
    network {
      MODE
      port "http" {
        static = var.port
        to     = 8080
      }
    }
    service {
      name     = var.job_id
      port     = "http"
      provider = "nomad"
      check {
        type     = "http"
        path     = "/"
        interval = "1s"
        timeout  = "1s"
      }
    }
    task "app" {
      driver = "docker"
      config {
        image           = "frama.local/isolation-test:1.0"
        ports           = ["http"]
        command         = "/helper"
        args            = ["serve", "${var.job_id}", "tcp::8080"]
        readonly_rootfs = true
      }
      template {
        destination = "secrets/env"
        env         = true
        data        = "{{ with nomadVar \"nomad/jobs/${var.job_id}\" }}KEY={{ .key.Value }}{{ end }}"
      }
      resources {
        cpu    = 50
        memory = 128
      }
    }
    SECOND
  }
}
`

// server is a real Nomad that listens on every address of the node, as one does that nobody closed.
type server struct {
	http   int // port
	port   int // first of ten for instances
	client *api.Client
	token  string // of management
	prefix string
	config isolation.Config
	keeper *isolation.Keeper
	docker func(args ...string) string
}

// startNomad starts an agent with Docker, access rules on, and the firewall around it.
func startNomad(t *testing.T) *server {
	socket := isolation.Engine(t)
	binary := filepath.Join(dev.Cache(), "bin", "nomad")
	if b := os.Getenv("FRAMA_TEST_NOMAD"); b != "" {
		binary = b
	}
	s := &server{prefix: fmt.Sprintf("fn%04x", rand.IntN(1<<16)), port: 43000 + 10*rand.IntN(100)}
	s.docker = func(args ...string) string {
		t.Helper()
		out, err := exec.Command("docker", append([]string{"-H", "unix://" + socket}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("docker %s: %v: %s", strings.Join(args, " "), err, out)
		}
		return strings.TrimSpace(string(out))
	}
	buildImage(t, s)

	var ports [3]int
	for i := range ports {
		l, err := net.Listen("tcp", ":0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ports[i] = l.Addr().(*net.TCPAddr).Port
		_ = l.Close()
	}
	s.http = ports[0]
	dir := t.TempDir()
	third := rand.IntN(200)
	subnet := func(fourth int) netip.Prefix {
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 215, byte(third), byte(fourth)}), 26)
	}
	config := isolation.Config{Prefix: s.prefix, Docker: socket, Ports: fmt.Sprintf("%d-%d", s.port, s.port+9), CNI: filepath.Join(dir, "cni"), DNS: []string{"192.0.2.53"},
		Subnets: map[isolation.Class]netip.Prefix{isolation.None: subnet(0), isolation.Mail: subnet(64), isolation.Web: subnet(128)}}
	s.config = config
	var err error
	if s.keeper, err = isolation.NewKeeper(config, slog.New(slog.NewTextHandler(t.Output(), nil))); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.keeper.Remove(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	if err := s.keeper.Once(t.Context()); err != nil {
		t.Fatal(err)
	}

	agent := fmt.Sprintf(`
data_dir = %q
bind_addr = "0.0.0.0"
log_level = "WARN"
disable_update_check = true
ports {
  http = %d
  rpc  = %d
  serf = %d
}
acl {
  enabled = true
}
server {
  enabled          = true
  bootstrap_expect = 1
}
client {
  enabled           = true
  cpu_total_compute = 4000
  memory_total_mb   = 4000
  cni_path          = "/usr/lib/cni"
  cni_config_dir    = %q
  options {
    "fingerprint.denylist" = "env_aws,env_gce,env_azure,env_digitalocean"
  }
}
plugin "raw_exec" {
  config {
    enabled = true
  }
}
plugin "docker" {
  config {
    endpoint    = "unix://%s"
    infra_image = %q
    gc {
      image     = false
      container = true
      dangling_containers {
        enabled = false
      }
    }
  }
}
`, filepath.Join(dir, "data"), ports[0], ports[1], ports[2], config.CNI, socket, testImage)
	if err := os.WriteFile(filepath.Join(dir, "agent.hcl"), []byte(agent), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "agent", "-config", filepath.Join(dir, "agent.hcl"))
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if s.client, err = api.NewClient(&api.Config{Address: fmt.Sprintf("http://127.0.0.1:%d", s.http)}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.stopJobs()
		_ = cmd.Process.Signal(syscall.SIGINT)
		_ = cmd.Wait()
		mounts, _ := os.ReadFile("/proc/self/mounts")
		for line := range strings.Lines(string(mounts)) {
			if fields := strings.Fields(line); strings.HasPrefix(fields[1], dir+"/") {
				_ = syscall.Unmount(fields[1], syscall.MNT_DETACH)
			}
		}
	})
	eventually(t, "Nomad has a node", func() bool {
		if token, _, err := s.client.ACLTokens().Bootstrap(nil); err == nil {
			s.token = token.SecretID
			s.client.SetSecretID(s.token)
		}
		nodes, _, err := s.client.Nodes().List(nil)
		return err == nil && len(nodes) == 1 && nodes[0].Status == "ready" && nodes[0].Drivers["docker"].Healthy
	})
	for _, name := range []string{"frama", "frama-node"} {
		if _, err := s.client.Namespaces().Register(&api.Namespace{Name: name}, nil); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func buildImage(t *testing.T, s *server) {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := exec.Command("cp", binary, filepath.Join(dir, "helper")).Run(); err != nil {
		t.Fatal(err)
	}
	// Without a command it is the container that holds a group's network.
	text := "FROM frama.local/base:bookworm\nCOPY helper /helper\nCMD [\"/helper\", \"serve\", \"network\"]\n"
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DOCKER_BUILDKIT", "0")
	s.docker("build", "-q", "-t", testImage, dir)
	t.Cleanup(func() { s.docker("rmi", "-f", testImage) })
}

func (s *server) stopJobs() {
	jobs, _, _ := s.client.Jobs().List(&api.QueryOptions{Namespace: "*"})
	for _, j := range jobs {
		_, _, _ = s.client.Jobs().Deregister(j.ID, true, &api.WriteOptions{Namespace: j.JobSummary.Namespace})
	}
	for range 100 {
		allocs, _, err := s.client.Allocations().List(&api.QueryOptions{Namespace: "*", Filter: `ClientStatus == "running"`})
		if err != nil || len(allocs) == 0 {
			return
		}
		time.Sleep(200 * time.Millisecond)
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(90 * time.Second); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("never: %s", what)
}

// TestFromInsideAJob starts jobs the way frama does, on a real Nomad, and breaks out of one of them.
func TestFromInsideAJob(t *testing.T) {
	s := startNomad(t)
	c, err := nomad.New(nomad.Options{Address: fmt.Sprintf("http://127.0.0.1:%d", s.http), Networks: s.prefix,
		Token: func() (string, error) { return s.token, nil }})
	if err != nil {
		t.Fatal(err)
	}
	nodes, err := c.Nodes(t.Context())
	if err != nil || len(nodes) != 1 {
		t.Fatal(nodes, err)
	}
	start := func(id string, port int, egress, mode, second string) {
		t.Helper()
		j := provisioner.Job{ID: id, SpaceID: "s-" + id, InstanceID: "i-" + id, Node: nodes[0].ID, Port: port, CPU: 200, Memory: 512, Egress: egress,
			Capabilities: []string{"CHOWN"}, Source: strings.NewReplacer("MODE", mode, "SECOND", second).Replace(testJob), Path: "job.nomad.hcl",
			Variables: map[string]any{"job_id": id, "port": port}}
		if err := c.EnsureSecrets(t.Context(), id, nil, map[string]func() string{"key": func() string { return "secret-of-" + id }}); err != nil {
			t.Fatal(err)
		}
		if err := c.EnsureJob(t.Context(), j); err != nil {
			t.Fatal(err)
		}
		eventually(t, id+" is healthy", func() bool {
			health, err := c.JobHealth(t.Context(), id)
			if err == nil && health.State == provisioner.JobFailed {
				t.Fatal(health.Reason)
			}
			return err == nil && health.State == provisioner.JobHealthy
		})
	}
	inside := func(job string, args ...string) string {
		t.Helper()
		code, out, err := c.Exec(t.Context(), job, "app", append([]string{"/helper"}, args...))
		if err != nil || code != 0 {
			t.Fatalf("%s: status %d, %v: %s", args[0], code, err, out)
		}
		return out
	}
	start("lilas-pads", s.port, "none", "", "")
	start("rose-pads", s.port+1, "web", "", "")

	t.Run("as the mutators have it", func(t *testing.T) {
		var container []struct {
			HostConfig struct {
				CapAdd, CapDrop, SecurityOpt, Binds []string
				PidsLimit, Memory                   int64
				NetworkMode, PidMode, IpcMode       string
				Privileged, ReadonlyRootfs          bool
			}
		}
		id := s.docker("ps", "-q", "--filter", "network="+s.prefix+"-none")
		if err := json.Unmarshal([]byte(s.docker("inspect", id)), &container); err != nil || len(container) != 1 {
			t.Fatal(err, id)
		}
		h := container[0].HostConfig
		if !slices.Equal(h.CapDrop, []string{"all"}) || !slices.Equal(h.CapAdd, []string{"chown"}) || !slices.Equal(h.SecurityOpt, []string{"no-new-privileges"}) || h.PidsLimit != 1024 ||
			h.Memory != 512<<20 || h.Privileged || !h.ReadonlyRootfs || h.NetworkMode != s.prefix+"-none" || h.PidMode == "host" || h.IpcMode == "host" {
			t.Errorf("%+v", h)
		}
		for _, b := range h.Binds {
			if target := strings.Split(b, ":")[1]; !slices.Contains([]string{"/alloc", "/local", "/secrets"}, target) {
				t.Errorf("mounted: %s", b)
			}
		}
	})

	t.Run("Nomad and other instances", func(t *testing.T) {
		tries := []string{"tcp:" + published(t, s.port+1), "tcp:" + published(t, s.http)}
		addresses, _ := net.InterfaceAddrs()
		for _, a := range addresses {
			if n := a.(*net.IPNet); !n.IP.IsLoopback() && !n.IP.IsLinkLocalUnicast() {
				for _, port := range []int{s.http, s.port + 1} {
					tries = append(tries, "tcp:"+net.JoinHostPort(n.IP.String(), fmt.Sprint(port)))
				}
			}
		}
		for _, job := range []string{"lilas-pads", "rose-pads"} {
			found := map[string]string{}
			if err := json.Unmarshal([]byte(inside(job, append([]string{"try"}, tries...)...)), &found); err != nil {
				t.Fatal(err)
			}
			for a, answer := range found {
				if answer != "" {
					t.Errorf("%s reaches %s: %.200s", job, a, answer)
				}
			}
		}
	})

	t.Run("variables of others", func(t *testing.T) {
		// The task has a socket to Nomad and no token: not even its own variable is open.
		for _, job := range []string{"rose-pads", "lilas-pads"} {
			answer := inside("lilas-pads", "variable", job)
			if !strings.HasPrefix(answer, "401 ") && !strings.HasPrefix(answer, "403 ") {
				t.Errorf("%s: %s", job, answer)
			}
			t.Log(answer)
		}
	})

	t.Run("rights and processes", func(t *testing.T) {
		found := map[string]string{}
		if err := json.Unmarshal([]byte(inside("lilas-pads", "rights")), &found); err != nil {
			t.Fatal(err)
		}
		for key, want := range map[string]string{
			"NoNewPrivs": "1", "CapBnd": "0000000000000001", "Seccomp": "2", "raw socket": "operation not permitted", "mount": "operation not permitted",
			"mknod": "operation not permitted", "setuid": "operation not permitted", "socket": "", "processes": "/helper serve lilas-pads tcp::8080",
		} {
			if found[key] != want {
				t.Errorf("%s: %q, want %q", key, found[key], want)
			}
		}
	})

	t.Run("the job that keeps the rules", func(t *testing.T) {
		if check := firewallCheck(t, c); check.OK {
			t.Error("nothing keeps the rules, and doctor finds: " + check.Detail)
		}
		s.startFirewallJob(t)
		eventually(t, "the job keeps the rules", func() bool { return firewallCheck(t, c).OK })
		if out, err := exec.Command("nft", "delete", "table", "inet", s.prefix).CombinedOutput(); err != nil {
			t.Fatal(err, string(out))
		}
		eventually(t, "the rules are back", func() bool { return exec.Command("nft", "list", "table", "inet", s.prefix).Run() == nil })
	})

	t.Run("tasks that share a network", func(t *testing.T) {
		if _, err := os.Stat("/usr/lib/cni/bridge"); err != nil {
			t.Fatal("the package containernetworking-plugins is missing")
		}
		second := strings.Replace(testJob[strings.Index(testJob, `task "app"`):strings.Index(testJob, "SECOND")], `task "app"`, `task "other"`, 1)
		second = strings.NewReplacer(`ports           = ["http"]`, "", "tcp::8080", "tcp:127.0.0.1:9000").Replace(second)
		start("iris-maps", s.port+2, "none", `mode = "bridge"`, second)
		found := map[string]string{}
		tries := []string{"tcp:127.0.0.1:9000", "tcp:" + published(t, s.port+1), "tcp:" + published(t, s.http)}
		if err := json.Unmarshal([]byte(inside("iris-maps", append([]string{"try"}, tries...)...)), &found); err != nil {
			t.Fatal(err)
		}
		if found[tries[0]] == "" || found[tries[1]] != "" || found[tries[2]] != "" {
			t.Errorf("%v", found)
		}
		found = map[string]string{}
		if err := json.Unmarshal([]byte(inside("rose-pads", "try", "tcp:"+published(t, s.port+2))), &found); err != nil {
			t.Fatal(err)
		}
		for a, answer := range found {
			if answer != "" {
				t.Errorf("%s: %s", a, answer)
			}
		}
	})
}

// published finds the address of the node on which a port answers the node itself.
func published(t *testing.T, port int) string {
	t.Helper()
	addresses, _ := net.InterfaceAddrs()
	for _, a := range addresses {
		ip := a.(*net.IPNet).IP
		if ip.IsLoopback() || ip.IsLinkLocalUnicast() {
			continue
		}
		address := net.JoinHostPort(ip.String(), fmt.Sprint(port))
		if answer, err := http.Get("http://" + address); err == nil {
			_ = answer.Body.Close()
			return address
		}
	}
	t.Fatalf("port %d answers nowhere", port)
	return ""
}

// startFirewallJob registers the job as an administrator does, with this test's binary for frama.
func (s *server) startFirewallJob(t *testing.T) {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(s.config)
	if err != nil {
		t.Fatal(err)
	}
	job, err := s.client.Jobs().ParseHCLOpts(&api.JobsParseRequest{
		JobHCL: nomadjobs.Firewall, Variables: fmt.Sprintf("config = %q\nframa = %q\n", text, binary),
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.client.Jobs().Register(job, &api.WriteOptions{Namespace: "frama-node"}); err != nil {
		t.Fatal(err)
	}
}

func firewallCheck(t *testing.T, c *nomad.Cluster) nomad.Check {
	t.Helper()
	for _, check := range c.Doctor(t.Context()) {
		if check.Name == "firewall" {
			return check
		}
	}
	t.Fatal("doctor does not look at the firewall")
	return nomad.Check{}
}
