//go:build e2e

package backing

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"framagit.org/frama/frama/deploy/dev"
	"framagit.org/frama/frama/provisioner"
)

// servers are the real ones that the tests of this package share, each started when it is first asked for.
var servers struct {
	dir      string
	stop     []func()
	postgres func() (*dev.Postgres, error)
	mariadb  func() (*dev.MariaDB, error)
	redis    func() (*dev.Redis, error)
	versity  func() (string, error)
}

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "frama-backing")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o711); err != nil {
		panic(err)
	}
	servers.dir = dir
	servers.postgres = sync.OnceValues(startPostgres)
	servers.mariadb = sync.OnceValues(func() (*dev.MariaDB, error) {
		s, err := dev.StartMariaDB(context.Background(), dev.MariaDBOptions{Data: dir})
		if err == nil {
			servers.stop = append(servers.stop, s.Stop)
		}
		return s, err
	})
	servers.redis = sync.OnceValues(func() (*dev.Redis, error) {
		s, err := dev.StartRedis(context.Background(), dev.RedisOptions{Data: dir})
		if err == nil {
			servers.stop = append(servers.stop, s.Stop)
		}
		return s, err
	})
	servers.versity = sync.OnceValues(startVersity)
	defer func() {
		for _, stop := range servers.stop {
			stop()
		}
	}()
	return m.Run()
}

const adminPassword = "admin-p4ss"

// startPostgres starts a server that asks everybody for a password but its superuser, and has the administrator frama,
// who is none: it may make roles and databases.
func startPostgres() (*dev.Postgres, error) {
	s, err := dev.StartPostgres(context.Background(), dev.PostgresOptions{Data: servers.dir})
	if err != nil {
		return nil, err
	}
	servers.stop = append(servers.stop, s.Stop)
	hba := "host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\nlocal all postgres trust\n"
	if err := os.WriteFile(filepath.Join(servers.dir, "postgres", "data", "pg_hba.conf"), []byte(hba), 0o644); err != nil {
		return nil, err
	}
	db, err := pgx.Connect(context.Background(), s.URL("postgres"))
	if err != nil {
		return nil, err
	}
	defer db.Close(context.Background())
	for _, statement := range []string{
		`SELECT pg_reload_conf()`,
		`CREATE ROLE frama LOGIN CREATEROLE CREATEDB PASSWORD '` + adminPassword + `'`,
		`CREATE DATABASE mail OWNER frama`,
		`REVOKE CONNECT, TEMPORARY ON DATABASE postgres, template1, mail FROM PUBLIC`,
		`GRANT CONNECT ON DATABASE postgres TO frama`,
	} {
		if _, err := db.Exec(context.Background(), statement); err != nil {
			return nil, fmt.Errorf("%s: %w", statement, err)
		}
	}
	return s, nil
}

// startVersity starts an S3 server with accounts.
func startVersity() (string, error) {
	program, err := dev.Tool("versitygw")
	if err != nil {
		return "", err
	}
	port, err := dev.FreePort()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(servers.dir, "s3")
	for _, sub := range []string{"data", "iam", "meta"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return "", err
		}
	}
	address := fmt.Sprintf("127.0.0.1:%d", port)
	p, err := dev.Start(context.Background(), dev.Command{
		Name: "versitygw", Path: program, Data: dir, Dir: dir,
		Args: []string{
			"--access", "root", "--secret", adminPassword, "--port", address, "--iam-dir", filepath.Join(dir, "iam"),
			"posix", "--sidecar", filepath.Join(dir, "meta"), filepath.Join(dir, "data"),
		},
		Ready: func(ctx context.Context) error {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address, nil)
			if err != nil {
				return err
			}
			resp, err := http.DefaultClient.Do(req)
			if err == nil {
				resp.Body.Close()
			}
			return err
		},
	})
	if err != nil {
		return "", err
	}
	servers.stop = append(servers.stop, p.Stop)
	return address, nil
}

// kind is one kind of server, with what the tests that hold for all kinds need of it.
type kind struct {
	name     string
	options  func(t testing.TB) Options
	password string // key of the variable that Rotate changes
}

// kinds are those that keep instances apart.
func kinds() []kind {
	return []kind{
		{"postgres", postgresOptions, "db_password"},
		{"mysql", mysqlOptions, "db_password"},
		{"redis", redisOptions, "redis_password"},
		{"s3", s3Options, "s3_secret"},
		{"smtp", smtpOptions, "smtp_password"},
	}
}

func postgresOptions(t testing.TB) Options {
	s, err := servers.postgres()
	if err != nil {
		t.Fatal(err)
	}
	return Options{
		Name: "db1", Kind: "postgres", Address: fmt.Sprintf("%s:%d", s.Host, s.Port), SeenAs: "db1.internal:5432", User: "frama", Password: adminPassword,
		TLS: "none",
	}
}

func mysqlOptions(t testing.TB) Options {
	s, err := servers.mariadb()
	if err != nil {
		t.Fatal(err)
	}
	return Options{Name: "my1", Kind: "mysql", Address: s.Address(), User: s.User, Password: s.Password, TLS: "none"}
}

func redisOptions(t testing.TB) Options {
	s, err := servers.redis()
	if err != nil {
		t.Fatal(err)
	}
	return Options{Name: "re1", Kind: "redis", Address: s.Address(), User: s.User, Password: s.Password, TLS: "none"}
}

func s3Options(t testing.TB) Options {
	if _, err := dev.Tool("versitygw"); err != nil {
		t.Skipf("no S3 server: deploy/tools/get versitygw builds one: %v", err)
	}
	address, err := servers.versity()
	if err != nil {
		t.Fatal(err)
	}
	return Options{Name: "s3", Kind: "s3", Flavour: "versitygw", Address: address, User: "root", Password: adminPassword, TLS: "none"}
}

func smtpOptions(t testing.TB) Options {
	return Options{
		Name: "mail", Kind: "smtp", Mode: "dovecot-sql", Address: "127.0.0.1:587", From: "{name}@example.org", Database: "mail", Tables: "db1", TLS: "none",
	}
}

// open makes an adapter, with a hook before each statement that changes the server.
func open(t testing.TB, o Options, hook func(point string)) provisioner.Backing {
	t.Helper()
	o.Hook = hook
	var others []Options
	if o.Kind == "smtp" {
		tables := postgresOptions(t)
		tables.Hook = hook
		others = append(others, tables)
	}
	b, err := New(o, others)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var jobs = struct {
	sync.Mutex
	n int
}{}

// newGrant is what an instance that nobody else has gets of the server.
func newGrant(b provisioner.Backing) provisioner.Grant {
	jobs.Lock()
	defer jobs.Unlock()
	jobs.n++
	instance := fmt.Sprintf("01908f6e-%04d-7000-8000-%012d", jobs.n, time.Now().UnixNano()%1e12)
	name := b.Identifier(fmt.Sprintf("lilas%d-nextcloud", jobs.n))
	return provisioner.Grant{
		Instance: instance, Name: name, SetAside: b.Aside(name, time.Now()), Secrets: b.Secrets(instance, randomReader),
	}
}

// ensure makes what the grant says, as a step that is tried again while it waits does.
func ensure(t testing.TB, b provisioner.Backing, g provisioner.Grant) map[string]string {
	t.Helper()
	values, err := patiently(func() (map[string]string, error) { return b.Ensure(t.Context(), g) })
	if err != nil {
		t.Fatalf("ensure: %v", err)
	}
	return values
}

func patiently[T any](f func() (T, error)) (T, error) {
	for try := 0; ; try++ {
		v, err := f()
		var temporary *provisioner.TemporaryError
		if !errors.As(err, &temporary) || try == 20 {
			return v, err
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// refusedBecause makes sure that a person is asked, with these words.
func refusedBecause(t testing.TB, err error, words ...string) {
	t.Helper()
	var refused *provisioner.RefusedError
	if !errors.As(err, &refused) {
		t.Fatalf("got %v, want a refusal", err)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
}
