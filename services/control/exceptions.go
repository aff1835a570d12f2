package control

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
)

// NewException is what an exception is made of.
type NewException struct {
	Metric    string
	Limit     int64     // bytes for storage; hosting.Unlimited for none
	Reason    string    // 3 to 500 characters
	ExpiresAt time.Time // zero for never
}

// ExceptionView is an exception with its space.
type ExceptionView struct {
	hosting.QuotaException
	Space hosting.Space
}

// maxLimit is the largest limit that can be given: 8 PiB, or as many objects.
const maxLimit = 1 << 53

// maxExceptions is how many exceptions a list holds.
const maxExceptions = 1000

// limitable lists the metrics that a space can have a limit of.
func limitable() []string {
	return append([]string{hosting.MetricStorage, hosting.MetricAccounts}, catalogue.ObjectMetrics()...)
}

// check says what is wrong with an exception, all fields at once.
func (e NewException) check(now time.Time) error {
	wrong := fields{}
	if !slices.Contains(limitable(), e.Metric) {
		wrong.add("metric", "error.choice")
	}
	if e.Limit != hosting.Unlimited && (e.Limit < 1 || e.Limit > maxLimit) {
		wrong.add("limit", "error.limit")
	}
	wrong.merge(hosting.ValidateNote("reason", e.Reason))
	if !e.ExpiresAt.IsZero() && !e.ExpiresAt.After(now) {
		wrong.add("expires", "error.expires_past")
	}
	return wrong.err()
}

// SetException gives a space a limit of its own, and ends the one it had for that metric. Operators.
func (c *Control) SetException(ctx context.Context, actor hosting.Actor, space string, e NewException) (made hosting.QuotaException, err error) {
	if err := allow(actor, hosting.RoleOperator); err != nil {
		return made, err
	}
	e.Reason = strings.TrimSpace(strings.ReplaceAll(e.Reason, "\r\n", "\n"))
	e.ExpiresAt = e.ExpiresAt.UTC().Truncate(time.Microsecond)
	err = c.store.Write(ctx, func(tx *store.Tx) error {
		if err := e.check(tx.Now); err != nil {
			return err
		}
		s, err := c.takeSpace(tx, space)
		if err != nil {
			return err
		}
		if made, err = c.setException(tx, actor, s, e); err != nil {
			return err
		}
		if err := c.mailLimit(tx, s, made.Metric, &made); err != nil {
			return err
		}
		_, err = c.weigh(tx, []string{s.ID})
		return err
	})
	return made, failure(err)
}

// takeSpace finds a space whose limits are about to change, and keeps others from changing them meanwhile.
func (c *Control) takeSpace(tx *store.Tx, name string) (hosting.Space, error) {
	s, err := tx.SpaceNamed(name)
	if err != nil {
		return s, err
	}
	if err := tx.TakeSpaces([]string{s.ID}); err != nil {
		return s, err
	}
	if s, err = tx.Space(s.ID); err != nil {
		return s, err
	}
	switch {
	case s.Shared:
		return s, hosting.Errorf(hosting.Conflict, "error.quota_shared")
	case s.State == hosting.SpaceWithdrawn:
		return s, hosting.Errorf(hosting.Conflict, "error.quota_withdrawn")
	}
	return s, nil
}

// setException ends the exception a space had and makes the new one.
func (c *Control) setException(tx *store.Tx, actor hosting.Actor, s hosting.Space, e NewException) (hosting.QuotaException, error) {
	made := hosting.QuotaException{ID: tx.NewID(), SpaceID: s.ID, Metric: e.Metric, Limit: e.Limit, Reason: e.Reason,
		ExpiresAt: e.ExpiresAt, CreatedAt: tx.Now, CreatedBy: actor.Name}
	if _, err := tx.EndException(s.ID, e.Metric, actor.Name); err != nil {
		return made, err
	}
	if err := tx.InsertException(made); err != nil {
		return made, err
	}
	until := "for good"
	if !e.ExpiresAt.IsZero() {
		until = "until " + e.ExpiresAt.Format(time.DateOnly)
	}
	return made, tx.Audit(actor, "quota.exception", subject("space", s.ID), fmt.Sprintf("%s: %s %s: %s", e.Metric, hosting.Figure(e.Metric, e.Limit), until, e.Reason))
}

// EndException brings a space back to its plan's limit.
func (c *Control) EndException(ctx context.Context, actor hosting.Actor, space, metric string) error {
	if err := allow(actor, hosting.RoleOperator); err != nil {
		return err
	}
	return failure(c.store.Write(ctx, func(tx *store.Tx) error {
		s, err := c.takeSpace(tx, space)
		if err != nil {
			return err
		}
		ended, err := tx.EndException(s.ID, metric, actor.Name)
		if err != nil {
			return err
		}
		if !ended {
			return hosting.Errorf(hosting.Conflict, "error.no_exception", metric)
		}
		if err := tx.Audit(actor, "quota.exception_end", subject("space", s.ID), metric); err != nil {
			return err
		}
		if err := c.mailLimit(tx, s, metric, nil); err != nil {
			return err
		}
		_, err = c.weigh(tx, []string{s.ID})
		return err
	}))
}

// Exceptions returns those of a space, or all that are in force when it is empty, the newest first.
func (c *Control) Exceptions(ctx context.Context, actor hosting.Actor, space string) (views []ExceptionView, err error) {
	if err := allow(actor, hosting.RoleReviewer); err != nil {
		return nil, err
	}
	err = c.store.Read(ctx, func(tx *store.Tx) error {
		var list []hosting.QuotaException
		if space == "" {
			list, err = tx.Exceptions(maxExceptions)
		} else {
			s, err := tx.SpaceNamed(space)
			if err != nil {
				return err
			}
			list, err = tx.ExceptionsOf(s.ID)
			if err != nil {
				return err
			}
		}
		if err != nil {
			return err
		}
		var ids []string
		for _, e := range list {
			ids = append(ids, e.SpaceID)
		}
		spaces, err := spacesByID(tx, ids)
		for _, e := range list {
			views = append(views, ExceptionView{QuotaException: e, Space: spaces[e.SpaceID]})
		}
		return err
	})
	return views, failure(err)
}

// spacesByID returns spaces by their ID.
func spacesByID(tx *store.Tx, ids []string) (map[string]hosting.Space, error) {
	slices.Sort(ids)
	spaces, err := tx.SpacesOf(slices.Compact(ids))
	byID := map[string]hosting.Space{}
	for _, s := range spaces {
		byID[s.ID] = s
	}
	return byID, err
}

// fields collects what is wrong with a form, the first finding per field.
type fields []hosting.FieldError

func (f *fields) add(field, key string, args ...any) {
	if !slices.ContainsFunc(*f, func(e hosting.FieldError) bool { return e.Field == field }) {
		*f = append(*f, hosting.FieldError{Field: field, Key: key, Args: args})
	}
}

// merge adds what another check found.
func (f *fields) merge(err error) {
	var found *hosting.Error
	if errors.As(err, &found) {
		for _, e := range found.Fields {
			f.add(e.Field, e.Key, e.Args...)
		}
	}
}

func (f *fields) err() error {
	if len(*f) == 0 {
		return nil
	}
	return &hosting.Error{Code: hosting.Invalid, Key: "error.form", Fields: *f}
}
