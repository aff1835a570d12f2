package work_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"framagit.org/frama/frama/services/store"
	"framagit.org/frama/frama/services/store/storetest"
	"framagit.org/frama/frama/services/work"
)

// bench is a store with a clock that stands still, and a list of what the steps did.
type bench struct {
	*testing.T
	store *store.Store
	clock *storetest.Clock
	mu    sync.Mutex
	did   []string
}

func newBench(t *testing.T) *bench {
	t.Parallel()
	clock := storetest.NewClock()
	return &bench{T: t, store: storetest.Open(t, storetest.SQLite(t), clock.With), clock: clock}
}

func (b *bench) note(what string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.did = append(b.did, what)
}

func (b *bench) done() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.did)
}

// step makes a step that notes its name and answers with the next of the answers, the last one again and again.
func (b *bench) step(name string, answers ...error) work.Named {
	calls := 0
	return work.Named{Name: name, Do: func(context.Context, work.Run) (any, error) {
		b.note(name)
		if len(answers) == 0 {
			return nil, nil
		}
		calls++
		return nil, answers[min(calls, len(answers))-1]
	}}
}

func (b *bench) worker(steps ...work.Named) *work.Worker {
	return &work.Worker{
		Name: "w", Journal: b.store, Definitions: []work.Definition{{Kind: "test", Version: 1, Steps: steps}},
		Idle: time.Millisecond, Now: b.clock.Now, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
}

func (b *bench) run(steps ...string) string {
	b.Helper()
	return storetest.AddRun(b, b.store, storetest.AddSpace(b, b.store, strings.ReplaceAll(storetest.NewID(), "-", "")), steps...).ID
}

// once lets the worker work once.
func (b *bench) once(w *work.Worker) bool {
	b.Helper()
	worked, err := w.Once(context.Background())
	if err != nil {
		b.Fatal(err)
	}
	return worked
}

func (b *bench) state(id string) string {
	b.Helper()
	run := storetest.GetRun(b, b.store, id)
	text := string(run.State) + ":"
	for _, s := range run.Steps {
		text += " " + string(s.State)
	}
	return text
}

func (b *bench) expect(what, got, want string) {
	b.Helper()
	if got != want {
		b.Fatalf("%s: got %q, want %q", what, got, want)
	}
}

// background runs the worker until the test ends, or until the function it returns is called.
func (b *bench) background(w *work.Worker) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := w.Run(ctx); err != nil {
			b.Error(err)
		}
	}()
	stop = func() {
		cancel()
		<-ended
	}
	b.Cleanup(stop)
	return stop
}

// eventually waits for what a worker in the background does.
func (b *bench) eventually(what string, f func() bool) {
	b.Helper()
	for deadline := time.Now().Add(20 * time.Second); !f(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.Fatalf("waited too long: %s; %v", what, b.done())
		}
	}
}

func TestStepsGoInTheOrderOfTheRun(t *testing.T) {
	b := newBench(t)
	id := b.run("one", "two", "three")
	w := b.worker(b.step("three"), b.step("one"), b.step("two"))
	if !b.once(w) || b.once(w) {
		t.Fatal("want one run, and then nothing to do")
	}
	b.expect("steps", strings.Join(b.done(), " "), "one two three")
	b.expect("run", b.state(id), "done: done done done")
}

// A step sees what earlier ones left, whether under the same claim or before.
func TestStepsSeeTheOutputOfEarlierOnes(t *testing.T) {
	b := newBench(t)
	id := b.run("one", "two", "three")
	var seen []work.Step
	look := func(_ context.Context, run work.Run) (any, error) {
		seen = slices.Clone(run.Steps)
		run.Steps[0].Output = "a step's copy is its own"
		return nil, nil
	}
	wait := b.step("two", work.Later(time.Second, "waits"), nil)
	w := b.worker(work.Named{Name: "one", Do: func(context.Context, work.Run) (any, error) { return map[string]int{"a": 1}, nil }},
		work.Named{Name: "two", Do: func(ctx context.Context, run work.Run) (any, error) {
			if _, err := look(ctx, run); err != nil {
				return nil, err
			}
			return wait.Do(ctx, run)
		}}, work.Named{Name: "three", Do: look})
	b.once(w)
	if seen[0].State != work.StepDone || seen[0].Output != `{"a":1}` || seen[1].State != work.StepRunning || seen[1].StartedAt.IsZero() {
		t.Errorf("under the same claim: %+v", seen)
	}
	b.clock.Advance(time.Second)
	b.once(w)
	if seen[0].Output != `{"a":1}` || seen[1].State != work.StepDone || seen[1].Attempts != 2 {
		t.Errorf("under another claim: %+v", seen)
	}
	b.expect("run", b.state(id), "done: done done done")
	b.expect("output", storetest.GetRun(t, b.store, id).Steps[0].Output, `{"a":1}`)
}

func TestLaterHoldsNoWorker(t *testing.T) {
	b := newBench(t)
	waits := b.run("wait", "after")
	b.clock.Advance(time.Second)
	other := b.run("after")
	w := b.worker(b.step("wait", work.Later(time.Minute, "waits for DNS"), nil), b.step("after"))
	b.once(w)
	step := storetest.GetRun(t, b.store, waits).Steps[0]
	b.expect("message", step.Message, "waits for DNS")
	if step.Errors != 0 {
		t.Errorf("waiting counted as %d errors", step.Errors)
	}
	b.once(w)
	b.expect("the other run", b.state(other), "done: done")
	b.clock.Advance(time.Minute - time.Second - time.Microsecond)
	if b.once(w) {
		t.Error("came back too soon")
	}
	b.clock.Advance(2 * time.Second)
	b.once(w)
	b.expect("run", b.state(waits), "done: done done")
}

func TestPermanentParks(t *testing.T) {
	b := newBench(t)
	id := b.run("one", "two", "three")
	w := b.worker(b.step("one"), b.step("two", fmt.Errorf("make the volume: %w", work.Permanent(errors.New("no such node"))), nil), b.step("three"))
	b.once(w)
	b.expect("run", b.state(id), "parked: done failed pending")
	b.expect("message", storetest.GetRun(t, b.store, id).Steps[1].Message, "make the volume: no such node")
	b.clock.Advance(24 * time.Hour)
	if b.once(w) {
		t.Fatal("a parked run was executed")
	}
	if err := b.store.Write(t.Context(), func(tx *store.Tx) error { return tx.RetryRun(id, 1) }); err != nil {
		t.Fatal(err)
	}
	b.once(w)
	b.expect("run once retried", b.state(id), "done: done done done")
	b.expect("steps", strings.Join(b.done(), " "), "one two two three")
}

func TestErrorsBackOffAndThenPark(t *testing.T) {
	b := newBench(t)
	id := b.run("one")
	w := b.worker(b.step("one", errors.New("no route to host"), work.Later(0, "waits"), errors.New("refused")))
	w.MaxErrors = 3
	b.once(w) // the first failure
	b.clock.Advance(work.Backoff(0) - time.Microsecond)
	if b.once(w) {
		t.Error("no pause after the first failure")
	}
	b.clock.Advance(time.Microsecond)
	b.once(w) // waiting neither counts nor forgives
	b.once(w) // the second failure
	b.clock.Advance(work.Backoff(1) - time.Microsecond)
	if b.once(w) {
		t.Error("the pause did not grow")
	}
	step := storetest.GetRun(t, b.store, id).Steps[0]
	if step.Errors != 2 || step.Message != "refused" {
		t.Errorf("after two failures: %+v", step)
	}
	b.clock.Advance(time.Microsecond)
	b.once(w)
	b.expect("run", b.state(id), "parked: failed")
	b.expect("steps", fmt.Sprint(len(b.done())), "4")
}

func TestPanicParksOnlyItsRun(t *testing.T) {
	b := newBench(t)
	id, other := b.run("bad"), b.run("good")
	w := b.worker(work.Named{Name: "bad", Do: func(context.Context, work.Run) (any, error) { panic("secret detail") }}, b.step("good"))
	b.background(w)
	b.eventually("the other run", func() bool { return b.state(other) == "done: done" })
	b.eventually("the run", func() bool { return b.state(id) == "parked: failed" })
	if m := storetest.GetRun(t, b.store, id).Steps[0].Message; strings.Contains(m, "secret") || !strings.Contains(m, "log") {
		t.Errorf("people read %q", m)
	}
}

func TestOutputThatCannotBeKeptParks(t *testing.T) {
	b := newBench(t)
	id := b.run("one")
	b.once(b.worker(work.Named{Name: "one", Do: func(context.Context, work.Run) (any, error) { return make(chan int), nil }}))
	b.expect("run", b.state(id), "parked: failed")
}

func TestWhatFramaDoesNotKnowParks(t *testing.T) {
	b := newBench(t)
	unknownStep := b.run("one", "gone", "three")
	b.once(b.worker(b.step("one"), b.step("three")))
	b.expect("a step that is gone", b.state(unknownStep), "parked: done failed pending")
	if m := storetest.GetRun(t, b.store, unknownStep).Steps[1].Message; !strings.Contains(m, `"gone"`) {
		t.Errorf("message %q", m)
	}
	newer := b.run("one", "two")
	w := b.worker(b.step("one"), b.step("two"))
	w.Definitions[0].Version = 2
	b.once(w)
	b.expect("a version that is gone", b.state(newer), "parked: failed pending")
	if m := storetest.GetRun(t, b.store, newer).Steps[0].Message; !strings.Contains(m, "test version 1") {
		t.Errorf("message %q", m)
	}
}

// A worker died between its last step and the end of the run; the next frama no longer knows the steps.
func TestOnlyTheEndIsLeft(t *testing.T) {
	b := newBench(t)
	id := b.run("one")
	c, _, err := b.store.ClaimRun(t.Context(), "dead", nil, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.store.FinishStep(t.Context(), c, 0, ""); err != nil {
		t.Fatal(err)
	}
	b.clock.Advance(time.Minute)
	w := b.worker()
	w.Definitions = nil
	b.once(w)
	b.expect("run", b.state(id), "done: done")
}

func TestConcurrencyIsALimitAndIsUsed(t *testing.T) {
	b := newBench(t)
	const runs, limit = 9, 3
	var mu sync.Mutex
	inside, most := 0, 0
	arrived := make(chan struct{}, runs)
	w := b.worker(work.Named{Name: "one", Do: func(context.Context, work.Run) (any, error) {
		mu.Lock()
		inside++
		most = max(most, inside)
		mu.Unlock()
		arrived <- struct{}{}
		for len(arrived) < limit { // the first three wait for one another
			time.Sleep(time.Millisecond)
		}
		mu.Lock()
		inside--
		mu.Unlock()
		return nil, nil
	}})
	w.Concurrency = limit
	var ids []string
	for range runs {
		ids = append(ids, b.run("one"))
	}
	b.background(w)
	for _, id := range ids {
		b.eventually("all runs", func() bool { return b.state(id) == "done: done" })
	}
	if most != limit {
		t.Errorf("%d at once, want %d", most, limit)
	}
}

// counting counts claims, and fails some.
type counting struct {
	work.Journal
	mu    sync.Mutex
	looks int
	fail  bool
}

func (c *counting) ClaimRun(ctx context.Context, w string, spaces []string, lease time.Duration) (work.Claim, bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.looks++
	if c.fail {
		return work.Claim{}, false, errors.New("the database does not answer")
	}
	return c.Journal.ClaimRun(ctx, w, spaces, lease)
}

func TestAnIdleWorkerLooksOncePerPauseWhateverItsSize(t *testing.T) {
	for name, c := range map[string]*counting{"nothing to do": {}, "database down": {fail: true}} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			c.Journal = b.store
			w := b.worker()
			w.Journal, w.Concurrency, w.Idle = c, 16, 100*time.Millisecond
			stop := b.background(w)
			time.Sleep(550 * time.Millisecond)
			stop()
			if c.looks > 6 || c.looks < 1 || c.fail && c.looks > 1 {
				t.Errorf("looked %d times in 550 ms", c.looks)
			}
		})
	}
}

func TestOnlyRunsOfTheGivenSpaces(t *testing.T) {
	b := newBench(t)
	other, mine := b.run("one"), b.run("one")
	w := b.worker(b.step("one"))
	w.Spaces = []string{storetest.GetRun(t, b.store, mine).SpaceID}
	b.once(w)
	if b.once(w) {
		t.Error("executed a run of another space")
	}
	b.expect("mine", b.state(mine), "done: done")
	b.expect("the other", b.state(other), "ready: pending")
}
