//go:build e2e

package main

import (
	"context"
	"database/sql"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"framagit.org/frama/frama/services/control"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/seal"
	"framagit.org/frama/frama/services/store/storetest"
	"framagit.org/frama/frama/services/usage"
)

const (
	historyPages = 200 // of the curve, for as many spaces
	rolledAtOnce = 200 // series in a transaction, as control.RollUp does
)

// BenchmarkUsageHistory fills a database with five years of usage of 10 000 spaces with four instances each, ten metrics an
// instance: days for all the time, hours for 90 days, values as read for a week. It measures the page of a space's history
// over all of it, and the roll-up of one day for all instances, each against the SQL that it needs, with nothing read out of
// the values. It prints what all that takes on disk, against a row for each daily value.
func BenchmarkUsageHistory(b *testing.B) {
	begin()
	ctx, dir := context.Background(), shortDir(b)
	a := historyApp(b, dir)
	path := strings.TrimPrefix(a.config.Database, "sqlite:")
	if err := a.store.Close(); err != nil { // the filling has the file to itself
		b.Fatal(err)
	}
	today, start := usage.DayOf(time.Now()), time.Now()
	lives := make([]life, usageLives)
	var all sync.WaitGroup
	for part := range 2 {
		all.Go(func() {
			for n := part; n < usageLives; n += 2 {
				lives[n] = newLife(n, today)
			}
		})
	}
	all.Wait()
	say("%d histories of %d years in %s", usageLives, usageYears, time.Since(start).Round(time.Second))
	fast := openBare(b, path, "&_pragma=journal_mode(OFF)&_pragma=synchronous(OFF)&_pragma=locking_mode(EXCLUSIVE)&_pragma=cache_size(-400000)")
	filled := usageFill{b, fast, true, lives, today}
	filled.fill(usageSpaces)
	_ = fast.Close()
	say("%d instances in %s", usageSpaces*usageApps, time.Since(start).Round(time.Second))

	a = historyApp(b, dir)
	defer a.store.Close()
	size, plain := inMiB(fileSize(b, path)), plainSize(b, dir)
	benchLine{"usage-size", size, "MiB", size / plain, "plain-rows", 0}.print()
	say("%d instances with %d metrics, %d years of days: %.1f KiB an instance on SQLite", usageSpaces*usageApps, len(usageMetrics), usageYears,
		size*1024/usageSpaces/usageApps)
	postgresSize(b, filled)

	bare := bareHistory{b, openBare(b, path, "&_pragma=synchronous(FULL)")}
	var took, bareTook time.Duration
	for n := range historyPages {
		space := n * 7919 % usageSpaces
		ours := func() {
			at := time.Now()
			h, err := a.control.UsageHistory(ctx, hosting.Actor{Name: "bench", Role: hosting.RoleReviewer}, requestID(space), hosting.MetricStorage, control.RangeAll)
			took += time.Since(at)
			if err != nil || len(h.Points) < usageYears*365-1 {
				b.Fatalf("%d points, %v", len(h.Points), err)
			}
		}
		theirs := func() {
			at := time.Now()
			bare.page(space)
			bareTook += time.Since(at)
		}
		// Whoever comes second finds the pages in memory.
		if n%2 == 0 {
			ours()
			theirs()
		} else {
			theirs()
			ours()
		}
	}
	benchLine{"usage-history", ms(took) / historyPages, "ms", float64(took) / float64(bareTook), "bare-sql", 3}.print()

	at := time.Now()
	bare.rollUp(today)
	bareTook = time.Since(at)
	at = time.Now()
	packed, err := a.control.RollUp(ctx)
	took = time.Since(at)
	if err != nil || packed != usageSpaces*usageApps {
		b.Fatalf("%d packed, %v", packed, err)
	}
	benchLine{"usage-rollup", took.Seconds(), "s", float64(took) / float64(bareTook), "bare-sql", 3}.print()
}

// historyApp wires frama on a SQLite database of its own.
func historyApp(b *testing.B, dir string) *app {
	b.Helper()
	file := filepath.Join(dir, "frama.toml")
	text := tomlTable("", "database", "sqlite:"+filepath.Join(dir, "frama.db")) + tomlTable("seal", "key_file", filepath.Join(dir, "seal.key"))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	c := &cli{in: strings.NewReader(""), out: os.Stdout, err: os.Stderr, file: file}
	conf, err := c.load()
	if err != nil {
		b.Fatal(err)
	}
	a, err := c.wire(b.Context(), conf, seal.LoadOrMake)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := a.migrate(b.Context()); err != nil {
		b.Fatal(err)
	}
	return a
}

func openBare(b *testing.B, path, more string) *sql.DB {
	b.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(10000)&_txlock=immediate"+more)
	if err != nil {
		b.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	b.Cleanup(func() { _ = db.Close() })
	return db
}

func fileSize(b *testing.B, path string) int64 {
	b.Helper()
	info, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	return info.Size()
}

func inMiB(bytes int64) float64 { return float64(bytes) / (1 << 20) }

// plainSize is how much a row for each value of each day would take, in MiB: measured for a few instances.
func plainSize(b *testing.B, dir string) float64 {
	b.Helper()
	const instances = 10
	path := filepath.Join(dir, "plain.db")
	db := openBare(b, path, "&_pragma=synchronous(OFF)")
	if _, err := db.Exec("CREATE TABLE value (series INTEGER, metric INTEGER, day INTEGER, last INTEGER, largest INTEGER, PRIMARY KEY (series, metric, day))"); err != nil {
		b.Fatal(err)
	}
	rows := instances * len(usageMetrics) * usageYears * 365
	usageFill{TB: b, db: db, lite: true}.insert("value", "series, metric, day, last, largest", rows, func(n int) []any {
		return []any{usageSpaces + n%instances, n / instances % len(usageMetrics), 20_000 + n/instances/len(usageMetrics), 1<<20 + n, 1<<20 + n}
	})
	return inMiB(fileSize(b, path)) / instances * usageSpaces * usageApps
}

// postgresSize says what the same takes on PostgreSQL, where there is one: for a tenth of the instances.
func postgresSize(b *testing.B, filled usageFill) {
	b.Helper()
	if os.Getenv(storetest.PostgresVariable) == "" {
		say("no PostgreSQL: set %s for the size there", storetest.PostgresVariable)
		return
	}
	dsn := storetest.PostgreSQL(b)
	storetest.Open(b, dsn)
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	name, err := url.Parse(dsn)
	if err != nil {
		b.Fatal(err)
	}
	var before, after int64
	read := func(to *int64) {
		if err := db.QueryRow("SELECT pg_database_size($1)", strings.TrimPrefix(name.Path, "/")).Scan(to); err != nil {
			b.Fatal(err)
		}
	}
	read(&before)
	filled.db, filled.lite = db, false
	filled.fill(usageSpaces / 10)
	if _, err := db.Exec("CHECKPOINT"); err != nil {
		b.Fatal(err)
	}
	read(&after)
	say("PostgreSQL: %.0f MiB, from a tenth of the instances", inMiB(after-before)*10)
}

// bareHistory is the SQL behind the page and the roll-up.
type bareHistory struct {
	testing.TB
	db *sql.DB
}

type querier interface {
	Query(query string, args ...any) (*sql.Rows, error)
}

// read runs a query and takes its rows as they come.
func (h bareHistory) read(q querier, query string, args ...any) (rows [][]any) {
	h.Helper()
	found, err := q.Query(query, args...)
	if err != nil {
		h.Fatalf("%s: %v", query, err)
	}
	defer found.Close()
	columns, err := found.Columns()
	if err != nil {
		h.Fatal(err)
	}
	for found.Next() {
		row, to := make([]any, len(columns)), make([]any, len(columns))
		for n := range row {
			to[n] = &row[n]
		}
		if err := found.Scan(to...); err != nil {
			h.Fatal(err)
		}
		rows = append(rows, row)
	}
	if err := found.Err(); err != nil {
		h.Fatal(err)
	}
	return rows
}

// page reads what the page of a space's history is made of.
func (h bareHistory) page(space int) {
	id := spaceID(space)
	h.read(h.db, "SELECT * FROM space WHERE slug = ?", requestID(space))
	h.read(h.db, "SELECT * FROM plan_version")
	h.read(h.db, "SELECT * FROM space WHERE id = ?", id)
	h.read(h.db, "SELECT id, space_id, kind, app, host, stopped FROM instance WHERE space_id = ?", id)
	h.read(h.db, "SELECT i.space_id, i.id, u.newest FROM instance i JOIN usage_series u ON u.instance_id = i.id WHERE i.space_id = ?", id)
	h.read(h.db, "SELECT * FROM quota WHERE space_id = ?", id)
	h.read(h.db, "SELECT * FROM quota_exception WHERE space_id = ?", id)
	const chunks = `SELECT s.instance_id, s.id, c.level, c.start, c.data FROM usage_series s JOIN usage_chunk c ON c.series = s.id
		WHERE c.level = ? AND c.start BETWEEN ? AND ? AND s.instance_id IN (?, ?, ?, ?)`
	for _, more := range []string{"", " AND c.start >= s.rolled_to"} {
		args := []any{usage.Days, 0, 1 << 20}
		if more != "" {
			args[0] = usage.Raw
		}
		for n := range usageApps {
			args = append(args, instanceID(space*usageApps+n))
		}
		h.read(h.db, chunks+more, args...)
	}
}

// rollUp reads all that rolling up yesterday needs, and writes it back as it was; the oldest day as read goes.
func (h bareHistory) rollUp(today usage.Day) {
	h.Helper()
	marks := usageFill{lite: true}.marks
	exec := func(tx *sql.Tx, query string, args []any) {
		if _, err := tx.Exec(query, args...); err != nil {
			h.Fatalf("%s: %v", query, err)
		}
	}
	for first := 0; first < usageSpaces*usageApps; first += rolledAtOnce {
		tx, err := h.db.Begin()
		if err != nil {
			h.Fatal(err)
		}
		series := h.read(tx, `SELECT id, instance_id, next_at, measured_at, active_at, failures, rolled_to, rolled_on, forgot_on, newest, broken
			FROM usage_series WHERE rolled_on < ? AND id > ? ORDER BY rolled_on, id LIMIT ?`, today, first, rolledAtOnce)
		var ids []any
		for _, s := range series {
			ids = append(ids, s[0])
		}
		chunks := func(level usage.Level, from, to usage.Day) [][]any {
			return h.read(tx, `SELECT series, start, data FROM usage_chunk WHERE level = ? AND start BETWEEN ? AND ? AND series IN `+marks(1, len(ids)),
				append([]any{level, from, to}, ids...)...)
		}
		chunks(usage.Raw, today-1, today-1)
		weeks := chunks(usage.Hours, usage.Hours.Start(today-1), today)
		months := chunks(usage.Days, usage.Days.Start(today-usage.MonthDays-usage.MonthSlack), today)
		var args []any
		written := 0
		write := func() {
			if len(args) > 0 {
				exec(tx, `INSERT INTO usage_chunk (series, level, start, data) VALUES `+marks(len(args)/4, 4)+`
					ON CONFLICT (series, level, start) DO UPDATE SET data = excluded.data`, args)
			}
			written, args = written+len(args)/4, args[:0]
		}
		for level, rows := range map[usage.Level][][]any{usage.Hours: weeks, usage.Days: months} {
			for _, row := range rows {
				if level == usage.Hours || row[1] == int64(usage.Days.Start(today-1)) {
					args = append(args, row[0], level, row[1], row[2])
				}
				if len(args) == rolledAtOnce*4 {
					write()
				}
			}
		}
		write()
		if written != 2*len(ids) {
			h.Fatalf("%d chunks for %d series", written, len(ids))
		}
		for _, s := range series {
			args = append(args, s...)
		}
		exec(tx, `INSERT INTO usage_series (id, instance_id, next_at, measured_at, active_at, failures, rolled_to, rolled_on, forgot_on, newest, broken) VALUES `+
			marks(len(series), 11)+` ON CONFLICT (id) DO UPDATE SET measured_at = excluded.measured_at, failures = excluded.failures, newest = excluded.newest,
			broken = excluded.broken, active_at = excluded.active_at, rolled_to = excluded.rolled_to, rolled_on = excluded.rolled_on,
			forgot_on = excluded.forgot_on`, args)
		if err := tx.Commit(); err != nil {
			h.Fatal(err)
		}
		h.forget(today, ids)
	}
}

// forget deletes the oldest days, of which frama deletes the next, in a transaction of its own as frama does.
func (h bareHistory) forget(today usage.Day, ids []any) {
	h.Helper()
	tx, err := h.db.Begin()
	if err != nil {
		h.Fatal(err)
	}
	defer tx.Rollback()
	marks := usageFill{lite: true}.marks
	for level, end := range map[usage.Level]usage.Day{usage.Raw: today - usageRaw + 1, usage.Hours: today - usageHours} {
		if _, err := tx.Exec(`DELETE FROM usage_chunk WHERE level = ? AND start < ? AND series IN `+marks(1, len(ids)), append([]any{level, end}, ids...)...); err != nil {
			h.Fatal(err)
		}
	}
	if _, err := tx.Exec(`UPDATE usage_series SET forgot_on = forgot_on WHERE id IN `+marks(1, len(ids)), ids...); err != nil {
		h.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		h.Fatal(err)
	}
}
