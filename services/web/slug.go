package web

import (
	"net/http"
	"strings"

	"github.com/gofiber/fiber/v2"

	"framagit.org/frama/frama/services/hosting"
)

// maxAsked is the longest name worth looking up, in bytes: four for each character an association's name may have.
const maxAsked = 4 * hosting.MaxName

// nameAnswer is the answer to "may I have this name?", for the page and for its script.
type nameAnswer struct {
	Slug     string   `json:"slug"`
	Free     bool     `json:"free"`
	Message  string   `json:"message"`
	Proposal string   `json:"proposal"` // a name to take instead, or one made from the association's name
	Hosts    []string `json:"hosts"`    // addresses the space would have
}

// slug tells the form's script whether a name is free, or proposes one when none is typed yet.
func (s *site) slug(c *fiber.Ctx) error {
	c.Set("Cache-Control", "no-store")
	if wait, ok := s.checks.take(s.visitOf(c).IP); !ok {
		retryAfter(c, wait)
		return hosting.Errorf(hosting.TooMany, "error.too_many_forms")
	}
	answer, err := s.nameAnswer(c, c.Query("name"), c.Query("slug"))
	if err != nil {
		return err
	}
	return c.Status(http.StatusOK).JSON(answer)
}

func (s *site) nameAnswer(c *fiber.Ctx, association, slug string) (nameAnswer, error) {
	slug = strings.ToLower(strings.TrimSpace(slug))
	if slug == "" {
		return s.nameProposal(c, association)
	}
	if len(slug) > maxAsked {
		return nameAnswer{Message: s.t(c, "error.slug_length", hosting.MinSlug, hosting.MaxSlug)}, nil
	}
	a, err := s.Control.SlugStatus(c.UserContext(), slug)
	if err != nil {
		return nameAnswer{}, err
	}
	if a.Free() {
		return nameAnswer{Slug: slug, Free: true, Message: s.t(c, "slug.free", slug), Hosts: a.Hosts}, nil
	}
	args := a.Args
	if len(args) == 0 {
		args = []any{hosting.MinSlug, hosting.MaxSlug}
	}
	return nameAnswer{Slug: slug, Message: s.t(c, a.Problem, args...), Proposal: a.Proposal}, nil
}

// nameProposal makes a name from the association's.
func (s *site) nameProposal(c *fiber.Ctx, association string) (nameAnswer, error) {
	association = strings.TrimSpace(association)
	if association == "" || len(association) > maxAsked {
		return nameAnswer{Message: s.t(c, "slug.none")}, nil
	}
	proposal, err := s.Control.ProposeSlug(c.UserContext(), association)
	if err != nil {
		return nameAnswer{}, err
	}
	if proposal == "" {
		return nameAnswer{Message: s.t(c, "slug.none")}, nil
	}
	a, err := s.Control.SlugStatus(c.UserContext(), proposal)
	if err != nil {
		return nameAnswer{}, err
	}
	return nameAnswer{
		Slug: proposal, Free: a.Free(), Proposal: proposal, Message: s.t(c, "slug.proposed", proposal), Hosts: a.Hosts,
	}, nil
}
