package backing

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"framagit.org/frama/frama/provisioner"
)

// postgres gives each instance a role that owns one database and may do nothing else: it signs in with a password, makes
// no roles and no databases, is in no other role, and has a number of connections. Nobody else may connect to the
// database. Databases are made of template0: whatever somebody left in template1 is not in them.
type postgres struct{ server }

// maxPostgresName leaves room for "_retired_20260102" in the 63 bytes of an identifier.
const maxPostgresName = 46

func (p *postgres) Identifier(job string) string {
	return provisioner.Identifier(p.Prefix, job, "_", maxPostgresName)
}

func (p *postgres) Secrets(_ string, random io.Reader) map[string]string {
	return onePassword("db_password", random)
}

// Fits looks for the version and the extensions, and whether the administrator can make them.
func (p *postgres) Fits(ctx context.Context, g provisioner.Grant) error {
	return p.admin(ctx, "", func(ctx context.Context, db *pgx.Conn) error {
		if err := p.fits(ctx, db, g); err != nil || len(g.Extensions) == 0 {
			return err
		}
		return p.canMake(ctx, db, g.Extensions)
	})
}

func (p *postgres) fits(ctx context.Context, db *pgx.Conn, g provisioner.Grant) error {
	version, err := serverVersion(ctx, db)
	if err != nil {
		return err
	}
	if version/10000 < g.Version {
		return p.refused(nil, "it runs PostgreSQL %d, the application needs %d or later: declare another server", version/10000, g.Version)
	}
	for _, name := range g.Extensions {
		var there bool
		if !slices.Contains(allowedExtensions, name) {
			return p.refused(nil, "the extension %s is not one that frama gives to applications", name)
		}
		if err := db.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = $1)`, name).Scan(&there); err != nil {
			return err
		}
		if !there {
			return p.refused(nil, "the extension %s is not installed: install its package beside the server, then retry", name)
		}
	}
	return nil
}

func serverVersion(ctx context.Context, db *pgx.Conn) (version int, err error) {
	err = db.QueryRow(ctx, `SELECT current_setting('server_version_num')::int`).Scan(&version)
	return version, err
}

// Ensure makes role and database, in an order in which a crash leaves nothing open: the role bears its mark from the
// beginning, and the database takes no connections before it is closed to others.
func (p *postgres) Ensure(ctx context.Context, g provisioner.Grant) (map[string]string, error) {
	err := p.admin(ctx, "", func(ctx context.Context, db *pgx.Conn) error {
		if err := p.fits(ctx, db, g); err != nil {
			return err
		}
		if err := p.ensureRole(ctx, db, g); err != nil {
			return err
		}
		return p.ensureDatabase(ctx, db, g)
	})
	if err != nil {
		return nil, err
	}
	if err := p.ensureExtensions(ctx, g); err != nil {
		return nil, err
	}
	if err := ensureLogin(ctx, p, g, func() error { return p.Rotate(ctx, g, g.Secrets) }); err != nil {
		return nil, err
	}
	values := p.encryption()
	values["db_host"], values["db_port"], values["db_name"], values["db_user"] = p.host, p.port, g.Name, g.Name
	return values, nil
}

// attributes of every role: least privilege. It inherits, since it is in no role but that of each database's owner, from
// which alone an owner has its rights on the schema public.
func (p *postgres) attributes() string {
	return fmt.Sprintf("LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE INHERIT NOREPLICATION NOBYPASSRLS CONNECTION LIMIT %d", p.Connections)
}

func (p *postgres) ensureRole(ctx context.Context, db *pgx.Conn, g provisioner.Grant) error {
	role, err := findRole(ctx, db, g.Name)
	if err != nil {
		return err
	}
	switch {
	case !role.there:
		verifier, err := scramVerifier(g.Secrets["db_password"])
		if err != nil {
			return err
		}
		p.at("make role")
		return pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error { // with its mark or not at all
			err := run(ctx, tx, fmt.Sprintf(`CREATE ROLE %s %s PASSWORD %s`, ident(g.Name), p.attributes(), literal(verifier)),
				fmt.Sprintf(`COMMENT ON ROLE %s IS %s`, ident(g.Name), literal(mark(g.Instance))))
			p.at("made role")
			return err
		})
	case role.comment != mark(g.Instance):
		return p.foreign("role", g.Name)
	case role.super: // only a superuser made it that, and can undo it
		return p.refused(nil, "the role %s was made a superuser or the like by somebody: "+
			"ALTER ROLE %s NOSUPERUSER NOREPLICATION NOBYPASSRLS, then retry", g.Name, ident(g.Name))
	case role.limited(p.Connections):
	default:
		p.at("limit role")
		return run(ctx, db, fmt.Sprintf(`ALTER ROLE %s LOGIN NOCREATEDB NOCREATEROLE INHERIT CONNECTION LIMIT %d`, ident(g.Name), p.Connections))
	}
	return nil
}

func (p *postgres) ensureDatabase(ctx context.Context, db *pgx.Conn, g provisioner.Grant) error {
	found, err := findDatabase(ctx, db, g.Name)
	if err != nil {
		return err
	}
	if !found.there {
		if err := p.belong(ctx, db, g.Name); err != nil {
			return err
		}
		p.at("make database")
		if err := run(ctx, db, fmt.Sprintf(`CREATE DATABASE %s OWNER %s TEMPLATE template0 ENCODING 'UTF8' ALLOW_CONNECTIONS false`,
			ident(g.Name), ident(g.Name))); err != nil {
			return err
		}
		if found, err = findDatabase(ctx, db, g.Name); err != nil {
			return err
		}
	}
	if found.owner != g.Name {
		return p.foreign("database", g.Name)
	}
	if found.public {
		p.at("close database")
		if err := run(ctx, db, fmt.Sprintf(`REVOKE ALL ON DATABASE %s FROM PUBLIC`, ident(g.Name))); err != nil {
			return err
		}
	}
	if found.shut { // the owner itself can do that
		p.at("let owner in")
		if err := run(ctx, db, fmt.Sprintf(`GRANT ALL ON DATABASE %s TO %s`, ident(g.Name), ident(g.Name))); err != nil {
			return err
		}
	}
	if found.comment != mark(g.Instance) {
		p.at("mark database")
		if err := run(ctx, db, fmt.Sprintf(`COMMENT ON DATABASE %s IS %s`, ident(g.Name), literal(mark(g.Instance)))); err != nil {
			return err
		}
	}
	if !found.open {
		p.at("open database")
		return run(ctx, db, fmt.Sprintf(`ALTER DATABASE %s ALLOW_CONNECTIONS true`, ident(g.Name)))
	}
	return nil
}

// belong puts an administrator who is no superuser into the role, without which PostgreSQL lets it not make a database
// for the role.
func (p *postgres) belong(ctx context.Context, db *pgx.Conn, role string) error {
	var need bool
	err := db.QueryRow(ctx, `SELECT NOT rolsuper FROM pg_roles WHERE rolname = current_user`).Scan(&need)
	if err != nil || !need {
		return err
	}
	p.at("join role")
	return run(ctx, db, fmt.Sprintf(`GRANT %s TO CURRENT_USER`, ident(role)))
}

// Rotate replaces the password. PostgreSQL knows one at a time; connections that are open stay.
func (p *postgres) Rotate(ctx context.Context, g provisioner.Grant, next map[string]string) error {
	return p.admin(ctx, "", func(ctx context.Context, db *pgx.Conn) error {
		role, err := findRole(ctx, db, g.Name)
		if err != nil {
			return err
		}
		if !role.there {
			return nil // Ensure makes it, with next
		}
		if role.comment != mark(g.Instance) {
			return p.foreign("role", g.Name)
		}
		verifier, err := scramVerifier(next["db_password"])
		if err != nil {
			return err
		}
		p.at("set password")
		return run(ctx, db, fmt.Sprintf(`ALTER ROLE %s PASSWORD %s`, ident(g.Name), literal(verifier)))
	})
}

// Login signs in as the instance does.
func (p *postgres) Login(ctx context.Context, g provisioner.Grant) error {
	err := p.session(ctx, g.Name, g.Secrets["db_password"], g.Name, func(ctx context.Context, db *pgx.Conn) error { return db.Ping(ctx) })
	var known *pgconn.PgError
	if errors.As(err, &known) && (strings.HasPrefix(known.Code, "28") || known.Code == "42501") { // 42501: may not connect
		return p.loginFailed(g.Name, known)
	}
	return err
}

// admin runs f on a connection of the administrator.
func (p *postgres) admin(ctx context.Context, database string, f func(ctx context.Context, db *pgx.Conn) error) error {
	if database == "" {
		database = p.Database
	}
	if database == "" {
		database = "postgres"
	}
	return p.session(ctx, p.User, p.Password, database, f)
}

func (p *postgres) session(ctx context.Context, user, password, database string, f func(ctx context.Context, db *pgx.Conn) error) error {
	ctx, cancel := context.WithTimeout(ctx, p.Timeout)
	defer cancel()
	address := url.URL{Scheme: "postgres", Host: p.Address, Path: "/" + database, RawQuery: "sslmode=disable"}
	conf, err := pgx.ParseConfig(address.String())
	if err != nil {
		return p.wrong("address: %v", err)
	}
	conf.User, conf.Password, conf.TLSConfig, conf.Fallbacks = user, password, p.tls, nil
	// search_path: an instance may set another one for its database, and leave there what looks like the server's own
	// tables. What a connection asks for itself comes before that; pg_catalog comes before public.
	conf.RuntimeParams = map[string]string{"application_name": "frama", "lock_timeout": "10000", "search_path": "public",
		"statement_timeout": strconv.FormatInt(p.Timeout.Milliseconds(), 10)} // nothing goes on there once nobody waits for it
	db, err := pgx.ConnectConfig(ctx, conf)
	if err == nil {
		defer db.Close(context.WithoutCancel(ctx)) //nolint:errcheck // nothing is written by it
		err = f(ctx, db)
	}
	return p.explain(err)
}

func (p *postgres) explain(err error) error {
	var known *pgconn.PgError
	var refused *provisioner.RefusedError
	switch {
	case err == nil, errors.As(err, &refused):
		return err
	case errors.As(err, &known):
		switch known.Code {
		case "28000", "28P01", "42501":
			return p.denied(err)
		case "57P01", "57P02", "57P03", "53300", "55006": // stops, starts, too many connections, somebody is in the way
			return &provisioner.TemporaryError{After: 5 * time.Second, Err: err,
				Reason: fmt.Sprintf("the backing server %s cannot just now", p.Options.Name)}
		case "42710", "42P04", "23505": // another worker made it first: look again
			return &provisioner.TemporaryError{After: time.Second, Err: err,
				Reason: fmt.Sprintf("somebody else makes the same on the backing server %s", p.Options.Name)}
		}
	case isNetwork(err), errors.Is(err, context.DeadlineExceeded):
		return p.unreachable(err)
	default:
		var connect *pgconn.ConnectError
		if errors.As(err, &connect) {
			return p.unreachable(err)
		}
	}
	return fmt.Errorf("backing server %s: %w", p.Options.Name, err)
}

// execer is a connection or a transaction.
type execer interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

func run(ctx context.Context, db execer, statements ...string) error {
	for _, s := range statements {
		if _, err := db.Exec(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

func ident(name string) string { return pgx.Identifier{name}.Sanitize() }

// literal quotes text that frama made; statements on roles and databases take no parameters.
func literal(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }
