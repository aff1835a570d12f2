package backing

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	driver "github.com/go-sql-driver/mysql"

	"framagit.org/frama/frama/provisioner"
)

// mysqlSize is what tables and their indexes take, as InnoDB last counted: it may lag behind a little.
const mysqlSize = `SELECT CAST(COALESCE(SUM(data_length + index_length), 0) AS UNSIGNED) FROM information_schema.tables WHERE table_schema = DATABASE()`

func (m *mariadb) Gave(items map[string]string) bool { return m.gave(items) }

// Ask asks for the size of the database, then the queries, on one connection.
func (m *mariadb) Ask(ctx context.Context, items map[string]string, within time.Duration, queries []string) (provisioner.Answer, []provisioner.Answer) {
	var answers []provisioner.Answer
	err := m.session(ctx, items["db_user"], items["db_password"], items["db_name"], func(ctx context.Context, db *sql.Conn) error {
		if _, err := db.ExecContext(ctx, fmt.Sprintf("SET SESSION max_statement_time = %.3f, lock_wait_timeout = %d", within.Seconds(), int(within.Seconds())+1)); err != nil {
			return err
		}
		answers = askAll(ctx, within, append([]string{mysqlSize}, queries...), func(ctx context.Context, query string) (string, error) {
			text, err := askOne(ctx, db, query)
			return text, m.askFailed(err, within)
		}, func() bool { return db.PingContext(ctx) != nil })
		return nil
	})
	if answers == nil {
		return unanswered(m.askFailed(err, within), len(queries))
	}
	return answers[0], answers[1:]
}

// errAnswer is what was answered and is no number.
type errAnswer struct{ error }

func askOne(ctx context.Context, db *sql.Conn, query string) (string, error) {
	tx, err := db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return "", err
	}
	defer tx.Rollback()
	rows, err := tx.QueryContext(ctx, shortened(query, "LEFT(CAST(x AS CHAR), 64)"))
	if err != nil {
		return "", err
	}
	defer rows.Close()
	var values []*string
	for rows.Next() {
		var value *string
		if err := rows.Scan(&value); err != nil {
			return "", err
		}
		values = append(values, value)
	}
	if err := rows.Err(); err != nil {
		return "", err
	}
	text, err := only(values)
	if err != nil {
		return "", errAnswer{err}
	}
	return text, nil
}

func (m *mariadb) askFailed(err error, within time.Duration) error {
	var answered errAnswer
	if errors.As(err, &answered) {
		return answered.error
	}
	var known *driver.MySQLError
	if errors.As(err, &known) {
		switch known.Number {
		case 1969:
			return slow(within, known)
		case 1044, 1045, 1698, 4151: // not the administrator's, as explain would have it
			return fmt.Errorf("the database does not let the instance's own account in: frama backing check --repair: %w", known)
		case 1054, 1064, 1142, 1146, 1305, 1792, 4002: // no such column, syntax, right, table, function, only to read, several columns
			return fmt.Errorf("the database refuses the query of the manifest: %w", known)
		}
	}
	return m.explain(err)
}
