package work

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"time"
)

// Worker executes runs. Several may run at once, in one process or many.
type Worker struct {
	Name        string // unique per process; shown to people
	Journal     Journal
	Definitions []Definition
	Concurrency int           // runs at once; 1 when zero
	Lease       time.Duration // how long a dead worker's runs wait for the next one; kept by heartbeats; 60 s when zero
	Idle        time.Duration // pause when there is nothing to do; 250 ms when zero
	Spaces      []string      // only runs of these spaces, where there are any
	MaxErrors   int           // failed attempts of one step before the run is parked; 8 when zero
	Now         func() time.Time
	Log         *slog.Logger
	// Around is called before each attempt of a step; what it returns is its context, and is told the result: done, waiting,
	// interrupted or failed. Nil for none.
	Around func(ctx context.Context, run, kind, step string) (context.Context, func(result string))
}

// errLeaseEnded is the cause by which steps end when no heartbeat reached the database in time: another worker may
// have claimed the run.
var errLeaseEnded = fmt.Errorf("no heartbeat succeeded before the lease ended: %w", ErrFenced)

// Run executes runs until ctx ends: it claims one whenever a slot is free. It returns once every step has returned; what
// the steps leave is given back at once, so the next worker goes on without waiting for the lease to end.
func (w *Worker) Run(ctx context.Context) error {
	slots := make(chan struct{}, max(w.Concurrency, 1))
	var all sync.WaitGroup
	defer all.Wait()
	for failures := 0; ; {
		select {
		case <-ctx.Done():
			return nil
		case slots <- struct{}{}:
		}
		since := time.Now()
		claim, ok, err := w.claim(ctx)
		if ok {
			all.Go(func() {
				defer func() { <-slots }()
				_ = w.conduct(ctx, claim, since) // it has logged what there is to say
			})
			failures = 0
			continue
		}
		<-slots
		pause := orDefault(w.Idle, 250*time.Millisecond)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			w.Log.Error("cannot look for work", "error", err)
			pause, failures = max(pause, min(Backoff(failures), 30*time.Second)), failures+1
		default:
			failures = 0
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// Once claims one run and executes its steps until it is done, waits, or fails. It says whether there was one.
func (w *Worker) Once(ctx context.Context) (bool, error) {
	since := time.Now()
	claim, ok, err := w.claim(ctx)
	if err != nil || !ok {
		return false, err
	}
	return true, w.conduct(ctx, claim, since)
}

func (w *Worker) claim(ctx context.Context) (Claim, bool, error) {
	if ctx.Err() != nil {
		return Claim{}, false, ctx.Err()
	}
	return w.Journal.ClaimRun(ctx, w.Name, w.Spaces, w.lease())
}

func (w *Worker) lease() time.Duration { return orDefault(w.Lease, time.Minute) }

// conduct executes a claimed run while its lease is kept. since is a moment before the claim.
func (w *Worker) conduct(ctx context.Context, claim Claim, since time.Time) error {
	// held lives as long as the lease, also while frama stops: the last step may take its time, and what it did is
	// written down.
	held, lose := context.WithCancelCause(context.WithoutCancel(ctx))
	kept := make(chan struct{})
	go func() {
		defer close(kept)
		w.keep(held, lose, claim, since)
	}()
	err := w.execute(ctx, held, claim)
	if lost := context.Cause(held); err != nil && lost != nil {
		err = lost // a write that was cut short matters no more
	}
	lose(nil)
	<-kept
	switch {
	case errors.Is(err, ErrFenced):
		w.Log.Warn("lost the lease of a run", "run", claim.Run.ID, "error", err)
		return nil
	case err != nil:
		w.Log.Error("cannot write down how a run goes; it is resumed when the lease ends", "run", claim.Run.ID, "error", err)
	}
	return err
}

// keep extends the lease, and ends held when it is lost. Its own clock decides, not the database's, so that steps stop in
// time even when the database does not answer.
func (w *Worker) keep(held context.Context, lose context.CancelCauseFunc, claim Claim, since time.Time) {
	lease := w.lease()
	end := time.NewTimer(time.Until(since.Add(lease)))
	defer end.Stop()
	tick := time.NewTicker(lease / 3)
	defer tick.Stop()
	for {
		select {
		case <-held.Done():
			return
		case <-end.C:
			lose(errLeaseEnded)
			return
		case <-tick.C:
		}
		at := time.Now()
		ctx, cancel := context.WithDeadline(held, since.Add(lease))
		err := w.Journal.Heartbeat(ctx, claim, lease)
		cancel()
		switch {
		case err == nil:
			since = at
			end.Reset(time.Until(since.Add(lease)))
		case errors.Is(err, ErrFenced):
			lose(ErrFenced)
			return
		case held.Err() == nil:
			w.Log.Warn("heartbeat failed", "run", claim.Run.ID, "error", err)
		}
	}
}

// execute executes the steps that are left, under a context that ends with ctx and with held, and writes under held.
func (w *Worker) execute(ctx, held context.Context, claim Claim) error {
	inStep, cancel := context.WithCancelCause(held)
	defer cancel(nil)
	defer context.AfterFunc(ctx, func() { cancel(context.Cause(ctx)) })()

	run := claim.Run
	run.Steps = slices.Clone(run.Steps)
	for i := range run.Steps {
		step := &run.Steps[i]
		if step.State == StepDone {
			continue
		}
		if ctx.Err() != nil {
			return w.interrupted(held, claim, *step)
		}
		do, problem := w.find(run, step.Name)
		if problem != "" {
			w.Log.Error("run parked", "run", run.ID, "space", run.SpaceID, "step", step.Name, "error", problem)
			return w.Journal.ParkRun(held, claim, step.Seq, problem)
		}
		if err := w.Journal.BeginStep(held, claim, step.Seq); err != nil {
			return err
		}
		step.begin(w.Now())
		output, err := w.attempt(inStep, do, run, step.Name)
		if held.Err() != nil {
			return context.Cause(held)
		}
		if err != nil {
			return w.settle(ctx, held, claim, *step, err)
		}
		if err := w.Journal.FinishStep(held, claim, step.Seq, output); err != nil {
			return err
		}
		step.finish(w.Now(), output)
	}
	return w.Journal.FinishRun(held, claim)
}

// begin and finish keep the run that steps see in line with the journal: a step finds what earlier ones left, whether
// they were executed under this claim or before.
func (s *Step) begin(now time.Time) {
	s.State = StepRunning
	s.Attempts++
	if s.StartedAt.IsZero() {
		s.StartedAt = now
	}
}

func (s *Step) finish(now time.Time, output string) {
	s.State, s.Output, s.Message, s.Errors, s.EndedAt = StepDone, output, "", 0, now
}

// attempt executes a step once, and tells Around how it went.
func (w *Worker) attempt(ctx context.Context, do Func, run Run, step string) (string, error) {
	if w.Around == nil {
		return w.call(ctx, do, run)
	}
	ctx, end := w.Around(ctx, run.ID, run.Kind, step)
	output, err := w.call(ctx, do, run)
	var wait later
	switch {
	case err == nil:
		end("done")
	case errors.As(err, &wait):
		end("waiting")
	case ctx.Err() != nil:
		end("interrupted")
	default:
		end("failed")
	}
	return output, err
}

// call executes a step; a panic parks the run instead of killing every other run of the process.
func (w *Worker) call(ctx context.Context, do Func, run Run) (output string, err error) {
	defer func() {
		if p := recover(); p != nil {
			w.Log.Error("step panicked", "run", run.ID, "panic", p, "stack", string(debug.Stack()))
			err = Permanent(errors.New("internal error: see frama's log"))
		}
	}()
	run.Steps = slices.Clone(run.Steps)
	value, err := do(ctx, run)
	if err != nil {
		return "", err
	}
	output, err = encode(value)
	if err != nil {
		return "", Permanent(err)
	}
	return output, nil
}

// settle writes down how a step that is not done ended.
func (w *Worker) settle(ctx, held context.Context, claim Claim, step Step, err error) error {
	var wait later
	if errors.As(err, &wait) {
		return w.Journal.DeferStep(held, claim, step.Seq, w.Now().Add(wait.after), wait.message, false)
	}
	if ctx.Err() != nil {
		return w.interrupted(held, claim, step) // whatever it says is the interruption's doing
	}
	var park permanent
	if errors.As(err, &park) || step.Errors+1 >= orDefault(w.MaxErrors, 8) {
		w.Log.Error("run parked", "run", claim.Run.ID, "space", claim.Run.SpaceID, "step", step.Name, "error", err)
		return w.Journal.ParkRun(held, claim, step.Seq, err.Error())
	}
	w.Log.Warn("step failed, will try again", "run", claim.Run.ID, "step", step.Name, "error", err)
	return w.Journal.DeferStep(held, claim, step.Seq, w.Now().Add(Backoff(step.Errors)), err.Error(), true)
}

// interrupted gives the run back at once, so that nobody waits for the lease to end. What the step waited for before
// says more to people than that it was interrupted.
func (w *Worker) interrupted(held context.Context, claim Claim, step Step) error {
	return w.Journal.DeferStep(held, claim, step.Seq, w.Now(), cmp.Or(step.Message, "interrupted, will be resumed"), false)
}

// Backoff is the pause after the nth failure in a row (from 0): 1 s, doubled each time, at most 5 min.
func Backoff(n int) time.Duration {
	return min(time.Second<<min(n, 10), 5*time.Minute)
}

// find returns what a step does, or what is wrong and what to do.
func (w *Worker) find(run Run, step string) (do Func, problem string) {
	known := slices.IndexFunc(w.Definitions, func(d Definition) bool { return d.Kind == run.Kind && d.Version == run.Version })
	if known < 0 {
		return nil, fmt.Sprintf("this frama does not know the steps of %s version %d: run a frama that does", run.Kind, run.Version)
	}
	for _, s := range w.Definitions[known].Steps {
		if s.Name == step {
			return s.Do, ""
		}
	}
	return nil, fmt.Sprintf("unknown step %q: run a frama that knows it", step)
}

func orDefault[T comparable](v, fallback T) T {
	var zero T
	if v == zero {
		return fallback
	}
	return v
}
