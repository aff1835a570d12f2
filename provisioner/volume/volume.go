// Package volume keeps the volumes of a machine: one folder a volume, with a limit that the kernel keeps, mounted where
// Nomad wants it. The subpackage csi offers it to Nomad; frama volume is for frama itself and for people.
//
// How a limit is kept depends on the file system: project quotas on ext4 and XFS (project.go), subvolumes with a qgroup on
// btrfs (btrfs.go). Anything else is refused, as is a file system that was mounted without its quotas: a limit that nobody
// keeps would be believed. A host that wants volumes without limits asks for them (plain.go).
//
// Nothing is kept beside the volumes. What belongs to a volume is on its own folder: the project or the subvolume, and a
// record of what was asked for (record.go). A call that a crash or a time limit cut short is mended by the next one: each
// step reads, compares and only then writes, and the record comes last.
//
// The kernel is asked through system calls, not through the programs setquota, xfs_quota, chattr and btrfs: hosts need
// not install anything, and there is no text to parse.
package volume

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"

	"golang.org/x/sys/unix"
)

// Least is the smallest limit in bytes: file systems need some of it for themselves.
const Least = 1 << 20

// block is what limits are rounded up to, in bytes; all file systems here count in blocks of it.
const block = 4096

// Request asks for a volume.
type Request struct {
	ID    string // the volume's name on the cluster, and that of its folder
	Bytes int64  // how much it may hold
	Owner string // the instance it belongs to; only a request of the same owner finds it again
	// UID and GID are given to the new folder, -1 leaves it to root. Mode are its permissions.
	UID, GID int
	Mode     fs.FileMode
}

// State is a volume as it is.
type State struct {
	ID     string
	Path   string
	Limit  int64  // bytes, 0 for none
	Used   int64  // bytes
	Ours   bool   // made by frama; others have no limit
	Owner  string // as it was asked for
	Unsure error  // why Limit or Used could not be read
}

// Folder is the folder of a client's volumes.
type Folder struct {
	path  string // without links
	given string // as it was given
	dir   *os.File
	root  *os.Root
	means mechanism
}

// mechanism is a way of a file system to limit a folder. Files that are passed are open folders.
type mechanism interface {
	String() string // for people
	// enforced says why limits of dir's file system would not be kept, and what to do; nil when they are.
	enforced(dir *os.File) error
	// make makes the folder; one that is there already is no error.
	make(dir *os.File, id string) error
	// claim makes everything that will be below the volume count for it alone. It refuses a folder that it did not
	// claim before and that holds files, since those would not count.
	claim(dir, vol *os.File) error
	// limit reads how much the volume may hold (0 without a limit) and what it holds, in bytes.
	limit(vol *os.File) (limit, used int64, err error)
	setLimit(vol *os.File, bytes int64) error
	// remove deletes the folder of that name, opened as vol, with all that is in it.
	remove(f *Folder, name string, vol *os.File) error
	recorder
}

// identifier is the form of volumes' names. Nothing else becomes part of a path.
var identifier = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,126}[a-z0-9]$`)

// Open finds out how volumes in the folder can be limited, and refuses a file system that never can. The caller closes it.
// The folder is never made: where its disk is missing, nothing stands in for it.
func Open(path string) (*Folder, error) {
	f, err := openFolder(path)
	if err != nil {
		return nil, err
	}
	if f.means, err = find(f.dir); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// OpenPlain opens a folder of volumes whose limits nobody keeps, on any file system.
func OpenPlain(path string) (*Folder, error) {
	f, err := openFolder(path)
	if err != nil {
		return nil, err
	}
	f.means = plain{}
	return f, nil
}

func openFolder(path string) (*Folder, error) {
	if !filepath.IsAbs(path) {
		return nil, fmt.Errorf("the folder of the volumes is %q, which is no absolute path: set it in the job of frama's volume plugin", path)
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, fmt.Errorf("folder of the volumes: %w: mount its disk, make the folder, or correct it in the job of frama's volume plugin", err)
	}
	root, err := os.OpenRoot(real)
	if err != nil {
		return nil, fmt.Errorf("folder of the volumes: %w", err)
	}
	dir, err := os.OpenFile(real, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		_ = root.Close()
		return nil, fmt.Errorf("folder of the volumes: %w", err)
	}
	return &Folder{path: real, given: filepath.Clean(path), dir: dir, root: root}, nil
}

// Close lets the folder go, and the lock if it was taken.
func (f *Folder) Close() {
	_ = f.dir.Close() // nothing was written through them
	_ = f.root.Close()
}

// Enforced says why limits are not kept now, and what to do; nil when they are.
func (f *Folder) Enforced() error { return f.means.enforced(f.dir) }

// Means names how volumes are limited.
func (f *Folder) Means() string { return f.means.String() }

// find looks at the kind of file system.
func find(dir *os.File) (mechanism, error) {
	var s unix.Statfs_t
	if err := unix.Fstatfs(int(dir.Fd()), &s); err != nil {
		return nil, fmt.Errorf("find out the file system of %s: %w", dir.Name(), err)
	}
	switch uint32(s.Type) {
	case unix.EXT4_SUPER_MAGIC:
		return project{kind: "ext4"}, nil
	case unix.XFS_SUPER_MAGIC:
		return project{kind: "XFS"}, nil
	case unix.BTRFS_SUPER_MAGIC:
		return btrfs{sys: "/sys/fs/btrfs"}, nil
	}
	return nil, fmt.Errorf("the file system of %s (type %#x) cannot hold volumes to a size: take ext4 or XFS mounted with prjquota, or btrfs with quotas, or do without limits with --plain (docs/operate/volumes.md)",
		dir.Name(), uint32(s.Type))
}

// lock waits until no other call works in the folder. It ends with Close, or with the process.
func (f *Folder) lock() error {
	if err := unix.Flock(int(f.dir.Fd()), unix.LOCK_EX); err != nil {
		return fmt.Errorf("lock %s: %w", f.path, err)
	}
	return nil
}

// open opens a volume's folder, nil when there is none. Anything but a folder is refused: a link would lead elsewhere.
func (f *Folder) open(id string) (*os.File, error) {
	if !identifier.MatchString(id) {
		return nil, fmt.Errorf("%q is no name of a volume: small letters, digits and hyphens", id)
	}
	return f.openName(id)
}

func (f *Folder) openName(name string) (*os.File, error) {
	fd, err := unix.Openat(int(f.dir.Fd()), name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	switch {
	case errors.Is(err, unix.ENOENT):
		return nil, nil
	case errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ELOOP):
		return nil, fmt.Errorf("%s is no folder: frama did not make it, look whose it is", f.at(name))
	case err != nil:
		return nil, fmt.Errorf("open volume %s: %w", name, err)
	}
	return os.NewFile(uintptr(fd), filepath.Join(f.path, name)), nil
}

// at is the path of a volume.
func (f *Folder) at(id string) string { return filepath.Join(f.given, id) }

// round goes up to whole blocks.
func round(bytes int64) int64 { return (bytes + block - 1) / block * block }

// bare reports whether nothing is in a folder.
func bare(dir *os.File) (bool, error) {
	again, err := os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", dir.Fd()), os.O_RDONLY|unix.O_DIRECTORY, 0) // reading moves its position
	if err != nil {
		return false, fmt.Errorf("look into %s: %w", dir.Name(), err)
	}
	defer again.Close()
	_, err = again.Readdirnames(1)
	switch {
	case errors.Is(err, io.EOF):
		return true, nil
	case err != nil:
		return false, fmt.Errorf("look into %s: %w", dir.Name(), err)
	}
	return false, nil
}
