package retain

import (
	"context"
	"errors"
	"fmt"
	"time"

	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
)

// failuresInARow is after how many objects that could not be dealt with an application is left alone until the next look.
const failuresInARow = 5

// removeDue exports and removes what was announced and whose time has come. It takes half of the time of a look at most.
func (l *look) removeDue(ctx context.Context, k kind, there map[string]bool) error {
	limited, cancel := context.WithTimeout(ctx, l.Within/2)
	defer cancel()
	failures := 0
	for _, o := range l.open {
		if o.Metric != k.Metric {
			continue
		}
		if !there[o.Object] {
			if err := l.leave(limited, o); err != nil {
				return err
			}
			continue
		}
		if o.RemoveAt.After(l.now) && o.State == hosting.RetentionAnnounced {
			continue
		}
		l.Due++
		if l.ask.Dry {
			continue
		}
		problem, err := l.remove(limited, k, o)
		switch {
		case limited.Err() != nil:
			return ctx.Err() // the next look goes on
		case errors.Is(err, store.ErrStale): // the association keeps it after all
		case err != nil:
			return err
		case problem == nil:
			failures = 0
		default:
			failures++
			if failures == failuresInARow {
				return fmt.Errorf("%d could not be removed, one after the other; the last: %w", failures, problem)
			}
		}
	}
	return nil
}

// leave notes that an object is not there any more. It was removed by frama where that was begun, else by people.
func (l *look) leave(ctx context.Context, o hosting.Retained) error {
	o.Problem = ""
	if o.State == hosting.RetentionExported {
		return l.end(ctx, o, hosting.RetentionRemoved, &l.Removed)
	}
	return l.end(ctx, o, hosting.RetentionGone, &l.Gone)
}

// remove exports an object and removes it, unless it was changed since it was announced. A problem is kept with the object;
// an error is one of the database.
func (l *look) remove(ctx context.Context, k kind, o hosting.Retained) (problem, err error) {
	if o.State == hosting.RetentionExported { // the last look was cut short, or could not remove it: all over again
		o.Problem = ""
		if err := l.move(ctx, o, hosting.RetentionAnnounced); err != nil {
			return nil, err
		}
		o.State = hosting.RetentionAnnounced
	}
	told, err := l.told(ctx, o)
	if err != nil || !told {
		return nil, err
	}
	same, problem, err := l.unchanged(ctx, k, o)
	if !same {
		return problem, err
	}
	body, problem := l.export(ctx, k, o.Object)
	if problem != nil {
		return problem, l.trouble(ctx, o, problem)
	}
	l.at("exported")
	if o.File, problem = l.keep(k, o, body); problem != nil {
		return problem, l.trouble(ctx, o, problem)
	}
	l.at("written")
	// Exporting may have taken a while.
	if same, problem, err = l.unchanged(ctx, k, o); !same {
		return problem, err
	}
	o.Problem = ""
	if err := l.move(ctx, o, hosting.RetentionExported); err != nil {
		return nil, err
	}
	o.State = hosting.RetentionExported
	l.Exported++
	l.at("noted")
	if problem := l.whole(o.File, len(body)); problem != nil {
		return problem, l.trouble(ctx, o, problem)
	}
	if _, problem := l.fetch(ctx, k.how.Remove, o.Object, maxChanged); problem != nil {
		return problem, l.trouble(ctx, o, problem)
	}
	l.at("removed")
	return nil, l.end(ctx, o, hosting.RetentionRemoved, &l.Removed)
}

// unchanged says whether an object is as it was when it was announced. One that is not is kept, also when it says that it is
// older than it was: nobody knows what it is then.
func (l *look) unchanged(ctx context.Context, k kind, o hosting.Retained) (same bool, problem, err error) {
	at, problem := l.changed(ctx, k, o.Object)
	switch {
	case problem != nil:
		return false, problem, l.trouble(ctx, o, problem)
	case !at.Equal(o.ChangedAt):
		o.Problem = ""
		return false, nil, l.end(ctx, o, hosting.RetentionKept, &l.Kept)
	}
	return true, nil, nil
}

// told says whether the association was told as long before as the rule wants. A mail that could not be handed over told
// nobody; one that was handed over late gives as much more time.
func (l *look) told(ctx context.Context, o hosting.Retained) (bool, error) {
	var at time.Time
	var sent bool
	err := l.Store.Read(ctx, func(tx *store.Tx) (err error) {
		at, sent, err = tx.Announced(o)
		return err
	})
	switch {
	case err != nil:
		return false, err
	case !sent:
		return false, l.trouble(ctx, o, errors.New("the mail that announces it was not handed over: see the log of frama serve and the address of the space"))
	}
	if late := at.Sub(o.AnnouncedAt); late > time.Hour {
		err := l.Store.Write(ctx, func(tx *store.Tx) error { return tx.Postpone(o, at) })
		if err != nil || o.RemoveAt.Add(late).After(l.now) {
			return false, err
		}
	}
	return true, nil
}

// trouble keeps with an object why nothing was done. When the time is over, or frama ends, nothing is wrong with it.
func (l *look) trouble(ctx context.Context, o hosting.Retained, problem error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if o.Problem = problemText(problem); o.State == hosting.RetentionAnnounced {
		o.File = ""
	}
	return l.move(ctx, o, o.State)
}
