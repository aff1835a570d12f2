package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"
)

// together lets writes to SQLite that wait for each other share a commit. Most of what a small write takes is its commit,
// with the wait for the disk; when many arrive at once, each runs after the other in one transaction, behind a savepoint
// of its own, and whoever finds nobody waiting commits for all. No write is told that it is done before that, and none
// waits for company: alone, it commits at once.
type together struct {
	db      *sql.DB
	hook    func(Moment)  // may be nil
	turn    chan struct{} // full while somebody has the turn, who alone may touch open
	waiting atomic.Int32  // how many wait for the turn
	open    *group        // not committed yet; nil for none
}

// group is writes that are committed together.
type group struct {
	tx   *sql.Tx
	size int           // writes that are in it
	seen int           // writes that came to it, those that failed and left included
	done chan struct{} // closed once err is set
	err  error
}

// largestGroup bounds how long the first of a group waits for the others, a few milliseconds. Writes that fail count too:
// however many of them come, nobody waits for them all.
const largestGroup = 32

func newTogether(db *sql.DB, hook func(Moment)) *together {
	return &together{db: db, hook: hook, turn: make(chan struct{}, 1)}
}

// write runs f in a transaction and returns when it is committed, or undone. f must not use contexts that end: SQLite
// undoes a whole transaction when one of its statements is interrupted.
func (t *together) write(ctx context.Context, f func(*sql.Tx) error) error {
	if err := t.wait(ctx); err != nil {
		return fmt.Errorf("begin a transaction: %w", err)
	}
	g, err := t.join(f)
	if err != nil {
		return err
	}
	<-g.done
	return g.err
}

// wait takes the turn.
func (t *together) wait(ctx context.Context) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	t.waiting.Add(1)
	select {
	case t.turn <- struct{}{}:
		t.waiting.Add(-1)
		return nil
	case <-ctx.Done():
		// A group may have been left open for this one to commit.
		go func() {
			t.turn <- struct{}{}
			t.waiting.Add(-1)
			t.pass()
		}()
		return ctx.Err()
	}
}

// join runs f as part of the open group, and passes the turn on, also when f panics.
func (t *together) join(f func(*sql.Tx) error) (_ *group, err error) {
	defer t.pass()
	if t.open == nil {
		tx, err := t.db.BeginTx(context.Background(), nil)
		if err != nil {
			return nil, fmt.Errorf("begin a transaction: %w", err)
		}
		t.open = &group{tx: tx, done: make(chan struct{}), err: errors.New("the process failed during a commit")}
	}
	g, kept := t.open, false
	g.seen++
	defer func() {
		if !kept {
			t.undo(g, err)
		}
	}()
	if g.size > 0 {
		// The name has its number, so that one that could not be made is never taken for the one before.
		if _, err := g.tx.ExecContext(context.Background(), fmt.Sprintf("SAVEPOINT write_%d", g.size)); err != nil {
			return nil, fmt.Errorf("begin a write: %w", err)
		}
	}
	if err := f(g.tx); err != nil {
		return nil, err
	}
	kept = true
	g.size++
	return g, nil
}

// undo takes the last write out of the group. After some errors, such as a full disk, SQLite has undone all of it: then
// all of the group is told.
func (t *together) undo(g *group, cause error) {
	if g.size > 0 {
		_, err := g.tx.ExecContext(context.Background(), fmt.Sprintf("ROLLBACK TO write_%d", g.size))
		if err == nil {
			return
		}
		g.err = translate(fmt.Errorf("another write of the same transaction failed: %w", errors.Join(cause, err)))
	}
	t.open = nil
	_ = g.tx.Rollback()
	close(g.done)
}

// pass gives the turn to the next who waits, and commits when nobody does.
func (t *together) pass() {
	defer func() { <-t.turn }()
	if t.open != nil && (t.waiting.Load() == 0 || t.open.seen >= largestGroup) {
		t.commit(t.open)
	}
}

func (t *together) commit(g *group) {
	t.open = nil
	defer close(g.done)
	defer g.tx.Rollback()
	if t.hook != nil {
		t.hook(BeforeCommit)
	}
	if err := g.tx.Commit(); err != nil {
		g.err = translate(fmt.Errorf("commit: %w", err))
		return
	}
	g.err = nil
	if t.hook != nil {
		t.hook(AfterCommit)
	}
}
