package nomad

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/hashicorp/nomad/api"
)

// ErrNotRunning says that no task of that name runs for the job.
var ErrNotRunning = errors.New("it does not run")

// Exec runs a command inside a running task of the job, without a terminal and with nothing to read, and returns its exit
// status and the end of what it wrote. Nomad does not end the command when ctx does: it goes on in the task, unseen.
func (c *Cluster) Exec(ctx context.Context, job, task string, command []string) (code int, output string, err error) {
	doing := fmt.Sprintf("run a command in task %s of job %s", task, job)
	alloc, err := c.runningTask(ctx, job, task)
	if err != nil {
		return 0, "", err
	}
	var out tail
	code, err = c.exec(ctx, doing, alloc, task, command, &out, &out)
	if errors.Is(err, ErrDenied) {
		return 0, "", err
	}
	return code, out.String(), err
}

// exec runs a command in a task of an allocation.
func (c *Cluster) exec(ctx context.Context, doing string, alloc *api.Allocation, task string, command []string, out, said io.Writer) (code int, err error) {
	q, err := c.read(ctx)
	if err != nil {
		return 0, err
	}
	q.Namespace = alloc.Namespace
	type result struct {
		code int
		err  error
	}
	done := make(chan result, 1)
	// Apart, since the client's handshake heeds no context.
	go func() {
		code, err := c.client.Allocations().Exec(ctx, alloc, task, false, command, strings.NewReader(""), out, said, nil, q)
		done <- result{code, err}
	}()
	select {
	case <-ctx.Done():
		return 0, fmt.Errorf("%s: %w", doing, ctx.Err())
	case r := <-done:
		switch {
		case ctx.Err() != nil:
			return 0, fmt.Errorf("%s: %w", doing, ctx.Err())
		case r.err != nil && strings.Contains(r.err.Error(), "Permission denied"):
			return 0, c.denied(doing, r.err) // said within the connection, without a status
		case r.err != nil:
			return 0, c.explain(doing, r.err)
		}
		return r.code, nil
	}
}

// runningTask finds the newest allocation of the job in which the task runs.
func (c *Cluster) runningTask(ctx context.Context, job, task string) (*api.Allocation, error) {
	var stubs []*api.AllocationListStub
	err := c.call(ctx, "read the allocations of job "+job, func(ctx context.Context) error {
		r, err := c.read(ctx)
		if err != nil {
			return err
		}
		stubs, _, err = c.client.Jobs().Allocations(job, false, r)
		return err
	})
	if err != nil {
		return nil, err
	}
	var newest *api.AllocationListStub
	for _, stub := range stubs {
		state := stub.TaskStates[task]
		runs := stub.ClientStatus == api.AllocClientStatusRunning && state != nil && state.State == "running"
		if runs && (newest == nil || stub.CreateIndex > newest.CreateIndex) {
			newest = stub
		}
	}
	if newest == nil {
		return nil, fmt.Errorf("task %s of job %s: %w", task, job, ErrNotRunning)
	}
	return &api.Allocation{ID: newest.ID, NodeID: newest.NodeID, Namespace: newest.Namespace}, nil
}

// tail keeps the end of what is written to it: the last words of a command say most.
type tail struct {
	mu   sync.Mutex
	kept []byte
	cut  bool
}

const (
	tailSize      = 16 << 10 // bytes
	longestSecret = 1 << 10  // bytes, and more
)

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, p...)
	if over := len(t.kept) - tailSize; over > 0 {
		t.kept, t.cut = append(t.kept[:0], t.kept[over:]...), true
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	kept := t.kept
	if t.cut {
		// A secret cut in two would be found by nobody who hides secrets: what is left begins with a line, or after one.
		if _, whole, found := bytes.Cut(kept, []byte("\n")); found && len(whole) > 0 {
			kept = whole
		} else {
			kept = kept[min(longestSecret, len(kept)):]
		}
	}
	return strings.ToValidUTF8(string(kept), "\ufffd")
}
