package control

import (
	"errors"
	"net/url"

	"framagit.org/frama/frama/services/auth"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/mail"
	"framagit.org/frama/frama/services/store"
)

// allow refuses an actor whose role is not enough.
func allow(actor hosting.Actor, least hosting.Role) error {
	if !actor.Role.AtLeast(least) {
		return hosting.Errorf(hosting.Forbidden, "error.role", string(least))
	}
	return nil
}

func wrong(field, key string, args ...any) error {
	return &hosting.Error{Code: hosting.Invalid, Key: "error.form",
		Fields: []hosting.FieldError{{Field: field, Key: key, Args: args}}}
}

// failure gives the store's errors the words people read; errors that have them already pass.
func failure(err error) error {
	var known *hosting.Error
	switch {
	case err == nil || errors.As(err, &known):
		return err
	case errors.Is(err, store.ErrNotFound):
		return &hosting.Error{Code: hosting.NotFound, Key: "error.not_found", Err: err}
	case errors.Is(err, store.ErrStale), errors.Is(err, store.ErrTaken):
		return &hosting.Error{Code: hosting.Conflict, Key: "error.stale", Err: err}
	case errors.Is(err, store.ErrDiskFull):
		return &hosting.Error{Code: hosting.Unavailable, Key: "error.disk_full", Err: err}
	case errors.Is(err, store.ErrUnreachable):
		return &hosting.Error{Code: hosting.Unavailable, Key: "error.database", Err: err}
	}
	return &hosting.Error{Code: hosting.Internal, Key: "error.internal", Err: err}
}

func (c *Control) links() auth.Links {
	return auth.Links{Key: c.options.LinkKey, PublicURL: c.options.PublicURL}
}

// MailDomain is the right-hand side of Message-IDs.
func (c *Control) MailDomain() string {
	if u, err := url.Parse(c.options.PublicURL); err == nil && u.Hostname() != "" {
		return u.Hostname()
	}
	return c.options.Platform
}

// mail puts a mail about a request into the outbox, to its contact and in its language.
func (c *Control) mail(tx *store.Tx, template string, q hosting.Request, more map[string]string) error {
	args := map[string]string{mail.ArgAssociation: q.Association.Name, mail.ArgContact: q.Contact.Name, mail.ArgSlug: q.Slug}
	for k, v := range more {
		args[k] = v
	}
	return tx.Enqueue(store.Mail{
		Recipient: q.Contact.Email, Lang: q.Contact.Lang, Template: template, Args: args, RequestID: q.ID,
	}, c.MailDomain())
}

// mailReviewers tells the staff that a request waits.
func (c *Control) mailReviewers(tx *store.Tx, q hosting.Request) error {
	users, err := tx.Users()
	if err != nil {
		return err
	}
	for _, u := range users {
		if !u.DisabledAt.IsZero() {
			continue
		}
		err := tx.Enqueue(store.Mail{
			Recipient: u.Email, Lang: "fr", Template: mail.TemplateStaffNewRequest, RequestID: q.ID,
			Args: map[string]string{mail.ArgAssociation: q.Association.Name, mail.ArgSlug: q.Slug, mail.ArgContact: u.Name},
		}, c.MailDomain())
		if err != nil {
			return err
		}
	}
	return nil
}

func page(number, size int) Page {
	if size <= 0 || size > 200 {
		size = 25
	}
	return Page{Number: min(max(number, 1), 1_000_000), Size: size}
}

func (p Page) offset() int { return (p.Number - 1) * p.Size }

// total is how many entries a list has: those of one state, or of all.
func total[S ~string](counts map[S]int, state S) int {
	if state != "" {
		return counts[state]
	}
	sum := 0
	for _, n := range counts {
		sum += n
	}
	return sum
}
