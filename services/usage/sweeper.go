package usage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"time"

	"framagit.org/frama/frama/services/hosting"
)

// Ledger keeps who is to be measured when (services/store).
type Ledger interface {
	// AddMissing plans the first look at instances of active spaces that nobody looked at yet, at most limit of them; first
	// says when the n-th is. It returns how many there were.
	AddMissing(ctx context.Context, first func(n int) time.Time, limit int) (int, error)
	// Claim takes instances whose time has come, the longest overdue first, and plans the next look at them. What one
	// sweeper claimed, no other gets.
	Claim(ctx context.Context, limit int, next func(Due) time.Time) ([]Due, error)
	// PutBack plans the next look at instances that were claimed and not looked at.
	PutBack(ctx context.Context, due []Due, at time.Time) error
}

// Due is an instance whose time to be measured has come.
type Due struct {
	Series   int64
	NextAt   time.Time // when its time came; once it is claimed, when it comes again
	Instance hosting.Instance
}

// Sweeper measures the instances of a cluster in their turn. Several may run at once, in one process or in many: they
// share the work.
type Sweeper struct {
	Ledger Ledger
	// Measure looks at one instance. An error says that the cluster does not answer, and nothing about the instance.
	Measure func(ctx context.Context, i hosting.Instance) (hosting.Measurement, error)
	// Record keeps what was found, all of it or nothing.
	Record func(ctx context.Context, ms []hosting.Measurement) error

	Every       time.Duration // from one look at an instance to the next, a tenth more or less
	Concurrency int           // looks at once
	Within      time.Duration // for one look, all in all; 5 minutes when zero
	Slow        time.Duration // how much later a look may end; 10 s when zero
	Now         func() time.Time
	Log         *slog.Logger
}

// Limits of a sweep.
const (
	batch      = 200         // measurements that are recorded together
	batchAfter = time.Second // a measurement waits no longer for others
	page       = 256         // instances that are claimed together
	pause      = time.Minute // until an instance that could not be looked at is tried again
	begun      = 1000        // first looks that are planned together
)

// Swept is what a sweep did.
type Swept struct {
	Measured int // looks that gave something, and were recorded
	Problems int // readings among them that gave a problem
	Lost     int // looks that broke down, or could not be recorded
}

// Run sweeps until ctx ends. An instance is measured soon after its time has come.
func (s *Sweeper) Run(ctx context.Context) error {
	quiet := false // the last sweep's failure was told
	for {
		swept, err := s.Once(ctx)
		wait := min(max(s.Every/100, 100*time.Millisecond), 15*time.Second)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			if !quiet {
				s.Log.Warn("instances cannot be measured; it is tried again every minute", "error", err)
			}
			quiet, wait = true, pause
		case swept.Measured+swept.Lost > 0:
			quiet = false
			s.Log.Debug("instances measured", "measured", swept.Measured, "problems", swept.Problems, "lost", swept.Lost)
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
	}
}

// Once measures all whose time has come. When the cluster does not answer it stops, and what was claimed is put back: the
// error says why. Whatever was found until then is recorded.
func (s *Sweeper) Once(ctx context.Context) (Swept, error) {
	if err := s.begin(ctx); err != nil {
		return Swept{}, err
	}
	// One page waits while the next is claimed, and what is found while a batch is recorded: nobody stands still meanwhile.
	w := &sweep{Sweeper: s, due: make(chan Due, page), found: make(chan hosting.Measurement, batch)}
	claiming, stop := context.WithCancelCause(ctx)
	w.stop = stop
	var looking sync.WaitGroup
	for range s.Concurrency {
		looking.Go(func() { w.look(ctx, claiming) })
	}
	recorded := make(chan struct{})
	go func() {
		defer close(recorded)
		w.record(ctx)
	}()
	w.claim(claiming)
	close(w.due)
	looking.Wait()
	close(w.found)
	<-recorded
	w.putBack(ctx)
	err := context.Cause(claiming)
	stop(nil)
	return w.swept, err
}

// begin plans the first look at new instances. A few at once are looked at now; where there are many, they are spread, so
// that all are never due together.
func (s *Sweeper) begin(ctx context.Context) error {
	now := s.Now()
	first := func(n int) time.Time {
		if n < s.Concurrency {
			return now
		}
		return now.Add(time.Duration(rand.Float64() * float64(s.Every)))
	}
	for {
		added, err := s.Ledger.AddMissing(ctx, first, begun)
		if err != nil || added < begun {
			return err
		}
	}
}

// next is when an instance is looked at again.
func (s *Sweeper) next() time.Time {
	return s.Now().Add(time.Duration((0.9 + 0.2*rand.Float64()) * float64(s.Every)))
}

// sweep is one round of a sweeper.
type sweep struct {
	*Sweeper

	due   chan Due
	found chan hosting.Measurement
	stop  context.CancelCauseFunc

	mu    sync.Mutex
	back  []Due // claimed and not looked at
	late  []Due // at whose look the cluster did not answer
	swept Swept
}

// claim hands out instances until none is due, or ctx ends.
func (w *sweep) claim(ctx context.Context) {
	for ctx.Err() == nil {
		claimed, err := w.Ledger.Claim(ctx, page, func(Due) time.Time { return w.next() })
		if err != nil {
			w.stop(fmt.Errorf("find out who is to be measured: %w", err))
			return
		}
		if len(claimed) == 0 {
			return
		}
		for n, d := range claimed {
			select {
			case w.due <- d:
			case <-ctx.Done():
				w.giveBack(claimed[n:]...)
				return
			}
		}
	}
}

func (w *sweep) giveBack(due ...Due) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.back = append(w.back, due...)
}

// putBack plans a look soon at what was claimed for nothing, also when frama is asked to stop. What ended the sweep comes
// after all that it held up: the cluster may refuse to answer for one instance alone, and that one must not be the first again.
func (w *sweep) putBack(ctx context.Context) {
	at := w.Now()
	if ctx.Err() == nil {
		at = at.Add(pause)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	for _, part := range []struct {
		due []Due
		at  time.Time
	}{{w.back, at.Add(-time.Second)}, {w.late, at}} {
		if len(part.due) == 0 {
			continue
		}
		if err := w.Ledger.PutBack(ctx, part.due, part.at); err != nil {
			w.Log.Warn("instances that were not measured wait for their next turn", "instances", len(part.due), "error", err)
		}
	}
}

// look measures what it is handed, one after the other, until claiming ends. What it looks at then is not cut off: where the
// cluster answers, it is measured.
func (w *sweep) look(ctx, claiming context.Context) {
	for d := range w.due {
		if claiming.Err() != nil {
			w.giveBack(d)
			continue
		}
		m, err := w.once(ctx, d)
		switch {
		case err == nil:
			w.found <- m
		case errors.Is(err, errLost):
			w.mu.Lock()
			w.swept.Lost++
			w.mu.Unlock()
		default:
			w.mu.Lock()
			w.late = append(w.late, d)
			w.mu.Unlock()
			w.stop(err)
		}
	}
}

// errLost is the error of a look that broke down or did not end. It was told already.
var errLost = errors.New("nothing was found")

// once measures one instance. What does not end in its time is left to itself, and what breaks down is told: neither
// holds up the others.
func (w *sweep) once(ctx context.Context, d Due) (hosting.Measurement, error) {
	type result struct {
		m   hosting.Measurement
		err error
	}
	within := cmp.Or(w.Within, 5*time.Minute)
	limited, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	done := make(chan result, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				w.Log.Error("measuring an instance broke down: please report it", "job", d.Instance.Job, "panic", p, "stack", string(debug.Stack()))
				done <- result{err: errLost}
			}
		}()
		m, err := w.Measure(limited, d.Instance)
		done <- result{m, err}
	}()
	late := time.NewTimer(within + cmp.Or(w.Slow, 10*time.Second))
	defer late.Stop()
	select {
	case r := <-done:
		switch {
		case r.err == nil && r.m.InstanceID != d.Instance.ID:
			w.Log.Error("a measurement was of another instance: please report it", "job", d.Instance.Job)
			return r.m, errLost
		case r.err != nil && limited.Err() != nil && ctx.Err() == nil: // which says nothing about the cluster
			w.Log.Warn("measuring an instance took too long; it waits for its next turn", "job", d.Instance.Job, "after", within, "error", r.err)
			return r.m, errLost
		}
		return r.m, r.err
	case <-late.C:
		w.Log.Error("measuring an instance does not end: please report it", "job", d.Instance.Job, "after", within)
		return hosting.Measurement{}, errLost
	}
}

// record keeps what is found, many at a time.
func (w *sweep) record(ctx context.Context) {
	// What was found is kept also when frama is asked to stop.
	ctx = context.WithoutCancel(ctx)
	waiting := make([]hosting.Measurement, 0, batch)
	tick := time.NewTicker(batchAfter)
	defer tick.Stop()
	flush := func() {
		if len(waiting) > 0 {
			w.keep(ctx, waiting)
			clear(waiting)
			waiting = waiting[:0]
		}
	}
	for {
		select {
		case m, open := <-w.found:
			if !open {
				flush()
				return
			}
			if waiting = append(waiting, m); len(waiting) == batch {
				flush()
			}
		case <-tick.C:
			flush()
		}
	}
}

// keep records measurements. Where that fails they are tried one by one, so that one that cannot be kept costs no other.
func (w *sweep) keep(ctx context.Context, ms []hosting.Measurement) {
	err := w.Record(ctx, ms)
	if err == nil {
		w.count(ms...)
		return
	}
	failed := 0 // in a row
	for n, m := range ms {
		if len(ms) > 1 && failed < 3 {
			err = w.Record(ctx, []hosting.Measurement{m})
		}
		if err == nil {
			w.count(m)
			failed = 0
			continue
		}
		failed++
		w.mu.Lock()
		w.swept.Lost++
		w.mu.Unlock()
		switch {
		case len(ms) > 1 && failed == 3, len(ms) == 1:
			w.stop(fmt.Errorf("record what was measured (%d are lost): %w", len(ms)-n, err))
		case failed < 3:
			w.Log.Warn("what was measured could not be recorded", "instance", m.InstanceID, "error", err)
		}
	}
}

func (w *sweep) count(ms ...hosting.Measurement) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.swept.Measured += len(ms)
	for _, m := range ms {
		for _, r := range m.Readings {
			if r.Problem != "" {
				w.swept.Problems++
			}
		}
	}
}
