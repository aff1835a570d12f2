package backing

import (
	"context"
	"crypto/sha1" //nolint:gosec // what MariaDB's protocol is made of
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	driver "github.com/go-sql-driver/mysql"

	"framagit.org/frama/frama/provisioner"
)

// mariadb gives each instance a database and a user who may do all in it and nothing anywhere else. MySQL itself is
// refused: its clients need the clear password once for what it stores since version 8.
type mariadb struct {
	server
	config *driver.Config
}

// maxMySQLName is that of users before MariaDB had longer ones, and of many clients.
const maxMySQLName = 32

func newMySQL(s server) *mariadb {
	c := driver.NewConfig()
	c.Net, c.Addr, c.TLS = "tcp", s.Address, s.tls
	c.Timeout = 10 * time.Second
	c.Logger = &driver.NopLogger{} // it would write to standard error beside the errors it returns
	c.Collation = "utf8mb4_general_ci"
	return &mariadb{s, c}
}

func (m *mariadb) Identifier(job string) string {
	return provisioner.Identifier(m.Prefix, job, "_", maxMySQLName)
}

func (m *mariadb) Secrets(_ string, random io.Reader) map[string]string {
	return onePassword("db_password", random)
}

// Fits makes sure that it is MariaDB, and new enough to keep a comment with a database.
func (m *mariadb) Fits(ctx context.Context, _ provisioner.Grant) error {
	return m.admin(ctx, func(ctx context.Context, db *sql.Conn) error {
		_, err := m.version(ctx, db)
		return err
	})
}

func (m *mariadb) version(ctx context.Context, db *sql.Conn) (string, error) {
	var text string
	if err := db.QueryRowContext(ctx, `SELECT VERSION()`).Scan(&text); err != nil {
		return "", err
	}
	var major, minor int
	number, _, _ := strings.Cut(text, "-")
	_, err := fmt.Sscanf(number, "%d.%d", &major, &minor)
	if err != nil || !strings.Contains(text, "MariaDB") || major < 10 || major == 10 && minor < 5 {
		return text, m.refused(nil, "it runs %s: frama needs MariaDB 10.5 or later", text)
	}
	return number, nil
}

// Ensure makes the database, which bears its mark from the beginning, then the user of the same name. A user who is there
// before the database is somebody else's.
func (m *mariadb) Ensure(ctx context.Context, g provisioner.Grant) (map[string]string, error) {
	err := m.admin(ctx, func(ctx context.Context, db *sql.Conn) error {
		if _, err := m.version(ctx, db); err != nil {
			return err
		}
		there, err := m.ours(ctx, db, g)
		if err != nil {
			return err
		}
		if !there.database {
			charset := g.Charset
			if charset == "" {
				charset = "utf8mb4"
			}
			m.at("make database")
			// The name of a character set cannot be quoted; letters and digits alone are let through.
			if strings.Trim(charset, "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
				return m.refused(nil, "%q is no character set", charset)
			}
			if err := m.run(ctx, db, `CREATE DATABASE `+quoteName(g.Name)+` CHARACTER SET `+charset+` COMMENT `+quoteText(mark(g.Instance))); err != nil {
				return err
			}
		}
		if !there.user {
			m.at("make user")
			if err := m.run(ctx, db, `CREATE USER IF NOT EXISTS `+account(g)+m.identified(g.Secrets["db_password"])+m.limits()+` ACCOUNT UNLOCK`); err != nil {
				return err
			}
		}
		granted, err := m.granted(ctx, db, g)
		if err != nil || granted {
			return err
		}
		m.at("grant")
		return m.run(ctx, db, `REVOKE ALL PRIVILEGES, GRANT OPTION FROM `+account(g),
			`GRANT ALL PRIVILEGES ON `+pattern(g.Name)+`.* TO `+account(g))
	})
	if err != nil {
		return nil, err
	}
	if err := ensureLogin(ctx, m, g, func() error { return m.Rotate(ctx, g, g.Secrets) }); err != nil {
		return nil, err
	}
	values := m.encryption()
	values["db_host"], values["db_port"], values["db_name"], values["db_user"] = m.host, m.port, g.Name, g.Name
	return values, nil
}

// limits is how many connections an instance may have.
func (m *mariadb) limits() string { return " WITH MAX_USER_CONNECTIONS " + strconv.Itoa(m.Connections) }

// granted says whether the user may do what it should and nothing else.
func (m *mariadb) granted(ctx context.Context, db *sql.Conn, g provisioner.Grant) (bool, error) {
	rows, err := db.QueryContext(ctx, `SHOW GRANTS FOR `+account(g))
	if err != nil {
		return false, err
	}
	defer rows.Close()
	var lines []string
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			return false, err
		}
		lines = append(lines, line)
	}
	return len(lines) == 2 && strings.HasPrefix(lines[0], "GRANT USAGE ON *.* TO ") &&
		strings.HasPrefix(lines[1], "GRANT ALL PRIVILEGES ON "+pattern(g.Name)+".* TO ") && !strings.Contains(lines[1], "GRANT OPTION"), rows.Err()
}

// Rotate replaces the password. Connections that are open stay.
func (m *mariadb) Rotate(ctx context.Context, g provisioner.Grant, next map[string]string) error {
	return m.admin(ctx, func(ctx context.Context, db *sql.Conn) error {
		there, err := m.ours(ctx, db, g)
		if err != nil || !there.user {
			return err // one that is missing is made by Ensure, with next
		}
		m.at("set password")
		return m.run(ctx, db, `ALTER USER `+account(g)+m.identified(next["db_password"]))
	})
}

// Login signs in as the instance does.
func (m *mariadb) Login(ctx context.Context, g provisioner.Grant) error {
	err := m.session(ctx, g.Name, g.Secrets["db_password"], g.Name, func(ctx context.Context, db *sql.Conn) error { return db.PingContext(ctx) })
	var known *driver.MySQLError
	if errors.As(err, &known) && (known.Number == 1044 || known.Number == 1045 || known.Number == 4151) {
		return m.loginFailed(g.Name, known)
	}
	return err
}

// Retire locks the user out. MariaDB cannot rename a database, so it keeps its name.
func (m *mariadb) Retire(ctx context.Context, g provisioner.Grant) error {
	return m.admin(ctx, func(ctx context.Context, db *sql.Conn) error {
		there, err := m.ours(ctx, db, g)
		if err != nil || !there.user {
			return err
		}
		m.at("lock user")
		if err := m.run(ctx, db, `ALTER USER `+account(g)+` ACCOUNT LOCK`); err != nil {
			return err
		}
		m.at("disconnect")
		return m.run(ctx, db, `KILL HARD CONNECTION USER `+quoteText(g.Name))
	})
}

// Restore lets the user in again.
func (m *mariadb) Restore(ctx context.Context, g provisioner.Grant) error {
	return m.admin(ctx, func(ctx context.Context, db *sql.Conn) error {
		there, err := m.ours(ctx, db, g)
		if err != nil {
			return err
		}
		if !there.database || !there.user {
			return m.refused(nil, "the database %s or its user is gone: restore a dump of it first", g.Name)
		}
		m.at("unlock user")
		return m.run(ctx, db, `ALTER USER `+account(g)+` ACCOUNT UNLOCK`)
	})
}

// Purge drops the user first: the mark is with the database, and goes last.
func (m *mariadb) Purge(ctx context.Context, g provisioner.Grant) error {
	long := *m
	long.Timeout = deleting
	m = &long
	return m.admin(ctx, func(ctx context.Context, db *sql.Conn) error {
		there, err := m.ours(ctx, db, g)
		if err != nil {
			return err
		}
		if there.user {
			m.at("drop user")
			if err := m.run(ctx, db, `DROP USER IF EXISTS `+account(g)); err != nil {
				return err
			}
		}
		if there.database {
			m.at("drop database")
			return m.run(ctx, db, `DROP DATABASE `+quoteName(g.Name))
		}
		return nil
	})
}

// Check looks at version and rights, and for what would let instances in without a name or password.
func (m *mariadb) Check(ctx context.Context) (string, error) {
	detail := ""
	err := m.admin(ctx, func(ctx context.Context, db *sql.Conn) error {
		version, err := m.version(ctx, db)
		if err != nil {
			return err
		}
		detail = "MariaDB " + version
		var open int
		err = db.QueryRowContext(ctx, `SELECT COUNT(*) FROM mysql.db WHERE User = ''`).Scan(&open)
		if err == nil && open > 0 {
			return m.refused(nil, "databases are open to everybody (rows of mysql.db without a user): run mariadb-secure-installation")
		}
		return err
	})
	return detail, err
}

// there is what is on the server under an instance's name.
type there struct{ database, user bool }

// ours looks at the user first: whoever makes both makes the database before, so a user without one is somebody else's
// also while another worker is at it.
func (m *mariadb) ours(ctx context.Context, db *sql.Conn, g provisioner.Grant) (t there, err error) {
	var users int
	if err := db.QueryRowContext(ctx, `SELECT COUNT(*) FROM mysql.user WHERE User = ?`, g.Name).Scan(&users); err != nil {
		return t, err
	}
	t.user = users > 0
	comment := ""
	// MariaDB makes a database's folder first and writes its comment then: one that is being made has none for a moment.
	for try := 0; ; try++ {
		err = db.QueryRowContext(ctx, `SELECT SCHEMA_COMMENT FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ?`, g.Name).Scan(&comment)
		if err != nil || comment != "" || try == 5 {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return t, err
	}
	t.database = err == nil
	switch {
	case t.database && comment != mark(g.Instance):
		return t, m.foreign("database", g.Name)
	case t.user && !t.database:
		return t, m.foreign("user", g.Name)
	}
	return t, nil
}

func (m *mariadb) admin(ctx context.Context, f func(ctx context.Context, db *sql.Conn) error) error {
	return m.session(ctx, m.User, m.Password, "", f)
}

// session runs f on one connection that is closed afterwards.
func (m *mariadb) session(ctx context.Context, user, password, database string, f func(ctx context.Context, db *sql.Conn) error) error {
	ctx, cancel := context.WithTimeout(ctx, m.Timeout)
	defer cancel()
	conf := m.config.Clone()
	conf.User, conf.Passwd, conf.DBName = user, password, database
	conf.ReadTimeout, conf.WriteTimeout = m.Timeout, m.Timeout
	connector, err := driver.NewConnector(conf)
	if err != nil {
		return m.wrong("%v", err)
	}
	pool := sql.OpenDB(connector)
	defer pool.Close() //nolint:errcheck // nothing is written by it
	db, err := pool.Conn(ctx)
	if err == nil {
		defer db.Close() //nolint:errcheck // nothing is written by it
		err = f(ctx, db)
	}
	return m.explain(err)
}

func (m *mariadb) explain(err error) error {
	var refused *provisioner.RefusedError
	var known *driver.MySQLError
	switch {
	case err == nil, errors.As(err, &refused):
		return err
	case errors.As(err, &known):
		switch known.Number {
		case 1040, 1053, 1203, 1205, 1213: // too many connections, stops, waits for locks
			return &provisioner.TemporaryError{After: 5 * time.Second, Err: err,
				Reason: fmt.Sprintf("the backing server %s cannot just now", m.Options.Name)}
		case 1044, 1045, 1142, 1227, 1698, 4151: // 4151: the account is locked
			return m.denied(err)
		case 1007, 1396: // another worker made it first: look again
			return &provisioner.TemporaryError{After: time.Second, Err: err,
				Reason: fmt.Sprintf("somebody else makes the same on the backing server %s", m.Options.Name)}
		}
	case isNetwork(err), errors.Is(err, context.DeadlineExceeded), errors.Is(err, driver.ErrInvalidConn):
		return m.unreachable(err)
	}
	return fmt.Errorf("backing server %s: %w", m.Options.Name, err)
}

func (m *mariadb) run(ctx context.Context, db *sql.Conn, statements ...string) error {
	for _, s := range statements {
		if _, err := db.ExecContext(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// identified sets a password by its hash, so that no log of the server holds it. The hash has no salt, which does no harm
// to 190 random bits.
func (m *mariadb) identified(password string) string {
	first := sha1.Sum([]byte(password)) //nolint:gosec // see above
	second := sha1.Sum(first[:])        //nolint:gosec // see above
	return " IDENTIFIED VIA mysql_native_password USING '*" + strings.ToUpper(hex.EncodeToString(second[:])) + "'"
}

// account is the instance's user, from any address: which ones reach the server is for its network to say.
func account(g provisioner.Grant) string { return quoteText(g.Name) + `@'%'` }

// pattern quotes a database's name for GRANT, where _ and % stand for other characters: unescaped, the rights would reach
// databases with similar names.
func pattern(name string) string {
	return quoteName(strings.NewReplacer(`\`, `\\`, `_`, `\_`, `%`, `\%`).Replace(name))
}

func quoteName(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }

func quoteText(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(text) + "'"
}
