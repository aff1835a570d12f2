package store

import (
	"time"

	"framagit.org/frama/frama/services/hosting"
)

const staffColumns = `id, email, name, role, password_hash, created_at, disabled_at`

func scanStaff(r row) (hosting.User, error) {
	var u hosting.User
	var created, disabled int64
	err := r.Scan(&u.ID, &u.Email, &u.Name, &u.Role, &u.PasswordHash, &created, &disabled)
	u.CreatedAt, u.DisabledAt = instant(created), instant(disabled)
	return u, err
}

// InsertUser adds a member of the staff; ErrTaken when the address is known. The address is kept in lower case.
func (tx *Tx) InsertUser(u hosting.User) error {
	_, err := tx.exec(`INSERT INTO staff (`+staffColumns+`) VALUES ($1, lower($2), $3, $4, $5, $6, $7)`,
		u.ID, u.Email, u.Name, u.Role, u.PasswordHash, micros(u.CreatedAt), micros(u.DisabledAt))
	return err
}

// User returns a member of the staff by identifier.
func (tx *Tx) User(id string) (hosting.User, error) {
	return one(tx, scanStaff, `SELECT `+staffColumns+` FROM staff WHERE id = $1`, id)
}

// UserByEmail returns a member of the staff by address.
func (tx *Tx) UserByEmail(email string) (hosting.User, error) {
	return one(tx, scanStaff, `SELECT `+staffColumns+` FROM staff WHERE email = lower($1)`, email)
}

// Users returns all members of the staff.
func (tx *Tx) Users() ([]hosting.User, error) {
	return many(tx, scanStaff, `SELECT `+staffColumns+` FROM staff ORDER BY email`)
}

// SetPassword changes a password and ends every session of its owner.
func (tx *Tx) SetPassword(id, hash string) error {
	if err := tx.must(`UPDATE staff SET password_hash = $1 WHERE id = $2`, hash, id); err != nil {
		return err
	}
	_, err := tx.exec(`DELETE FROM session WHERE staff_id = $1`, id)
	return err
}

// InsertSession opens a session. Expired ones are swept away on the occasion.
func (tx *Tx) InsertSession(tokenHash, csrf, user string, expires time.Time) error {
	if _, err := tx.exec(`DELETE FROM session WHERE expires_at <= $1`, micros(tx.Now)); err != nil {
		return err
	}
	_, err := tx.exec(`INSERT INTO session (token_hash, csrf, staff_id, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)`,
		tokenHash, csrf, user, micros(tx.Now), micros(expires))
	return err
}

// OpenSession is a session that has not expired, of a user who is not disabled.
type OpenSession struct {
	CSRF      string
	UserID    string
	ExpiresAt time.Time
}

// Session returns an open session.
func (tx *Tx) Session(tokenHash string) (OpenSession, error) {
	return one(tx, func(r row) (s OpenSession, err error) {
		var expires int64
		err = r.Scan(&s.CSRF, &s.UserID, &expires)
		s.ExpiresAt = instant(expires)
		return
	}, `SELECT s.csrf, s.staff_id, s.expires_at FROM session s JOIN staff u ON u.id = s.staff_id
		WHERE s.token_hash = $1 AND s.expires_at > $2 AND u.disabled_at = 0`, tokenHash, micros(tx.Now))
}

// EndSession closes a session.
func (tx *Tx) EndSession(tokenHash string) error {
	_, err := tx.exec(`DELETE FROM session WHERE token_hash = $1`, tokenHash)
	return err
}

// LoginFailed counts a failed sign-in against its subjects.
func (tx *Tx) LoginFailed(subjects ...string) error {
	if _, err := tx.exec(`DELETE FROM failed_login WHERE at < $1`, micros(tx.Now.Add(-24*time.Hour))); err != nil {
		return err
	}
	for _, s := range subjects {
		if _, err := tx.exec(`INSERT INTO failed_login (id, subject, at) VALUES ($1, $2, $3)`, tx.NewID(), short(s), micros(tx.Now)); err != nil {
			return err
		}
	}
	return nil
}

// FailedLogins says how often a subject failed since.
func (tx *Tx) FailedLogins(subject string, since time.Time) (int, error) {
	return one(tx, value[int], `SELECT COUNT(*) FROM failed_login WHERE subject = $1 AND at >= $2`, short(subject), micros(since))
}

// ForgetFailedLogins clears a subject after a success.
func (tx *Tx) ForgetFailedLogins(subject string) error {
	_, err := tx.exec(`DELETE FROM failed_login WHERE subject = $1`, short(subject))
	return err
}
