package volume

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Adopt makes a volume of a folder that is there: of one that an earlier kind of volume left, or that was restored. Where it
// can be renamed and limited in place that is done, and moved says so; otherwise its files are copied, and the folder
// stays for whoever looked at the copy to remove. No task may use the folder. User, group and permissions stay as they are.
//
// Called again after it was cut short it goes on. A volume that is there already is never overwritten. One that lies where
// it belongs, and lacks its limit or its record, is named as the folder too.
func (f *Folder) Adopt(ctx context.Context, from string, r Request) (s State, moved bool, err error) {
	if err := errors.Join(checkSize(r.Bytes), f.Enforced()); err != nil {
		return State{}, false, err
	}
	if err := f.lock(); err != nil {
		return State{}, false, err
	}
	vol, err := f.open(r.ID)
	if err != nil {
		return State{}, false, err
	}
	switch {
	case vol == nil:
		moved, err = f.take(ctx, from, r)
	case exists(from) && sameFolder(vol, from) != nil:
		moved, err = false, f.copyInto(ctx, from, r, vol) // an earlier call was cut short
	}
	if vol != nil {
		_ = vol.Close()
	}
	if err != nil {
		return State{}, false, fmt.Errorf("adopt %s as volume %s: %w", from, r.ID, err)
	}
	if vol, err = f.open(r.ID); err != nil || vol == nil {
		return State{}, false, errors.Join(err, fmt.Errorf("volume %s went away while it was adopted", r.ID))
	}
	defer vol.Close()
	if err := f.keep(vol, r); err != nil {
		return State{}, false, fmt.Errorf("adopt %s as volume %s: %w", from, r.ID, err)
	}
	s, err = f.look(r.ID, vol)
	return s, moved, err
}

// take renames the folder, or copies it where that does not do.
func (f *Folder) take(ctx context.Context, from string, r Request) (moved bool, err error) {
	fd, err := unix.Open(from, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return false, err
	}
	source := os.NewFile(uintptr(fd), from)
	defer source.Close()
	old, known, err := f.means.read(source)
	if err != nil {
		return false, err
	}
	if err := owned(old, known, r.Owner); err != nil {
		return false, err
	}
	if err := f.fits(from, r.Bytes); err != nil {
		return false, err
	}
	if f.limitsInPlace(source) {
		err := unix.Renameat(unix.AT_FDCWD, from, int(f.dir.Fd()), r.ID)
		if err == nil {
			return true, nil
		}
		if !errors.Is(err, unix.EXDEV) { // another file system, or another project
			return false, err
		}
	}
	if err := f.means.make(f.dir, r.ID); err != nil {
		return false, err
	}
	vol, err := f.open(r.ID)
	if err != nil || vol == nil {
		return false, errors.Join(err, errors.New("its new folder went away"))
	}
	defer vol.Close()
	return false, f.copyInto(ctx, from, r, vol)
}

// limitsInPlace reports whether a folder can get a limit with what is in it: on btrfs only a subvolume can.
func (f *Folder) limitsInPlace(source *os.File) bool {
	if _, ok := f.means.(btrfs); !ok {
		return true
	}
	var s unix.Stat_t
	return unix.Fstat(int(source.Fd()), &s) == nil && s.Ino == firstInode
}

// fits refuses a size below what the folder holds, before anything is changed.
func (f *Folder) fits(from string, bytes int64) error {
	used, err := held(from)
	if err == nil && used > round(bytes) {
		err = fmt.Errorf("it holds %d MiB, more than the %d MiB it is to have: %w", mebi(used), mebi(bytes), ErrHoldsMore)
	}
	return err
}

// copyInto copies all files with their owners, permissions and times, sharing their blocks where the file system can. The
// limit is set first, so that they count from the start.
func (f *Folder) copyInto(ctx context.Context, from string, r Request, vol *os.File) error {
	_, known, err := f.means.read(vol)
	if err == nil && known {
		err = fmt.Errorf("there is such a volume already: remove %s if it is a copy of it, or the volume if it was made afresh", from)
	}
	if err != nil {
		return err
	}
	if nothing, err := bare(vol); err != nil {
		return err
	} else if nothing {
		if err := f.means.claim(f.dir, vol); err != nil {
			return err
		}
	}
	if err := f.apply(vol, round(r.Bytes), true); err != nil {
		return err
	}
	copying := exec.CommandContext(ctx, "/bin/cp", "-a", "--reflink=auto", filepath.Clean(from)+"/.", vol.Name()+"/")
	if said, err := copying.CombinedOutput(); err != nil {
		return fmt.Errorf("copy it: %w: %s", err, said)
	}
	// People remove the original next.
	if err := unix.Syncfs(int(vol.Fd())); err != nil {
		return fmt.Errorf("write the copy to the disk: %w", err)
	}
	return nil
}

// keep limits a folder that is in its place, and writes the record last.
func (f *Folder) keep(vol *os.File, r Request) error {
	old, known, err := f.means.read(vol)
	if err != nil {
		return err
	}
	if err := owned(old, known, r.Owner); err != nil {
		return err
	}
	if p, ok := f.means.(project); ok {
		if err := p.tag(f.dir, vol); err != nil {
			return err
		}
	}
	want := record{Limit: round(r.Bytes), Owner: r.Owner}
	if err := f.apply(vol, want.Limit, false); err != nil {
		return err
	}
	if known && want == old {
		return nil // a full btrfs volume has no room for the record either
	}
	return f.means.write(vol, want)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}
