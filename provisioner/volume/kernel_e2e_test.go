//go:build e2e

package volume

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const (
	mib    = 1 << 20
	nobody = 65534
)

// TestMain also serves as the first process of a guest kernel, and as an application that writes.
func TestMain(m *testing.M) {
	if os.Getpid() == 1 && os.Getenv("FRAMA_GUEST") != "" {
		guest(m)
	}
	if path := os.Getenv("FRAMA_FILL"); path != "" {
		fill(path)
	}
	os.Exit(m.Run())
}

// volumeID makes a name.
func volumeID(n int) string { return fmt.Sprintf("lilas-%d-data", n) }

// fill writes a file until an error or until it has size bytes, and prints how many it wrote and why it ended.
func fill(path string) {
	size, _ := strconv.Atoi(os.Getenv("FRAMA_FILL_BYTES"))
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	written := 0
	for err == nil && written < size {
		var n int
		n, err = file.Write(bytes.Repeat([]byte{byte(written >> 16)}, 64<<10))
		written += n
	}
	if err == nil {
		err = file.Sync()
	}
	fmt.Println(written, full(err), err)
	os.Exit(0)
}

func full(err error) bool { return errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.ENOSPC) }

// write lets an application, which is not root, write a file. It says how much got there, and whether the volume was full.
func write(t *testing.T, path string, size int) (written int, isFull bool) {
	t.Helper()
	cmd := exec.Command(os.Getenv("FRAMA_WRITER"))
	cmd.Env = []string{"FRAMA_FILL=" + path, fmt.Sprint("FRAMA_FILL_BYTES=", size)}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	said, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("writer: %v\n%s", err, said)
	}
	fields := strings.SplitN(strings.TrimSpace(string(said)), " ", 3)
	if written, err = strconv.Atoi(fields[0]); err != nil || len(fields) != 3 {
		t.Fatalf("writer: %s", said)
	}
	if isFull = fields[1] == "true"; !isFull && fields[2] != "<nil>" {
		t.Fatalf("%s: %s", path, fields[2])
	}
	return written, isFull
}

// open opens the folder for one call, as the plugin does.
func open(t *testing.T, path string) *Folder {
	t.Helper()
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f
}

func ensure(t *testing.T, path string, n int, size int64) State {
	t.Helper()
	f := open(t, path)
	defer f.Close()
	s, err := f.Create(Request{ID: volumeID(n), Bytes: size, UID: nobody, GID: nobody, Mode: 0o770})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func resize(path string, n int, size int64) (State, error) {
	f, err := Open(path)
	if err != nil {
		return State{}, err
	}
	defer f.Close()
	return f.Resize(volumeID(n), "", size)
}

func drop(path string, n int) error {
	f, err := Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Delete(volumeID(n), "")
}

// TestKept is what every kernel and file system has to do, in each of the folders of FRAMA_VOLUMES.
func TestKept(t *testing.T) {
	folders := filepath.SplitList(os.Getenv("FRAMA_VOLUMES"))
	if len(folders) == 0 {
		t.Skip("runs in guest kernels and on loop mounts: see TestGuest and TestLoopBtrfs")
	}
	for _, folder := range folders {
		t.Run(filepath.Base(folder), func(t *testing.T) { kept(t, folder) })
	}
}

func kept(t *testing.T, folder string) {
	for _, one := range []struct {
		name string
		do   func(*testing.T, string)
	}{
		{"a full volume harms no other", keepsToItself},
		{"repeated requests", repeats},
		{"calls cut short", mends},
		{"what is not ours", refuses},
		{"many at once", together},
		{"removed", removes},
		{"mounted", mounts},
		{"adopted", adopts},
		{"numbers of projects", numbers},
	} {
		t.Run(one.name, func(t *testing.T) {
			path := filepath.Join(folder, strings.ReplaceAll(one.name, " ", "-"))
			if err := os.Mkdir(path, 0o755); err != nil {
				t.Fatal(err)
			}
			one.do(t, path)
		})
	}
}

func keepsToItself(t *testing.T, path string) {
	small, other := ensure(t, path, 1, 16*mib), ensure(t, path, 2, 16*mib)
	if small.Limit != 16*mib || small.Path != filepath.Join(path, volumeID(1)) {
		t.Fatalf("%+v", small)
	}
	var s unix.Stat_t
	if err := unix.Stat(small.Path, &s); err != nil || s.Uid != nobody || s.Gid != nobody || s.Mode&0o7777 != 0o770 {
		t.Fatalf("%v, user %d, group %d, mode %o", err, s.Uid, s.Gid, s.Mode)
	}
	if n, isFull := write(t, filepath.Join(small.Path, "kept"), 4*mib); isFull || n != 4*mib {
		t.Fatal("an empty volume takes no 4 MiB", n)
	}
	n, isFull := write(t, filepath.Join(small.Path, "more"), 64*mib)
	if !isFull || n > 12*mib || n < 8*mib {
		t.Fatalf("16 MiB took 4 MiB, then %d bytes; full: %v", n, isFull)
	}
	if n, isFull := write(t, filepath.Join(other.Path, "file"), 8*mib); isFull || n != 8*mib {
		t.Fatal("the other volume took only", n)
	}
	if text, err := os.ReadFile(filepath.Join(small.Path, "kept")); err != nil || len(text) != 4*mib {
		t.Fatal("a full volume cannot be read", len(text), err)
	}
	grown, err := resize(path, 1, 32*mib)
	if err != nil || grown.Limit != 32*mib {
		t.Fatal(grown, err)
	}
	if n, isFull := write(t, filepath.Join(small.Path, "after"), 8*mib); isFull || n != 8*mib {
		t.Fatal("the grown volume took only", n)
	}
	if _, err := resize(path, 1, 8*mib); err == nil || !strings.Contains(err.Error(), "make room") {
		t.Fatal("shrunk below what it holds:", err)
	}
	for _, name := range []string{"more", "after"} {
		if err := os.Remove(filepath.Join(small.Path, name)); err != nil {
			t.Fatal(err)
		}
	}
	var shrunk State
	for range 50 { // btrfs and XFS count what was removed some time later
		unix.Sync()
		if shrunk, err = resize(path, 1, 8*mib); !errors.Is(err, ErrHoldsMore) {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if err != nil || shrunk.Limit != 8*mib || shrunk.Used < 4*mib {
		t.Fatal(shrunk, err)
	}
	if n, isFull := write(t, filepath.Join(small.Path, "again"), 2*mib); isFull || n != 2*mib {
		t.Fatal("after files were removed it takes only", n)
	}
	if n, isFull := write(t, filepath.Join(small.Path, "again"), 16*mib); !isFull || n > 2*mib {
		t.Fatal("the smaller limit is not kept", n)
	}
}

func repeats(t *testing.T, path string) {
	first := ensure(t, path, 1, 10*mib)
	if err := os.Chmod(first.Path, 0o711); err != nil {
		t.Fatal(err)
	}
	limit := func(what string, s State, err error, want int64) {
		t.Helper()
		if err != nil || s.Limit != want {
			t.Fatalf("%s: limit %d, want %d, %v", what, s.Limit, want, err)
		}
	}
	s, err := resize(path, 1, 20*mib)
	limit("grown", s, err, 20*mib)
	s, err = resize(path, 1, 20*mib)
	limit("grown again", s, err, 20*mib)
	limit("the first request again", ensure(t, path, 1, 10*mib), nil, 10*mib)
	limit("uneven", ensure(t, path, 1, 10*mib+1), nil, 10*mib+block)
	if info, err := os.Stat(first.Path); err != nil || info.Mode().Perm() != 0o711 {
		t.Fatal("its permissions are the application's, and were changed", info.Mode(), err)
	}
	// Somebody lifts the limit by hand.
	f := open(t, path)
	vol, err := f.open(volumeID(1))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.means.setLimit(vol, 100*mib); err != nil {
		t.Fatal(err)
	}
	_ = vol.Close()
	f.Close()
	limit("mended", ensure(t, path, 1, 10*mib+1), nil, 10*mib+block)
}

// mends goes as far as a call that was killed, and calls again.
func mends(t *testing.T, path string) {
	stops := []func(f *Folder, vol *os.File) error{
		func(*Folder, *os.File) error { return nil },
		func(f *Folder, vol *os.File) error { return f.means.claim(f.dir, vol) },
		func(f *Folder, vol *os.File) error { return f.means.setLimit(vol, 12*mib) },
		func(f *Folder, vol *os.File) error { return vol.Chown(nobody, nobody) },
	}
	for cut := range stops {
		f := open(t, path)
		if err := f.means.make(f.dir, volumeID(cut)); err != nil {
			t.Fatal(err)
		}
		vol, err := f.open(volumeID(cut))
		if err != nil {
			t.Fatal(err)
		}
		for _, do := range stops[:cut+1] {
			if err := do(f, vol); err != nil {
				t.Fatal(err)
			}
		}
		_ = vol.Close()
		f.Close()
		if s := ensure(t, path, cut, 12*mib); s.Limit != 12*mib {
			t.Fatalf("cut after step %d: %+v", cut, s)
		}
		if n, isFull := write(t, filepath.Join(path, volumeID(cut), "file"), 64*mib); !isFull || n > 12*mib {
			t.Fatalf("cut after step %d: it takes %d bytes", cut, n)
		}
	}
}

func refuses(t *testing.T, path string) {
	outside := filepath.Join(path, "outside")
	plain := filepath.Join(path, volumeID(2))
	for _, dir := range []string{outside, plain} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "precious"), []byte("data"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(outside, filepath.Join(path, volumeID(1))); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(path, volumeID(3)), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	ours := ensure(t, path, 5, 16*mib)
	if err := os.Symlink(ours.Path, filepath.Join(path, volumeID(4))); err != nil {
		t.Fatal(err)
	}
	for n := 1; n <= 4; n++ {
		f := open(t, path)
		if s, err := f.Create(Request{ID: volumeID(n), Bytes: 8 * mib, UID: -1, GID: -1, Mode: 0o700}); err == nil {
			t.Errorf("%d was taken for a volume: %+v", n, s)
		}
		f.Close()
		if err := drop(path, n); err == nil {
			t.Errorf("%d was removed", n)
		}
	}
	for _, file := range []string{filepath.Join(outside, "precious"), filepath.Join(plain, "precious")} {
		if _, err := os.Stat(file); err != nil {
			t.Error(err)
		}
	}
	f := open(t, path)
	all, err := f.List()
	if err != nil || len(all) != 6 {
		t.Fatal(all, err)
	}
	for _, s := range all {
		if s.Ours != (s.ID == ours.ID) || s.Ours && s.Limit != 16*mib {
			t.Errorf("%+v", s)
		}
	}
}

func together(t *testing.T, path string) {
	const volumes, calls = 12, 4
	var wait sync.WaitGroup
	errs := make(chan error, volumes*calls)
	for n := range volumes {
		for range calls {
			wait.Go(func() {
				f, err := Open(path)
				if err == nil {
					_, err = f.Create(Request{ID: volumeID(n), Bytes: 8 * mib, UID: nobody, GID: nobody, Mode: 0o700})
					f.Close()
				}
				if err != nil {
					errs <- err
				}
			})
		}
	}
	wait.Wait()
	close(errs)
	for err := range errs {
		t.Error(err)
	}
	f := open(t, path)
	all, err := f.List()
	if err != nil || len(all) != volumes {
		t.Fatal(len(all), err)
	}
	for _, s := range all {
		if s.Limit != 8*mib || !s.Ours || s.Unsure != nil {
			t.Error(s)
		}
	}
	if _, ok := f.means.(project); !ok {
		return
	}
	seen := map[uint32]bool{}
	for n := range volumes {
		p := projectOf(t, path, n)
		if seen[p] {
			t.Error("two volumes have project", p)
		}
		seen[p] = true
	}
}

func projectOf(t *testing.T, path string, n int) uint32 {
	t.Helper()
	file, err := os.Open(filepath.Join(path, volumeID(n)))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	a, err := attributesOf(file)
	if err != nil {
		t.Fatal(err)
	}
	return a.project
}

func removes(t *testing.T, path string) {
	outside := filepath.Join(path, "outside")
	if err := os.MkdirAll(filepath.Join(outside, "below"), 0o755); err != nil {
		t.Fatal(err)
	}
	for n := range 4 {
		dir := ensure(t, path, n, 8*mib).Path
		if err := os.MkdirAll(filepath.Join(dir, "a", "b"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(outside, filepath.Join(dir, "a", "link")); err != nil {
			t.Fatal(err)
		}
	}
	// Something is mounted in one.
	inside := filepath.Join(path, volumeID(1), "a", "b")
	if err := unix.Mount(outside, inside, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	err := drop(path, 1)
	if err := unix.Unmount(inside, 0); err != nil {
		t.Fatal(err)
	}
	if err == nil || !strings.Contains(err.Error(), inside) {
		t.Error("removed with something mounted in it:", err)
	}
	// A removal was cut short.
	if err := os.Rename(filepath.Join(path, volumeID(2)), filepath.Join(path, asided(volumeID(2)))); err != nil {
		t.Fatal(err)
	}
	for n := range 3 {
		for range 2 {
			if err := drop(path, n); err != nil {
				t.Error(err)
			}
		}
		for _, name := range []string{volumeID(n), asided(volumeID(n))} {
			if _, err := os.Lstat(filepath.Join(path, name)); !errors.Is(err, fs.ErrNotExist) {
				t.Error(name, "is still there", err)
			}
		}
	}
	for _, there := range []string{filepath.Join(outside, "below"), filepath.Join(path, volumeID(3), "a", "link")} {
		if _, err := os.Lstat(there); err != nil {
			t.Error(err)
		}
	}
	if s := ensure(t, path, 0, 16*mib); s.Limit != 16*mib {
		t.Error("made anew:", s)
	}
}

// mounts makes volumes visible elsewhere, as tasks see them.
func mounts(t *testing.T, path string) {
	vol := ensure(t, path, 1, 16*mib)
	targets := filepath.Join(path, ".targets")
	if err := os.Mkdir(targets, 0o755); err != nil {
		t.Fatal(err)
	}
	target, reader := filepath.Join(targets, "writer"), filepath.Join(targets, "reader")
	mount := func(n int, target string, readOnly bool) error {
		f := open(t, path)
		defer f.Close()
		return f.Mount(volumeID(n), target, readOnly)
	}
	// Whoever mounted it for a reader was killed before the mount was made read-only.
	if err := errors.Join(os.Mkdir(reader, 0o700), unix.Mount(vol.Path, reader, "", unix.MS_BIND, "")); err != nil {
		t.Fatal(err)
	}
	for range 2 { // again is as once
		if err := errors.Join(mount(1, target, false), mount(1, reader, true)); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		for range 2 {
			if err := errors.Join(Unmount(target), Unmount(reader)); err != nil {
				t.Error(err)
			}
		}
		for _, gone := range []string{target, reader} {
			if _, err := os.Lstat(gone); !errors.Is(err, fs.ErrNotExist) {
				t.Error(gone, "is still there", err)
			}
		}
		if text, err := os.ReadFile(filepath.Join(vol.Path, "file")); err != nil || string(text) != "data" {
			t.Error("unmounting took data away:", err)
		}
	})
	if err := os.WriteFile(filepath.Join(target, "file"), []byte("data"), 0o600); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(reader, "file")); err != nil || string(text) != "data" {
		t.Fatal(string(text), err)
	}
	if err := os.WriteFile(filepath.Join(reader, "file"), nil, 0o600); !errors.Is(err, unix.EROFS) {
		t.Error("a reader writes:", err)
	}
	ensure(t, path, 2, 8*mib)
	if err := mount(2, target, false); err == nil || !strings.Contains(err.Error(), "something else") {
		t.Error("mounted over another volume:", err)
	}
	if err := drop(path, 1); !errors.Is(err, ErrInUse) {
		t.Error("a mounted volume was removed:", err)
	}
	// The limit got lost by hand, and the disk is missing.
	f := open(t, path)
	file, err := f.open(volumeID(2))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.means.setLimit(file, 100*mib); err != nil {
		t.Fatal(err)
	}
	_ = file.Close()
	f.Close()
	second := filepath.Join(targets, "second")
	if err := mount(2, second, false); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = Unmount(second) }()
	f = open(t, path)
	defer f.Close()
	if s, err := f.Look(volumeID(2)); err != nil || s.Limit != 8*mib {
		t.Error("the limit was not put right:", s, err)
	}
	if err := mount(3, filepath.Join(targets, "third"), false); err == nil || !strings.Contains(err.Error(), "is its disk mounted?") {
		t.Error("a volume that is not there was mounted:", err)
	}
}

// adopts makes volumes of folders that nobody limited.
func adopts(t *testing.T, path string) {
	adopt := func(from string, n int, size int64) (State, bool, error) {
		f := open(t, path)
		defer f.Close()
		return f.Adopt(t.Context(), from, Request{ID: volumeID(n), Bytes: size, Owner: "i1"})
	}
	folder := func(name string) string {
		from := filepath.Join(path, name)
		deep := filepath.Join(from, "a", "b")
		err := errors.Join(os.MkdirAll(deep, 0o750), os.WriteFile(filepath.Join(deep, "file"), bytes.Repeat([]byte("x"), 4*mib), 0o640),
			os.Symlink("/nowhere", filepath.Join(from, "link")), os.Chown(from, nobody, 4711), os.Chown(deep, nobody, nobody), os.Chown(filepath.Dir(deep), nobody, nobody), os.Chmod(from, 0o711))
		if err != nil {
			t.Fatal(err)
		}
		unix.Sync()
		return from
	}
	old := folder("Old.1")
	if _, _, err := adopt(old, 1, 2*mib); !errors.Is(err, ErrHoldsMore) {
		t.Fatal("adopted into less than it holds:", err)
	}
	s, moved, err := adopt(old, 1, 16*mib)
	if err != nil || s.Limit != 16*mib || s.Used < 4*mib || s.Owner != "i1" {
		t.Fatal(s, err)
	}
	var info unix.Stat_t
	if err := unix.Stat(s.Path, &info); err != nil || info.Uid != nobody || info.Gid != 4711 || info.Mode&0o7777 != 0o711 {
		t.Errorf("%v, user %d, group %d, mode %o", err, info.Uid, info.Gid, info.Mode)
	}
	if text, err := os.ReadFile(filepath.Join(s.Path, "a", "b", "file")); err != nil || len(text) != 4*mib {
		t.Error(len(text), err)
	}
	if n, isFull := write(t, filepath.Join(s.Path, "a", "b", "more"), 64*mib); !isFull || n > 12*mib {
		t.Errorf("16 MiB took 4 MiB, then %d bytes; full: %v", n, isFull)
	}
	f := open(t, path)
	_, subvolumes := f.means.(btrfs)
	f.Close()
	if moved == subvolumes || exists(old) == moved {
		t.Errorf("moved: %v, and the old folder is there: %v", moved, exists(old))
	}
	again, _, err := adopt(filepath.Join(path, "Old.gone"), 1, 16*mib)
	if err != nil || again.Limit != 16*mib {
		t.Error("again:", again, err)
	}
	// One that was made meanwhile holds something else.
	ensure(t, path, 2, 8*mib)
	if _, _, err := adopt(folder("Old.2"), 2, 8*mib); err == nil || !strings.Contains(err.Error(), "belongs to") && !strings.Contains(err.Error(), "such a volume already") {
		t.Error("adopted over a volume:", err)
	}
	// Cut short after the rename.
	third := folder("Old.3")
	if !subvolumes {
		if err := os.Rename(third, filepath.Join(path, volumeID(3))); err != nil {
			t.Fatal(err)
		}
	}
	if s, _, err := adopt(third, 3, 16*mib); err != nil || s.Limit != 16*mib || s.Used < 4*mib {
		t.Error("gone on:", s, err)
	}
	if err := os.Symlink(old, filepath.Join(path, "Link")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := adopt(filepath.Join(path, "Link"), 4, 16*mib); err == nil {
		t.Error("a link was adopted")
	}
}

// numbers looks at what only projects have.
func numbers(t *testing.T, path string) {
	f := open(t, path)
	if _, ok := f.means.(project); !ok {
		t.Skip("no projects here")
	}
	const one, two = 71, 72 // other tests use the same file system
	wanted, err := pick(volumeID(one), func(uint32) (bool, error) { return false, nil })
	if err != nil {
		t.Fatal(err)
	}
	// Another program has set a limit for this number.
	if err := setProjectLimits(f.dir, wanted, 5*mib, 0); err != nil {
		t.Fatal(err)
	}
	ensure(t, path, one, 8*mib)
	if got := projectOf(t, path, one); got != wanted+1 {
		t.Errorf("project %d, want %d", got, wanted+1)
	}
	if q, err := projectQuota(f.dir, wanted); err != nil || q.bytesLimit != 5*mib {
		t.Error("somebody else's limit was changed:", q, err)
	}
	// Files are limited as well.
	q, err := projectQuota(f.dir, wanted+1)
	if err != nil || q.filesLimit != leastFiles {
		t.Fatal(q, err)
	}
	if err := setProjectLimits(f.dir, wanted+1, 8*mib, 5); err != nil { // the folder is one
		t.Fatal(err)
	}
	for i := range 5 {
		_, isFull := write(t, filepath.Join(path, volumeID(one), fmt.Sprint(i)), 0)
		if isFull != (i == 4) {
			t.Errorf("file %d: full %v", i, isFull)
		}
	}
	if err := drop(path, one); err != nil {
		t.Fatal(err)
	}
	if q, err := projectQuota(f.dir, wanted+1); err != nil || q.bytesLimit != 0 || q.filesLimit != 0 {
		t.Error("the limit of a removed volume is still there:", q, err)
	}
	// A folder of volumes that is in a project itself.
	a, err := attributesOf(f.dir)
	if err != nil {
		t.Fatal(err)
	}
	a.project, a.flags = 7, a.flags|inherit
	if err := setAttributes(f.dir, a); err != nil {
		t.Fatal(err)
	}
	ensure(t, path, two, 8*mib)
	if got := projectOf(t, path, two); got < firstProject {
		t.Error("the volume stayed in the project of its folder:", got)
	}
}

// TestRefused looks at file systems that keep no limits, in each of the folders of FRAMA_REFUSED.
func TestRefused(t *testing.T) {
	folders := filepath.SplitList(os.Getenv("FRAMA_REFUSED"))
	if len(folders) == 0 {
		t.Skip("runs in guest kernels: see TestGuest")
	}
	for _, folder := range folders {
		_, hint, _ := strings.Cut(filepath.Base(folder), "+")
		f, err := Open(folder)
		if err == nil {
			_, err = f.Create(Request{ID: volumeID(1), Bytes: 8 * mib, UID: -1, GID: -1, Mode: 0o700})
			if made, _ := f.List(); len(made) > 0 {
				t.Errorf("%s: left behind: %v", folder, made)
			}
			f.Close()
		}
		if err == nil {
			t.Errorf("%s: taken, as %s", folder, f.Means())
		} else if !strings.Contains(err.Error(), hint) {
			t.Errorf("%s: does not say %s: %v", folder, hint, err)
		}
	}
}
