package retain

import (
	"context"
	"errors"
	"fmt"
	"time"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/provisioner/exchange"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
)

// kind is a rule of the plan in force with how the application is asked.
type kind struct {
	hosting.RetentionRule
	how catalogue.Retain
}

// look is one look at one instance.
type look struct {
	*Retainer
	hosting.Instance
	space hosting.Space
	title string // of the application, in the language of the space
	kinds []kind
	open  []hosting.Retained
	prior string // with which object the last look ended for lack of time
	after string // with which this one did
	talk  *exchange.Exchange
	ask   Ask
	now   time.Time
	Report
}

// look looks at an instance, if there is anything to do and nobody else is at it.
func (r *Retainer) look(ctx context.Context, i hosting.Instance, ask Ask) (Report, bool, error) {
	l := &look{Retainer: r, Instance: i, ask: ask, now: r.Now().UTC()}
	if err := r.Store.Read(ctx, l.gather); err != nil || len(l.kinds)+len(l.open) == 0 {
		return Report{}, false, err
	}
	if !ask.Dry {
		var ours bool
		err := r.Store.Write(ctx, func(tx *store.Tx) (err error) {
			ours, err = tx.ClaimRetention(i.ID, tx.Now.Add(lookEvery), r.Within+5*time.Minute, ask.Now)
			return err
		})
		if err != nil || !ours {
			return Report{}, false, err
		}
	}
	limited, cancel := context.WithTimeout(ctx, r.Within)
	defer cancel()
	err := l.do(limited)
	if err != nil && ctx.Err() == nil { // when frama ends, nothing is wrong with the instance
		l.Problem = problemText(err)
	}
	if ask.Dry {
		return l.Report, true, nil
	}
	// Also when the time is over, or frama is asked to stop.
	rest, end := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer end()
	return l.Report, true, r.Store.Write(rest, l.finish)
}

// gather reads what is known of the instance.
func (l *look) gather(tx *store.Tx) (err error) {
	if l.space, err = tx.Space(l.SpaceID); err != nil {
		return err
	}
	l.Report.Space, l.Report.App, l.Report.Host = l.space.Handle, l.Instance.App, l.Instance.Host
	l.kinds = l.kinds[:0]
	if l.space.State != hosting.SpaceActive || l.space.Shared {
		return nil
	}
	if l.open, err = tx.OpenRetained(l.ID); err != nil {
		return err
	}
	plans, err := tx.PlansInForce()
	if err != nil {
		return err
	}
	if app, known := l.Catalogue.App(l.Instance.App); known {
		l.title = app.Title(l.space.Lang)
		for _, rule := range plans[l.space.Plan].Retention {
			for _, how := range app.Run().Retain {
				if how.Metric == rule.Metric && rule.Unused > 0 && rule.Announce > 0 {
					l.kinds = append(l.kinds, kind{rule, how})
				}
			}
		}
	}
	last, err := tx.RetentionLook(l.ID)
	if l.prior = last.After; errors.Is(err, store.ErrNotFound) {
		err = nil
	}
	return err
}

// do looks at each kind of object.
func (l *look) do(ctx context.Context) error {
	if err := l.dropUnruled(ctx); err != nil || len(l.kinds) == 0 {
		return err
	}
	if l.Address == "" {
		return errors.New("the instance has no address yet: it was never healthy; see its run (frama space show)")
	}
	var err error
	if l.talk, err = l.Talk(ctx, l.Instance); err != nil {
		return err
	}
	var failed []error
	for _, k := range l.kinds {
		if err := l.each(ctx, k); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", k.Metric, err))
		}
	}
	return errors.Join(failed...)
}

func (l *look) each(ctx context.Context, k kind) error {
	names, err := l.list(ctx, k)
	if err != nil {
		return err
	}
	l.Objects += len(names)
	there := make(map[string]bool, len(names))
	for _, name := range names {
		there[name] = true
	}
	l.at("listed")
	return errors.Join(l.removeDue(ctx, k, there), l.announce(ctx, k, names))
}

// dropUnruled keeps what was announced under a rule that is gone, or that gives objects more time now: what meets the
// new rule is announced anew.
func (l *look) dropUnruled(ctx context.Context) error {
	rules := map[string]hosting.RetentionRule{}
	for _, k := range l.kinds {
		rules[k.Metric] = k.RetentionRule
	}
	left := l.open[:0]
	for _, o := range l.open {
		rule, ruled := rules[o.Metric]
		if ruled && rule.Unused <= o.Unused && rule.Announce <= o.RemoveAt.Sub(o.AnnouncedAt) {
			left = append(left, o)
			continue
		}
		o.Problem = ""
		if err := l.end(ctx, o, hosting.RetentionKept, &l.Kept); err != nil {
			return err
		}
	}
	l.open = left
	return nil
}

// end gives an object its last state and counts it, unless somebody was faster.
func (l *look) end(ctx context.Context, o hosting.Retained, to hosting.RetentionState, count *int) error {
	err := l.move(ctx, o, to)
	if err == nil {
		*count++
	}
	if errors.Is(err, store.ErrStale) {
		return nil
	}
	return err
}

func (l *look) move(ctx context.Context, o hosting.Retained, to hosting.RetentionState) error {
	if l.ask.Dry {
		return nil
	}
	return l.Store.Write(ctx, func(tx *store.Tx) error { return tx.MoveRetained(o, to) })
}

// finish notes how the look went, and what was removed in the audit log: how many, and nobody's words.
func (l *look) finish(tx *store.Tx) error {
	removed, err := tx.AuditRemoved(l.ID)
	if err != nil {
		return err
	}
	if removed > 0 {
		detail := fmt.Sprintf("%s: %d removed, exported to %s", l.Instance.Host, removed, l.folder())
		if err := tx.Audit(frama, "retention.remove", "space:"+l.SpaceID, detail); err != nil {
			return err
		}
	}
	return tx.FinishRetention(hosting.RetentionLook{
		InstanceID: l.ID, Objects: l.Objects, Unread: l.Unread, Problem: l.Problem, After: l.after,
	})
}

var frama = hosting.Actor{Name: "frama"}

// problemText is an error as it is kept and shown.
func problemText(err error) string {
	const most = 500 // characters
	return exchange.OneLine(err.Error(), most)
}
