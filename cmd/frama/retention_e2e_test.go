//go:build e2e

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/provisioner/retain"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/mail"
	"framagit.org/frama/frama/services/store"
)

// TestRetention holds a real Etherpad to a rule of some seconds: pads that nobody changes are announced by mail, exported and
// removed; one that is changed after the announcement stays, and so does a new one.
func TestRetention(t *testing.T) {
	t.Setenv("TMPDIR", shortDir(t))
	var out, log bytes.Buffer
	c := &cli{in: strings.NewReader(""), out: &out, err: &log, environ: os.Environ()}
	conf, all, err := c.loadCatalogue()
	if err != nil {
		t.Fatal(err)
	}
	pads, _ := all.App("etherpad")
	err = c.onTrialPlatform(t.Context(), conf, []catalogue.App{pads}, imagesBuilt, false, func(ctx context.Context, p *platform, a *app) error {
		plan := all.Plans()[0].ID
		bench, err := newTrialBench(p, a, plan)
		if err != nil {
			return err
		}
		retainSome(ctx, t, a, bench, openedSpace(ctx, t, a, bench, plan), plan)
		return nil
	})
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, out.String(), log.String())
	}
}

// openedSpace opens a space of an association: the host's own are not held to such rules.
func openedSpace(ctx context.Context, t *testing.T, a *app, bench *trialBench, plan string) (i hosting.Instance) {
	t.Helper()
	public, staff := hosting.Actor{Name: "public"}, hosting.Actor{Name: "test", Role: hosting.RoleAdmin}
	q, err := a.control.Submit(ctx, public, hosting.Submission{
		Association: hosting.Association{Name: "Les Lilas"}, Contact: hosting.Contact{Name: "Camille", Email: "contact@lilas.example", Lang: "fr"},
		Purpose: "Écrire les comptes rendus à plusieurs.", Slug: "lilas", Kinds: []string{"pads"}, Plan: plan, Charter: a.config.Host.CharterVersion,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.control.Confirm(ctx, public, a.links().ConfirmToken(q.ID)); err != nil {
		t.Fatal(err)
	}
	approval, err := a.control.Approve(ctx, staff, q.ID)
	if err != nil {
		t.Fatal(err)
	}
	worker := a.worker("test", bench.bench.Provisioner.Definitions())
	worker.Spaces, worker.Idle = []string{approval.Space.ID}, 50*time.Millisecond
	working, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- worker.Run(working) }()
	await(t, 3*time.Minute, "the space opens", func() error {
		return a.store.Read(ctx, func(tx *store.Tx) error {
			s, err := tx.Space(approval.Space.ID)
			if err != nil || s.State != hosting.SpaceActive {
				return fmt.Errorf("it is %s (%w)", s.State, err)
			}
			all, err := tx.Instances(s.ID)
			if err == nil {
				i = all[0]
			}
			return err
		})
	})
	stop()
	<-ended
	return i
}

func retainSome(ctx context.Context, t *testing.T, a *app, bench *trialBench, i hosting.Instance, plan string) {
	t.Helper()
	cluster, err := a.cluster()
	if err != nil {
		t.Fatal(err)
	}
	secrets, err := cluster.Secrets(ctx, i.Job)
	if err != nil {
		t.Fatal(err)
	}
	pads := etherpad{t: t, client: bench.client, address: a.control.URL(i.Host), key: secrets["api_key"]}
	texts := map[string]string{"compte-rendu": "Présents : tout le monde.\n", "été-2019": "12 litres de jus.\n", "courses": "Du pain.\n"}
	for name, text := range texts {
		pads.call("createPad", url.Values{"padID": {name}, "text": {text}})
	}
	rule := hosting.RetentionRule{Metric: "pads", Unused: 4 * time.Second, Announce: 4 * time.Second}
	err = a.store.Write(ctx, func(tx *store.Tx) error {
		plans, err := tx.PlansInForce()
		if err != nil {
			return err
		}
		v := plans[plan]
		v.Version, v.Retention, v.AppliedAt = v.Version+1, []hosting.RetentionRule{rule}, tx.Now
		return tx.InsertPlanVersion(v)
	})
	if err != nil {
		t.Fatal(err)
	}
	r := a.retainer(cluster)
	r.Archive = filepath.Join(t.TempDir(), "archive")
	look := func() retain.Report {
		t.Helper()
		reports, err := r.Once(ctx, retain.Ask{Spaces: []string{i.SpaceID}, Now: true})
		if err != nil || len(reports) != 1 || reports[0].Problem != "" {
			t.Fatalf("%+v %v", reports, err)
		}
		return reports[0]
	}
	time.Sleep(rule.Unused + time.Second)
	if report := look(); report.Announced != len(texts) || report.Removed != 0 {
		t.Fatalf("%+v", report)
	}
	await(t, 30*time.Second, "the mail that announces it", func() error {
		return a.store.Read(ctx, func(tx *store.Tx) error {
			sent, err := tx.Mails("sent", 10)
			if err == nil && !slices.ContainsFunc(sent, func(m store.Mail) bool { return m.Template == mail.TemplateRetention }) {
				err = fmt.Errorf("not among %d", len(sent))
			}
			return err
		})
	})
	pads.call("setText", url.Values{"padID": {"courses"}, "text": {"Du pain, du sel.\n"}})
	pads.call("createPad", url.Values{"padID": {"nouveau"}, "text": {"Un début.\n"}})
	time.Sleep(rule.Announce + time.Second)
	if report := look(); report.Removed != 2 || report.Kept != 1 {
		t.Errorf("%+v", report)
	}
	var left struct{ Data struct{ PadIDs []string } }
	if err := json.Unmarshal([]byte(pads.call("listAllPads", nil)), &left); err != nil {
		t.Fatal(err)
	}
	slices.Sort(left.Data.PadIDs)
	if want := []string{"courses", "nouveau"}; !slices.Equal(left.Data.PadIDs, want) {
		t.Errorf("there is left %q, want %q", left.Data.PadIDs, want)
	}
	pads.expect("courses", "Du pain, du sel.")
	var exported []string
	err = filepath.WalkDir(r.Archive, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		t.Logf("exported to %s", strings.TrimPrefix(path, r.Archive))
		text, err := os.ReadFile(path)
		exported = append(exported, strings.TrimSpace(string(text)))
		return err
	})
	slices.Sort(exported)
	if want := []string{"12 litres de jus.", "Présents : tout le monde."}; err != nil || !slices.Equal(exported, want) {
		t.Errorf("the exports hold %q, want %q (%v)", exported, want, err)
	}
}
