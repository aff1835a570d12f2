//go:build e2e

package dev

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// pretender answers as an engine does, and is one in name: a second real engine would take the first one's bridge away.
const pretender = `package main

import (
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
)

func main() {
	value := map[string]string{}
	for n := 1; n+1 < len(os.Args); n += 2 {
		value[os.Args[n]] = os.Args[n+1]
	}
	listener, err := net.Listen("unix", strings.TrimPrefix(value["--host"], "unix://"))
	if err != nil {
		panic(err)
	}
	if err := os.WriteFile(value["--pidfile"], []byte(strconv.Itoa(os.Getpid())), 0o600); err != nil {
		panic(err)
	}
	go http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("OK")) }))
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	<-stop
	os.Remove(value["--pidfile"])
}
`

// pretend puts the pretender on PATH, and the cache into a folder of the test's own.
func pretend(t *testing.T) (dir string) {
	t.Helper()
	if newEngineAPI(machineSocket).ping(t.Context()) == nil {
		t.Skip("this machine has an engine of its own, which is used")
	}
	programs := t.TempDir()
	source := filepath.Join(programs, "main.go")
	if err := os.WriteFile(source, []byte(pretender), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", "build", "-o", filepath.Join(programs, "dockerd"), source).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	cache, err := os.MkdirTemp("", "engine") // a short path: the socket is in it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stopEngine(filepath.Join(cache, "docker"), 0)
		_ = os.RemoveAll(cache)
	})
	t.Setenv("PATH", programs+":"+os.Getenv("PATH"))
	t.Setenv("FRAMA_CACHE", cache)
	return filepath.Join(cache, "docker")
}

func use(t *testing.T) *Engine {
	t.Helper()
	e, err := UseEngine(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func (e *Engine) leave(t *testing.T) {
	t.Helper()
	if err := e.Leave(); err != nil {
		t.Fatal(err)
	}
}

// TestEngineIsSharedAndStoppedByTheLast also kills it, as a machine out of memory would.
func TestEngineIsSharedAndStoppedByTheLast(t *testing.T) {
	dir := pretend(t)
	first := use(t)
	pid := enginePID(dir)
	second := use(t)
	if pid == 0 || enginePID(dir) != pid {
		t.Fatalf("processes %d and %d", pid, enginePID(dir))
	}
	first.leave(t)
	if enginePID(dir) != pid || second.api.ping(t.Context()) != nil {
		t.Fatal("the first to leave stopped it")
	}

	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for enginePID(dir) != 0 {
		time.Sleep(10 * time.Millisecond)
	}
	third := use(t)
	if enginePID(dir) == 0 || enginePID(dir) == pid {
		t.Fatal("a dead engine was not replaced")
	}
	second.leave(t)
	third.leave(t)
	if enginePID(dir) != 0 {
		t.Error("the last to leave did not stop it")
	}
}

// TestEngineOfOthersIsLeftAlone: whoever started one by hand stops it.
func TestEngineOfOthersIsLeftAlone(t *testing.T) {
	dir := pretend(t)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("dockerd", "--host", "unix://"+filepath.Join(dir, "docker.sock"), "--pidfile", filepath.Join(dir, "docker.pid"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for newEngineAPI(filepath.Join(dir, "docker.sock")).ping(t.Context()) != nil {
		time.Sleep(10 * time.Millisecond)
	}
	// Left by a platform whose engine died before this one started.
	if err := os.WriteFile(startedFile(dir), []byte(strconv.Itoa(cmd.Process.Pid+1)), 0o600); err != nil {
		t.Fatal(err)
	}
	e := use(t)
	e.leave(t)
	if enginePID(dir) != cmd.Process.Pid {
		t.Error("it was stopped")
	}
}
