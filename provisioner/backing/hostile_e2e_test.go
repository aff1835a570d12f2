//go:build e2e

package backing

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/minio/minio-go/v7"
	"github.com/redis/go-redis/v9"

	"framagit.org/frama/frama/provisioner"
)

// TestPostgresTrap: an instance owns its database, and so decides where unqualified names are looked up by whoever comes
// in. The administrator, who comes in for extensions, must not run what it finds there.
func TestPostgresTrap(t *testing.T) {
	ctx := t.Context()
	b := open(t, postgresOptions(t), nil).(*postgres)
	one, other := two(t, b)
	must(t, b.session(ctx, one.Name, one.Secrets["db_password"], one.Name, func(ctx context.Context, db *pgx.Conn) error {
		return run(ctx, db, `CREATE SCHEMA trap`,
			`CREATE FUNCTION trap.f() RETURNS name LANGUAGE plpgsql AS $$ BEGIN
				EXECUTE 'GRANT `+ident(other.Name)+` TO `+ident(one.Name)+`'; RETURN 'unaccent'; END $$`,
			`CREATE VIEW trap.pg_extension AS SELECT trap.f() AS extname`,
			`GRANT USAGE ON SCHEMA trap TO PUBLIC`, `GRANT SELECT ON trap.pg_extension TO PUBLIC`,
			`ALTER DATABASE `+ident(one.Name)+` SET search_path = trap, pg_catalog, public`)
	}))
	one.Extensions = []string{"unaccent"}
	ensure(t, b, one)
	must(t, b.admin(ctx, "", func(ctx context.Context, db *pgx.Conn) error {
		var in bool
		err := db.QueryRow(ctx, `SELECT pg_has_role($1, $2, 'MEMBER')`, one.Name, other.Name).Scan(&in)
		if in {
			t.Error("the administrator ran what the instance had left for it, and gave it another's role")
		}
		return err
	}))
	must(t, b.session(ctx, one.Name, one.Secrets["db_password"], one.Name, func(ctx context.Context, db *pgx.Conn) error {
		return run(ctx, db, `SELECT public.unaccent('é')`)
	}))
}

// TestPostgresInTheWay: somebody else's session in the database is told as such, not as a lack of rights.
func TestPostgresInTheWay(t *testing.T) {
	ctx := t.Context()
	s, err := servers.postgres()
	must(t, err)
	b := open(t, postgresOptions(t), nil).(*postgres)
	g := newGrant(b)
	ensure(t, b, g)
	super, err := pgx.Connect(ctx, s.URL(g.Name))
	must(t, err)
	err = b.Retire(ctx, g)
	waits(t, err)
	if !contains(fmt.Sprint(err), "cannot just now") {
		t.Errorf("got %v", err)
	}
	must(t, super.Close(ctx))
	must(t, b.Retire(ctx, g))
}

// TestPostgresUntrusted: an extension that only a superuser can make is refused before a server is chosen for it.
func TestPostgresUntrusted(t *testing.T) {
	ctx := t.Context()
	b := open(t, postgresOptions(t), nil).(*postgres)
	g := newGrant(b)
	g.Extensions = []string{"cube", "earthdistance"}
	refusedBecause(t, b.Fits(ctx, g), "earthdistance", "SUPERUSER")
	_, err := patiently(func() (map[string]string, error) { return b.Ensure(ctx, g) })
	refusedBecause(t, err, "earthdistance", "SUPERUSER")
	// Where it is made already, nothing is asked for.
	s, err := servers.postgres()
	must(t, err)
	super, err := pgx.Connect(ctx, s.URL(g.Name))
	must(t, err)
	defer super.Close(ctx)
	must(t, run(ctx, super, `CREATE EXTENSION earthdistance CASCADE`))
	ensure(t, b, g)
}

// TestPostgresLoginSays: an instance that may not connect is told apart from an administrator who may not.
func TestPostgresLoginSays(t *testing.T) {
	ctx := t.Context()
	b := open(t, postgresOptions(t), nil).(*postgres)
	g := newGrant(b)
	ensure(t, b, g)
	must(t, b.session(ctx, g.Name, g.Secrets["db_password"], g.Name, func(ctx context.Context, db *pgx.Conn) error {
		return run(ctx, db, `REVOKE ALL ON DATABASE `+ident(g.Name)+` FROM `+ident(g.Name))
	}))
	refusedBecause(t, b.Login(ctx, g), "the instance's own account")
	ensure(t, b, g)
}

// TestMySQLSees: the list of what runs on the server shows nothing of others.
func TestMySQLSees(t *testing.T) {
	ctx := t.Context()
	b := open(t, mysqlOptions(t), nil).(*mariadb)
	one, other := two(t, b)
	must(t, b.session(ctx, other.Name, other.Secrets["db_password"], other.Name, func(ctx context.Context, _ *sql.Conn) error {
		return b.session(ctx, one.Name, one.Secrets["db_password"], one.Name, func(ctx context.Context, db *sql.Conn) error {
			var sessions, privileges int
			err := db.QueryRowContext(ctx, `SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER <> ?`, one.Name).Scan(&sessions)
			if err != nil {
				return err
			}
			err = db.QueryRowContext(ctx, `SELECT COUNT(*) FROM information_schema.SCHEMA_PRIVILEGES WHERE GRANTEE NOT LIKE ?`, "'"+one.Name+"'@%").Scan(&privileges)
			if sessions+privileges > 0 {
				t.Errorf("it sees %d sessions and %d rights of others", sessions, privileges)
			}
			return err
		})
	}))
}

// TestMySQLLongPurge: a purge may take longer than other operations, also while the server says nothing.
func TestMySQLLongPurge(t *testing.T) {
	ctx := t.Context()
	o := mysqlOptions(t)
	o.Timeout = 1e9
	b := open(t, o, nil).(*mariadb)
	long := *b
	long.Timeout = deleting
	must(t, long.admin(ctx, func(ctx context.Context, db *sql.Conn) error { return b.run(ctx, db, `DO SLEEP(2)`) }))
}

// TestRedisTricks: what scripts, debuggers and other numbered databases open.
func TestRedisTricks(t *testing.T) {
	ctx := t.Context()
	b := open(t, redisOptions(t), nil).(*redisServer)
	one, other := two(t, b)
	as := func(g provisioner.Grant, f func(ctx context.Context, c *redis.Client) error) error {
		return b.session(ctx, g.Name, g.Secrets["redis_password"], f)
	}
	secret, mine := other.Name+":secret", one.Name+":mine"
	must(t, as(other, func(ctx context.Context, c *redis.Client) error { return c.Set(ctx, secret, "of the others", 0).Err() }))
	for _, args := range [][]any{
		{"EVAL", "return redis.call('GET', ARGV[1])", "0", secret}, // a key that is not declared
		{"EVAL", "return redis.call('GET', ARGV[1])", "1", mine, secret},
		{"EVAL", "return redis.call('CONFIG', 'GET', '*')", "0"},
		{"EVAL", "redis.call('SELECT', 1) return redis.call('SCAN', 0)", "0"},
		{"SCRIPT", "DEBUG", "SYNC"}, {"SCRIPT", "DEBUG", "YES"}, // stops the server for everybody, or starts processes
		{"FUNCTION", "LOAD", "#!lua name=x\nredis.register_function('x', function() return 1 end)"},
		{"BITOP", "NOT", mine, secret}, {"ZUNIONSTORE", mine, "1", secret}, {"MOVE", secret, "1"}, {"OBJECT", "ENCODING", secret},
		{"MEMORY", "USAGE", secret}, {"WATCH", secret}, {"XREAD", "STREAMS", secret, "0"}, {"TOUCH", secret}, {"CLIENT", "UNBLOCK", "1"},
		{"CLIENT", "PAUSE", "1"}, {"CLIENT", "NO-EVICT", "ON"}, {"SSUBSCRIBE", other.Name + ":news"}, {"PSUBSCRIBE", "__key*"},
		{"SINTERCARD", "1", secret}, {"LCS", mine, secret}, {"GETDEL", secret}, {"SORT", mine, "BY", other.Name + ":*"}, {"MEMORY", "STATS"},
	} {
		err := as(one, func(ctx context.Context, c *redis.Client) error { return c.Do(ctx, args...).Err() })
		if err == nil || !contains(err.Error(), "permission") && !contains(err.Error(), "NOPERM") && !contains(err.Error(), "can't run this command") &&
			!contains(err.Error(), "not allowed from script") && !contains(err.Error(), "executing the script can't") {
			t.Errorf("%v: %v", args, err)
		}
	}
	// It may use another numbered database, and what it has there goes with the purge too.
	in := func(number int, f func(c *redis.Client) error) {
		t.Helper()
		c := redis.NewClient(&redis.Options{Addr: b.Address, Username: b.User, Password: b.Password, DB: number})
		defer c.Close()
		must(t, f(c))
	}
	in(3, func(c *redis.Client) error {
		return errors.Join(c.Set(ctx, mine, "x", 0).Err(), c.Set(ctx, secret, "x", 0).Err())
	})
	must(t, b.Retire(ctx, one))
	must(t, b.Purge(ctx, one))
	in(3, func(c *redis.Client) error {
		if n, err := c.Exists(ctx, mine).Result(); err != nil || n != 0 {
			t.Errorf("left in another database: %d, %v", n, err)
		}
		if n, err := c.Exists(ctx, secret).Result(); err != nil || n != 1 {
			t.Errorf("another's key: %d, %v", n, err)
		}
		return nil
	})
}

// TestRedisForgets: a user that is deleted is not there again after the server has read its file of accounts, even where the
// purge was cut short before the file was written. Looking at the server writes nothing.
func TestRedisForgets(t *testing.T) {
	ctx := t.Context()
	o := redisOptions(t)
	b := open(t, o, nil).(*redisServer)
	g := newGrant(b)
	ensure(t, b, g)
	must(t, b.Retire(ctx, g))
	var n int
	for n = 1; cutShort(t, o, n, func(b provisioner.Backing) error { return b.Purge(ctx, g) }); n++ {
		t.Logf("cut short at point %d", n)
	}
	must(t, b.admin(ctx, func(ctx context.Context, c *redis.Client) error {
		if err := c.Do(ctx, "ACL", "LOAD").Err(); err != nil {
			return err
		}
		u, err := getUser(ctx, c, g.Name)
		if u.there {
			t.Error("the deleted user is back")
		}
		if err := c.Do(ctx, "ACL", "SETUSER", "by-hand", "on", "nopass").Err(); err != nil {
			return err
		}
		if _, err := b.Check(ctx); err != nil {
			return err
		}
		if err := c.Do(ctx, "ACL", "LOAD").Err(); err != nil {
			return err
		}
		if u, _ := getUser(ctx, c, "by-hand"); u.there {
			t.Error("looking at the server wrote its file of accounts")
			return c.Do(ctx, "ACL", "DELUSER", "by-hand").Err()
		}
		return err
	}))
}

// TestS3SharedMark: the mark goes last, or a purge that was cut short could not go on.
func TestS3SharedMark(t *testing.T) {
	ctx := t.Context()
	o := s3Options(t)
	o.Flavour = "shared"
	b := open(t, o, nil).(*s3)
	root, err := b.connect(o.User, o.Password)
	must(t, err)
	for nth := 1; ; nth++ {
		g := newGrant(b)
		ensure(t, b, g)
		for _, name := range []string{"!first", "a/b", "z"} {
			_, err := root.PutObject(ctx, g.Name, name, strings.NewReader("x"), 1, minio.PutObjectOptions{})
			must(t, err)
		}
		cut := cutShort(t, o, nth, func(b provisioner.Backing) error { return b.Purge(ctx, g) })
		must(t, b.Purge(ctx, g))
		if there, err := root.BucketExists(ctx, g.Name); err != nil || there {
			t.Fatalf("left: %v, %v", there, err)
		}
		if !cut {
			if nth < 5 {
				t.Errorf("cut short at %d points only", nth-1)
			}
			return
		}
	}
}

// TestDovecotDeclaration: another sender in the declaration reaches the table, and leaves no second login behind.
func TestDovecotDeclaration(t *testing.T) {
	ctx := t.Context()
	o := smtpOptions(t)
	g := newGrant(open(t, o, nil))
	ensure(t, open(t, o, nil), g)
	o.From = "spaces+{name}@mail.example.org"
	b := open(t, o, nil).(*dovecot)
	values := ensure(t, b, g)
	rows := func() (logins, senders []string) {
		must(t, b.rows(ctx, func(ctx context.Context, db *pgx.Conn) error {
			found, err := db.Query(ctx, `SELECT login, sender FROM frama_smtp_login WHERE instance = $1`, mark(g.Instance))
			if err != nil {
				return err
			}
			for found.Next() {
				var login, sender string
				if err := found.Scan(&login, &sender); err != nil {
					return err
				}
				logins, senders = append(logins, login), append(senders, sender)
			}
			return found.Err()
		}))
		return logins, senders
	}
	logins, senders := rows()
	if len(logins) != 1 || logins[0] != values["smtp_user"] || senders[0] != values["smtp_from"] {
		t.Errorf("the table has %v %v, the instance %v", logins, senders, values)
	}
	o.From = "{name}@mail.example.org" // the same login, another sender
	b = open(t, o, nil).(*dovecot)
	values = ensure(t, b, g)
	if _, senders = rows(); len(senders) != 1 || senders[0] != values["smtp_from"] {
		t.Errorf("the table has %v, the instance %v", senders, values)
	}
	must(t, b.Retire(ctx, g))
	refusedBecause(t, b.Login(ctx, g), "is closed")
	o.From = "{name}@example.net"
	must(t, open(t, o, nil).Purge(ctx, g))
	if logins, _ = rows(); len(logins) != 0 {
		t.Errorf("left: %v", logins)
	}
}

// TestRotateWhatIsGone: an account that was lost while its password was being changed is made with the new one; else the
// change could never end.
func TestRotateWhatIsGone(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		b := open(t, k.options(t), nil)
		g := newGrant(b)
		if k.name == "smtp" {
			ensure(t, b, newGrant(b)) // the table is there
		}
		next := b.Secrets(g.Instance, randomReader)
		must(t, b.Rotate(t.Context(), g, next))
		g.Secrets = next
		ensure(t, b, g)
		must(t, b.Login(t.Context(), g))
	})
}
