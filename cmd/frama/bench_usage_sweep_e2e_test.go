//go:build e2e

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"framagit.org/frama/frama/provisioner/measure/measuretest"
	"framagit.org/frama/frama/services/store/storetest"
	"framagit.org/frama/frama/services/usage"
)

const (
	sweptInstances   = 10_000
	sweptConcurrency = 16 // usage.concurrency
	sweptRounds      = 3
	sweptAnswer      = 7 * time.Millisecond // what an application takes to answer
)

// BenchmarkUsageSweep measures 10 000 instances, all due at once, until the last value is in the database and every space
// is weighed against its limits. The bare loop asks the same pages of the same addresses with as many at once, and only
// reads the number.
func BenchmarkUsageSweep(b *testing.B) {
	begin()
	farm := measuretest.Open(b, sweptAnswer)
	h := newMeasuredHost(b, storetest.Open(b, storetest.SQLite(b)), sweptInstances, farm.Honest)
	h.sweeper.Concurrency = sweptConcurrency
	plan := &remembering{ledger: ledger{h.store}}
	h.sweeper.Ledger = plan
	h.due(b)
	var swept, bare []time.Duration
	for round := range sweptRounds {
		say("round %d: a bare loop over %d instances", round+1, sweptInstances)
		runtime.GC()
		d := bareSweep(b, farm)
		say("%.1f s", d.Seconds())
		bare = append(bare, d)

		say("round %d: frama's sweep of them", round+1)
		runtime.GC()
		start := time.Now()
		done, err := h.sweeper.Once(b.Context())
		d = time.Since(start)
		if err != nil || done.Measured != sweptInstances || done.Problems != 0 {
			b.Fatalf("%+v, %v", done, err)
		}
		say("%.1f s", d.Seconds())
		swept = append(swept, d)
		if err := plan.PutBack(b.Context(), plan.claimed, time.Unix(1, 0)); err != nil {
			b.Fatal(err)
		}
		plan.claimed = nil
	}
	benchLine{"usage-sweep", median(swept).Seconds(), "s", median(swept).Seconds() / median(bare).Seconds(), "http-loop", 1.3}.print()
}

// remembering is a ledger that knows whom it gave away, so that they can be due again.
type remembering struct {
	ledger

	claimed []usage.Due
}

func (r *remembering) Claim(ctx context.Context, limit int, next func(usage.Due) time.Time) ([]usage.Due, error) {
	due, err := r.ledger.Claim(ctx, limit, next)
	r.claimed = append(r.claimed, due...)
	return due, err
}

// bareSweep is what somebody would write who wants the numbers and nothing else.
func bareSweep(b *testing.B, farm *measuretest.Farm) time.Duration {
	b.Helper()
	path := strings.ReplaceAll(measuretest.Path, "{api_key}", measuredKey)
	client := &http.Client{Timeout: 20 * time.Second}
	var next, right atomic.Int64
	var group errgroup.Group
	start := time.Now()
	for range sweptConcurrency {
		group.Go(func() error {
			for {
				n := int(next.Add(1)) - 1
				if n >= sweptInstances {
					return nil
				}
				resp, err := client.Get("http://" + farm.Honest(n) + path)
				if err != nil {
					return err
				}
				var answer struct{ Data struct{ TotalPads int64 } }
				err = json.NewDecoder(resp.Body).Decode(&answer)
				resp.Body.Close()
				if err != nil {
					return err
				}
				if answer.Data.TotalPads == measuretest.Number(n) {
					right.Add(1)
				}
			}
		})
	}
	if err := group.Wait(); err != nil || right.Load() != sweptInstances {
		b.Fatal(fmt.Sprint(right.Load(), " right answers: ", err))
	}
	client.CloseIdleConnections()
	return time.Since(start)
}
