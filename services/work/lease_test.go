package work_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"framagit.org/frama/frama/services/store/storetest"
	"framagit.org/frama/frama/services/work"
)

func TestResumesAfterACrash(t *testing.T) {
	b := newBench(t)
	id := b.run("one", "two", "three")
	hang, hanging := make(chan struct{}), make(chan struct{})
	b.Cleanup(func() { close(hang) })
	dead := b.worker(b.step("one"), work.Named{Name: "two", Do: func(context.Context, work.Run) (any, error) {
		b.note("two")
		close(hanging)
		<-hang // never returns, and its process is no more
		return nil, nil
	}}, b.step("three"))
	go func() { _, _ = dead.Once(context.Background()) }()
	<-hanging
	next := b.worker(b.step("one"), b.step("two"), b.step("three"))
	next.Name = "next"
	b.clock.Advance(time.Minute - time.Microsecond)
	if b.once(next) {
		t.Fatal("took the run while the lease holds")
	}
	b.clock.Advance(time.Microsecond)
	b.once(next)
	b.expect("steps", strings.Join(b.done(), " "), "one two two three")
	b.expect("run", b.state(id), "done: done done done")
	b.expect("worker", storetest.GetRun(t, b.store, id).Worker, "next")
}

func TestGracefulStopGivesTheRunBackAtOnce(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(context.Context) error
		want   string
	}{
		"the step stops":           {func(ctx context.Context) error { return ctx.Err() }, "ready: waiting pending"},
		"it calls it permanent":    {func(ctx context.Context) error { return work.Permanent(ctx.Err()) }, "ready: waiting pending"},
		"it ends what it is doing": {func(context.Context) error { return nil }, "ready: done waiting"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			id := b.run("one", "two")
			began := make(chan struct{})
			w := b.worker(work.Named{Name: "one", Do: func(ctx context.Context, _ work.Run) (any, error) {
				close(began)
				<-ctx.Done()
				return "output", c.answer(ctx)
			}}, b.step("two"))
			stop := b.background(w)
			<-began
			stop()
			b.expect("run", b.state(id), c.want)
			next := b.worker(b.step("one"), b.step("two"))
			if !b.once(next) { // the clock has not moved
				t.Fatal("the run is not free")
			}
			b.expect("run", b.state(id), "done: done done")
			if steps := storetest.GetRun(t, b.store, id).Steps; steps[0].Errors != 0 {
				t.Errorf("being interrupted counted as an error: %+v", steps[0])
			}
		})
	}
}

// late is a journal whose heartbeats wait until they may pass.
type late struct {
	work.Journal
	open chan struct{}
}

func (l late) Heartbeat(ctx context.Context, c work.Claim, lease time.Duration) error {
	<-l.open
	return l.Journal.Heartbeat(ctx, c, lease)
}

func TestLostLeaseStopsTheStepAndWritesNothing(t *testing.T) {
	b := newBench(t)
	id := b.run("one")
	began, cause := make(chan struct{}), make(chan error, 1)
	slow := b.worker(work.Named{Name: "one", Do: func(ctx context.Context, _ work.Run) (any, error) {
		close(began)
		<-ctx.Done()
		cause <- context.Cause(ctx)
		return "slow", nil // it had just finished
	}})
	open := make(chan struct{})
	slow.Journal, slow.Lease = late{b.store, open}, 3*time.Second
	b.background(slow)
	<-began
	b.clock.Advance(3 * time.Second)
	c, ok, err := b.store.ClaimRun(t.Context(), "quick", nil, time.Minute)
	if err != nil || !ok {
		t.Fatal("the run is not free", err)
	}
	close(open)
	before := storetest.GetRun(t, b.store, id)
	if got := <-cause; !errors.Is(got, work.ErrFenced) {
		t.Errorf("the step ended because of %v", got)
	}
	time.Sleep(20 * time.Millisecond)
	if after := storetest.GetRun(t, b.store, id); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("the slow worker wrote:\n%+v\n%+v", before, after)
	}
	if err := b.store.FinishStep(t.Context(), c, 0, ""); err != nil {
		t.Error(err)
	}
}

// deaf is a journal that no heartbeat reaches.
type deaf struct {
	work.Journal
	hang bool
}

func (d deaf) Heartbeat(ctx context.Context, _ work.Claim, _ time.Duration) error {
	if d.hang {
		<-ctx.Done()
	}
	return errors.New("the database does not answer")
}

func TestNoHeartbeatStopsTheStepWhenTheLeaseEnds(t *testing.T) {
	for name, hang := range map[string]bool{"refused": false, "hanging": true} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			id := b.run("one")
			began, ended := time.Now(), make(chan error, 1)
			w := b.worker(work.Named{Name: "one", Do: func(ctx context.Context, _ work.Run) (any, error) {
				<-ctx.Done()
				ended <- context.Cause(ctx)
				return nil, nil
			}})
			w.Journal, w.Lease = deaf{b.store, hang}, 200*time.Millisecond
			b.once(w)
			if cause := <-ended; !errors.Is(cause, work.ErrFenced) || !strings.Contains(cause.Error(), "heartbeat") {
				t.Errorf("the step ended because of %v", cause)
			}
			if took := time.Since(began); took < 150*time.Millisecond || took > 5*time.Second {
				t.Errorf("the step ended after %s, the lease after 200 ms", took)
			}
			b.expect("run", b.state(id), "running: running")
		})
	}
}

// A step that takes several leases keeps its run, also while frama stops.
func TestHeartbeatsKeepALongStep(t *testing.T) {
	for _, stopping := range []bool{false, true} {
		t.Run(fmt.Sprintf("stopping %v", stopping), func(t *testing.T) {
			t.Parallel()
			s := storetest.Open(t, storetest.SQLite(t)) // the real clock
			b := &bench{T: t, store: s, clock: storetest.NewClock()}
			id := b.run("one")
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			w := b.worker(work.Named{Name: "one", Do: func(inStep context.Context, _ work.Run) (any, error) {
				if stopping {
					cancel()
				}
				for end := time.Now().Add(1500 * time.Millisecond); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
					if _, ok, err := s.ClaimRun(context.Background(), "thief", nil, time.Minute); ok || err != nil {
						return nil, work.Permanent(fmt.Errorf("claimed while it runs: %v, %v", ok, err))
					}
					if errors.Is(context.Cause(inStep), work.ErrFenced) {
						return nil, work.Permanent(errors.New("told that the lease is lost"))
					}
				}
				return nil, nil
			}})
			w.Lease, w.Now = 600*time.Millisecond, time.Now
			if _, err := w.Once(ctx); err != nil {
				t.Fatal(err)
			}
			b.expect("run", b.state(id), "done: done")
		})
	}
}
