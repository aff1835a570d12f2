package control

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"framagit.org/frama/frama/services/auth"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/mail"
	"framagit.org/frama/frama/services/store"
)

// NewAsk is what an association wishes.
type NewAsk struct {
	Plan   string // another plan, or empty
	Metric string // storage or accounts …, with Wanted
	Wanted int64  // in all, not on top: bytes for storage
	Reason string
}

// AskView is a wish with its space and how it stands.
type AskView struct {
	hosting.QuotaAsk
	Space hosting.Space
	Quota hosting.Quota // of Metric, for a wish for more of it
}

// maxAsks is how many wishes a space may have in a day: each is read by people.
const maxAsks = 3

// AskMore notes the wish of the holder of a request's private link, and tells the staff.
func (c *Control) AskMore(ctx context.Context, actor hosting.Actor, token string, ask NewAsk) (a hosting.QuotaAsk, err error) {
	ask.Reason = strings.TrimSpace(strings.ReplaceAll(ask.Reason, "\r\n", "\n"))
	err = c.store.Write(ctx, func(tx *store.Tx) error {
		q, s, err := c.tracked(tx, token)
		if err != nil {
			return err
		}
		if err := tx.TakeSpaces([]string{s.ID}); err != nil {
			return err
		}
		if err := c.checkAsk(tx, s, ask); err != nil {
			return err
		}
		today, err := tx.AsksSince(s.ID, tx.Now.Add(-24*time.Hour))
		if err != nil {
			return err
		}
		if today >= maxAsks {
			return hosting.Errorf(hosting.TooMany, "error.asks", maxAsks)
		}
		a = hosting.QuotaAsk{ID: tx.NewID(), SpaceID: s.ID, Plan: ask.Plan, Metric: ask.Metric, Wanted: ask.Wanted, Reason: ask.Reason,
			State: hosting.AskOpen, CreatedAt: tx.Now}
		if err := tx.InsertAsk(a); err != nil {
			return err
		}
		if err := tx.Audit(actor, "ask.submit", subject("space", s.ID), inShort(a)); err != nil {
			return err
		}
		return c.mailAsk(tx, q, s, a)
	})
	if errors.Is(err, store.ErrTaken) {
		return a, hosting.Errorf(hosting.Conflict, "error.ask_open")
	}
	return a, failure(err)
}

// tracked finds the request and the open space behind a private link.
func (c *Control) tracked(tx *store.Tx, token string) (q hosting.Request, s hosting.Space, err error) {
	if q, err = tx.RequestByTrack(auth.Hash(token)); err != nil {
		return q, s, err
	}
	if q.SpaceID == "" {
		return q, s, store.ErrNotFound
	}
	if s, err = tx.Space(q.SpaceID); err != nil {
		return q, s, err
	}
	if s.ActivatedAt.IsZero() {
		return q, s, store.ErrNotFound
	}
	return q, s, nil
}

// checkAsk says what is wrong with a wish, all fields at once.
func (c *Control) checkAsk(tx *store.Tx, s hosting.Space, ask NewAsk) error {
	wrong := fields{}
	wrong.merge(hosting.ValidateWish("reason", ask.Reason))
	if ask.Plan != "" {
		_, known := c.catalogue.Plan(ask.Plan)
		switch {
		case ask.Metric != "" || ask.Wanted != 0, !known:
			wrong.add("plan", "error.choice")
		case ask.Plan == s.Plan:
			wrong.add("plan", "error.ask_same_plan")
		}
		return wrong.err()
	}
	weighing, err := c.scale(tx, []string{s.ID})
	if err != nil {
		return err
	}
	limit, _ := weighing.limit(s, weighing.plan(s), ask.Metric)
	switch {
	case !slices.Contains(limitable(), ask.Metric), limit == hosting.Unlimited:
		wrong.add("metric", "error.choice")
	case ask.Wanted <= limit:
		wrong.add("wanted", "error.ask_less")
	case ask.Wanted > maxLimit:
		wrong.add("wanted", "error.limit")
	}
	return wrong.err()
}

// inShort says in the audit log what a wish is about.
func inShort(a hosting.QuotaAsk) string {
	if a.Plan != "" {
		return "plan " + a.Plan
	}
	return a.Metric + ": " + hosting.Figure(a.Metric, a.Wanted)
}

// maxAsksListed is how many wishes a list holds.
const maxAsksListed = 200

// Asks returns the wishes in a state, or all when it is empty, the oldest open one first.
func (c *Control) Asks(ctx context.Context, actor hosting.Actor, state hosting.AskState) (views []AskView, err error) {
	if err := allow(actor, hosting.RoleReviewer); err != nil {
		return nil, err
	}
	err = c.store.Read(ctx, func(tx *store.Tx) error {
		asks, err := tx.Asks(state, maxAsksListed)
		if err != nil {
			return err
		}
		var ids []string
		for _, a := range asks {
			ids = append(ids, a.SpaceID)
		}
		spaces, err := spacesByID(tx, ids)
		if err != nil {
			return err
		}
		quotas, err := tx.QuotasOf(ids)
		for _, a := range asks {
			v := AskView{QuotaAsk: a, Space: spaces[a.SpaceID]}
			for _, q := range quotas[a.SpaceID] {
				if q.Metric == a.Metric {
					v.Quota = q
				}
			}
			views = append(views, v)
		}
		return err
	})
	return views, failure(err)
}

// AnswerAsk grants a wish (the plan changes, or an exception is made) or declines it. The answer is mailed; declining
// needs one. Operators.
func (c *Control) AnswerAsk(ctx context.Context, actor hosting.Actor, id string, grant bool, answer string) error {
	if err := allow(actor, hosting.RoleOperator); err != nil {
		return err
	}
	answer = strings.TrimSpace(strings.ReplaceAll(answer, "\r\n", "\n"))
	if answer != "" || !grant {
		if err := hosting.ValidateAnswer("answer", answer); err != nil {
			return err
		}
	}
	err := c.store.Write(ctx, func(tx *store.Tx) error {
		a, err := tx.Ask(id)
		if err != nil {
			return err
		}
		if grant && a.Plan != "" {
			if err := c.takeTurn(tx); err != nil {
				return err
			}
		}
		s, err := c.takeSpace(tx, a.SpaceID)
		if err != nil {
			return err
		}
		a.State, a.Answer, a.AnsweredAt, a.AnsweredBy = hosting.AskDeclined, answer, tx.Now, actor.Name
		action := "ask.decline"
		if grant {
			a.State, action = hosting.AskGranted, "ask.grant"
		}
		if err := tx.AnswerAsk(a); err != nil {
			return err
		}
		if err := tx.Audit(actor, action, subject("space", s.ID), inShort(a)); err != nil {
			return err
		}
		template := mail.TemplateAskDeclined
		if grant {
			template = mail.TemplateAskGranted
			if s, err = c.grantAsk(tx, actor, s, a); err != nil {
				return err
			}
		}
		return c.mailAnswer(tx, template, s, a)
	})
	if errors.Is(err, store.ErrStale) {
		return hosting.Errorf(hosting.Conflict, "error.ask_answered")
	}
	if err == nil && grant {
		_, _ = c.AdmitWaiting(ctx) // a smaller plan makes room
	}
	return failure(err)
}

// grantAsk gives a space what it wished for.
func (c *Control) grantAsk(tx *store.Tx, actor hosting.Actor, s hosting.Space, a hosting.QuotaAsk) (hosting.Space, error) {
	if a.Plan != "" {
		return c.changePlan(tx, actor, s, a.Plan)
	}
	weighing, err := c.scale(tx, []string{s.ID})
	if err != nil {
		return s, err
	}
	if limit, _ := weighing.limit(s, weighing.plan(s), a.Metric); limit == hosting.Unlimited || limit >= a.Wanted {
		return s, nil // it was given as much meanwhile: a wish for more never gives less
	}
	e := NewException{Metric: a.Metric, Limit: a.Wanted, Reason: firstRunes(a.Reason, hosting.MaxNote)}
	if _, err := c.setException(tx, actor, s, e); err != nil {
		return s, err
	}
	_, err = c.weigh(tx, []string{s.ID})
	return s, err
}

// firstRunes cuts a text to at most n characters.
func firstRunes(text string, n int) string {
	runes := []rune(text)
	return string(runes[:min(len(runes), n)])
}
