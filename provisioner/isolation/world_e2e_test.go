//go:build e2e

package isolation

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"framagit.org/frama/frama/deploy/dev"
)

const image = "frama.local/base:bookworm"

// world is a node with instances, and what is around it: an internet of one host, an ingress node and a private network, each a
// network namespace. All names and addresses are this test's own.
type world struct {
	t      *testing.T
	keeper *Keeper
	config Config
	socket string
	binary string
	port   int // first of ten published ports

	node       string            // address of the node that instances are published on
	containers map[string]string // name to address
}

// Addresses around the node: documentation ranges stand for the internet.
const (
	internet  = "203.0.113.10"
	ingress   = "198.51.100.10"
	nodeThere = "198.51.100.1"
	private   = "10.214.7.10"
	metadata  = "169.254.169.254"
)

func newWorld(t *testing.T) *world {
	if os.Getuid() != 0 {
		t.Fatal("networks and rules are made as root")
	}
	alone(t)
	w := &world{t: t, socket: Engine(t), node: nodeThere, containers: map[string]string{}}
	var err error
	if w.binary, err = os.Executable(); err != nil {
		t.Fatal(err)
	}
	w.port = 42000 + 10*rand.IntN(100)
	third := rand.IntN(200)
	subnet := func(fourth int) netip.Prefix {
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 213, byte(third), byte(fourth)}), 26)
	}
	w.config = Config{
		Prefix: fmt.Sprintf("ft%04x", rand.IntN(1<<16)), Docker: w.socket,
		Subnets: map[Class]netip.Prefix{None: subnet(0), Mail: subnet(64), Web: subnet(128)},
		Ingress: []string{ingress}, Ports: fmt.Sprintf("%d-%d", w.port, w.port+9),
		Endpoints: []string{private + ":5432", nodeThere + ":5433", nodeThere + ":5353/udp"}, DNS: []string{"192.0.2.53"},
		Deny: []string{"203.0.113.20"},
	}
	if w.keeper, err = NewKeeper(w.config, slog.New(slog.NewTextHandler(t.Output(), nil))); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.keeper.Remove(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return w
}

// Engine is the socket of this machine's container engine, with the image that containers of tests start from.
func Engine(t *testing.T) string {
	t.Helper()
	engine, err := dev.UseEngine(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := engine.Leave(); err != nil {
			t.Error(err)
		}
	})
	build := exec.Command("../../deploy/images/build", "base")
	build.Env = append(os.Environ(), "DOCKER_HOST="+engine.Host())
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return engine.Socket
}

// alone waits for another run of this test: addresses around the node are the same.
func alone(t *testing.T) {
	f, err := os.OpenFile(filepath.Join(os.TempDir(), "frama-isolation.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
}

// try calls docker.
func (w *world) try(args ...string) (string, error) {
	out, err := exec.Command("docker", append([]string{"-H", "unix://" + w.socket}, args...)...).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func (w *world) docker(args ...string) string {
	w.t.Helper()
	out, err := w.try(args...)
	if err != nil {
		w.t.Fatalf("docker %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return out
}

func (w *world) run(name string, args ...string) {
	w.t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		w.t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
}

// place makes a network namespace that is reached by one link, with addresses beyond it.
func (w *world) place(name, here string, there ...string) (namespace string) {
	w.t.Helper()
	namespace = w.config.Prefix + "-" + name
	out, in := w.config.Prefix+name[:1]+"o", w.config.Prefix+name[:1]+"i"
	w.run("ip", "netns", "add", namespace)
	w.t.Cleanup(func() { _ = exec.Command("ip", "netns", "delete", namespace).Run() })
	w.run("ip", "link", "add", out, "type", "veth", "peer", "name", in, "netns", namespace)
	w.run("ip", "address", "add", here, "dev", out)
	w.run("ip", "link", "set", out, "up")
	w.run("ip", "-n", namespace, "link", "set", "lo", "up")
	for _, a := range there {
		w.run("ip", "-n", namespace, "address", "add", a, "dev", in)
	}
	w.run("ip", "-n", namespace, "link", "set", in, "up")
	w.run("ip", "-n", namespace, "route", "add", "default", "via", strings.Split(here, "/")[0])
	for _, a := range there[1:] {
		w.run("ip", "route", "add", a, "dev", out)
	}
	return namespace
}

// serve starts a server in a namespace, or on the node where it is empty.
func (w *world) serve(namespace, name string, addresses ...string) {
	w.t.Helper()
	args := append([]string{w.binary, "serve", name}, addresses...)
	if namespace != "" {
		args = append([]string{"ip", "netns", "exec", namespace}, args...)
	}
	cmd := exec.Command(args[0], args[1:]...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	cmd.Stderr = w.t.Output()
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = cmd.Process.Signal(syscall.SIGTERM); _ = cmd.Wait() })
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "ready\n" {
		w.t.Fatalf("%s serves nothing: %q %v", name, line, err)
	}
}

// container starts one as the mutators of provisioner/nomad have it. port is where it is published on the node, 0 for nowhere.
func (w *world) container(name string, class Class, port int, command ...string) {
	w.t.Helper()
	full := w.config.Prefix + "-" + name
	args := []string{"run", "-d", "--name", full, "--network", Network(w.config.Prefix, class), "--cap-drop", "all",
		"--security-opt", "no-new-privileges", "--pids-limit", "100", "--memory", "256m", "--read-only", "--tmpfs", "/tmp",
		"-v", w.binary + ":/helper:ro"}
	if port != 0 {
		args = append(args, "-p", fmt.Sprintf("%s:%d:8080", w.node, port))
	}
	w.t.Cleanup(func() { _, _ = w.try("rm", "-f", full) })
	w.docker(append(append(args, image), command...)...)
	w.containers[name] = w.docker("inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", full)
}

// from tries all addresses from a container.
func (w *world) from(container string, addresses ...string) map[string]string {
	w.t.Helper()
	return answers(w.t, w.docker(append([]string{"exec", w.config.Prefix + "-" + container, "/helper", "try"}, addresses...)...))
}

// fromPlace tries all addresses from a namespace.
func (w *world) fromPlace(namespace string, addresses ...string) map[string]string {
	w.t.Helper()
	out, err := exec.Command("ip", append([]string{"netns", "exec", namespace, w.binary, "try"}, addresses...)...).Output()
	if err != nil {
		w.t.Fatal(err)
	}
	return answers(w.t, string(out))
}

func answers(t *testing.T, text string) map[string]string {
	t.Helper()
	found := map[string]string{}
	if err := json.Unmarshal([]byte(text), &found); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return found
}

// until waits for something to be there.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("never: %s", what)
}

// nodeAddresses lists every address that the node has, but loopback and link-local ones.
func nodeAddresses(t *testing.T) []string {
	t.Helper()
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && !n.IP.IsLoopback() && !n.IP.IsLinkLocalUnicast() {
			out = append(out, n.IP.String())
		}
	}
	return out
}
