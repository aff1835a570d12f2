package control

import (
	"context"
	"errors"

	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/mail"
	"framagit.org/frama/frama/services/store"
)

// Withdraw takes back a space that was approved and never worked on: what was reserved for it is free again, its request
// is refused with the reason, which is mailed. Its name stays taken, since the row stays and names are never used twice.
// Operators.
func (c *Control) Withdraw(ctx context.Context, actor hosting.Actor, space, reason string) error {
	if err := allow(actor, hosting.RoleOperator); err != nil {
		return err
	}
	reason, err := reasonOf(reason)
	if err != nil {
		return err
	}
	err = c.store.Write(ctx, func(tx *store.Tx) error {
		if err := c.takeTurn(tx); err != nil {
			return err
		}
		s, err := tx.SpaceNamed(space)
		switch {
		case err != nil:
			return err
		case s.Shared:
			return hosting.Errorf(hosting.Conflict, "error.withdraw_shared", s.Slug)
		case s.State == hosting.SpaceWithdrawn:
			return hosting.Errorf(hosting.Conflict, "error.withdrawn", s.Slug)
		case s.State != hosting.SpaceApproved:
			return hosting.Errorf(hosting.Conflict, "error.withdraw_begun", s.Slug)
		}
		if err := tx.WithdrawSpace(s.ID); errors.Is(err, store.ErrStale) {
			return hosting.Errorf(hosting.Conflict, "error.withdraw_begun", s.Slug) // a worker was faster
		} else if err != nil {
			return err
		}
		q, err := tx.Request(s.RequestID)
		if err != nil {
			return err
		}
		q.State, q.ReviewerID, q.Reason, q.DecidedAt = hosting.RequestRefused, actor.UserID, reason, tx.Now
		if err := tx.MoveRequest(hosting.RequestApproved, q); err != nil {
			return err
		}
		if err := tx.Audit(actor, "space.withdraw", subject("space", s.ID), reason); err != nil {
			return err
		}
		return c.mail(tx, mail.TemplateRefused, q, map[string]string{mail.ArgReason: reason})
	})
	if err != nil {
		return failure(err)
	}
	_, _ = c.AdmitWaiting(ctx) // who does not get in now does with the next look at the cluster
	return nil
}
