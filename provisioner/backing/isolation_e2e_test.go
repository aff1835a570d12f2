//go:build e2e

package backing

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/minio/minio-go/v7"
	"github.com/redis/go-redis/v9"

	"framagit.org/frama/frama/provisioner"
)

func contains(text, part string) bool { return strings.Contains(text, part) }

// two makes what two instances of different associations have.
func two(t *testing.T, b provisioner.Backing) (one, other provisioner.Grant) {
	one, other = newGrant(b), newGrant(b)
	ensure(t, b, one)
	ensure(t, b, other)
	return one, other
}

// TestPostgresApart tries what an application that was taken over would try.
func TestPostgresApart(t *testing.T) {
	ctx := t.Context()
	b := open(t, postgresOptions(t), nil).(*postgres)
	one, other := two(t, b)
	as := func(g provisioner.Grant, database string, f func(ctx context.Context, db *pgx.Conn) error) error {
		return b.session(ctx, g.Name, g.Secrets["db_password"], database, f)
	}
	must(t, as(other, other.Name, func(ctx context.Context, db *pgx.Conn) error {
		return run(ctx, db, `CREATE TABLE secret (text text)`, `INSERT INTO secret VALUES ('of the others')`, `CREATE SCHEMA more`,
			`CREATE TEMPORARY TABLE scratch (n int)`)
	}))
	for _, database := range []string{other.Name, "postgres", "template1", "mail"} {
		if err := as(one, database, func(ctx context.Context, db *pgx.Conn) error { return db.Ping(ctx) }); err == nil || !contains(err.Error(), "permission denied") {
			t.Errorf("connected to %s: %v", database, err)
		}
	}
	for _, statement := range []string{
		`SELECT pg_read_file('/etc/passwd')`,
		`SELECT pg_ls_dir('/')`,
		`SELECT lo_import('/etc/passwd')`,
		`COPY (SELECT 1) TO PROGRAM 'id'`,
		`COPY (SELECT 1) TO '/tmp/frama-test'`,
		`CREATE DATABASE more`,
		`CREATE ROLE more`,
		`ALTER ROLE ` + ident(one.Name) + ` SUPERUSER`,
		`ALTER ROLE ` + ident(one.Name) + ` CONNECTION LIMIT -1`,
		`GRANT ` + ident(other.Name) + ` TO ` + ident(one.Name),
		`SET ROLE ` + ident(other.Name),
		`SET ROLE frama`,
		`SELECT rolpassword FROM pg_authid`,
		`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'frama' AND pid <> pg_backend_pid() UNION ALL SELECT NULL / (SELECT 0)`,
		`ALTER DATABASE ` + ident(other.Name) + ` OWNER TO ` + ident(one.Name),
		`DROP DATABASE ` + ident(other.Name),
		`ALTER DATABASE ` + ident(one.Name) + ` RENAME TO more`,
		`CREATE EXTENSION file_fdw`,
		`CREATE EXTENSION dblink`,
		`CREATE LANGUAGE plperlu`,
		`ALTER SYSTEM SET log_statement = 'all'`,
	} {
		err := as(one, one.Name, func(ctx context.Context, db *pgx.Conn) error { return run(ctx, db, statement) })
		if err == nil {
			t.Errorf("allowed: %s", statement)
		}
	}
	// What it is for works all the same.
	must(t, as(one, one.Name, func(ctx context.Context, db *pgx.Conn) error {
		return run(ctx, db, `CREATE TABLE mine (n int)`, `DROP TABLE mine`)
	}))
	// No clear password in the server's log of statements: what is sent is a verifier.
	if v, err := scramVerifier("x"); err != nil || contains(v, "x$") || !strings.HasPrefix(v, "SCRAM-SHA-256$4096:") {
		t.Errorf("verifier %q, %v", v, err)
	}
}

// TestPostgresExtensions: those a manifest may ask for are made by the administrator; the others are refused, and so is
// a version that is too old.
func TestPostgresExtensions(t *testing.T) {
	o := postgresOptions(t)
	b := open(t, o, nil).(*postgres)
	g := newGrant(b)
	g.Extensions = []string{"pg_trgm", "unaccent", "citext"}
	ensure(t, b, g)
	must(t, b.session(t.Context(), g.Name, g.Secrets["db_password"], g.Name, func(ctx context.Context, db *pgx.Conn) error {
		return run(ctx, db, `SELECT similarity(unaccent('é'), 'e')`, `CREATE TABLE t (mail citext)`)
	}))
	g.Extensions = []string{"file_fdw"}
	refusedBecause(t, b.Fits(t.Context(), g), "file_fdw", "not one that frama gives")
	g.Extensions = []string{"postgis"}
	refusedBecause(t, b.Fits(t.Context(), g), "postgis", "install its package")
	g.Extensions, g.Version = nil, 99
	refusedBecause(t, b.Fits(t.Context(), g), "needs 99 or later")
}

// TestPostgresDrift: what somebody changed about the role is set right; what only a superuser can is asked for.
func TestPostgresDrift(t *testing.T) {
	ctx := t.Context()
	s, err := servers.postgres()
	must(t, err)
	super, err := pgx.Connect(ctx, s.URL("postgres"))
	must(t, err)
	defer super.Close(ctx)
	o := postgresOptions(t)
	b := open(t, o, nil).(*postgres)
	g := newGrant(b)
	ensure(t, b, g)
	must(t, run(ctx, super, `ALTER ROLE `+ident(g.Name)+` CREATEDB CREATEROLE NOINHERIT CONNECTION LIMIT -1 PASSWORD 'another'`,
		`GRANT CONNECT ON DATABASE `+ident(g.Name)+` TO PUBLIC`))
	refusedBecause(t, b.Login(ctx, g), "is not let in")
	ensure(t, b, g)
	must(t, b.admin(ctx, "", func(ctx context.Context, db *pgx.Conn) error {
		r, d, err := b.ours(ctx, db, g, g.Name)
		if !r.limited(40) || d.public {
			t.Errorf("left as it was: %+v %+v", r, d)
		}
		return err
	}))
	must(t, run(ctx, super, `ALTER ROLE `+ident(g.Name)+` SUPERUSER`))
	_, err = b.Ensure(ctx, g)
	refusedBecause(t, err, "was made a superuser", "NOSUPERUSER")
	must(t, run(ctx, super, `ALTER ROLE `+ident(g.Name)+` NOSUPERUSER`))
}

// TestPostgresKeeps: what is in the database outlives retiring and restoring, under another name meanwhile; the old
// password is no good after a new one.
func TestPostgresKeeps(t *testing.T) {
	ctx := t.Context()
	b := open(t, postgresOptions(t), nil).(*postgres)
	g := newGrant(b)
	ensure(t, b, g)
	own := func(f func(ctx context.Context, db *pgx.Conn) error) error {
		return b.session(ctx, g.Name, g.Secrets["db_password"], g.Name, f)
	}
	// A session that stays open must not hold it up.
	busy := make(chan struct{})
	ended := make(chan error)
	go func() {
		ended <- own(func(ctx context.Context, db *pgx.Conn) error {
			err := run(ctx, db, `CREATE TABLE kept (n int)`, `INSERT INTO kept VALUES (42)`)
			close(busy)
			if err != nil {
				return err
			}
			return run(ctx, db, `SELECT pg_sleep(20)`)
		})
	}()
	<-busy
	must(t, b.Retire(ctx, g))
	if err := <-ended; err == nil {
		t.Error("the open session went on")
	}
	must(t, b.Retire(ctx, g)) // twice is no error
	names := func() (all []string) {
		must(t, b.admin(ctx, "", func(ctx context.Context, db *pgx.Conn) error {
			rows, err := db.Query(ctx, `SELECT datname FROM pg_database WHERE datname LIKE $1`, g.Name+"%")
			if err == nil {
				all, err = pgx.CollectRows(rows, pgx.RowTo[string])
			}
			return err
		}))
		return all
	}
	if got := names(); !slices.Equal(got, []string{g.SetAside}) || !contains(g.SetAside, "_retired_") {
		t.Errorf("set aside as %v, want %s", got, g.SetAside)
	}
	must(t, b.Restore(ctx, g))
	ensure(t, b, g)
	var n int
	must(t, own(func(ctx context.Context, db *pgx.Conn) error { return db.QueryRow(ctx, `SELECT n FROM kept`).Scan(&n) }))
	if n != 42 {
		t.Errorf("kept %d", n)
	}
	refusedBecause(t, b.Purge(ctx, g), "retire it first") // never what is in use
	must(t, b.Retire(ctx, g))
	must(t, b.Purge(ctx, g))
	if got := names(); len(got) != 0 {
		t.Errorf("left after the purge: %v", got)
	}
	must(t, b.Purge(ctx, g)) // twice is no error
}

// TestPostgresCheck: doctor says what lets instances see more than their own.
func TestPostgresCheck(t *testing.T) {
	ctx := t.Context()
	s, err := servers.postgres()
	must(t, err)
	o := postgresOptions(t)
	detail, err := open(t, o, nil).Check(ctx)
	if err != nil || !contains(detail, "PostgreSQL") {
		t.Errorf("got %q, %v", detail, err)
	}
	super, err := pgx.Connect(ctx, s.URL("postgres"))
	must(t, err)
	defer super.Close(ctx)
	must(t, run(ctx, super, `CREATE DATABASE careless`))
	defer func() { must(t, run(ctx, super, `DROP DATABASE careless`)) }()
	_, err = open(t, o, nil).Check(ctx)
	refusedBecause(t, err, "every instance may connect to careless", `REVOKE CONNECT, TEMPORARY ON DATABASE "careless" FROM PUBLIC;`)
	must(t, run(ctx, super, `REVOKE CONNECT, TEMPORARY ON DATABASE careless FROM PUBLIC`))
	must(t, run(ctx, super, `CREATE ROLE weak LOGIN PASSWORD 'weak-p4ss'`, `GRANT CONNECT ON DATABASE postgres TO weak`))
	o.User, o.Password = "weak", "weak-p4ss"
	_, err = open(t, o, nil).Check(ctx)
	refusedBecause(t, err, "may not make roles and databases", "CREATEROLE CREATEDB")
	must(t, run(ctx, super, `REVOKE CONNECT ON DATABASE postgres FROM weak`, `DROP ROLE weak`))
}

// TestMySQLApart tries what an application that was taken over would try.
func TestMySQLApart(t *testing.T) {
	ctx := t.Context()
	b := open(t, mysqlOptions(t), nil).(*mariadb)
	one, other := two(t, b)
	as := func(g provisioner.Grant, database string, statements ...string) error {
		return b.session(ctx, g.Name, g.Secrets["db_password"], database, func(ctx context.Context, db *sql.Conn) error {
			for _, s := range statements {
				if _, err := db.ExecContext(ctx, s); err != nil {
					return err
				}
			}
			return nil
		})
	}
	must(t, as(other, other.Name, `CREATE TABLE secret (text text)`, `INSERT INTO secret VALUES ('of the others 🔒')`))
	// A name that differs only where an unescaped _ of a grant would stand for any character.
	similar := strings.Replace(one.Name, "_", "x", 1)
	must(t, b.admin(ctx, func(ctx context.Context, db *sql.Conn) error {
		return b.run(ctx, db, `CREATE DATABASE `+quoteName(similar))
	}))
	for _, statement := range []string{
		`SELECT * FROM ` + quoteName(other.Name) + `.secret`,
		`USE ` + quoteName(other.Name),
		`USE ` + quoteName(similar),
		`SHOW GRANTS FOR ` + account(other),
		`SELECT * FROM mysql.user`,
		`SELECT * FROM mysql.global_priv`,
		`CREATE DATABASE more`,
		`DROP DATABASE ` + quoteName(other.Name),
		`CREATE USER more`,
		`GRANT ALL ON ` + pattern(one.Name) + `.* TO ` + account(other),
		`SELECT 1 INTO OUTFILE '/tmp/frama-test'`,
		`LOAD DATA INFILE '/etc/passwd' INTO TABLE x`,
		`SET GLOBAL general_log = 1`,
		`ALTER USER ` + account(other) + ` IDENTIFIED BY 'x'`,
		`INSTALL SONAME 'x'`,
		`SHUTDOWN`,
	} {
		if err := as(one, one.Name, statement); err == nil {
			t.Errorf("allowed: %s", statement)
		}
	}
	seen := 0
	must(t, b.session(ctx, one.Name, one.Secrets["db_password"], one.Name, func(ctx context.Context, db *sql.Conn) error {
		if err := db.QueryRowContext(ctx, `SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME NOT IN ('information_schema', ?)`, one.Name).Scan(&seen); err != nil {
			return err
		}
		file := sql.NullString{}
		if err := db.QueryRowContext(ctx, `SELECT LOAD_FILE('/etc/passwd')`).Scan(&file); err != nil || file.Valid {
			t.Errorf("LOAD_FILE: %v, %v", file, err)
		}
		return nil
	}))
	if seen != 0 {
		t.Errorf("it sees %d databases that are not its own", seen)
	}
	must(t, as(one, one.Name, `CREATE TABLE mine (n int, text varchar(20))`, `INSERT INTO mine VALUES (1, 'é 🌸')`, `DROP TABLE mine`))
	// Rights that somebody added are taken away again.
	must(t, b.admin(ctx, func(ctx context.Context, db *sql.Conn) error {
		return b.run(ctx, db, `GRANT SELECT ON `+pattern(other.Name)+`.* TO `+account(one))
	}))
	ensure(t, b, one)
	if err := as(one, one.Name, `SELECT * FROM `+quoteName(other.Name)+`.secret`); err == nil {
		t.Error("a right too many stayed")
	}
}

// TestMySQLAdministrator: frama's own account needs no more than docs/operate/backing.md says.
func TestMySQLAdministrator(t *testing.T) {
	ctx := t.Context()
	o := mysqlOptions(t)
	root := open(t, o, nil).(*mariadb)
	must(t, root.admin(ctx, func(ctx context.Context, db *sql.Conn) error {
		return root.run(ctx, db, `CREATE USER frama_admin@'%' IDENTIFIED BY '`+adminPassword+`'`,
			`GRANT CREATE USER, CONNECTION ADMIN, PROCESS ON *.* TO frama_admin@'%'`, `GRANT SELECT ON mysql.* TO frama_admin@'%'`,
			"GRANT ALL PRIVILEGES ON `frama\\_%`.* TO frama_admin@'%' WITH GRANT OPTION")
	}))
	o.User, o.Password = "frama_admin", adminPassword
	b := open(t, o, nil)
	g := newGrant(b)
	ensure(t, b, g)
	next := map[string]string{"db_password": "next"}
	must(t, b.Rotate(ctx, g, next))
	g.Secrets = next
	ensure(t, b, g)
	must(t, b.Retire(ctx, g))
	must(t, b.Restore(ctx, g))
	ensure(t, b, g)
	must(t, b.Retire(ctx, g))
	must(t, b.Purge(ctx, g))
	if detail, err := b.Check(ctx); err != nil || !contains(detail, "MariaDB") {
		t.Errorf("got %q, %v", detail, err)
	}
}

// TestRedisApart tries what an application that was taken over would try.
func TestRedisApart(t *testing.T) {
	ctx := t.Context()
	b := open(t, redisOptions(t), nil).(*redisServer)
	one, other := two(t, b)
	as := func(g provisioner.Grant, args ...any) (any, error) {
		var answer any
		err := b.session(ctx, g.Name, g.Secrets["redis_password"], func(ctx context.Context, c *redis.Client) (err error) {
			answer, err = c.Do(ctx, args...).Result()
			return err
		})
		return answer, err
	}
	secret, mine := other.Name+":secret", one.Name+":mine"
	if _, err := as(other, "SET", secret, "of the others"); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]any{
		{"GET", secret}, {"SET", secret, "x"}, {"DEL", secret}, {"EXISTS", secret}, {"RENAME", secret, mine}, {"COPY", secret, mine},
		{"GET", "unprefixed"}, {"SET", one.Name, "without the colon"}, {"KEYS", "*"}, {"SCAN", "0"}, {"RANDOMKEY"}, {"DBSIZE"}, {"SORT", mine, "BY", "nosort", "GET", secret},
		{"EVAL", "return redis.call('GET', KEYS[1])", "1", secret}, {"EVAL", "return redis.call('KEYS', '*')", "0"},
		{"CONFIG", "GET", "*"}, {"CONFIG", "SET", "dir", "/tmp"}, {"FLUSHALL"}, {"FLUSHDB"}, {"MONITOR"}, {"DEBUG", "OBJECT", mine},
		{"ACL", "LIST"}, {"ACL", "GETUSER", other.Name}, {"ACL", "SETUSER", one.Name, "+@all", "~*"}, {"CLIENT", "LIST"},
		{"CLIENT", "KILL", "USER", other.Name}, {"CLIENT", "TRACKING", "ON", "BCAST"}, {"SUBSCRIBE", other.Name + ":news"}, {"PSUBSCRIBE", "*"},
		{"PUBLISH", other.Name + ":news", "x"}, {"PUBSUB", "CHANNELS"}, {"FUNCTION", "LIST"}, {"FUNCTION", "FLUSH"}, {"SCRIPT", "FLUSH"},
		{"SHUTDOWN"}, {"REPLICAOF", "127.0.0.1", "1"}, {"MODULE", "LIST"}, {"MIGRATE", "127.0.0.1", "1", mine, "0", "10"}, {"SWAPDB", "0", "1"},
		{"BGSAVE"}, {"SLOWLOG", "GET"}, {"LATENCY", "RESET"}, {"OBJECT", "FREQ", secret}, {"DUMP", secret}, {"SAVE"},
	} {
		if answer, err := as(one, args...); err == nil || !slices.ContainsFunc([]string{"NOPERM", "No permissions", "can't run this command", "DEBUG command not allowed"},
			func(words string) bool { return contains(err.Error(), words) }) {
			t.Errorf("%v: got %v, %v", args, answer, err)
		}
	}
	for _, args := range [][]any{
		{"SET", mine, "1"}, {"INCR", mine}, {"EXPIRE", mine, "100"}, {"EVAL", "return redis.call('GET', KEYS[1])", "1", mine}, {"INFO"},
		{"PUBLISH", one.Name + ":news", "x"}, {"LPUSH", one.Name + ":queue", "x"}, {"BRPOP", one.Name + ":queue", "1"}, {"SELECT", "1"}, {"PING"},
	} {
		if _, err := as(one, args...); err != nil {
			t.Errorf("%v: %v", args, err)
		}
	}
	// The keys go with the purge, and those of others stay.
	must(t, b.Retire(ctx, one))
	must(t, b.Purge(ctx, one))
	must(t, b.admin(ctx, func(ctx context.Context, c *redis.Client) error {
		left, err := c.Keys(ctx, one.Name+"*").Result()
		if len(left) > 0 {
			t.Errorf("left: %v", left)
		}
		return err
	}))
	if answer, err := as(other, "GET", secret); err != nil || fmt.Sprint(answer) != "of the others" {
		t.Errorf("got %v, %v", answer, err)
	}
}

// TestRedisRotatesWithoutGap: both passwords are good until the job has the new one, and the clear one is nowhere.
func TestRedisRotatesWithoutGap(t *testing.T) {
	ctx := t.Context()
	b := open(t, redisOptions(t), nil).(*redisServer)
	g := newGrant(b)
	ensure(t, b, g)
	next := g
	next.Secrets = map[string]string{"redis_password": "next-p4ss"}
	must(t, b.Rotate(ctx, g, next.Secrets))
	must(t, b.Login(ctx, g))
	must(t, b.Login(ctx, next))
	ensure(t, b, next)
	must(t, b.Login(ctx, next))
	refusedBecause(t, b.Login(ctx, g), "is not let in")
	must(t, b.admin(ctx, func(ctx context.Context, c *redis.Client) error {
		list, err := c.Do(ctx, "ACL", "LIST").StringSlice()
		if contains(strings.Join(list, "\n"), "next-p4ss") {
			t.Error("the clear password is in the list of users")
		}
		return err
	}))
}

// TestRedisDurable: data that must last is not given to a server that may lose it.
func TestRedisDurable(t *testing.T) {
	ctx := t.Context()
	b := open(t, redisOptions(t), nil).(*redisServer)
	g := newGrant(b)
	g.Durable = true
	ensure(t, b, g)
	set := func(value string) {
		must(t, b.admin(ctx, func(ctx context.Context, c *redis.Client) error {
			return c.ConfigSet(ctx, "maxmemory-policy", value).Err()
		}))
	}
	set("allkeys-lru")
	defer set("noeviction")
	refusedBecause(t, b.Fits(ctx, g), "must last", "noeviction")
	g.Durable = false
	must(t, b.Fits(ctx, g))
}

// TestS3Apart tries what an application that was taken over would try.
func TestS3Apart(t *testing.T) {
	ctx := t.Context()
	b := open(t, s3Options(t), nil).(*s3)
	one, other := two(t, b)
	client := func(g provisioner.Grant) *minio.Client {
		c, err := b.connect(g.Secrets["s3_key"], g.Secrets["s3_secret"])
		must(t, err)
		return c
	}
	put := func(g provisioner.Grant, bucket, name string) error {
		_, err := client(g).PutObject(ctx, bucket, name, strings.NewReader("text"), 4, minio.PutObjectOptions{})
		return err
	}
	must(t, put(other, other.Name, "secret"))
	must(t, put(one, one.Name, "folder/mine"))
	denied := func(what string, err error) {
		t.Helper()
		if code := minio.ToErrorResponse(err).Code; code != "AccessDenied" && code != "XAdminAccessDenied" {
			t.Errorf("%s: %v", what, err)
		}
	}
	denied("put", put(one, other.Name, "x"))
	_, err := client(one).StatObject(ctx, other.Name, "secret", minio.StatObjectOptions{})
	denied("stat", err)
	for object := range client(one).ListObjects(ctx, other.Name, minio.ListObjectsOptions{}) {
		denied("list", object.Err)
	}
	denied("remove", client(one).RemoveObject(ctx, other.Name, "secret", minio.RemoveObjectOptions{}))
	denied("make bucket", client(one).MakeBucket(ctx, "frama-more", minio.MakeBucketOptions{}))
	denied("remove bucket", client(one).RemoveBucket(ctx, other.Name))
	denied("policy", client(one).SetBucketPolicy(ctx, other.Name, `{"Version":"2012-10-17","Statement":[]}`))
	buckets, err := client(one).ListBuckets(ctx)
	if err != nil || len(buckets) != 1 || buckets[0].Name != one.Name {
		t.Errorf("it sees %v, %v", buckets, err)
	}
	thief := *b
	thief.User, thief.Password = one.Secrets["s3_key"], one.Secrets["s3_secret"]
	if _, err := (&versity{&thief}).account(ctx, ""); err == nil {
		t.Error("it may list accounts")
	}
	must(t, b.Retire(ctx, one))
	if err := put(one, one.Name, "x"); err == nil {
		t.Error("a retired instance may write")
	}
	must(t, b.Restore(ctx, one))
	ensure(t, b, one)
	if _, err := client(one).StatObject(ctx, one.Name, "folder/mine", minio.StatObjectOptions{}); err != nil {
		t.Errorf("after restoring: %v", err)
	}
	must(t, b.Retire(ctx, one))
	must(t, b.Purge(ctx, one))
	root, err := b.connect(b.User, b.Password)
	must(t, err)
	if there, err := root.BucketExists(ctx, one.Name); err != nil || there {
		t.Errorf("after the purge: %v, %v", there, err)
	}
	must(t, put(other, other.Name, "still"))
}

// TestS3Shared: with one key for all, buckets are marked, and one that is not is never taken over.
func TestS3Shared(t *testing.T) {
	ctx := t.Context()
	o := s3Options(t)
	o.Flavour = "shared"
	b := open(t, o, nil).(*s3)
	g := newGrant(b)
	values := ensure(t, b, g)
	if values["s3_key"] != o.User || values["s3_bucket"] != g.Name || !strings.HasPrefix(values["s3_endpoint"], "http://127.0.0.1:") {
		t.Errorf("got %v", values)
	}
	thief := g
	thief.Instance = "another"
	_, err := b.Ensure(ctx, thief)
	refusedBecause(t, err, "was not made by frama for this instance")
	refusedBecause(t, b.Purge(ctx, thief), "was not made by frama")
	must(t, b.Purge(ctx, g))
	refusedBecause(t, b.Login(ctx, g), "is gone")
}

// activeLogins counts the rows that Dovecot would take for the instance.
func activeLogins(t testing.TB, d *dovecot, g provisioner.Grant) (n int) {
	must(t, d.rows(context.Background(), func(ctx context.Context, db *pgx.Conn) error {
		return db.QueryRow(ctx, `SELECT count(*) FROM frama_smtp_login WHERE login = $1 AND active`, d.login(g)).Scan(&n)
	}))
	return n
}

// TestSMTPShared: one account for all comes from the configuration; there is nothing to rotate.
func TestSMTPShared(t *testing.T) {
	o := Options{
		Name: "relay", Kind: "smtp", Mode: "shared", Address: "mail.example.org:587", User: "spaces", Password: "p4ss", From: "no-reply@example.org", TLS: "none",
	}
	b := open(t, o, nil)
	g := newGrant(b)
	values := ensure(t, b, g)
	if values["smtp_password"] != "p4ss" || values["smtp_user"] != "spaces" || values["smtp_from"] != "no-reply@example.org" || values["smtp_port"] != "587" {
		t.Errorf("got %v", values)
	}
	if len(g.Secrets) != 0 {
		t.Errorf("made up %v", g.Secrets)
	}
	refusedBecause(t, b.Rotate(t.Context(), g, nil), "one account")
}
