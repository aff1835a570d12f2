package work_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"framagit.org/frama/frama/services/store"
	"framagit.org/frama/frama/services/store/storetest"
	"framagit.org/frama/frama/services/work"
)

// world is what happens to the runs of one scenario, seen from outside the workers.
type world struct {
	mu       sync.Mutex
	clock    *storetest.Clock
	holders  map[string]holder       // by run, while somebody holds it
	scripts  map[string][]string     // by run and step: how its next executions end
	effects  map[string]map[int]bool // by run: steps that took effect at least once
	inFlight map[string]int          // by run and step: living workers in it whose lease holds
	wrong    []string
}

type holder struct {
	fence int64
	until time.Time
}

func (w *world) complain(format string, args ...any) {
	w.wrong = append(w.wrong, fmt.Sprintf(format, args...))
}

var errDead = errors.New("the process is dead")

// mortal is the journal of one process. It checks what the journal promises, and kills its process before or after one
// of its writes, as SIGKILL would: nothing it does afterwards reaches the database.
type mortal struct {
	work.Journal
	world *world
	mu    sync.Mutex
	left  int // calls until death
	after bool
	dead  chan struct{} // closed at death
}

// call makes one call of the journal, unless the process is dead or dies of it.
func (m *mortal) call(f func() error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	select {
	case <-m.dead:
		return errDead
	default:
	}
	m.left--
	if m.left != 0 {
		return f()
	}
	if m.after {
		_ = f()
	}
	close(m.dead)
	return errDead
}

// release makes a call that gives a run back, and forgets its holder. As with claims, one at a time.
func (m *mortal) release(c work.Claim, f func() error) error {
	return m.call(func() error {
		m.world.mu.Lock()
		defer m.world.mu.Unlock()
		err := f()
		if h, held := m.world.holders[c.Run.ID]; err == nil && held && h.fence == c.Fence {
			delete(m.world.holders, c.Run.ID)
		}
		return err
	})
}

func (m *mortal) ClaimRun(ctx context.Context, name string, spaces []string, lease time.Duration) (claim work.Claim, ok bool, err error) {
	err = m.call(func() error {
		// Claims are made one at a time here, so that the order in which they are seen is that of the database.
		m.world.mu.Lock()
		defer m.world.mu.Unlock()
		claim, ok, err = m.Journal.ClaimRun(ctx, name, spaces, lease)
		if err != nil || !ok {
			return err
		}
		if h, held := m.world.holders[claim.Run.ID]; held {
			if m.world.clock.Now().Before(h.until) {
				m.world.complain("%s claimed run %s while another's lease holds", name, claim.Run.ID)
			}
			if claim.Fence <= h.fence {
				m.world.complain("fence %d after %d", claim.Fence, h.fence)
			}
		}
		m.world.holders[claim.Run.ID] = holder{claim.Fence, claim.Run.LeaseUntil}
		return nil
	})
	return claim, ok && err == nil, err
}

func (m *mortal) Heartbeat(ctx context.Context, c work.Claim, lease time.Duration) error {
	return m.call(func() error { return m.Journal.Heartbeat(ctx, c, lease) })
}

func (m *mortal) BeginStep(ctx context.Context, c work.Claim, seq int) error {
	return m.call(func() error { return m.Journal.BeginStep(ctx, c, seq) })
}

func (m *mortal) FinishStep(ctx context.Context, c work.Claim, seq int, output string) error {
	return m.call(func() error {
		err := m.Journal.FinishStep(ctx, c, seq, output)
		m.world.mu.Lock()
		defer m.world.mu.Unlock()
		if err == nil && !m.world.effects[c.Run.ID][seq] {
			m.world.complain("step %d of %s is done, but never took effect", seq, c.Run.ID)
		}
		return err
	})
}

func (m *mortal) DeferStep(ctx context.Context, c work.Claim, seq int, at time.Time, message string, failed bool) error {
	return m.release(c, func() error { return m.Journal.DeferStep(ctx, c, seq, at, message, failed) })
}

func (m *mortal) ParkRun(ctx context.Context, c work.Claim, seq int, message string) error {
	return m.release(c, func() error { return m.Journal.ParkRun(ctx, c, seq, message) })
}

func (m *mortal) FinishRun(ctx context.Context, c work.Claim) error {
	return m.release(c, func() error { return m.Journal.FinishRun(ctx, c) })
}

// step executes a step of the scenario as its script says.
func (w *world) step(m *mortal, seq int) work.Func {
	return func(ctx context.Context, run work.Run) (any, error) {
		w.mu.Lock()
		key := fmt.Sprint(run.ID, " ", seq)
		for i, s := range run.Steps {
			if i < seq && (s.State != work.StepDone || s.Output != fmt.Sprint(i)) {
				w.complain("step %d of %s began while step %d is %s with output %q", seq, run.ID, i, s.State, s.Output)
			}
		}
		// Two may be in the same step only when the lease of the first has ended (it does not know yet), which the claim of
		// the second shows; what must not be is that both hold the newest fence.
		owner := run.Fence == w.holders[run.ID].fence
		if owner {
			if w.inFlight[fmt.Sprint(key, " ", run.Fence)]++; w.inFlight[fmt.Sprint(key, " ", run.Fence)] > 1 {
				w.complain("two are in step %d of %s under one claim", seq, run.ID)
			}
		}
		how := "ok"
		if script := w.scripts[key]; len(script) > 0 {
			how, w.scripts[key] = script[0], script[1:]
		}
		w.mu.Unlock()
		defer func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			if owner {
				w.inFlight[fmt.Sprint(key, " ", run.Fence)]--
			}
		}()
		switch how {
		case "later":
			return nil, work.Later(time.Second, "waits")
		case "error":
			return nil, errors.New("no")
		case "permanent":
			return nil, work.Permanent(errors.New("never"))
		case "panic":
			panic("a mistake")
		case "slow":
			select {
			case <-ctx.Done():
			case <-m.dead:
			case <-time.After(30 * time.Millisecond):
			}
		}
		select {
		case <-m.dead:
			return nil, errDead
		default:
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.effects[run.ID] == nil {
			w.effects[run.ID] = map[int]bool{}
		}
		w.effects[run.ID][seq] = true
		return seq, nil
	}
}

// Several workers, which fail, wait, panic, are killed at any write, are stopped and started again, on one database:
// every run ends done or parked, its steps in order, none left out, and never two holders at once.
func TestAnyInterleavingEndsWell(t *testing.T) {
	clock := storetest.NewClock()
	s := storetest.Open(t, storetest.SQLite(t), clock.With)
	spaces := 0
	rapid.Check(t, func(rt *rapid.T) {
		w := &world{clock: clock, holders: map[string]holder{}, scripts: map[string][]string{}, effects: map[string]map[int]bool{},
			inFlight: map[string]int{}}
		var ids []string
		steps := rapid.IntRange(1, 3).Draw(rt, "steps")
		var names []string
		for n := range steps {
			names = append(names, fmt.Sprint("s", n))
		}
		for n := range rapid.IntRange(1, 3).Draw(rt, "runs") {
			spaces++
			id := storetest.AddRun(t, s, storetest.AddSpace(t, s, fmt.Sprint("amis", spaces)), names...).ID
			ids = append(ids, id)
			for seq := range steps {
				w.scripts[fmt.Sprint(id, " ", seq)] = rapid.SliceOfN(rapid.SampledFrom(
					[]string{"later", "error", "permanent", "panic", "slow", "ok", "ok"}), 0, 4).Draw(rt, fmt.Sprintf("run %d step %d", n, seq))
			}
		}
		deaths := rapid.SliceOfN(rapid.IntRange(1, 15), 0, 6).Draw(rt, "calls until a death")
		after := rapid.Bool().Draw(rt, "the last call takes effect")
		stops := rapid.IntRange(0, 3).Draw(rt, "graceful stops")
		workers := rapid.IntRange(1, 3).Draw(rt, "workers")
		concurrency := rapid.IntRange(1, 2).Draw(rt, "concurrency")

		over, end := context.WithCancel(context.Background())
		defer end()
		var mu sync.Mutex
		var all sync.WaitGroup
		for n := range workers {
			all.Go(func() {
				for life := 0; over.Err() == nil; life++ {
					mu.Lock()
					m := &mortal{Journal: s, world: w, after: after, dead: make(chan struct{})}
					if len(deaths) > 0 {
						m.left, deaths = deaths[0], deaths[1:]
					}
					ctx, stop := context.WithCancel(over)
					if stops > 0 && m.left == 0 {
						stops--
						time.AfterFunc(10*time.Millisecond, stop)
					}
					mu.Unlock()
					def := work.Definition{Kind: "test", Version: 1}
					for seq, name := range names {
						def.Steps = append(def.Steps, work.Named{Name: name, Do: w.step(m, seq)})
					}
					worker := &work.Worker{Name: fmt.Sprintf("w%d.%d", n, life), Journal: m, Definitions: []work.Definition{def},
						Concurrency: concurrency, Idle: 2 * time.Millisecond, MaxErrors: 3, Now: clock.Now,
						Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
					go func() {
						select {
						case <-m.dead:
							stop()
						case <-ctx.Done():
						}
					}()
					_ = worker.Run(ctx)
					stop()
				}
			})
		}
		deadline := time.Now().Add(60 * time.Second)
		for !ended(t, s, ids) && time.Now().Before(deadline) {
			// Waits, pauses and the leases of the dead pass quickly, and now and then those of the living as well.
			clock.Advance(3 * time.Second)
			time.Sleep(time.Millisecond)
		}
		end()
		all.Wait()
		for _, id := range ids {
			if problem := endedWell(storetest.GetRun(t, s, id), w.effects[id]); problem != "" {
				w.complain("run %s: %s", id, problem)
			}
		}
		if len(w.wrong) > 0 {
			rt.Fatal(strings.Join(w.wrong, "\n"))
		}
	})
}

func ended(t testing.TB, s *store.Store, ids []string) bool {
	for _, id := range ids {
		if state := storetest.GetRun(t, s, id).State; state != work.RunDone && state != work.RunParked {
			return false
		}
	}
	return true
}

// endedWell says what is wrong with a run that ought to be at its end.
func endedWell(run work.Run, effects map[int]bool) string {
	if run.State != work.RunDone && run.State != work.RunParked {
		return fmt.Sprintf("still %s: %+v", run.State, run.Steps)
	}
	parked := false
	for _, s := range run.Steps {
		switch {
		case s.State == work.StepDone && (parked || !effects[s.Seq] || s.Output != fmt.Sprint(s.Seq)):
			return fmt.Sprintf("step %d is done: effect %v, output %q, after a failed one %v", s.Seq, effects[s.Seq], s.Output, parked)
		case s.State == work.StepFailed && !parked && run.State == work.RunParked:
			parked = true
		case s.State == work.StepPending && parked && !effects[s.Seq]:
		case s.State != work.StepDone:
			return fmt.Sprintf("the run is %s and step %d %s", run.State, s.Seq, s.State)
		}
	}
	if parked != (run.State == work.RunParked) {
		return "parked without a failed step"
	}
	return ""
}
