package volume

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// plain keeps no limits: for file systems without quotas, where a host asked for it. Records are kept as everywhere, so
// that a missing disk is noticed, and so that the limits are known once the file system gets quotas.
type plain struct {
	attributes
}

func (plain) String() string { return "nothing: volumes have no limits" }

func (plain) enforced(*os.File) error { return nil }

func (plain) make(dir *os.File, id string) error {
	err := unix.Mkdirat(int(dir.Fd()), id, 0o700)
	if errors.Is(err, unix.EEXIST) {
		return nil
	}
	return err
}

// claim has nothing to do: nothing is counted.
func (plain) claim(_, _ *os.File) error { return nil }

func (plain) limit(vol *os.File) (limit, used int64, err error) {
	used, err = held(vol.Name())
	return 0, used, err
}

// held counts what a folder holds, in bytes on the disk: a file of several names once, as the kernel does.
func held(path string) (used int64, err error) {
	type file struct{ device, number uint64 }
	counted := map[file]bool{}
	err = filepath.WalkDir(path, func(_ string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // removed meanwhile
		}
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return nil //nolint:nilerr // removed meanwhile
		}
		s, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			return nil
		}
		if s.Nlink > 1 && !entry.IsDir() {
			one := file{s.Dev, s.Ino}
			if counted[one] {
				return nil
			}
			counted[one] = true
		}
		used += s.Blocks * 512
		return nil
	})
	return used, err
}

func (plain) setLimit(*os.File, int64) error { return nil }

func (plain) remove(f *Folder, name string, _ *os.File) error {
	if err := f.root.RemoveAll(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
