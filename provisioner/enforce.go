package provisioner

import (
	"context"
	"fmt"
	"sync"
	"time"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
)

// How growth is stopped and allowed again. What control wants is compared with what was last done, again and again:
// whatever fails, or is cut short by the end of frama, is found undone and done.
const (
	settleBatch  = 200
	settleAtOnce = 8               // instances whose applications are spoken to at the same time
	settleWithin = 4 * time.Minute // for one instance: an application may take minutes to start again
	settleTries  = 3               // failures of an application's own means after which the ingress is used meanwhile

	// underway is what is left to do of what was begun. It is written down first: frama could end in the middle, and what
	// is wanted could change meanwhile.
	underway = "it was begun and is not done yet"
)

// settlePause is how long an instance is left alone after so many failures in a row.
func settlePause(failures int) time.Duration {
	steps := []time.Duration{5 * time.Second, 20 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute}
	return steps[min(max(failures, 1), len(steps))-1]
}

// Enforce stops and allows growth of instances as control wants it, and tells applications their limits, until ctx ends. An
// instance whose application does not do as it is told holds up no other.
func (p *Provisioner) Enforce(ctx context.Context, every time.Duration) error {
	e := newEnforcer(p)
	defer e.all.Wait()
	for ctx.Err() == nil {
		if err := e.round(ctx); err != nil && ctx.Err() == nil {
			p.Log.Error("growth of instances could not be settled", "error", err)
		}
		pause(ctx, every)
	}
	return nil
}

// enforcer remembers between rounds what is being done and what failed. Nothing is lost with it: a new one tries anew.
type enforcer struct {
	*Provisioner
	means means

	slots chan struct{}
	all   sync.WaitGroup

	mu    sync.Mutex
	tries map[string]*try // by instance
}

// try is what is known of the work on an instance.
type try struct {
	stop     bool // what was wanted
	busy     bool
	failures int // in a row
	next     time.Time
}

func newEnforcer(p *Provisioner) *enforcer {
	return &enforcer{Provisioner: p, means: newMeans(p), slots: make(chan struct{}, settleAtOnce), tries: map[string]*try{}}
}

// task is what is to be done about an instance.
type task struct {
	hosting.Instance
	told *told // what it may use now, when the application was told something else; nil when it was not
}

// round begins all that is to be done now, and does not wait for its end.
func (e *enforcer) round(ctx context.Context) error {
	tasks, err := e.tasks(ctx)
	if err != nil {
		return err
	}
	open := map[string]bool{}
	for _, t := range tasks {
		open[t.ID] = true
		if !e.begin(t.Instance) {
			continue
		}
		e.all.Go(func() { e.end(ctx, t.Instance, e.settle(ctx, t)) })
	}
	e.forget(open)
	return nil
}

// tasks lists what is to be done, each instance once.
func (e *enforcer) tasks(ctx context.Context) (tasks []task, err error) {
	place := map[string]int{}
	add := func(i hosting.Instance) *task {
		at, known := place[i.ID]
		if !known {
			at = len(tasks)
			place[i.ID], tasks = at, append(tasks, task{Instance: i})
		}
		return &tasks[at]
	}
	err = e.paged(ctx, func(tx *store.Tx, after string) (last string, n int, err error) {
		batch, err := tx.InstancesToSettle(after, settleBatch)
		for _, i := range batch {
			last = add(i).ID
		}
		return last, len(batch), err
	})
	if err != nil {
		return nil, err
	}
	err = e.paged(ctx, func(tx *store.Tx, after string) (last string, n int, err error) {
		batch, err := tx.StoppedInstances(after, settleBatch)
		for _, i := range batch {
			last = i.ID
			if other, err := e.byOtherMeans(tx, i); err != nil {
				return "", 0, err
			} else if other {
				add(i)
			}
		}
		return last, len(batch), err
	})
	for _, app := range e.Catalogue.Apps() {
		if err != nil {
			return nil, err
		}
		if app.Run().Enforce.Tell.Nothing() {
			continue
		}
		err = e.paged(ctx, func(tx *store.Tx, after string) (last string, n int, err error) {
			batch, err := tx.InstancesOfApp(app.Name, after, settleBatch)
			if err != nil || len(batch) == 0 {
				return "", 0, err
			}
			tell, err := e.limits(tx, app, batch)
			for n, i := range batch {
				if err == nil && tell[n].key() != i.Growth.ToldLimit {
					add(i).told = &tell[n]
				}
			}
			return batch[len(batch)-1].ID, len(batch), err
		})
	}
	return tasks, err
}

// byOtherMeans says whether what stops growth of an instance is not what should: the catalogue's entry has changed, or
// another limit was reached, which the application was told nothing of.
func (e *enforcer) byOtherMeans(tx *store.Tx, i hosting.Instance) (bool, error) {
	app, known := e.Catalogue.App(i.App)
	if !known || i.Growth.Unsettled() {
		return false, nil // those are on the list already, or cannot be mended here
	}
	own, err := e.own(tx, i, app)
	return (own == "") != (i.Growth.As == hosting.GrowthAtIngress), err
}

// paged reads page after page, each in a transaction of its own.
func (e *enforcer) paged(ctx context.Context, page func(tx *store.Tx, after string) (last string, n int, err error)) error {
	for after, n := "", settleBatch; n == settleBatch; {
		err := e.Store.Read(ctx, func(tx *store.Tx) (err error) {
			after, n, err = page(tx, after)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// begin says whether an instance's turn has come. What is wanted anew is tried at once.
func (e *enforcer) begin(i hosting.Instance) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	t := e.tries[i.ID]
	if t == nil {
		t = &try{stop: i.Growth.Stopped}
		e.tries[i.ID] = t
	}
	if t.busy {
		return false
	}
	if t.stop != i.Growth.Stopped {
		*t = try{stop: i.Growth.Stopped}
	}
	if e.Now().Before(t.next) {
		return false
	}
	t.busy = true
	return true
}

// end notes how it went. When frama ends, nothing went wrong.
func (e *enforcer) end(ctx context.Context, i hosting.Instance, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	t := e.tries[i.ID]
	t.busy = false
	if err == nil || ctx.Err() != nil {
		t.failures, t.next = 0, time.Time{}
		return
	}
	t.failures++
	t.next = e.Now().Add(settlePause(t.failures))
	e.Log.Warn("growth of an instance could not be settled", "job", i.Job, "stop", t.stop, "failures", t.failures, "again", t.next, "error", err)
}

// failed is how often the work on an instance failed in a row, this time included.
func (e *enforcer) failed(i hosting.Instance) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.tries[i.ID].failures + 1
}

// forget drops what is known of instances about which nothing is left to do.
func (e *enforcer) forget(open map[string]bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for id, t := range e.tries {
		if !t.busy && !open[id] {
			delete(e.tries, id)
		}
	}
}

// settle does what is to be done about an instance. What it returns was noted with the instance, unless that failed.
func (e *enforcer) settle(ctx context.Context, t task) error {
	app, err := e.app(t.Instance)
	if err != nil {
		return e.note(ctx, t.Instance, t.Growth.As, err)
	}
	var own string
	err = e.Store.Read(ctx, func(tx *store.Tx) error {
		own, err = e.own(tx, t.Instance, app)
		return err
	})
	if err != nil {
		return err
	}
	if own == "" && t.told == nil {
		return e.turn(ctx, t.Instance, app, own) // nobody has to be spoken to
	}
	select {
	case e.slots <- struct{}{}:
		defer func() { <-e.slots }()
	case <-ctx.Done():
		return ctx.Err()
	}
	ctx, cancel := context.WithTimeout(ctx, settleWithin)
	defer cancel()
	if t.told != nil {
		if err := e.means.tell(ctx, t.Instance, app, *t.told); err != nil {
			return e.undone(ctx, t.Instance, fmt.Errorf("it was not told its limits: %w", err))
		}
		err := e.Store.Write(ctx, func(tx *store.Tx) error { return tx.ToldLimit(t.ID, t.told.key()) })
		if err != nil || !t.Growth.Unsettled() {
			return err
		}
	}
	return e.turn(ctx, t.Instance, app, own)
}

// turn turns growth off or on.
func (e *enforcer) turn(ctx context.Context, i hosting.Instance, app catalogue.App, own string) error {
	if i.Growth.Stopped {
		return e.stop(ctx, i, app, own)
	}
	return e.allow(ctx, i, app, own)
}
