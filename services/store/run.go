package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/work"
)

const runColumns = `id, space_id, kind, version, state, worker, fence, lease_until, not_before, created_at, started_at, ended_at`

func scanRun(r row) (work.Run, error) {
	var run work.Run
	var lease, notBefore, created, started, ended int64
	err := r.Scan(&run.ID, &run.SpaceID, &run.Kind, &run.Version, &run.State, &run.Worker, &run.Fence, &lease, &notBefore,
		&created, &started, &ended)
	run.LeaseUntil, run.NotBefore, run.CreatedAt = instant(lease), instant(notBefore), instant(created)
	run.StartedAt, run.EndedAt = instant(started), instant(ended)
	return run, err
}

func scanStep(r row) (work.Step, error) {
	var s work.Step
	var started, ended int64
	err := r.Scan(&s.Seq, &s.Name, &s.State, &s.Attempts, &s.Errors, &s.Output, &s.Message, &started, &ended)
	s.StartedAt, s.EndedAt = instant(started), instant(ended)
	return s, err
}

// InsertRun adds a run with all its steps; ErrTaken when the space has an active one.
func (tx *Tx) InsertRun(id, space, kind string, version int, steps []string) error {
	_, err := tx.exec(`INSERT INTO run (id, space_id, kind, version, state, not_before, created_at)
		VALUES ($1, $2, $3, $4, 'ready', $5, $5)`,
		id, space, kind, version, micros(tx.Now))
	for seq, name := range steps {
		if err != nil {
			return err
		}
		_, err = tx.exec(`INSERT INTO step (run_id, seq, name, state) VALUES ($1, $2, $3, 'pending')`, id, seq, name)
	}
	return err
}

// Run returns one run with its steps.
func (tx *Tx) Run(id string) (work.Run, error) {
	run, err := one(tx, scanRun, `SELECT `+runColumns+` FROM run WHERE id = $1`, id)
	if err != nil {
		return run, err
	}
	return tx.withSteps(run)
}

// RunsOf returns the newest runs of a space with their steps, newest first.
func (tx *Tx) RunsOf(space string, limit int) ([]work.Run, error) {
	runs, err := many(tx, scanRun, `SELECT `+runColumns+` FROM run WHERE space_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2`,
		space, limit)
	for i := range runs {
		if err == nil {
			runs[i], err = tx.withSteps(runs[i])
		}
	}
	return runs, err
}

// Runs returns runs in the given state, or all, newest first, with their steps.
func (tx *Tx) Runs(state work.RunState, limit int) ([]work.Run, error) {
	runs, err := many(tx, scanRun, `SELECT `+runColumns+` FROM run WHERE $1 = '' OR state = $1
		ORDER BY created_at DESC, id DESC LIMIT $2`, string(state), limit)
	for i := range runs {
		if err == nil {
			runs[i], err = tx.withSteps(runs[i])
		}
	}
	return runs, err
}

func (tx *Tx) withSteps(run work.Run) (work.Run, error) {
	steps, err := many(tx, scanStep, `SELECT seq, name, state, attempts, errors, output, message, started_at, ended_at
		FROM step WHERE run_id = $1 ORDER BY seq`, run.ID)
	run.Steps = steps
	return run, err
}

// RetryRun makes a parked run ready again, from the step with the given number on; steps before it stay done.
func (tx *Tx) RetryRun(id string, from int) error {
	if err := tx.must(`UPDATE run SET state = 'ready', not_before = 0 WHERE id = $1 AND state = 'parked'`, id); err != nil {
		return err
	}
	_, err := tx.exec(`UPDATE step SET state = 'pending', errors = 0, message = '', started_at = 0, ended_at = 0
		WHERE run_id = $1 AND seq >= $2`, id, from)
	return err
}

// WakeRun lets a waiting run be claimed at once. A run that is claimed, parked or done is left alone.
func (tx *Tx) WakeRun(id string) error {
	_, err := tx.exec(`UPDATE run SET not_before = 0 WHERE id = $1 AND state = 'ready'`, id)
	return err
}

// runnable is the condition under which a run may be claimed; $1 is now. The first two terms hold of every such run and
// are there for the index run_claim.
const runnable = `state IN ('ready', 'running') AND not_before <= $1 AND (state = 'ready' OR lease_until <= $1)`

// ClaimRun implements work.Journal. A look through the reading pool comes first, so that idle workers never queue for
// SQLite's one writer.
func (s *Store) ClaimRun(ctx context.Context, worker string, spaces []string, lease time.Duration) (work.Claim, bool, error) {
	only, args := "", []any{}
	if len(spaces) > 0 {
		marks := make([]string, len(spaces))
		for i, id := range spaces {
			args = append(args, id)
			marks[i] = fmt.Sprintf("$%d", i+2)
		}
		only = " AND space_id IN (" + strings.Join(marks, ", ") + ")"
	}
	pick := `SELECT id FROM run WHERE ` + runnable + only + ` ORDER BY not_before, id LIMIT 1`
	withNow := func(tx *Tx) []any { return append([]any{micros(tx.Now)}, args...) }

	err := s.Read(ctx, func(tx *Tx) error {
		_, err := one(tx, value[string], pick, withNow(tx)...)
		return err
	})
	if errors.Is(err, ErrNotFound) {
		return work.Claim{}, false, nil
	}
	if err != nil {
		return work.Claim{}, false, err
	}
	if s.postgres {
		pick += ` FOR UPDATE SKIP LOCKED`
	}
	var claim work.Claim
	err = s.Write(ctx, func(tx *Tx) error {
		id, err := one(tx, value[string], pick, withNow(tx)...)
		if err != nil {
			return err
		}
		if err := tx.must(`UPDATE run SET state = 'running', worker = $1, fence = fence + 1, lease_until = $2,
			started_at = CASE WHEN started_at = 0 THEN $3 ELSE started_at END WHERE id = $4`,
			worker, micros(tx.Now.Add(lease)), micros(tx.Now), id); err != nil {
			return err
		}
		claim.Run, err = tx.Run(id)
		claim.Fence = claim.Run.Fence
		return err
	})
	if errors.Is(err, ErrNotFound) {
		return work.Claim{}, false, nil
	}
	return claim, err == nil, err
}

// fenced runs f in a transaction that first makes sure that the claim still holds.
func (s *Store) fenced(ctx context.Context, c work.Claim, set string, args []any, f func(*Tx) error) error {
	return s.Write(ctx, func(tx *Tx) error {
		n := len(args)
		err := tx.must(fmt.Sprintf(`UPDATE run SET %s WHERE id = $%d AND fence = $%d AND state = 'running'`, set, n+1, n+2),
			append(args, c.Run.ID, c.Fence)...)
		if errors.Is(err, ErrStale) {
			return work.ErrFenced
		}
		if err != nil || f == nil {
			return err
		}
		return f(tx)
	})
}

// Heartbeat implements work.Journal.
func (s *Store) Heartbeat(ctx context.Context, c work.Claim, lease time.Duration) error {
	return s.fenced(ctx, c, "lease_until = $1", []any{micros(s.options.Now().Add(lease))}, nil)
}

// BeginStep implements work.Journal.
func (s *Store) BeginStep(ctx context.Context, c work.Claim, seq int) error {
	return s.fenced(ctx, c, "fence = fence", nil, func(tx *Tx) error {
		return tx.must(`UPDATE step SET state = 'running', attempts = attempts + 1,
			started_at = CASE WHEN started_at = 0 THEN $1 ELSE started_at END WHERE run_id = $2 AND seq = $3 AND state <> 'done'`,
			micros(tx.Now), c.Run.ID, seq)
	})
}

// FinishStep implements work.Journal.
func (s *Store) FinishStep(ctx context.Context, c work.Claim, seq int, output string) error {
	return s.fenced(ctx, c, "fence = fence", nil, func(tx *Tx) error {
		return tx.must(`UPDATE step SET state = 'done', output = $1, message = '', errors = 0, ended_at = $2
			WHERE run_id = $3 AND seq = $4`, output, micros(tx.Now), c.Run.ID, seq)
	})
}

// DeferStep implements work.Journal.
func (s *Store) DeferStep(ctx context.Context, c work.Claim, seq int, at time.Time, message string, failed bool) error {
	add := 0
	if failed {
		add = 1
	}
	return s.fenced(ctx, c, "state = 'ready', lease_until = 0, not_before = $1", []any{micros(at)}, func(tx *Tx) error {
		return tx.must(`UPDATE step SET state = 'waiting', message = $1, errors = errors + $2 WHERE run_id = $3 AND seq = $4`,
			message, add, c.Run.ID, seq)
	})
}

// ParkRun implements work.Journal. The space shows that it needs a person.
func (s *Store) ParkRun(ctx context.Context, c work.Claim, seq int, message string) error {
	return s.fenced(ctx, c, "state = 'parked', lease_until = 0", nil, func(tx *Tx) error {
		if err := tx.must(`UPDATE step SET state = 'failed', message = $1, ended_at = $2 WHERE run_id = $3 AND seq = $4`,
			message, micros(tx.Now), c.Run.ID, seq); err != nil {
			return err
		}
		_, err := tx.MoveSpace(c.Run.SpaceID, hosting.SpaceFailed)
		if errors.Is(err, ErrStale) {
			return nil // a space that is active stays so, whatever happens to a later run
		}
		return err
	})
}

// FinishRun implements work.Journal.
func (s *Store) FinishRun(ctx context.Context, c work.Claim) error {
	return s.fenced(ctx, c, "state = 'done', lease_until = 0, ended_at = $1", []any{micros(s.options.Now())}, nil)
}
