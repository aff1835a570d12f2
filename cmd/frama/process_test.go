package main

import (
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// promptly lets commands built with the race detector end at once: it makes each wait a second otherwise.
const promptly = "atexit_sleep_ms=0"

// running is a frama command that a test started.
type running struct {
	t    testing.TB
	name string
	cmd  *exec.Cmd
	done chan struct{}

	mu  sync.Mutex
	out bytes.Buffer
}

// spawn starts frama, with FRAMA_… variables of its own, until the test ends at the latest.
func spawn(t testing.TB, environ []string, args ...string) *running {
	t.Helper()
	r := &running{t: t, name: "frama " + strings.Join(args, " "), done: make(chan struct{})}
	r.cmd = exec.Command("frama", args...) // testscript.Main puts this binary into PATH under that name
	r.cmd.Env = append([]string{"GORACE=" + promptly}, environ...)
	for _, pair := range os.Environ() {
		if !strings.HasPrefix(pair, "FRAMA_") || strings.HasPrefix(pair, "FRAMA_CACHE=") {
			r.cmd.Env = append(r.cmd.Env, pair)
		}
	}
	r.cmd.Stdout, r.cmd.Stderr = r, r
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = r.cmd.Wait()
		close(r.done)
	}()
	t.Cleanup(func() {
		r.signal(os.Interrupt)
		select {
		case <-r.done:
		case <-time.After(20 * time.Second):
			t.Errorf("%s does not stop", r.name)
			r.signal(syscall.SIGKILL)
			<-r.done
		}
		if t.Failed() {
			t.Logf("%s said:\n%s", r.name, r.said())
		}
	})
	return r
}

// Write takes what the command prints.
func (r *running) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.out.Write(b)
}

func (r *running) said() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.out.String()
}

// signal sends one, unless the command has ended.
func (r *running) signal(s os.Signal) {
	select {
	case <-r.done:
	default:
		_ = r.cmd.Process.Signal(s)
	}
}

// says waits until the command has printed every pattern.
func (r *running) says(within time.Duration, patterns ...string) {
	r.t.Helper()
	deadline := time.After(within)
	for _, p := range patterns {
		for !regexp.MustCompile(p).MatchString(r.said()) {
			select {
			case <-deadline:
				r.t.Fatalf("%s did not say %q within %s but:\n%s", r.name, p, within, r.said())
			case <-r.done:
				if !regexp.MustCompile(p).MatchString(r.said()) {
					r.t.Fatalf("%s ended (%s) without saying %q but:\n%s", r.name, r.cmd.ProcessState, p, r.said())
				}
			case <-time.After(20 * time.Millisecond):
			}
		}
	}
}

// ends waits for the command to end with a status.
func (r *running) ends(within time.Duration, status int) {
	r.t.Helper()
	select {
	case <-r.done:
	case <-time.After(within):
		r.t.Fatalf("%s still runs after %s and said:\n%s", r.name, within, r.said())
	}
	if got := r.cmd.ProcessState.ExitCode(); got != status {
		r.t.Fatalf("%s ended with status %d, want %d:\n%s", r.name, got, status, r.said())
	}
}

// command runs frama to its end and returns what it said.
func command(t testing.TB, environ []string, status int, args ...string) string {
	t.Helper()
	r := spawn(t, environ, args...)
	r.ends(time.Minute, status)
	return r.said()
}

// wants fails unless text has every pattern.
func wants(t testing.TB, text string, patterns ...string) {
	t.Helper()
	for _, p := range patterns {
		if !regexp.MustCompile(p).MatchString(text) {
			t.Errorf("nothing like %q in:\n%s", p, text)
		}
	}
}
