//go:build e2e

package nomad

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"framagit.org/frama/frama/deploy/dev"
	"framagit.org/frama/frama/provisioner"
	"framagit.org/frama/frama/provisioner/volume"

	"github.com/hashicorp/nomad/api"
	"golang.org/x/sys/unix"
)

// limited is a Nomad whose volumes are on a btrfs, made by the real plugin.
type limited struct {
	*dev.Nomad
	options dev.NomadOptions
	cluster *Cluster
	root    *api.Client // an administrator's
}

func newLimited(t *testing.T) *limited {
	t.Helper()
	dir, err := os.MkdirTemp("", "frama-volumes")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	disk, err := dev.MountBtrfs(t.Context(), dir, 256<<20)
	if errors.Is(err, dev.ErrNoMounts) {
		t.Skipf("%v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := disk.Unmount(); err != nil {
			t.Error(err)
		}
	})
	l := &limited{options: dev.NomadOptions{
		Data: filepath.Join(dir, "nomad"), Frama: testAgent.frama, Volumes: filepath.Join(disk.Path, "volumes"), KeepSizes: true, KeepTasks: true,
		Chroot: map[string]string{
			behind("/bin/sh"): "/usr/bin/sh", "/bin/sleep": "/usr/bin/sleep", "/lib/x86_64-linux-gnu/libc.so.6": "/usr/lib/x86_64-linux-gnu/libc.so.6",
			behind("/lib64/ld-linux-x86-64.so.2"): "/usr/lib64/ld-linux-x86-64.so.2",
		},
	}}
	l.start(t)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := l.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return l
}

func (l *limited) start(t *testing.T) {
	t.Helper()
	var err error
	if l.Nomad, err = dev.StartNomad(context.Background(), l.options); err != nil {
		t.Fatal(err)
	}
	if l.cluster, err = New(Options{Address: l.Address, Token: Static(l.Token), Policy: DevelopmentPolicy()}); err != nil {
		t.Fatal(err)
	}
	if l.root, err = api.NewClient(&api.Config{Address: l.Address, SecretID: l.ManagementToken}); err != nil {
		t.Fatal(err)
	}
}

// state asks the kernel how a volume is.
func (l *limited) state(t *testing.T, name string) volume.State {
	t.Helper()
	f, err := volume.Open(l.options.Volumes)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s, err := f.Look(name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// size makes the volume as large, and looks whether the kernel knows.
func (l *limited) size(t *testing.T, v provisioner.Volume, mebibytes int) {
	t.Helper()
	v.CapacityMiB = mebibytes
	// Nomad may not know the plugin yet, but it answers.
	err := until(30*time.Second, func() error {
		err := l.cluster.EnsureVolume(t.Context(), v)
		if errors.Is(err, ErrUnreachable) {
			t.Error(err)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if s := l.state(t, v.Name); s.Limit != int64(mebibytes)<<20 {
		t.Fatalf("%d MiB are asked for, the kernel keeps %d bytes", mebibytes, s.Limit)
	}
}

// diary is a job that writes a line five times a second.
const diary = `
variable "job_id" { type = string }
variable "port"   { type = number }
variable "volume" { type = string }
job "diary" {
  id = "${var.job_id}"
  group "app" {
    network {
      port "http" { static = var.port }
    }
    volume "data" {
      source = var.volume
    }
    restart {
      delay = "1s"
    }
    update {
      min_healthy_time = "1s"
    }
    task "app" {
      driver       = "exec"
      kill_timeout = "1s"
      config {
        command = "/bin/sh"
        args    = ["-c", "echo start >> /data/diary; while true; do echo line >> /data/diary; sleep 0.2; done"]
      }
      volume_mount {
        volume      = "data"
        destination = "/data"
      }
    }
  }
}
`

// writer is an instance that writes its diary.
type writer struct {
	*limited
	t *testing.T
	j provisioner.Job
	v provisioner.Volume
}

func (l *limited) writes(t *testing.T, id string, port int) *writer {
	t.Helper()
	w := &writer{limited: l, t: t, j: instance(id, port)}
	w.j.Source, w.j.Node = diary, l.NodeID
	w.v = provisioner.Volume{Name: w.j.Volume, Node: l.NodeID, Instance: w.j.InstanceID, UID: 65534, GID: 65534, CapacityMiB: 48}
	l.size(t, w.v, 48)
	w.begins()
	return w
}

func (w *writer) begins() {
	w.t.Helper()
	if err := until(30*time.Second, func() error { return w.cluster.EnsureJob(w.t.Context(), w.j) }); err != nil {
		w.t.Fatal(err)
	}
	w.goesOn("at its start")
}

// diary is what was written so far, read beside Nomad.
func (w *writer) diary() (lines, starts int) {
	text, err := os.ReadFile(filepath.Join(w.options.Volumes, w.j.Volume, "diary"))
	if err != nil {
		return 0, 0
	}
	return strings.Count(string(text), "\n"), strings.Count(string(text), "start\n")
}

// goesOn waits for new lines.
func (w *writer) goesOn(when string) {
	w.t.Helper()
	before, _ := w.diary()
	err := until(90*time.Second, func() error {
		if now, _ := w.diary(); now < before+3 {
			return fmt.Errorf("%d lines, then %d", before, now)
		}
		return nil
	})
	if err != nil {
		w.t.Fatalf("%s: nothing is written: %v", when, err)
	}
}

// undisturbed does something that the writer must not notice.
func (w *writer) undisturbed(what string, do func()) {
	w.t.Helper()
	w.t.Log(what)
	lines, starts := w.diary()
	do()
	w.goesOn(what)
	if now, again := w.diary(); again != starts || now < lines {
		w.t.Errorf("%s: %d lines and %d starts, then %d and %d", what, lines, starts, now, again)
	}
}

// disturbed does something that starts the writer again, once, with all it had written.
func (w *writer) disturbed(what string, do func()) {
	w.t.Helper()
	w.t.Log(what)
	lines, starts := w.diary()
	do()
	err := until(90*time.Second, func() error {
		if _, again := w.diary(); again == starts {
			return errors.New("it did not start again")
		}
		return nil
	})
	if err != nil {
		w.t.Fatalf("%s: %v", what, err)
	}
	w.goesOn(what)
	if now, again := w.diary(); again != starts+1 || now < lines {
		w.t.Errorf("%s: %d lines and %d starts, then %d and %d", what, lines, starts, now, again)
	}
}

// claims waits until exactly the running allocation claims the volume.
func (w *writer) claims(when string) {
	w.t.Helper()
	err := until(30*time.Second, func() error {
		registered, err := w.cluster.volume(w.t.Context(), w.j.Volume)
		if err != nil || registered == nil {
			return fmt.Errorf("%v, %v", registered, err)
		}
		running, err := w.cluster.runningOf(w.t.Context(), w.j.ID)
		if err != nil {
			return err
		}
		if _, has := registered.WriteAllocs[running.ID]; !has || len(registered.WriteAllocs) != 1 || len(registered.ReadAllocs) != 0 {
			return fmt.Errorf("%s runs; writers %v, readers %v", running.ID, registered.WriteAllocs, registered.ReadAllocs)
		}
		if mounts := w.mounts(); mounts != 1 {
			return fmt.Errorf("%d mounts", mounts)
		}
		return nil
	})
	if err != nil {
		w.t.Errorf("%s: the claims are wrong: %v", when, err)
	}
}

// mounts counts those that the plugin made for the volume.
func (w *writer) mounts() (count int) {
	table, _ := os.ReadFile("/proc/self/mounts")
	for line := range strings.Lines(string(table)) {
		if strings.Contains(line, w.options.Data) && strings.Contains(line, "/per-alloc/") && strings.Contains(line, "/"+w.j.Volume+"/") {
			count++
		}
	}
	return count
}

// plugin is the process of the volume plugin.
func (l *limited) plugin(t *testing.T) int {
	t.Helper()
	found, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range found {
		text, _ := os.ReadFile(path)
		if string(text) != l.options.Frama+"\x00volume\x00serve\x00" {
			continue
		}
		environ, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "environ"))
		if strings.Contains(string(environ), "FRAMA_VOLUME_FOLDER="+l.options.Volumes+"\x00") {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			return pid
		}
	}
	t.Fatal("the plugin does not run")
	return 0
}

func TestVolumes(t *testing.T) {
	l := newLimited(t)
	t.Run("sizes", l.sizes)
	t.Run("faults", l.faults)
	t.Run("refused", l.refused)
}

// sizes takes a volume through its life, while a job uses it.
func (l *limited) sizes(t *testing.T) {
	w := l.writes(t, "e2e-sizes", 21080)
	healthy(t, l.cluster, w.j.ID)
	path := l.state(t, w.j.Volume).Path
	before, err := l.cluster.JobRevision(t.Context(), w.j.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, mebibytes := range []int{32, 32, 16, 48} {
		w.undisturbed(fmt.Sprint("resized to ", mebibytes), func() { l.size(t, w.v, mebibytes) })
	}
	if err := os.WriteFile(filepath.Join(path, "file"), make([]byte, 20<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	unix.Sync()
	small := w.v
	small.CapacityMiB = 16
	var kept *provisioner.KeptError
	if err := l.cluster.EnsureVolume(t.Context(), small); !errors.As(err, &kept) || !strings.Contains(kept.Reason, "keeps its size instead of 16 MiB") {
		t.Error("shrunk below what it holds:", err)
	}
	if after, err := l.cluster.JobRevision(t.Context(), w.j.ID); err != nil || after != before {
		t.Errorf("the job was touched: %s, then %s (%v)", before, after, err)
	}
	other := w.v
	other.Instance = "another"
	if err := l.cluster.EnsureVolume(t.Context(), other); !errors.Is(err, ErrForeign) {
		t.Error("somebody else's volume was used:", err)
	}
	if err := l.cluster.RemoveJob(t.Context(), w.j.ID, w.j.InstanceID); err != nil {
		t.Fatal(err)
	}
	if err := until(30*time.Second, func() error { return l.cluster.RemoveVolume(t.Context(), w.v, w.j.ID, w.j.InstanceID) }); err != nil {
		t.Fatal(err)
	}
	if left, err := l.cluster.volume(t.Context(), w.j.Volume); err != nil || left != nil {
		t.Errorf("left: %+v, %v", left, err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Error("the folder is still there:", err)
	}
}

// faults are what happens to machines. The writer goes on, or comes back with all it had, and nothing is claimed twice.
func (l *limited) faults(t *testing.T) {
	w := l.writes(t, "e2e-faults", 21081)
	w.claims("at the start")

	w.undisturbed("the plugin is killed", func() {
		killed := l.plugin(t)
		if err := syscall.Kill(killed, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		l.size(t, w.v, 40)
	})
	w.undisturbed("a second claim reads", func() { l.reads(t, w) })
	w.claims("after the reader")
	w.undisturbed("server and client are killed", func() {
		l.Kill()
		l.start(t)
		w.limited = l
		l.size(t, w.v, 48)
	})
	w.undisturbed("the plugin is stopped, and back", func() { l.withoutPlugin(t, w) })
	w.undisturbed("deregistered while it is used", func() {
		err := l.root.CSIVolumes().Deregister(w.j.Volume, false, &api.WriteOptions{Namespace: "frama"})
		if err == nil || !strings.Contains(err.Error(), "in use") {
			t.Error("Nomad lets it go:", err)
		}
	})
	for n := range 3 {
		w.disturbed(fmt.Sprintf("purged and registered, %d", n+1), func() {
			if err := l.cluster.RemoveJob(t.Context(), w.j.ID, w.j.InstanceID); err != nil {
				t.Fatal(err)
			}
			w.begins()
		})
	}
	w.claims("after purges")
	w.disturbed("a forced drain", func() {
		_, err := l.root.Nodes().UpdateDrain(l.NodeID, &api.DrainSpec{Deadline: -1, IgnoreSystemJobs: true}, false, nil)
		if err == nil {
			err = until(20*time.Second, func() error {
				if w.mounts() > 0 {
					return errors.New("it is still mounted")
				}
				return nil
			})
		}
		if _, again := l.root.Nodes().UpdateDrain(l.NodeID, nil, true, nil); err != nil || again != nil {
			t.Fatal(err, again)
		}
	})
	w.claims("after the drain")
	w.disturbed("its registration is lost, and garbage collected", func() {
		if err := l.cluster.RemoveJob(t.Context(), w.j.ID, w.j.InstanceID); err != nil {
			t.Fatal(err)
		}
		err := until(30*time.Second, func() error {
			return l.root.CSIVolumes().Deregister(w.j.Volume, false, &api.WriteOptions{Namespace: "frama"})
		})
		if collect := l.root.System().GarbageCollect(); err != nil || collect != nil {
			t.Fatal(err, collect)
		}
		l.size(t, w.v, 48) // registers what it finds
		w.begins()
	})
	w.claims("after it was registered anew")
	w.disturbed("the machine starts again, without its data disk at first", func() { l.reboots(t, w) })
	w.claims("after the reboot")
}

// reads copies the diary in another job, which may only read, while the writer writes.
func (l *limited) reads(t *testing.T, w *writer) {
	hcl := strings.NewReplacer("VOLUME", w.j.Volume, "NODE", l.NodeID).Replace(`
job "e2e-reader" {
  type = "batch"
  group "app" {
    constraint {
      attribute = "${node.unique.id}"
      value     = "NODE"
    }
    volume "data" {
      type            = "csi"
      source          = "VOLUME"
      read_only       = true
      access_mode     = "multi-node-single-writer"
      attachment_mode = "file-system"
    }
    volume "usr" {
      type      = "host"
      source    = "frama-usr"
      read_only = true
    }
    restart {
      attempts = 0
      mode     = "fail"
    }
    task "app" {
      driver = "exec"
      config {
        command = "/bin/sh"
        args    = ["-c", "cp /data/diary local/copy && test -s local/copy && ! touch /data/new"]
      }
      volume_mount {
        volume      = "data"
        destination = "/data"
        read_only   = true
      }
      volume_mount {
        volume      = "usr"
        destination = "/usr"
        read_only   = true
      }
    }
  }
}`)
	job, err := l.root.Jobs().ParseHCLOpts(&api.JobsParseRequest{JobHCL: hcl, Canonicalize: true})
	if err != nil {
		t.Fatal(err)
	}
	job.Namespace = ptr("frama")
	if _, _, err := l.root.Jobs().Register(job, &api.WriteOptions{Namespace: "frama"}); err != nil {
		t.Fatal(err)
	}
	err = until(40*time.Second, func() error {
		allocs, _, err := l.root.Jobs().Allocations("e2e-reader", true, &api.QueryOptions{Namespace: "frama"})
		if err != nil || len(allocs) == 0 || allocs[0].ClientStatus != api.AllocClientStatusComplete {
			return fmt.Errorf("%s, %v", asJSON(allocs), err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if _, _, err := l.root.Jobs().Deregister("e2e-reader", true, &api.WriteOptions{Namespace: "frama"}); err != nil {
		t.Fatal(err)
	}
}

// withoutPlugin: what needs the plugin waits and says for what.
func (l *limited) withoutPlugin(t *testing.T, w *writer) {
	inNode := &api.WriteOptions{Namespace: l.NodeNamespace}
	job, _, err := l.root.Jobs().Info(volumesJob, &api.QueryOptions{Namespace: l.NodeNamespace})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := l.root.Jobs().Deregister(volumesJob, false, inNode); err != nil {
		t.Fatal(err)
	}
	var later *provisioner.TemporaryError
	err = until(20*time.Second, func() error {
		if err := l.cluster.EnsureVolume(t.Context(), w.v); !errors.As(err, &later) || !strings.Contains(later.Reason, "volume plugin does not run on node") {
			return fmt.Errorf("without the plugin: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	for _, check := range l.cluster.Doctor(t.Context()) {
		if check.Name == "volumes" && (check.OK || !strings.Contains(check.Detail, "does not run on node") || check.Mend == "") {
			t.Errorf("%+v", check)
		}
	}
	job.Stop = ptr(false)
	if _, _, err := l.root.Jobs().Register(job, inNode); err != nil {
		t.Fatal(err)
	}
	l.size(t, w.v, 48)
	if err := l.AwaitVolumes(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// reboots ends everything on the machine at once, mounts included. Where the disk was, there is an empty folder.
func (l *limited) reboots(t *testing.T, w *writer) {
	away := l.options.Volumes + ".away"
	l.Kill()
	if _, err := dev.Sweep(l.options.Data); err != nil {
		t.Fatal(err)
	}
	unmountBelow(l.options.Data)
	if err := errors.Join(os.Rename(l.options.Volumes, away), os.Mkdir(l.options.Volumes, 0o755)); err != nil {
		t.Fatal(err)
	}
	l.start(t)
	if err := l.AwaitVolumes(t.Context()); err != nil {
		t.Fatal(err)
	}
	var refused *provisioner.RefusedError
	err := until(30*time.Second, func() error {
		if err := l.cluster.EnsureVolume(t.Context(), w.v); !errors.As(err, &refused) || !strings.Contains(err.Error(), "is its disk mounted?") {
			return fmt.Errorf("without the disk: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	version, err := l.cluster.serverVersion(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	later := !older(version, disconnectVersion) // tries again by itself
	err = until(30*time.Second, func() error {  // Nomad tries meanwhile
		health, err := l.cluster.JobHealth(t.Context(), w.j.ID)
		if err == nil && (!strings.Contains(health.Reason, "is its disk mounted?") || health.State != provisioner.JobFailed && !later) {
			err = fmt.Errorf("without the disk: %+v", health)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if made, err := os.ReadDir(l.options.Volumes); err != nil || len(made) > 0 {
		t.Fatalf("something was made in place of the missing disk: %v %v", made, err)
	}
	if err := errors.Join(os.Remove(l.options.Volumes), os.Rename(away, l.options.Volumes)); err != nil {
		t.Fatal(err)
	}
	if err := until(60*time.Second, func() error { return l.cluster.EnsureVolume(t.Context(), w.v) }); err != nil {
		t.Fatal(err)
	}
	// A version that tries again by itself takes the job registered afresh just as well.
	if err := l.cluster.RemoveJob(t.Context(), w.j.ID, w.j.InstanceID); err != nil {
		t.Fatal(err)
	}
	if err := until(60*time.Second, func() error { return l.cluster.EnsureJob(t.Context(), w.j) }); err != nil {
		t.Fatal(err)
	}
}

// refused: what stands in the way is said, with what to do.
func (l *limited) refused(t *testing.T) {
	v := provisioner.Volume{Name: "e2e-refused-data", Node: l.NodeID, Instance: "i1", CapacityMiB: 16}
	if said, err := exec.Command("btrfs", "quota", "disable", filepath.Dir(l.options.Volumes)).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	var words *provisioner.RefusedError
	if err := l.cluster.EnsureVolume(t.Context(), v); !errors.As(err, &words) || !strings.Contains(err.Error(), "btrfs quota enable") {
		t.Errorf("%v does not say what to do", err)
	}
	if known, err := l.cluster.volume(t.Context(), v.Name); err != nil || known != nil {
		t.Error("a volume without limit was made:", known, err)
	}
}
