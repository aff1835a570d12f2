package control

import (
	"context"
	"strconv"

	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
)

// RetentionView is what rules of retention are about in a space.
type RetentionView struct {
	Space   hosting.Space
	Objects []RetentionObject // what is still to be removed first, then the newest
	Looks   []hosting.RetentionLook
	Open    int // objects that were announced, and to which something is still to happen
}

// RetentionObject is one object with where it is.
type RetentionObject struct {
	hosting.Retained
	InstanceView
}

// maxRetained is how many objects a view holds.
const maxRetained = 1000

// Retention returns what is announced, exported and removed in a space, found by ID, slug or handle, or in all spaces where
// something is to happen when it is empty.
func (c *Control) Retention(ctx context.Context, actor hosting.Actor, name string) (views []RetentionView, err error) {
	if err := allow(actor, hosting.RoleReviewer); err != nil {
		return nil, err
	}
	err = c.store.Read(ctx, func(tx *store.Tx) error {
		spaces, err := tx.SpacesRetained(maxRetained)
		if name != "" {
			var s hosting.Space
			s, err = tx.SpaceNamed(name)
			spaces = []hosting.Space{s}
		}
		if err != nil {
			return err
		}
		views = nil
		for _, s := range spaces {
			v, err := c.retentionView(tx, s)
			if err != nil {
				return err
			}
			views = append(views, v)
		}
		return nil
	})
	return views, failure(err)
}

// TrackRetention is the same for the holder of a request's private link.
func (c *Control) TrackRetention(ctx context.Context, token string) (v RetentionView, err error) {
	err = c.store.Read(ctx, func(tx *store.Tx) error {
		_, s, err := c.tracked(tx, token)
		if err != nil {
			return err
		}
		v, err = c.retentionView(tx, s)
		return err
	})
	return v, failure(err)
}

func (c *Control) retentionView(tx *store.Tx, s hosting.Space) (v RetentionView, err error) {
	v.Space = s
	instances, err := tx.Instances(s.ID)
	if err != nil {
		return v, err
	}
	at := map[string]InstanceView{}
	for _, i := range instances {
		at[i.ID] = c.instanceView(i)
	}
	objects, err := tx.RetainedOf(s.ID, maxRetained)
	if err != nil {
		return v, err
	}
	for _, o := range objects {
		v.Objects = append(v.Objects, RetentionObject{o, at[o.InstanceID]})
		if o.State.Open() {
			v.Open++
		}
	}
	v.Looks, err = tx.RetentionLooks(s.ID)
	return v, err
}

// KeepAll keeps what was announced of the space of a request's private link, each object for as long again as it went
// unused, and returns how many there are. What is being removed this very moment is kept only if its removal fails.
func (c *Control) KeepAll(ctx context.Context, actor hosting.Actor, token string) (n int, err error) {
	err = c.store.Write(ctx, func(tx *store.Tx) error {
		_, s, err := c.tracked(tx, token)
		if err != nil {
			return err
		}
		n, err = c.keepAll(tx, actor, s)
		return err
	})
	return n, failure(err)
}

// KeepAllOf is the same for a space that the staff names. Operators.
func (c *Control) KeepAllOf(ctx context.Context, actor hosting.Actor, name string) (n int, err error) {
	if err := allow(actor, hosting.RoleOperator); err != nil {
		return 0, err
	}
	err = c.store.Write(ctx, func(tx *store.Tx) error {
		s, err := tx.SpaceNamed(name)
		if err != nil {
			return err
		}
		n, err = c.keepAll(tx, actor, s)
		return err
	})
	return n, failure(err)
}

func (c *Control) keepAll(tx *store.Tx, actor hosting.Actor, s hosting.Space) (int, error) {
	n, err := tx.KeepAll(s.ID)
	if err != nil || n == 0 {
		return n, err
	}
	return n, tx.Audit(actor, "retention.keep", subject("space", s.ID), strconv.Itoa(n)+" kept")
}
