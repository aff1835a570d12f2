//go:build e2e

package backing

import (
	"context"
	"database/sql"
	"maps"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/minio/minio-go/v7"

	"framagit.org/frama/frama/provisioner"
)

// asked is the variable of an instance with a grant.
func asked(t *testing.T, b provisioner.Backing, g provisioner.Grant) map[string]string {
	items := ensure(t, b, g)
	maps.Copy(items, g.Secrets)
	return items
}

// question is one query and what comes of it.
type question struct{ query, text, words string }

func answer(t *testing.T, b provisioner.Asked, items map[string]string, within time.Duration, questions []question) {
	t.Helper()
	var queries []string
	for _, q := range questions {
		queries = append(queries, q.query)
	}
	size, answers := b.Ask(t.Context(), items, within, queries)
	if bytes, err := strconv.ParseInt(size.Text, 10, 64); size.Err != nil || err != nil || bytes < 0 {
		t.Errorf("size: %+v", size)
	}
	if len(answers) != len(questions) {
		t.Fatalf("%d answers to %d questions", len(answers), len(questions))
	}
	for n, q := range questions {
		a := answers[n]
		if a.Text != q.text || (a.Err == nil) != (q.words == "") || a.Err != nil && !strings.Contains(a.Err.Error(), q.words) {
			t.Errorf("%s: %+v; want %q, %q", q.query, a, q.text, q.words)
		}
		if a.Err != nil && strings.Contains(a.Err.Error(), items["db_password"]) {
			t.Errorf("%s shows the password: %v", q.query, a.Err)
		}
	}
}

// common are questions to both kinds of databases. One that fails spoils none after it.
func common(more ...question) []question {
	return append([]question{
		{"SELECT count(*) FROM pads", "3", ""},
		{"select count(*) from pads where name <> 'c' -- not that one", "2", ""},
		{" SELECT count(*) FROM pads ; \n", "3", ""},
		{"WITH few AS (SELECT * FROM pads WHERE name < 'c') SELECT count(*) FROM few", "2", ""},
		{"SELECT name FROM pads", "", "several rows"},
		{"SELECT name FROM pads WHERE name = 'none'", "", "no row"},
		{"SELECT max(name) FROM pads WHERE name = 'none'", "", "NULL"},
		{"SELECT count(*) FROM nothing", "", "refuses the query"},
		{"SELEKT 1", "", "refuses the query"},
		{"SELECT repeat('x', 5000000)", strings.Repeat("x", 64), ""},
		{"DELETE FROM pads", "", ""},
		{"SELECT 1); DELETE FROM pads; SELECT (2", "", ""},
		{"SELECT count(*) FROM pads", "3", ""},
	}, more...)
}

func TestPostgresAsk(t *testing.T) {
	ctx := t.Context()
	b := open(t, postgresOptions(t), nil).(*postgres)
	one, other := two(t, b)
	items := asked(t, b, one)
	must(t, b.session(ctx, one.Name, one.Secrets["db_password"], one.Name, func(ctx context.Context, db *pgx.Conn) error {
		return run(ctx, db, `CREATE TABLE pads (name text)`, `INSERT INTO pads VALUES ('a'), ('b'), ('c')`,
			// What an instance leaves for whoever comes in.
			`CREATE SCHEMA trap`, `CREATE FUNCTION trap.pg_database_size(name) RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint'`,
			`CREATE FUNCTION drop_all() RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN DELETE FROM pads; RETURN 1; END $$`,
			`ALTER DATABASE `+ident(one.Name)+` SET search_path = trap, pg_catalog, public`)
	}))
	if !b.Gave(items) || b.Gave(map[string]string{"db_name": "x", "db_host": "elsewhere", "db_port": "5432"}) || b.Gave(nil) {
		t.Error("the variable leads elsewhere")
	}
	questions := common(
		question{"SELECT drop_all()", "", "read-only"},
		question{"SELECT pg_catalog.pg_sleep(20)", "", "within 1.5s"},
		question{"SELECT count(*) FROM pads", "3", ""},
		question{"SELECT count(*) FROM pg_catalog.pg_authid", "", "refuses the query"}, // for administrators only
	)
	for n := range questions {
		if q := &questions[n]; strings.Contains(q.query, "DELETE") {
			q.words = "refuses the query"
		}
	}
	start := time.Now()
	answer(t, b, items, 1500*time.Millisecond, questions)
	if took := time.Since(start); took > 20*time.Second {
		t.Error("it took", took)
	}

	before, _ := b.Ask(ctx, items, 10*time.Second, nil)
	must(t, b.session(ctx, one.Name, one.Secrets["db_password"], one.Name, func(ctx context.Context, db *pgx.Conn) error {
		return run(ctx, db, `CREATE TABLE much AS SELECT random()::text AS a FROM generate_series(1, 200000)`)
	}))
	after, _ := b.Ask(ctx, items, 10*time.Second, nil)
	grown := bytesOf(t, after) - bytesOf(t, before)
	var really int64
	must(t, b.admin(ctx, "", func(ctx context.Context, db *pgx.Conn) error {
		return db.QueryRow(ctx, `SELECT pg_catalog.pg_database_size($1)`, one.Name).Scan(&really)
	}))
	if grown < 6<<20 || really != bytesOf(t, after) || bytesOf(t, before) < 1<<20 {
		t.Errorf("the size went from %s to %s; the server says %d", before.Text, after.Text, really)
	}

	// Another's password opens nothing, and the error is for people.
	items["db_password"] = other.Secrets["db_password"]
	size, answers := b.Ask(ctx, items, time.Second, []string{"SELECT 1"})
	for _, a := range append(answers, size) {
		if a.Err == nil || !strings.Contains(a.Err.Error(), "backing check --repair") || strings.Contains(a.Err.Error(), items["db_password"]) {
			t.Errorf("with another's password: %+v", a)
		}
	}
}

func TestMariaDBAsk(t *testing.T) {
	ctx := t.Context()
	b := open(t, mysqlOptions(t), nil).(*mariadb)
	g := newGrant(b)
	items := asked(t, b, g)
	as := func(statements ...string) {
		t.Helper()
		must(t, b.session(ctx, g.Name, g.Secrets["db_password"], g.Name, func(ctx context.Context, db *sql.Conn) error { return b.run(ctx, db, statements...) }))
	}
	as(`CREATE TABLE pads (name varchar(20))`, `INSERT INTO pads VALUES ('a'), ('b'), ('c')`,
		`CREATE FUNCTION drop_all() RETURNS int MODIFIES SQL DATA BEGIN DELETE FROM pads; RETURN 1; END`)
	questions := common(
		question{"SELECT drop_all()", "", "refuses the query"},
		question{"SELECT count(*) FROM pads AS a, information_schema.columns b, information_schema.columns c, information_schema.columns d WHERE sleep(0.01) = 0", "", "within 1.5s"},
		question{"SELECT count(*) FROM pads", "3", ""},
		question{"SELECT count(*) FROM mysql.user", "", "refuses the query"},
		question{"SELECT 1, 2", "", "refuses the query"},
	)
	for n := range questions {
		if q := &questions[n]; strings.Contains(q.query, "DELETE") {
			q.words = "refuses the query"
		}
	}
	answer(t, b, items, 1500*time.Millisecond, questions)

	before, _ := b.Ask(ctx, items, 10*time.Second, nil)
	as(`CREATE TABLE much (a char(200))`, `INSERT INTO much SELECT repeat('x', 200) FROM seq_1_to_50000`, `ANALYZE TABLE much`)
	after, _ := b.Ask(ctx, items, 10*time.Second, nil)
	if grown := bytesOf(t, after) - bytesOf(t, before); grown < 10_000_000 || grown > 20_000_000 {
		t.Errorf("10 MB were written; the size went from %s to %s", before.Text, after.Text)
	}
	items["db_password"] = "wrong"
	if size, _ := b.Ask(ctx, items, time.Second, nil); size.Err == nil || !strings.Contains(size.Err.Error(), "backing check --repair") {
		t.Errorf("with a wrong password: %+v", size)
	}
}

func TestS3Ask(t *testing.T) {
	ctx := t.Context()
	b := open(t, s3Options(t), nil).(*s3)
	g := newGrant(b)
	items := asked(t, b, g)
	if !b.Gave(items) {
		t.Error("the variable leads elsewhere")
	}
	size, _ := b.Ask(ctx, items, 10*time.Second, nil)
	if bytesOf(t, size) != 0 {
		t.Errorf("an empty bucket has %s bytes", size.Text)
	}
	c, err := b.connect(items["s3_key"], items["s3_secret"])
	must(t, err)
	const objects, each = 1203, 31 // more than one page of a listing
	for n := range objects {
		_, err := c.PutObject(ctx, g.Name, "photos/"+strconv.Itoa(n), strings.NewReader(strings.Repeat("x", each)), each, minio.PutObjectOptions{})
		must(t, err)
	}
	size, answers := b.Ask(ctx, items, 20*time.Second, []string{"SELECT 1"})
	if bytesOf(t, size) != objects*each || answers[0].Err == nil {
		t.Errorf("%d objects of %d bytes have %s bytes; %+v", objects, each, size.Text, answers)
	}
	if size, _ := b.Ask(ctx, items, time.Millisecond, nil); size.Err == nil || size.Text != "" {
		t.Errorf("in a millisecond: %+v", size)
	}
	items["s3_secret"] = "wrong"
	if size, _ := b.Ask(ctx, items, 10*time.Second, nil); size.Err == nil || size.Text != "" {
		t.Errorf("with a wrong key: %+v", size)
	}
}

func bytesOf(t *testing.T, a provisioner.Answer) int64 {
	t.Helper()
	n, err := strconv.ParseInt(a.Text, 10, 64)
	if a.Err != nil || err != nil {
		t.Fatalf("%+v", a)
	}
	return n
}
