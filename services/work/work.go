// Package work executes durable runs: a run is an ordered list of steps on one space, kept in the database, and
// survives the death of whoever executes it.
//
// A Worker claims a run with a lease and a fence, a number that grows with each claim and is checked on every write:
// a worker that lost its lease can write no more. Each step commits its own row before the next begins. A step may
// be executed again after a crash, so it reads, compares and only then writes. A step that must wait returns Later
// and holds no worker; one that only a person can mend returns Permanent, which parks the run.
package work

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// RunState is where a run stands.
type RunState string

const (
	RunReady   RunState = "ready"   // may be claimed once NotBefore has passed
	RunRunning RunState = "running" // claimed until LeaseUntil
	RunParked  RunState = "parked"  // waits for a person: see the failed step
	RunDone    RunState = "done"
	// RunWithdrawn is a run that nobody began: its space was taken back.
	RunWithdrawn RunState = "withdrawn"
)

// StepState is where a step stands.
type StepState string

const (
	StepPending StepState = "pending"
	StepRunning StepState = "running"
	StepWaiting StepState = "waiting" // begun, waits for something; Message says what
	StepFailed  StepState = "failed"
	StepDone    StepState = "done"
)

// Run is a durable piece of work on a space.
type Run struct {
	ID         string
	SpaceID    string
	Kind       string // e.g. provision
	Version    int    // of the step list it was made from
	State      RunState
	Worker     string // who holds or last held the lease
	Fence      int64  // grows with each claim
	LeaseUntil time.Time
	NotBefore  time.Time
	CreatedAt  time.Time
	StartedAt  time.Time // of the first claim
	EndedAt    time.Time // zero unless done
	Steps      []Step
}

// Step is one row of a run.
type Step struct {
	Seq       int // from 0
	Name      string
	State     StepState
	Attempts  int    // how often it was begun
	Errors    int    // failed attempts since it last began anew; waiting neither counts nor resets them
	Output    string // JSON, what the step found or made; never a secret
	Message   string // what it waits for, or why it failed
	StartedAt time.Time
	EndedAt   time.Time
}

// Current returns the step that is next to execute, or false when all are done.
func (r Run) Current() (Step, bool) {
	for _, s := range r.Steps {
		if s.State != StepDone {
			return s, true
		}
	}
	return Step{}, false
}

// Claim is the right to execute a run until its lease ends.
type Claim struct {
	Run   Run
	Fence int64
}

// ErrFenced says that somebody else has claimed the run since: stop at once, write nothing.
var ErrFenced = errors.New("the run was claimed by another worker")

// Journal keeps runs. Each method is one transaction; all but ClaimRun fail with ErrFenced when the claim's fence is no
// longer the run's.
type Journal interface {
	// ClaimRun claims the oldest runnable run, or says false. A run is runnable when it is ready and its NotBefore has
	// passed, or when it is running and its lease has ended. Only runs of the given spaces where there are any.
	ClaimRun(ctx context.Context, worker string, spaces []string, lease time.Duration) (Claim, bool, error)
	// Heartbeat moves the end of the lease.
	Heartbeat(ctx context.Context, c Claim, lease time.Duration) error
	BeginStep(ctx context.Context, c Claim, seq int) error
	FinishStep(ctx context.Context, c Claim, seq int, output string) error
	// DeferStep gives the run back until at. failed counts the attempt as an error.
	DeferStep(ctx context.Context, c Claim, seq int, at time.Time, message string, failed bool) error
	// ParkRun marks the step failed and the run parked.
	ParkRun(ctx context.Context, c Claim, seq int, message string) error
	FinishRun(ctx context.Context, c Claim) error
}

// Func executes one step. What it returns is kept as JSON.
type Func func(ctx context.Context, run Run) (output any, err error)

// Definition is a list of steps of one kind and version. A change to the list of names is a new version; the old one
// stays until no run of it is left.
type Definition struct {
	Kind    string
	Version int
	Steps   []Named
}

// Named is a step with its name.
type Named struct {
	Name string
	Do   Func
}

// Names returns the step names in order.
func (d Definition) Names() []string {
	names := make([]string, len(d.Steps))
	for i, s := range d.Steps {
		names[i] = s.Name
	}
	return names
}

// later and permanent are the two special answers of a step.
type later struct {
	after   time.Duration
	message string
}

func (l later) Error() string { return fmt.Sprintf("come back in %s: %s", l.after, l.message) }

// Later gives the run back for a while. The message says what it waits for.
func Later(after time.Duration, message string) error { return later{after, message} }

type permanent struct{ err error }

func (p permanent) Error() string { return p.err.Error() }
func (p permanent) Unwrap() error { return p.err }

// Permanent parks the run: trying again alone cannot help.
func Permanent(err error) error { return permanent{err} }

func encode(output any) (string, error) {
	if output == nil {
		return "", nil
	}
	b, err := json.Marshal(output)
	if err != nil {
		return "", fmt.Errorf("encode the step's output: %w", err)
	}
	return string(b), nil
}
