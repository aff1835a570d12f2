//go:build e2e

package dev

import (
	"database/sql"
	"os"
	"path/filepath"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql"
)

// openFolder is one that other users may enter: servers that refuse to be root run as such. Folders of tests are closed.
func openFolder(t *testing.T) string {
	t.Helper()
	data, err := os.MkdirTemp("", "frama-database")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(data) })
	if err := os.Chmod(data, 0o711); err != nil {
		t.Fatal(err)
	}
	return data
}

func startMariaDBOf(t *testing.T, o MariaDBOptions) *MariaDB {
	t.Helper()
	began := time.Now()
	m, err := StartMariaDB(testContext(t), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Stop)
	t.Logf("MariaDB ready after %s", time.Since(began).Round(time.Millisecond))
	return m
}

func openMariaDB(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func TestMariaDBAnswersAndKeepsItsData(t *testing.T) {
	o := MariaDBOptions{Data: openFolder(t)}
	m := startMariaDBOf(t, o)
	db := openMariaDB(t, m.DSN("mysql"))
	for _, statement := range []string{
		"CREATE DATABASE kept", "CREATE TABLE kept.it (n int)", "INSERT INTO kept.it VALUES (42)",
		"CREATE USER one@'127.0.0.1' IDENTIFIED BY 'secret'", "GRANT ALL ON kept.* TO one@'127.0.0.1'",
	} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	// The connection stays open: Stop must not wait for its client.
	began := time.Now()
	m.Stop()
	t.Logf("stopped after %s", time.Since(began).Round(time.Millisecond))

	again := startMariaDBOf(t, o)
	if again.Password != m.Password || again.Port != m.Port {
		t.Error("password and port changed over a restart")
	}
	var n int
	one := openMariaDB(t, "one:secret@tcp("+again.Address()+")/kept")
	if err := one.QueryRowContext(t.Context(), "SELECT n FROM it").Scan(&n); err != nil || n != 42 {
		t.Errorf("after a restart: %d, %v, want 42", n, err)
	}
	again.Kill()
	third := startMariaDBOf(t, o)
	if err := openMariaDB(t, third.DSN("mysql")).PingContext(t.Context()); err != nil {
		t.Errorf("after a crash: %v", err)
	}
}

func TestMariaDBLetsNobodyInWithoutThePassword(t *testing.T) {
	o := MariaDBOptions{Data: openFolder(t)}
	m := startMariaDBOf(t, o)
	for _, who := range []string{"root", "root:guess", "", "nobody", "mysql"} {
		if err := openMariaDB(t, who+"@tcp("+m.Address()+")/").PingContext(t.Context()); err == nil {
			t.Errorf("%q signed in", who)
		}
	}
	for _, name := range []string{"password", "administrator.sql"} {
		if info, err := os.Stat(filepath.Join(o.Data, "mariadb", name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v, want mode 0600", name, info, err)
		}
	}
}
