package backing

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"framagit.org/frama/frama/provisioner"
)

var randomReader = rand.Reader

// relay gives every instance the one account of a mail relay.
type relay struct{ server }

// dovecot gives each instance an account of its own on a mail server whose Dovecot reads accounts from a table in
// PostgreSQL.
type dovecot struct {
	server
	tables *postgres
}

func newSMTP(base server, others []Options) (provisioner.Backing, error) {
	if base.From == "" {
		return nil, base.wrong("from: give the sender of the instances' mails")
	}
	switch base.Mode {
	case "shared":
		return &relay{base}, nil
	case "dovecot-sql":
	default:
		return nil, base.wrong("mode: %q is neither shared nor dovecot-sql", base.Mode)
	}
	if _, _, ok := strings.Cut(base.From, "@"); !ok || base.Database == "" {
		return nil, base.wrong("from must be an address, and database the one that Dovecot reads")
	}
	for _, o := range others {
		if o.Name == base.Tables && o.Kind == "postgres" {
			o.defaults()
			tables, err := newServer(o)
			return &dovecot{base, &postgres{tables}}, err
		}
	}
	return nil, base.wrong("tables: %q is no declared backing server of kind postgres", base.Tables)
}

func smtpName(s server, job string) string { return provisioner.Identifier(s.Prefix, job, "-", 64) }

func (r *relay) Identifier(job string) string                     { return smtpName(r.server, job) }
func (r *relay) Secrets(string, io.Reader) map[string]string      { return nil }
func (r *relay) Fits(context.Context, provisioner.Grant) error    { return nil }
func (r *relay) Login(context.Context, provisioner.Grant) error   { return nil }
func (r *relay) Retire(context.Context, provisioner.Grant) error  { return nil }
func (r *relay) Restore(context.Context, provisioner.Grant) error { return nil }
func (r *relay) Purge(context.Context, provisioner.Grant) error   { return nil }
func (r *relay) Check(ctx context.Context) (string, error)        { return r.greeting(ctx) }
func (r *relay) sender(name string) string                        { return sender(r.server, name) }
func sender(s server, name string) string                         { return strings.ReplaceAll(s.From, "{name}", name) }

func (r *relay) Ensure(_ context.Context, g provisioner.Grant) (map[string]string, error) {
	return map[string]string{
		"smtp_host": r.host, "smtp_port": r.port, "smtp_user": r.User, "smtp_password": r.Password, "smtp_from": r.sender(g.Name),
	}, nil
}

func (r *relay) Rotate(context.Context, provisioner.Grant, map[string]string) error {
	return r.refused(nil, "all instances use its one account: change the password at the relay and in the configuration")
}

// greeting makes sure that a mail server answers.
func (s server) greeting(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.Address)
	if err != nil {
		return "", s.unreachable(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(s.Timeout))
	if strings.HasSuffix(s.Address, ":465") {
		return "mail server (TLS from the first byte)", nil
	}
	line, err := bufio.NewReader(io.LimitReader(conn, 1024)).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "220") {
		return "", s.unreachable(errors.Join(err, errors.New("it does not greet like a mail server")))
	}
	_, _ = io.WriteString(conn, "QUIT\r\n")
	return "mail server", nil
}

func (d *dovecot) Identifier(job string) string { return smtpName(d.server, job) }

func (d *dovecot) Secrets(_ string, random io.Reader) map[string]string {
	return onePassword("smtp_password", random)
}

func (d *dovecot) Fits(context.Context, provisioner.Grant) error { return nil }

// login is what an instance signs in with: its name in the sender's domain.
func (d *dovecot) login(g provisioner.Grant) string {
	_, domain, _ := strings.Cut(d.From, "@")
	return g.Name + "@" + domain
}

const loginTable = `CREATE TABLE IF NOT EXISTS frama_smtp_login (
	login    text PRIMARY KEY,
	password text NOT NULL,              -- as Dovecot reads it: {SSHA512}…
	sender   text NOT NULL,              -- the address it may send from
	instance text NOT NULL,              -- frama's mark
	active   boolean NOT NULL DEFAULT true
)`

// Ensure makes the table where it is missing, and the instance's row.
func (d *dovecot) Ensure(ctx context.Context, g provisioner.Grant) (map[string]string, error) {
	err := d.rows(ctx, func(ctx context.Context, db *pgx.Conn) error {
		d.at("make table")
		if err := run(ctx, db, loginTable); err != nil {
			return err
		}
		known, err := d.find(ctx, db, g)
		if err != nil || !known.others && known.sender == sender(d.server, g.Name) && matches(known.password, g.Secrets["smtp_password"]) {
			return err
		}
		d.at("write login")
		return d.write(ctx, db, g, g.Secrets["smtp_password"])
	})
	if err != nil {
		return nil, err
	}
	return map[string]string{
		"smtp_host": d.host, "smtp_port": d.port, "smtp_user": d.login(g), "smtp_from": sender(d.server, g.Name),
	}, nil
}

// login is what the table says of an instance's login.
type login struct {
	there, active    bool
	others           bool // the instance has further logins, of an earlier declaration
	password, sender string
}

// find looks for the instance's login; one of that name that is not its is refused.
func (d *dovecot) find(ctx context.Context, db *pgx.Conn, g provisioner.Grant) (l login, err error) {
	rows, err := db.Query(ctx, `SELECT login, password, sender, instance, active FROM frama_smtp_login WHERE login = $1 OR instance = $2`,
		d.login(g), mark(g.Instance))
	if err != nil {
		return l, err
	}
	defer rows.Close()
	for rows.Next() {
		var name, password, sender, instance string
		var active bool
		if err := rows.Scan(&name, &password, &sender, &instance, &active); err != nil {
			return l, err
		}
		switch {
		case name != d.login(g):
			l.others = true
		case instance != mark(g.Instance):
			return l, d.foreign("login", name)
		default:
			l.there, l.active, l.password, l.sender = true, active, password, sender
		}
	}
	return l, rows.Err()
}

// write makes or changes the login. It replaces those of an earlier declaration; one that was closed stays closed.
func (d *dovecot) write(ctx context.Context, db *pgx.Conn, g provisioner.Grant, password string) error {
	return pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		done, err := tx.Exec(ctx, `INSERT INTO frama_smtp_login (login, password, sender, instance, active)
			SELECT $1, $2, $3, $4, coalesce((SELECT bool_and(active) FROM frama_smtp_login WHERE instance = $4), true)
			ON CONFLICT (login) DO UPDATE SET password = excluded.password, sender = excluded.sender WHERE frama_smtp_login.instance = excluded.instance`,
			d.login(g), saltedHash(password), sender(d.server, g.Name), mark(g.Instance))
		if err == nil && done.RowsAffected() == 0 {
			err = d.foreign("login", d.login(g))
		}
		if err == nil {
			_, err = tx.Exec(ctx, `DELETE FROM frama_smtp_login WHERE instance = $1 AND login <> $2`, mark(g.Instance), d.login(g))
		}
		return err
	})
}

func (d *dovecot) Rotate(ctx context.Context, g provisioner.Grant, next map[string]string) error {
	return d.rows(ctx, func(ctx context.Context, db *pgx.Conn) error {
		known, err := d.find(ctx, db, g)
		if err != nil || !known.there {
			return err // one that is missing is made by Ensure, with next
		}
		d.at("write login")
		return d.write(ctx, db, g, next["smtp_password"])
	})
}

// Login compares the password with the stored hash, as Dovecot does.
func (d *dovecot) Login(ctx context.Context, g provisioner.Grant) error {
	return d.rows(ctx, func(ctx context.Context, db *pgx.Conn) error {
		known, err := d.find(ctx, db, g)
		switch {
		case err != nil:
			return err
		case !matches(known.password, g.Secrets["smtp_password"]):
			return d.loginFailed(d.login(g), errors.New("it is missing or has another password"))
		case !known.active:
			return d.refused(nil, "the login %s is closed: set active in its row of frama_smtp_login when it may send again", d.login(g))
		}
		return nil
	})
}

func (d *dovecot) Retire(ctx context.Context, g provisioner.Grant) error {
	return d.change(ctx, g, "close login", `UPDATE frama_smtp_login SET active = false WHERE instance = $1`)
}

func (d *dovecot) Restore(ctx context.Context, g provisioner.Grant) error {
	return d.change(ctx, g, "open login", `UPDATE frama_smtp_login SET active = true WHERE instance = $1`)
}

func (d *dovecot) Purge(ctx context.Context, g provisioner.Grant) error {
	return d.change(ctx, g, "delete login", `DELETE FROM frama_smtp_login WHERE instance = $1`)
}

func (d *dovecot) change(ctx context.Context, g provisioner.Grant, point, statement string) error {
	return d.rows(ctx, func(ctx context.Context, db *pgx.Conn) error {
		if err := run(ctx, db, loginTable); err != nil {
			return err
		}
		d.at(point)
		_, err := db.Exec(ctx, statement, mark(g.Instance))
		return err
	})
}

// Check looks at the mail server and at the table.
func (d *dovecot) Check(ctx context.Context) (string, error) {
	detail, err := d.greeting(ctx)
	if err != nil {
		return "", err
	}
	err = d.rows(ctx, func(ctx context.Context, db *pgx.Conn) error { return db.Ping(ctx) })
	return fmt.Sprintf("%s, logins in %s of %s", detail, d.Database, d.tables.Options.Name), err
}

func (d *dovecot) rows(ctx context.Context, f func(ctx context.Context, db *pgx.Conn) error) error {
	return d.tables.admin(ctx, d.Database, f)
}

// saltedHash is a password as Dovecot stores it. A slow hash would protect a password that people choose; this one has
// 190 random bits, and mail servers check it with every mail.
func saltedHash(password string) string {
	salt := make([]byte, 16)
	_, _ = rand.Read(salt) // never fails
	sum := sha512.Sum512(append([]byte(password), salt...))
	return "{SSHA512}" + base64.StdEncoding.EncodeToString(append(sum[:], salt...))
}

func matches(stored, password string) bool {
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(stored, "{SSHA512}"))
	if err != nil || len(raw) <= sha512.Size {
		return false
	}
	sum := sha512.Sum512(append([]byte(password), raw[sha512.Size:]...))
	return string(sum[:]) == string(raw[:sha512.Size])
}
