package control

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/mail"
	"framagit.org/frama/frama/services/store"
)

// inLine is a request that waits for room, with what it needs.
type inLine struct {
	hosting.Request
	need    hosting.Resources
	problem error // why nothing can be made of it any more, whatever the room
}

// waiting returns the requests that wait for room, the one that waits longest first.
func (c *Control) waiting(tx *store.Tx) ([]inLine, error) {
	requests, err := tx.WaitingRequests()
	if err != nil {
		return nil, err
	}
	line := make([]inLine, 0, len(requests))
	for _, q := range requests {
		w, err := c.wish(tx, q)
		if err != nil && hosting.CodeOf(err) != hosting.Conflict {
			return nil, err
		}
		line = append(line, inLine{Request: q, need: w.need, problem: err})
	}
	return line, nil
}

// serve promises room to those in line that fit, the first first, and returns their positions. Smaller ones pass one that
// does not fit: room that it cannot use is of no use to it. But somebody who waited for patience would wait for ever
// where small ones keep coming, so none passes that one: open says whether others may still be promised what is left. What
// would not even fit on the empty cluster keeps nobody waiting: no space that goes makes room for it.
func (r *room) serve(line []inLine, now time.Time) (served []int, open bool) {
	for n, w := range line {
		switch {
		case w.problem != nil:
		case r.fits(w.need):
			r.take(w.need)
			served = append(served, n)
		case now.Sub(w.WaitingSince) >= patience && r.Fits(hosting.Resources{}, w.need, r.overcommit):
			return served, false
		}
	}
	return served, true
}

// AdmitWaiting approves the requests that wait for room, the oldest first, as far as they fit. It returns how many. One of
// which nothing can be made any more, for its application or plan is gone, stays where it is for people to see, and
// is part of the error; it holds up nobody.
func (c *Control) AdmitWaiting(ctx context.Context) (admitted int, err error) {
	var problems error
	skip := map[string]bool{}
	for {
		q, done, err := c.admitNext(ctx, skip)
		switch {
		case q.ID == "" || ctx.Err() != nil:
			return admitted, errors.Join(failure(err), problems)
		case done:
			admitted++
		case hosting.CodeOf(err) == hosting.Conflict, errors.Is(err, store.ErrTaken), errors.Is(err, store.ErrStale):
			skip[q.ID] = true
			problems = errors.Join(problems, fmt.Errorf("request %s (%s) waits for room and cannot be approved any more, refuse it or bring back what it "+
				"asks for: %w", q.ID, q.Slug, err))
		default:
			return admitted, errors.Join(failure(err), problems)
		}
	}
}

// admitNext approves the first in line that fits. It returns which one it tried, none when there is nobody to try.
func (c *Control) admitNext(ctx context.Context, skip map[string]bool) (q hosting.Request, done bool, err error) {
	anybody := false
	err = c.store.Read(ctx, func(tx *store.Tx) error {
		line, err := tx.WaitingRequests()
		anybody = slices.ContainsFunc(line, func(q hosting.Request) bool { return !skip[q.ID] })
		return err
	})
	if err != nil || !anybody {
		return q, false, err
	}
	err = c.store.Write(ctx, func(tx *store.Tx) error {
		q = hosting.Request{} // the transaction may run again
		if err := c.takeTurn(tx); err != nil {
			return err
		}
		r, err := c.roomOf(tx, c.options.Cluster)
		if err != nil {
			return err
		}
		line, err := c.waiting(tx)
		if err != nil {
			return err
		}
		line = slices.DeleteFunc(line, func(w inLine) bool { return skip[w.ID] })
		if broken := slices.IndexFunc(line, func(w inLine) bool { return w.problem != nil }); broken >= 0 {
			q = line[broken].Request
			return line[broken].problem
		}
		served, _ := r.serve(line, tx.Now)
		if len(served) == 0 {
			return nil
		}
		q = line[served[0]].Request
		_, err = c.grant(tx, hosting.Actor{Name: "frama"}, q, "request.admit")
		return err
	})
	return q, err == nil && q.ID != "", err
}

// putOff notes that a request was approved and that there is no room for it yet.
func (c *Control) putOff(tx *store.Tx, actor hosting.Actor, q hosting.Request, need hosting.Resources) error {
	q.State, q.ReviewerID, q.WaitingSince = hosting.RequestWaiting, actor.UserID, tx.Now
	if err := tx.MoveRequest(hosting.RequestPending, q); err != nil {
		return err
	}
	detail := fmt.Sprintf("no room for %d MHz, %d MiB of memory, %d MiB of disk", need.CPU, need.Memory, need.Disk)
	if err := tx.Audit(actor, "request.wait", subject("request", q.ID), detail); err != nil {
		return err
	}
	return c.mail(tx, mail.TemplateWaiting, q, nil)
}
