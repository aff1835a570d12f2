package control

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"framagit.org/frama/frama/services/auth"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/mail"
	"framagit.org/frama/frama/services/store"
)

// maxUnconfirmed is how many requests an address may leave unconfirmed within a day: each sent it a mail, and it may not
// be the address of who fills in the form.
const maxUnconfirmed = 3

// Submit takes the public form: it keeps the request, unconfirmed, and mails the link that confirms it.
func (c *Control) Submit(ctx context.Context, actor hosting.Actor, s hosting.Submission) (hosting.Request, error) {
	s = s.Normal()
	invalid := &hosting.Error{}
	if err := s.Validate(c.Offer()); err != nil && !errors.As(err, &invalid) {
		return hosting.Request{}, err
	}
	q := hosting.Request{
		ID: c.options.NewID(), State: hosting.RequestUnconfirmed, Association: s.Association, Contact: s.Contact,
		Purpose: s.Purpose, Slug: s.Slug, Kinds: s.Kinds, Plan: s.Plan, CharterVersion: s.Charter,
	}
	if _, wrong := invalid.Field("slug"); !wrong {
		// A name that is taken is told together with all else that is wrong.
		status, err := c.SlugStatus(ctx, s.Slug)
		if err != nil {
			return q, err
		}
		if !status.Free() {
			invalid.Fields = append(invalid.Fields, hosting.FieldError{Field: "slug", Key: status.Problem, Args: status.Args})
		}
	}
	if len(invalid.Fields) > 0 {
		invalid.Code, invalid.Key = hosting.Invalid, "error.form"
		return q, invalid
	}
	err := c.store.Write(ctx, func(tx *store.Tx) error {
		q.CreatedAt = tx.Now
		waiting, err := tx.UnconfirmedOf(q.Contact.Email, tx.Now.Add(-24*time.Hour))
		if err != nil {
			return err
		}
		if waiting >= maxUnconfirmed {
			return hosting.Errorf(hosting.TooMany, "error.unconfirmed", waiting)
		}
		if err := tx.InsertRequest(q, auth.Hash(c.links().ConfirmToken(q.ID)), auth.Hash(c.links().TrackToken(q.ID))); err != nil {
			return err
		}
		if err := tx.Audit(actor, "request.submit", subject("request", q.ID), q.Slug); err != nil {
			return err
		}
		return c.mail(tx, mail.TemplateConfirm, q, nil)
	})
	return q, failure(err)
}

// ConfirmPreview shows which request a confirmation link is about, without confirming it: mail scanners follow links.
func (c *Control) ConfirmPreview(ctx context.Context, token string) (q hosting.Request, err error) {
	err = c.store.Read(ctx, func(tx *store.Tx) error {
		q, err = tx.RequestByConfirm(auth.Hash(token))
		return err
	})
	return q, failure(err)
}

// Confirm records that the mail address is that of the one who asked, puts the request into the queue and returns the
// token of its private page. Confirming twice does no harm.
func (c *Control) Confirm(ctx context.Context, actor hosting.Actor, token string) (trackToken string, err error) {
	err = c.store.Write(ctx, func(tx *store.Tx) error {
		q, err := tx.RequestByConfirm(auth.Hash(token))
		if err != nil {
			return err
		}
		trackToken = c.links().TrackToken(q.ID)
		if q.State != hosting.RequestUnconfirmed {
			return nil
		}
		q.State, q.ConfirmedAt = hosting.RequestPending, tx.Now
		if err := tx.MoveRequest(hosting.RequestUnconfirmed, q); err != nil {
			return err
		}
		if err := tx.Audit(actor, "request.confirm", subject("request", q.ID), q.Slug); err != nil {
			return err
		}
		if err := c.mail(tx, mail.TemplateReceived, q, nil); err != nil {
			return err
		}
		return c.mailReviewers(tx, q)
	})
	return trackToken, failure(err)
}

// Track returns what the holder of a request's private link may see.
func (c *Control) Track(ctx context.Context, token string) (t Tracking, err error) {
	err = c.store.Read(ctx, func(tx *store.Tx) error {
		t.Request, err = tx.RequestByTrack(auth.Hash(token))
		if err != nil || t.Request.SpaceID == "" {
			return err
		}
		view, err := c.spaceView(tx, t.Request.SpaceID, 1)
		if view.Space.State != hosting.SpaceWithdrawn {
			t.Space = &view
		}
		return err
	})
	return t, failure(err)
}

// Requests returns a page of the queue.
func (c *Control) Requests(ctx context.Context, actor hosting.Actor, f RequestFilter) (p RequestPage, err error) {
	if err := allow(actor, hosting.RoleReviewer); err != nil {
		return p, err
	}
	p.Page = page(f.Page, f.Size)
	err = c.store.Read(ctx, func(tx *store.Tx) error {
		p.Requests, p.Counts, err = tx.Requests(f.State, f.Text, f.Kind, p.offset(), p.Size)
		return err
	})
	p.Total = total(p.Counts, f.State)
	return p, failure(err)
}

// Request returns one request with all a reviewer needs.
func (c *Control) Request(ctx context.Context, actor hosting.Actor, id string) (v RequestView, err error) {
	if err := allow(actor, hosting.RoleReviewer); err != nil {
		return v, err
	}
	err = c.store.Read(ctx, func(tx *store.Tx) error {
		q, err := tx.Request(id)
		if err != nil {
			return err
		}
		v.Request = q
		open := undecided(q.State) || q.State == hosting.RequestUnconfirmed
		if open {
			if v.Name, err = c.slugStatus(tx, q.Slug, q.ID); err != nil {
				return err
			}
			v.Name.Hosts = slices.DeleteFunc(v.Name.Hosts, func(host string) bool { // the addresses it asks for, not all there could be
				return !slices.ContainsFunc(q.Kinds, func(kind string) bool { return host == hosting.HostName(q.Slug, kind, c.options.Platform) })
			})
		}
		for _, kind := range q.Kinds {
			app, ok := c.appView(kind, q.Plan)
			if !ok {
				continue
			}
			if app.Shared {
				// Whoever comes first pays for all.
				switch _, err := tx.SharedInstance(kind); {
				case err == nil:
					app.Resources = hosting.Resources{}
				case !errors.Is(err, store.ErrNotFound):
					return err
				}
			}
			v.Apps = append(v.Apps, app)
			v.Cost = v.Cost.Plus(app.Resources)
		}
		if open {
			if v.Room, err = c.requestRoom(tx, q, v.Cost); err != nil {
				return err
			}
		}
		if v.Similar, err = tx.SimilarRequests(q); err != nil {
			return err
		}
		if v.Audit, err = tx.AuditOf(subject("request", id)); err != nil {
			return err
		}
		if q.ReviewerID != "" {
			if u, err := tx.User(q.ReviewerID); err == nil {
				v.Reviewer = &u
			}
		}
		if q.SpaceID != "" {
			space, err := c.spaceView(tx, q.SpaceID, 1)
			v.Space = &space
			return err
		}
		return nil
	})
	return v, failure(err)
}

// Approve grants a request: in one transaction the space, its instances and the run that provisions them come to be,
// with the mail that says so. What was on offer when it was asked for is given while there is an application for it. Where
// the cluster has no room to promise, the request waits for it, and keeps its name meanwhile. A second click, or a second
// reviewer, gets a Conflict and changes nothing.
func (c *Control) Approve(ctx context.Context, actor hosting.Actor, id string) (a Approval, err error) {
	if err := allow(actor, hosting.RoleReviewer); err != nil {
		return a, err
	}
	err = c.store.Write(ctx, func(tx *store.Tx) error {
		a = Approval{} // the transaction may run again
		if err := c.takeTurn(tx); err != nil {
			return err
		}
		q, err := tx.Request(id)
		if err != nil {
			return err
		}
		if q.State != hosting.RequestPending {
			return decided(q)
		}
		if err := c.nameFree(tx, q); err != nil {
			return err
		}
		w, err := c.wish(tx, q)
		if err != nil {
			return err
		}
		fits, err := c.admits(tx, c.options.Cluster, w.need)
		if err != nil {
			return err
		}
		if !fits {
			a.Waiting = true
			return c.putOff(tx, actor, q, w.need)
		}
		q.ReviewerID = actor.UserID
		a.Space, err = c.grant(tx, actor, q, "request.approve")
		return err
	})
	if errors.Is(err, store.ErrTaken) {
		return a, c.whoWasFaster(ctx, id)
	}
	return a, failure(err)
}

// nameFree says ErrTaken when the name a request wants is another space's, or this very request's in the meantime, or
// that of a request which waits for room, or a kind's that came since.
func (c *Control) nameFree(tx *store.Tx, q hosting.Request) error {
	used, err := tx.SlugUsed(q.Slug)
	if err != nil {
		return err
	}
	promised, err := tx.SlugPromised(q.Slug, q.ID)
	if err != nil {
		return err
	}
	if used || promised || slices.Contains(c.reserved().Kinds, q.Slug) {
		return store.ErrTaken
	}
	return nil
}

// grant makes the space of a request for which there is room.
func (c *Control) grant(tx *store.Tx, actor hosting.Actor, q hosting.Request, action string) (hosting.Space, error) {
	if err := c.nameFree(tx, q); err != nil {
		return hosting.Space{}, err
	}
	space, err := c.makeSpace(tx, actor, q)
	if err != nil {
		return space, err
	}
	from := q.State
	q.State, q.SpaceID, q.DecidedAt = hosting.RequestApproved, space.ID, tx.Now
	if err := tx.MoveRequest(from, q); err != nil {
		return space, err
	}
	if err := tx.Audit(actor, action, subject("request", q.ID), "space "+space.Handle); err != nil {
		return space, err
	}
	return space, c.mail(tx, mail.TemplateApproved, q, nil)
}

// whoWasFaster explains an approval that met an existing row: another reviewer approved the same request, or another
// space got the name.
func (c *Control) whoWasFaster(ctx context.Context, id string) error {
	return failure(c.store.Read(ctx, func(tx *store.Tx) error {
		q, err := tx.Request(id)
		if err != nil {
			return err
		}
		if q.State != hosting.RequestPending {
			return decided(q)
		}
		return hosting.Errorf(hosting.Conflict, "error.approve_taken", q.Slug)
	}))
}

// Refuse turns a request down, also one that waits for room. The reason is mailed to the association: never a silent refusal.
func (c *Control) Refuse(ctx context.Context, actor hosting.Actor, id, reason string) error {
	if err := allow(actor, hosting.RoleReviewer); err != nil {
		return err
	}
	reason, err := reasonOf(reason)
	if err != nil {
		return err
	}
	err = c.store.Write(ctx, func(tx *store.Tx) error {
		q, err := tx.Request(id)
		if err != nil {
			return err
		}
		from := q.State
		if !undecided(from) {
			return decided(q)
		}
		q.State, q.ReviewerID, q.Reason, q.DecidedAt = hosting.RequestRefused, actor.UserID, reason, tx.Now
		if err := tx.MoveRequest(from, q); err != nil {
			return err
		}
		if err := tx.Audit(actor, "request.refuse", subject("request", id), reason); err != nil {
			return err
		}
		return c.mail(tx, mail.TemplateRefused, q, map[string]string{mail.ArgReason: reason})
	})
	return failure(err)
}

// reasonOf cleans a reason that is mailed, and says what is wrong with it.
func reasonOf(text string) (string, error) {
	text = strings.TrimSpace(strings.ReplaceAll(text, "\r\n", "\n"))
	return text, hosting.ValidateReason(text)
}

// undecided says whether a reviewer can still refuse a request.
func undecided(s hosting.RequestState) bool {
	return s == hosting.RequestPending || s == hosting.RequestWaiting
}

// decided says what became of a request that somebody wants to decide on again.
func decided(q hosting.Request) error {
	return hosting.Errorf(hosting.Conflict, "error.decided_"+string(q.State))
}

func subject(kind, id string) string { return fmt.Sprintf("%s:%s", kind, id) }
