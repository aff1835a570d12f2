package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"framagit.org/frama/frama/services/store"
	"framagit.org/frama/frama/services/store/storetest"
)

// crowd is writes that wait behind a first one, so that they share a transaction.
type crowd struct {
	*testing.T
	store   *store.Store
	commits atomic.Int32
	gate    chan struct{}
	all     sync.WaitGroup
	first   error
}

func newCrowd(t *testing.T) *crowd {
	c := &crowd{T: t, gate: make(chan struct{})}
	c.store = storetest.Open(t, storetest.SQLite(t), func(o *store.Options) {
		o.Hook = func(m store.Moment) {
			if m == store.BeforeCommit {
				c.commits.Add(1)
			}
		}
	})
	c.commits.Store(0)
	inside := make(chan struct{})
	c.all.Go(func() {
		c.first = c.store.Write(context.Background(), func(tx *store.Tx) error {
			close(inside)
			<-c.gate
			return tx.SetSetting("first", "1")
		})
	})
	<-inside
	return c
}

// add queues a write and returns once it waits.
func (c *crowd) add(ctx context.Context, f func(*store.Tx) error) *error {
	before, result := c.store.Waiting(), new(error)
	c.all.Go(func() {
		defer func() {
			if p := recover(); p != nil {
				*result = fmt.Errorf("panic: %v", p)
			}
		}()
		*result = c.store.Write(ctx, f)
	})
	for c.store.Waiting() == before {
		time.Sleep(time.Millisecond)
	}
	return result
}

func (c *crowd) release() {
	close(c.gate)
	c.all.Wait()
}

func (c *crowd) expect(name string, there bool) {
	c.Helper()
	err := c.store.Read(context.Background(), func(tx *store.Tx) error { _, err := tx.Setting(name); return err })
	if there && err != nil || !there && !errors.Is(err, store.ErrNotFound) {
		c.Errorf("setting %s there: want %v, got %v", name, there, err)
	}
}

func set(name string) func(*store.Tx) error {
	return func(tx *store.Tx) error { return tx.SetSetting(name, "1") }
}

// A write that fails, panics or is given up leaves nothing, and takes nothing away from those beside it.
func TestWritesShareACommit(t *testing.T) {
	c := newCrowd(t)
	ctx, cancel := context.WithCancel(context.Background())
	mistake := errors.New("a mistake")
	good := c.add(ctx, set("good"))
	bad := c.add(context.Background(), func(tx *store.Tx) error { return errors.Join(set("bad")(tx), mistake) })
	panics := c.add(context.Background(), func(tx *store.Tx) error { _ = set("panics")(tx); panic("a mistake") })
	late, giveUp := context.WithCancel(context.Background())
	given := c.add(late, func(tx *store.Tx) error { defer giveUp(); return set("given")(tx) })
	last := c.add(context.Background(), func(tx *store.Tx) error {
		if _, err := tx.Setting("good"); err != nil {
			return err
		}
		return set("last")(tx)
	})
	c.release()
	cancel()
	if err := errors.Join(c.first, *good, *last); err != nil {
		t.Error(err)
	}
	if !errors.Is(*bad, mistake) || *panics == nil || !errors.Is(*given, context.Canceled) {
		t.Errorf("got %v, %v, %v", *bad, *panics, *given)
	}
	for name, there := range map[string]bool{"first": true, "good": true, "last": true, "bad": false, "panics": false, "given": false} {
		c.expect(name, there)
	}
	if n := c.commits.Load(); n != 1 {
		t.Errorf("%d commits, want 1", n)
	}
}

// The one a group was left open for may go away: the group is committed all the same.
func TestNobodyIsLeftWaiting(t *testing.T) {
	c := newCrowd(t)
	ctx, cancel := context.WithCancel(context.Background())
	gone := c.add(ctx, set("gone"))
	time.AfterFunc(20*time.Millisecond, func() { close(c.gate) })
	cancel()
	c.all.Wait()
	if c.first != nil || !errors.Is(*gone, context.Canceled) {
		t.Errorf("got %v, %v", c.first, *gone)
	}
	c.expect("first", true)
	c.expect("gone", false)
	if err := c.store.Write(context.Background(), set("next")); err != nil {
		t.Error(err)
	}
}

// Where SQLite undoes the whole transaction, all of it is told.
// TestFailuresHoldNobodyUp: a write that went well is committed however many others come after it and fail.
func TestFailuresHoldNobodyUp(t *testing.T) {
	s := storetest.Open(t, storetest.SQLite(t))
	stop, failing := make(chan struct{}), errors.New("not this time")
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					_ = s.Write(context.Background(), func(*store.Tx) error { return failing })
				}
			}
		})
	}
	for n := range 50 {
		done := make(chan error, 1)
		go func() {
			done <- s.Write(context.Background(), func(tx *store.Tx) error { return tx.SetSetting("waits", fmt.Sprint(n)) })
		}()
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("write %d waits for others that fail", n)
		}
	}
	close(stop)
	all.Wait()
}

func TestFullDiskIsToldToAll(t *testing.T) {
	c := newCrowd(t)
	large := c.add(context.Background(), func(tx *store.Tx) error { return tx.SetSetting("large", strings.Repeat("x", 1<<20)) })
	c.release()
	if err := errors.Join(c.first, *large); err != nil {
		t.Fatal(err)
	}
	pages, err := c.store.LimitPages(0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.store.LimitPages(pages); err != nil {
		t.Fatal(err)
	}
	results := make([]error, 40)
	var all sync.WaitGroup
	for n := range results {
		all.Go(func() {
			size := 1
			if n%2 == 1 {
				size = 1 << 20
			}
			results[n] = c.store.Write(context.Background(), func(tx *store.Tx) error {
				return tx.SetSetting(fmt.Sprint("n", n), strings.Repeat("x", size))
			})
		})
	}
	all.Wait()
	for n, err := range results {
		if err != nil && !errors.Is(err, store.ErrDiskFull) {
			t.Errorf("write %d: %v", n, err)
		}
		if n%2 == 1 && err == nil {
			t.Errorf("write %d found room on a full disk", n)
		}
		c.expect(fmt.Sprint("n", n), err == nil)
	}
}

// What was reported as written is there, what was not is not, whatever the others do.
func TestCrowdedWritesKeepTheirWord(t *testing.T) {
	s := storetest.Open(t, storetest.SQLite(t))
	var all sync.WaitGroup
	for n := range 16 {
		all.Go(func() {
			for m := range 40 {
				name := fmt.Sprintf("n%d-%d", n, m)
				ctx, cancel := context.WithCancel(context.Background())
				if m%3 == 1 {
					time.AfterFunc(time.Duration(m*n)*time.Microsecond, cancel)
				}
				err := s.Write(ctx, func(tx *store.Tx) error {
					if err := tx.SetSetting(name, "1"); err != nil || m%5 != 2 {
						return err
					}
					return store.ErrStale
				})
				cancel()
				found := s.Read(context.Background(), func(tx *store.Tx) error { _, err := tx.Setting(name); return err })
				if (err == nil) != (found == nil) {
					t.Errorf("%s: written %v, read %v", name, err, found)
				}
			}
		})
	}
	all.Wait()
}
