package control

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"framagit.org/frama/frama/services/auth"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
)

// Attempts to sign in are counted before the password is looked at, so that many at once cannot outrun the count. The
// tight limit is on an account from one address of the network: somebody elsewhere who guesses must not lock its owner
// out. An address may stand for a whole office.
const (
	loginWindow     = 15 * time.Minute
	loginPerPair    = 5
	loginPerAccount = 50
	loginPerAddress = 30
	// hashesAtOnce bounds the memory that argon2id takes, 19 MiB each.
	hashesAtOnce = 4
)

// SignIn opens a session for a member of the staff.
func (c *Control) SignIn(ctx context.Context, actor hosting.Actor, email, password string) (Session, error) {
	email = strings.ToLower(strings.TrimSpace(email))
	if len(email) > hosting.MaxEmail {
		email = email[:hosting.MaxEmail]
	}
	subjects := map[string]int{
		"pair:" + email + " " + actor.IP: loginPerPair, "account:" + email: loginPerAccount, "address:" + actor.IP: loginPerAddress,
	}
	user, err := c.attempt(ctx, email, subjects)
	if err != nil {
		return Session{}, failure(err)
	}
	// Outside any transaction: argon2id takes tens of milliseconds, and SQLite has one writer.
	if !c.rightPassword(ctx, password, user.PasswordHash) || !user.DisabledAt.IsZero() {
		err := c.store.Write(ctx, func(tx *store.Tx) error {
			return tx.Audit(actor, "session.refused", subject("user", email), "")
		})
		return Session{}, errors.Join(failure(err), hosting.Errorf(hosting.Unsigned, "error.login"))
	}
	s := Session{Token: auth.NewToken(), CSRF: auth.NewToken(), User: user}
	err = c.store.Write(ctx, func(tx *store.Tx) error {
		s.ExpiresAt = tx.Now.Add(c.options.SessionTTL)
		for name := range subjects {
			if err := tx.ForgetFailedLogins(name); err != nil {
				return err
			}
		}
		if err := tx.InsertSession(auth.Hash(s.Token), s.CSRF, user.ID, s.ExpiresAt); err != nil {
			return err
		}
		return tx.Audit(s.Actor(actor.IP), "session.open", subject("user", email), "")
	})
	return s, failure(err)
}

// attempt counts an attempt against each subject, or refuses it when one has had too many, and finds the account.
func (c *Control) attempt(ctx context.Context, email string, limits map[string]int) (user hosting.User, err error) {
	err = c.store.Write(ctx, func(tx *store.Tx) error {
		for name, limit := range limits {
			n, err := tx.FailedLogins(name, tx.Now.Add(-loginWindow))
			if err != nil {
				return err
			}
			if n >= limit {
				return hosting.Errorf(hosting.TooMany, "error.login_limit", int(loginWindow.Minutes()))
			}
		}
		if err := tx.LoginFailed(slices.Collect(maps.Keys(limits))...); err != nil {
			return err
		}
		user, err = tx.UserByEmail(email)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		return err
	})
	return user, err
}

// rightPassword checks a password, a few at a time.
func (c *Control) rightPassword(ctx context.Context, password, hash string) bool {
	select {
	case c.hashing <- struct{}{}:
		defer func() { <-c.hashing }()
		return auth.CheckPassword(password, hash)
	case <-ctx.Done():
		return false
	}
}

// Session returns the open session behind a cookie; Unsigned when there is none.
func (c *Control) Session(ctx context.Context, token string) (Session, error) {
	var s Session
	err := c.store.Read(ctx, func(tx *store.Tx) error {
		open, err := tx.Session(auth.Hash(token))
		if err != nil {
			return err
		}
		s.CSRF, s.ExpiresAt = open.CSRF, open.ExpiresAt
		s.User, err = tx.User(open.UserID)
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return s, hosting.Errorf(hosting.Unsigned, "error.signed_out")
	}
	return s, failure(err)
}

// SignOut ends a session.
func (c *Control) SignOut(ctx context.Context, actor hosting.Actor, token string) error {
	return failure(c.store.Write(ctx, func(tx *store.Tx) error {
		if err := tx.EndSession(auth.Hash(token)); err != nil {
			return err
		}
		return tx.Audit(actor, "session.close", subject("user", actor.Name), "")
	}))
}

// AddUser makes an account for a member of the staff.
func (c *Control) AddUser(ctx context.Context, actor hosting.Actor, email, name string, role hosting.Role, password string) (hosting.User, error) {
	if err := allow(actor, hosting.RoleAdmin); err != nil {
		return hosting.User{}, err
	}
	if !hosting.ValidEmail(email) {
		return hosting.User{}, wrong("email", "error.email")
	}
	if !role.AtLeast(hosting.RoleReviewer) {
		return hosting.User{}, wrong("role", "error.choice")
	}
	hash, err := auth.HashPassword(password)
	if err != nil {
		return hosting.User{}, wrong("password", "error.password", auth.MinPassword, auth.MaxPassword)
	}
	u := hosting.User{ID: c.options.NewID(), Email: strings.ToLower(email), Name: name, Role: role, PasswordHash: hash}
	err = c.store.Write(ctx, func(tx *store.Tx) error {
		u.CreatedAt = tx.Now
		if err := tx.InsertUser(u); err != nil {
			return err
		}
		return tx.Audit(actor, "user.add", subject("user", u.Email), string(role))
	})
	if errors.Is(err, store.ErrTaken) {
		return u, hosting.Errorf(hosting.Conflict, "error.user_exists", u.Email)
	}
	return u, failure(err)
}

// Users lists the staff.
func (c *Control) Users(ctx context.Context, actor hosting.Actor) (users []hosting.User, err error) {
	if err := allow(actor, hosting.RoleAdmin); err != nil {
		return nil, err
	}
	err = c.store.Read(ctx, func(tx *store.Tx) error {
		users, err = tx.Users()
		return err
	})
	return users, failure(err)
}

// SetPassword changes somebody's password and ends their sessions.
func (c *Control) SetPassword(ctx context.Context, actor hosting.Actor, email, password string) error {
	if err := allow(actor, hosting.RoleAdmin); err != nil {
		return err
	}
	hash, err := auth.HashPassword(password)
	if err != nil {
		return wrong("password", "error.password", auth.MinPassword, auth.MaxPassword)
	}
	return failure(c.store.Write(ctx, func(tx *store.Tx) error {
		u, err := tx.UserByEmail(email)
		if err != nil {
			return err
		}
		if err := tx.SetPassword(u.ID, hash); err != nil {
			return err
		}
		return tx.Audit(actor, "user.password", subject("user", u.Email), "")
	}))
}
