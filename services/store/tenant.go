package store

import "framagit.org/frama/frama/services/hosting"

// InsertTenant lets a space use an instance of the host's own; ErrTaken when it uses one of that kind already.
func (tx *Tx) InsertTenant(t hosting.Tenant) error {
	_, err := tx.exec(`INSERT INTO tenant (space_id, instance_id, kind, created_at) VALUES ($1, $2, $3, $4)`,
		t.SpaceID, t.InstanceID, t.Kind, micros(t.CreatedAt))
	return err
}

// SharedInstance returns the instance that all spaces share for a kind; ErrNotFound when the host runs none yet.
func (tx *Tx) SharedInstance(kind string) (hosting.Instance, error) {
	return one(tx, scanInstance, `SELECT `+instanceColumns+` FROM instance
		WHERE kind = $1 AND space_id = (SELECT id FROM space WHERE slug = $1 AND shared = 1) ORDER BY id LIMIT 1`, kind)
}

// SharedInstances returns the instances of the host's own that a space uses, by the order in which it came to them.
func (tx *Tx) SharedInstances(space string) ([]hosting.Instance, error) {
	return many(tx, scanInstance, `SELECT `+instanceColumns+` FROM instance
		JOIN (SELECT instance_id, kind AS asked, created_at AS since FROM tenant WHERE space_id = $1) t ON t.instance_id = id
		ORDER BY since, asked`, space)
}

// TenantsOf returns the spaces that use an instance of the given space, the newest users first, and how many there are.
func (tx *Tx) TenantsOf(space string, limit int) (spaces []hosting.Space, count int, err error) {
	const users = `SELECT space_id FROM tenant WHERE instance_id IN (SELECT id FROM instance WHERE space_id = $1)`
	if count, err = one(tx, value[int], `SELECT COUNT(*) FROM space WHERE id IN (`+users+`)`, space); err != nil {
		return nil, 0, err
	}
	spaces, err = many(tx, scanSpace, `SELECT `+spaceColumns+` FROM space WHERE id IN (`+users+`)
		ORDER BY created_at DESC, id DESC LIMIT $2`, space, limit)
	return spaces, count, err
}

// WakeTenants lets the runs of spaces that use an instance of the given space be claimed at once, if they wait.
func (tx *Tx) WakeTenants(space string) error {
	_, err := tx.exec(`UPDATE run SET not_before = 0 WHERE state = 'ready' AND space_id IN (SELECT space_id FROM tenant
		WHERE instance_id IN (SELECT id FROM instance WHERE space_id = $1))`, space)
	return err
}
