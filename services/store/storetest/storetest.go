// Package storetest opens databases for tests and holds the conformance suite of services/store, which runs on SQLite
// and on PostgreSQL. Each call of SQLite or PostgreSQL makes an empty database of its own, gone when the test ends, so
// tests may run at the same time.
package storetest

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"framagit.org/frama/frama/services/seal"
	"framagit.org/frama/frama/services/store"
)

// PostgresVariable is the environment variable with the address of a PostgreSQL server on which tests may make
// databases, as postgres://….
const PostgresVariable = "FRAMA_TEST_POSTGRES"

// SQLite returns the address of a database that does not exist yet.
func SQLite(t testing.TB) string {
	t.Helper()
	return "sqlite:" + filepath.Join(t.TempDir(), "frama.db")
}

// PostgreSQL returns the address of an empty database, or skips the test where there is no server. The database sorts
// text by the rules of a language, as those of most hosts do, which is not how SQLite sorts.
func PostgreSQL(t testing.TB) string {
	t.Helper()
	server := os.Getenv(PostgresVariable)
	if server == "" {
		t.Skipf("no PostgreSQL server: set %s to the address of one where databases may be made, or run `make test`, which starts one",
			PostgresVariable)
	}
	address, err := url.Parse(server)
	if err != nil {
		t.Fatalf("%s: %v", PostgresVariable, err)
	}
	name := "frama_test_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	onServer(t, server, fmt.Sprintf(
		`CREATE DATABASE %s TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'en' LC_COLLATE 'C' LC_CTYPE 'C'`, name))
	t.Cleanup(func() { onServer(t, server, "DROP DATABASE "+name+" WITH (FORCE)") })
	address.Path = "/" + name
	return address.String()
}

func onServer(t testing.TB, server, statement string) {
	t.Helper()
	db, err := sql.Open("pgx", server)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(context.Background(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// Each runs a test on every kind of database, with the address of an empty one.
func Each(t *testing.T, f func(t *testing.T, dsn string)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { f(t, SQLite(t)) })
	t.Run("postgres", func(t *testing.T) { f(t, PostgreSQL(t)) })
}

// Open opens and migrates the database at dsn, and closes it when the test ends. The options are those of Options,
// changed by the functions.
func Open(t testing.TB, dsn string, change ...func(*store.Options)) *store.Store {
	t.Helper()
	s := OpenEmpty(t, dsn, change...)
	if _, err := s.Migrate(context.Background()); err != nil {
		t.Fatal(err)
	}
	return s
}

// OpenEmpty is Open without the migration.
func OpenEmpty(t testing.TB, dsn string, change ...func(*store.Options)) *store.Store {
	t.Helper()
	o := Options(t)
	for _, c := range change {
		c(&o)
	}
	s, err := store.Open(context.Background(), dsn, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close the store: %v", err)
		}
	})
	return s
}

// Options are the options of a store with the real clock and a fixed seal key.
func Options(t testing.TB) store.Options {
	t.Helper()
	return store.Options{Now: time.Now, NewID: NewID, Seal: Key(t, 1)}
}

// Key returns a seal key; another n gives another key.
func Key(t testing.TB, n byte) *seal.Key {
	t.Helper()
	raw := make([]byte, seal.Size)
	raw[0] = n
	key, err := seal.New(raw)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// NewID makes a UUIDv7.
func NewID() string { return uuid.Must(uuid.NewV7()).String() }

// Clock is a clock that stands still until it is moved.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock returns a clock at a fixed instant, with nanoseconds and in a zone that is not UTC.
func NewClock() *Clock {
	return &Clock{now: time.Date(2026, 3, 29, 1, 59, 59, 123456789, time.FixedZone("CET", 3600))}
}

// Now is the time the clock shows.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// With is an option of Open: the store goes by this clock.
func (c *Clock) With(o *store.Options) { o.Now = c.Now }
