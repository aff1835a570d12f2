//go:build e2e

package dev

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// supervised names the folder in which the test binary, started again, plays a supervisor to be killed.
const supervised = "FRAMA_TEST_SUPERVISED"

// TestSupervisor is that supervisor: it starts the parts, prints their processes and waits for its end.
func TestSupervisor(t *testing.T) {
	data := os.Getenv(supervised)
	if data == "" {
		t.Skip("only as the child of TestPartsDieWithAKilledSupervisor")
	}
	pebble := startPebble(t, PebbleOptions{Data: data, EdgeHTTP: 8080, EdgeTLS: 8443})
	mailbox := startMaildev(t, MaildevOptions{Data: data})
	postgres := startPostgres(t, PostgresOptions{Data: data})
	fmt.Println("parts", pebble.server.PID(), pebble.dns.PID(), mailbox.PID(), postgres.PID())
	time.Sleep(time.Minute)
}

func TestPartsDieWithAKilledSupervisor(t *testing.T) {
	data, err := os.MkdirTemp("", "frama-supervised") // not t.TempDir: PostgreSQL's user must be able to enter it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(data) })
	if err := os.Chmod(data, 0o711); err != nil {
		t.Fatal(err)
	}
	pids := killedSupervisor(t, data)
	deadline := time.Now().Add(5 * time.Second)
	for _, pid := range pids {
		for {
			if _, zombie := parentOf(pid); zombie { // or gone
				break
			}
			if time.Now().After(deadline) {
				t.Errorf("process %d outlived its supervisor", pid)
				_ = syscall.Kill(pid, syscall.SIGKILL)
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
	}

	// The next start goes on where the killed one was.
	p := startPostgres(t, PostgresOptions{Data: data})
	p.Stop()
	startMaildev(t, MaildevOptions{Data: data})
	startPebble(t, PebbleOptions{Data: data, EdgeHTTP: 8080, EdgeTLS: 8443})
}

// killedSupervisor starts a supervisor, kills it when its parts run, and returns their processes.
func killedSupervisor(t *testing.T, data string) []int {
	t.Helper()
	supervisor := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSupervisor$", "-test.v")
	supervisor.Env = append(os.Environ(), supervised+"="+data)
	out, err := supervisor.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	supervisor.Stderr = os.Stderr
	if err := supervisor.Start(); err != nil {
		t.Fatal(err)
	}
	var pids []int
	for lines := bufio.NewScanner(out); len(pids) == 0 && lines.Scan(); {
		_, list, found := strings.Cut(lines.Text(), "parts ")
		if !found {
			continue
		}
		for _, field := range strings.Fields(list) {
			pid, err := strconv.Atoi(field)
			if err != nil {
				t.Fatal(err)
			}
			pids = append(pids, pid)
		}
	}
	if err := supervisor.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = supervisor.Wait() // it was killed
	if len(pids) != 4 {
		t.Fatalf("the supervisor started %d processes, want 4", len(pids))
	}
	return pids
}
