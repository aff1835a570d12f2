//go:build e2e

package nomad

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"framagit.org/frama/frama/deploy/dev"
	"framagit.org/frama/frama/provisioner"
	"framagit.org/frama/frama/provisioner/volume"
	"golang.org/x/sys/unix"
)

// limited is a Nomad whose volumes are on a btrfs, made by the real plugin.
type limited struct {
	*dev.Nomad
	options dev.NomadOptions
	cluster *Cluster
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
	plugins := filepath.Join(dir, "plugins")
	if err := os.Mkdir(plugins, 0o755); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "frama"), "framagit.org/frama/frama/cmd/frama")
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build frama: %v\n%s", err, said)
	}
	if err := os.Symlink("../frama", filepath.Join(plugins, "frama-volume")); err != nil {
		t.Fatal(err)
	}
	l := &limited{options: dev.NomadOptions{
		Bin: nomadBinary(), Data: filepath.Join(dir, "nomad"), Volumes: filepath.Join(disk.Path, "volumes"), PluginDir: plugins, KeepTasks: true,
	}}
	l.start(t)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := l.Stop(ctx); err != nil {
			t.Log(err) // tasks that the mock driver only pretends do not always end in time
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
	policy := DevelopmentPolicy()
	l.cluster, err = New(Options{Address: l.Address, Token: Static(l.Token), Policy: policy, VolumePlugin: "frama-volume"})
	if err != nil {
		t.Fatal(err)
	}
}

// state asks the kernel how a volume of an instance is.
func (l *limited) state(t *testing.T, name string) volume.State {
	t.Helper()
	known, err := l.cluster.volumesOf(t.Context(), name)
	if err != nil || len(known) == 0 {
		t.Fatal(known, err)
	}
	id := known[len(known)-1].ID
	f, err := volume.Open(l.options.Volumes)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all, err := f.List()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		if s.ID == id {
			return s
		}
	}
	t.Fatalf("volume %s is not in %s: %+v", id, l.options.Volumes, all)
	return volume.State{}
}

// size makes the volume as large, and looks whether the kernel knows.
func (l *limited) size(t *testing.T, v provisioner.Volume, mebibytes int) {
	t.Helper()
	v.CapacityMiB = mebibytes
	if err := until(20*time.Second, func() error { return l.cluster.EnsureVolume(t.Context(), v) }); err != nil {
		t.Fatal(err)
	}
	if s := l.state(t, v.Name); s.Limit != int64(mebibytes)<<20 {
		t.Fatalf("%d MiB are asked for, the kernel keeps %d bytes", mebibytes, s.Limit)
	}
}

func TestLimitedVolumes(t *testing.T) {
	l := newLimited(t)
	t.Run("life", l.life)
	t.Run("refused", l.refused)
}

// life takes a volume of the plugin through its life, while a job uses it.
func (l *limited) life(t *testing.T) {
	j := instance("e2e-limited", 21080)
	j.Node = l.NodeID
	v := provisioner.Volume{Name: j.Volume, Node: j.Node, UID: 65534, GID: 65534}
	l.size(t, v, 16)
	if err := l.cluster.EnsureSecrets(t.Context(), j.ID, map[string]string{"key": "value"}, nil); err != nil {
		t.Fatal(err)
	}
	if err := l.cluster.EnsureJob(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	healthy(t, l.cluster, j.ID)
	path := l.state(t, j.Volume).Path
	before, err := l.cluster.JobRevision(t.Context(), j.ID)
	if err != nil {
		t.Fatal(err)
	}

	t.Log("grown and shrunk while it is used")
	for _, mebibytes := range []int{32, 32, 16, 48} {
		l.size(t, v, mebibytes)
	}
	if err := os.WriteFile(filepath.Join(path, "file"), make([]byte, 20<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	unix.Sync()
	v.CapacityMiB = 16
	var kept *provisioner.KeptError
	if err := l.cluster.EnsureVolume(t.Context(), v); !errors.As(err, &kept) || !strings.Contains(kept.Reason, "stays at 48 MiB instead of 16") {
		t.Error("shrunk below what it holds:", err)
	}
	if after, err := l.cluster.JobRevision(t.Context(), j.ID); err != nil || after != before {
		t.Errorf("the job was touched: %s, then %s (%v)", before, after, err)
	}

	t.Log("the machine's Nomad starts again")
	l.Kill()
	l.start(t)
	if s := l.state(t, j.Volume); s.Limit != 48<<20 {
		t.Errorf("after a restart the limit is %d", s.Limit)
	}
	l.size(t, v, 48)

	t.Log("what was there before the plugin stays as it is")
	mkdir, err := New(Options{Address: l.Address, Token: Static(l.Token), Policy: DevelopmentPolicy()})
	if err != nil {
		t.Fatal(err)
	}
	old := provisioner.Volume{Name: "e2e-old-data", Node: l.NodeID, CapacityMiB: 10}
	for _, c := range []*Cluster{mkdir, l.cluster} {
		if err := until(20*time.Second, func() error { return c.EnsureVolume(t.Context(), old) }); err != nil {
			t.Fatal(err)
		}
		old.CapacityMiB = 20
	}
	if s := l.state(t, old.Name); s.Ours {
		t.Errorf("%+v", s)
	}

	t.Log("removed")
	if err := l.cluster.RemoveJob(t.Context(), j.ID, j.InstanceID); err != nil {
		t.Fatal(err)
	}
	if err := until(20*time.Second, func() error { return l.cluster.RemoveVolume(t.Context(), v, j.ID, j.InstanceID) }); err != nil {
		t.Fatal(err)
	}
	if left, err := l.cluster.volumesOf(t.Context(), j.Volume); err != nil || len(left) > 0 {
		t.Errorf("left: %+v, %v", left, err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Error("the folder is still there:", err)
	}
}

// refused: what stands in the way is said, with what to do.
func (l *limited) refused(t *testing.T) {
	check := func(c *Cluster) Check {
		for _, check := range c.Doctor(t.Context()) {
			if check.Name == "volume plugin" {
				return check
			}
		}
		t.Fatal("doctor does not look for the plugin")
		return Check{}
	}
	if found := check(l.cluster); !found.OK {
		t.Errorf("%+v", found)
	}
	other, err := New(Options{Address: l.Address, Token: Static(l.Token), Policy: DevelopmentPolicy(), VolumePlugin: "missing"})
	if err != nil {
		t.Fatal(err)
	}
	if found := check(other); found.OK || !strings.Contains(found.Mend, "deploy/volume/install") {
		t.Errorf("%+v", found)
	}
	v := provisioner.Volume{Name: "e2e-refused-data", Node: l.NodeID, CapacityMiB: 16}
	refused := func(c *Cluster, why string) {
		t.Helper()
		var words *provisioner.RefusedError
		if err := c.EnsureVolume(t.Context(), v); !errors.As(err, &words) || !strings.Contains(err.Error(), why) {
			t.Errorf("%v does not say %q", err, why)
		}
	}
	refused(other, "no such plugin")
	if said, err := exec.Command("btrfs", "quota", "disable", filepath.Dir(l.options.Volumes)).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	refused(l.cluster, "btrfs quota enable")
	if known, err := l.cluster.volumesOf(t.Context(), v.Name); err != nil || len(known) > 0 {
		t.Error("a volume without limit was made:", known, err)
	}
}
