//go:build e2e

package edge

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"framagit.org/frama/frama/provisioner"
)

// TestAgentProcess is not a test of its own: TestKilledAgent runs it as another process.
func TestAgentProcess(t *testing.T) {
	if os.Getenv("EDGE_TEST_DIR") == "" {
		t.Skip("runs as a child of TestKilledAgent")
	}
	key, err := ParsePublicKey(os.Getenv("EDGE_TEST_KEY"))
	if err != nil {
		t.Fatal(err)
	}
	a, err := NewAgent(AgentOptions{
		Name: "child", Server: os.Getenv("EDGE_TEST_SERVER"), Token: testToken, PublicKey: key,
		Dir: os.Getenv("EDGE_TEST_DIR"), HTTP: os.Getenv("EDGE_TEST_HTTP"), HTTPS: os.Getenv("EDGE_TEST_HTTPS"),
		Wait: 2 * time.Second, Retry: 10 * time.Millisecond, Check: 100 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Fatal(a.Run(context.Background()))
}

// The agent is killed with SIGKILL at all moments of its work: HAProxy serves on, and the next agent carries on.
func TestKilledAgent(t *testing.T) {
	b := newBoard(t)
	n := newNode(t, b)
	pads := instance(t, "pads")
	valid := time.Now().Add(time.Hour)
	v := b.change(func(s *provisioner.Snapshot) {
		s.Routes = []provisioner.Route{active("pads.test", pads)}
		s.Certificates = []provisioner.EdgeCertificate{n.ca.issue("pads", valid, "pads.test")}
	})
	child := func() *exec.Cmd {
		cmd := exec.Command(os.Args[0], "-test.run=^TestAgentProcess$")
		cmd.Env = append(os.Environ(), "EDGE_TEST_DIR="+n.opts.Dir, "EDGE_TEST_KEY="+FormatPublicKey(b.public),
			"EDGE_TEST_SERVER="+b.server.URL, "EDGE_TEST_HTTP="+n.opts.HTTP, "EDGE_TEST_HTTPS="+n.opts.HTTPS)
		cmd.Stdout, cmd.Stderr = n.out, n.out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd
	}
	kill := func(cmd *exec.Cmd) {
		if err := cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
		_ = cmd.Wait()
	}
	agent := child()
	b.acked(t, v)
	tr := n.traffic("https://pads.test/", "pads")
	for i := range 25 {
		b.change(func(s *provisioner.Snapshot) {
			s.Routes = set(s.Routes, active(fmt.Sprintf("h%d.test", i), pads))
			s.Certificates = []provisioner.EdgeCertificate{
				n.ca.issue("pads", valid, "pads.test"), n.ca.issue(fmt.Sprintf("h%d", i), valid, fmt.Sprintf("h%d.test", i)),
			}
		})
		time.Sleep(time.Duration(i*2) * time.Millisecond)
		kill(agent)
		agent = child()
	}
	defer func() { kill(agent) }()
	v = b.change(func(s *provisioner.Snapshot) { s.Routes = set(s.Routes, active("last.test", pads)) })
	if a := b.acked(t, v); a.Error != "" {
		t.Error(a.Error)
	}
	if code, body, _ := n.get(n.client(), "https://h24.test/"); code != 200 || body != "pads" {
		t.Errorf("%d %s", code, body)
	}
	tr.check(t)
}
