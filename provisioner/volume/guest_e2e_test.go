//go:build e2e

package volume

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// images are the file systems of a guest. Sparse files; XFS is not made smaller.
var images = []struct {
	folder string // its name; what follows a plus is the option that is missing
	kind   string
	size   int64
	mkfs   []string
	mount  string
}{
	{"ext4", "ext4", 256 * mib, []string{"mkfs.ext4", "-q", "-O", "project,quota", "-E", "quotatype=prjquota"}, "prjquota"},
	{"xfs", "xfs", 512 * mib, []string{"mkfs.xfs", "-q"}, "prjquota"},
	{"btrfs", "btrfs", 512 * mib, []string{"mkfs.btrfs", "-q"}, ""},
	{"ext4-plain+tune2fs", "ext4", 32 * mib, []string{"mkfs.ext4", "-q", "-O", "^project,^quota"}, ""},
	{"ext4-without+prjquota", "ext4", 32 * mib, []string{"mkfs.ext4", "-q", "-O", "project,quota", "-E", "quotatype=prjquota"}, ""},
	{"xfs-without+prjquota", "xfs", 512 * mib, []string{"mkfs.xfs", "-q"}, ""},
	{"xfs-counting+prjquota", "xfs", 512 * mib, []string{"mkfs.xfs", "-q"}, "pqnoenforce"},
	{"btrfs-without+btrfs quota enable", "btrfs", 128 * mib, []string{"mkfs.btrfs", "-q"}, ""},
}

// TestGuest boots a kernel that has all three kinds of quotas, as a program of this machine (User-Mode Linux), and runs
// the tests of this package in it. Its root is this machine's, for reading only; it touches nothing else.
func TestGuest(t *testing.T) {
	linux := "/usr/bin/linux.uml"
	for _, program := range []string{linux, "mkfs.ext4", "mkfs.xfs", "mkfs.btrfs"} {
		if _, err := lookPath(program); err != nil {
			t.Skipf("%v: run deploy/tools/get volumes (as root)", err)
		}
	}
	work := t.TempDir()
	for dir := work; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) { // applications of the guest are nobody
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	binary := filepath.Join(work, "volume.test")
	build := exec.Command("go", "test", "-c", "-tags", "e2e", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, said)
	}
	args := []string{"mem=384M", "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro", "init=" + binary, "FRAMA_GUEST=1",
		"con=null", "con0=null,fd:1", "ssl=null", "quiet", "loglevel=3"}
	for i, image := range images {
		path := filepath.Join(work, fmt.Sprintf("%d.img", i))
		if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Truncate(path, image.size)); err != nil {
			t.Fatal(err)
		}
		mkfs, _ := lookPath(image.mkfs[0])
		if said, err := exec.Command(mkfs, append(image.mkfs[1:], path)...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", image.mkfs, err, said)
		}
		args = append(args, fmt.Sprintf("ubd%c=%s", 'a'+i, path))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, linux, args...)
	cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=" + work, "TMPDIR=" + work} // its memory is a file there
	said, err := cmd.CombinedOutput()
	if !strings.Contains(string(said), "guest: 0\n") && !strings.Contains(string(said), "guest: 0\r\n") {
		t.Fatalf("the guest failed (%v):\n%s", err, said)
	}
	for _, image := range images {
		name, _, missing := strings.Cut(image.folder, "+")
		if passed := "PASS: TestKept/" + name + " "; !missing && !strings.Contains(string(said), passed) {
			t.Errorf("no %q in what the guest said:\n%s", passed, said)
		}
	}
	t.Logf("%s", said)
}

// lookPath also looks where Debian keeps programs of root.
func lookPath(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/" + name)
	}
	return path, err
}

// guest is the first process of a guest: it mounts the file systems, runs the tests and switches off.
func guest(m *testing.M) {
	status := 1
	err := guestMounts()
	if err == nil {
		os.Args = []string{os.Args[0], "-test.v", "-test.run=^(TestKept|TestRefused)$"}
		status = m.Run()
	}
	fmt.Printf("%v\nguest: %d\n", err, status)
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
	select {}
}

func guestMounts() error {
	for _, one := range [][2]string{{"proc", "/proc"}, {"sysfs", "/sys"}, {"tmpfs", "/run"}} {
		if err := unix.Mount(one[0], one[1], one[0], 0, ""); err != nil {
			return fmt.Errorf("mount %s: %w", one[1], err)
		}
	}
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return err
	}
	release := unix.ByteSliceToString(name.Release[:])
	for _, module := range []string{"quota_tree.ko", "quota_v2.ko"} { // for ext4
		file, err := os.Open(filepath.Join("/usr/lib/uml/modules", release, "kernel/fs/quota", module))
		if err != nil {
			return err
		}
		if err := unix.FinitModule(int(file.Fd()), "", 0); err != nil {
			return fmt.Errorf("load %s: %w", module, err)
		}
	}
	var kept, refused []string
	for i, image := range images {
		point := filepath.Join("/run", image.folder)
		if err := os.Mkdir(point, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(fmt.Sprintf("/dev/ubd%c", 'a'+i), point, image.kind, 0, image.mount); err != nil {
			return fmt.Errorf("mount %s: %w", image.folder, err)
		}
		if strings.Contains(image.folder, "+") {
			refused = append(refused, point)
			continue
		}
		kept = append(kept, point)
		if image.kind == "btrfs" {
			for _, args := range [][]string{{"quota", "enable", point}, {"quota", "rescan", "-w", point}} {
				if said, err := exec.Command("/usr/bin/btrfs", args...).CombinedOutput(); err != nil {
					return fmt.Errorf("btrfs %s: %w: %s", args, err, said)
				}
			}
		}
	}
	refused = append(refused, "/run") // a tmpfs
	self, err := os.Executable()
	return errors.Join(err, os.Setenv("FRAMA_WRITER", self), os.Setenv("FRAMA_VOLUMES", strings.Join(kept, ":")), os.Setenv("FRAMA_REFUSED", strings.Join(refused, ":")))
}
