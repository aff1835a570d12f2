package edge

import (
	"context"
	"math/rand/v2"
	"time"
)

// maxPause is the longest pause between two tries to reach frama.
const maxPause = 30 * time.Second

// poll fetches snapshots, keeps the good ones on disk and hands them on.
func (a *Agent) poll(ctx context.Context, held *signed, news chan<- *signed) {
	pause := a.opts.Retry
	failing := ""
	for ctx.Err() == nil {
		began := a.opts.Now()
		got, err := a.client.fetch(ctx, held, a.opts.Wait)
		if err == nil && got != nil {
			err = a.admit(held, got)
		}
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			if err.Error() != failing { // said once, not every 30 s for as long as frama is down
				failing = err.Error()
				a.opts.Log.Error("no new snapshot; serving on with the last good one", "error", err)
				a.complain(ctx, held, got, err)
			}
			sleep(ctx, pause/2+rand.N(pause)) // so that edges do not all come back at once
			pause = min(2*pause, maxPause)
			continue
		case failing != "":
			a.opts.Log.Info("frama answers again")
		}
		failing, pause = "", a.opts.Retry
		if got == nil {
			if a.opts.Now().Sub(began) < min(time.Second, a.opts.Wait/2) {
				sleep(ctx, a.opts.Retry) // the server does not wait: never turn this into a busy loop
			}
			continue
		}
		held = got
		select {
		case news <- got:
		case <-ctx.Done():
			return
		}
	}
}

// admit verifies a snapshot, decides whether to follow it, and keeps it.
func (a *Agent) admit(held, got *signed) error {
	if err := got.open(a.opts.PublicKey); err != nil {
		return err
	}
	restored, err := follows(held, got)
	if err != nil {
		return err
	}
	if restored {
		a.opts.Log.Warn("frama counts from an older version again, as after a restore from a backup: following it",
			"held", held.snapshot.Version, "now", got.snapshot.Version)
	}
	if err := got.save(a.layout.held()); err != nil {
		// Serving the new state matters more than surviving a restart with it.
		a.opts.Log.Error("the snapshot could not be kept on disk: make room; a restart would bring the previous one back", "error", err)
	}
	return nil
}

// complain tells frama about a snapshot that came but was refused.
func (a *Agent) complain(ctx context.Context, held, got *signed, why error) {
	if got == nil {
		return // it did not come, so an acknowledgement would not arrive either
	}
	r := Ack{Error: printable(why.Error(), maxProblem)}
	if held != nil {
		r.Version = held.snapshot.Version
	}
	a.opts.acknowledged(ctx, &a.client, r)
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
