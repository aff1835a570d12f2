package store

import (
	"context"
	"strconv"
)

// LimitPages keeps a SQLite database from growing beyond a number of pages, which SQLite reports as a full disk. It
// returns how many pages there are.
func (s *Store) LimitPages(n int) (pages int, err error) {
	err = s.Write(context.Background(), func(tx *Tx) error {
		if _, err := one(tx, value[int], `SELECT COUNT(*) FROM setting`); err != nil {
			return err
		}
		if n > 0 {
			if _, err := tx.tx.Exec("PRAGMA max_page_count = " + strconv.Itoa(n)); err != nil {
				return err
			}
		}
		pages, err = one(tx, value[int], `PRAGMA page_count`)
		return err
	})
	return pages, err
}

// ClaimPlan is how SQLite looks for the next run.
func (s *Store) ClaimPlan() (plan []string, err error) {
	err = s.Read(context.Background(), func(tx *Tx) error {
		plan, err = many(tx, func(r row) (detail string, err error) {
			var a, b, c int
			return detail, r.Scan(&a, &b, &c, &detail)
		}, `EXPLAIN QUERY PLAN SELECT id FROM run WHERE `+runnable+` ORDER BY not_before, id LIMIT 1`, 0)
		return err
	})
	return plan, err
}

// Pragmas are the settings of one connection of each pool.
func (s *Store) Pragmas(name string) (write, read string, err error) {
	if err := s.write.QueryRow("PRAGMA " + name).Scan(&write); err != nil {
		return "", "", err
	}
	return write, read, s.read.QueryRow("PRAGMA " + name).Scan(&read)
}

// Waiting is how many writes wait for the turn to write to SQLite.
func (s *Store) Waiting() int { return int(s.together.waiting.Load()) }
