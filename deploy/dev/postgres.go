package dev

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// PostgresOptions say where the database listens.
type PostgresOptions struct {
	Data string // the platform's folder; PostgreSQL has postgres/ in it
	Port Port   // Number 0: one that is free, and at later starts the same one again

	Address string // of this machine, where it listens too: containers have a loopback of their own; none when empty
}

// Postgres is a running server for tests: everybody on the machine may connect without a password, unless it listens to containers
// too, and it does not wait for the disk (fsync=off), so that a crash of the machine may ruin it. Keep nothing in it that must last.
type Postgres struct {
	*Process

	Host string // 127.0.0.1
	Port int
	User string // superuser
	// Password is the superuser's, the same at later starts; empty where none is asked for.
	Password string
	Socket   string // folder of the unix socket; empty where its path would be too long for one
}

// StartPostgres starts a server of the newest version installed under /usr/lib/postgresql. Where the caller is root it
// runs as the user postgres, or nobody, since PostgreSQL refuses to be root.
func StartPostgres(ctx context.Context, o PostgresOptions) (*Postgres, error) {
	bin, err := postgresPrograms()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(absolute(o.Data), "postgres")
	if err := resolvePorts(filepath.Join(dir, "ports.json"), &o.Port); err != nil {
		return nil, fmt.Errorf("start postgres: %w", err)
	}
	credential, err := unprivileged("postgres", "nobody")
	if err != nil {
		return nil, fmt.Errorf("start postgres: %w", err)
	}
	data := filepath.Join(dir, "data")
	if err := makeCluster(ctx, bin, data, credential); err != nil {
		return nil, fmt.Errorf("start postgres: %w", err)
	}
	password, err := setAccess(ctx, o, bin, dir, credential)
	if err != nil {
		return nil, fmt.Errorf("start postgres: %w", err)
	}
	p := &Postgres{Password: password, Host: "127.0.0.1", Port: o.Port.Number, User: "postgres", Socket: data}
	if len(data) > 80 { // the path of a unix socket has at most 107 bytes
		p.Socket = ""
	}
	p.Process, err = startAfterCrash(ctx, Command{
		Name: "postgres", Path: filepath.Join(bin, "postgres"), Data: dir, Dir: data, User: credential,
		Args: []string{
			"-D", data, "-p", strconv.Itoa(p.Port), "-c", "listen_addresses=" + listenOn(o.Address, ","), "-c", "unix_socket_directories=" + p.Socket,
			"-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off", "-c", "max_connections=200",
		},
		Stop: syscall.SIGINT, // closes connections; SIGTERM waits for the clients to go
		Ready: func(ctx context.Context) error {
			return exec.CommandContext(ctx, filepath.Join(bin, "pg_isready"), "-q", "-h", p.Host, "-p", strconv.Itoa(p.Port)).Run()
		},
	})
	if err != nil {
		return nil, err
	}
	if err := p.closeToInstances(ctx, bin); err != nil {
		p.Stop()
		return nil, fmt.Errorf("start postgres: %w", err)
	}
	return p, nil
}

// startAfterCrash starts a server. Soon after a killed one it has to try for some seconds: the old one's processes are
// still going away, and PostgreSQL rightly does not touch files that they might write.
func startAfterCrash(ctx context.Context, c Command) (*Process, error) {
	deadline := time.Now().Add(5 * time.Second)
	for {
		p, err := Start(ctx, c)
		if err == nil || time.Now().After(deadline) || !strings.Contains(err.Error(), "postmaster.pid") && !strings.Contains(err.Error(), "shared memory") {
			return p, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// URL is the address of a database, for store and psql; "postgres" is always there.
func (p *Postgres) URL(database string) string {
	who := url.User(p.User)
	if p.Password != "" {
		who = url.UserPassword(p.User, p.Password)
	}
	u := url.URL{Scheme: "postgres", User: who, Host: Port{Number: p.Port}.Address(), Path: database, RawQuery: "sslmode=disable"}
	return u.String()
}

// closeToInstances keeps the roles of instances out of databases that are not theirs, as a host's server does.
func (p *Postgres) closeToInstances(ctx context.Context, bin string) error {
	revoke := "REVOKE CONNECT, TEMPORARY ON DATABASE postgres FROM PUBLIC; REVOKE CONNECT, TEMPORARY ON DATABASE template1 FROM PUBLIC"
	psql := exec.CommandContext(ctx, filepath.Join(bin, "psql"), "-qX", "-h", p.Host, "-p", strconv.Itoa(p.Port), "-U", p.User, "-d", "postgres", "-c", revoke)
	psql.Env = append(environment(filepath.Dir(p.LogFile)), "PGPASSWORD="+p.Password)
	if out, err := psql.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// Who may connect. The socket is in a folder that only the server's user enters.
const (
	openAccess = `local all all              trust
host  all all 127.0.0.1/32 trust
host  all all ::1/128      trust
`
	closedAccess = `local all all           trust
host  all all 0.0.0.0/0 scram-sha-256
`
)

// setAccess says who may connect, and returns the password that the superuser needs then.
func setAccess(ctx context.Context, o PostgresOptions, bin, dir string, credential *syscall.Credential) (password string, err error) {
	access, data := openAccess, filepath.Join(dir, "data")
	if o.Address != "" {
		access = closedAccess
		if password, err = rememberPassword(filepath.Join(dir, "password")); err != nil {
			return "", err
		}
		for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(100 * time.Millisecond) { // see startAfterCrash
			single := exec.CommandContext(ctx, filepath.Join(bin, "postgres"), "--single", "-D", data, "-c", "fsync=off", "postgres")
			single.Dir, single.Env = data, environment(dir)
			single.Stdin = strings.NewReader("ALTER ROLE postgres PASSWORD '" + password + "'\n")
			single.SysProcAttr = &syscall.SysProcAttr{Credential: credential}
			out, err := single.CombinedOutput()
			if err == nil {
				break
			}
			if time.Now().After(deadline) || ctx.Err() != nil {
				return "", fmt.Errorf("set the superuser's password: %w: %s", err, out)
			}
		}
	}
	path := filepath.Join(data, "pg_hba.conf")
	if err := os.WriteFile(path, []byte(access), 0o600); err != nil {
		return "", fmt.Errorf("say who may connect: %w", err)
	}
	return password, give(path, credential)
}

// postgresPrograms is the folder with the server's programs, which Debian keeps out of PATH.
func postgresPrograms() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(found) == 0 {
		return "", errors.New("postgresql is not installed (looked in /usr/lib/postgresql/*/bin): run make tools")
	}
	version := func(path string) int {
		n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
		return n
	}
	newest := slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) })
	return filepath.Dir(newest), nil
}

// unprivileged is who runs a server that refuses to be root: nil, the caller, unless that is root; then the first of the
// users that exists.
func unprivileged(users ...string) (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range users {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(uidErr, gidErr); err != nil {
			return nil, fmt.Errorf("user %s: %w", name, err)
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, fmt.Errorf("it does not run as root, and there is no user %s: make one, or start this as another user",
		strings.Join(users, " or "))
}

// makeCluster makes the files of an empty server, on the first start. initdb works beside their place: what it leaves when it is
// interrupted looks whole and is not.
func makeCluster(ctx context.Context, bin, data string, credential *syscall.Credential) error {
	if _, err := os.Stat(filepath.Join(data, "PG_VERSION")); err == nil {
		return nil
	}
	making := data + ".new"
	for _, old := range []string{data, making} {
		if err := os.RemoveAll(old); err != nil {
			return fmt.Errorf("make a database cluster: %w", err)
		}
	}
	if err := os.Mkdir(making, 0o700); err != nil {
		return fmt.Errorf("make a database cluster: %w", err)
	}
	if credential != nil {
		if err := os.Chown(making, int(credential.Uid), int(credential.Gid)); err != nil {
			return fmt.Errorf("make a database cluster: %w", err)
		}
	}
	initdb := exec.CommandContext(ctx, filepath.Join(bin, "initdb"),
		"-D", making, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
	initdb.Dir = "/"
	initdb.Env = environment(filepath.Dir(data))
	initdb.SysProcAttr = &syscall.SysProcAttr{Credential: credential}
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w (the user that runs it must be able to enter every folder above %s): %s", err, data, out)
	}
	if err := os.Rename(making, data); err != nil {
		return fmt.Errorf("make a database cluster: %w", err)
	}
	return nil
}
