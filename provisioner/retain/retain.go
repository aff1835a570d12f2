// Package retain removes content that nobody changed for long, where a plan in force has a rule that says so and the
// application's manifest says how: it is announced by mail, exported to a file once its time has come, and only then removed.
//
// Each step is written down before the next one is begun, so that frama may end at any moment: what has no file is not
// removed, what was changed after it was announced is kept, and so is what cannot be read for certain. Applications are not
// believed: their lists, names, times and files have limits, and whatever is wrong with them is shown and leaves everything
// where it is.
package retain

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/provisioner/exchange"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
)

const (
	lookEvery     = 24 * time.Hour     // each instance
	announceEvery = 7 * 24 * time.Hour // each instance: a mail a week at most
	instancesAt   = 200                // read at once
	looksAtOnce   = 4
	usualPace     = 20 * time.Millisecond
	usualWithin   = 30 * time.Minute
	usualPatience = 95 * time.Second
)

// Options are what a Retainer works with.
type Options struct {
	Store     *store.Store
	Catalogue *catalogue.Catalogue
	// Talk begins a conversation with an instance, at its node.
	Talk       func(ctx context.Context, i hosting.Instance) (*exchange.Exchange, error)
	Archive    string // folder of the exports, made when it is missing
	URL        func(host string) string
	MailDomain string // of Message-IDs
	Now        func() time.Time
	Log        *slog.Logger

	Pace     time.Duration // between two requests to an instance; 20 ms when zero
	Within   time.Duration // for one instance, then the next look goes on; 30 min when zero
	Patience time.Duration // after an instance asked for fewer exports at a time; 95 s when zero
}

// Retainer looks for content that nobody changed for long. Several may work on one database.
type Retainer struct {
	Options
	step func(name string) // tests end the process here; nil for nothing
}

// New makes a retainer.
func New(o Options) *Retainer {
	for value, usual := range map[*time.Duration]time.Duration{&o.Pace: usualPace, &o.Within: usualWithin, &o.Patience: usualPatience} {
		if *value == 0 {
			*value = usual
		}
	}
	return &Retainer{Options: o}
}

// Ask says what a round is to do.
type Ask struct {
	Spaces []string // IDs of the spaces to look at; all when empty
	Now    bool     // also instances whose time has not come
	Dry    bool     // look only: nothing is announced, exported, removed or noted
}

// Report is how the look at one instance went.
type Report struct {
	Space     string // handle
	App       string
	Host      string
	Objects   int // that there are
	Unread    int // of which it could not be said when they were changed
	Unused    int // that nobody changed for long enough, and that are not announced yet
	Announced int
	Due       int // announced, and their time has come
	Exported  int
	Removed   int
	Kept      int    // changed since, or the rule is not what it was
	Gone      int    // removed by the association itself
	Problem   string // why it did not go as it should, and what to do
}

// Once looks at all instances whose time has come, and returns how that went. Whatever one of them does, the others are
// looked at.
func (r *Retainer) Once(ctx context.Context, ask Ask) ([]Report, error) {
	all, err := r.due(ctx, ask)
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	var reports []Report
	var group errgroup.Group
	group.SetLimit(looksAtOnce)
	for _, i := range all {
		group.Go(func() error {
			report, looked, err := r.look(ctx, i, ask)
			switch {
			case ctx.Err() != nil:
			case err != nil:
				r.Log.Warn("content of an instance could not be looked at", "job", i.Job, "error", err)
			case report.Problem != "": // its words may be people's
				r.Log.Warn("content of an instance could not be held to its rule: frama retention list says why", "job", i.Job, "unread", report.Unread)
			}
			if report.Announced+report.Removed+report.Kept+report.Gone > 0 && !ask.Dry {
				r.Log.Info("content was held to its rule", "job", i.Job, "announced", report.Announced, "removed", report.Removed, "kept", report.Kept,
					"gone", report.Gone)
			}
			mu.Lock()
			defer mu.Unlock()
			if looked {
				reports = append(reports, report)
			}
			return nil
		})
	}
	_ = group.Wait()
	return reports, ctx.Err()
}

// due lists the instances to look at.
func (r *Retainer) due(ctx context.Context, ask Ask) (all []hosting.Instance, err error) {
	if len(ask.Spaces) > 0 || ask.Now || ask.Dry {
		return r.named(ctx, ask.Spaces)
	}
	var apps []string
	for _, app := range r.Catalogue.Apps() {
		if len(app.Run().Retain) > 0 {
			apps = append(apps, app.Name)
		}
	}
	for after, n := "", instancesAt; n == instancesAt; {
		err := r.Store.Read(ctx, func(tx *store.Tx) error {
			plans, err := tx.PlansInForce()
			if err != nil {
				return err
			}
			ruled := false
			for _, p := range plans {
				ruled = ruled || len(p.Retention) > 0
			}
			if !ruled {
				apps = nil // what was announced is still to be dropped
			}
			batch, err := tx.InstancesToRetain(apps, after, instancesAt)
			if n = len(batch); n > 0 {
				after = batch[n-1].ID
			}
			all = append(all, batch...)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// named lists the instances of spaces, of all that are active when none is named.
func (r *Retainer) named(ctx context.Context, spaces []string) (all []hosting.Instance, err error) {
	if len(spaces) == 0 {
		for after, n := "", instancesAt; n == instancesAt; {
			err := r.Store.Read(ctx, func(tx *store.Tx) error {
				batch, err := tx.ActiveInstances(after, instancesAt)
				if n = len(batch); n > 0 {
					after = batch[n-1].ID
				}
				all = append(all, batch...)
				return err
			})
			if err != nil {
				return nil, err
			}
		}
		return all, nil
	}
	err = r.Store.Read(ctx, func(tx *store.Tx) error {
		all = all[:0]
		for _, id := range spaces {
			instances, err := tx.Instances(id)
			if err != nil {
				return err
			}
			all = append(all, instances...)
		}
		return nil
	})
	return all, err
}

// at says that a step is done.
func (r *Retainer) at(name string) {
	if r.step != nil {
		r.step(name)
	}
}

// pause waits, unless ctx ends before.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
