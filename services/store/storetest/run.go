package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
	"framagit.org/frama/frama/services/work"
)

const lease = time.Minute

// claim claims a run, of the given spaces where there are any.
func (b bundle) claim(worker string, spaces ...string) (work.Claim, bool) {
	b.Helper()
	c, ok, err := b.store.ClaimRun(context.Background(), worker, spaces, lease)
	if err != nil {
		b.Fatal(err)
	}
	return c, ok
}

func (b bundle) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func runs(b bundle) {
	s, other := AddSpace(b, b.store, "amis"), AddSpace(b, b.store, "autres")
	run := AddRun(b, b.store, s, "one", "two")
	same(b, "a run", run, work.Run{ID: run.ID, SpaceID: s.ID, Kind: "test", Version: 1, State: work.RunReady, NotBefore: b.now(), CreatedAt: b.now(),
		Steps: []work.Step{{Seq: 0, Name: "one", State: work.StepPending}, {Seq: 1, Name: "two", State: work.StepPending}}})
	missing(b, func(tx *store.Tx) (work.Run, error) { return tx.Run("nobody") })
	b.refused(store.ErrTaken, func(tx *store.Tx) error { return tx.InsertRun(NewID(), s.ID, "test", 1, []string{"one"}) })
	AddRun(b, b.store, other, "one")

	c, _ := b.claim("w", s.ID)
	b.must(b.store.FinishStep(context.Background(), c, 0, ""))
	b.must(b.store.FinishStep(context.Background(), c, 1, ""))
	b.must(b.store.FinishRun(context.Background(), c))
	second := AddRun(b, b.store, s, "three") // the first is done, so the space may have another
	ids := func(f func(*store.Tx) ([]work.Run, error)) (ids []string) {
		for _, r := range read(b, f) {
			if len(r.Steps) == 0 {
				b.Errorf("run %s comes without its steps", r.ID)
			}
			ids = append(ids, r.ID)
		}
		return ids
	}
	same(b, "runs of a space, newest first", ids(func(tx *store.Tx) ([]work.Run, error) { return tx.RunsOf(s.ID, 10) }), []string{second.ID, run.ID})
	same(b, "its newest run", ids(func(tx *store.Tx) ([]work.Run, error) { return tx.RunsOf(s.ID, 1) }), []string{second.ID})
	same(b, "runs that are done", ids(func(tx *store.Tx) ([]work.Run, error) { return tx.Runs(work.RunDone, 10) }), []string{run.ID})
	same(b, "all runs", len(ids(func(tx *store.Tx) ([]work.Run, error) { return tx.Runs("", 10) })), 3)
}

// journalLife follows one run from its claim to its end.
func journalLife(b bundle) {
	ctx, j := context.Background(), work.Journal(b.store)
	s := AddSpace(b, b.store, "amis")
	id := AddRun(b, b.store, s, "one", "two").ID
	begun := b.now()
	c, ok := b.claim("w1")
	same(b, "claimed", ok, true)
	same(b, "what is claimed", c.Run, GetRun(b, b.store, id))
	same(b, "fence", c.Fence, 1)
	same(b, "run", [3]any{c.Run.State, c.Run.Worker, c.Run.StartedAt}, [3]any{work.RunRunning, "w1", begun})
	same(b, "lease", c.Run.LeaseUntil, begun.Add(lease))

	b.must(j.BeginStep(ctx, c, 0))
	b.clock.Advance(time.Second)
	b.must(j.Heartbeat(ctx, c, lease))
	b.must(j.FinishStep(ctx, c, 0, `{"a":1}`))
	b.must(j.BeginStep(ctx, c, 1))
	at := b.now().Add(10 * time.Second)
	b.must(j.DeferStep(ctx, c, 1, at, "waits for DNS", false))
	run := GetRun(b, b.store, id)
	same(b, "steps", run.Steps, []work.Step{
		{Seq: 0, Name: "one", State: work.StepDone, Attempts: 1, Output: `{"a":1}`, StartedAt: begun, EndedAt: b.now()},
		{Seq: 1, Name: "two", State: work.StepWaiting, Attempts: 1, Message: "waits for DNS", StartedAt: b.now()},
	})
	same(b, "run", [2]any{run.State, run.NotBefore}, [2]any{work.RunReady, at})
	if _, ok := b.claim("w1"); ok {
		b.Fatal("claimed before its time")
	}
	b.clock.Advance(10 * time.Second)
	c, _ = b.claim("w2")
	same(b, "fence", c.Fence, 2)
	same(b, "begun first", c.Run.StartedAt, begun)
	if err := j.BeginStep(ctx, c, 0); !errors.Is(err, store.ErrStale) {
		b.Errorf("a step that is done begins again: %v", err)
	}
	b.must(j.BeginStep(ctx, c, 1))
	b.must(j.DeferStep(ctx, c, 1, b.now(), "no route to host", true))
	c, _ = b.claim("w2")
	b.must(j.BeginStep(ctx, c, 1))
	step := GetRun(b, b.store, id).Steps[1]
	same(b, "the step's count", [3]any{step.Attempts, step.Errors, step.State}, [3]any{3, 1, work.StepRunning})
	b.must(j.FinishStep(ctx, c, 1, ""))
	b.must(j.FinishRun(ctx, c))
	run = GetRun(b, b.store, id)
	same(b, "errors and message once done", [2]any{run.Steps[1].Errors, run.Steps[1].Message}, [2]any{0, ""})
	same(b, "run", [3]any{run.State, run.EndedAt, run.LeaseUntil}, [3]any{work.RunDone, b.now(), time.Time{}})
	b.clock.Advance(1000 * time.Hour)
	if _, ok := b.claim("w1"); ok {
		b.Error("a run that is done was claimed")
	}
}

// fencedWrites are all that a worker may do with a claim.
func fencedWrites(j work.Journal, c work.Claim, at time.Time) map[string]error {
	ctx := context.Background()
	return map[string]error{
		"Heartbeat":  j.Heartbeat(ctx, c, lease),
		"BeginStep":  j.BeginStep(ctx, c, 0),
		"FinishStep": j.FinishStep(ctx, c, 0, "late"),
		"DeferStep":  j.DeferStep(ctx, c, 0, at, "late", false),
		"failed":     j.DeferStep(ctx, c, 0, at, "late", true),
		"ParkRun":    j.ParkRun(ctx, c, 0, "late"),
		"FinishRun":  j.FinishRun(ctx, c),
	}
}

// journalFence: whoever lost a lease writes nothing more.
func journalFence(b bundle) {
	ctx := context.Background()
	s := AddSpace(b, b.store, "amis")
	id := AddRun(b, b.store, s, "one").ID
	refusedAll := func(when string, c work.Claim) {
		b.Helper()
		before := GetRun(b, b.store, id)
		for name, err := range fencedWrites(b.store, c, b.now()) {
			if !errors.Is(err, work.ErrFenced) {
				b.Errorf("%s %s: %v, want %v", name, when, err, work.ErrFenced)
			}
		}
		same(b, "the run "+when, GetRun(b, b.store, id), before)
	}
	slow, _ := b.claim("slow")
	b.must(b.store.BeginStep(ctx, slow, 0))
	b.clock.Advance(lease - time.Microsecond)
	if _, ok := b.claim("quick"); ok {
		b.Fatal("claimed while the lease holds")
	}
	b.must(b.store.Heartbeat(ctx, slow, lease))
	b.clock.Advance(lease - time.Microsecond)
	if _, ok := b.claim("quick"); ok {
		b.Fatal("a heartbeat did not keep the lease")
	}
	b.clock.Advance(time.Microsecond)
	b.must(b.store.Heartbeat(ctx, slow, lease)) // late, but nobody has claimed it since
	b.clock.Advance(lease)
	quick, ok := b.claim("quick")
	same(b, "claimed once the lease ended", ok, true)
	same(b, "fence", quick.Fence, slow.Fence+1)
	refusedAll("after another claimed it", slow)
	same(b, "holder", GetRun(b, b.store, id).Worker, "quick")

	b.must(b.store.DeferStep(ctx, quick, 0, b.now(), "waits", false))
	refusedAll("after it was given back", quick)
	last, _ := b.claim("quick")
	refusedAll("with an older claim of one's own", quick)
	b.must(b.store.ParkRun(ctx, last, 0, "out of luck"))
	refusedAll("after it was parked", last)
	b.write(func(tx *store.Tx) error { return tx.RetryRun(id, 0) })
	refusedAll("after a person retries it", last)
	last, _ = b.claim("quick")
	b.must(b.store.FinishStep(ctx, last, 0, ""))
	b.must(b.store.FinishRun(ctx, last))
	refusedAll("after its end", last)
}

// journalClaims: who gets what, by space.
func journalClaims(b bundle) {
	if _, ok := b.claim("w"); ok {
		b.Fatal("claimed a run of none")
	}
	one, two, three := AddSpace(b, b.store, "un"), AddSpace(b, b.store, "deux"), AddSpace(b, b.store, "trois")
	AddRun(b, b.store, one, "a")
	AddRun(b, b.store, two, "a")
	if _, ok := b.claim("w", three.ID, "nobody"); ok {
		b.Fatal("claimed a run of another space")
	}
	c, ok := b.claim("w", three.ID, two.ID)
	same(b, "claimed", [2]any{ok, c.Run.SpaceID}, [2]any{true, two.ID})
	if _, ok := b.claim("w", two.ID); ok {
		b.Fatal("claimed twice")
	}
	c, _ = b.claim("w")
	same(b, "the other one", c.Run.SpaceID, one.ID)
}

// journalOrder: the run that has waited longest since it could go on comes first, so that none starves.
func journalOrder(b bundle) {
	ctx := context.Background()
	spaces := map[string]string{}
	add := func(slug string) {
		s := AddSpace(b, b.store, slug)
		spaces[s.ID] = slug
		AddRun(b, b.store, s, "a")
		b.clock.Advance(time.Second)
	}
	next := func() (work.Claim, string) {
		c, ok := b.claim("w")
		if !ok {
			return c, ""
		}
		return c, spaces[c.Run.SpaceID]
	}
	add("abandonne")
	next() // its worker dies
	add("attend")
	c, _ := next()
	b.must(b.store.DeferStep(ctx, c, 0, b.now().Add(2*time.Second), "waits", false))
	add("avant")
	b.clock.Advance(2 * time.Second)
	add("apres")
	b.clock.Advance(lease)
	var got []string
	for range 5 {
		_, slug := next()
		got = append(got, slug)
	}
	same(b, "order of claims", got, []string{"abandonne", "avant", "attend", "apres", ""})
}

// journalParked: a person's turn.
func journalParked(b bundle) {
	ctx := context.Background()
	s := AddSpace(b, b.store, "amis")
	id := AddRun(b, b.store, s, "one", "two").ID
	state := func() hosting.SpaceState {
		return read(b, func(tx *store.Tx) (hosting.Space, error) { return tx.Space(s.ID) }).State
	}
	b.write(func(tx *store.Tx) error { _, err := tx.MoveSpace(s.ID, hosting.SpaceProvisioning); return err })
	c, _ := b.claim("w")
	b.must(b.store.FinishStep(ctx, c, 0, `"kept"`))
	b.must(b.store.BeginStep(ctx, c, 1))
	b.must(b.store.DeferStep(ctx, c, 1, b.now(), "no", true))
	c, _ = b.claim("w")
	b.must(b.store.ParkRun(ctx, c, 1, "the name \x00 is refused"))
	run := GetRun(b, b.store, id)
	same(b, "run", [2]any{run.State, run.LeaseUntil}, [2]any{work.RunParked, time.Time{}})
	same(b, "step", [2]any{run.Steps[1].State, run.Steps[1].Message}, [2]any{work.StepFailed, "the name \ufffd is refused"})
	same(b, "space", state(), hosting.SpaceFailed)
	b.clock.Advance(1000 * time.Hour)
	if _, ok := b.claim("w"); ok {
		b.Fatal("a parked run was claimed")
	}
	b.refused(store.ErrTaken, func(tx *store.Tx) error { return tx.InsertRun(NewID(), s.ID, "test", 1, []string{"one"}) })
	b.write(func(tx *store.Tx) error { return tx.WakeRun(id) })
	same(b, "state once woken", GetRun(b, b.store, id).State, work.RunParked)

	b.write(func(tx *store.Tx) error { return tx.RetryRun(id, 1) })
	b.refused(store.ErrStale, func(tx *store.Tx) error { return tx.RetryRun(id, 1) })
	b.refused(store.ErrStale, func(tx *store.Tx) error { return tx.RetryRun("nobody", 1) })
	run = GetRun(b, b.store, id)
	same(b, "steps", [4]any{run.Steps[0].State, run.Steps[0].Output, run.Steps[1].State, run.Steps[1].Errors},
		[4]any{work.StepDone, `"kept"`, work.StepPending, 0})
	c, _ = b.claim("w")

	// Waking is for runs that wait.
	b.write(func(tx *store.Tx) error { return tx.WakeRun(id) })
	same(b, "state of a claimed run once woken", GetRun(b, b.store, id).State, work.RunRunning)
	b.must(b.store.DeferStep(ctx, c, 1, b.now().Add(time.Hour), "waits", false))
	if _, ok := b.claim("w"); ok {
		b.Fatal("claimed before its time")
	}
	b.write(func(tx *store.Tx) error { return tx.WakeRun(id) })
	c, ok := b.claim("w")
	same(b, "claimed once woken", ok, true)

	// A space that is open stays open, whatever happens to a later run.
	b.write(func(tx *store.Tx) error {
		if _, err := tx.MoveSpace(s.ID, hosting.SpaceProvisioning); err != nil {
			return err
		}
		_, err := tx.MoveSpace(s.ID, hosting.SpaceActive)
		return err
	})
	b.must(b.store.ParkRun(ctx, c, 1, "no"))
	same(b, "space", state(), hosting.SpaceActive)
}

// journalRace: several processes claim at once; each run goes to one of them, and every one of them goes.
func journalRace(b bundle) {
	const spaces, workers = 12, 6
	for n := range spaces {
		AddRun(b, b.store, AddSpace(b, b.store, fmt.Sprint("amis", n)), "a")
	}
	second := Open(b, b.dsn, b.clock.With)
	var mu sync.Mutex
	var claimed []string
	var all sync.WaitGroup
	for n := range workers {
		j := work.Journal([]*store.Store{b.store, second}[n%2])
		all.Go(func() {
			for misses, hits := 0, 0; misses < 20 && hits <= spaces; {
				c, ok, err := j.ClaimRun(context.Background(), fmt.Sprint("w", n), nil, lease)
				if err != nil {
					b.Error(err)
					return
				}
				if !ok { // the row that another is about to claim was skipped; look again
					misses++
					time.Sleep(time.Millisecond)
					continue
				}
				hits++
				mu.Lock()
				claimed = append(claimed, c.Run.ID)
				mu.Unlock()
			}
		})
	}
	all.Wait()
	slices.Sort(claimed)
	same(b, "claims", len(slices.Compact(slices.Clone(claimed))), spaces)
	same(b, "runs", len(claimed), spaces)
}
