// Package store keeps everything frama knows, in SQLite (the embedded default) or PostgreSQL. It holds the only SQL,
// one text for both.
//
// A use case calls Write or Read with a function; what the function does through the Tx is one transaction, and all
// of it happens at one instant, Tx.Now. Methods of Tx that change a state do so with a condition on the state they
// expect, and say ErrStale when it no longer holds.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // driver "pgx"
	_ "modernc.org/sqlite"             // driver "sqlite"
)

// Errors that callers tell apart.
var (
	ErrNotFound    = errors.New("not found")
	ErrStale       = errors.New("somebody changed it in the meantime")
	ErrTaken       = errors.New("already taken")
	ErrUnreachable = errors.New("the database does not answer: check that it runs and that frama may reach it")
	ErrDiskFull    = errors.New("the database has no room left: free disk space, nothing was written")
)

// Store is an open database.
type Store struct {
	write, read *sql.DB   // the same pool on PostgreSQL
	together    *together // how SQLite writes; nil on PostgreSQL
	postgres    bool
	options     Options
}

// Options are what a Store needs beside its address.
type Options struct {
	Now   func() time.Time
	NewID func() string // sortable: UUIDv7
	// Seal and Open protect private keys and accounts at rest.
	Seal Sealer
	// Hook is called around every commit of a write; nil for none. Tests end the process here.
	Hook func(Moment)
}

// Sealer encrypts values at rest.
type Sealer interface {
	Seal(plain []byte, context string) (string, error)
	Open(sealed string, context string) ([]byte, error)
}

// Moment is a point of a write at which a process may die.
type Moment string

const (
	BeforeCommit Moment = "before commit"
	AfterCommit  Moment = "after commit"
)

// Open opens the database at dsn: postgres://… or sqlite:<path>. It does not migrate.
func Open(ctx context.Context, dsn string, o Options) (*Store, error) {
	s := &Store{options: o}
	if strings.HasPrefix(dsn, "postgres://") || strings.HasPrefix(dsn, "postgresql://") {
		db, err := sql.Open("pgx", dsn)
		if err != nil {
			return nil, fmt.Errorf("open the PostgreSQL database: %w", err)
		}
		db.SetMaxOpenConns(32)
		db.SetMaxIdleConns(16)
		db.SetConnMaxIdleTime(5 * time.Minute)
		s.write, s.read, s.postgres = db, db, true
	} else {
		path, ok := strings.CutPrefix(dsn, "sqlite:")
		if !ok || path == "" {
			return nil, fmt.Errorf("database %q: expected sqlite:<path> or postgres://…", redacted(dsn))
		}
		var err error
		// One connection writes: SQLite has one writer anyway, and queueing in Go is fair where its busy handler is not.
		// What savepoints need to be undone stays in memory instead of a temporary file.
		if s.write, err = openSQLite(path, "&_txlock=immediate&_pragma=temp_store(2)", 1); err != nil {
			return nil, err
		}
		if s.read, err = openSQLite(path, "&_pragma=query_only(1)", 8); err != nil {
			return nil, err
		}
		s.together = newTogether(s.write, o.Hook)
	}
	if err := s.Ping(ctx); err != nil {
		_ = s.Close()
		if path, lite := strings.CutPrefix(dsn, "sqlite:"); lite {
			err = fmt.Errorf("open the SQLite database %s (its folder must exist and be writable for frama): %w", path, err)
		}
		return nil, err
	}
	return s, nil
}

// openSQLite sets every pragma through the DSN, so that each pooled connection has them. synchronous(FULL) makes a
// commit survive a power cut, which WAL's usual NORMAL does not.
func openSQLite(path, more string, conns int) (*sql.DB, error) {
	dsn := "file:" + (&url.URL{Path: path}).EscapedPath() +
		"?_pragma=busy_timeout(10000)&_pragma=foreign_keys(1)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)" + more
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, fmt.Errorf("open the SQLite database %s: %w", path, err)
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db, nil
}

// redacted hides the password of a database address.
func redacted(dsn string) string {
	if u, err := url.Parse(dsn); err == nil {
		return u.Redacted()
	}
	return "(unreadable)"
}

// Close closes the database.
func (s *Store) Close() error {
	if s.write == s.read {
		return s.write.Close()
	}
	return errors.Join(s.read.Close(), s.write.Close())
}

// Ping says whether the database answers.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.write.PingContext(ctx); err != nil {
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	return nil
}

// Dialect names the database: "sqlite" or "postgres".
func (s *Store) Dialect() string {
	if s.postgres {
		return "postgres"
	}
	return "sqlite"
}

// Tx is a transaction. Now is the same instant for all that happens in it, in UTC and to the microsecond, so that a time
// equals itself once it was stored. After a statement that failed, nothing more can be done in the transaction:
// PostgreSQL has it so, and SQLite is held to the same.
type Tx struct {
	ctx    context.Context // of the statements
	caller context.Context // of whoever wants the result
	tx     *sql.Tx
	store  *Store
	failed error
	Now    time.Time
}

// NewID makes an identifier.
func (tx *Tx) NewID() string { return tx.store.options.NewID() }

// Write runs f in one transaction and commits it, or leaves nothing behind. On PostgreSQL f may run again after a
// serialization failure or a deadlock, so it must not act on the world.
func (s *Store) Write(ctx context.Context, f func(*Tx) error) error {
	if s.together != nil {
		err := s.together.write(ctx, func(sqlTx *sql.Tx) error {
			return s.run(&Tx{ctx: context.WithoutCancel(ctx), caller: ctx, tx: sqlTx}, f)
		})
		if err != nil {
			err = translate(err)
		}
		return err
	}
	for attempt := 0; ; attempt++ {
		err := s.attempt(ctx, s.write, f, true)
		if err == nil || attempt == 4 || !retryable(err) {
			return err
		}
	}
}

// Read runs f in one read-only transaction.
func (s *Store) Read(ctx context.Context, f func(*Tx) error) error {
	return s.attempt(ctx, s.read, f, false)
}

func (s *Store) attempt(ctx context.Context, db *sql.DB, f func(*Tx) error, write bool) error {
	sqlTx, err := db.BeginTx(ctx, s.isolation(write))
	if err != nil {
		return translate(fmt.Errorf("begin a transaction: %w", err))
	}
	defer sqlTx.Rollback()
	if err := s.run(&Tx{ctx: ctx, caller: ctx, tx: sqlTx}, f); err != nil {
		return err
	}
	if write && s.options.Hook != nil {
		s.options.Hook(BeforeCommit)
	}
	if err := sqlTx.Commit(); err != nil {
		return translate(fmt.Errorf("commit: %w", err))
	}
	if write && s.options.Hook != nil {
		s.options.Hook(AfterCommit)
	}
	return nil
}

// run is what happens in a transaction before its end.
func (s *Store) run(tx *Tx, f func(*Tx) error) error {
	tx.store, tx.Now = s, s.options.Now().UTC().Truncate(time.Microsecond)
	if err := f(tx); err != nil {
		return translate(err)
	}
	return tx.ready()
}

// ready says why no more can be done in the transaction: a statement failed, or nobody waits for the result any more.
func (tx *Tx) ready() error {
	if tx.failed == nil && tx.caller.Err() != nil {
		tx.failed = tx.caller.Err()
	}
	return tx.failed
}

// isolation gives a read one snapshot for all its statements, as SQLite always does.
func (s *Store) isolation(write bool) *sql.TxOptions {
	if write || !s.postgres {
		return nil
	}
	return &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead}
}

// exec runs a statement and says how many rows it changed.
func (tx *Tx) exec(query string, args ...any) (int64, error) {
	if err := tx.ready(); err != nil {
		return 0, err
	}
	res, err := tx.tx.ExecContext(tx.ctx, query, keepable(args)...)
	if err != nil {
		return 0, tx.fail(err)
	}
	return res.RowsAffected()
}

func (tx *Tx) fail(err error) error {
	tx.failed = translate(err)
	return tx.failed
}

// keepable replaces what PostgreSQL cannot keep in TEXT, NUL and invalid UTF-8, in whatever comes from outside: the
// words of a remote error, an identifier in an address, a search.
func keepable(args []any) []any {
	out := slices.Clone(args)
	for i, a := range out {
		if v := reflect.ValueOf(a); v.Kind() == reflect.String {
			out[i] = strings.ReplaceAll(strings.ToValidUTF8(v.String(), "\ufffd"), "\x00", "\ufffd")
		}
	}
	return out
}

// must runs a statement that has to change exactly one row; ErrStale when it changed none.
func (tx *Tx) must(query string, args ...any) error {
	n, err := tx.exec(query, args...)
	if err == nil && n != 1 {
		return ErrStale
	}
	return err
}

// short cuts what is indexed and may come from outside: an entry of a PostgreSQL index has at most 2704 bytes.
func short(s string) string { return strings.ToValidUTF8(s[:min(len(s), 300)], "") }

// row is what QueryRow and Query give to a scanner.
type row interface{ Scan(...any) error }

func one[T any](tx *Tx, scan func(row) (T, error), query string, args ...any) (T, error) {
	if err := tx.ready(); err != nil {
		var none T
		return none, err
	}
	v, err := scan(tx.tx.QueryRowContext(tx.ctx, query, keepable(args)...))
	if errors.Is(err, sql.ErrNoRows) {
		return v, ErrNotFound
	}
	if err != nil {
		return v, tx.fail(err)
	}
	return v, nil
}

func many[T any](tx *Tx, scan func(row) (T, error), query string, args ...any) ([]T, error) {
	if err := tx.ready(); err != nil {
		return nil, err
	}
	rows, err := tx.tx.QueryContext(tx.ctx, query, keepable(args)...)
	if err != nil {
		return nil, tx.fail(err)
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, tx.fail(err)
		}
		all = append(all, v)
	}
	if err := rows.Err(); err != nil {
		return nil, tx.fail(err)
	}
	return all, nil
}

func value[T any](r row) (T, error) {
	var v T
	err := r.Scan(&v)
	return v, err
}

// micros and instant keep times as integer microseconds; the zero time is 0.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func instant(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}
