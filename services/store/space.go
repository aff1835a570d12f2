package store

import (
	"fmt"

	"framagit.org/frama/frama/services/hosting"
)

const spaceColumns = `id, COALESCE(request_id, ''), shared, handle, slug, name, email, lang, plan, cluster, state, created_at,
	activated_at`

func scanSpace(r row) (hosting.Space, error) {
	var s hosting.Space
	var shared, created, activated int64
	err := r.Scan(&s.ID, &s.RequestID, &shared, &s.Handle, &s.Slug, &s.Name, &s.Email, &s.Lang, &s.Plan, &s.Cluster, &s.State,
		&created, &activated)
	s.Shared, s.CreatedAt, s.ActivatedAt = shared == 1, instant(created), instant(activated)
	return s, err
}

// InsertSpace adds a space; ErrTaken when its slug or handle is.
func (tx *Tx) InsertSpace(s hosting.Space) error {
	_, err := tx.insertSpace(s, "")
	return err
}

// InsertSpaceOnce adds a space unless its slug or handle is taken, and says whether it did. Of several at once one adds
// it; the others wait for that one's end, and see what it made.
func (tx *Tx) InsertSpaceOnce(s hosting.Space) (bool, error) {
	n, err := tx.insertSpace(s, " ON CONFLICT DO NOTHING")
	return n == 1, err
}

func (tx *Tx) insertSpace(s hosting.Space, otherwise string) (int64, error) {
	var request any // NULL for the host's own
	if s.RequestID != "" {
		request = s.RequestID
	}
	shared := 0
	if s.Shared {
		shared = 1
	}
	return tx.exec(`INSERT INTO space (id, request_id, shared, handle, slug, name, email, lang, plan, cluster, state, created_at,
		activated_at, search) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`+otherwise,
		s.ID, request, shared, s.Handle, s.Slug, s.Name, s.Email, s.Lang, s.Plan, s.Cluster, s.State, micros(s.CreatedAt),
		micros(s.ActivatedAt), searchText(s.Name, s.Slug, s.Handle, s.Email))
}

// Space returns one space.
func (tx *Tx) Space(id string) (hosting.Space, error) {
	return one(tx, scanSpace, `SELECT `+spaceColumns+` FROM space WHERE id = $1`, id)
}

// SpaceNamed finds a space by its ID, slug or handle.
func (tx *Tx) SpaceNamed(name string) (hosting.Space, error) {
	return one(tx, scanSpace, `SELECT `+spaceColumns+` FROM space WHERE id = $1 OR slug = $1 OR handle = $1
		ORDER BY CASE WHEN id = $1 THEN 0 WHEN slug = $1 THEN 1 ELSE 2 END LIMIT 1`, name)
}

// SlugUsed says whether a space has the slug.
func (tx *Tx) SlugUsed(slug string) (bool, error) {
	n, err := one(tx, value[int], `SELECT COUNT(*) FROM space WHERE slug = $1`, slug)
	return n > 0, err
}

// HandleUsed says whether a space has or ever had the handle.
func (tx *Tx) HandleUsed(handle string) (bool, error) {
	n, err := one(tx, value[int], `SELECT COUNT(*) FROM space WHERE handle = $1`, handle)
	return n > 0, err
}

// Spaces returns a page of the spaces that match, newest first, and how many there are by state.
func (tx *Tx) Spaces(state hosting.SpaceState, text string, offset, limit int) (
	page []hosting.Space, counts map[hosting.SpaceState]int, err error,
) {
	w := where{}
	w.search(text)
	counts, err = countByState[hosting.SpaceState](tx, "space", w)
	if err != nil {
		return nil, nil, err
	}
	if state != "" {
		w.add("state = $%d", state)
	}
	page, err = many(tx, scanSpace, fmt.Sprintf(`SELECT `+spaceColumns+` FROM space %s
		ORDER BY created_at DESC, id DESC LIMIT %d OFFSET %d`, w.sql(), limit, offset), w.args...)
	return page, counts, err
}

// MoveSpace changes the state of a space if it is in a state that allows it, and says whether it did. A space that is
// already there is left alone.
func (tx *Tx) MoveSpace(id string, to hosting.SpaceState) (moved bool, err error) {
	s, err := tx.Space(id)
	if err != nil {
		return false, err
	}
	if s.State == to {
		return false, nil
	}
	if !s.State.CanBecome(to) {
		return false, fmt.Errorf("space %s cannot go from %s to %s: %w", id, s.State, to, ErrStale)
	}
	activated := s.ActivatedAt
	if to == hosting.SpaceActive && activated.IsZero() {
		activated = tx.Now
	}
	n, err := tx.exec(`UPDATE space SET state = $1, activated_at = $2 WHERE id = $3 AND state = $4`,
		to, micros(activated), id, s.State)
	if err == nil && n == 0 {
		err = ErrStale
	}
	if err != nil {
		return false, err
	}
	return true, tx.bumpEdgeOf(id)
}

// SetCluster records the cluster a space was placed on; a space never changes it by that.
func (tx *Tx) SetCluster(id, cluster string) error {
	return tx.must(`UPDATE space SET cluster = $1 WHERE id = $2 AND (cluster = '' OR cluster = $1)`, cluster, id)
}
