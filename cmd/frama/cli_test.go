package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"

	"framagit.org/frama/frama/services/control"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
	"framagit.org/frama/frama/services/work"
)

// secret is part of every secret that scripts configure or type: no output may hold it.
const secret = "s3cr3t"

// TestScripts drives the real command. A script's commands are ok, fails and refused, which expect a status of 0, 1
// and 2, and seed, which makes what the form and the worker would.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               setUpScript,
		Condition: func(cond string) (bool, error) {
			if cond != "root" {
				return false, fmt.Errorf("unknown condition %q", cond)
			}
			return os.Geteuid() == 0, nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"ok":      expect(exitOK),
			"fails":   expect(exitFailed),
			"refused": expect(exitUsage),
			"seed":    seed,
		},
	})
}

// setUpScript gives a script a configuration of its own, in which nothing answers.
func setUpScript(env *testscript.Env) error {
	in := func(name string) string { return filepath.Join(env.WorkDir, name) }
	text := tomlTable("", "database", "sqlite:"+in("frama.db")) +
		tomlTable("seal", "key_file", in("seal.key")) +
		tomlTable("nomad", "address", "http://127.0.0.1:9", "token", secret+"-nomad") +
		tomlTable("acme", "directory", "https://127.0.0.1:9/dir", "eab_key_id", "k", "eab_hmac", secret+"-eab") +
		tomlTable("edge", "token", secret+"-edge") +
		tomlTable("smtp", "host", "127.0.0.1", "port", 9, "tls", "none", "username", "frama", "password", secret+"-smtp") +
		tomlTable("[backing]", "name", "db1", "kind", "postgres", "address", "127.0.0.1:9", "user", "frama", "password", secret+"-backing", "tls", "none")
	env.Setenv("FRAMA_CONFIG", in("frama.toml"))
	env.Setenv("GORACE", promptly)
	return os.WriteFile(in("frama.toml"), []byte(text), 0o600)
}

// expect makes the command that runs frama and expects a status.
func expect(want int) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg {
			ts.Fatalf("say which status is expected: ok, fails or refused")
		}
		err := ts.Exec("frama", args...)
		got := 0
		var exit *exec.ExitError
		switch {
		case errors.As(err, &exit):
			got = exit.ExitCode()
		case err != nil:
			ts.Fatalf("frama: %v", err)
		}
		said := ts.ReadFile("stdout") + ts.ReadFile("stderr")
		if got != want {
			ts.Fatalf("frama %s: status %d, want %d", strings.Join(args, " "), got, want)
		}
		if strings.Contains(said, secret) {
			ts.Fatalf("frama %s prints a secret", strings.Join(args, " "))
		}
		if got != 0 && strings.TrimSpace(said) == "" {
			ts.Fatalf("frama %s fails without a word", strings.Join(args, " "))
		}
	}
}

// seed makes a request of an association, and takes it as far as the state says: seed pending|approved|failed|owning NAME.
// The identifiers are then in $REQUEST, $SPACE and $RUN. An owning space is approved, and has a database on db1. For a space
// that is there, seed parked NAME lets its run fail for good, seed open NAME opens it, and seed measured NAME METRIC=VALUE…
// has its first instance measured.
func seed(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: seed pending|approved|failed|owning|parked|open|measured NAME [METRIC=VALUE…]")
	}
	ctx, slug := context.Background(), args[1]
	c := &cli{in: strings.NewReader(""), out: io.Discard, err: io.Discard, file: ts.Getenv("FRAMA_CONFIG")}
	for _, name := range []string{"FRAMA_CATALOGUE_DIRS", "FRAMA_CATALOGUE_OFFER"} {
		if value := ts.Getenv(name); value != "" {
			c.environ = append(c.environ, name+"="+value)
		}
	}
	a, err := c.open(ctx)
	ts.Check(err)
	defer a.store.Close()
	if args[0] == "open" || args[0] == "measured" {
		ts.Check(open(ctx, a, slug, args[2:]))
		return
	}
	if args[0] == "parked" {
		v, err := a.control.Space(ctx, tester, slug)
		ts.Check(err)
		ts.Check(a.wake(ctx, []string{v.Space.ID}))
		ts.Check(park(ctx, a, v.Space.ID))
		return
	}
	request, err := request(ctx, a, slug)
	ts.Check(err)
	ts.Setenv("REQUEST", request.ID)
	if args[0] == "pending" {
		return
	}
	approval, err := a.control.Approve(ctx, tester, request.ID)
	ts.Check(err)
	space := approval.Space
	if args[0] == "failed" {
		ts.Check(park(ctx, a, space.ID))
	}
	v, err := a.control.Space(ctx, tester, space.ID)
	ts.Check(err)
	if args[0] == "owning" {
		ts.Check(a.store.Write(ctx, func(tx *store.Tx) error {
			_, err := tx.WantBacking(v.Instances[0].ID, "postgres", func(map[string]int) (string, string, error) {
				return "db1", "frama_" + slug, nil
			})
			return err
		}))
	}
	ts.Setenv("SPACE", space.ID)
	ts.Setenv("RUN", v.LastRun().ID)
}

// open opens a space, and records figures of its first instance.
func open(ctx context.Context, a *app, slug string, figures []string) error {
	v, err := a.control.Space(ctx, tester, slug)
	if err != nil {
		return err
	}
	if v.Space.State != hosting.SpaceActive {
		if err := finish(ctx, a, v.Space.ID); err != nil {
			return err
		}
	}
	err = a.store.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.AddMissingSeries(func(int) time.Time { return tx.Now }, 100)
		return err
	})
	if err != nil || len(figures) == 0 {
		return err
	}
	m := hosting.Measurement{InstanceID: v.Instances[0].ID, SpaceID: v.Space.ID, At: now()}
	for _, f := range figures {
		metric, text, _ := strings.Cut(f, "=")
		r := hosting.Reading{Metric: metric}
		if r.Value, err = amount(metric, text); err != nil {
			r = hosting.Reading{Metric: metric, Problem: text}
		}
		m.Readings = append(m.Readings, r)
	}
	return a.control.RecordUsage(ctx, []hosting.Measurement{m})
}

// finish lets a space's first run do nothing, and open the space.
func finish(ctx context.Context, a *app, space string) error {
	def := work.Definition{Kind: control.RunProvision, Version: control.RunProvisionVersion}
	for _, name := range control.ProvisionSteps() {
		def.Steps = append(def.Steps, work.Named{Name: name, Do: func(context.Context, work.Run) (any, error) { return nil, nil }})
	}
	w := a.worker("test", []work.Definition{def})
	w.Spaces, w.Log = []string{space}, slog.New(slog.DiscardHandler)
	if _, err := w.Once(ctx); err != nil {
		return err
	}
	return a.store.Write(ctx, func(tx *store.Tx) error {
		for _, state := range []hosting.SpaceState{hosting.SpaceProvisioning, hosting.SpaceActive} {
			if _, err := tx.MoveSpace(space, state); err != nil {
				return err
			}
		}
		return nil
	})
}

// tester may do everything.
var tester = hosting.Actor{Name: "test", Role: hosting.RoleAdmin}

// request makes a confirmed request of an association for every kind on offer.
func request(ctx context.Context, a *app, slug string) (hosting.Request, error) {
	anybody, offer := hosting.Actor{Name: "public"}, a.control.Offer()
	made, err := a.control.Submit(ctx, anybody, hosting.Submission{
		Association: hosting.Association{Name: "Les Amis de " + slug, RNA: "W751234567"},
		Contact:     hosting.Contact{Name: "Camille Martin", Email: "contact@" + slug + ".example", Lang: "fr"},
		Purpose:     "Écrire à plusieurs.", Slug: slug, Kinds: offer.Kinds, Plan: offer.Plans[0], Charter: offer.CharterVersion,
	})
	if err != nil {
		return made, err
	}
	_, err = a.control.Confirm(ctx, anybody, a.links().ConfirmToken(made.ID))
	return made, err
}

// park lets a space's run fail at its first step, for good.
func park(ctx context.Context, a *app, space string) error {
	def := work.Definition{Kind: control.RunProvision, Version: control.RunProvisionVersion}
	for _, name := range control.ProvisionSteps() {
		def.Steps = append(def.Steps, work.Named{Name: name, Do: func(ctx context.Context, run work.Run) (any, error) {
			err := a.store.Write(ctx, func(tx *store.Tx) error {
				_, err := tx.MoveSpace(run.SpaceID, hosting.SpaceProvisioning)
				return err
			})
			return nil, work.Permanent(errors.Join(errors.New("the machine room is under water"), err))
		}})
	}
	w := a.worker("test", []work.Definition{def})
	w.Spaces, w.Log = []string{space}, slog.New(slog.DiscardHandler)
	_, err := w.Once(ctx)
	return err
}

// TestEveryCommand: each has a sentence, an example that starts as one types it, and help that shows it.
func TestEveryCommand(t *testing.T) {
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		for _, child := range cmd.Commands() {
			walk(child)
		}
		if cmd.Short == "" {
			t.Errorf("%s has no sentence of help", cmd.CommandPath())
		}
		if !strings.Contains(cmd.Example, cmd.CommandPath()) {
			t.Errorf("%s has no example of itself: %q", cmd.CommandPath(), cmd.Example)
		}
		for _, line := range strings.Split(cmd.Example, "\n") {
			if !strings.HasPrefix(line, "  ") {
				t.Errorf("an example of %s is not set in: %q", cmd.CommandPath(), line)
			}
		}
		var out, errs strings.Builder
		args := append(strings.Fields(cmd.CommandPath())[1:], "--help")
		if status := run(t.Context(), args, strings.NewReader(""), &out, &errs); status != exitOK || errs.Len() > 0 {
			t.Errorf("frama %s: status %d, %s", strings.Join(args, " "), status, errs.String())
		}
		if !strings.Contains(out.String(), strings.TrimSpace(cmd.Example)) {
			t.Errorf("frama %s does not show the example", strings.Join(args, " "))
		}
		if !cmd.HasParent() {
			return
		}
		for _, long := range []string{cmd.Short, cmd.Long} {
			if strings.HasSuffix(strings.TrimSpace(long), "…") {
				t.Errorf("%s: unfinished help %q", cmd.CommandPath(), long)
			}
		}
	}
	c := &cli{}
	root := c.root()
	walk(root)
}
