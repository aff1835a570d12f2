//go:build e2e

package backing

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"

	"framagit.org/frama/frama/provisioner"
)

// each runs a test on every kind of real server.
func each(t *testing.T, f func(t *testing.T, k kind)) {
	for _, k := range kinds() {
		t.Run(k.name, func(t *testing.T) { f(t, k) })
	}
}

// TestOnce: many workers at once, and later ones, find one and the same.
func TestOnce(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		var mu sync.Mutex
		points := map[string]int{}
		b := open(t, k.options(t), func(point string) {
			mu.Lock()
			defer mu.Unlock()
			points[point]++
		})
		g := newGrant(b)
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if _, err := patiently(func() (map[string]string, error) { return b.Ensure(t.Context(), g) }); err != nil {
					t.Errorf("at once: %v", err)
				}
			})
		}
		all.Wait()
		must(t, b.Login(t.Context(), g))
		clear(points)
		first, second := ensure(t, b, g), ensure(t, b, g)
		if !maps.Equal(first, second) || len(first) < 3 {
			t.Errorf("got %v, then %v", first, second)
		}
		delete(points, "set user") // Redis is told each time
		delete(points, "keep users")
		delete(points, "make table") // IF NOT EXISTS
		if len(points) > 0 {
			t.Errorf("made again: %v", points)
		}
	})
}

// errKilled is what a process that is killed at a point amounts to here: nothing after it happens, connections end.
var errKilled = errors.New("killed")

// cutShort runs f and ends it at the nth point; it says whether there was one.
func cutShort(t *testing.T, o Options, nth int, f func(b provisioner.Backing) error) (cut bool) {
	t.Helper()
	n := 0
	b := open(t, o, func(string) {
		if n++; n == nth {
			panic(errKilled)
		}
	})
	defer func() {
		if r := recover(); r != nil {
			if r != errKilled {
				panic(r)
			}
			cut = true
		}
	}()
	if err := f(b); err != nil {
		t.Fatalf("before point %d: %v", nth, err)
	}
	return false
}

// TestKilled: at whatever point the making, the change of a password, the retiring, the restoring or the deleting is cut
// short, the same call brings it to its end.
func TestKilled(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		o := k.options(t)
		sound := open(t, o, nil)
		ctx := context.Background()
		made := func(t *testing.T) provisioner.Grant {
			g := newGrant(sound)
			ensure(t, sound, g)
			return g
		}
		retired := func(t *testing.T) provisioner.Grant {
			g := made(t)
			must(t, sound.Retire(ctx, g))
			return g
		}
		for _, tc := range []struct {
			name string
			from func(t *testing.T) provisioner.Grant
			do   func(b provisioner.Backing, g provisioner.Grant) error
			then func(t *testing.T, g provisioner.Grant)
		}{
			{"ensure", func(*testing.T) provisioner.Grant { return newGrant(sound) },
				func(b provisioner.Backing, g provisioner.Grant) error { _, err := b.Ensure(ctx, g); return err },
				func(t *testing.T, g provisioner.Grant) { must(t, sound.Login(ctx, g)) }},
			{"rotate", made,
				func(b provisioner.Backing, g provisioner.Grant) error {
					next := map[string]string{k.password: "next" + g.Secrets[k.password]}
					for key, value := range g.Secrets {
						if key != k.password {
							next[key] = value
						}
					}
					if err := b.Rotate(ctx, g, next); err != nil {
						return err
					}
					g.Secrets = next
					_, err := b.Ensure(ctx, g)
					return err
				},
				func(t *testing.T, g provisioner.Grant) {
					old := g
					g.Secrets = maps.Clone(g.Secrets)
					g.Secrets[k.password] = "next" + g.Secrets[k.password]
					must(t, sound.Login(ctx, g))
					refusedBecause(t, sound.Login(ctx, old), "is not let in")
				}},
			{"retire", made,
				func(b provisioner.Backing, g provisioner.Grant) error { return b.Retire(ctx, g) },
				func(t *testing.T, g provisioner.Grant) { closed(t, sound, g) }},
			{"restore", retired,
				func(b provisioner.Backing, g provisioner.Grant) error {
					if err := b.Restore(ctx, g); err != nil {
						return err
					}
					_, err := b.Ensure(ctx, g)
					return err
				},
				func(t *testing.T, g provisioner.Grant) { must(t, sound.Login(ctx, g)) }},
			{"purge", retired,
				func(b provisioner.Backing, g provisioner.Grant) error { return b.Purge(ctx, g) },
				func(t *testing.T, g provisioner.Grant) {
					closed(t, sound, g)
					if err := sound.Restore(ctx, g); err == nil && k.name != "smtp" {
						t.Error("what was deleted could be restored")
					}
				}},
		} {
			t.Run(tc.name, func(t *testing.T) {
				points := 0
				for nth := 1; ; nth++ {
					g := tc.from(t)
					cut := cutShort(t, o, nth, func(b provisioner.Backing) error { return tc.do(b, g) })
					must(t, tc.do(sound, g))
					tc.then(t, g)
					if !cut {
						break
					}
					points++
				}
				if points == 0 {
					t.Error("it was never cut short")
				}
				t.Logf("%d points", points)
			})
		}
	})
}

// closed makes sure that the instance is let in no more.
func closed(t *testing.T, b provisioner.Backing, g provisioner.Grant) {
	t.Helper()
	if s, ok := b.(*dovecot); ok { // Dovecot looks at the row, not frama
		if rows := activeLogins(t, s, g); rows != 0 {
			t.Errorf("the login %s is open", s.login(g))
		}
		return
	}
	if err := b.Login(context.Background(), g); err == nil {
		t.Error("the instance can still sign in")
	}
}

// TestForeign: what bears another instance's mark, or none, is never touched.
func TestForeign(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		b := open(t, k.options(t), nil)
		theirs := newGrant(b)
		ensure(t, b, theirs)
		// The same name, for another instance: whatever the way there, frama touches nothing.
		thief := theirs
		thief.Instance = "01908f6e-9999-7000-8000-000000000000"
		thief.Secrets = b.Secrets(thief.Instance, randomReader)
		ctx := t.Context()
		_, err := b.Ensure(ctx, thief)
		refusedBecause(t, err, "exists and was not made by frama for this instance")
		for name, err := range map[string]error{
			"rotate": b.Rotate(ctx, thief, thief.Secrets), "retire": b.Retire(ctx, thief), "purge": b.Purge(ctx, thief),
		} {
			if err == nil && k.name != "smtp" && k.name != "s3" { // these act by the mark itself: there was nothing to act on
				t.Errorf("%s took over what is another's", name)
			}
		}
		if err := b.Login(ctx, theirs); err != nil {
			t.Errorf("the owner is harmed: %v", err)
		}
	})
}

// TestUnreachable: a server that is down makes runs wait, and says which one.
func TestUnreachable(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		o := k.options(t)
		o.Address = "127.0.0.1:9"
		b := open(t, o, nil)
		if k.name == "smtp" {
			_, err := b.Check(t.Context())
			waits(t, err)
			return
		}
		_, err := b.Ensure(t.Context(), newGrant(b))
		waits(t, err)
		waits(t, b.Fits(t.Context(), newGrant(b)))
	})
}

func waits(t *testing.T, err error) {
	t.Helper()
	var temporary *provisioner.TemporaryError
	if !errors.As(err, &temporary) {
		t.Errorf("got %v, want something to wait for", err)
	}
}

// TestWrongAdministrator: a wrong password of frama's own is told as such, without the password.
func TestWrongAdministrator(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		if k.name == "smtp" {
			t.Skip("its administrator is that of the table's server")
		}
		o := k.options(t)
		o.Password = "wr0ng"
		b := open(t, o, nil)
		_, err := b.Ensure(t.Context(), newGrant(b))
		waits(t, err)
		if text := fmt.Sprint(err); !contains(text, "denies it to frama") || contains(text, "wr0ng") {
			t.Errorf("got %s", text)
		}
	})
}
