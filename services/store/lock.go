package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// ErrServed says that another frama serve has this SQLite database.
var ErrServed = errors.New("another frama serve already runs on this SQLite database")

// LockServer makes sure that one frama serve at a time runs on a SQLite file; the other commands may run beside it.
// PostgreSQL takes several, so there it does nothing. The kernel lets go of the lock when the process ends.
func (s *Store) LockServer() (unlock func(), err error) {
	if s.postgres {
		return func() {}, nil
	}
	var path string
	if err := s.read.QueryRowContext(context.Background(), `SELECT file FROM pragma_database_list WHERE name = 'main'`).Scan(&path); err != nil {
		return nil, fmt.Errorf("find the database's file: %w", err)
	}
	f, err := os.OpenFile(path+".serve", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the database: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		holder, _ := os.ReadFile(path + ".serve")
		_ = f.Close()
		return nil, fmt.Errorf("%w (process %s, %s): stop it first, or use PostgreSQL, which takes several servers",
			ErrServed, strings.TrimSpace(string(holder)), path)
	}
	_ = f.Truncate(0)
	_, _ = fmt.Fprintln(f, os.Getpid())
	return func() { _ = f.Close() }, nil
}
