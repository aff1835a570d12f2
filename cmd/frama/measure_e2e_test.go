//go:build e2e

package main

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"golang.org/x/sync/errgroup"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/provisioner/exchange"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
)

// realApps are applications that run here, with the metric that each object adds one to. Making an object is the "write" of
// the manifest's own check: a pad, a sheet, a poll, an answer, a post, an account, a file.
var realApps = map[string]string{
	"etherpad": "pads", "ethercalc": "sheets", "ikiwiki": "polls", "pocketbase": "answers", "wordpress": "posts", "dokuwiki": "pages",
	"meshcentral": "files",
}

// TestRealUsage provisions real applications, makes objects in them through their own API, and reads how many there are: the
// figures match exactly, before and after, and bytes grow by what is written.
func TestRealUsage(t *testing.T) {
	const made = 3
	t.Setenv("TMPDIR", shortDir(t))
	all, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	var apps []catalogue.App
	for name := range realApps {
		app, ok := all.App(name)
		if !ok || !app.HasJob() {
			t.Fatalf("%s does not run here any more", name)
		}
		apps = append(apps, app)
	}
	var out, log bytes.Buffer
	c := &cli{in: strings.NewReader(""), out: &out, err: &log, environ: os.Environ()}
	conf, _, err := c.loadCatalogue()
	if err != nil {
		t.Fatal(err)
	}
	err = c.onTrialPlatform(t.Context(), conf, apps, imagesBuilt, false, func(ctx context.Context, p *platform, a *app) error {
		apps := known(a.catalogue, apps)
		bench, err := newTrialBench(p, a, all.Plans()[0].ID)
		if err != nil {
			return err
		}
		instances := make([]hosting.Instance, len(apps))
		var group errgroup.Group
		group.SetLimit(atOnce)
		for n, app := range apps {
			group.Go(func() (err error) {
				if why := bench.missing(app); why != "" {
					return fmt.Errorf("%s: %s", app.Name, why)
				}
				if instances[n], err = bench.bench.Provision(ctx, app); err != nil {
					return fmt.Errorf("%s: %w", app.Name, err)
				}
				return nil
			})
		}
		if err := group.Wait(); err != nil {
			return err
		}
		r := realUsage{t: t, app: a, bench: bench}
		// The server does by itself what the command line does below.
		await(t, time.Minute, "the server measures new instances", func() error { return r.measuredByItself(ctx, instances) })
		before := r.measure(ctx)
		for n, app := range apps {
			for range made {
				r.makeObject(ctx, app, instances[n])
			}
		}
		after := r.measure(ctx)
		for _, app := range apps {
			metric, want := realApps[app.Name], int64(made)
			was, is := before[app.Name], after[app.Name]
			t.Logf("%-12s %v, then %v", app.Name, was, is)
			if _, counted := was[metric]; !counted || is[metric]-was[metric] != want {
				t.Errorf("%s: %d %s, and %d after %d were made", app.Name, was[metric], metric, is[metric], want)
			}
			for other, value := range is {
				if other != metric && !hosting.ByteMetric(other) && value != was[other] {
					t.Errorf("%s: %s went from %d to %d, and none were made", app.Name, other, was[other], value)
				}
			}
			if was["volume_bytes"] <= 0 || is["volume_bytes"] < was["volume_bytes"] {
				t.Errorf("%s: the volume went from %d to %d bytes", app.Name, was["volume_bytes"], is["volume_bytes"])
			}
		}
		for n, app := range apps {
			r.bytes(ctx, app, instances[n])
		}
		r.kept(ctx, instances, apps, after)
		return nil
	})
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, out.String(), log.String())
	}
}

type realUsage struct {
	t     *testing.T
	app   *app
	bench *trialBench
}

// measuredByItself says of whom the server has no figures yet.
func (r realUsage) measuredByItself(ctx context.Context, instances []hosting.Instance) error {
	return r.app.store.Read(ctx, func(tx *store.Tx) error {
		for _, i := range instances {
			now, err := tx.UsageNow(i.SpaceID)
			if err != nil {
				return err
			}
			if len(now) == 0 {
				return fmt.Errorf("nothing is kept of %s", i.App)
			}
		}
		return nil
	})
}

// measure is what frama usage measure reads of every instance, by application and metric. Nothing may be a problem.
func (r realUsage) measure(ctx context.Context) map[string]map[string]int64 {
	r.t.Helper()
	all, err := r.app.measureNow(ctx, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	figures := map[string]map[string]int64{}
	for _, m := range all {
		figures[m.Instance.App] = map[string]int64{}
		for _, reading := range m.Readings {
			if reading.Problem != "" {
				r.t.Errorf("%s: %s: %s", m.Instance.App, reading.Metric, reading.Problem)
				continue
			}
			figures[m.Instance.App][reading.Metric] = reading.Value
		}
	}
	return figures
}

// makeObject does what the manifest's check does to write one, over HTTPS through the ingress.
func (r realUsage) makeObject(ctx context.Context, app catalogue.App, i hosting.Instance) {
	r.t.Helper()
	secrets, err := r.bench.cluster.Secrets(ctx, i.Job)
	if err != nil {
		r.t.Fatal(err)
	}
	e := &exchange.Exchange{Client: &http.Client{Transport: r.bench.client.Transport}, URL: r.bench.bench.URL(i.Host), Secrets: secrets,
		Values: map[string]string{"object": newWord(), "email": r.bench.bench.Email}}
	if err := e.Run(ctx, app.Run().Check.Write); err != nil {
		r.t.Errorf("%s: %v", app.Name, err)
	}
}

// bytes writes a file of known size into the volume, and as much into the database where there is one.
func (r realUsage) bytes(ctx context.Context, app catalogue.App, i hosting.Instance) {
	r.t.Helper()
	const size = 5 << 20
	task, path, err := r.bench.cluster.VolumePath(ctx, i.Job, i.Volume)
	if err != nil || path == "" {
		r.t.Errorf("%s: the volume is at %q in task %q (%v)", app.Name, path, task, err)
		return
	}
	before := r.one(ctx, i)
	script := `dd if=/dev/urandom of="$1/written-by-a-test" bs=1048576 count=5 2>/dev/null && sync "$1/written-by-a-test"`
	if code, output, err := r.bench.cluster.Exec(ctx, i.Job, task, []string{"sh", "-c", script, "sh", path}); err != nil || code != 0 {
		r.t.Errorf("%s: status %d, %s (%v)", app.Name, code, output, err)
		return
	}
	slack := int64(1 << 20) // an application that is awake writes too
	if app.Name == "ikiwiki" {
		slack = 0 // files only, and nobody visits it
	}
	after := r.one(ctx, i)
	if grown := after["volume_bytes"] - before["volume_bytes"]; grown < size || grown > size+slack {
		r.t.Errorf("%s: %d bytes were written, and the volume has %d more", app.Name, size, grown)
	}
	if _, has := after["database_bytes"]; !has {
		return
	}
	r.intoDatabase(ctx, app, i, size)
	last := r.one(ctx, i)
	if grown := last["database_bytes"] - after["database_bytes"]; grown < size || grown > 4*size {
		r.t.Errorf("%s: %d bytes were written, and the database has %d more", app.Name, size, grown)
	}
}

// one measures one instance.
func (r realUsage) one(ctx context.Context, i hosting.Instance) map[string]int64 {
	r.t.Helper()
	all, err := r.app.measureNow(ctx, []string{i.SpaceID})
	if err != nil || len(all) != 1 {
		r.t.Fatalf("%+v, %v", all, err)
	}
	figures := map[string]int64{}
	for _, reading := range all[0].Readings {
		if reading.Problem != "" {
			r.t.Errorf("%s: %s: %s", i.App, reading.Metric, reading.Problem)
		}
		figures[reading.Metric] = reading.Value
	}
	return figures
}

// intoDatabase writes rows as the instance.
func (r realUsage) intoDatabase(ctx context.Context, app catalogue.App, i hosting.Instance, size int) {
	r.t.Helper()
	items, err := r.bench.cluster.Secrets(ctx, i.Job)
	if err != nil {
		r.t.Fatal(err)
	}
	address := items["db_host"] + ":" + items["db_port"]
	rows := fmt.Sprintf("seq_1_to_%d", size/200)
	conf := mysql.NewConfig()
	conf.Net, conf.Addr = "tcp", address
	conf.User, conf.Passwd, conf.DBName = items["db_user"], items["db_password"], items["db_name"]
	driver, source := "mysql", conf.FormatDSN()
	if slices.Contains(app.Run().Needs, "postgres") {
		u := url.URL{Scheme: "postgres", User: url.UserPassword(items["db_user"], items["db_password"]), Host: address, Path: items["db_name"]}
		driver, source = "pgx", u.String()
		rows = fmt.Sprintf("generate_series(1, %d)", size/200)
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		r.t.Fatal(err)
	}
	defer db.Close()
	for _, statement := range []string{
		`CREATE TABLE written_by_a_test (a char(200))`,
		`INSERT INTO written_by_a_test SELECT repeat('x', 200) FROM ` + rows,
		`ANALYZE written_by_a_test`,
	} {
		if driver == "mysql" {
			statement = strings.Replace(statement, "ANALYZE ", "ANALYZE TABLE ", 1)
		}
		if _, err := db.ExecContext(ctx, statement); err != nil {
			r.t.Fatalf("%s: %s: %v", app.Name, statement, err)
		}
	}
}

// kept looks at what the store says: the newest figures of each space.
func (r realUsage) kept(ctx context.Context, instances []hosting.Instance, apps []catalogue.App, figures map[string]map[string]int64) {
	r.t.Helper()
	for n, app := range apps {
		metric := realApps[app.Name]
		err := r.app.store.Read(ctx, func(tx *store.Tx) error {
			now, err := tx.UsageNow(instances[n].SpaceID)
			for _, u := range now {
				if u.Metric == metric && u.Value == figures[app.Name][metric] && u.Problem == "" && time.Since(u.At) < 10*time.Minute {
					return err
				}
			}
			return errors.Join(err, fmt.Errorf("%d %s are not kept: %+v", figures[app.Name][metric], metric, now))
		})
		if err != nil {
			r.t.Errorf("%s: %v", app.Name, err)
		}
	}
}
