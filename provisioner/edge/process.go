package edge

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// checkLimit and beginLimit are generous: HAProxy needs about 16 s of CPU for 10 000 certificates.
	checkLimit = 3 * time.Minute
	beginLimit = 3 * time.Minute
	// pollEvery is how often a starting or stopping HAProxy is looked at.
	pollEvery = 25 * time.Millisecond
)

// check lets HAProxy read its files without starting.
func (h *haproxy) check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, checkLimit)
	defer cancel()
	out, err := exec.CommandContext(ctx, h.binary, "-c", "-f", h.settings.layout.config()).CombinedOutput()
	switch {
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("HAProxy is not at %q: install it (version 2.6 or newer) or name its path: %w", h.binary, err)
	case err != nil && ctx.Err() != nil:
		return fmt.Errorf("check HAProxy's configuration: %w", ctx.Err())
	case err != nil:
		return fmt.Errorf("HAProxy does not take %s: %s", h.settings.layout.config(), alerts(string(out)))
	}
	return nil
}

// start runs HAProxy in a session of its own: it goes on serving when the agent ends.
func (h *haproxy) start(ctx context.Context) error {
	if h.external {
		return fmt.Errorf("%w on %s: start its service (haproxy %s)", errNotRunning, h.settings.layout.admin(),
			strings.Join(haproxyArgs(h.settings.layout), " "))
	}
	for _, addr := range []string{h.settings.http, h.settings.https} {
		if err := vacant(addr); err != nil {
			return err
		}
	}
	out, err := os.OpenFile(h.settings.layout.output(), os.O_CREATE|os.O_TRUNC|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("HAProxy's output: %w", err)
	}
	defer out.Close()
	cmd := exec.Command(h.binary, haproxyArgs(h.settings.layout)...) //nolint:noctx // it outlives the agent
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Dir = h.settings.layout.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start HAProxy: %w", err)
	}
	exited := make(chan struct{})
	h.exited = exited
	go func() {
		_ = cmd.Wait() // its output says why it ended
		close(exited)
	}()
	return h.await(ctx, 0, exited)
}

// haproxyArgs are the arguments HAProxy must be started with, also by systemd: a master process that can be told to
// reload, and its socket where the agent looks for it.
func haproxyArgs(l layout) []string {
	return []string{"-W", "-S", l.master() + ",mode,600,level,admin", "-f", l.config()}
}

// reload makes the master start a new worker from the files; the old one finishes what it has begun.
func (h *haproxy) reload(ctx context.Context) error {
	before, err := h.api.info(ctx)
	if err != nil {
		return fmt.Errorf("reload HAProxy: %w", err)
	}
	// The master re-executes itself and closes the connection, so that the answer means nothing.
	if _, err := h.master.do(ctx, "reload"); err != nil && !errors.Is(err, syscall.ECONNRESET) {
		return fmt.Errorf("reload HAProxy: its master does not answer on %s; restart HAProxy: %w", h.master.socket, err)
	}
	return h.await(ctx, before.pid, h.exited)
}

// await waits until a worker other than the given one runs the configuration on disk.
func (h *haproxy) await(ctx context.Context, old int, exited <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(ctx, beginLimit)
	defer cancel()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		if i, err := h.api.info(ctx); err == nil && i.pid != old && i.digest == h.digest && h.masterPID(ctx) > 0 {
			h.log.Info("HAProxy runs", "pid", i.pid, "version", i.version)
			return nil
		}
		if old != 0 && h.reloadFailed(ctx) {
			return fmt.Errorf("HAProxy could not reload and goes on with its old configuration: %s", h.said())
		}
		select {
		case <-exited:
			return fmt.Errorf("HAProxy ended at once: %s", h.said())
		case <-ctx.Done():
			return fmt.Errorf("HAProxy does not answer on %s (%s): %w", h.api.socket, h.said(), ctx.Err())
		case <-tick.C:
		}
	}
}

// reloadFailed asks the master, which counts failures since the last reload that worked.
func (h *haproxy) reloadFailed(ctx context.Context) bool {
	out, err := h.master.do(ctx, "show proc")
	if err != nil {
		return false // it is just executing itself anew
	}
	_, after, found := strings.Cut(out, "[failed: ")
	count, _, _ := strings.Cut(after, "]")
	return found && count != "0"
}

// masterPID is the process to signal; 0 when the master does not answer, as in the moments when it executes itself.
func (h *haproxy) masterPID(ctx context.Context) int {
	out, err := h.master.do(ctx, "show proc")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(out) {
		if f := strings.Fields(line); len(f) > 1 && f[1] == "master" {
			pid, _ := strconv.Atoi(f[0])
			return pid
		}
	}
	return 0
}

// stop ends the HAProxy that answers on the sockets, if any, and waits until it is gone.
func (h *haproxy) stop(ctx context.Context) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	told := 0
	for {
		pid := h.masterPID(ctx)
		_, admin := h.api.do(ctx, "show info")
		if pid == 0 && nobody(admin) {
			return nil
		}
		if pid > 1 && pid != told {
			if err := syscall.Kill(pid, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
				return fmt.Errorf("stop HAProxy (pid %d): %w", pid, err)
			}
			told = pid
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("HAProxy (pid %d) does not end: %w", told, ctx.Err())
		case <-tick.C:
		}
	}
}

// vacant says which port is taken. HAProxy itself would share a port with another HAProxy without a word.
func vacant(addr string) error {
	l, err := net.Listen("tcp", addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%s is taken by another program: stop that one, or choose another listen address", addr)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%s: ports below 1024 need root or CAP_NET_BIND_SERVICE; give the right or choose another port", addr)
	case err != nil:
		return fmt.Errorf("listen on %s: %w", addr, err)
	}
	return l.Close()
}

// said is what HAProxy wrote last.
func (h *haproxy) said() string {
	out, err := os.ReadFile(h.settings.layout.output())
	if err != nil || len(out) == 0 {
		return "see its log"
	}
	return alerts(string(out))
}

// alerts picks what matters from HAProxy's output, bounded.
func alerts(out string) string {
	var lines []string
	for line := range strings.Lines(out) {
		if strings.Contains(line, "[ALERT]") || strings.Contains(line, "cannot bind") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	if len(lines) == 0 {
		lines = []string{strings.TrimSpace(out)}
	}
	if len(lines) > 200 {
		lines = lines[len(lines)-200:]
	}
	return strings.Join(lines, "\n")
}
