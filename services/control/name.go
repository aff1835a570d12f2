package control

import (
	"context"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
)

// SlugStatus says whether a name can be had now, and proposes one close to it when not.
func (c *Control) SlugStatus(ctx context.Context, slug string) (a Availability, err error) {
	err = c.store.Read(ctx, func(tx *store.Tx) error {
		a, err = c.slugStatus(tx, slug, "")
		return err
	})
	return a, failure(err)
}

// ProposeSlug makes a free name from an association's name, or "" when nothing can be made of it.
func (c *Control) ProposeSlug(ctx context.Context, association string) (slug string, err error) {
	slug = hosting.ProposeSlug(association, c.reserved())
	if slug == "" {
		return "", nil
	}
	err = c.store.Read(ctx, func(tx *store.Tx) error {
		slug, err = c.freeSlug(tx, slug, "")
		return err
	})
	return slug, failure(err)
}

// slugStatus does the work of SlugStatus for the request except, whose own wish does not count.
func (c *Control) slugStatus(tx *store.Tx, slug, except string) (Availability, error) {
	a := Availability{Slug: slug}
	if key := hosting.SlugProblem(slug, c.reserved()); key != "" {
		a.Problem, a.Args, a.Proposal = key, []any{hosting.MinSlug, hosting.MaxSlug}, ""
		if fixed := hosting.ProposeSlug(slug, c.reserved()); fixed != "" && fixed != slug {
			var err error
			a.Proposal, err = c.freeSlug(tx, fixed, except)
			return a, err
		}
		return a, nil
	}
	taken, err := slugTaken(tx, slug, except)
	if err != nil {
		return a, err
	}
	if taken {
		a.Problem = "error.slug_taken"
		a.Proposal, err = c.freeSlug(tx, slug, except)
		return a, err
	}
	for _, k := range c.offered() {
		if app, ok := c.application(k.ID); ok && app.Tenancy != catalogue.Shared {
			a.Hosts = append(a.Hosts, hosting.HostName(slug, k.ID, c.options.Platform))
		}
	}
	return a, nil
}

// freeSlug returns slug or the first alternative that nobody has; "" when the first fifty are gone.
func (c *Control) freeSlug(tx *store.Tx, slug, except string) (string, error) {
	candidate := slug
	for n := 2; n < 50; n++ {
		taken, err := slugTaken(tx, candidate, except)
		if err != nil {
			return "", err
		}
		if !taken && hosting.SlugProblem(candidate, c.reserved()) == "" {
			return candidate, nil
		}
		candidate = hosting.SlugAlternative(slug, n)
	}
	return "", nil
}

// slugTaken says whether a space has the name or a request in the queue wants it. Unconfirmed requests do not count:
// nobody blocks names with made-up addresses.
func slugTaken(tx *store.Tx, slug, except string) (bool, error) {
	if used, err := tx.SlugUsed(slug); err != nil || used {
		return used, err
	}
	return tx.SlugWanted(slug, except)
}
