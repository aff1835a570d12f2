package store

import (
	"errors"
	"time"

	"framagit.org/frama/frama/services/hosting"
)

// TakeTurn makes promises of a cluster's room come one after the other: whoever takes the turn holds the cluster's row
// until its transaction ends, and reads what all before it promised. It comes before anything else that the transaction
// writes, so that two never wait for each other.
func (tx *Tx) TakeTurn(cluster string) error {
	return tx.must(`INSERT INTO cluster (name, turn) VALUES ($1, 1)
		ON CONFLICT (name) DO UPDATE SET turn = cluster.turn + 1`, cluster)
}

const capacityColumns = `name, nodes, cpu, memory, disk, used_cpu, used_memory, used_disk, foreign_cpu, foreign_memory,
	foreign_disk, seen_at`

func scanCapacity(r row) (hosting.Capacity, error) {
	var c hosting.Capacity
	var seen int64
	err := r.Scan(&c.Cluster, &c.Nodes, &c.Allocatable.CPU, &c.Allocatable.Memory, &c.Allocatable.Disk,
		&c.Used.CPU, &c.Used.Memory, &c.Used.Disk, &c.Foreign.CPU, &c.Foreign.Memory, &c.Foreign.Disk, &seen)
	c.SeenAt = instant(seen)
	return c, err
}

// Capacity returns what a cluster was last seen to have; ErrNotFound when nobody looked at it or promised any of it.
func (tx *Tx) Capacity(cluster string) (hosting.Capacity, error) {
	return one(tx, scanCapacity, `SELECT `+capacityColumns+` FROM cluster WHERE name = $1`, cluster)
}

// Capacities returns all clusters by name.
func (tx *Tx) Capacities() ([]hosting.Capacity, error) {
	return many(tx, scanCapacity, `SELECT `+capacityColumns+` FROM cluster ORDER BY name`)
}

// SaveCapacity notes what a cluster was seen to have. An older look than the one that is known changes nothing.
func (tx *Tx) SaveCapacity(c hosting.Capacity) error {
	_, err := tx.exec(`INSERT INTO cluster (`+capacityColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
		ON CONFLICT (name) DO UPDATE SET nodes = $2, cpu = $3, memory = $4, disk = $5, used_cpu = $6, used_memory = $7,
		used_disk = $8, foreign_cpu = $9, foreign_memory = $10, foreign_disk = $11, seen_at = $12 WHERE cluster.seen_at <= $12`,
		c.Cluster, c.Nodes, c.Allocatable.CPU, c.Allocatable.Memory, c.Allocatable.Disk, c.Used.CPU, c.Used.Memory, c.Used.Disk,
		c.Foreign.CPU, c.Foreign.Memory, c.Foreign.Disk, micros(c.SeenAt))
	return err
}

// promised is the instances that hold room on the cluster $1: those of every space that was not withdrawn. A space that no
// cluster is named for yet may come to any of them, so it counts in each.
const promised = ` FROM instance i JOIN space s ON s.id = i.space_id WHERE s.cluster IN ($1, '') AND s.state <> 'withdrawn'`

// largerDisk is the disk an instance holds: a volume that is to become smaller counts in full until it is.
const largerDisk = `CASE WHEN i.volume_mib > i.disk THEN i.volume_mib ELSE i.disk END`

func scanResources(r row) (v hosting.Resources, err error) {
	return v, r.Scan(&v.CPU, &v.Memory, &v.MemoryMax, &v.Disk)
}

// Reserved is what the spaces of a cluster were promised, all together.
func (tx *Tx) Reserved(cluster string) (hosting.Resources, error) {
	return one(tx, scanResources, `SELECT COALESCE(SUM(i.cpu), 0), COALESCE(SUM(i.memory), 0),
		COALESCE(SUM(CASE WHEN i.memory_max > i.memory THEN i.memory_max ELSE i.memory END), 0), COALESCE(SUM(`+largerDisk+`), 0)`+promised, cluster)
}

// ReservedOn is what placed instances were promised, for each node: whatever their health, and whether or not their jobs
// run.
func (tx *Tx) ReservedOn(cluster string) (map[string]hosting.Resources, error) {
	type line struct {
		node string
		res  hosting.Resources
	}
	lines, err := many(tx, func(r row) (l line, err error) {
		err = r.Scan(&l.node, &l.res.CPU, &l.res.Memory, &l.res.Disk)
		return
	}, `SELECT i.node, SUM(i.cpu), SUM(i.memory), SUM(`+largerDisk+`)`+promised+` AND i.node <> '' GROUP BY i.node`, cluster)
	all := map[string]hosting.Resources{}
	for _, l := range lines {
		all[l.node] = l.res
	}
	return all, err
}

// ReservingJobs returns the jobs of all instances that hold room on a cluster: what else runs there is not frama's.
func (tx *Tx) ReservingJobs(cluster string) (map[string]bool, error) {
	jobs, err := many(tx, value[string], `SELECT i.job`+promised, cluster)
	all := make(map[string]bool, len(jobs))
	for _, job := range jobs {
		all[job] = true
	}
	return all, err
}

// SpacesOn says how many spaces of associations hold room on a cluster.
func (tx *Tx) SpacesOn(cluster string) (int, error) {
	return one(tx, value[int], `SELECT COUNT(*) FROM space WHERE cluster IN ($1, '') AND state <> 'withdrawn' AND shared = 0`, cluster)
}

// WaitingRequests returns the requests that wait for room, the one that waits longest first.
func (tx *Tx) WaitingRequests() ([]hosting.Request, error) {
	return many(tx, scanRequest, `SELECT `+requestColumns+` FROM request WHERE state = 'waiting' ORDER BY waiting_since, id`)
}

// SlugPromised says whether a request other than except was given the slug and waits for room.
func (tx *Tx) SlugPromised(slug, except string) (bool, error) {
	n, err := one(tx, value[int], `SELECT COUNT(*) FROM request WHERE slug = $1 AND state = 'waiting' AND id <> $2`, slug, except)
	return n > 0, err
}

// SaveCapacityDay keeps what a cluster had and had promised on a day; the last of the day stays.
func (tx *Tx) SaveCapacityDay(d hosting.CapacityDay) error {
	_, err := tx.exec(`INSERT INTO cluster_day (cluster, day, promisable_cpu, promisable_memory, promisable_disk, reserved_cpu,
		reserved_memory, reserved_disk, used_cpu, used_memory, used_disk, storage_used, spaces)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
		ON CONFLICT (cluster, day) DO UPDATE SET promisable_cpu = $3, promisable_memory = $4, promisable_disk = $5, reserved_cpu = $6,
		reserved_memory = $7, reserved_disk = $8, used_cpu = $9, used_memory = $10, used_disk = $11, storage_used = $12, spaces = $13`,
		d.Cluster, micros(d.Day), d.Promisable.CPU, d.Promisable.Memory, d.Promisable.Disk, d.Reserved.CPU, d.Reserved.Memory,
		d.Reserved.Disk, d.Used.CPU, d.Used.Memory, d.Used.Disk, d.StorageUsed, d.Spaces)
	return err
}

// CapacityDays returns the days of a cluster from the given one on, the oldest first.
func (tx *Tx) CapacityDays(cluster string, from time.Time) ([]hosting.CapacityDay, error) {
	return many(tx, func(r row) (d hosting.CapacityDay, err error) {
		var day int64
		err = r.Scan(&d.Cluster, &day, &d.Promisable.CPU, &d.Promisable.Memory, &d.Promisable.Disk, &d.Reserved.CPU, &d.Reserved.Memory,
			&d.Reserved.Disk, &d.Used.CPU, &d.Used.Memory, &d.Used.Disk, &d.StorageUsed, &d.Spaces)
		d.Day = instant(day)
		return d, err
	}, `SELECT cluster, day, promisable_cpu, promisable_memory, promisable_disk, reserved_cpu, reserved_memory, reserved_disk,
		used_cpu, used_memory, used_disk, storage_used, spaces FROM cluster_day WHERE cluster = $1 AND day >= $2 ORDER BY day`,
		cluster, micros(from))
}

// StorageUsed is what the instances on a cluster were last measured to keep, in bytes: volumes (what the application says
// of its files where nobody could look at the volume), databases and buckets.
func (tx *Tx) StorageUsed(cluster string) (int64, error) {
	return one(tx, value[int64], `SELECT COALESCE(SUM(u.value), 0) FROM usage_now u WHERE u.at > 0
		AND u.instance_id IN (SELECT i.id`+promised+`)
		AND (u.metric IN ('volume_bytes', 'database_bytes', 'bucket_bytes') OR (u.metric = 'bytes' AND NOT EXISTS (
			SELECT 1 FROM usage_now v WHERE v.instance_id = u.instance_id AND v.metric = 'volume_bytes' AND v.at > 0)))`, cluster)
}

// SpaceShare is what an active space reserves, for the share of the cost that it bears.
type SpaceShare struct {
	Space    hosting.Space
	Reserved hosting.Resources
	Accounts int64 // people counted in the application that has most; -1 where nothing counts them
}

// SpaceShares returns every active space, the host's own too, in the order of their IDs.
func (tx *Tx) SpaceShares() ([]SpaceShare, error) {
	return many(tx, func(r row) (s SpaceShare, err error) {
		s.Space, err = scanSpace(appended{r, []any{&s.Reserved.CPU, &s.Reserved.Memory, &s.Reserved.Disk, &s.Accounts}})
		return s, err
	}, `SELECT `+spaceColumns+`, COALESCE(cpus, 0), COALESCE(memories, 0), COALESCE(disks, 0), COALESCE(people, -1) FROM space
		LEFT JOIN (SELECT i.space_id AS held_by, SUM(i.cpu) AS cpus, SUM(i.memory) AS memories, SUM(i.disk) AS disks
			FROM instance i GROUP BY i.space_id) held ON held.held_by = space.id
		LEFT JOIN (SELECT i.space_id AS counted_in, MAX(u.value) AS people FROM usage_now u JOIN instance i ON i.id = u.instance_id
			WHERE u.metric = 'accounts' AND u.at > 0 GROUP BY i.space_id) counted ON counted.counted_in = space.id
		WHERE state = 'active' ORDER BY id`)
}

// WithdrawSpace takes back a space that was approved and that no worker has begun: its run ends, what it shares with others
// is no longer its, and its instances hold no room. Rows and names stay. ErrStale when somebody was faster: of a worker
// that claims the run and of whoever withdraws it one is first, and the other finds that out.
func (tx *Tx) WithdrawSpace(id string) error {
	if err := tx.must(`UPDATE run SET state = 'withdrawn', ended_at = $1 WHERE space_id = $2 AND state = 'ready' AND fence = 0`,
		micros(tx.Now), id); err != nil {
		return err
	}
	if err := tx.must(`UPDATE space SET state = 'withdrawn' WHERE id = $1 AND state = 'approved' AND shared = 0`, id); err != nil {
		return err
	}
	_, err := tx.exec(`DELETE FROM tenant WHERE space_id = $1`, id)
	return err
}

// RunUntouched says whether the space has a run that no worker ever claimed, and keeps workers from it until the
// transaction ends.
func (tx *Tx) RunUntouched(space string) (bool, error) {
	n, err := tx.exec(`UPDATE run SET fence = fence WHERE space_id = $1 AND state = 'ready' AND fence = 0`, space)
	return n == 1, err
}

// RestartRun lets a space's run of the kind begin anew, if there is one that waits or needs a person, and says whether there
// is. One that a worker is executing is left alone.
func (tx *Tx) RestartRun(space, kind string) (bool, error) {
	id, err := one(tx, value[string], `UPDATE run SET state = 'ready', fence = fence + 1, lease_until = 0, not_before = 0
		WHERE space_id = $1 AND kind = $2 AND state IN ('ready', 'parked') RETURNING id`, space, kind)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	_, err = tx.exec(`UPDATE step SET state = 'pending', errors = 0, message = '', output = '', started_at = 0, ended_at = 0
		WHERE run_id = $1`, id)
	return true, err
}

// SetPlan gives a space another plan, unless it is in another state than the given one by now.
func (tx *Tx) SetPlan(id string, state hosting.SpaceState, plan string) error {
	return tx.must(`UPDATE space SET plan = $1 WHERE id = $2 AND state = $3`, plan, id, state)
}

// Resize changes what an instance was promised. VolumeMiB is the size that its volume has, 0 when there is none yet.
func (tx *Tx) Resize(id string, r hosting.Resources, volumeMiB int) error {
	return tx.must(`UPDATE instance SET cpu = $1, memory = $2, memory_max = $3, disk = $4, volume_mib = $5 WHERE id = $6`,
		r.CPU, r.Memory, r.MemoryMax, r.Disk, volumeMiB, id)
}

// VolumeSized notes the size that an instance's volume was given, in MiB.
func (tx *Tx) VolumeSized(id string, mib int) error {
	return tx.must(`UPDATE instance SET volume_mib = $1 WHERE id = $2`, mib, id)
}
