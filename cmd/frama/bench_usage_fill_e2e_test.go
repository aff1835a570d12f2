//go:build e2e

package main

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/usage"
)

const (
	usageSpaces = 10_000
	usageApps   = 4    // instances of a space
	usageLives  = 60   // different histories; instances share them
	usageYears  = 5    // of days
	usageHours  = 97   // days that hours are kept: 90, and the week that the first is in
	usageRaw    = 8    // days as read, the newest not rolled up yet
	usageLook   = 3600 // seconds between two looks
)

// usageMetrics are those of each instance.
var usageMetrics = []string{hosting.MetricAccounts, "pads", "posts", "pages", "documents", "files", hosting.MetricBytes,
	hosting.MetricVolumeBytes, hosting.MetricDatabaseBytes, hosting.MetricBucketBytes}

// life is what is kept of an instance, as frama would have written it, and what was read last.
type life struct {
	chunks map[usage.Level]map[usage.Day][]byte
	newest []byte
}

// newLife lets an association use an application for years: a third of them nearly every day, a third on half of the days, a
// third one day in ten. On such a day people are there for a few hours; each hour some of what can be counted grows, files
// by megabytes, and now and then something is thrown away. The volume and the database change every day by themselves.
func newLife(n int, today usage.Day) life {
	random := rand.New(rand.NewPCG(1, uint64(n)))
	busy := []float64{0.9, 0.5, 0.1}[n%3]
	values, codes := make([]int64, len(usageMetrics)), make([]usage.Code, len(usageMetrics))
	for k, metric := range usageMetrics {
		codes[k], _ = usage.CodeOf(metric)
		values[k] = random.Int64N(100)
		if hosting.ByteMetric(metric) {
			values[k] = random.Int64N(1 << 32)
		}
	}
	l := life{chunks: map[usage.Level]map[usage.Day][]byte{usage.Raw: {}, usage.Hours: {}, usage.Days: {}}}
	var raw, hours, days, scratch usage.Chunk
	var readings []hosting.Reading
	for day := today - usageYears*365; day < today; day++ {
		last := day == today-2 // the benchmark rolls up the one after it
		active := random.Float64() < busy
		opens := 7 + random.IntN(8)
		raw.Reset()
		for hour := range 24 {
			readings = readings[:0]
			for k, metric := range usageMetrics {
				values[k] = max(0, values[k]+step(random, metric, active && hour >= opens && hour < opens+5, hour))
				raw.Put(hour*usageLook+300+random.IntN(20), codes[k], values[k])
				readings = append(readings, hosting.Reading{Metric: metric, Value: values[k]})
			}
		}
		if day == usage.Hours.Start(day) {
			hours.Reset()
		}
		if day == usage.Days.Start(day) {
			days.Reset()
		}
		if day >= today-usageRaw {
			l.chunks[usage.Raw][day] = raw.Append(nil)
		}
		if day == today-1 {
			break
		}
		into := &hours
		if day < today-usageHours {
			into = &scratch
			into.Reset()
		}
		usage.RollDay(&raw, day, into, &days)
		if into == &hours && (last || usage.Hours.Start(day+1) == day+1) {
			l.chunks[usage.Hours][usage.Hours.Start(day)] = hours.Append(nil)
		}
		if last || usage.Days.Start(day+1) == day+1 {
			l.chunks[usage.Days][usage.Days.Start(day)] = days.Append(nil)
		}
	}
	var newest usage.Newest
	_, _ = newest.Take(hosting.Measurement{At: today.Time().Add(-time.Hour), Readings: readings}, today.Time())
	l.newest = newest.Append(nil)
	return l
}

// step is by how much a metric changes in an hour.
func step(random *rand.Rand, metric string, used bool, hour int) int64 {
	switch {
	case metric == hosting.MetricVolumeBytes && hour == 4: // logs
		return random.Int64N(1<<16) - 1<<13
	case metric == hosting.MetricDatabaseBytes && hour == 4:
		return (random.Int64N(9) - 3) << 13
	case !used || random.Float64() < 0.5:
		return 0
	case metric == hosting.MetricAccounts:
		return random.Int64N(50) / 49
	case metric == hosting.MetricDatabaseBytes:
		return random.Int64N(4) << 13
	case hosting.ByteMetric(metric):
		return random.Int64N(1<<22) - 1<<18
	case random.Float64() < 0.1:
		return -1
	}
	return random.Int64N(3)
}

// usageFill fills a database with spaces, their instances and their usage.
type usageFill struct {
	testing.TB
	db    *sql.DB
	lite  bool
	lives []life
	today usage.Day
}

// fill writes everything that the instances of some spaces have, in the order of time, as it comes about.
func (f usageFill) fill(spaces int) {
	f.Helper()
	created := f.today.Time().AddDate(-usageYears, 0, -10).UnixMicro()
	f.insert("request", "id, state, association, rna, siret, website, contact, email, lang, purpose, slug, kinds, plan, charter_version, created_at, confirm_hash, track_hash, search",
		spaces, func(n int) []any {
			id := requestID(n)
			return []any{id, "approved", "Association", "", "", "", "Anne", "anne@example.org", "fr", "", id, "[]", "small", "1", created, "c" + id, "t" + id, id}
		})
	f.insert("space", "id, request_id, handle, slug, name, email, lang, plan, state, created_at, search", spaces, func(n int) []any {
		id := requestID(n)
		return []any{spaceID(n), id, id, id, "Association", "anne@example.org", "fr", "small", "active", created, id}
	})
	instances := spaces * usageApps
	f.insert("instance", "id, space_id, kind, app, version, host, job, volume, health, cpu, memory, memory_max, disk", instances, func(n int) []any {
		id, app := instanceID(n), "app"+strconv.Itoa(n%usageApps)
		return []any{id, spaceID(n / usageApps), app, app, "1", id, id, id, "healthy", 100, 128, 256, 1024}
	})
	yesterday := f.today - 1
	f.insert("usage_series", "id, instance_id, next_at, measured_at, active_at, rolled_to, rolled_on, forgot_on, newest", instances, func(n int) []any {
		at := f.today.Time().UnixMicro()
		return []any{n + 1, instanceID(n), at, at, at, yesterday, yesterday, yesterday, f.life(n).newest}
	})
	f.insert("usage_now", "instance_id, metric, value, at", instances*len(usageMetrics), func(n int) []any {
		return []any{instanceID(n / len(usageMetrics)), usageMetrics[n%len(usageMetrics)], 1 << 30, created}
	})
	for _, level := range []usage.Level{usage.Days, usage.Hours, usage.Raw} {
		for start := f.today - usageYears*366 - 31; start < f.today; start++ {
			if _, found := f.lives[0].chunks[level][start]; found {
				f.insert("usage_chunk", "series, start, level, data", instances, func(n int) []any {
					return []any{n + 1, start, level, f.life(n).chunks[level][start]}
				})
			}
		}
	}
}

func (f usageFill) life(instance int) life { return f.lives[instance*7919%len(f.lives)] }

func requestID(n int) string  { return fmt.Sprintf("01a202c2-0000-7000-9000-%012d", n) }
func spaceID(n int) string    { return fmt.Sprintf("01a202c2-0000-7000-8000-%012d", n) }
func instanceID(n int) string { return fmt.Sprintf("01a202c2-0000-7000-a000-%012d", n) }

// insert writes rows in one transaction, many with each statement.
func (f usageFill) insert(table, columns string, count int, line func(n int) []any) {
	f.Helper()
	tx, err := f.db.Begin()
	if err != nil {
		f.Fatal(err)
	}
	defer tx.Rollback()
	const most = 200
	width := strings.Count(columns, ",") + 1
	text := func(rows int) string {
		return "INSERT INTO " + table + " (" + columns + ") VALUES " + f.marks(rows, width)
	}
	full, err := tx.Prepare(text(most))
	if err != nil {
		f.Fatalf("%s: %v", table, err)
	}
	defer full.Close()
	args := make([]any, 0, most*width)
	for n := range count {
		args = append(args, line(n)...)
		switch {
		case len(args) == most*width:
			_, err = full.Exec(args...)
		case n == count-1:
			_, err = tx.Exec(text(len(args)/width), args...)
		default:
			continue
		}
		if err != nil {
			f.Fatalf("%s: %v", table, err)
		}
		args = args[:0]
	}
	if err := tx.Commit(); err != nil {
		f.Fatal(err)
	}
}

// marks writes placeholders for rows; see services/store for why SQLite's have no number.
func (f usageFill) marks(rows, width int) string {
	var all []string
	for row := range rows {
		var one []string
		for n := range width {
			if f.lite {
				one = append(one, "?")
			} else {
				one = append(one, "$"+strconv.Itoa(row*width+n+1))
			}
		}
		all = append(all, "("+strings.Join(one, ", ")+")")
	}
	return strings.Join(all, ", ")
}
