package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// translate gives the errors of both databases the names callers know.
func translate(err error) error {
	for _, known := range []error{ErrNotFound, ErrStale, ErrTaken, ErrUnreachable, ErrDiskFull} {
		if errors.Is(err, known) {
			return err
		}
	}
	if name := named(err); name != nil {
		return fmt.Errorf("%w: %w", name, err)
	}
	return err
}

// named is the error of this package that err amounts to, or nil.
func named(err error) error {
	var lite *sqlite.Error
	if errors.As(err, &lite) {
		switch lite.Code() {
		case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
			return ErrTaken
		case sqlite3.SQLITE_FULL:
			return ErrDiskFull
		}
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		switch pg.Code {
		case "23505": // unique_violation
			return ErrTaken
		case "53100": // disk_full
			return ErrDiskFull
		case "57P01", "57P02", "57P03": // the server stops, crashed or is starting
			return ErrUnreachable
		}
	}
	var refused *pgconn.ConnectError
	switch {
	case errors.As(err, &refused):
		return ErrUnreachable
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return nil // the caller's doing; pgx calls it safe to retry
	case errors.Is(err, driver.ErrBadConn), errors.Is(err, io.ErrUnexpectedEOF), pgconn.SafeToRetry(err):
		return ErrUnreachable
	}
	return nil
}

// retryable says whether PostgreSQL asks to run the transaction again.
func retryable(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "40001" || pg.Code == "40P01")
}
