package store

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"framagit.org/frama/frama/services/hosting"
)

const requestColumns = `id, state, association, rna, siret, website, contact, email, lang, purpose, slug, kinds, plan,
	charter_version, reason, reviewer_id, space_id, created_at, confirmed_at, decided_at, waiting_since`

func scanRequest(r row) (hosting.Request, error) {
	var q hosting.Request
	var kinds string
	var created, confirmed, decided, waiting int64
	err := r.Scan(&q.ID, &q.State, &q.Association.Name, &q.Association.RNA, &q.Association.SIRET, &q.Association.Website,
		&q.Contact.Name, &q.Contact.Email, &q.Contact.Lang, &q.Purpose, &q.Slug, &kinds, &q.Plan, &q.CharterVersion,
		&q.Reason, &q.ReviewerID, &q.SpaceID, &created, &confirmed, &decided, &waiting)
	if err != nil {
		return q, err
	}
	q.CreatedAt, q.ConfirmedAt, q.DecidedAt, q.WaitingSince = instant(created), instant(confirmed), instant(decided), instant(waiting)
	if err := json.Unmarshal([]byte(kinds), &q.Kinds); err != nil {
		return q, fmt.Errorf("kinds of request %s: %w", q.ID, err)
	}
	return q, nil
}

// InsertRequest adds a request. The hashes are those of the tokens in its two links.
func (tx *Tx) InsertRequest(q hosting.Request, confirmHash, trackHash string) error {
	kinds, err := json.Marshal(q.Kinds)
	if err != nil {
		return fmt.Errorf("encode kinds: %w", err)
	}
	_, err = tx.exec(`INSERT INTO request (`+requestColumns+`, confirm_hash, track_hash, search)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, '', '', '', $15, 0, 0, 0, $16, $17, $18)`,
		q.ID, q.State, q.Association.Name, q.Association.RNA, q.Association.SIRET, q.Association.Website, q.Contact.Name,
		q.Contact.Email, q.Contact.Lang, q.Purpose, q.Slug, string(kinds), q.Plan, q.CharterVersion, micros(q.CreatedAt),
		confirmHash, trackHash, searchText(q.Association.Name, q.Slug, q.Contact.Name, q.Contact.Email, q.Association.RNA,
			q.Association.SIRET))
	return err
}

// Request returns one request.
func (tx *Tx) Request(id string) (hosting.Request, error) {
	return one(tx, scanRequest, `SELECT `+requestColumns+` FROM request WHERE id = $1`, id)
}

// RequestByConfirm finds a request by the hash of its confirmation token.
func (tx *Tx) RequestByConfirm(hash string) (hosting.Request, error) {
	return one(tx, scanRequest, `SELECT `+requestColumns+` FROM request WHERE confirm_hash = $1`, hash)
}

// RequestByTrack finds a request by the hash of its tracking token.
func (tx *Tx) RequestByTrack(hash string) (hosting.Request, error) {
	return one(tx, scanRequest, `SELECT `+requestColumns+` FROM request WHERE track_hash = $1`, hash)
}

// MoveRequest writes the state, reason, reviewer, space and times of q if the request is still in state from.
func (tx *Tx) MoveRequest(from hosting.RequestState, q hosting.Request) error {
	if !from.CanBecome(q.State) {
		return fmt.Errorf("request %s cannot go from %s to %s: %w", q.ID, from, q.State, ErrStale)
	}
	return tx.must(`UPDATE request SET state = $1, reason = $2, reviewer_id = $3, space_id = $4, confirmed_at = $5,
		decided_at = $6, waiting_since = $7 WHERE id = $8 AND state = $9`,
		q.State, q.Reason, q.ReviewerID, q.SpaceID, micros(q.ConfirmedAt), micros(q.DecidedAt), micros(q.WaitingSince), q.ID, from)
}

// UnconfirmedOf says how many requests an address has left unconfirmed since.
func (tx *Tx) UnconfirmedOf(email string, since time.Time) (int, error) {
	return one(tx, value[int], `SELECT COUNT(*) FROM request WHERE state = 'unconfirmed' AND created_at >= $1
		AND lower(email) = lower($2)`, micros(since), email)
}

// SlugWanted says whether a request other than except wants the slug, or was given it and waits for room.
func (tx *Tx) SlugWanted(slug, except string) (bool, error) {
	n, err := one(tx, value[int], `SELECT COUNT(*) FROM request WHERE slug = $1 AND state IN ('pending', 'waiting') AND id <> $2`, slug, except)
	return n > 0, err
}

// Requests returns a page of the requests that match, and how many there are by state whatever the state asked for.
// Pending ones come oldest first, and so do those that wait for room: they are queues.
func (tx *Tx) Requests(state hosting.RequestState, text, kind string, offset, limit int) (
	page []hosting.Request, counts map[hosting.RequestState]int, err error,
) {
	w := where{}
	w.search(text)
	if kind != "" {
		w.add(`kinds LIKE $%d ESCAPE '\'`, `%"`+escapeLike(kind)+`"%`)
	}
	counts, err = countByState[hosting.RequestState](tx, "request", w)
	if err != nil {
		return nil, nil, err
	}
	if state != "" {
		w.add("state = $%d", state)
	}
	order := "created_at DESC, id DESC"
	switch state {
	case hosting.RequestPending:
		order = "created_at, id"
	case hosting.RequestWaiting:
		order = "waiting_since, id"
	}
	page, err = many(tx, scanRequest, fmt.Sprintf(`SELECT `+requestColumns+` FROM request %s ORDER BY %s LIMIT %d OFFSET %d`,
		w.sql(), order, limit, offset), w.args...)
	return page, counts, err
}

// SimilarRequests returns requests other than q from the same address or number, or whose name reads alike.
func (tx *Tx) SimilarRequests(q hosting.Request) ([]hosting.Request, error) {
	return many(tx, scanRequest, `SELECT `+requestColumns+` FROM request WHERE id <> $1 AND state <> 'unconfirmed' AND (
		lower(email) = lower($2) OR (rna <> '' AND rna = $3) OR (siret <> '' AND siret = $4) OR slug = $5
		OR search LIKE $6 ESCAPE '\') ORDER BY created_at DESC, id DESC LIMIT 10`,
		q.ID, q.Contact.Email, q.Association.RNA, q.Association.SIRET, q.Slug,
		escapeLike(searchText(q.Association.Name))+"%")
}

// where builds the condition of a list.
type where struct {
	parts []string
	args  []any
}

func (w *where) add(condition string, arg any) {
	w.args = append(w.args, arg)
	w.parts = append(w.parts, fmt.Sprintf(condition, len(w.args)))
}

// maxSearch is how many bytes of a search count; SQLite refuses patterns and statements beyond a size.
const maxSearch = 200

// search looks for each word of the text.
func (w *where) search(text string) {
	for _, word := range strings.Fields(searchText(text[:min(len(text), maxSearch)])) {
		w.add(`search LIKE $%d ESCAPE '\'`, "%"+escapeLike(word)+"%")
	}
}

func (w *where) sql() string {
	if len(w.parts) == 0 {
		return ""
	}
	return "WHERE " + strings.Join(w.parts, " AND ")
}

func escapeLike(s string) string {
	return strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(s)
}

func countByState[S ~string](tx *Tx, table string, w where) (map[S]int, error) {
	type pair struct {
		state S
		n     int
	}
	pairs, err := many(tx, func(r row) (p pair, err error) { err = r.Scan(&p.state, &p.n); return },
		fmt.Sprintf(`SELECT state, COUNT(*) FROM %s %s GROUP BY state`, table, w.sql()), w.args...)
	counts := map[S]int{}
	for _, p := range pairs {
		counts[p.state] = p.n
	}
	return counts, err
}

func joinOr(parts []string) string {
	if len(parts) == 0 {
		return "1 = 0"
	}
	return strings.Join(parts, " OR ")
}
