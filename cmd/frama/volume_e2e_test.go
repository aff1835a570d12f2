//go:build e2e

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"framagit.org/frama/frama/deploy/dev"
	"framagit.org/frama/frama/deploy/journey"
	"framagit.org/frama/frama/provisioner"
	"framagit.org/frama/frama/provisioner/nomad"
	"framagit.org/frama/frama/provisioner/volume"
	"framagit.org/frama/frama/services/control"
	"framagit.org/frama/frama/services/hosting"
)

// fullBed is a platform whose volumes are on a small btrfs, with a size that the kernel keeps.
type fullBed struct {
	*bed
	app     *app
	cluster *nomad.Cluster
	client  *http.Client
	binary  string // the real one, which is the volume plugin, too
}

// smallDisk is the size of the volumes in it, in MiB.
const smallDisk = 48

func newFullBed(t *testing.T) *fullBed {
	t.Helper()
	dir := shortDir(t)
	disk, err := dev.MountBtrfs(t.Context(), dir, 512<<20)
	if errors.Is(err, dev.ErrNoMounts) {
		t.Skipf("%v: run deploy/tools/get volumes (as root), on a machine that may mount", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // once the platform is down
		if err := disk.Unmount(); err != nil {
			t.Error(err)
		}
	})
	binary := buildFrama(t, "v1.2.3")
	apps := smallEtherCalc(t, dir)
	b := &fullBed{binary: binary, bed: newBed(t, containers, func(o *devOptions) { o.volumes, o.frama = filepath.Join(disk.Path, "volumes"), binary })}
	b.reconfigure(func(text string) string {
		return strings.Replace(text, "[catalogue]", fmt.Sprintf("[catalogue]\ndirs = [%q]\noffer = [\"calcs\"]", apps), 1)
	})
	command(t, b.env(), exitOK, "migrate")
	b.app = opened(t, b.configFile())
	if b.cluster, err = b.app.cluster(); err != nil {
		t.Fatal(err)
	}
	if b.client, err = b.journey("", journey.Request{}).HTTPS(); err != nil {
		t.Fatal(err)
	}
	spawn(t, b.env(), "serve").says(20*time.Second, "frama serves")
	spawn(t, b.env(), "edge")
	return b
}

func (b *fullBed) env() []string { return []string{"FRAMA_CONFIG=" + b.configFile()} }

// smallEtherCalc is the catalogue's own EtherCalc, with small volumes.
func smallEtherCalc(t *testing.T, dir string) (apps string) {
	t.Helper()
	apps = filepath.Join(dir, "apps")
	if err := os.CopyFS(filepath.Join(apps, "ethercalc"), os.DirFS("../../catalogue/apps/ethercalc")); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(apps, "ethercalc", "app.hcl")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	small := regexp.MustCompile(`(?m)^(  disk +=) \d+$`).ReplaceAllString(string(text), fmt.Sprintf("${1} %d", smallDisk))
	if err := os.WriteFile(file, []byte(small), 0o644); err != nil {
		t.Fatal(err)
	}
	return apps
}

// opens makes a space with an EtherCalc and returns its instance.
func (b *fullBed) opens(t *testing.T, slug string) hosting.Instance {
	t.Helper()
	q, err := request(t.Context(), b.app, slug)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.app.control.Approve(t.Context(), tester, q.ID); err != nil {
		t.Fatal(err)
	}
	spawn(t, b.env(), "provision", slug).ends(90*time.Second, exitOK)
	return b.view(t, slug).Instances[0].Instance
}

func (b *fullBed) view(t *testing.T, slug string) control.SpaceView {
	t.Helper()
	v, err := b.app.control.Space(t.Context(), tester, slug)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// sheet is the address of a sheet, as its readers see it.
func (b *fullBed) sheet(i hosting.Instance, name string) string {
	return fmt.Sprintf("https://%s:%d/_/%s", i.Host, b.options.https, name)
}

// put writes a sheet through the ingress.
func (b *fullBed) put(i hosting.Instance, name, text string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, b.sheet(i, name), strings.NewReader(text))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "text/csv")
	resp, err := b.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		return fmt.Errorf("%s: %s", b.sheet(i, name), resp.Status)
	}
	return nil
}

// has asks for a sheet in the form that people export it in.
func (b *fullBed) has(i hosting.Instance, name, text string) error {
	csv, err := fetch(b.client, b.sheet(i, name)+"/csv")
	if err == nil && !strings.Contains(csv, text) {
		err = fmt.Errorf("sheet %s is %q", name, csv)
	}
	return err
}

// keeps writes a sheet, and looks whether the volume has it: EtherCalc answers before it has written.
func (b *fullBed) keeps(t *testing.T, i hosting.Instance, name string) error {
	if err := b.put(i, name, name+",1"); err != nil {
		return err
	}
	if err := b.has(i, name, name+",1"); err != nil {
		return err
	}
	if said, status := b.inside(t, i, "sleep 1; grep -rqs "+name+" /data"); status != 0 {
		return fmt.Errorf("sheet %s is not on the volume: %s", name, said)
	}
	return nil
}

// inside runs a line of shell in the task that has the volume, as the application's user.
func (b *fullBed) inside(t *testing.T, i hosting.Instance, line string) (said string, status int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	status, said, err := b.cluster.Exec(ctx, i.Job, "ethercalc", []string{"/bin/sh", "-c", line})
	if err != nil {
		t.Fatal(err)
	}
	return said, status
}

// state asks the kernel how full a volume is.
func (b *fullBed) state(t *testing.T, i hosting.Instance) volume.State {
	t.Helper()
	folder, err := volume.Open(b.nomad.Volumes)
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	s, err := folder.Look(i.Volume)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// starts tells the starts of an instance apart: identifiers of its allocations.
func (b *fullBed) starts(t *testing.T, i hosting.Instance) (all string) {
	t.Helper()
	var allocs []struct{ ID string }
	if err := b.askNomad(http.MethodGet, "/v1/job/"+i.Job+"/allocations?namespace="+b.nomad.Namespace, &allocs); err != nil {
		t.Fatal(err)
	}
	for _, a := range allocs {
		all += a.ID + " "
	}
	return all
}

// TestFullVolume fills the volume of a real application to the last byte.
func TestFullVolume(t *testing.T) {
	b := newFullBed(t)
	full, other := b.opens(t, "pleine"), b.opens(t, "voisine")
	found, err := b.frama(b.binary, "", "doctor")
	wants(t, found, `ok +nomad volumes +the plugin runs and keeps sizes on every node`)
	if err != nil {
		t.Log(found)
	}
	wants(t, b.mustFrama(b.binary, "", "volume", "check", b.nomad.Volumes), `keeps sizes: quota groups of btrfs`, fmt.Sprintf(`\d %%  +\d of %d MiB`, smallDisk))
	for _, i := range []hosting.Instance{full, other} {
		if s := b.state(t, i); s.Limit != smallDisk<<20 {
			t.Fatalf("%s may hold %d bytes", i.Volume, s.Limit)
		}
		if err := b.keeps(t, i, "avant"); err != nil {
			t.Fatal(err)
		}
	}
	starts := b.starts(t, full)

	said, status := b.inside(t, full, "head -c 200M /dev/urandom > /data/filler")
	if status == 0 || !regexp.MustCompile(`(?i)quota exceeded|no space left`).MatchString(said) {
		t.Fatalf("200 MiB fit into %d: status %d, %s", smallDisk, status, said)
	}
	s := b.state(t, full)
	t.Logf("full with %.1f of %d MiB: %s", float64(s.Used)/(1<<20), smallDisk, strings.TrimSpace(said))
	if s.Used > s.Limit || s.Used < s.Limit*9/10 {
		t.Errorf("%d of %d bytes are used", s.Used, s.Limit)
	}

	t.Run("people read and export", func(t *testing.T) {
		if err := errors.Join(b.has(full, "avant", "avant,1"), answers(b.client, fmt.Sprintf("https://%s:%d/", full.Host, b.options.https))); err != nil {
			t.Error(err)
		}
		if err := b.keeps(t, full, "trop"); err == nil {
			// Some hundred bytes may still find a place in a block that is there.
			_, status := b.inside(t, full, "head -c 1M /dev/urandom > /data/more")
			if status == 0 {
				t.Error("a full volume takes a MiB more")
			}
		}
	})
	t.Run("others write on", func(t *testing.T) {
		if err := b.keeps(t, other, "pendant"); err != nil {
			t.Error(err)
		}
		if said, status := b.inside(t, other, "head -c 20M /dev/urandom > /data/filler && rm /data/filler"); status != 0 {
			t.Errorf("the neighbour on the same disk: status %d, %s", status, said)
		}
	})
	t.Run("certificates are renewed", func(t *testing.T) { b.renews(t, full) })
	t.Run("backups read", func(t *testing.T) {
		// What a backup of files does: read all of it, and write elsewhere.
		if said, status := b.inside(t, full, "tar -C /data -cf - . | wc -c"); status != 0 {
			t.Errorf("status %d, %s", status, said)
		}
	})
	t.Run("a larger plan makes room", func(t *testing.T) {
		v := provisioner.Volume{Name: full.Volume, Node: full.Node, Instance: full.ID, CapacityMiB: 2 * smallDisk}
		if err := b.cluster.EnsureVolume(t.Context(), v); err != nil {
			t.Fatal(err)
		}
		await(t, 20*time.Second, "it does not write again", func() error { return b.keeps(t, full, "grandie") })
		if said, status := b.inside(t, full, "head -c 10M /dev/urandom > /data/more"); status != 0 {
			t.Errorf("status %d, %s", status, said)
		}
	})
	t.Run("and deleting does", func(t *testing.T) {
		if said, status := b.inside(t, full, "head -c 200M /dev/urandom > /data/rest"); status == 0 {
			t.Fatalf("the larger size is not kept: %s", said)
		}
		if said, status := b.inside(t, full, "rm /data/filler"); status != 0 {
			t.Fatalf("a full volume cannot be emptied: %s", said)
		}
		await(t, 60*time.Second, "there is no room", func() error {
			said, status := b.inside(t, full, "head -c 10M /dev/urandom > /data/more")
			if status != 0 {
				return errors.New(said)
			}
			return b.keeps(t, full, "videe")
		})
		if err := b.has(full, "avant", "avant,1"); err != nil {
			t.Error(err)
		}
	})
	if after := b.starts(t, full); after != starts {
		t.Errorf("it was started again meanwhile: %s, then %s", starts, after)
	}
}

// renews renews the certificates that are due in some years, and looks whether visitors get the new one.
func (b *fullBed) renews(t *testing.T, i hosting.Instance) {
	serial := func() string {
		resp, err := b.client.Get(fmt.Sprintf("https://%s:%d/", i.Host, b.options.https))
		if err != nil {
			return err.Error()
		}
		defer resp.Body.Close()
		return resp.TLS.PeerCertificates[0].SerialNumber.String()
	}
	p, err := b.app.provisioner()
	if err != nil {
		t.Fatal(err)
	}
	p.Now = func() time.Time { return now().AddDate(20, 0, 0) }
	before := serial()
	if n, err := p.RenewDue(t.Context()); err != nil || n != 2 {
		t.Fatalf("%d certificates were renewed, want 2: %v", n, err)
	}
	await(t, 20*time.Second, "visitors get the old certificate", func() error {
		b.client.CloseIdleConnections()
		if now := serial(); now == before {
			return fmt.Errorf("its serial is %s", now)
		}
		return nil
	})
}
