//go:build e2e

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"framagit.org/frama/frama/deploy/dev"
	"framagit.org/frama/frama/deploy/journey"
	"framagit.org/frama/frama/services/control"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
)

const (
	benchSpaces = 50
	benchRounds = 2
	benchPorts  = 31000 // first static port of the jobs that are not frama's
)

// BenchmarkProvision measures how long approved spaces take to be healthy, one job each, on a real Nomad. The nomad
// command in a loop gets the same jobs healthy one after the other; Nomad's bare API, asked for all of them at once, is
// the floor that no way of using Nomad can get below.
//
// Rounds alternate. The loop does half of its jobs in each of the two rounds: its time is a sum anyway.
func BenchmarkProvision(b *testing.B) {
	begin()
	p := newProvisionBench(b)
	var healthy, active, floor []time.Duration
	var loop time.Duration
	for round := range benchRounds {
		say("round %d: frama provision, %d spaces", round+1, benchSpaces)
		h, a := p.frama(b, round)
		say("healthy after %.1f s, active after %.1f s", h.Seconds(), a.Seconds())
		healthy, active = append(healthy, h), append(active, a)

		say("round %d: the nomad command in a loop, %d jobs", round+1, benchSpaces/benchRounds)
		d := p.loop(b, round)
		say("healthy after %.1f s", d.Seconds())
		loop += d

		say("round %d: Nomad's API, %d jobs at once", round+1, benchSpaces)
		d = p.floor(b, round)
		say("healthy after %.1f s", d.Seconds())
		floor = append(floor, d)
	}
	ratio := func(d time.Duration) float64 { return d.Seconds() / loop.Seconds() }
	benchLine{"provision-overhead", median(healthy).Seconds(), "s", ratio(median(healthy)), "nomad-cli-loop", 0.5}.print()
	benchLine{"provision-total", median(active).Seconds(), "s", ratio(median(active)), "nomad-cli-loop", 0}.print()
	benchLine{"provision-floor", median(floor).Seconds(), "s", ratio(median(floor)), "nomad-cli-loop", 0}.print()
}

type provisionBench struct {
	*bed
	app    *app
	binary string
	job    string // HCL file, as in the catalogue
}

func newProvisionBench(b *testing.B) *provisionBench {
	apps := tinyCatalogue(b)
	p := &provisionBench{bed: newBed(b), job: filepath.Join(apps, "tinypads", "job.nomad.hcl")}
	// frama never believes a task before it has run for a second: the other ways wait as long.
	text, err := os.ReadFile(p.job)
	if err != nil {
		b.Fatal(err)
	}
	text = []byte(strings.NewReplacer(`"task_states"`, `"checks"`, `"0s"`, `"1s"`).Replace(string(text)))
	if err := os.WriteFile(p.job, text, 0o600); err != nil {
		b.Fatal(err)
	}
	p.reconfigure(func(text string) string {
		return tinyOffer(text, apps)
	})
	p.binary = buildFrama(b, "bench")
	p.mustFrama(p.binary, "", "migrate")
	p.start("serve", p.binary, "serve")
	p.start("edge", p.binary, "edge")
	c := &cli{in: strings.NewReader(""), out: io.Discard, err: io.Discard, file: p.configFile()}
	if p.app, err = c.open(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { p.app.store.Close() })
	return p
}

// frama approves the spaces, then runs frama provision. It returns the time until the last was healthy, by the
// database, and until the command said that all are active.
func (p *provisionBench) frama(b *testing.B, round int) (healthy, active time.Duration) {
	b.Helper()
	var ids []string
	for n := range benchSpaces {
		ids = append(ids, p.approve(b, fmt.Sprintf("bench-%d-%02d", round, n)).ID)
	}
	p.mailed(b)
	start := time.Now()
	if out, err := p.bed.frama(p.binary, "", "provision"); err != nil {
		b.Fatalf("frama provision: %v\n%s", err, out)
	}
	active = time.Since(start)
	var jobs []string
	steps := map[string]time.Time{}
	err := p.app.store.Read(b.Context(), func(tx *store.Tx) error {
		for _, id := range ids {
			runs, err := tx.RunsOf(id, 1)
			if err != nil {
				return err
			}
			for _, s := range runs[0].Steps {
				if s.EndedAt.After(steps[s.Name]) {
					steps[s.Name] = s.EndedAt
				}
			}
			instances, err := tx.Instances(id)
			if err != nil {
				return err
			}
			for _, i := range instances {
				jobs = append(jobs, i.Job)
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	var when []string
	for _, name := range control.ProvisionSteps() {
		when = append(when, fmt.Sprintf("%s %.1f", name, steps[name].Sub(start).Seconds()))
	}
	say("seconds after which the last space had each step: %s", strings.Join(when, ", "))
	p.clear(b, jobs)
	return steps["healthy"].Sub(start), active
}

// approve makes an approved space with one application.
func (p *provisionBench) approve(b *testing.B, slug string) hosting.Space {
	b.Helper()
	ctx, desk, q := b.Context(), p.app.control, journey.Sample(slug)
	request, err := desk.Submit(ctx, p.app.public(), hosting.Submission{
		Association: hosting.Association{Name: q.Association}, Contact: hosting.Contact{Name: q.Contact, Email: q.Email, Lang: "fr"},
		Purpose: q.Purpose, Slug: slug, Kinds: []string{"pads"}, Plan: desk.Offer().Plans[0], Charter: desk.Offer().CharterVersion,
	})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := desk.Confirm(ctx, p.app.public(), p.app.links().ConfirmToken(request.ID)); err != nil {
		b.Fatal(err)
	}
	approval, err := desk.Approve(ctx, hosting.Actor{Name: "bench", Role: hosting.RoleAdmin}, request.ID)
	if err != nil {
		b.Fatal(err)
	}
	return approval.Space
}

// mailed waits until the outbox is empty: what mails cost is not measured here.
func (p *provisionBench) mailed(b *testing.B) {
	b.Helper()
	await(b, time.Minute, "the outbox", func() error {
		return p.app.store.Read(b.Context(), func(tx *store.Tx) error {
			waiting, err := tx.Mails("waiting", 1)
			if err == nil && len(waiting) > 0 {
				err = fmt.Errorf("mails wait")
			}
			return err
		})
	})
}

// loop does what an administrator's script does: nomad job run waits for each deployment. The volumes are all asked for
// before, without waiting for them, which is the fastest way with this command.
func (p *provisionBench) loop(b *testing.B, round int) time.Duration {
	b.Helper()
	nomad, err := dev.Tool("nomad")
	if err != nil {
		b.Fatal(err)
	}
	run := func(args ...string) {
		cmd := exec.Command(nomad, args...)
		cmd.Env = append(os.Environ(), "NOMAD_ADDR="+p.nomad.Address, "NOMAD_TOKEN="+p.nomad.ManagementToken, "NOMAD_NAMESPACE="+p.nomad.Namespace)
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("nomad %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	dir := shortDir(b)
	var jobs []string
	for n := range benchSpaces / benchRounds {
		jobs = append(jobs, fmt.Sprintf("loop-%d-%02d", round, n))
		file := filepath.Join(dir, jobs[n]+".volume.hcl")
		if err := os.WriteFile(file, []byte(fmt.Sprintf(benchVolume, jobs[n]+"-data", p.nomad.NodeID)), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	start := time.Now()
	for _, job := range jobs {
		if err := p.folder(b.Context(), job+"-data"); err != nil {
			b.Fatal(err)
		}
		run("volume", "register", filepath.Join(dir, job+".volume.hcl"))
	}
	for n, job := range jobs {
		run("job", "run", "-var", "job_id="+job, "-var", fmt.Sprintf("port=%d", benchPorts+n), "-var", "cpu=20", "-var", "memory=24", p.job)
	}
	took := time.Since(start)
	p.clear(b, jobs)
	return took
}

const benchVolume = `id        = %[1]q
name      = %[1]q
type      = "csi"
plugin_id = "frama"
topology_request {
  required {
    topology {
      segments {
        "frama/node" = %[2]q
      }
    }
  }
}
capability {
  access_mode     = "multi-node-single-writer"
  attachment_mode = "file-system"
}
`

// folder makes a volume on this machine, as an administrator who is logged in there.
func (p *provisionBench) folder(ctx context.Context, name string) error {
	cmd := exec.CommandContext(ctx, "frama", "volume", "create", "--folder", p.nomad.Volumes, "--plain", "--mib", "10", name)
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("volume %s: %w: %s", name, err, said)
	}
	return nil
}

// floor asks Nomad's API for everything at once and waits with its blocking queries: no way of using Nomad is faster.
func (p *provisionBench) floor(b *testing.B, round int) time.Duration {
	b.Helper()
	hcl, err := os.ReadFile(p.job)
	if err != nil {
		b.Fatal(err)
	}
	var jobs []string
	for n := range benchSpaces {
		jobs = append(jobs, fmt.Sprintf("floor-%d-%02d", round, n))
	}
	group, ctx := errgroup.WithContext(b.Context())
	start := time.Now()
	for n, job := range jobs {
		group.Go(func() error { return p.bare(ctx, string(hcl), job, benchPorts+n) })
	}
	if err := group.Wait(); err != nil {
		b.Fatal(err)
	}
	took := time.Since(start)
	p.clear(b, jobs)
	return took
}

// bare brings one job to health with as few calls as there can be.
func (p *provisionBench) bare(ctx context.Context, hcl, id string, port int) error {
	if err := p.folder(ctx, id+"-data"); err != nil {
		return err
	}
	_, err := p.call(ctx, http.MethodPut, "/v1/volume/csi/"+id+"-data", map[string]any{"Volumes": []map[string]any{{
		"Namespace": p.nomad.Namespace, "ID": id + "-data", "Name": id + "-data", "ExternalID": id + "-data", "PluginID": "frama",
		"RequestedTopologies":   map[string]any{"Required": []map[string]any{{"Segments": map[string]string{"frama/node": p.nomad.NodeID}}}},
		"RequestedCapabilities": []map[string]string{{"AttachmentMode": "file-system", "AccessMode": "multi-node-single-writer"}},
	}}}, nil)
	if err != nil {
		return err
	}
	var job map[string]any
	_, err = p.call(ctx, http.MethodPost, "/v1/jobs/parse", map[string]any{
		"JobHCL": hcl, "Variables": fmt.Sprintf(`{"job_id":%q,"port":%d,"cpu":20,"memory":24}`, id, port),
	}, &job)
	if err != nil {
		return err
	}
	job["Namespace"] = p.nomad.Namespace
	if _, err := p.call(ctx, http.MethodPut, "/v1/jobs", map[string]any{"Job": job}, nil); err != nil {
		return err
	}
	var deployment struct{ Status, StatusDescription string }
	for index := ""; deployment.Status != "successful"; {
		if index, err = p.call(ctx, http.MethodGet, "/v1/job/"+id+"/deployment?wait=30s&index="+index, nil, &deployment); err != nil {
			return err
		}
		if deployment.Status == "failed" {
			return fmt.Errorf("job %s: %s", id, deployment.StatusDescription)
		}
	}
	return nil
}

// call asks Nomad with the management token, and returns the index of the answer.
func (p *provisionBench) call(ctx context.Context, method, path string, in, out any) (index string, err error) {
	address, err := url.Parse(p.nomad.Address + path)
	if err != nil {
		return "", err
	}
	q := address.Query()
	q.Set("namespace", p.nomad.Namespace)
	address.RawQuery = q.Encode()
	body, err := json.Marshal(in)
	if err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, method, address.String(), bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("X-Nomad-Token", p.nomad.ManagementToken)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s %s: %s %s", method, path, resp.Status, answer)
	}
	if out != nil {
		err = json.Unmarshal(answer, out)
	}
	return resp.Header.Get("X-Nomad-Index"), err
}

// clear stops jobs and waits until nothing of them runs, so that every round finds the node as empty as the one before.
func (p *provisionBench) clear(b *testing.B, jobs []string) {
	b.Helper()
	var all sync.WaitGroup
	for _, job := range jobs {
		all.Go(func() {
			if _, err := p.call(b.Context(), http.MethodDelete, "/v1/job/"+job+"?purge=true", nil, nil); err != nil {
				b.Errorf("stop %s: %v", job, err)
			}
		})
	}
	all.Wait()
	await(b, time.Minute, "the jobs to stop", func() error {
		var allocations []struct{ ClientStatus string }
		if _, err := p.call(b.Context(), http.MethodGet, "/v1/node/"+p.nomad.NodeID+"/allocations", nil, &allocations); err != nil {
			return err
		}
		for _, a := range allocations {
			if a.ClientStatus == "running" || a.ClientStatus == "pending" {
				return fmt.Errorf("some run still")
			}
		}
		return nil
	})
}
