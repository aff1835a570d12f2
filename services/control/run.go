package control

import (
	"context"
	"errors"

	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
	"framagit.org/frama/frama/services/work"
)

// Runs returns the newest runs in a state, or in any when it is empty.
func (c *Control) Runs(ctx context.Context, actor hosting.Actor, state work.RunState, limit int) (runs []work.Run, err error) {
	if err := allow(actor, hosting.RoleReviewer); err != nil {
		return nil, err
	}
	err = c.store.Read(ctx, func(tx *store.Tx) error {
		runs, err = tx.Runs(state, limit)
		return err
	})
	return runs, failure(err)
}

// Run returns one run.
func (c *Control) Run(ctx context.Context, actor hosting.Actor, id string) (run work.Run, err error) {
	if err := allow(actor, hosting.RoleReviewer); err != nil {
		return run, err
	}
	err = c.store.Read(ctx, func(tx *store.Tx) error {
		run, err = tx.Run(id)
		return err
	})
	return run, failure(err)
}

// RetryRun makes a parked run ready again; steps that need not be repeated stay done.
func (c *Control) RetryRun(ctx context.Context, actor hosting.Actor, id string) error {
	if err := allow(actor, hosting.RoleOperator); err != nil {
		return err
	}
	err := c.store.Write(ctx, func(tx *store.Tx) error {
		run, err := tx.Run(id)
		if err != nil {
			return err
		}
		if err := tx.RetryRun(id, retryFrom(run)); err != nil {
			return err
		}
		if err := tx.RetryCertificates(run.SpaceID); err != nil {
			return err
		}
		if _, err := tx.MoveSpace(run.SpaceID, hosting.SpaceProvisioning); err != nil && !errors.Is(err, store.ErrStale) {
			return err
		}
		return tx.Audit(actor, "run.retry", subject("space", run.SpaceID), run.Kind+" "+id)
	})
	if errors.Is(err, store.ErrStale) {
		return hosting.Errorf(hosting.Conflict, "error.run_not_parked")
	}
	return failure(err)
}

// retryFrom is the step a retry begins with: the failed one, or the registration of the jobs when what failed is
// something that runs, for then the jobs themselves may have to be made anew. Steps do nothing twice.
func retryFrom(run work.Run) int {
	failed, _ := run.Current()
	from := failed.Seq
	for _, s := range run.Steps {
		if s.Name == "jobs" && s.Seq < failed.Seq {
			from = s.Seq
		}
	}
	return from
}

// Audit returns a page of the audit log whose entries hold text.
func (c *Control) Audit(ctx context.Context, actor hosting.Actor, text string, number int) (p AuditPage, err error) {
	if err := allow(actor, hosting.RoleReviewer); err != nil {
		return p, err
	}
	p.Page = page(number, 50)
	err = c.store.Read(ctx, func(tx *store.Tx) error {
		p.Entries, p.Total, err = tx.AuditLog(text, p.offset(), p.Size)
		return err
	})
	return p, failure(err)
}
