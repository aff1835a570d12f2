package volume

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"pgregory.net/rapid"
)

const id = "lilas-etherpad-data1"

// errKilled stands for the end of the process in the middle of a call.
var errKilled = errors.New("killed")

// paper is a mechanism on plain folders that keeps limits in a table, and may be killed before any of its steps.
type paper struct {
	mu      sync.Mutex
	vols    map[string]*paperVolume
	after   int   // steps until it is killed; negative for never
	refuses error // why limits are not kept
}

type paperVolume struct {
	claimed     bool
	limit, used int64
	record      record
	known       bool
}

func (p *paper) step(vol *os.File, do func(v *paperVolume)) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.after == 0 {
		return errKilled
	}
	p.after--
	name := filepath.Base(vol.Name())
	if p.vols[name] == nil {
		p.vols[name] = &paperVolume{}
	}
	do(p.vols[name])
	return nil
}

func (p *paper) String() string          { return "paper" }
func (p *paper) enforced(*os.File) error { return p.refuses }
func (p *paper) claim(_, vol *os.File) error {
	return p.step(vol, func(v *paperVolume) { v.claimed = true })
}

func (p *paper) make(dir *os.File, id string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.after == 0 {
		return errKilled
	}
	p.after--
	err := os.Mkdir(filepath.Join(dir.Name(), id), 0o700)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}

func (p *paper) limit(vol *os.File) (limit, used int64, err error) {
	err = p.step(vol, func(v *paperVolume) { limit, used = v.limit, v.used })
	return limit, used, err
}

func (p *paper) setLimit(vol *os.File, bytes int64) error {
	return p.step(vol, func(v *paperVolume) { v.limit = bytes })
}

func (p *paper) read(vol *os.File) (r record, known bool, err error) {
	err = p.step(vol, func(v *paperVolume) { r, known = v.record, v.known })
	return r, known, err
}

func (p *paper) write(vol *os.File, r record) error {
	return p.step(vol, func(v *paperVolume) { v.record, v.known = r, true })
}

func (p *paper) remove(f *Folder, name string, vol *os.File) error {
	if err := p.step(vol, func(*paperVolume) {}); err != nil {
		return err
	}
	return f.root.RemoveAll(name)
}

// onPaper opens a folder for one call.
func onPaper(t interface{ Fatal(...any) }, dir string, p *paper) *Folder {
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return &Folder{path: dir, given: dir, dir: file, root: root, means: p}
}

func newPaper() *paper { return &paper{vols: map[string]*paperVolume{}, after: -1} }

// TestRequests makes random requests, kills some of them part-way and makes them again. What comes out is what the requests
// say, made once each.
func TestRequests(t *testing.T) {
	base := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp(base, "")
		if err != nil {
			t.Fatal(err)
		}
		p := newPaper()
		var want record
		exists := false
		sizes := rapid.Int64Range(1, 6)
		t.Repeat(map[string]func(*rapid.T){
			"request": func(t *rapid.T) {
				resize := exists && rapid.Bool().Draw(t, "resize")
				bytes := sizes.Draw(t, "MiB")<<20 + rapid.Int64Range(0, 1).Draw(t, "odd")
				next := record{Limit: round(bytes), Owner: "i1"}
				used := int64(0)
				if exists {
					used = p.vols[id].used
				}
				for kills := rapid.IntRange(0, 3).Draw(t, "kills"); ; kills-- {
					p.after = -1
					if kills > 0 {
						p.after = rapid.IntRange(0, 8).Draw(t, "steps")
					}
					f := onPaper(t, dir, p)
					var s State
					if resize {
						s, err = f.Resize(id, "i1", bytes)
					} else {
						s, err = f.Create(Request{ID: id, Owner: "i1", Bytes: bytes, UID: -1, GID: -1, Mode: 0o750})
					}
					f.Close()
					if errors.Is(err, errKilled) {
						continue
					}
					if used > next.Limit && next != want {
						if !errors.Is(err, ErrHoldsMore) {
							t.Fatalf("it holds %d, and was limited to %d: %v", used, bytes, err)
						}
						return
					}
					if err != nil || s.Limit != next.Limit || s.Path != filepath.Join(dir, id) || s.Owner != "i1" {
						t.Fatalf("%+v, %v, want %+v", s, err, next)
					}
					want, exists = next, true
					break
				}
			},
			"write": func(t *rapid.T) {
				if exists {
					p.vols[id].used = rapid.Int64Range(0, p.vols[id].limit).Draw(t, "bytes")
				}
			},
			"": func(t *rapid.T) {
				if !exists {
					return
				}
				v := p.vols[id]
				if !v.claimed || !v.known || v.limit != want.Limit || v.record != want {
					t.Fatalf("%+v, want %+v", v, want)
				}
			},
		})
	})
}

// TestDeleteCutShort: called again it goes on, and what another volume holds is left alone.
func TestDeleteCutShort(t *testing.T) {
	const other = "lilas-etherpad-data2"
	for after := range 4 {
		dir, p := t.TempDir(), newPaper()
		for _, name := range []string{id, other} {
			f := onPaper(t, dir, p)
			if _, err := f.Create(Request{ID: name, Bytes: Least, UID: -1, GID: -1, Mode: 0o700}); err != nil {
				t.Fatal(err)
			}
			f.Close()
			if err := os.WriteFile(filepath.Join(dir, name, "file"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for _, p.after = range []int{after, -1, -1} {
			f := onPaper(t, dir, p)
			if err := f.Delete(id, ""); err != nil && !errors.Is(err, errKilled) {
				t.Fatal(err)
			}
			f.Close()
		}
		left, err := os.ReadDir(dir)
		if err != nil || len(left) != 1 || left[0].Name() != other {
			t.Errorf("cut after %d steps: %v %v", after, left, err)
		}
		if _, err := os.Stat(filepath.Join(dir, other, "file")); err != nil {
			t.Error(err)
		}
	}
}

// TestNamesThatLeadElsewhere: only plain names become part of a path.
func TestNamesThatLeadElsewhere(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "volumes")
	outside := filepath.Join(parent, "outside")
	for _, folder := range []string{dir, outside} {
		if err := os.Mkdir(folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	names := []string{"", ".", "..", "../outside", "/etc", id + "/../../outside", id + "\n", id + " ", " " + id, strings.ToUpper(id), id + "\x00",
		"-" + id, id + "-", strings.Replace(id, "-", "/", 1), strings.Repeat("a", 129), "a", "{" + id + "}", asided(id)}
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.OneOf(rapid.SampledFrom(names), rapid.String().Filter(func(s string) bool { return !identifier.MatchString(s) })).Draw(t, "name")
		p := newPaper()
		f := onPaper(t, dir, p)
		defer f.Close()
		_, created := f.Create(Request{ID: name, Bytes: Least, UID: -1, GID: -1})
		_, resized := f.Resize(name, "", Least)
		for _, err := range []error{created, resized, f.Delete(name, ""), f.Mount(name, filepath.Join(outside, "mount"), false)} {
			if err == nil || !strings.Contains(err.Error(), "no name of a volume") {
				t.Fatalf("%q: %v", name, err)
			}
		}
		for folder, want := range map[string]int{parent: 2, dir: 0, outside: 0} {
			if left, err := os.ReadDir(folder); err != nil || len(left) != want {
				t.Fatalf("%q: %s has %v %v", name, folder, left, err)
			}
		}
	})
}

// TestOwners: a volume is found again by its owner only.
func TestOwners(t *testing.T) {
	p, dir := newPaper(), t.TempDir()
	f := onPaper(t, dir, p)
	defer f.Close()
	if _, err := f.Create(Request{ID: id, Owner: "i1", Bytes: Least, UID: -1, GID: -1}); err != nil {
		t.Fatal(err)
	}
	_, created := f.Create(Request{ID: id, Owner: "i2", Bytes: Least, UID: -1, GID: -1})
	_, resized := f.Resize(id, "i2", Least)
	for _, err := range []error{created, resized, f.Delete(id, "i2"), f.Delete(id, "")} {
		if err == nil || !strings.Contains(err.Error(), "belongs to i1") {
			t.Error(err)
		}
	}
	if err := f.Delete(id, "i1"); err != nil {
		t.Error(err)
	}
}

// TestDeleteAfterOneThatWasCutShort: what is left of an earlier volume of the same name is in nobody's way.
func TestDeleteAfterOneThatWasCutShort(t *testing.T) {
	p, dir := newPaper(), t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, asided(id), "left"), 0o700); err != nil {
		t.Fatal(err)
	}
	f := onPaper(t, dir, p)
	defer f.Close()
	if _, err := f.Create(Request{ID: id, Bytes: Least, UID: -1, GID: -1}); err != nil {
		t.Fatal(err)
	}
	if err := f.Delete(id, ""); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Error(left, err)
	}
}

// TestNothingStandsInForWhatIsMissing: only a folder with frama's record is mounted or resized, and none is made for it.
func TestNothingStandsInForWhatIsMissing(t *testing.T) {
	p, dir := newPaper(), t.TempDir()
	for _, make := range []func() error{func() error { return nil }, func() error { return os.Mkdir(filepath.Join(dir, id), 0o700) }} {
		if err := make(); err != nil {
			t.Fatal(err)
		}
		before, _ := os.ReadDir(dir)
		f := onPaper(t, dir, p)
		_, resized := f.Resize(id, "", Least)
		_, looked := f.Look(id)
		for _, err := range []error{resized, looked, f.Mount(id, filepath.Join(t.TempDir(), "mount"), false)} {
			if err == nil || !strings.Contains(err.Error(), "volume "+id) {
				t.Error(err)
			}
		}
		f.Close()
		if after, err := os.ReadDir(dir); err != nil || len(after) != len(before) {
			t.Error(after, err)
		}
	}
}

func TestSizes(t *testing.T) {
	p, dir := newPaper(), t.TempDir()
	for _, bytes := range []int64{-1, 0, Least - 1, 1<<63 - 1} {
		f := onPaper(t, dir, p)
		if _, err := f.Create(Request{ID: id, Bytes: bytes}); err == nil {
			t.Errorf("%d bytes were taken", bytes)
		}
		if _, err := f.Resize(id, "", bytes); err == nil {
			t.Errorf("%d bytes were taken", bytes)
		}
		f.Close()
	}
	for bytes, want := range map[int64]uint64{Least: leastFiles, 1 << 30: 65536, 1 << 34: 1 << 20} {
		if got := files(bytes); got != want {
			t.Errorf("%d bytes: %d files, want %d", bytes, got, want)
		}
	}
}

// TestHalfAdopted: what a killed adoption left is no volume until it is adopted to the end.
func TestHalfAdopted(t *testing.T) {
	p, dir := newPaper(), t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, id, "some of the files"), 0o700); err != nil {
		t.Fatal(err)
	}
	p.vols[id] = &paperVolume{claimed: true, limit: Least}
	f := onPaper(t, dir, p)
	defer f.Close()
	if _, err := f.Create(Request{ID: id, Owner: "i1", Bytes: Least, UID: -1, GID: -1}); err == nil || !strings.Contains(err.Error(), "adopt") {
		t.Fatal("half of the files were taken for a volume:", err)
	}
	s, moved, err := f.Adopt(t.Context(), filepath.Join(dir, id), Request{ID: id, Owner: "i1", Bytes: 2 * Least})
	if err != nil || moved || s.Limit != 2*Least || s.Owner != "i1" {
		t.Error("adopted where it lies:", s, moved, err)
	}
}

// TestHeld: what mail servers and backups link several times takes its room once.
func TestHeld(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "message")
	if err := os.WriteFile(file, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	before, err := held(dir)
	if err != nil || before < 1<<20 {
		t.Fatal(before, err)
	}
	if err := os.Link(file, filepath.Join(dir, "copy")); err != nil {
		t.Fatal(err)
	}
	if after, err := held(dir); err != nil || after != before {
		t.Error(before, after, err)
	}
}

// TestUnlimitedIsRefused: where the kernel takes a limit and does not keep it, or keeps none, there is no volume.
func TestUnlimitedIsRefused(t *testing.T) {
	p, dir := newPaper(), t.TempDir()
	p.refuses = errors.New("quotas were switched off")
	f := onPaper(t, dir, p)
	defer f.Close()
	if _, err := f.Create(Request{ID: id, Bytes: Least, UID: -1, GID: -1}); !errors.Is(err, p.refuses) {
		t.Error(err)
	}
	for _, path := range []string{"/proc", "/sys", "/dev/shm"} {
		if f, err := Open(path); err == nil {
			f.Close()
			t.Error(path, "keeps limits")
		}
	}
}

// TestPick: a number is the same again for the same volume, and never one that is taken.
func TestPick(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.String().Draw(t, "volume")
		taken := map[uint32]bool{}
		var first uint32
		for n := range rapid.IntRange(1, 50).Draw(t, "taken") {
			got, err := pick(name, func(id uint32) (bool, error) { return taken[id], nil })
			if err != nil || taken[got] || got < firstProject || got > 1<<31-1 {
				t.Fatal(got, err)
			}
			if n == 0 {
				first = got
			}
			taken[got] = true
		}
		if again, err := pick(name, func(uint32) (bool, error) { return false, nil }); err != nil || again != first {
			t.Fatal(again, first, err)
		}
	})
	broken := errors.New("no quotas")
	if _, err := pick(id, func(uint32) (bool, error) { return false, broken }); !errors.Is(err, broken) {
		t.Error(err)
	}
	if _, err := pick(id, func(uint32) (bool, error) { return true, nil }); err == nil {
		t.Error("a number was found where all are taken")
	}
}

// TestLayouts holds structures and numbers against what a C compiler makes of the kernel's headers.
func TestLayouts(t *testing.T) {
	read, write := uintptr(2), uintptr(1)
	number := func(direction, size uintptr, kind, n byte) uintptr {
		return direction<<30 | size<<16 | uintptr(kind)<<8 | uintptr(n)
	}
	for name, pair := range map[string][2]uintptr{
		"FS_IOC_FSGETXATTR":       {attributesGet, number(read, unsafe.Sizeof(fileAttributes{}), 'X', 31)},
		"FS_IOC_FSSETXATTR":       {attributesSet, number(write, unsafe.Sizeof(fileAttributes{}), 'X', 32)},
		"BTRFS_IOC_SUBVOL_CREATE": {subvolumeCreate, number(write, unsafe.Sizeof(subvolumeName{}), 0x94, 14)},
		"BTRFS_IOC_SNAP_DESTROY":  {subvolumeDestroy, number(write, unsafe.Sizeof(subvolumeName{}), 0x94, 15)},
		"BTRFS_IOC_INO_LOOKUP":    {inodeLookup, number(read|write, unsafe.Sizeof(lookup{}), 0x94, 18)},
		"BTRFS_IOC_FS_INFO":       {fileSystemInfo, number(read, unsafe.Sizeof(info{}), 0x94, 31)},
		"BTRFS_IOC_QGROUP_LIMIT":  {groupLimit, number(read, unsafe.Sizeof(group{}), 0x94, 43)},
		"struct if_dqblk":         {72, unsafe.Sizeof(diskQuota{})},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s: %#x, want %#x", name, pair[0], pair[1])
		}
	}
}

func TestMountPoint(t *testing.T) {
	for text, want := range map[string]string{`/srv/a\040b`: "/srv/a b", `/srv/\134040`: `/srv/\040`, `/srv/\012\011`: "/srv/\n\t", "/": "/"} {
		if got := mountPoint(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// TestManyAtOnce: calls for one folder take turns, whichever process they are in.
func TestManyAtOnce(t *testing.T) {
	p, dir := newPaper(), t.TempDir()
	var wait sync.WaitGroup
	for n := range 8 {
		for range 4 {
			wait.Go(func() {
				f := onPaper(t, dir, p)
				defer f.Close()
				if _, err := f.Create(Request{ID: fmt.Sprintf("%s%d", id, n), Bytes: 2 * Least, UID: -1, GID: -1, Mode: 0o700}); err != nil {
					t.Error(err)
				}
			})
		}
	}
	wait.Wait()
	f := onPaper(t, dir, p)
	defer f.Close()
	all, err := f.List()
	if err != nil || len(all) != 8 {
		t.Fatal(all, err)
	}
	for _, s := range all {
		if !s.Ours || s.Limit != 2*Least {
			t.Error(s)
		}
	}
}
