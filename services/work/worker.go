package work

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"
)

// Worker executes runs. Several may run at once, in one process or many.
type Worker struct {
	Name        string // unique per process; shown to people
	Journal     Journal
	Definitions []Definition
	Concurrency int           // runs at once; 1 when zero
	Lease       time.Duration // longer than any one call a step makes between heartbeats; 60 s when zero
	Idle        time.Duration // pause when there is nothing to do; 250 ms when zero
	Spaces      []string      // only runs of these spaces, where there are any
	MaxErrors   int           // failed attempts of one step in a row before the run is parked; 8 when zero
	Now         func() time.Time
	Log         *slog.Logger
}

// Run executes runs until ctx ends. Steps under way are given the chance to return; what they leave is resumed by the
// next worker once the lease has ended.
func (w *Worker) Run(ctx context.Context) error {
	var all sync.WaitGroup
	for range max(w.Concurrency, 1) {
		all.Go(func() { w.loop(ctx) })
	}
	all.Wait()
	return nil
}

func (w *Worker) loop(ctx context.Context) {
	for ctx.Err() == nil {
		worked, err := w.Once(ctx)
		if err != nil && ctx.Err() == nil {
			w.Log.Error("worker", "error", err)
		}
		if !worked || err != nil {
			select {
			case <-ctx.Done():
			case <-time.After(orDefault(w.Idle, 250*time.Millisecond)):
			}
		}
	}
}

// Once claims one run and executes its steps until it is done, waits, or fails. It says whether there was one.
func (w *Worker) Once(ctx context.Context) (bool, error) {
	lease := orDefault(w.Lease, time.Minute)
	claim, ok, err := w.Journal.ClaimRun(ctx, w.Name, w.Spaces, lease)
	if err != nil || !ok {
		return false, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		w.heartbeat(ctx, cancel, claim, lease)
	}()
	err = w.execute(ctx, claim)
	cancel(nil)
	<-stopped
	if errors.Is(err, ErrFenced) {
		w.Log.Warn("lost the lease of a run", "run", claim.Run.ID)
		return true, nil
	}
	return true, err
}

// heartbeat extends the lease while the steps execute, and cancels them when it is lost.
func (w *Worker) heartbeat(ctx context.Context, cancel context.CancelCauseFunc, claim Claim, lease time.Duration) {
	tick := time.NewTicker(lease / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := w.Journal.Heartbeat(ctx, claim, lease); errors.Is(err, ErrFenced) {
				cancel(ErrFenced)
				return
			}
		}
	}
}

func (w *Worker) execute(ctx context.Context, claim Claim) error {
	run := claim.Run
	def, ok := w.definition(run)
	if !ok {
		first, _ := run.Current()
		return w.Journal.ParkRun(ctx, claim, first.Seq, fmt.Sprintf(
			"this frama does not know the steps of %s version %d: run a frama that does", run.Kind, run.Version))
	}
	for _, step := range run.Steps {
		if step.State == StepDone {
			continue
		}
		do, ok := def.find(step.Name)
		if !ok {
			return w.Journal.ParkRun(ctx, claim, step.Seq, fmt.Sprintf("unknown step %q: run a frama that knows it", step.Name))
		}
		if err := w.Journal.BeginStep(ctx, claim, step.Seq); err != nil {
			return err
		}
		output, err := w.call(ctx, do, run)
		if err != nil {
			return w.settle(ctx, claim, step, err)
		}
		if err := w.Journal.FinishStep(ctx, claim, step.Seq, output); err != nil {
			return err
		}
	}
	return w.Journal.FinishRun(ctx, claim)
}

// call executes a step; a panic parks the run instead of killing every other run of the process.
func (w *Worker) call(ctx context.Context, do Func, run Run) (output string, err error) {
	defer func() {
		if p := recover(); p != nil {
			w.Log.Error("step panicked", "run", run.ID, "panic", p, "stack", string(debug.Stack()))
			err = Permanent(errors.New("internal error: see frama's log"))
		}
	}()
	value, err := do(ctx, run)
	if err != nil {
		return "", err
	}
	return encode(value)
}

// settle writes down how a step that is not done ended.
func (w *Worker) settle(ctx context.Context, claim Claim, step Step, err error) error {
	if errors.Is(context.Cause(ctx), ErrFenced) {
		return ErrFenced
	}
	if ctx.Err() != nil {
		// Asked to stop: give the run back at once, so that nobody waits for the lease to end.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		return w.Journal.DeferStep(ctx, claim, step.Seq, w.Now(), "interrupted, will be resumed", false)
	}
	var wait later
	if errors.As(err, &wait) {
		return w.Journal.DeferStep(ctx, claim, step.Seq, w.Now().Add(wait.after), wait.message, false)
	}
	var park permanent
	if errors.As(err, &park) || step.Errors+1 >= orDefault(w.MaxErrors, 8) {
		w.Log.Error("run parked", "run", claim.Run.ID, "space", claim.Run.SpaceID, "step", step.Name, "error", err)
		return w.Journal.ParkRun(ctx, claim, step.Seq, err.Error())
	}
	w.Log.Warn("step failed, will try again", "run", claim.Run.ID, "step", step.Name, "error", err)
	return w.Journal.DeferStep(ctx, claim, step.Seq, w.Now().Add(Backoff(step.Errors)), err.Error(), true)
}

// Backoff is the pause after the nth failure in a row (from 0): 1 s, doubled each time, at most 5 min.
func Backoff(n int) time.Duration {
	return min(time.Second<<min(n, 10), 5*time.Minute)
}

func (w *Worker) definition(run Run) (Definition, bool) {
	for _, d := range w.Definitions {
		if d.Kind == run.Kind && d.Version == run.Version {
			return d, true
		}
	}
	return Definition{}, false
}

func (d Definition) find(name string) (Func, bool) {
	for _, s := range d.Steps {
		if s.Name == name {
			return s.Do, true
		}
	}
	return nil, false
}

func orDefault[T comparable](v, fallback T) T {
	var zero T
	if v == zero {
		return fallback
	}
	return v
}
