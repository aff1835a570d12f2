//go:build e2e

package edge

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"framagit.org/frama/frama/provisioner"
)

// A service manager runs HAProxy: the agent comes first, says that HAProxy is missing, and takes it up once it is there.
func TestExternal(t *testing.T) {
	b := newBoard(t)
	n := newNode(t, b)
	pads := instance(t, "pads")
	n.opts.External = true
	n.start()
	// Version 0: no snapshot is served yet, which is what frama waits for.
	if a := b.acked(t, 0); !strings.Contains(a.Error, "start its service (haproxy -W -S ") {
		t.Errorf("told %q", a.Error)
	}
	args, err := HAProxyArgs(n.opts.Dir)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("haproxy", args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	v := b.change(func(s *provisioner.Snapshot) {
		s.Routes = []provisioner.Route{active("pads.test", pads)}
		s.Certificates = []provisioner.EdgeCertificate{n.ca.issue("pads", time.Now().Add(time.Hour), "pads.test")}
	})
	for a := b.acked(t, v); a.Error != ""; a = b.acked(t, v) {
		t.Logf("told %q", a.Error)
	}
	if code, body, _ := n.get(n.client(), "https://pads.test/"); code != 200 || body != "pads" {
		t.Errorf("%d %s", code, body)
	}
	n.opts.StopHAProxy = true // is for managed ones
	n.kill()
	if code, _, _ := n.get(n.client(), "https://pads.test/"); code != 200 {
		t.Errorf("without its agent: %d", code)
	}
}

func TestIPv6AndHead(t *testing.T) {
	b := newBoard(t)
	n := newNode(t, b)
	l, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		t.Skipf("no IPv6 on this machine: %v", err)
	}
	six := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("six")) }))
	six.Listener.Close()
	six.Listener = l
	six.Start()
	defer six.Close()
	v := b.change(func(s *provisioner.Snapshot) {
		s.Routes = []provisioner.Route{active("six.test", six)}
		s.Certificates = []provisioner.EdgeCertificate{n.ca.issue("six", time.Now().Add(time.Hour), "six.test")}
	})
	n.start()
	b.acked(t, v)
	c := n.client()
	if code, body, _ := n.get(c, "https://six.test/"); code != 200 || body != "six" {
		t.Errorf("%d %s", code, body)
	}
	for range 2 { // a page must not leave its body on the connection
		resp, err := c.Head("http://unknown.test/")
		if err != nil || resp.StatusCode != 404 {
			t.Fatalf("%v %v", resp, err)
		}
		resp.Body.Close()
	}
	if code, _, _ := n.get(c, "http://unknown.test/"); code != 404 {
		t.Error(code)
	}
}
