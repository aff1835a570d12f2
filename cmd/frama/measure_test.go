package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/provisioner/measure"
	"framagit.org/frama/frama/provisioner/measure/measuretest"
	"framagit.org/frama/frama/services/control"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
	"framagit.org/frama/frama/services/store/storetest"
	"framagit.org/frama/frama/services/usage"
)

const measuredKey = "pZ3kQ8vT5mW1xR7yB2nL"

// countedManifest is of an application that says how many pads it has as Etherpad does.
const countedManifest = `name   = %q
kind   = %q
status = "stable"
title {
  fr = "Comptés"
  en = "Counted"
}
description {
  fr = "Compte."
  en = "Counts."
}
license    = "AGPL-3.0-or-later"
charter_ok = true
upstream   = "https://framagit.org/frama/frama"
tenancy    = "instance"
first_url  = "/"
backup     = "dump"
upgrade    = "auto-on-start"
suspend    = "proxy"
quota      = "ingress"
version    = "1.0.0"
tasks      = ["app"]
health {
  path   = "/"
  status = 200
}
usage "pads" {
  from  = "http-json"
  path  = %q
  field = %q
}
secret "api_key" {
  length = 20
  kind   = "permanent"
}
plan "starter" {
  cpu    = 20
  memory = 24
  disk   = 10
}
plan "standard" {
  cpu    = 20
  memory = 24
  disk   = 10
}
plan "large" {
  cpu    = 20
  memory = 24
  disk   = 10
}
`

var countedKinds = []string{"pads", "calcs", "polls", "forms"}

// keyring is a cluster that has the key of each instance, and no volumes.
type keyring struct{ measure.Cluster }

func (keyring) Secrets(context.Context, string) (map[string]string, error) {
	return map[string]string{"api_key": measuredKey}, nil
}

func (keyring) VolumePath(context.Context, string, string) (task, path string, err error) {
	return "", "", nil
}

// measuredHost is a host with many spaces of four instances each, which are addresses of a farm.
type measuredHost struct {
	store   *store.Store
	control *control.Control
	sweeper *usage.Sweeper
	spaces  []string // IDs
}

// newMeasuredHost makes a host with this many instances. address says where the n-th is.
func newMeasuredHost(t testing.TB, s *store.Store, instances int, address func(n int) string) *measuredHost {
	t.Helper()
	dir := t.TempDir()
	for _, kind := range countedKinds {
		folder := filepath.Join(dir, "counted"+kind)
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		for file, text := range map[string]string{
			"app.hcl":       fmt.Sprintf(countedManifest, "counted"+kind, kind, measuretest.Path, measuretest.Field),
			"job.nomad.hcl": `job "app" { id = "${var.job_id}" }`,
		} {
			if err := os.WriteFile(filepath.Join(folder, file), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	apps, err := catalogue.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	h := &measuredHost{store: s}
	h.control = control.New(s, apps, control.Options{
		Platform: "example.org", PublicURL: "https://host.example", HostName: "host", HostEmail: "hello@host.example",
		CharterVersion: "1", LinkKey: []byte(strings.Repeat("k", 32)), SessionTTL: time.Hour, Now: now, NewID: newID,
	})
	if err := h.control.AdoptPlans(t.Context()); err != nil {
		t.Fatal(err)
	}
	err = s.Write(t.Context(), func(tx *store.Tx) error {
		h.spaces = nil
		for n := range instances {
			if n%4 == 0 {
				handle := fmt.Sprintf("asso-%05d", n/4)
				q := hosting.Request{ID: newID(), State: hosting.RequestPending, Association: hosting.Association{Name: handle},
					Contact: hosting.Contact{Name: "Camille", Email: handle + "@asso.example", Lang: "fr"}, Slug: handle, Kinds: []string{"pads"},
					Plan: "large", CharterVersion: "1", CreatedAt: tx.Now, ConfirmedAt: tx.Now}
				if err := tx.InsertRequest(q, "confirm-"+handle, "track-"+handle); err != nil {
					return err
				}
				space := hosting.Space{ID: newID(), RequestID: q.ID, Handle: handle, Slug: handle, Name: handle, Email: handle + "@asso.example", Lang: "fr",
					Plan: "large", State: hosting.SpaceActive, CreatedAt: tx.Now, ActivatedAt: tx.Now}
				if err := tx.InsertSpace(space); err != nil {
					return err
				}
				h.spaces = append(h.spaces, space.ID)
			}
			kind := countedKinds[n%4]
			name := fmt.Sprintf("asso-%05d-%s", n/4, kind)
			i := hosting.Instance{ID: newID(), SpaceID: h.spaces[n/4], Kind: kind, App: "counted" + kind, Version: "1.0.0", Host: name + ".example.org",
				Job: name, Volume: name + "-data", Address: address(n), Health: hosting.HealthHealthy}
			if err := tx.InsertInstance(i); err != nil {
				return err
			}
			if err := tx.Route(i.ID, i.Address); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	prober := measure.New(measure.Options{Cluster: keyring{}, Catalogue: apps, URL: h.control.URL,
		Timeout: 5 * time.Second, Now: now})
	h.sweeper = &usage.Sweeper{Ledger: ledger{s}, Measure: prober.Measure, Record: h.control.RecordUsage, Every: time.Hour, Concurrency: 32,
		Now: now, Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	return h
}

// due makes every instance that was never measured due now.
func (h *measuredHost) due(t testing.TB) {
	t.Helper()
	if _, err := (ledger{h.store}).AddMissing(t.Context(), func(int) time.Time { return time.Unix(1, 0) }, 1<<30); err != nil {
		t.Fatal(err)
	}
}

// TestSweepOfTenThousand sweeps 10 000 instances, of which one in twenty misbehaves in one of many ways. All honest ones are
// measured exactly, those that misbehave are shown with what is wrong, memory stays where it was and nothing is left behind.
func TestSweepOfTenThousand(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	const instances, every = 10_000, 20
	farm, kinds := measuretest.Open(t, 0), measuretest.Misbehaviours()
	rogue := func(n int) (measuretest.Misbehaviour, bool) { return kinds[n/every%len(kinds)], n%every == 7 }
	h := newMeasuredHost(t, storetest.Open(t, storetest.SQLite(t)), instances, func(n int) string {
		if m, bad := rogue(n); bad {
			return farm.Rogue(n, m)
		}
		return farm.Honest(n)
	})
	h.due(t)
	before := runtime.NumGoroutine()
	base := heap()
	var recorded atomic.Int64
	var peak uint64
	record := h.sweeper.Record
	h.sweeper.Record = func(ctx context.Context, ms []hosting.Measurement) error {
		if total := recorded.Add(int64(len(ms))); total/1000 != (total-int64(len(ms)))/1000 {
			peak = max(peak, heap())
		}
		return record(ctx, ms)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	start := time.Now()
	swept, err := h.sweeper.Once(ctx)
	if err != nil || swept.Measured != instances || swept.Lost != 0 || swept.Problems != instances/every {
		t.Fatalf("%+v, %v", swept, err)
	}
	t.Logf("%d instances in %.1f s; heap %.1f MiB before, at most %.1f MiB", instances, time.Since(start).Seconds(), mib(base), mib(peak))
	if peak > base+48<<20 {
		t.Errorf("the heap grew from %.1f to %.1f MiB", mib(base), mib(peak))
	}
	h.compare(t, instances, rogue)
	if again, err := h.sweeper.Once(ctx); err != nil || again.Measured != 0 {
		t.Errorf("nobody is due: %+v, %v", again, err)
	}
	for deadline := time.Now().Add(20 * time.Second); runtime.NumGoroutine() > before+20; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines before, %d after", before, runtime.NumGoroutine())
		}
	}
}

// compare looks at what is kept of every instance.
func (h *measuredHost) compare(t *testing.T, instances int, rogue func(n int) (measuretest.Misbehaviour, bool)) {
	t.Helper()
	for n := 0; n < instances; n += 4 {
		var now []hosting.UsageNow
		var own []hosting.Instance
		err := h.store.Read(t.Context(), func(tx *store.Tx) (err error) {
			if own, err = tx.Instances(h.spaces[n/4]); err != nil {
				return err
			}
			now, err = tx.UsageNow(h.spaces[n/4])
			return err
		})
		if err != nil || len(now) != 4 || len(own) != 4 {
			t.Fatalf("space %d: %+v, %v", n/4, now, err)
		}
		for k, u := range now {
			m, bad := rogue(n + k)
			switch {
			case u.InstanceID != own[k].ID || u.Metric != "pads":
				t.Fatalf("instance %d: %+v", n+k, u)
			case !bad && (u.Value != measuretest.Number(n+k) || u.Problem != "" || u.At.IsZero()):
				t.Errorf("instance %d is honest: %+v", n+k, u)
			case bad && (!strings.Contains(u.Problem, m.Words) || u.Value != 0 || strings.Contains(u.Problem, measuredKey)):
				t.Errorf("instance %d %s: %+v", n+k, m.Name, u)
			}
		}
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse
}

func mib(bytes uint64) float64 { return float64(bytes) / (1 << 20) }

// TestTwoServersNeverMeasureTwice: sweepers on one database share the instances.
func TestTwoServersNeverMeasureTwice(t *testing.T) {
	for name, open := range map[string]func(testing.TB) string{"SQLite": storetest.SQLite, "PostgreSQL": storetest.PostgreSQL} {
		t.Run(name, func(t *testing.T) {
			const instances, servers = 1200, 3
			farm := measuretest.Open(t, time.Millisecond)
			h := newMeasuredHost(t, storetest.Open(t, open(t)), instances, farm.Honest)
			h.due(t)
			var total atomic.Int64
			done := make(chan error, servers)
			for range servers {
				s := *h.sweeper
				go func() {
					swept, err := s.Once(t.Context())
					total.Add(int64(swept.Measured))
					done <- err
				}()
			}
			for range servers {
				if err := <-done; err != nil {
					t.Error(err)
				}
			}
			if total.Load() != instances {
				t.Errorf("%d measurements of %d instances", total.Load(), instances)
			}
			h.compare(t, instances, func(int) (m measuretest.Misbehaviour, bad bool) { return m, false })
		})
	}
}
