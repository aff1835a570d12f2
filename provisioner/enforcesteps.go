package provisioner

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
)

// own says by which means of its own the application stops to grow, or "" when only the ingress can. One that knows its
// limits keeps to them by itself: that covers those limits, and no others.
func (e *enforcer) own(tx *store.Tx, i hosting.Instance, app catalogue.App) (string, error) {
	enforce := app.Run().Enforce
	switch {
	case acts(enforce):
		return app.Quota, nil
	case enforce.Tell.Nothing(), !i.Growth.Stopped:
		return "", nil
	}
	quotas, err := tx.QuotasOf([]string{i.SpaceID})
	for _, q := range quotas[i.SpaceID] {
		if q.Stopped(tx.Now) && !enforce.Reaches(q.Metric) {
			return "", err
		}
	}
	return app.Quota, err
}

// stop stops growth by the application's own means, or at the ingress.
func (e *enforcer) stop(ctx context.Context, i hosting.Instance, app catalogue.App, own string) error {
	if own == "" {
		return e.settled(ctx, i, hosting.GrowthAtIngress, "")
	}
	as := i.Growth.As
	if as == "" {
		as = own
	}
	noted := i.Growth
	if i.Growth.Problem == "" { // of two problems, the one that says more stays until it is done
		noted.As, noted.Problem = as, underway
		if err := e.settled(ctx, i, as, underway); err != nil {
			return err
		}
	}
	if err := e.means.stop(ctx, i, app); err != nil {
		if e.failed(i) >= settleTries {
			as = hosting.GrowthAtIngress
		}
		return e.note(ctx, i, as, err)
	}
	return e.done(ctx, i, noted, own)
}

// allow allows growth again: at the ingress at once, and by what the application has. All of that is done whatever stopped
// it, since an attempt that failed may have had its effect.
func (e *enforcer) allow(ctx context.Context, i hosting.Instance, app catalogue.App, own string) error {
	if own == "" {
		return e.settled(ctx, i, "", "")
	}
	noted := i.Growth
	if i.Growth.As == hosting.GrowthAtIngress || i.Growth.Problem == "" {
		noted.As, noted.Problem = own, underway
		if err := e.settled(ctx, i, own, underway); err != nil {
			return err
		}
	}
	if err := e.means.allow(ctx, i, app); err != nil {
		return e.note(ctx, i, own, err)
	}
	return e.done(ctx, i, noted, "")
}

// done notes that an application did as it was told. Where another frama noted something else meanwhile, it may have told the
// application the contrary, before or after: nobody knows which of the two holds, so it is all to be done again.
func (e *enforcer) done(ctx context.Context, i hosting.Instance, noted hosting.Growth, as string) error {
	return e.Store.Write(ctx, func(tx *store.Tx) error {
		if err := tx.TakeSpaces([]string{i.SpaceID}); err != nil { // one of them is done first
			return err
		}
		now, err := tx.Instance(i.ID)
		if err != nil {
			return err
		}
		g, settled := now.Growth, now.Growth.As == as && now.Growth.Problem == ""
		if !settled && (g.As != noted.As || g.Problem != noted.Problem) {
			return stands(tx, i, g.As, underway)
		}
		return stands(tx, i, as, "")
	})
}

// undone notes that an application was not told its limits. One that is to stop is kept from growing at the ingress when it
// goes on failing.
func (e *enforcer) undone(ctx context.Context, i hosting.Instance, failed error) error {
	as := i.Growth.As
	if i.Growth.Stopped && (as != "" || e.failed(i) >= settleTries) {
		as = hosting.GrowthAtIngress
	}
	return e.note(ctx, i, as, failed)
}

// note keeps why something could not be done, where people look, and returns it.
func (e *enforcer) note(ctx context.Context, i hosting.Instance, as string, failed error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return failed // frama ends: nothing is wrong with the instance
	}
	// Also when the time for the instance is over.
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	return errors.Join(failed, e.settled(limited, i, as, problemText(failed)))
}

// problemText is an error as it is kept and shown: in one line, and short.
func problemText(err error) string {
	const most = 500 // characters
	text := []rune(strings.Join(strings.Fields(err.Error()), " "))
	if len(text) > most {
		text = append(text[:most], '…')
	}
	return string(text)
}

// settled notes how growth of an instance stands, and writes the audit log when that means something new to people: growth is
// stopped, by other means than before, or allowed again.
func (e *enforcer) settled(ctx context.Context, i hosting.Instance, as, problem string) error {
	return e.Store.Write(ctx, func(tx *store.Tx) error { return stands(tx, i, as, problem) })
}

// stands is settled in a transaction of its caller's.
func stands(tx *store.Tx, i hosting.Instance, as, problem string) error {
	before, err := tx.Instance(i.ID)
	if err != nil {
		return err
	}
	if err := tx.GrowthSettled(i.ID, as, problem); err != nil {
		return err
	}
	was, is := inForce(before.Growth.As, before.Growth.Problem), inForce(as, problem)
	action, means := "growth.stop", is
	switch {
	case is != "" && is != was:
	case as == "" && before.Growth.As != "":
		action, means = "growth.allow", before.Growth.As
	default:
		return nil
	}
	detail := fmt.Sprintf("%s (%s)", i.Host, means)
	if problem != "" && problem != underway {
		detail += ": " + problem
	}
	return tx.Audit(hosting.Actor{Name: "frama"}, action, "space:"+i.SpaceID, detail)
}

// inForce is the means that holds, "" while none does. The ingress holds also while an application does not do as it is told.
func inForce(as, problem string) string {
	if problem == "" || as == hosting.GrowthAtIngress {
		return as
	}
	return ""
}

// acts says whether something has to be done for the application to stop.
func acts(e catalogue.Enforce) bool { return e.Setting != "" || !e.Stop.Nothing() }
