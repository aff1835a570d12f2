//go:build e2e

package nomad

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"framagit.org/frama/frama/provisioner"

	"github.com/hashicorp/nomad/api"
)

const tiny = `
variable "job_id" { type = string }
variable "port"   { type = number }
variable "volume" { type = string }
job "tiny" {
  id = "${var.job_id}"
  group "app" {
    network {
      port "http" { static = var.port }
    }
    volume "data" {
      source = var.volume
    }
    update {
      min_healthy_time = "1s"
    }
    task "app" {
      driver       = "exec"
      kill_timeout = "1s"
      config {
        command = "/bin/sleep"
        args    = ["3600"]
      }
      volume_mount {
        volume      = "data"
        destination = "/data"
      }
      template {
        destination = "secrets/env"
        env         = true
        data        = "{{ with nomadVar \"nomad/jobs/${var.job_id}\" }}KEY={{ .key.Value | toJSON }}{{ end }}"
      }
      IDENTITY
    }
  }
}
`

// instance imagines one, on a port of its own.
func instance(id string, port int) provisioner.Job {
	j := provisioner.Job{ID: id, SpaceID: "space-" + id, InstanceID: "instance-" + id, Path: "tiny.nomad.hcl",
		Source: strings.Replace(tiny, "IDENTITY", "", 1), Node: testAgent.node, Volume: id + "-data", Port: port, CPU: 20, Memory: 20}
	j.Variables = map[string]any{"job_id": id, "port": port, "volume": j.Volume, "undeclared": "left out"}
	return j
}

// bring does what a provisioning run does.
func bring(t *testing.T, c *Cluster, j provisioner.Job) {
	t.Helper()
	if err := ensureAll(t.Context(), c, j); err != nil {
		t.Fatal(err)
	}
}

func ensureAll(ctx context.Context, c *Cluster, j provisioner.Job) error {
	err := until(20*time.Second, func() error {
		return c.EnsureVolume(ctx, provisioner.Volume{Name: j.Volume, Node: j.Node, Instance: j.InstanceID, CapacityMiB: 10})
	})
	if err != nil {
		return err
	}
	made := func() string { return fmt.Sprint("made-", time.Now().UnixNano()) }
	if err := c.EnsureSecrets(ctx, j.ID, map[string]string{"title": "Les ${amis} {{ du }} \"tricot\"\n"}, map[string]func() string{"key": made}); err != nil {
		return err
	}
	return c.EnsureJob(ctx, j)
}

func healthy(t *testing.T, c *Cluster, id string) {
	t.Helper()
	err := until(40*time.Second, func() error {
		h, err := c.JobHealth(t.Context(), id)
		if err == nil && h.State != provisioner.JobHealthy {
			err = fmt.Errorf("%s: %s", h.State, h.Reason)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func versionAndEvals(t *testing.T, id string) (uint64, int) {
	t.Helper()
	q := &api.QueryOptions{Namespace: "frama"}
	job, _, err := testAgent.client.Jobs().Info(id, q)
	if err != nil {
		t.Fatal(err)
	}
	evals, _, err := testAgent.client.Jobs().Evaluations(id, q)
	if err != nil {
		t.Fatal(err)
	}
	return *job.Version, len(evals)
}

func TestJourneyOfAnInstance(t *testing.T) {
	c := cluster(t)
	j := instance("e2e-journey", 21000)
	if h, err := c.JobHealth(t.Context(), j.ID); err != nil || h.State != provisioner.JobMissing {
		t.Fatal(h, err)
	}
	start := time.Now()
	bring(t, c, j)
	healthy(t, c, j.ID)
	t.Log("healthy after", time.Since(start))
	version, evals := versionAndEvals(t, j.ID)
	secrets, err := c.variable(t.Context(), j.ID)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		bring(t, c, j)
	}
	again, _ := c.variable(t.Context(), j.ID)
	if again.ModifyIndex != secrets.ModifyIndex || again.Items["key"] == "" {
		t.Error("the secrets were written again")
	}
	if v, e := versionAndEvals(t, j.ID); v != version || e != evals || v != 0 {
		t.Errorf("version %d → %d, evaluations %d → %d", version, v, evals, e)
	}
	job, _, _ := testAgent.client.Jobs().Info(j.ID, &api.QueryOptions{Namespace: "frama"})
	if len(job.Meta) != 2 || job.Meta[metaInstance] != j.InstanceID {
		t.Error("meta", job.Meta)
	}
	if registered, err := c.volume(t.Context(), j.Volume); err != nil || registered == nil || len(registered.WriteAllocs) != 1 {
		t.Fatal(registered, err)
	}

	if address, err := c.Address(t.Context(), j.ID); err != nil || address != "127.0.0.1:21000" {
		t.Errorf("it is reached at %s (%v)", address, err)
	}
	nodes, err := c.Nodes(t.Context())
	if err != nil || len(nodes) != 1 {
		t.Fatal(nodes, err)
	}
	n := nodes[0]
	if !slices.ContainsFunc(n.Held, func(h provisioner.Held) bool {
		return h.Job == j.ID && h.Resources.CPU == 20 && h.Resources.Memory > 0 && h.Resources.Disk > 0
	}) {
		t.Errorf("what %s holds is not among %+v", j.ID, n.Held)
	}
	if n.Total.CPU <= 0 || n.Total.CPU > 4000 || n.Total.Memory <= 0 || n.Total.Memory > 4000 || !contains(n.UsedPorts, 21000) || !contains(n.UsedPorts, 8001) {
		t.Errorf("%+v", n)
	}

	j.CPU = 30 // a change makes a version, and stays healthy
	bring(t, c, j)
	healthy(t, c, j.ID)
	if v, _ := versionAndEvals(t, j.ID); v != 1 {
		t.Error("version", v)
	}
}

func contains(list []int, n int) bool {
	for _, v := range list {
		if v == n {
			return true
		}
	}
	return false
}

func TestConcurrentEnsureEndsInOneVersion(t *testing.T) {
	j := instance("e2e-concurrent", 21001)
	shared := cluster(t)
	var wg sync.WaitGroup
	for i := range 8 {
		c := shared
		if i >= 4 {
			c = cluster(t) // other processes
		}
		wg.Add(1)
		go func() {
			defer wg.Done()
			if err := until(20*time.Second, func() error { return ensureAll(t.Context(), c, j) }); err != nil {
				t.Error(err)
			}
		}()
	}
	wg.Wait()
	healthy(t, shared, j.ID)
	if v, _ := versionAndEvals(t, j.ID); v != 0 {
		t.Error("version", v)
	}
	if registered, err := shared.volume(t.Context(), j.Volume); err != nil || registered == nil {
		t.Error("volume", asJSON(registered), err)
	}
}

func TestForeignJobIsRefused(t *testing.T) {
	c := cluster(t)
	j := instance("e2e-foreign", 21002)
	bring(t, c, j)
	healthy(t, c, j.ID)
	j.InstanceID = "another"
	err := c.EnsureJob(t.Context(), j)
	if !errors.Is(err, ErrForeign) || !strings.Contains(err.Error(), "instance-e2e-foreign") {
		t.Error(err)
	}
	plain := instance("e2e-plain", 21003)
	bring(t, c, plain)
	healthy(t, c, plain.ID)
	job, _, _ := testAgent.client.Jobs().Info(plain.ID, &api.QueryOptions{Namespace: "frama"})
	job.Meta = nil
	if _, _, err := testAgent.client.Jobs().Register(job, &api.WriteOptions{Namespace: "frama"}); err != nil {
		t.Fatal(err)
	}
	if err := c.EnsureJob(t.Context(), plain); !errors.Is(err, ErrForeign) {
		t.Error(err)
	}
	healthy(t, c, plain.ID) // until then nothing else is placed on the node, see replacing
}

func TestNoCapacityWaitsAndSaysWhy(t *testing.T) {
	c := cluster(t)
	j := instance("e2e-large", 21004)
	j.Memory = 100_000
	err := ensureAll(t.Context(), c, j)
	var later *provisioner.TemporaryError
	if !errors.As(err, &later) || !errors.Is(err, ErrNoCapacity) || !strings.Contains(later.Reason, "memory exhausted on 1 node (needs 100000 MiB)") || later.After == 0 {
		t.Error(err)
	}
	if h, _ := c.JobHealth(t.Context(), j.ID); h.State != provisioner.JobMissing {
		t.Error("it was registered", h)
	}
}

func TestBlockedJobSaysWhy(t *testing.T) {
	c := cluster(t)
	j := instance("e2e-blocked", 21006)
	job, err := c.prepare(t.Context(), j)
	if err != nil {
		t.Fatal(err)
	}
	job.TaskGroups[0].Volumes, job.TaskGroups[0].Tasks[0].VolumeMounts, job.TaskGroups[0].Tasks[0].Templates = nil, nil, nil
	job.TaskGroups[0].Tasks[0].Resources = &api.Resources{CPU: ptr(10), MemoryMB: ptr(90_000)}
	if _, _, err := testAgent.client.Jobs().Register(job, &api.WriteOptions{Namespace: "frama"}); err != nil {
		t.Fatal(err)
	}
	err = until(10*time.Second, func() error {
		h, err := c.JobHealth(t.Context(), j.ID)
		if err == nil && (h.State != provisioner.JobBlocked || !strings.Contains(h.Reason, "memory exhausted on 1 node")) {
			err = fmt.Errorf("%+v", h)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestFailingJobSaysWhy(t *testing.T) {
	c := cluster(t)
	j := instance("e2e-failing", 21007)
	j.Source = strings.NewReplacer(`"/bin/sleep"`, `"/bin/sh"`, `["3600"]`, `["-c", "exit 3"]`, `min_healthy_time = "1s"`,
		`min_healthy_time = "1s"
      healthy_deadline = "10s"
      progress_deadline = "20s"`, `update {`, `restart {
      attempts = 0
      delay = "1s"
    }
    update {`).Replace(j.Source)
	bring(t, c, j)
	err := until(60*time.Second, func() error {
		h, err := c.JobHealth(t.Context(), j.ID)
		if err == nil && (h.State != provisioner.JobFailed || !strings.Contains(h.Reason, "task app")) {
			err = fmt.Errorf("%+v", h)
		}
		if err == nil {
			t.Log(h.Reason)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// Two jobs cannot read each other's variables: tried with the token that each job's own task holds.
func TestJobsReadOnlyTheirOwnVariables(t *testing.T) {
	policy := DevelopmentPolicy()
	policy.AllowIdentity = true
	c := cluster(t, func(o *Options) { o.Policy = policy })
	ids := []string{"e2e-tenant-a", "e2e-tenant-b"}
	tokens := map[string]string{}
	for n, id := range ids {
		j := instance(id, 21010+n)
		j.Source = strings.Replace(tiny, "IDENTITY", "identity { \n file = true \n }", 1)
		bring(t, c, j)
		healthy(t, c, id)
		allocs, _, err := testAgent.client.Jobs().Allocations(id, false, &api.QueryOptions{Namespace: "frama"})
		if err != nil || len(allocs) != 1 {
			t.Fatal(allocs, err)
		}
		found, _ := filepath.Glob(filepath.Join(testAgent.dir, "data", "alloc", allocs[0].ID, "app", "secrets", "nomad_token"))
		if len(found) != 1 {
			t.Fatal("no token file for", id, found)
		}
		token, err := os.ReadFile(found[0])
		if err != nil {
			t.Fatal(err)
		}
		tokens[id] = string(token)
	}
	for _, reader := range ids {
		for _, owner := range ids {
			code, body := get(t.Context(), "/v1/var/nomad/jobs/"+owner+"?namespace=frama", tokens[reader])
			switch {
			case reader == owner && (code != 200 || !strings.Contains(body, "made-")):
				t.Errorf("%s cannot read its own variable: %d %s", reader, code, body)
			case reader != owner && code != 403:
				t.Errorf("%s reads the variable of %s: %d", reader, owner, code)
			}
		}
		if code, body := get(t.Context(), "/v1/vars?namespace=frama", tokens[reader]); code == 200 && strings.Contains(body, other(ids, reader)) {
			t.Errorf("%s lists the other's variable: %s", reader, body)
		}
	}
	refused := cluster(t, func(o *Options) { o.Policy.AllowIdentity = false }) // as in production
	j := instance("e2e-tenant-c", 21012)
	j.Source = strings.Replace(tiny, "IDENTITY", "identity { \n env = true \n }", 1)
	var violations *PolicyError
	if err := refused.EnsureJob(t.Context(), j); !errors.As(err, &violations) {
		t.Error(err)
	}
}

func other(ids []string, one string) string {
	if ids[0] == one {
		return ids[1]
	}
	return ids[0]
}

func TestRefusalsAndSilenceAreExplained(t *testing.T) {
	weak, err := testAgent.newToken("weak", `namespace "frama" { capabilities = ["list-jobs"] }`)
	if err != nil {
		t.Fatal(err)
	}
	j := instance("e2e-denied", 21020)
	for name, token := range map[string]string{"too weak": weak, "unknown": "00000000-0000-0000-0000-000000000000", "none": ""} {
		c := cluster(t, func(o *Options) { o.Token = Static(token) })
		err := c.EnsureJob(t.Context(), j)
		var later *provisioner.TemporaryError
		if !errors.Is(err, ErrDenied) || !errors.As(err, &later) || !strings.Contains(later.Reason, policyFile) {
			t.Error(name, err)
		}
		if err := c.EnsureSecrets(t.Context(), j.ID, map[string]string{"a": "b"}, nil); !errors.Is(err, ErrDenied) {
			t.Error(name, err)
		}
		if err := c.EnsureVolume(t.Context(), provisioner.Volume{Name: "x", Node: testAgent.node}); !errors.Is(err, ErrDenied) {
			t.Error(name, err)
		}
	}
	c := cluster(t, func(o *Options) { o.Address = "http://127.0.0.1:1" })
	start := time.Now()
	err = c.EnsureJob(t.Context(), j)
	var later *provisioner.TemporaryError
	if !errors.Is(err, ErrUnreachable) || !errors.As(err, &later) || !strings.Contains(later.Reason, "127.0.0.1:1") || time.Since(start) > 10*time.Second {
		t.Error(err, time.Since(start))
	}
}

func TestDoctor(t *testing.T) {
	for _, check := range cluster(t).Doctor(t.Context()) {
		t.Logf("%+v", check)
		if !check.OK {
			t.Error(check.Name, check.Detail)
		}
	}
	weak, err := testAgent.newToken("weaker", `namespace "frama" { capabilities = ["parse-job"] }`)
	if err != nil {
		t.Fatal(err)
	}
	bad := map[string]bool{}
	for _, check := range cluster(t, func(o *Options) { o.Token = Static(weak) }).Doctor(t.Context()) {
		if !check.OK {
			bad[check.Name] = check.Mend != ""
		}
	}
	for _, name := range []string{"may read-job", "may submit-job", "may csi-read-volume", "may csi-write-volume", "may csi-mount-volume", "volumes", "may variables read", "may variables write", "version"} {
		if !bad[name] {
			t.Error(name, "is not missed or has no advice:", bad)
		}
	}
	if bad["may parse-job"] {
		t.Error("parse-job is there")
	}
	if checks := cluster(t, func(o *Options) { o.Address = "http://127.0.0.1:1" }).Doctor(t.Context()); len(checks) != 1 || checks[0].OK {
		t.Error(checks)
	}
	if v, err := cluster(t).variable(t.Context(), doctorJob); v != nil || err != nil {
		t.Error("doctor wrote", err)
	}
}

func TestParseErrorsNameTheirPlace(t *testing.T) {
	c := cluster(t)
	j := instance("e2e-broken", 21030)
	for source, line := range map[string]int{
		"job \"x\" {\n  group \"g\" {\n    nonsense = 1\n  }\n}": 3,
		"job \"x\" {\n  group \"g\" {\n":                         3, // 2 from Nomad 1.7 on
		"variable \"a\" {}\njob \"x\" {\n  id = var.a\n}":        1,
		"job \"x\" {\n  id = file(\"/etc/passwd\")\n}":           2,
	} {
		j.Source = source
		found, err := c.Check(t.Context(), j, DevelopmentPolicy())
		if err != nil || len(found) == 0 || found[0].Line != line && (line != 3 || found[0].Line != 2) {
			t.Errorf("%q: %+v %v", source, found, err)
		}
	}
	j.Source = strings.Replace(tiny, "IDENTITY", "", 1)
	if found, err := c.Check(t.Context(), j, DevelopmentPolicy()); err != nil || len(found) > 0 {
		t.Error(found, err)
	}
	j.Variables["volume"] = "${attr.unique.hostname}"
	if err := c.EnsureJob(t.Context(), j); err == nil || !strings.Contains(err.Error(), "volume must not hold") {
		t.Error(err)
	}
}

func TestVolumeOnAnotherNodeIsKept(t *testing.T) {
	c := cluster(t)
	j := instance("e2e-moved", 21040)
	bring(t, c, j)
	err := c.EnsureVolume(t.Context(), provisioner.Volume{Name: j.Volume, Node: "11111111-2222-3333-4444-555555555555", Instance: j.InstanceID})
	var later *provisioner.TemporaryError
	if err == nil || errors.As(err, &later) || !strings.Contains(err.Error(), testAgent.node) {
		t.Error(err)
	}
}
