package dev

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// Command is a child process to start and watch.
type Command struct {
	Name   string // names the log and the messages
	Path   string
	Args   []string
	Env    []string // added to a minimal environment: what the caller's holds stays out
	Dir    string
	Data   string              // folder of the platform or part; log/<name>.log is below
	User   *syscall.Credential // nil for the caller's
	Ready  func(ctx context.Context) error
	Within time.Duration  // time to get ready, 30 s when zero
	Grace  time.Duration  // time between SIGTERM and SIGKILL, 10 s when zero
	Stop   syscall.Signal // SIGTERM when zero
}

// Process is a started child. It has a process group of its own, so that Ctrl-C in a terminal reaches only whoever
// started it, and it gets SIGKILL when that one dies.
type Process struct {
	Name    string
	LogFile string
	cmd     *exec.Cmd
	grace   time.Duration
	signal  syscall.Signal
	exited  chan struct{}
	err     error // of Wait; set before exited is closed
}

// Start starts the command and waits until it is ready. When it is not in time, or exits, it is stopped and the error
// holds the last lines of its log.
func Start(ctx context.Context, c Command) (*Process, error) {
	p, err := launch(c)
	if err != nil {
		return nil, err
	}
	if err := p.waitReady(ctx, c.Ready, orDuration(c.Within, 30*time.Second)); err != nil {
		p.Stop()
		return nil, err
	}
	return p, nil
}

func launch(c Command) (*Process, error) {
	logs := filepath.Join(c.Data, "log")
	if err := os.MkdirAll(logs, 0o755); err != nil {
		return nil, fmt.Errorf("start %s: %w", c.Name, err)
	}
	p := &Process{
		Name: c.Name, LogFile: filepath.Join(logs, c.Name+".log"),
		grace: orDuration(c.Grace, 10*time.Second), signal: c.Stop, exited: make(chan struct{}),
	}
	if p.signal == 0 {
		p.signal = syscall.SIGTERM
	}
	log, err := os.OpenFile(p.LogFile, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", c.Name, err)
	}
	p.cmd = exec.Command(c.Path, c.Args...) //nolint:noctx // it outlives the call; Stop ends it
	p.cmd.Dir = c.Dir
	p.cmd.Env = append(environment(c.Data), c.Env...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL, Credential: c.User}
	started := make(chan error)
	go func() {
		// The death signal is sent when the *thread* that forked ends, so that thread must last as long as the child.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		log.Close()
		started <- err
		if err != nil {
			return
		}
		p.err = p.cmd.Wait()
		close(p.exited)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", c.Name, err)
	}
	return p, nil
}

// environment is all that children get: the caller's may hold secrets, and Nomad's tasks inherit what its agent has.
func environment(data string) []string {
	env := []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", marker(data)}
	for _, name := range []string{"HOME", "TMPDIR", "TZ"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}

func (p *Process) waitReady(ctx context.Context, ready func(ctx context.Context) error, within time.Duration) error {
	if ready == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	pause := 20 * time.Millisecond
	var last error
	for {
		try, done := context.WithTimeout(ctx, 2*time.Second)
		last = ready(try)
		done()
		if last == nil {
			return nil
		}
		select {
		case <-p.exited:
			return p.Err()
		case <-ctx.Done():
			if cause := context.Cause(ctx); !errors.Is(cause, context.DeadlineExceeded) {
				return fmt.Errorf("start %s: %w", p.Name, cause)
			}
			return fmt.Errorf("%s was not ready within %s (%w); its log %s ends with:\n%s", p.Name, within, last, p.LogFile, p.Tail(15))
		case <-time.After(pause):
		}
		pause = min(pause*3/2, 250*time.Millisecond)
	}
}

// Stop asks the process to end, and kills its group after the grace period. It may be called more than once.
func (p *Process) Stop() {
	select {
	case <-p.exited:
		return
	default:
	}
	_ = p.cmd.Process.Signal(p.signal)
	select {
	case <-p.exited:
	case <-time.After(p.grace):
		p.Kill()
	}
	// Whatever the process left in its group.
	_ = syscall.Kill(-p.PID(), syscall.SIGKILL)
}

// Kill ends the process and its group at once, as a crash would.
func (p *Process) Kill() {
	select {
	case <-p.exited:
		return
	default:
	}
	_ = syscall.Kill(-p.PID(), syscall.SIGKILL)
	<-p.exited
}

// PID is the process's ID.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Exited is closed when the process has ended, whatever the reason.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Err says how the process ended, with the last lines of its log; nil while it runs.
func (p *Process) Err() error {
	select {
	case <-p.exited:
	default:
		return nil
	}
	how := "with status 0"
	if p.err != nil {
		how = p.err.Error()
	}
	return fmt.Errorf("%s ended (%s); its log %s ends with:\n%s", p.Name, how, p.LogFile, p.Tail(15))
}

// Tail returns the last lines of the log.
func (p *Process) Tail(lines int) string {
	f, err := os.Open(p.LogFile)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() > 64<<10 {
		_, _ = f.Seek(-64<<10, 2)
	}
	var last []string
	for s := bufio.NewScanner(f); s.Scan(); {
		last = append(last, "  "+s.Text())
		if len(last) > lines {
			last = last[1:]
		}
	}
	return strings.Join(last, "\n")
}

func orDuration(d, usual time.Duration) time.Duration {
	if d == 0 {
		return usual
	}
	return d
}
