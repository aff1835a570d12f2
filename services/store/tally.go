package store

import (
	"time"

	"framagit.org/frama/frama/services/hosting"
)

// Tally is how much there is of everything, for monitoring: figures only, and of each kind a few.
type Tally struct {
	Requests, Spaces, Runs, Instances, Certificates, Mails map[string]int // by state; instances by health
	Levels                                                 map[string]int // spaces by their highest level
	OldestParked, OldestReady                              time.Time      // runs; zero for none
	OldestMail                                             time.Time      // that waits
	NextExpiry                                             time.Time      // of a valid certificate
	CertificateFailures                                    int            // certificates whose last order failed
	Stopped, StopProblems                                  int            // instances whose growth is to be stopped, and those where that fails
	Series, Unmeasured                                     int            // instances that are measured, and those of which three looks in a row gave nothing
	OldestMeasured                                         time.Time      // of the others
	Broken                                                 int            // instances of whose history something cannot be read
	Storage                                                int64          // bytes, in all spaces
	Asks                                                   int            // wishes for more that wait for an answer
	Edges                                                  []EdgeSeen
	EdgeVersion                                            int64
	Clusters                                               []ClusterTally
}

// ClusterTally is a cluster with what is reserved on it.
type ClusterTally struct {
	hosting.Capacity
	Reserved hosting.Resources
}

// Tally counts.
func (tx *Tx) Tally() (t Tally, err error) {
	for _, c := range []struct {
		to    *map[string]int
		query string
	}{
		{&t.Requests, `SELECT state, COUNT(*) FROM request GROUP BY state`},
		{&t.Spaces, `SELECT state, COUNT(*) FROM space GROUP BY state`},
		{&t.Runs, `SELECT state, COUNT(*) FROM run GROUP BY state`},
		{&t.Instances, `SELECT health, COUNT(*) FROM instance GROUP BY health`},
		{&t.Certificates, `SELECT state, COUNT(*) FROM certificate GROUP BY state`},
		{&t.Mails, `SELECT state, COUNT(*) FROM outbox GROUP BY state`},
		{&t.Levels, `SELECT CASE highest WHEN 4 THEN 'over' WHEN 3 THEN 'full' WHEN 2 THEN 'warning' WHEN 1 THEN 'notice' ELSE 'ok' END, COUNT(*)
			FROM (SELECT MAX(CASE level WHEN 'over' THEN 4 WHEN 'full' THEN 3 WHEN 'warning' THEN 2 WHEN 'notice' THEN 1 ELSE 0 END) AS highest
			FROM quota GROUP BY space_id) l GROUP BY highest`},
	} {
		if *c.to, err = tx.counts(c.query); err != nil {
			return t, err
		}
	}
	for _, c := range []struct {
		to    *int
		query string
	}{
		{&t.CertificateFailures, `SELECT COUNT(*) FROM certificate WHERE attempts > 0`},
		{&t.Stopped, `SELECT COUNT(*) FROM instance WHERE stopped = 1`},
		{&t.StopProblems, `SELECT COUNT(*) FROM instance WHERE stop_problem <> ''`},
		{&t.Series, `SELECT COUNT(*) FROM usage_series`},
		{&t.Unmeasured, `SELECT COUNT(*) FROM usage_series WHERE failures >= 3`},
		{&t.Broken, `SELECT COUNT(*) FROM usage_series WHERE broken <> ''`},
		{&t.Asks, `SELECT COUNT(*) FROM quota_ask WHERE state = 'open'`},
	} {
		if *c.to, err = one(tx, value[int], c.query); err != nil {
			return t, err
		}
	}
	for _, c := range []struct {
		to    *time.Time
		query string
	}{
		{&t.OldestParked, `SELECT COALESCE(MIN(started_at), 0) FROM run WHERE state = 'parked'`},
		{&t.OldestReady, `SELECT COALESCE(MIN(created_at), 0) FROM run WHERE state = 'ready'`},
		{&t.OldestMail, `SELECT COALESCE(MIN(created_at), 0) FROM outbox WHERE state = 'waiting'`},
		{&t.NextExpiry, `SELECT COALESCE(MIN(not_after), 0) FROM certificate WHERE state = 'valid'`},
		{&t.OldestMeasured, `SELECT COALESCE(MIN(measured_at), 0) FROM usage_series WHERE failures < 3 AND measured_at > 0`},
	} {
		us, err := one(tx, value[int64], c.query)
		if err != nil {
			return t, err
		}
		*c.to = instant(us)
	}
	if t.Storage, err = one(tx, value[int64], `SELECT CAST(COALESCE(SUM(used), 0) AS BIGINT) FROM quota WHERE metric = 'storage'`); err != nil {
		return t, err
	}
	if t.EdgeVersion, err = tx.EdgeVersion(); err != nil {
		return t, err
	}
	if t.Edges, err = tx.EdgesSince(time.Unix(1, 0)); err != nil {
		return t, err
	}
	t.Clusters, err = tx.clusterTallies()
	return t, err
}

func (tx *Tx) counts(query string) (map[string]int, error) {
	type line struct {
		name  string
		count int
	}
	lines, err := many(tx, func(r row) (l line, err error) {
		err = r.Scan(&l.name, &l.count)
		return
	}, query)
	all := map[string]int{}
	for _, l := range lines {
		all[l.name] = l.count
	}
	return all, err
}

func (tx *Tx) clusterTallies() ([]ClusterTally, error) {
	return many(tx, func(r row) (c ClusterTally, err error) {
		var seen int64
		err = r.Scan(&c.Cluster, &c.Nodes, &c.Allocatable.CPU, &c.Allocatable.Memory, &c.Allocatable.Disk, &c.Used.CPU, &c.Used.Memory, &c.Used.Disk,
			&c.Foreign.CPU, &c.Foreign.Memory, &c.Foreign.Disk, &seen, &c.Reserved.CPU, &c.Reserved.Memory, &c.Reserved.Disk)
		c.SeenAt = instant(seen)
		return
	}, `SELECT c.name, c.nodes, c.cpu, c.memory, c.disk, c.used_cpu, c.used_memory, c.used_disk, c.foreign_cpu, c.foreign_memory, c.foreign_disk,
		c.seen_at, COALESCE(r.cpu, 0), COALESCE(r.memory, 0), COALESCE(r.disk, 0)
		FROM cluster c LEFT JOIN (SELECT s.cluster AS cluster, CAST(SUM(i.cpu) AS BIGINT) AS cpu, CAST(SUM(i.memory) AS BIGINT) AS memory,
			CAST(SUM(i.disk) AS BIGINT) AS disk
			FROM instance i JOIN space s ON s.id = i.space_id WHERE s.state <> 'withdrawn' GROUP BY s.cluster) r ON r.cluster = c.name
		ORDER BY c.name`)
}
