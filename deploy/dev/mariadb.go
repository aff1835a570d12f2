package dev

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// MariaDBOptions say where the database listens.
type MariaDBOptions struct {
	Data string // the platform's folder; MariaDB has mariadb/ in it
	Port Port   // Number 0: one that is free, and at later starts the same one again

	Address string // of this machine, where it listens too: containers have a loopback of their own; none when empty
}

// MariaDB is a running server for tests. Its administrator needs the password, and may sign in from this machine only. It
// does not wait for the disk, so that a crash of the machine may ruin it: keep nothing in it that must last.
type MariaDB struct {
	*Process

	Host     string // 127.0.0.1
	Port     int
	User     string // may do everything
	Password string // the same at later starts
}

// StartMariaDB starts the server that is installed. Where the caller is root it runs as the user mysql, or nobody, since
// MariaDB refuses to be root.
func StartMariaDB(ctx context.Context, o MariaDBOptions) (*MariaDB, error) {
	dir := filepath.Join(absolute(o.Data), "mariadb")
	m, err := startMariaDB(ctx, dir, o)
	if err != nil {
		return nil, fmt.Errorf("start mariadb: %w", err)
	}
	return m, nil
}

func startMariaDB(ctx context.Context, dir string, o MariaDBOptions) (*MariaDB, error) {
	port := o.Port
	program, err := mariadbProgram()
	if err != nil {
		return nil, err
	}
	if err := resolvePorts(filepath.Join(dir, "ports.json"), &port); err != nil {
		return nil, err
	}
	credential, err := unprivileged("mysql", "nobody")
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	if err := makeDatabases(ctx, data, credential); err != nil {
		return nil, err
	}
	password, err := rememberPassword(filepath.Join(dir, "password"))
	if err != nil {
		return nil, err
	}
	m := &MariaDB{Host: "127.0.0.1", Port: port.Number, User: "root", Password: password}
	first, err := m.writeAdministrator(filepath.Join(dir, "administrator.sql"), credential)
	if err != nil {
		return nil, err
	}
	m.Process, err = Start(ctx, Command{
		Name: "mariadb", Path: program, Data: dir, Dir: data, User: credential,
		Args: []string{
			"--no-defaults", "--datadir=" + data, "--tmpdir=" + data, "--bind-address=" + listenOn(o.Address, ","), "--port=" + strconv.Itoa(m.Port),
			"--socket=", "--pid-file=" + filepath.Join(data, "mariadb.pid"), "--init-file=" + first,
			"--skip-name-resolve", "--character-set-server=utf8mb4", "--max-connections=200",
			// Made for speed and little memory, not to last.
			"--innodb-flush-log-at-trx-commit=0", "--innodb-flush-method=nosync", "--innodb-doublewrite=0",
			"--innodb-buffer-pool-size=64M", "--performance-schema=OFF", "--skip-log-bin", "--aria-pagecache-buffer-size=8M",
		},
		Ready:  dials(port.Address()), // it listens once the accounts are set
		Within: time.Minute,
		Grace:  20 * time.Second, // it writes what it has in memory
	})
	if err != nil {
		return nil, err
	}
	return m, nil
}

// Address is host:port.
func (m *MariaDB) Address() string { return Port{Number: m.Port}.Address() }

// DSN is the address of a database with the administrator's password, for github.com/go-sql-driver/mysql; "mysql" is
// always there.
func (m *MariaDB) DSN(database string) string {
	return fmt.Sprintf("%s:%s@tcp(%s)/%s", m.User, m.Password, m.Address(), database)
}

func mariadbProgram() (string, error) {
	for _, path := range []string{"/usr/sbin/mariadbd", "/usr/libexec/mariadbd"} {
		if exists(path) {
			return path, nil
		}
	}
	if path, err := exec.LookPath("mariadbd"); err == nil {
		return path, nil
	}
	return "", errors.New("mariadbd is not installed: run make tools")
}

// makeDatabases makes the files of an empty server, on the first start. They come into their place by one rename, so that
// a start that was cut short leaves nothing half done.
func makeDatabases(ctx context.Context, data string, credential *syscall.Credential) error {
	if exists(filepath.Join(data, "mysql")) {
		return nil
	}
	making := data + ".making"
	for _, dir := range []string{data, making} {
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("make databases: %w", err)
		}
	}
	if err := os.Mkdir(making, 0o700); err != nil {
		return fmt.Errorf("make databases: %w", err)
	}
	if err := give(making, credential); err != nil {
		return fmt.Errorf("make databases: %w", err)
	}
	install := exec.CommandContext(ctx, "mariadb-install-db", "--no-defaults", "--datadir="+making, "--skip-test-db",
		"--skip-name-resolve", "--auth-root-authentication-method=normal", "--innodb-flush-method=nosync")
	install.Dir = "/"
	install.Env = append(environment(filepath.Dir(data)), "TMPDIR="+making)
	install.SysProcAttr = &syscall.SysProcAttr{Credential: credential}
	if out, err := install.CombinedOutput(); err != nil {
		return fmt.Errorf("mariadb-install-db: %w (the user that runs it must be able to enter every folder above %s): %s",
			err, data, out)
	}
	if err := os.Rename(making, data); err != nil {
		return fmt.Errorf("make databases: %w", err)
	}
	return nil
}

// writeAdministrator writes what the server does before it listens: nobody gets in without the password, from the first
// moment on. A file, because all the machine's users can read the words of processes.
func (m *MariaDB) writeAdministrator(path string, credential *syscall.Credential) (string, error) {
	text := ""
	for _, host := range []string{"localhost", m.Host} {
		account := fmt.Sprintf("'%s'@'%s'", m.User, host)
		text += fmt.Sprintf("CREATE OR REPLACE USER %s IDENTIFIED BY '%s';\n", account, m.Password)
		text += fmt.Sprintf("GRANT ALL ON *.* TO %s WITH GRANT OPTION;\n", account)
	}
	text += "DELETE FROM mysql.global_priv WHERE User = '' OR User = 'root' AND Host NOT IN ('localhost', '127.0.0.1');\n"
	text += "FLUSH PRIVILEGES;\n"
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("set the administrator: %w", err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return "", fmt.Errorf("set the administrator: %w", err)
	}
	return path, give(path, credential)
}

// give makes the user the owner of a file or folder.
func give(path string, credential *syscall.Credential) error {
	if credential == nil {
		return nil
	}
	return os.Chown(path, int(credential.Uid), int(credential.Gid))
}
