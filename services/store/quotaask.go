package store

import (
	"time"

	"framagit.org/frama/frama/services/hosting"
)

const askColumns = `id, space_id, plan, metric, wanted, reason, state, answer, created_at, answered_at, answered_by`

func scanAsk(r row) (hosting.QuotaAsk, error) {
	var a hosting.QuotaAsk
	var created, answered int64
	err := r.Scan(&a.ID, &a.SpaceID, &a.Plan, &a.Metric, &a.Wanted, &a.Reason, &a.State, &a.Answer, &created, &answered, &a.AnsweredBy)
	a.CreatedAt, a.AnsweredAt = instant(created), instant(answered)
	return a, err
}

// InsertAsk notes a wish for more; ErrTaken while the space waits for the answer to another one.
func (tx *Tx) InsertAsk(a hosting.QuotaAsk) error {
	_, err := tx.exec(`INSERT INTO quota_ask (`+askColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, '', $8, 0, '')`,
		a.ID, a.SpaceID, a.Plan, a.Metric, a.Wanted, a.Reason, a.State, micros(a.CreatedAt))
	return err
}

// Ask returns one wish.
func (tx *Tx) Ask(id string) (hosting.QuotaAsk, error) {
	return one(tx, scanAsk, `SELECT `+askColumns+` FROM quota_ask WHERE id = $1`, id)
}

// AskOf returns the newest wish of a space; ErrNotFound when it never had one.
func (tx *Tx) AskOf(space string) (hosting.QuotaAsk, error) {
	return one(tx, scanAsk, `SELECT `+askColumns+` FROM quota_ask WHERE space_id = $1 ORDER BY created_at DESC, id DESC LIMIT 1`, space)
}

// AsksSince says how many wishes a space had since.
func (tx *Tx) AsksSince(space string, since time.Time) (int, error) {
	return one(tx, value[int], `SELECT COUNT(*) FROM quota_ask WHERE space_id = $1 AND created_at > $2`, space, micros(since))
}

// Asks returns wishes in a state, or all: the open ones first, the oldest of them on top, then the newest of the others.
func (tx *Tx) Asks(state hosting.AskState, limit int) ([]hosting.QuotaAsk, error) {
	return many(tx, scanAsk, `SELECT `+askColumns+` FROM quota_ask WHERE $1 = '' OR state = $1
		ORDER BY CASE WHEN state = 'open' THEN 0 ELSE 1 END, CASE WHEN state = 'open' THEN created_at ELSE -created_at END, id LIMIT $2`,
		state, limit)
}

// AnswerAsk writes the state, answer and time of an open wish.
func (tx *Tx) AnswerAsk(a hosting.QuotaAsk) error {
	return tx.must(`UPDATE quota_ask SET state = $1, answer = $2, answered_at = $3, answered_by = $4 WHERE id = $5 AND state = 'open'`,
		a.State, a.Answer, micros(a.AnsweredAt), a.AnsweredBy, a.ID)
}
