package provisioner

import (
	"fmt"
	"slices"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
)

// told is what an application may use now, by what it is told of its limits.
type told struct {
	storage  int64 // bytes
	accounts int64
}

// key is how it is kept with the instance.
func (t told) key() string { return fmt.Sprintf("%d/%d", t.storage, t.accounts) }

// Accounts without a limit: more than anybody has, and a number that every program can hold exactly. Storage always has one,
// the volume.
const endlessAccounts = 1_000_000_000

// limits returns what each instance of an application may use now: as far as usage may grow before growth stops, and never
// more than the volume holds less what the application keeps there for itself.
func (e *enforcer) limits(tx *store.Tx, app catalogue.App, instances []hosting.Instance) ([]told, error) {
	var ids []string
	for _, i := range instances {
		ids = append(ids, i.SpaceID)
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	spaces, err := tx.SpacesOf(ids)
	if err != nil {
		return nil, err
	}
	plans, err := tx.PlansInForce()
	if err != nil {
		return nil, err
	}
	quotas, err := tx.QuotasOf(ids)
	if err != nil {
		return nil, err
	}
	thresholds := map[string][]hosting.Threshold{}
	for _, s := range spaces {
		thresholds[s.ID] = plans[s.Plan].Thresholds
	}
	reserve := int64(app.Run().Enforce.Tell.Reserve) << 20
	out := make([]told, len(instances))
	for n, i := range instances {
		size := i.Growth.VolumeMiB
		if size == 0 {
			size = i.Reserved.Disk
		}
		t := told{storage: max(int64(size)<<20-reserve, 0), accounts: endlessAccounts}
		for _, q := range quotas[i.SpaceID] {
			bound := q.Bound(thresholds[i.SpaceID], tx.Now)
			switch {
			case bound < 0:
			case q.Metric == hosting.MetricStorage:
				t.storage = min(t.storage, bound)
			case q.Metric == hosting.MetricAccounts:
				t.accounts = min(t.accounts, bound)
			}
		}
		out[n] = t
	}
	return out, nil
}
