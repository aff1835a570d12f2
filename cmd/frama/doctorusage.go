package main

import (
	"context"
	"fmt"
	"strings"

	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
)

// examinePlans finds plans whose files say something else than what is in force: somebody edited them and stopped there.
func (a *app) examinePlans(ctx context.Context) finding {
	f := finding{Name: "plans", OK: true, Detail: "the files say what is in force"}
	changes, err := a.control.PlanChanges(ctx, hosting.Actor{Name: "doctor", Role: hosting.RoleAdmin})
	if err != nil {
		return finding{"plans", false, err.Error(), "see the database"}
	}
	var names []string
	for _, change := range changes {
		names = append(names, change.Plan)
	}
	if len(names) > 0 {
		f.OK, f.Detail = false, "the files say something else than what is in force: "+strings.Join(names, ", ")
		f.Mend = "frama plan diff shows it and whom it affects; frama plan apply puts it in force"
	}
	return f
}

// examineUsage finds instances that cannot be measured: their limits do not hold.
func (a *app) examineUsage(ctx context.Context) finding {
	if a.config.Usage.Every == 0 {
		return finding{"usage", true, "nothing is measured: usage.every is 0s", ""}
	}
	var t store.Tally
	err := a.store.Read(ctx, func(tx *store.Tx) (err error) {
		t, err = tx.Tally()
		return err
	})
	switch {
	case err != nil:
		return finding{"usage", false, err.Error(), "see the database"}
	case t.Broken > 0:
		return finding{"usage", false, fmt.Sprintf("the history of %d instances cannot be read", t.Broken), "restore the table usage_chunk from your backup; see docs/operate/usage.md"}
	case t.Unmeasured > 0:
		return finding{"usage", false, fmt.Sprintf("%d of %d instances cannot be measured", t.Unmeasured, t.Series), "frama usage measure says why for each"}
	}
	return finding{"usage", true, fmt.Sprintf("%d instances are measured", t.Series), ""}
}
