package control

import (
	"context"

	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
)

// RegisterAgain makes the run that gives an open space its volumes and jobs on the cluster again, as they should be: after
// the cluster lost them, or needs them in another form. What is there already and right is left alone. Operators.
func (c *Control) RegisterAgain(ctx context.Context, actor hosting.Actor, space string) (s hosting.Space, err error) {
	if err := allow(actor, hosting.RoleOperator); err != nil {
		return s, err
	}
	err = c.store.Write(ctx, func(tx *store.Tx) error {
		if s, err = tx.SpaceNamed(space); err != nil {
			return err
		}
		if err := tx.TakeSpaces([]string{s.ID}); err != nil {
			return err
		}
		if s, err = tx.Space(s.ID); err != nil {
			return err
		}
		if s.State != hosting.SpaceActive {
			return hosting.Errorf(hosting.Conflict, "error.plan_busy", s.Slug)
		}
		if err := tx.Audit(actor, "space.register", subject("space", s.ID), ""); err != nil {
			return err
		}
		return resize(tx, s)
	})
	return s, failure(err)
}
