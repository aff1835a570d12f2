package mail

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"framagit.org/frama/frama/services/store"
)

// Outbox hands the mails that are due to the mail server. Any number of processes may have one on the same database: a
// mail is claimed before it is handed over, for longer than a hand-over can take. Clocks of machines that share a
// database may differ by at most the sender's Timeout.
//
// Use an Outbox in one goroutine at a time.
type Outbox struct {
	Store    *store.Store
	Sender   *Sender
	Renderer *Renderer
	Log      *slog.Logger
	Now      func() time.Time // the date mails carry; time.Now when nil
	Idle     time.Duration    // pause when nothing is due, 1 s when zero

	trouble  string   // what was logged last about a server that takes no mail; empty when all is well
	unmarked []string // handed over, but the database could not be told yet
}

const batch = 20 // mails looked up at once

// Run hands mails over until ctx ends. A hand-over under way is finished first, so that no mail is sent twice for a
// restart. While the server takes no mail, it is tried less and less often, at least once a minute; what is wrong is
// logged once, and so is the end of it.
func (o *Outbox) Run(ctx context.Context) error {
	idle := o.Idle
	if idle <= 0 {
		idle = time.Second
	}
	pause := idle
	for ctx.Err() == nil {
		n, err := o.Once(ctx)
		switch {
		case err != nil:
			if ctx.Err() == nil {
				o.complain(err)
			}
			pause = min(max(2*pause, idle), max(time.Minute, idle))
		case n == batch:
			pause = 0 // there may be more
		default:
			pause = idle
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
	return nil
}

// complain logs what keeps mails from leaving, unless it is what it was.
func (o *Outbox) complain(err error) {
	kind, mend := "store", "Check the database; no mail is lost."
	var p *Problem
	if errors.As(err, &p) {
		kind, mend = p.Mend, p.Mend
	}
	if kind != o.trouble {
		o.trouble = kind
		o.Log.Error("mails cannot be sent; they are kept, and sent when this is mended", "error", cause(err), "do", mend)
	}
}

func (o *Outbox) relieved() {
	if o.trouble != "" {
		o.trouble = ""
		o.Log.Info("mails can be sent again")
	}
}

// Once hands over the mails that are due, at most a batch, over one connection. It returns how many the server took,
// and what kept the others back when that concerns them all. A mail that fails on its own is noted in its row.
func (o *Outbox) Once(ctx context.Context) (n int, err error) {
	if err := o.settle(ctx); err != nil {
		return 0, err
	}
	var due []store.Mail
	err = o.Store.Read(ctx, func(tx *store.Tx) (err error) {
		due, err = tx.MailsDue(batch)
		return err
	})
	if err != nil || len(due) == 0 {
		return 0, err
	}
	s := session{outbox: o}
	defer s.close()
	for _, m := range due {
		if ctx.Err() != nil {
			return n, nil
		}
		sent, err := s.deliver(ctx, m)
		if sent {
			n++
		}
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// settle tells the database of mails that were handed over when it did not answer. Nothing is sent before: a mail the
// database does not know to be sent would be sent again.
func (o *Outbox) settle(ctx context.Context) error {
	for len(o.unmarked) > 0 {
		id := o.unmarked[0]
		err := o.Store.Write(ctx, func(tx *store.Tx) error { return tx.MailSent(id) })
		if err != nil && !errors.Is(err, store.ErrStale) { // its row is gone
			return fmt.Errorf("note that mail %s was sent: %w", id, err)
		}
		o.unmarked = o.unmarked[1:]
	}
	return nil
}

// schedule returns when a mail that failed its nth attempt is tried next: soon at first, since most trouble is short
// (greylisting lasts minutes), then every hour for five days, as RFC 5321 §4.5.4.1 asks for. False: no more.
func schedule(attempt int, now time.Time) (time.Time, bool) {
	first := []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute}
	if attempt <= len(first) {
		return now.Add(first[max(attempt, 1)-1]), true
	}
	return now.Add(time.Hour), attempt <= len(first)+5*24
}

func (o *Outbox) now() time.Time {
	if o.Now != nil {
		return o.Now()
	}
	return time.Now()
}

// cause is an error without its advice, which the log shows beside it.
func cause(err error) error {
	var p *Problem
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

func advice(err error) string {
	var p *Problem
	if errors.As(err, &p) {
		return p.Mend
	}
	return ""
}
