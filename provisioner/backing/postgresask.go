package backing

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"framagit.org/frama/frama/provisioner"
)

const postgresSize = `SELECT pg_catalog.pg_database_size(pg_catalog.current_database())`

func (p *postgres) Gave(items map[string]string) bool { return p.gave(items) }

// Ask asks for the size of the database with all that belongs to it on disk, then the queries, on one connection.
func (p *postgres) Ask(ctx context.Context, items map[string]string, within time.Duration, queries []string) (provisioner.Answer, []provisioner.Answer) {
	var answers []provisioner.Answer
	err := p.session(ctx, items["db_user"], items["db_password"], items["db_name"], func(ctx context.Context, db *pgx.Conn) error {
		answers = askAll(ctx, within, append([]string{postgresSize}, queries...), func(ctx context.Context, query string) (string, error) {
			return p.askOne(ctx, db, within, query)
		}, db.IsClosed)
		return nil
	})
	if answers == nil {
		return unanswered(p.askFailed(err, within), len(queries))
	}
	return answers[0], answers[1:]
}

// askOne asks in a transaction of its own, which may only read: a query that fails spoils none after it.
func (p *postgres) askOne(ctx context.Context, db *pgx.Conn, within time.Duration, query string) (string, error) {
	begin := fmt.Sprintf("BEGIN READ ONLY; SET LOCAL statement_timeout = %d", within.Milliseconds())
	if _, err := db.PgConn().Exec(ctx, begin).ReadAll(); err != nil {
		return "", p.askFailed(err, within)
	}
	result := db.PgConn().ExecParams(ctx, shortened(query, "pg_catalog.left(x::pg_catalog.text, 64)"), nil, nil, nil, nil).Read()
	if result.Err != nil {
		_, _ = db.PgConn().Exec(ctx, "ROLLBACK").ReadAll()
		return "", p.askFailed(result.Err, within)
	}
	var values []*string
	for _, row := range result.Rows {
		var value *string
		if row[0] != nil {
			text := string(row[0])
			value = &text
		}
		values = append(values, value)
	}
	if _, err := db.PgConn().Exec(ctx, "COMMIT").ReadAll(); err != nil {
		return "", p.askFailed(err, within)
	}
	return only(values)
}

func (p *postgres) askFailed(err error, within time.Duration) error {
	var known *pgconn.PgError
	if errors.As(err, &known) {
		switch known.Code {
		case "57014":
			return slow(within, known)
		case "28000", "28P01": // not the administrator's, as explain would have it
			return fmt.Errorf("the database does not let the instance's own account in: frama backing check --repair: %w", known)
		}
		if known.Code[:2] == "42" {
			return fmt.Errorf("the database refuses the query of the manifest: %w", known)
		}
	}
	return p.explain(err)
}
