package store

import "framagit.org/frama/frama/services/hosting"

// SetStopped notes whether an instance is to take no more. What is done about it is provisioner.Enforce's to settle.
func (tx *Tx) SetStopped(instance string, stopped bool) error {
	wanted := 0
	if stopped {
		wanted = 1
	}
	return tx.must(`UPDATE instance SET stopped = $1 WHERE id = $2`, wanted, instance)
}

// InstancesToSettle returns instances of active spaces whose growth is not as it is wanted, or about which something is
// left to do, in the order of their IDs, those after the given one.
func (tx *Tx) InstancesToSettle(after string, limit int) ([]hosting.Instance, error) {
	return many(tx, scanInstance, `SELECT `+instanceColumns+` FROM instance
		WHERE (stopped = 1 AND stopped_as = '' OR stopped = 0 AND stopped_as <> '' OR stop_problem <> '')
		AND id > $1 AND space_id IN (SELECT id FROM space WHERE state = 'active') ORDER BY id LIMIT $2`, after, limit)
}

// StoppedInstances returns instances of active spaces whose growth is to be stopped, in the order of their IDs, those after
// the given one.
func (tx *Tx) StoppedInstances(after string, limit int) ([]hosting.Instance, error) {
	return many(tx, scanInstance, `SELECT `+instanceColumns+` FROM instance WHERE stopped = 1
		AND id > $1 AND space_id IN (SELECT id FROM space WHERE state = 'active') ORDER BY id LIMIT $2`, after, limit)
}

// GrowthSettled notes the means by which growth of an instance is stopped now, empty for none, and what is left to do or
// why it could not be done. The edges are told when reading only begins or ends there.
func (tx *Tx) GrowthSettled(instance, as, problem string) error {
	before, err := tx.Instance(instance)
	if err != nil {
		return err
	}
	if before.Growth.As == as && before.Growth.Problem == problem {
		return nil
	}
	if err := tx.must(`UPDATE instance SET stopped_as = $1, stop_problem = $2 WHERE id = $3`, as, problem, instance); err != nil {
		return err
	}
	if (before.Growth.As == hosting.GrowthAtIngress) == (as == hosting.GrowthAtIngress) {
		return nil
	}
	routed, err := one(tx, value[int], `SELECT routed FROM instance WHERE id = $1`, instance)
	if err != nil || routed == 0 {
		return err
	}
	return tx.bumpEdge()
}

// InstancesOfApp returns instances of active spaces that run an application, in the order of their IDs, those after the given
// one. A space that was never weighed has no limits yet, and is left out.
func (tx *Tx) InstancesOfApp(app, after string, limit int) ([]hosting.Instance, error) {
	return many(tx, scanInstance, `SELECT `+instanceColumns+` FROM instance WHERE app = $1 AND id > $2
		AND space_id IN (SELECT id FROM space WHERE state = 'active') AND space_id IN (SELECT space_id FROM quota)
		ORDER BY id LIMIT $3`, app, after, limit)
}

// appended scans more columns after those that somebody else asks for.
type appended struct {
	row
	more []any
}

func (a appended) Scan(into ...any) error { return a.row.Scan(append(into, a.more...)...) }

// ToldLimit notes the limits that an application was told.
func (tx *Tx) ToldLimit(instance, limit string) error {
	return tx.must(`UPDATE instance SET told_limit = $1 WHERE id = $2`, limit, instance)
}
