package dev

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Engine is a Docker engine of this machine, in use until Leave.
//
// A machine has one: two would write the same iptables chains and the same bridge. An engine that answers is therefore
// used, the machine's own before all; otherwise one is started in the cache, where its images outlive platforms. Several
// platforms share it, each with a shared lock; the last to leave stops it, if a platform started it.
type Engine struct {
	Socket string // path of the unix socket

	api  engineAPI
	ours bool     // below the cache, and so counted; false for the machine's own
	used *os.File // holds the shared lock
}

// machineSocket is where a distribution's engine listens.
const machineSocket = "/var/run/docker.sock"

// engineFolder is where the engine of the platforms keeps everything.
func engineFolder() string { return filepath.Join(Cache(), "docker") }

// UseEngine returns the engine of this machine, started if need be. It needs root.
func UseEngine(ctx context.Context) (*Engine, error) {
	dir := engineFolder()
	socket := filepath.Join(dir, "docker.sock")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("folder of the container engine: %w", err)
	}
	unlock, err := lockWaiting(ctx, filepath.Join(dir, "lock"))
	if err != nil {
		return nil, fmt.Errorf("container engine: %w", err)
	}
	defer unlock()
	api := newEngineAPI(socket)
	if api.ping(ctx) != nil {
		if machine := newEngineAPI(machineSocket); machine.ping(ctx) == nil {
			return &Engine{Socket: machineSocket, api: machine}, nil
		}
		if err := startEngine(ctx, dir, api); err != nil {
			return nil, err
		}
	}
	used, err := os.OpenFile(filepath.Join(dir, "users"), os.O_CREATE|os.O_RDWR, 0o600)
	if err == nil {
		err = syscall.Flock(int(used.Fd()), syscall.LOCK_SH)
	}
	if err != nil {
		return nil, fmt.Errorf("note that the container engine is in use: %w", err)
	}
	return &Engine{Socket: socket, api: api, ours: true, used: used}, nil
}

// Host is the address of the engine, as docker and Nomad take it.
func (e *Engine) Host() string { return "unix://" + e.Socket }

// Leave ends the use. The last user stops an engine that a platform started.
func (e *Engine) Leave() error {
	if e.used == nil {
		return nil
	}
	dir := engineFolder()
	unlock, err := lockWaiting(context.Background(), filepath.Join(dir, "lock"))
	if err != nil {
		return fmt.Errorf("container engine: %w", err)
	}
	defer unlock()
	defer func() { e.used.Close(); e.used = nil }()
	if syscall.Flock(int(e.used.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		return nil // others use it
	}
	started, err := os.ReadFile(startedFile(dir))
	if err != nil || string(started) != strconv.Itoa(enginePID(dir)) {
		return nil // somebody else's
	}
	return stopEngine(dir, 20*time.Second)
}

// startedFile holds the process ID of an engine that a platform started.
func startedFile(dir string) string { return filepath.Join(dir, "started-by-platform") }

// enginePID is the process that the engine's own file names, 0 when it is not an engine any more.
func enginePID(dir string) int {
	text, err := os.ReadFile(filepath.Join(dir, "docker.pid"))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0
	}
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil || strings.TrimSpace(string(name)) != "dockerd" {
		return 0
	}
	return pid
}

// startEngine starts the engine in a session of its own: it outlives the platform that started it while others use it.
func startEngine(ctx context.Context, dir string, api engineAPI) error {
	program, err := exec.LookPath("dockerd")
	if err != nil {
		if program = "/usr/sbin/dockerd"; !exists(program) {
			return errors.New("no container engine is installed: run make tools (or deploy/tools/get docker)")
		}
	}
	// One that does not answer is broken, or was left half dead by a killed run.
	if err := stopEngine(dir, 10*time.Second); err != nil {
		return err
	}
	logFile := filepath.Join(dir, "log")
	log, err := os.OpenFile(logFile, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("start the container engine: %w", err)
	}
	defer log.Close()
	cmd := exec.Command(program, //nolint:noctx // it outlives the call
		"--data-root", filepath.Join(dir, "data"), "--exec-root", filepath.Join(dir, "exec"),
		"--host", "unix://"+api.socket, "--pidfile", filepath.Join(dir, "docker.pid"))
	cmd.Stdout, cmd.Stderr, cmd.Dir = log, log, "/"
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"}
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"} {
		if value, set := os.LookupEnv(name); set { // it pulls images by itself
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the container engine: %w", err)
	}
	exited := make(chan struct{})
	go func() { _ = cmd.Wait(); close(exited) }()
	p := &Process{Name: "dockerd", LogFile: logFile, cmd: cmd, exited: exited}
	if err := p.waitReady(ctx, api.ping, time.Minute); err != nil {
		_ = cmd.Process.Kill()
		return err
	}
	if err := os.WriteFile(startedFile(dir), []byte(strconv.Itoa(cmd.Process.Pid)), 0o600); err != nil {
		return fmt.Errorf("note the container engine: %w", err)
	}
	return nil
}

// stopEngine ends the engine whose files are in the folder, if it runs, and removes what a dead one leaves in the way.
func stopEngine(dir string, grace time.Duration) error {
	signal := syscall.SIGTERM
	deadline := time.Now().Add(grace)
	for pid := enginePID(dir); pid != 0; pid = enginePID(dir) {
		if time.Now().After(deadline) {
			if signal == syscall.SIGKILL {
				return fmt.Errorf("the container engine (process %d) does not end: kill it by hand", pid)
			}
			signal, deadline = syscall.SIGKILL, time.Now().Add(5*time.Second)
		}
		_ = syscall.Kill(pid, signal)
		time.Sleep(200 * time.Millisecond)
	}
	for _, left := range []string{startedFile(dir), filepath.Join(dir, "docker.pid"), filepath.Join(dir, "docker.sock")} {
		if err := os.Remove(left); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("clean up after the container engine: %w", err)
		}
	}
	return nil
}

// lockWaiting takes a lock that is held for moments, and waits for it.
func lockWaiting(ctx context.Context, path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return func() { f.Close() }, nil
		case !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR):
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, fmt.Errorf("wait for the lock %s: %w", path, ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// Gateway is the address of this machine that containers reach whatever network they are in, and processes of the machine
// too: that of the engine's own bridge.
func (e *Engine) Gateway(ctx context.Context) (string, error) {
	var network struct{ Options map[string]string }
	if err := e.api.call(ctx, "GET", "/networks/bridge", &network); err != nil {
		return "", err
	}
	name := network.Options["com.docker.network.bridge.name"]
	bridge, err := net.InterfaceByName(name)
	if err != nil {
		return "", fmt.Errorf("bridge %q of the container engine at %s (is it switched off?): %w", name, e.Socket, err)
	}
	addresses, err := bridge.Addrs()
	if err != nil {
		return "", fmt.Errorf("addresses of the bridge %s: %w", name, err)
	}
	for _, a := range addresses {
		if ip, ok := a.(*net.IPNet); ok && ip.IP.To4() != nil {
			return ip.IP.String(), nil
		}
	}
	return "", fmt.Errorf("the bridge %s of the container engine at %s has no address", name, e.Socket)
}

// BuiltImage is an image that was built on this machine to stand for one of a registry.
type BuiltImage struct {
	Name      string // frama.local/etherpad:1.8.14
	StandsFor string // docker.io/etherpad/etherpad, or frama.local/sympa for one that every host builds
	Version   string // of what runs in it
}

// BuiltPrefix begins the names of images that deploy/images/build makes: no registry has it, so they are never pulled.
const BuiltPrefix = "frama.local/"

// Labels of images that deploy/images/build makes.
const (
	labelStandsFor = "org.frama.stands-for"
	labelVersion   = "org.opencontainers.image.version"
)

// BuiltImages lists the images that deploy/images/build made, the newest of each name.
func (e *Engine) BuiltImages(ctx context.Context) ([]BuiltImage, error) {
	filters, err := json.Marshal(map[string][]string{"label": {labelStandsFor}})
	if err != nil {
		return nil, err
	}
	var images []struct { // the newest first
		RepoTags []string
		Labels   map[string]string
	}
	if err := e.api.call(ctx, "GET", "/images/json?filters="+escape(string(filters)), &images); err != nil {
		return nil, err
	}
	var built []BuiltImage
	known := map[string]bool{}
	for _, image := range images {
		at := slices.IndexFunc(image.RepoTags, func(tag string) bool { return strings.HasPrefix(tag, BuiltPrefix) })
		if at < 0 {
			continue // somebody else's, or replaced by a newer one
		}
		for _, from := range strings.Fields(image.Labels[labelStandsFor]) {
			if !known[from] {
				built = append(built, BuiltImage{Name: image.RepoTags[at], StandsFor: from, Version: image.Labels[labelVersion]})
			}
			known[from] = true
		}
	}
	return built, nil
}

// removeContainers removes the containers with a label, and returns how many there were.
func (e engineAPI) removeContainers(ctx context.Context, label string) (int, error) {
	filters, err := json.Marshal(map[string][]string{"label": {label}})
	if err != nil {
		return 0, err
	}
	var containers []struct{ ID string }
	if err := e.call(ctx, "GET", "/containers/json?all=1&filters="+escape(string(filters)), &containers); err != nil {
		return 0, err
	}
	for _, c := range containers {
		err := e.call(ctx, "DELETE", "/containers/"+c.ID+"?force=1&v=1", nil)
		if err != nil && !isStatus(err, 404) && !isStatus(err, 409) { // gone, or going
			return len(containers), err
		}
	}
	return len(containers), nil
}
