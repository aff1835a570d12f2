package storetest

import (
	"time"

	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
)

// tally: what monitoring counts is what there is, also of sums that are larger than a database's own counters.
func tally(b bundle) {
	t := read(b, (*store.Tx).Tally)
	same(b, "an empty host", []any{len(t.Spaces), t.Storage, t.OldestMail.IsZero(), len(t.Clusters)}, []any{0, int64(0), true, 0})

	s, other := AddSpace(b, b.store, "les-lilas"), AddSpace(b, b.store, "menthe")
	i := AddInstance(b, b.store, s, "pads", "etherpad")
	AddRun(b, b.store, s, "one")
	begun := b.now()
	b.write(func(tx *store.Tx) error {
		if err := tx.SetCluster(s.ID, "main"); err != nil {
			return err
		}
		if err := tx.SaveCapacity(hosting.Capacity{Cluster: "main", Nodes: 1, Allocatable: hosting.Resources{CPU: 9000}, SeenAt: tx.Now}); err != nil {
			return err
		}
		if err := tx.SetStopped(i.ID, true); err != nil {
			return err
		}
		if err := tx.SawEdge("e", 1, ""); err != nil {
			return err
		}
		return tx.SaveQuotas([]hosting.Quota{
			{SpaceID: s.ID, Metric: hosting.MetricStorage, Used: 1 << 59, Limit: 1 << 60, Level: hosting.LevelFull, LevelSince: tx.Now, MeasuredAt: tx.Now},
			{SpaceID: s.ID, Metric: hosting.MetricAccounts, Used: 1, Limit: 2, Level: hosting.LevelOK, LevelSince: tx.Now, MeasuredAt: tx.Now},
			{SpaceID: other.ID, Metric: hosting.MetricStorage, Used: 1 << 59, Limit: 1 << 60, Level: hosting.LevelNotice, LevelSince: tx.Now, MeasuredAt: tx.Now},
		})
	})
	b.clock.Advance(time.Hour)
	t = read(b, (*store.Tx).Tally)
	same(b, "spaces, runs and levels", []any{t.Spaces["approved"], t.Runs["ready"], t.Levels["full"], t.Levels["notice"], t.Levels["ok"], t.Stopped, t.StopProblems},
		[]any{2, 1, 1, 1, 0, 1, 0})
	same(b, "sums", t.Storage, int64(1<<60))
	same(b, "the oldest run", t.OldestReady, begun)
	same(b, "agents", []any{len(t.Edges), t.Edges[0].Name}, []any{1, "e"})
	same(b, "what is reserved", []any{t.Clusters[0].Cluster, t.Clusters[0].Allocatable.CPU, t.Clusters[0].Reserved}, []any{"main", 9000,
		hosting.Resources{CPU: i.Reserved.CPU, Memory: i.Reserved.Memory, Disk: i.Reserved.Disk}})
}
