//go:build e2e

package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"framagit.org/frama/frama/deploy/dev"
	"framagit.org/frama/frama/deploy/journey"
	"framagit.org/frama/frama/services/seal"
)

// storyServer is an application that keeps its story in PostgreSQL: each visit adds a line and tells how many there are.
// Redis counts too.
const storyServer = `
const { execFile } = require("child_process");
const run = (f, args, more) => new Promise((ok, no) =>
  execFile(f, args, { env: { ...process.env, ...more } }, (err, out, said) => err ? no(new Error(said || out)) : ok(out.trim())));
require("http").createServer(async (req, res) => {
  try {
    const rows = await run(process.env.PSQL, ["-Atqc", "CREATE TABLE IF NOT EXISTS story (n serial); INSERT INTO story DEFAULT VALUES; SELECT count(*) FROM story"]);
    const e = process.env;
    const hits = await run("redis-cli", ["-h", e.REDIS_HOST, "-p", e.REDIS_PORT, "--user", e.REDIS_USER, "INCR", e.REDIS_PREFIX + "hits"], { REDISCLI_AUTH: e.REDIS_PASSWORD });
    res.end("rows " + rows + ", hits " + hits + "\n");
  } catch (err) { res.statusCode = 500; res.end(String(err)); }
}).listen(Number(process.env.NOMAD_PORT_http), process.env.NOMAD_IP_http);
`

const storyTemplate = `
      template {
        destination = "secrets/backing.env"
        env         = true
        data        = <<-EOT
          {{ with nomadVar "nomad/jobs/${var.job_id}" }}
          PGHOST={{ .db_host.Value | toJSON }}
          PGPORT={{ .db_port.Value | toJSON }}
          PGDATABASE={{ .db_name.Value | toJSON }}
          PGUSER={{ .db_user.Value | toJSON }}
          PGPASSWORD={{ .db_password.Value | toJSON }}
          REDIS_HOST={{ .redis_host.Value | toJSON }}
          REDIS_PORT={{ .redis_port.Value | toJSON }}
          REDIS_USER={{ .redis_user.Value | toJSON }}
          REDIS_PREFIX={{ .redis_prefix.Value | toJSON }}
          REDIS_PASSWORD={{ .redis_password.Value | toJSON }}
          {{ end }}
        EOT
      }
      env {
        PSQL = %q
        PATH = "/usr/local/bin:/usr/bin:/bin"
      }
      logs {`

// storyCatalogue is a catalogue whose pads keep their story on backing servers.
func storyCatalogue(t *testing.T) string {
	apps := tinyCatalogue(t)
	psql, err := filepath.Glob("/usr/lib/postgresql/*/bin/psql")
	if err != nil || len(psql) == 0 {
		t.Fatal("psql is not installed: run make tools")
	}
	script := filepath.Join(apps, "..", "story.js")
	if err := os.WriteFile(script, []byte(storyServer), 0o644); err != nil {
		t.Fatal(err)
	}
	for file, change := range map[string]func(string) string{
		"app.hcl": func(text string) string {
			return strings.Replace(text, "health {", "needs = [\"postgres\", \"redis\"]\npostgres { extensions = [\"pg_trgm\"] }\nhealth {", 1)
		},
		"job.nomad.hcl": func(text string) string {
			text = strings.Replace(text, "      logs {", fmt.Sprintf(storyTemplate, psql[len(psql)-1]), 1)
			text = strings.Replace(text, filepath.Join(filepath.Dir(apps), "tiny"), "/usr/bin/node", 1)
			return strings.Replace(text, `["${NOMAD_ADDR_http}"]`, `["`+filepath.Clean(script)+`"]`, 1)
		},
	} {
		path := filepath.Join(apps, "tinypads", file)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(change(string(text))), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return apps
}

// declaredServers starts PostgreSQL, which asks for passwords, and Redis, and returns their declarations.
func declaredServers(t *testing.T) (super *pgx.Conn, declared string) {
	dir := shortDir(t)
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	pg, err := dev.StartPostgres(t.Context(), dev.PostgresOptions{Data: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pg.Stop)
	redis, err := dev.StartRedis(t.Context(), dev.RedisOptions{Data: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(redis.Stop)
	hba := "host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
	if err := os.WriteFile(filepath.Join(dir, "postgres", "data", "pg_hba.conf"), []byte(hba), 0o644); err != nil {
		t.Fatal(err)
	}
	if super, err = pgx.Connect(t.Context(), pg.URL("postgres")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = super.Close(context.Background()) })
	// As docs/operate/backing.md says.
	for _, statement := range []string{
		`SELECT pg_reload_conf()`, `CREATE ROLE frama LOGIN CREATEROLE CREATEDB PASSWORD 'admin-p4ss'`,
		`REVOKE CONNECT, TEMPORARY ON DATABASE postgres, template1 FROM PUBLIC`, `GRANT CONNECT ON DATABASE postgres TO frama`,
	} {
		if _, err := super.Exec(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	return super, tomlTable("[backing]", "name", "db1", "kind", "postgres", "address", fmt.Sprintf("127.0.0.1:%d", pg.Port), "user", "frama",
		"password", "admin-p4ss", "tls", "none") +
		tomlTable("[backing]", "name", "cache", "kind", "redis", "address", redis.Address(), "user", redis.User, "password", redis.Password, "tls", "none")
}

// TestBackingJourney: an application gets a database and a cache on real servers and keeps its story there, over a change
// of passwords, and over being retired and restored.
func TestBackingJourney(t *testing.T) {
	apps := storyCatalogue(t)
	super, declared := declaredServers(t)
	b := newBed(t)
	b.reconfigure(func(text string) string {
		return tinyOffer(text, apps)
	})
	frama := buildFrama(t, "backing")
	b.mustFrama(frama, "", "migrate")
	b.mustFrama(frama, devPassword+"\n", "user", "add", devEmail, "--role", "admin")
	b.start("serve", frama, "serve")
	b.start("edge", frama, "edge")
	await(t, 20*time.Second, "frama serves", func() error { return answers(http.DefaultClient, b.config.PublicURL+"/healthz") })
	q := journey.Sample("lilas")
	q.Kinds = []string{"pads"}
	j := b.journey(frama, q)
	var r journey.Result
	for _, step := range []func() error{
		func() error { return j.Ask(t.Context(), &r) }, func() error { return j.Confirm(t.Context(), &r) },
		func() error { return j.Approve(t.Context(), &r) },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	// Without a server the run is parked, and says what to declare.
	if out, err := b.frama(frama, "", "provision", "--timeout", "1m"); err == nil || !strings.Contains(out, "add a [[backing]] with kind = ") {
		t.Fatalf("without a server: %v\n%s", err, out)
	}
	b.reconfigure(func(text string) string { return text + declared })
	if out := b.mustFrama(frama, "", "provision", "lilas", "--timeout", "2m"); !strings.Contains(out, "1 active, 0 failed") {
		t.Fatalf("with servers:\n%s", out)
	}
	a, err := b.cli.wire(t.Context(), b.config, seal.Load)
	if err != nil {
		t.Fatal(err)
	}
	defer a.store.Close()
	v, err := a.control.Space(t.Context(), tester, "lilas")
	if err != nil {
		t.Fatal(err)
	}
	address := "http://" + v.Instances[0].Instance.Address
	await(t, 20*time.Second, "the story begins", func() error { return answers(http.DefaultClient, address) })
	cluster, err := a.cluster()
	if err != nil {
		t.Fatal(err)
	}
	variable := func() map[string]string {
		items, err := cluster.Secrets(t.Context(), "lilas-tinypads")
		if err != nil {
			t.Fatal(err)
		}
		return items
	}
	old := variable()
	out := b.mustFrama(frama, "", "backing", "list", "lilas")
	if !strings.Contains(out, "frama_lilas_tinypads") || strings.Contains(out, old["db_password"]) {
		t.Errorf("list:\n%s", out)
	}
	b.mustFrama(frama, "", "backing", "check", "lilas")
	b.mustFrama(frama, "", "backing", "rotate", "lilas")
	fresh := variable()
	if fresh["db_password"] == old["db_password"] || fresh["redis_password"] == old["redis_password"] || fresh["key"] != old["key"] ||
		fresh["db_password_next"] != "" {
		t.Errorf("after the change: %d keys", len(fresh))
	}
	login := func(password string) error {
		conf := super.Config().Copy()
		conf.User, conf.Password, conf.Database = "frama_lilas_tinypads", password, "frama_lilas_tinypads"
		db, err := pgx.ConnectConfig(t.Context(), conf)
		if err == nil {
			err = db.Close(t.Context())
		}
		return err
	}
	if login(fresh["db_password"]) != nil || login(old["db_password"]) == nil {
		t.Error("the old password is good, or the new one is not")
	}
	told := func() (text string) {
		await(t, 40*time.Second, "the story goes on", func() (err error) {
			text, err = fetch(http.DefaultClient, address)
			return err
		})
		return text
	}
	if text := told(); !strings.HasPrefix(text, "rows ") || strings.HasPrefix(text, "rows 1,") {
		t.Errorf("the story began anew: %s", text)
	}
	if out, err := b.frama(frama, "", "backing", "retire", "lilas"); err == nil || !strings.Contains(out, "would stop working") {
		t.Errorf("retired while it is in use: %v\n%s", err, out)
	}
	b.mustFrama(frama, "lilas\n", "backing", "retire", "lilas", "--force")
	if login(fresh["db_password"]) == nil || answers(http.DefaultClient, address) == nil {
		t.Error("what is retired can be used")
	}
	b.mustFrama(frama, "", "backing", "restore", "lilas")
	if text := told(); strings.HasPrefix(text, "rows 1,") {
		t.Errorf("the story was lost: %s", text)
	}
	if out := b.mustFrama(frama, "", "space", "show", "lilas", "--json"); !strings.Contains(out, "backing.rotate") || !strings.Contains(out, "backing.restore") {
		t.Error("the audit log does not say who did it")
	}
}
