//go:build e2e

package dev

import (
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

func startPostgres(t *testing.T, o PostgresOptions) *Postgres {
	t.Helper()
	began := time.Now()
	p, err := StartPostgres(testContext(t), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	t.Logf("PostgreSQL ready after %s", time.Since(began).Round(time.Millisecond))
	return p
}

func TestPostgresAnswersAndKeepsItsData(t *testing.T) {
	// Folders of tests are closed to other users, and this server is one.
	data, err := os.MkdirTemp("", "frama-postgres")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(data) })
	if err := os.Chmod(data, 0o711); err != nil {
		t.Fatal(err)
	}
	o := PostgresOptions{Data: data}
	p := startPostgres(t, o)
	connect := func(p *Postgres) *pgx.Conn {
		t.Helper()
		db, err := pgx.Connect(t.Context(), p.URL("postgres"))
		if err != nil {
			t.Fatal(err)
		}
		return db
	}
	db := connect(p)
	if _, err := db.Exec(t.Context(), "CREATE TABLE kept (n int); INSERT INTO kept VALUES (42)"); err != nil {
		t.Fatal(err)
	}
	// The connection stays open: Stop must not wait for its client.
	began := time.Now()
	p.Stop()
	t.Logf("stopped after %s", time.Since(began).Round(time.Millisecond))
	again := startPostgres(t, o)
	var n int
	if err := connect(again).QueryRow(t.Context(), "SELECT n FROM kept").Scan(&n); err != nil || n != 42 {
		t.Errorf("after a restart: %d, %v, want 42", n, err)
	}
	if info, err := os.Stat(again.Socket); again.Socket != "" && (err != nil || !info.IsDir()) {
		t.Errorf("folder of the socket: %v", err)
	}
}
