package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
	"framagit.org/frama/frama/services/store/storetest"
)

// childVariable makes the test binary play another process: it holds what to do and with which database.
const childVariable = "FRAMA_STORE_TEST_CHILD"

func TestMain(m *testing.M) {
	if order := os.Getenv(childVariable); order != "" {
		if err := child(order); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

const childWrites = 150

// child opens the database, migrates it and writes: settings of its own, and a counter that all share.
func child(order string) error {
	name, dsn, _ := strings.Cut(order, " ")
	ctx := context.Background()
	s, err := store.Open(ctx, dsn, store.Options{Now: time.Now, NewID: storetest.NewID})
	if err != nil {
		return err
	}
	defer s.Close()
	if _, err := s.Migrate(ctx); err != nil {
		return err
	}
	for n := range childWrites {
		err := s.Write(ctx, func(tx *store.Tx) error {
			if err := tx.SetSetting(fmt.Sprint(name, n), "1"); err != nil {
				return err
			}
			return tx.Audit(hosting.Actor{Name: name}, "write", "setting:"+name, strconv.Itoa(n))
		})
		if err != nil {
			return fmt.Errorf("write %d: %w", n, err)
		}
		err = s.Read(ctx, func(tx *store.Tx) error { _, _, err := tx.AuditLog(name, 0, 1); return err })
		if err != nil {
			return fmt.Errorf("read %d: %w", n, err)
		}
	}
	return nil
}

// Several processes on one database: they all create and migrate it at once, then write without a pause, and nobody is
// told that it is busy or loses a line.
func TestProcessesShareADatabase(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		const processes = 3
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		var children []*exec.Cmd
		for n := range processes {
			c := exec.Command(self)
			c.Env = append(os.Environ(), fmt.Sprintf("%s=p%d %s", childVariable, n, dsn))
			c.Stdout, c.Stderr = &bytes.Buffer{}, &bytes.Buffer{}
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			children = append(children, c)
		}
		for n, c := range children {
			if err := c.Wait(); err != nil {
				t.Errorf("process %d: %v: %s", n, err, c.Stderr)
			}
		}
		s := storetest.Open(t, dsn)
		err = s.Read(context.Background(), func(tx *store.Tx) error {
			_, total, err := tx.AuditLog("", 0, 1)
			if total != processes*childWrites {
				t.Errorf("%d lines were written, want %d", total, processes*childWrites)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestDiskFull(t *testing.T) {
	s := storetest.Open(t, storetest.SQLite(t))
	pages, err := s.LimitPages(0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.LimitPages(pages); err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	err = s.Write(ctx, func(tx *store.Tx) error {
		if err := tx.SetSetting("small", "1"); err != nil {
			return err
		}
		return tx.SetSetting("large", strings.Repeat("x", 1<<20))
	})
	if !errors.Is(err, store.ErrDiskFull) || !strings.Contains(err.Error(), "free disk space") {
		t.Fatalf("got %v, want %v", err, store.ErrDiskFull)
	}
	read := func(name string) error {
		return s.Read(ctx, func(tx *store.Tx) error { _, err := tx.Setting(name); return err })
	}
	if err := read("small"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("something was written: %v", err)
	}
	if err := read("edge_version"); err != nil {
		t.Errorf("what is there can no longer be read: %v", err)
	}
	// Room again: the same connection goes on.
	if _, err := s.LimitPages(pages + 10_000); err != nil {
		t.Fatal(err)
	}
	if err := s.Write(ctx, func(tx *store.Tx) error { return tx.SetSetting("large", strings.Repeat("x", 1<<20)) }); err != nil {
		t.Error(err)
	}
}

func TestConnectionsHaveTheirPragmas(t *testing.T) {
	s := storetest.Open(t, storetest.SQLite(t))
	for name, want := range map[string][2]string{
		"foreign_keys": {"1", "1"}, "journal_mode": {"wal", "wal"}, "synchronous": {"2", "2"}, "query_only": {"0", "1"},
		"busy_timeout": {"10000", "10000"},
	} {
		write, read, err := s.Pragmas(name)
		if err != nil || write != want[0] || read != want[1] {
			t.Errorf("%s is %s and %s, want %v (%v)", name, write, read, want, err)
		}
	}
}

func TestClaimsUseTheIndex(t *testing.T) {
	s := storetest.Open(t, storetest.SQLite(t))
	plan, err := s.ClaimPlan()
	text := strings.Join(plan, "; ")
	if err != nil || !strings.Contains(text, "run_claim") || strings.Contains(text, "TEMP B-TREE") {
		t.Errorf("a claim looks at every run: %s (%v)", text, err)
	}
}

func TestAnyPathWillDo(t *testing.T) {
	folder := t.TempDir()
	for _, name := range []string{"plain.db", "with space.db", "100%.db", "a?b#c.db", "é&x=y.db", "%20.db"} {
		path := filepath.Join(folder, name)
		storetest.Open(t, "sqlite:"+path)
		if _, err := os.Stat(path); err != nil {
			t.Errorf("opened %s, but %v", path, err)
		}
	}
}

func TestAddressesThatCannotBeOpened(t *testing.T) {
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "text.db"), bytes.Repeat([]byte("not a database\n"), 100), 0o600); err != nil {
		t.Fatal(err)
	}
	for dsn, want := range map[string]string{
		"":                                "expected sqlite:<path>",
		"sqlite:":                         "expected sqlite:<path>",
		"/var/lib/frama.db":               "expected sqlite:<path>",
		"mysql://frama:hunter2@db/frama":  "expected sqlite:<path>",
		"sqlite:" + folder + "/no/such/f": "/no/such/f",
		"sqlite:" + folder:                folder,
		"sqlite:" + folder + "/text.db":   "text.db",
		"postgres://frama:hunter2@127.0.0.1:1/frama?connect_timeout=2": "check that it runs",
	} {
		s, err := store.Open(context.Background(), dsn, storetest.Options(t))
		if err == nil {
			_ = s.Close()
			t.Errorf("%s was opened", dsn)
			continue
		}
		if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %q, want %q in it and no password", dsn, err, want)
		}
	}
}
