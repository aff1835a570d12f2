package edge

import (
	"context"
	"sync"
	"time"
)

// watcher asks for the current version at intervals while somebody waits for a change, however many they are. Nobody
// waiting, nothing is asked.
type watcher struct {
	version func(context.Context) (int64, error)
	every   time.Duration

	mu      sync.Mutex
	waiting int
	stop    context.CancelFunc // ends the poller of those who wait
	last    int64
	changed chan struct{} // closed when the version differs from last
	done    chan struct{} // closed by close
}

func newWatcher(version func(context.Context) (int64, error), every time.Duration) *watcher {
	return &watcher{version: version, every: every, changed: make(chan struct{}), done: make(chan struct{})}
}

// current asks for the version, and returns with it a channel that is closed once a poller sees another one.
func (w *watcher) current(ctx context.Context) (int64, <-chan struct{}, error) {
	w.mu.Lock()
	changed := w.changed // taken before asking: a change in between closes it
	w.mu.Unlock()
	v, err := w.version(ctx)
	if err != nil {
		return 0, nil, err
	}
	w.saw(v)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.last == v {
		changed = w.changed
	}
	return v, changed, nil
}

// saw notes a version and wakes everyone if it is a new one.
func (w *watcher) saw(v int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if v == w.last {
		return
	}
	w.last = v
	close(w.changed)
	w.changed = make(chan struct{})
}

// wait blocks until changed is closed; false when the context or the watcher ended first.
func (w *watcher) wait(ctx context.Context, changed <-chan struct{}) bool {
	w.join()
	defer w.leave()
	select {
	case <-changed:
		return true
	case <-ctx.Done():
	case <-w.done:
	}
	return false
}

func (w *watcher) join() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting++
	if w.waiting > 1 {
		return
	}
	ctx, cancel := context.WithCancel(context.Background()) // outlives the request that started it
	w.stop = cancel
	go w.poll(ctx)
}

func (w *watcher) leave() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting--
	if w.waiting == 0 {
		w.stop()
	}
}

// poll runs while anybody waits. A database that does not answer is no news: the waiting polls end in their time, and
// the next ones report it.
func (w *watcher) poll(ctx context.Context) {
	tick := time.NewTicker(w.every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if v, err := w.version(ctx); err == nil {
			w.saw(v)
		}
	}
}

func (w *watcher) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case <-w.done:
	default:
		close(w.done)
	}
}
