package retain_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"framagit.org/frama/frama/provisioner/exchange"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
	"framagit.org/frama/frama/services/store/storetest"
)

type (
	ctx       = context.Context
	exchanged = exchange.Exchange
)

// another adds a space with an instance that nobody knows anything of yet.
func (w *world) another() hosting.Instance {
	t := w.failer.(*testing.T)
	s := storetest.AddSpace(t, w.store, "roses")
	i := storetest.AddInstance(t, w.store, s, "pads", "etherpad")
	w.write(func(tx *store.Tx) error {
		for _, to := range []hosting.SpaceState{hosting.SpaceProvisioning, hosting.SpaceActive} {
			if _, err := tx.MoveSpace(s.ID, to); err != nil {
				return err
			}
		}
		return tx.Route(i.ID, "127.0.0.1:1")
	})
	return i
}

// steps are the moments at which frama ends.
var steps = []string{"listed", "announced", "exported", "written", "noted", "removed"}

// TestCrashes ends frama at each step, once or again and again: nothing is removed without its file (the server sees to
// that), each is removed once, and told and audited once.
func TestCrashes(t *testing.T) {
	for _, step := range steps {
		for _, times := range []int{1, 3} {
			t.Run(fmt.Sprintf("%s %d", step, times), func(t *testing.T) {
				w := stale(t)
				w.apply(rule)
				for range times {
					w.round(step)
					w.clock.Advance(day)
				}
				w.round()
				w.same("mails", len(w.send()), 1)
				w.clock.Advance(14 * day)
				for range times {
					w.round(step)
					w.clock.Advance(day)
				}
				w.round()
				w.same("removed", slices.Sorted(slices.Values(w.pads.removed)), []string{"buvette", "compte rendu"})
				w.same("states", w.states(), []string{"buvette removed", "compte rendu removed"})
				audited := 0
				for _, line := range w.audited()[1:] {
					var n int
					if _, err := fmt.Sscanf(line, "retention.remove "+w.instance.Host+": %d removed", &n); err != nil {
						t.Errorf("%q: %v", line, err)
					}
					audited += n
				}
				w.same("audited", audited, 2)
			})
		}
	}
}

// TestNothingThatWasTouchedIsRemoved lets anything happen in any order: people write, mails wait, rules change, the
// association keeps all, the application fails, frama ends at any step. What is removed was exported whole, went without a
// change for as long as the rule of that time and the announcement want, and nobody had asked to keep it.
func TestNothingThatWasTouchedIsRemoved(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			rt.Fatal(err)
		}
		w := newWorldIn(t, rt, dir)
		names := []string{"a", "b/../c", "d"}
		for n, name := range names {
			w.pads.write(name, fmt.Sprintf("%s 0 %d", name, n))
		}
		rules := []hosting.RetentionRule{rule, {Metric: "pads", Unused: 30 * day, Announce: 7 * day}, {Metric: "pads", Unused: 90 * day, Announce: 20 * day}}
		w.apply(rule)
		announced := map[string]hosting.Retained{} // when last seen open
		until := map[string]int64{}                // what the association wants to keep
		w.pads.onRemove = func(name string, p *pad) {
			now, o := w.clock.Now(), announced[name]
			if p.edited.After(o.AnnouncedAt) || now.Before(o.AnnouncedAt.Add(7*day)) || now.Sub(p.edited) < 37*day {
				rt.Errorf("%q was edited %s, announced %s, and is removed %s", name, p.edited, o.AnnouncedAt, now)
			}
			if until[name] > now.UnixMicro() {
				rt.Errorf("%q is removed although the association keeps it", name)
			}
		}
		for n := range rapid.IntRange(5, 40).Draw(rt, "moves") {
			switch rapid.SampledFrom([]string{"days", "days", "round", "round", "round", "send", "write", "keep", "rule", "fail", "crash", "mend"}).Draw(rt, "move") {
			case "days":
				w.clock.Advance(day * time.Duration(rapid.IntRange(1, 40).Draw(rt, "days")))
			case "round":
				w.round()
			case "crash":
				w.round(rapid.SampledFrom(steps).Draw(rt, "step"))
			case "send":
				w.send()
			case "write":
				name := rapid.SampledFrom(names).Draw(rt, "pad")
				w.pads.write(name, fmt.Sprintf("%s %d", name, n))
			case "keep":
				for name, o := range w.rows() {
					if o.State.Open() {
						until[name] = w.clock.Now().Add(o.Unused).UnixMicro()
					}
				}
				w.write(func(tx *store.Tx) error { _, err := tx.KeepAll(w.space.ID); return err })
			case "rule":
				w.apply(rapid.SampledFrom(rules).Draw(rt, "rule"))
			case "fail":
				op := rapid.SampledFrom([]string{"listAllPads", "getLastEdited", "export", "deletePad"}).Draw(rt, "what fails")
				w.pads.fail[op] = func(rw http.ResponseWriter, _ *http.Request) { http.Error(rw, "down", http.StatusServiceUnavailable) }
			case "mend":
				clear(w.pads.fail)
			}
			for name, o := range w.rows() {
				if o.State.Open() {
					announced[name] = o
				}
			}
		}
	})
}
