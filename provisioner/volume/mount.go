package volume

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrInUse says that a task still has the volume.
var ErrInUse = errors.New("a task still uses it")

// Mount makes a volume visible at target, for tasks. It mounts only what bears frama's record, and puts a limit right that
// got lost. Called again for the same volume it changes nothing.
func (f *Folder) Mount(id, target string, readOnly bool) error {
	if err := f.Enforced(); err != nil {
		return err
	}
	if err := f.lock(); err != nil {
		return err
	}
	vol, r, err := f.known(id)
	if err != nil {
		return err
	}
	defer vol.Close()
	if err := f.apply(vol, r.Limit, true); err != nil {
		return fmt.Errorf("volume %s: %w", id, err)
	}
	mounted, err := isMount(target)
	if err != nil {
		return err
	}
	if mounted {
		if err := sameFolder(vol, target); err != nil {
			return err
		}
		return restrict(id, target, readOnly) // a try that was cut short may not have
	}
	if err := os.Mkdir(target, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make the mount point of volume %s: %w", id, err)
	}
	// By the open folder: whoever replaces its name in between changes nothing.
	if err := unix.Mount(fmt.Sprintf("/proc/self/fd/%d", vol.Fd()), target, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount volume %s at %s: %w", id, target, err)
	}
	if err := restrict(id, target, readOnly); err != nil {
		return errors.Join(err, unix.Unmount(target, 0))
	}
	return nil
}

// restrict takes from a mount what no task needs. A bind mount does not take such flags when it is made.
func restrict(id, target string, readOnly bool) error {
	flags := uintptr(unix.MS_REMOUNT | unix.MS_BIND | unix.MS_NOSUID | unix.MS_NODEV)
	if readOnly {
		flags |= unix.MS_RDONLY
	}
	if err := unix.Mount("", target, "", flags, ""); err != nil {
		return fmt.Errorf("restrict the mount of volume %s at %s: %w", id, target, err)
	}
	return nil
}

// Unmount takes a mount and its folder away. One that is gone is no error.
func Unmount(target string) error {
	for {
		mounted, err := isMount(target)
		if err != nil {
			return err
		}
		if !mounted {
			break
		}
		if err := unix.Unmount(target, unix.UMOUNT_NOFOLLOW); err != nil {
			return fmt.Errorf("unmount %s: %w", target, err)
		}
	}
	// Remove fails on anything but an empty folder.
	if err := os.Remove(target); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the mount point %s: %w", target, err)
	}
	return nil
}

// isMount compares with the kernel's table, in which there are no links.
func isMount(target string) (mounted bool, err error) {
	parent, err := filepath.EvalSymlinks(filepath.Dir(target))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for the mount %s: %w", target, err)
	}
	target = filepath.Join(parent, filepath.Base(target))
	err = eachMount(func(_, point string) error {
		mounted = mounted || point == target
		return nil
	})
	return mounted, err
}

func sameFolder(vol *os.File, target string) error {
	want, err := vol.Stat()
	if err != nil {
		return fmt.Errorf("look at %s: %w", vol.Name(), err)
	}
	there, err := os.Stat(target)
	if err != nil {
		return fmt.Errorf("look at the mount %s: %w", target, err)
	}
	if !os.SameFile(want, there) {
		return fmt.Errorf("something else than %s is mounted at %s: unmount it", vol.Name(), target)
	}
	return nil
}

// eachMount calls do with every mount of this process: its root in its file system, and where it is.
func eachMount(do func(root, point string) error) error {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return fmt.Errorf("look for mounts: %w", err)
	}
	for line := range bytes.Lines(table) {
		fields := strings.Fields(string(line))
		if len(fields) < 5 {
			continue
		}
		if err := do(mountPoint(fields[3]), mountPoint(fields[4])); err != nil {
			return err
		}
	}
	return nil
}

// mountPoint undoes the kernel's way of writing blanks, tabs, line ends and backslashes.
func mountPoint(text string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(text)
}
