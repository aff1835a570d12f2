package store

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"framagit.org/frama/frama/services/hosting"
)

const backingColumns = `id, instance_id, service, server, name, set_aside, state, created_at, rotated_at, retired_at, held_until`

func scanBacking(r row) (hosting.Backing, error) {
	var b hosting.Backing
	var created, rotated, retired, held int64
	err := r.Scan(&b.ID, &b.InstanceID, &b.Service, &b.Server, &b.Name, &b.SetAside, &b.State, &created, &rotated, &retired, &held)
	b.CreatedAt, b.RotatedAt, b.RetiredAt, b.HeldUntil = instant(created), instant(rotated), instant(retired), instant(held)
	return b, err
}

// WantBacking returns what an instance has for a service. Where it has nothing yet, it takes down that choose's server
// is to give it something; choose gets the number of live entries by server. Nothing is on the server before this.
func (tx *Tx) WantBacking(instance, service string, choose func(load map[string]int) (server, name string, err error)) (hosting.Backing, error) {
	known, err := one(tx, scanBacking, `SELECT `+backingColumns+` FROM backing WHERE instance_id = $1 AND service = $2`, instance, service)
	if !errors.Is(err, ErrNotFound) {
		return known, err
	}
	load, err := tx.backingLoad()
	if err != nil {
		return known, err
	}
	b := hosting.Backing{ID: tx.NewID(), InstanceID: instance, Service: service, State: hosting.BackingWanted, CreatedAt: tx.Now}
	if b.Server, b.Name, err = choose(load); err != nil {
		return b, err
	}
	_, err = tx.exec(`INSERT INTO backing (id, instance_id, service, server, name, state, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`, b.ID, b.InstanceID, b.Service, b.Server, b.Name, b.State, micros(b.CreatedAt))
	return b, err
}

// backingLoad counts what each server has, without what was purged.
func (tx *Tx) backingLoad() (map[string]int, error) {
	type line struct {
		server string
		number int
	}
	lines, err := many(tx, func(r row) (l line, err error) {
		err = r.Scan(&l.server, &l.number)
		return
	}, `SELECT server, COUNT(*) FROM backing WHERE state <> 'purged' GROUP BY server`)
	load := map[string]int{}
	for _, l := range lines {
		load[l.server] = l.number
	}
	return load, err
}

// Backing returns one entry.
func (tx *Tx) Backing(id string) (hosting.Backing, error) {
	return one(tx, scanBacking, `SELECT `+backingColumns+` FROM backing WHERE id = $1`, id)
}

// Backings returns what an instance has on servers, by service.
func (tx *Tx) Backings(instance string) ([]hosting.Backing, error) {
	return many(tx, scanBacking, `SELECT `+backingColumns+` FROM backing WHERE instance_id = $1 ORDER BY service`, instance)
}

// BackingsAfter returns entries in the order of their IDs, those after the given one.
func (tx *Tx) BackingsAfter(after string, limit int) ([]hosting.Backing, error) {
	return many(tx, scanBacking, `SELECT `+backingColumns+` FROM backing WHERE id > $1 ORDER BY id LIMIT $2`, after, limit)
}

// HoldBacking makes the holder alone with an entry until then; ErrStale when somebody else is.
func (tx *Tx) HoldBacking(id, holder string, until time.Time) error {
	return tx.must(`UPDATE backing SET holder = $1, held_until = $2 WHERE id = $3 AND (holder IN ('', $1) OR held_until < $4)`,
		holder, micros(until), id, micros(tx.Now))
}

// ReleaseBacking ends a hold. One that ended by itself is no error.
func (tx *Tx) ReleaseBacking(id, holder string) error {
	_, err := tx.exec(`UPDATE backing SET holder = '', held_until = 0 WHERE id = $1 AND holder = $2`, id, holder)
	return err
}

// backingMoves lists the states an entry can go to each state from.
var backingMoves = map[hosting.BackingState][]hosting.BackingState{
	hosting.BackingMade:      {hosting.BackingWanted, hosting.BackingRotating, hosting.BackingRestoring},
	hosting.BackingRotating:  {hosting.BackingMade},
	hosting.BackingRetiring:  {hosting.BackingWanted, hosting.BackingMade, hosting.BackingRotating, hosting.BackingRestoring},
	hosting.BackingRetired:   {hosting.BackingRetiring},
	hosting.BackingRestoring: {hosting.BackingRetiring, hosting.BackingRetired},
	hosting.BackingPurging:   {hosting.BackingRetired},
	hosting.BackingPurged:    {hosting.BackingPurging},
}

// MoveBacking changes the state of an entry, by whoever holds it. ErrStale when the hold is over, or when the state it is
// in does not allow it; one that is there already is left alone.
func (tx *Tx) MoveBacking(id, holder string, to hosting.BackingState) error {
	b, err := tx.Backing(id)
	if err != nil {
		return err
	}
	if b.State != to && !slices.Contains(backingMoves[to], b.State) {
		return fmt.Errorf("backing %s cannot go from %s to %s: %w", b.Name, b.State, to, ErrStale)
	}
	rotated, retired := b.RotatedAt, b.RetiredAt
	switch {
	case to == hosting.BackingMade && b.State == hosting.BackingRotating:
		rotated = tx.Now
	case to == hosting.BackingMade && b.State == hosting.BackingRestoring:
		retired = time.Time{}
	case to == hosting.BackingRetired && b.State != to:
		retired = tx.Now
	}
	return tx.must(`UPDATE backing SET state = $1, rotated_at = $2, retired_at = $3
		WHERE id = $4 AND state = $5 AND holder = $6 AND held_until >= $7`,
		to, micros(rotated), micros(retired), id, b.State, holder, micros(tx.Now))
}

// SetAsideBacking keeps the name that an entry has while it is retired, once: a second attempt finds the first one's.
func (tx *Tx) SetAsideBacking(id, name string) (string, error) {
	if _, err := tx.exec(`UPDATE backing SET set_aside = $1 WHERE id = $2 AND set_aside = ''`, name, id); err != nil {
		return "", err
	}
	b, err := tx.Backing(id)
	return b.SetAside, err
}

// ClearAsideBacking forgets that name, once the entry has its own again.
func (tx *Tx) ClearAsideBacking(id string) error {
	_, err := tx.exec(`UPDATE backing SET set_aside = '' WHERE id = $1`, id)
	return err
}
