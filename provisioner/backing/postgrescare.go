package backing

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"framagit.org/frama/frama/provisioner"
)

// role is what the server says of a role.
type role struct {
	there, login, super, more bool // more: its rights are not as they should be
	limit                     int
	comment                   string
}

func (r role) limited(connections int) bool { return r.login && !r.more && r.limit == connections }

func findRole(ctx context.Context, db *pgx.Conn, name string) (r role, err error) {
	err = db.QueryRow(ctx, `SELECT rolcanlogin, rolsuper OR rolreplication OR rolbypassrls, rolcreatedb OR rolcreaterole OR NOT rolinherit,
		rolconnlimit, coalesce(shobj_description(oid, 'pg_authid'), '') FROM pg_roles WHERE rolname = $1`, name).
		Scan(&r.login, &r.super, &r.more, &r.limit, &r.comment)
	if errors.Is(err, pgx.ErrNoRows) {
		return role{}, nil
	}
	r.there = err == nil
	return r, err
}

// database is what the server says of a database.
type database struct {
	there, open, public bool // public: others may connect
	shut                bool // its owner may not
	owner, comment      string
}

func findDatabase(ctx context.Context, db *pgx.Conn, name string) (d database, err error) {
	err = db.QueryRow(ctx, `SELECT datallowconn, has_database_privilege('public', oid, 'CONNECT') OR has_database_privilege('public', oid, 'TEMP'),
		NOT (has_database_privilege(datdba, oid, 'CONNECT') AND has_database_privilege(datdba, oid, 'CREATE')),
		pg_get_userbyid(datdba), coalesce(shobj_description(oid, 'pg_database'), '') FROM pg_database WHERE datname = $1`, name).
		Scan(&d.open, &d.public, &d.shut, &d.owner, &d.comment)
	if errors.Is(err, pgx.ErrNoRows) {
		return database{}, nil
	}
	d.there = err == nil
	return d, err
}

// ours finds the role and the database under a name, and makes sure that both are the instance's. Either may be missing.
func (p *postgres) ours(ctx context.Context, db *pgx.Conn, g provisioner.Grant, name string) (r role, d database, err error) {
	if r, err = findRole(ctx, db, g.Name); err != nil {
		return r, d, err
	}
	if r.there && r.comment != mark(g.Instance) {
		return r, d, p.foreign("role", g.Name)
	}
	if d, err = findDatabase(ctx, db, name); err != nil {
		return r, d, err
	}
	if d.there && (!r.there || d.owner != g.Name) {
		return r, d, p.foreign("database", name)
	}
	return r, d, nil
}

func (p *postgres) Aside(name string, at time.Time) string {
	return name + "_retired_" + at.UTC().Format("20060102")
}

// Retire closes the account first, then renames the database: its name says that it waits to be deleted.
func (p *postgres) Retire(ctx context.Context, g provisioner.Grant) error {
	return p.admin(ctx, "", func(ctx context.Context, db *pgx.Conn) error {
		r, d, err := p.ours(ctx, db, g, g.Name)
		if err != nil {
			return err
		}
		if r.there && r.login {
			p.at("close role")
			if err := run(ctx, db, fmt.Sprintf(`ALTER ROLE %s NOLOGIN`, ident(g.Name))); err != nil {
				return err
			}
		}
		if !d.there {
			return nil
		}
		p.at("stop database")
		if err := run(ctx, db, fmt.Sprintf(`ALTER DATABASE %s ALLOW_CONNECTIONS false`, ident(g.Name))); err != nil {
			return err
		}
		p.at("rename database")
		return whileUsed(ctx, func() error {
			if err := disconnect(ctx, db, g.Name); err != nil {
				return err
			}
			return run(ctx, db, fmt.Sprintf(`ALTER DATABASE %s RENAME TO %s`, ident(g.Name), ident(g.SetAside)))
		})
	})
}

// Restore gives the database its name back and lets the role in again.
func (p *postgres) Restore(ctx context.Context, g provisioner.Grant) error {
	return p.admin(ctx, "", func(ctx context.Context, db *pgx.Conn) error {
		_, back, err := p.ours(ctx, db, g, g.Name)
		if err != nil {
			return err
		}
		r, aside, err := p.ours(ctx, db, g, g.SetAside)
		if err != nil {
			return err
		}
		if !back.there && !aside.there || !r.there {
			return p.refused(nil, "neither the database %s nor its set-aside copy %s is there: restore a dump of it first", g.Name, g.SetAside)
		}
		if !back.there {
			p.at("rename database back")
			if err := run(ctx, db, fmt.Sprintf(`ALTER DATABASE %s RENAME TO %s`, ident(g.SetAside), ident(g.Name))); err != nil {
				return err
			}
		}
		p.at("open role")
		return run(ctx, db, fmt.Sprintf(`ALTER ROLE %s LOGIN`, ident(g.Name)))
	})
}

// Purge drops the database that was set aside, and the role. A database under the instance's own name is never dropped.
func (p *postgres) Purge(ctx context.Context, g provisioner.Grant) error {
	long := *p
	long.Timeout = deleting
	p = &long
	return p.admin(ctx, "", func(ctx context.Context, db *pgx.Conn) error {
		_, d, err := p.ours(ctx, db, g, g.Name)
		if err != nil {
			return err
		}
		if d.there {
			return p.refused(nil, "the database %s has its own name still: retire it first", g.Name)
		}
		r, d, err := p.ours(ctx, db, g, g.SetAside)
		if err != nil {
			return err
		}
		if d.there {
			p.at("drop database")
			err := whileUsed(ctx, func() error {
				if err := disconnect(ctx, db, g.SetAside); err != nil {
					return err
				}
				return run(ctx, db, fmt.Sprintf(`DROP DATABASE %s`, ident(g.SetAside)))
			})
			if err != nil {
				return err
			}
		}
		if r.there {
			p.at("drop role")
			return run(ctx, db, fmt.Sprintf(`DROP ROLE %s`, ident(g.Name)))
		}
		return nil
	})
}

// disconnect ends the sessions in a database that frama may end: the instance's. PostgreSQL refuses the statement as a whole
// where there is one of a superuser among them; that one holds up what comes next, which says so.
func disconnect(ctx context.Context, db *pgx.Conn, name string) error {
	_, err := db.Exec(ctx, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE datname = $1 AND pid <> pg_backend_pid() AND pg_has_role(usesysid, 'MEMBER')`, name)
	return err
}

// whileUsed tries again for some seconds while sessions that were ended are still going away. PostgreSQL itself waits five
// seconds each time: whoever stays must be named before the operation's time is over.
func whileUsed(ctx context.Context, f func() error) error {
	for start := time.Now(); ; {
		err := f()
		var used *pgconn.PgError
		if !errors.As(err, &used) || used.Code != "55006" || time.Since(start) > 8*time.Second {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// Check looks at the administrator's rights, and for what would let instances see more than their own.
func (p *postgres) Check(ctx context.Context) (string, error) {
	detail := ""
	err := p.admin(ctx, "", func(ctx context.Context, db *pgx.Conn) error {
		version, err := serverVersion(ctx, db)
		if err != nil {
			return err
		}
		detail = fmt.Sprintf("PostgreSQL %d", version/10000)
		var able, super bool
		err = db.QueryRow(ctx, `SELECT rolsuper OR (rolcreaterole AND rolcreatedb), rolsuper FROM pg_roles WHERE rolname = current_user`).
			Scan(&able, &super)
		if err != nil {
			return err
		}
		if !able {
			return p.refused(nil, "the user %s may not make roles and databases: ALTER ROLE %s CREATEROLE CREATEDB", p.User, ident(p.User))
		}
		rows, err := db.Query(ctx, `SELECT datname FROM pg_database WHERE datallowconn AND has_database_privilege('public', oid, 'CONNECT') ORDER BY 1`)
		if err != nil {
			return err
		}
		open, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		if len(open) > 0 {
			var mend []string
			for _, name := range open {
				mend = append(mend, fmt.Sprintf("REVOKE CONNECT, TEMPORARY ON DATABASE %s FROM PUBLIC;", ident(name)))
			}
			return p.refused(nil, "every instance may connect to %s: run %s", strings.Join(open, ", "), strings.Join(mend, " "))
		}
		if super {
			return p.checkHBA(ctx, db)
		}
		return nil
	})
	return detail, err
}

// checkHBA looks for rules that let anybody in over the network without a password. Only a superuser may look.
func (p *postgres) checkHBA(ctx context.Context, db *pgx.Conn) error {
	var line *int
	err := db.QueryRow(ctx, `SELECT min(line_number) FROM pg_hba_file_rules WHERE auth_method = 'trust' AND type <> 'local' AND 'all' = ANY (user_name)`).
		Scan(&line)
	if err == nil && line != nil {
		return p.refused(nil, "line %d of pg_hba.conf lets everybody in without a password: write scram-sha-256 there and reload", *line)
	}
	return err
}
