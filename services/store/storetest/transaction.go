package storetest

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
)

func migrations(b bundle) {
	current, wanted, err := b.store.SchemaVersion(context.Background())
	if err != nil || current != wanted || wanted < 1 {
		b.Fatalf("schema %d of %d, %v", current, wanted, err)
	}
	applied, err := b.store.Migrate(context.Background())
	if err != nil || len(applied) != 0 {
		b.Fatalf("the second time applied %v, %v", applied, err)
	}
}

func migrationsAtOnce(b bundle) {
	var dsn string
	if b.store.Dialect() == "postgres" {
		dsn = PostgreSQL(b)
	} else {
		dsn = SQLite(b)
	}
	stores := make([]*store.Store, 4)
	for i := range stores {
		stores[i] = OpenEmpty(b, dsn)
	}
	var mu sync.Mutex
	var applied []string
	var all sync.WaitGroup
	for _, s := range stores {
		all.Go(func() {
			names, err := s.Migrate(context.Background())
			mu.Lock()
			defer mu.Unlock()
			applied = append(applied, names...)
			if err != nil {
				b.Errorf("one of four at once: %v", err)
			}
		})
	}
	all.Wait()
	_, wanted, err := stores[0].SchemaVersion(context.Background())
	if err != nil || int64(len(applied)) != wanted {
		b.Errorf("applied %v, want each of %d migrations once (%v)", applied, wanted, err)
	}
}

func rollback(b bundle) {
	q, failure := NewRequest("amis"), errors.New("changed my mind")
	b.refused(failure, func(tx *store.Tx) error {
		if err := tx.InsertRequest(q, "c", "t"); err != nil {
			return err
		}
		return failure
	})
	missing(b, func(tx *store.Tx) (hosting.Request, error) { return tx.Request(q.ID) })

	func() {
		defer func() { _ = recover() }()
		b.write(func(tx *store.Tx) error {
			_ = tx.InsertRequest(q, "c", "t")
			panic("a mistake in the code")
		})
	}()
	missing(b, func(tx *store.Tx) (hosting.Request, error) { return tx.Request(q.ID) })
	b.write(func(tx *store.Tx) error { return tx.InsertRequest(q, "c", "t") })
}

// PostgreSQL refuses everything after a failed statement; code that goes on must fail on SQLite too.
func failedStatement(b bundle) {
	q, other := AddRequest(b, b.store, NewRequest("amis")), NewRequest("autres")
	b.refused(store.ErrTaken, func(tx *store.Tx) error {
		if err := tx.InsertRequest(q, "c", "t"); !errors.Is(err, store.ErrTaken) {
			b.Errorf("a request twice: %v", err)
		}
		return tx.InsertRequest(other, "c2", "t2")
	})
	b.refused(store.ErrTaken, func(tx *store.Tx) error {
		if err := tx.InsertRequest(other, "c2", "t2"); err != nil {
			return err
		}
		_ = tx.InsertRequest(q, "c", "t")
		return nil // swallowed: still nothing may be written
	})
	missing(b, func(tx *store.Tx) (hosting.Request, error) { return tx.Request(other.ID) })
}

func hook(b bundle) {
	var moments []store.Moment
	s := Open(b, b.dsn, func(o *store.Options) { o.Hook = func(m store.Moment) { moments = append(moments, m) } })
	moments = nil
	write(b, s, func(tx *store.Tx) error { return tx.SetSetting("a", "1") })
	same(b, "moments of a write", moments, []store.Moment{store.BeforeCommit, store.AfterCommit})
	moments = nil
	get(b, s, func(tx *store.Tx) (string, error) { return tx.Setting("a") })
	_ = s.Write(context.Background(), func(tx *store.Tx) error { return store.ErrStale })
	same(b, "moments of a read and of a write that failed", moments, nil)

	// Whoever dies before the commit leaves nothing, after it everything.
	s = Open(b, b.dsn, func(o *store.Options) {
		o.Hook = func(m store.Moment) {
			if m == store.BeforeCommit {
				panic(m)
			}
		}
	})
	func() {
		defer func() { _ = recover() }()
		_ = s.Write(context.Background(), func(tx *store.Tx) error { return tx.SetSetting("a", "2") })
	}()
	same(b, "the value", read(b, func(tx *store.Tx) (string, error) { return tx.Setting("a") }), "1")
}

func cancelled(b bundle) {
	ctx, cancel := context.WithCancel(context.Background())
	err := b.store.Write(ctx, func(tx *store.Tx) error {
		if err := tx.SetSetting("a", "1"); err != nil {
			return err
		}
		cancel()
		return tx.SetSetting("b", "1")
	})
	if !errors.Is(err, context.Canceled) || errors.Is(err, store.ErrUnreachable) {
		b.Errorf("cancelled within: %v", err)
	}
	err = b.store.Read(ctx, func(tx *store.Tx) error { _, err := tx.Setting("a"); return err })
	if !errors.Is(err, context.Canceled) || errors.Is(err, store.ErrUnreachable) {
		b.Errorf("cancelled before: %v", err)
	}
	missing(b, func(tx *store.Tx) (string, error) { return tx.Setting("a") })
	b.write(func(tx *store.Tx) error { return tx.SetSetting("a", "2") })
}

func oneMoment(b bundle) {
	b.write(func(tx *store.Tx) error { return tx.SetSetting("a", "1") })
	err := b.store.Read(context.Background(), func(tx *store.Tx) error {
		before, err := tx.Setting("a")
		if err != nil {
			return err
		}
		b.write(func(tx *store.Tx) error { return tx.SetSetting("a", "2") })
		after, err := tx.Setting("a")
		same(b, "what a read sees while another writes", after, before)
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
}

func readOnly(b bundle) {
	if err := b.store.Read(context.Background(), func(tx *store.Tx) error { return tx.SetSetting("a", "1") }); err == nil {
		b.Error("a read wrote")
	}
	missing(b, func(tx *store.Tx) (string, error) { return tx.Setting("a") })
}

// What comes from outside may hold what PostgreSQL cannot keep. It must neither fail nor differ between the databases.
func anyText(b bundle) {
	const raw, kept = "avant \x00 \xff après", "avant \ufffd \ufffd après"
	q := NewRequest("amis")
	q.Purpose = raw
	AddRequest(b, b.store, q)
	same(b, "text", read(b, func(tx *store.Tx) (hosting.Request, error) { return tx.Request(q.ID) }).Purpose, kept)
	missing(b, func(tx *store.Tx) (hosting.Request, error) { return tx.Request(raw) })
	missing(b, func(tx *store.Tx) (hosting.Space, error) { return tx.SpaceNamed(raw) })
	for _, text := range []string{raw, strings.Repeat("é", 200_000), strings.Repeat("% ", 100_000), `\`, `'"$1?;--`} {
		b.write(func(tx *store.Tx) error {
			_, _, err := tx.Requests(hosting.RequestState(text), text, text, 0, 10)
			return err
		})
		b.write(func(tx *store.Tx) error { _, _, err := tx.Spaces("", text, 0, 10); return err })
		b.write(func(tx *store.Tx) error { _, _, err := tx.AuditLog(text, 0, 10); return err })
		b.write(func(tx *store.Tx) error { return tx.Audit(hosting.Actor{Name: text, IP: text}, "a", text, text) })
		b.write(func(tx *store.Tx) error {
			if err := tx.LoginFailed(text); err != nil {
				return err
			}
			n, err := tx.FailedLogins(text, tx.Now)
			same(b, "failures of "+text[:1], n, 1)
			return errors.Join(err, tx.ForgetFailedLogins(text))
		})
		b.write(func(tx *store.Tx) error { _, err := tx.AuditOf(text); return err })
		b.write(func(tx *store.Tx) error { _, err := tx.SimilarRequests(q); return err })
	}
}

func times(b bundle) {
	for _, at := range []time.Time{
		{}, // not yet
		time.Date(1969, 12, 31, 23, 59, 59, 999999000, time.UTC),
		time.Date(2026, 3, 29, 1, 59, 59, 123456789, time.FixedZone("CET", 3600)),
		time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
	} {
		q := NewRequest("amis-" + NewID()[:8] + NewID()[24:])
		b.write(func(tx *store.Tx) error {
			q.State, q.CreatedAt = hosting.RequestUnconfirmed, at
			if err := tx.InsertRequest(q, "c"+q.ID, "t"+q.ID); err != nil {
				return err
			}
			q.State, q.ConfirmedAt = hosting.RequestPending, tx.Now
			return tx.MoveRequest(hosting.RequestUnconfirmed, q)
		})
		got := read(b, func(tx *store.Tx) (hosting.Request, error) { return tx.Request(q.ID) })
		same(b, "a time", got.CreatedAt, at.UTC().Truncate(time.Microsecond))
		same(b, "the time of the transaction", got.ConfirmedAt, q.ConfirmedAt)
	}
}
