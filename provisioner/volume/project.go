package volume

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// project limits by project quotas, which ext4 and XFS have alike: the folder has a project ID, everything made below
// inherits it, and the project has a limit of bytes and one of files.
type project struct {
	attributes
	kind string
}

func (p project) String() string { return "project quotas of " + p.kind }

// mount says how the file system must be mounted.
func (p project) mount() string {
	if p.kind == "XFS" {
		return "mount it with the option prjquota (in /etc/fstab; XFS takes it only when it is mounted, not by remount)"
	}
	return "switch the feature on while it is not mounted (tune2fs -O project -Q prjquota DEVICE), then mount it with the option prjquota"
}

func (p project) enforced(dir *os.File) error {
	on, err := projectLimits(dir)
	switch {
	case off(err), err == nil && !on:
		return fmt.Errorf("the %s file system of %s does not keep limits of projects: %s. Linux 5.14 or later is needed, with quotas (docs/operate/volumes.md)",
			p.kind, dir.Name(), p.mount())
	case err != nil:
		return fmt.Errorf("ask for the quotas of %s: %w", dir.Name(), err)
	}
	return nil
}

// off says whether the kernel answers that there are no quotas.
func off(err error) bool {
	return errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.ESRCH) || errors.Is(err, unix.EINVAL)
}

func (p project) make(dir *os.File, id string) error {
	err := unix.Mkdirat(int(dir.Fd()), id, 0o700)
	if errors.Is(err, unix.EEXIST) {
		return nil
	}
	return err
}

// claim gives the volume a project of its own. The ID derives from the volume's, so that a call that was cut short picks
// the same one again. It is on the folder and nowhere else: a file such as /etc/projid would have to be kept in step.
func (p project) claim(dir, vol *os.File) error {
	parent, err := attributesOf(dir)
	if err != nil {
		return fmt.Errorf("read the project of %s: %w", dir.Name(), err)
	}
	own, err := attributesOf(vol)
	if err != nil {
		return fmt.Errorf("read its project: %w", err)
	}
	// A folder whose parent belongs to a project is born into that one.
	if own.project != 0 && own.project != parent.project && own.flags&inherit != 0 {
		return nil
	}
	nothing, err := bare(vol)
	if err != nil {
		return err
	}
	if !nothing {
		return fmt.Errorf("it holds files that were made without a limit and would not count: docs/operate/volumes.md says how to move them")
	}
	return p.assign(dir, vol, own)
}

// assign picks a project for the volume's own folder. What is made below later inherits it.
func (p project) assign(dir, vol *os.File, own fileAttributes) error {
	taken, err := p.taken(dir)
	if err != nil {
		return err
	}
	own.project, err = pick(filepath.Base(vol.Name()), func(id uint32) (bool, error) {
		if taken[id] {
			return true, nil
		}
		q, err := projectQuota(dir, id)
		// What other programs limit, or what belongs to them, shows in the quotas.
		return q != quota{}, err
	})
	if err != nil {
		return err
	}
	own.flags |= inherit
	if err := setAttributes(vol, own); err != nil {
		return fmt.Errorf("give it the project %d: %w: %s", own.project, err, p.mount())
	}
	return nil
}

// tag gives a folder and all that is in it a project of its own. Links and the like cannot have one; they take no blocks.
func (p project) tag(dir, vol *os.File) error {
	parent, err := attributesOf(dir)
	if err != nil {
		return fmt.Errorf("read the project of %s: %w", dir.Name(), err)
	}
	own, err := attributesOf(vol)
	if err != nil {
		return fmt.Errorf("read its project: %w", err)
	}
	if own.project == 0 || own.project == parent.project || own.flags&inherit == 0 {
		if err := p.assign(dir, vol, own); err != nil {
			return err
		}
		if own, err = attributesOf(vol); err != nil {
			return fmt.Errorf("read its project: %w", err)
		}
	}
	return filepath.WalkDir(vol.Name(), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() && !entry.Type().IsRegular() {
			return err
		}
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("open %s: %w", path, err)
		}
		file := os.NewFile(uintptr(fd), path)
		defer file.Close()
		a, err := attributesOf(file)
		if err != nil {
			return fmt.Errorf("read the project of %s: %w", path, err)
		}
		if a.project == own.project {
			return nil
		}
		a.project = own.project
		if entry.IsDir() {
			a.flags |= inherit
		}
		if err := setAttributes(file, a); err != nil {
			return fmt.Errorf("give %s the project %d: %w", path, own.project, err)
		}
		return nil
	})
}

// taken are the projects of the volumes that are there, and of the folder itself.
func (p project) taken(dir *os.File) (map[uint32]bool, error) {
	again, err := os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", dir.Fd()), os.O_RDONLY|unix.O_DIRECTORY, 0) // reading moves its position
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", dir.Name(), err)
	}
	defer again.Close()
	names, err := again.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", dir.Name(), err)
	}
	taken := map[uint32]bool{}
	for _, name := range append(names, ".") {
		fd, err := unix.Openat(int(dir.Fd()), name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			continue // no folder, or gone
		}
		file := os.NewFile(uintptr(fd), name)
		a, err := attributesOf(file)
		_ = file.Close()
		if err != nil {
			return nil, fmt.Errorf("read the project of %s in %s: %w", name, dir.Name(), err)
		}
		taken[a.project] = true
	}
	return taken, nil
}

// Projects are picked from 2³⁰ to 2³¹-1: people and other programs count from the bottom, and some programs take the upper
// half for negative.
const (
	firstProject = 1 << 30
	projects     = 1 << 30
)

// pick finds a project that nobody has, starting at a place that derives from the volume's ID.
func pick(volume string, taken func(uint32) (bool, error)) (uint32, error) {
	sum := sha256.Sum256([]byte(volume))
	start := binary.BigEndian.Uint32(sum[:4])
	for i := range uint32(1 << 16) {
		id := firstProject + (start+i)%projects
		busy, err := taken(id)
		if err != nil {
			return 0, fmt.Errorf("look whether project %d is free: %w", id, err)
		}
		if !busy {
			return id, nil
		}
	}
	return 0, fmt.Errorf("65536 projects from %d on are taken: clear the quotas of old ones", firstProject+start%projects)
}

func (p project) limit(vol *os.File) (limit, used int64, err error) {
	a, err := attributesOf(vol)
	if err != nil {
		return 0, 0, fmt.Errorf("read the project of %s: %w", vol.Name(), err)
	}
	if a.project == 0 || a.flags&inherit == 0 {
		return 0, 0, fmt.Errorf("%s has no project: was it copied here? docs/operate/volumes.md says how to move volumes", vol.Name())
	}
	q, err := projectQuota(vol, a.project)
	if err != nil {
		return 0, 0, fmt.Errorf("read the quota of project %d: %w", a.project, err)
	}
	return int64(q.bytesLimit), int64(q.bytes), nil
}

// Without a limit of files, millions of empty ones in one volume could leave the other volumes of an ext4 file system
// without any. A file for each 16 KiB is what mke2fs makes, so volumes whose sizes fit on the file system cannot take each
// other's; small volumes get what an application's own program files may need.
const (
	bytesPerFile = 16 << 10
	leastFiles   = 1 << 16
)

func files(bytes int64) uint64 { return uint64(max(leastFiles, bytes/bytesPerFile)) }

func (p project) setLimit(vol *os.File, bytes int64) error {
	a, err := attributesOf(vol)
	if err != nil {
		return err
	}
	if a.project == 0 {
		return fmt.Errorf("%s has no project", vol.Name()) // 0 is everybody's
	}
	return setProjectLimits(vol, a.project, uint64(bytes), files(bytes))
}

func (p project) remove(f *Folder, name string, vol *os.File) error {
	a, err := attributesOf(vol)
	if err != nil {
		return err
	}
	if err := f.root.RemoveAll(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if a.project < firstProject || a.project-firstProject >= projects {
		return nil // none of ours
	}
	// The number is free again. A crash before this leaves a limit for nobody.
	err = setProjectLimits(f.dir, a.project, 0, 0)
	if off(err) {
		return nil // there are no limits
	}
	return err
}
