package store

import "framagit.org/frama/frama/services/hosting"

const instanceColumns = `id, space_id, kind, app, version, host, job, volume, node, port, address, health, cpu, memory,
	memory_max, disk, stopped, stopped_as, stop_problem, told_limit, volume_mib`

func scanInstance(r row) (hosting.Instance, error) {
	var i hosting.Instance
	var stopped int
	err := r.Scan(&i.ID, &i.SpaceID, &i.Kind, &i.App, &i.Version, &i.Host, &i.Job, &i.Volume, &i.Node, &i.Port, &i.Address,
		&i.Health, &i.Reserved.CPU, &i.Reserved.Memory, &i.Reserved.MemoryMax, &i.Reserved.Disk,
		&stopped, &i.Growth.As, &i.Growth.Problem, &i.Growth.ToldLimit, &i.Growth.VolumeMiB)
	i.Growth.Stopped = stopped == 1
	return i, err
}

// InsertInstance adds an instance; ErrTaken when its host name or job is.
func (tx *Tx) InsertInstance(i hosting.Instance) error {
	_, err := tx.exec(`INSERT INTO instance (id, space_id, kind, app, version, host, job, volume, node, port, address, health, cpu,
		memory, memory_max, disk)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)`,
		i.ID, i.SpaceID, i.Kind, i.App, i.Version, i.Host, i.Job, i.Volume, i.Node, i.Port, i.Address, i.Health,
		i.Reserved.CPU, i.Reserved.Memory, i.Reserved.MemoryMax, i.Reserved.Disk)
	return err
}

// Instances returns a space's instances in the order they were made.
func (tx *Tx) Instances(space string) ([]hosting.Instance, error) {
	return many(tx, scanInstance, `SELECT `+instanceColumns+` FROM instance WHERE space_id = $1 ORDER BY id`, space)
}

// Instance returns one instance.
func (tx *Tx) Instance(id string) (hosting.Instance, error) {
	return one(tx, scanInstance, `SELECT `+instanceColumns+` FROM instance WHERE id = $1`, id)
}

// ActiveInstances returns instances of active spaces in the order of their IDs, those after the given one.
func (tx *Tx) ActiveInstances(after string, limit int) ([]hosting.Instance, error) {
	return many(tx, scanInstance, `SELECT `+instanceColumns+` FROM instance
		WHERE id > $1 AND space_id IN (SELECT id FROM space WHERE state = 'active') ORDER BY id LIMIT $2`, after, limit)
}

// PortsOn returns the ports that are reserved on a node.
func (tx *Tx) PortsOn(node string) ([]int, error) {
	return many(tx, value[int], `SELECT port FROM instance WHERE node = $1 AND port > 0`, node)
}

// PlaceInstance records where an instance lives, once: data has gravity. ErrTaken when the port is.
func (tx *Tx) PlaceInstance(id, node string, port int) error {
	return tx.must(`UPDATE instance SET node = $1, port = $2 WHERE id = $3 AND (node = '' OR (node = $1 AND port = $2))`,
		node, port, id)
}

// InstanceRegistered records that the cluster knows the instance's job, and with which version of the application.
func (tx *Tx) InstanceRegistered(id, version string) error {
	return tx.must(`UPDATE instance SET version = $1, health = CASE WHEN health = 'unknown' THEN 'pending' ELSE health END
		WHERE id = $2`, version, id)
}

// SetInstanceHealth records what the cluster says of an instance.
func (tx *Tx) SetInstanceHealth(id string, health hosting.Health) error {
	return tx.must(`UPDATE instance SET health = $1 WHERE id = $2`, health, id)
}

// SetupDone returns the names of the setup steps of an instance that are done.
func (tx *Tx) SetupDone(instance string) ([]string, error) {
	return many(tx, value[string], `SELECT name FROM setup WHERE instance_id = $1 ORDER BY done_at, name`, instance)
}

// FinishSetup notes that a setup step of an instance is done. Noting it twice does no harm.
func (tx *Tx) FinishSetup(instance, name string) error {
	_, err := tx.exec(`INSERT INTO setup (instance_id, name, done_at) VALUES ($1, $2, $3) ON CONFLICT (instance_id, name) DO NOTHING`,
		instance, name, micros(tx.Now))
	return err
}
