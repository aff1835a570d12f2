package store

import "framagit.org/frama/frama/services/hosting"

const exceptionColumns = `id, space_id, metric, most, reason, expires_at, created_at, created_by, ended_at, ended_by`

func scanException(r row) (hosting.QuotaException, error) {
	var e hosting.QuotaException
	var expires, created, ended int64
	err := r.Scan(&e.ID, &e.SpaceID, &e.Metric, &e.Limit, &e.Reason, &expires, &created, &e.CreatedBy, &ended, &e.EndedBy)
	e.ExpiresAt, e.CreatedAt, e.EndedAt = instant(expires), instant(created), instant(ended)
	return e, err
}

// inForce is the condition under which an exception holds; the placeholder is now.
const inForce = `ended_at = 0 AND (expires_at = 0 OR expires_at > $1)`

// InsertException gives a space a limit of its own. Whoever calls it has taken the space, and ended the one it had.
func (tx *Tx) InsertException(e hosting.QuotaException) error {
	_, err := tx.exec(`INSERT INTO quota_exception (`+exceptionColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, '')`,
		e.ID, e.SpaceID, e.Metric, e.Limit, e.Reason, micros(e.ExpiresAt), micros(e.CreatedAt), e.CreatedBy)
	return err
}

// EndException ends the exception of a space for a metric before its time, and says whether there was one.
func (tx *Tx) EndException(space, metric, by string) (bool, error) {
	n, err := tx.exec(`UPDATE quota_exception SET ended_at = $1, ended_by = $2 WHERE space_id = $3 AND metric = $4 AND `+inForce,
		micros(tx.Now), by, space, metric)
	return n > 0, err
}

// ExceptionsInForce returns the exceptions of spaces that hold now, by space.
func (tx *Tx) ExceptionsInForce(spaces []string) (map[string][]hosting.QuotaException, error) {
	if len(spaces) == 0 {
		return nil, nil
	}
	all, err := many(tx, scanException, `SELECT `+exceptionColumns+` FROM quota_exception WHERE `+inForce+`
		AND space_id `+tx.among(len(spaces), 2)+` ORDER BY id`, append([]any{micros(tx.Now)}, list(spaces)...)...)
	return bySpace(all, func(e hosting.QuotaException) string { return e.SpaceID }), err
}

// ExceptionsOf returns the exceptions a space has and had, the newest first.
func (tx *Tx) ExceptionsOf(space string) ([]hosting.QuotaException, error) {
	return many(tx, scanException, `SELECT `+exceptionColumns+` FROM quota_exception WHERE space_id = $1
		ORDER BY created_at DESC, id DESC`, space)
}

// Exceptions returns the exceptions of all spaces that hold now, the newest first.
func (tx *Tx) Exceptions(limit int) ([]hosting.QuotaException, error) {
	return many(tx, scanException, `SELECT `+exceptionColumns+` FROM quota_exception WHERE `+inForce+`
		ORDER BY created_at DESC, id DESC LIMIT $2`, micros(tx.Now), limit)
}
