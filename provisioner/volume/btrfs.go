package volume

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// btrfs limits by quota groups: each volume is a subvolume, and each subvolume has a group of its own. Metadata counts, so
// that files need no limit of their own.
type btrfs struct {
	attributes
	sys string // /sys/fs/btrfs
}

// Numbers and structures of linux/btrfs.h; the same exceptions as in quotactl.go.
const (
	subvolumeCreate  = 0x5000940e // BTRFS_IOC_SUBVOL_CREATE
	subvolumeDestroy = 0x5000940f // BTRFS_IOC_SNAP_DESTROY
	inodeLookup      = 0xd0009412 // BTRFS_IOC_INO_LOOKUP
	fileSystemInfo   = 0x8400941f // BTRFS_IOC_FS_INFO
	groupLimit       = 0x8030942b // BTRFS_IOC_QGROUP_LIMIT
	limitReferenced  = 1          // BTRFS_QGROUP_LIMIT_MAX_RFER
	firstInode       = 256        // BTRFS_FIRST_FREE_OBJECTID: that of each subvolume's own folder
)

// subvolumeName is struct btrfs_ioctl_vol_args.
type subvolumeName struct {
	_    int64
	name [4088]byte
}

// lookup is struct btrfs_ioctl_ino_lookup_args.
type lookup struct {
	tree, object uint64
	_            [4080]byte
}

// info is struct btrfs_ioctl_fs_info_args.
type info struct {
	_    [16]byte
	uuid [16]byte
	_    [992]byte
}

// group is struct btrfs_ioctl_qgroup_limit_args.
type group struct {
	id, flags, referenced, exclusive, _, _ uint64
}

func (btrfs) String() string { return "quota groups of btrfs" }

func (b btrfs) enforced(dir *os.File) error {
	groups, err := b.groups(dir)
	if err != nil {
		return err
	}
	if _, err := os.Stat(groups); err != nil {
		return fmt.Errorf("the btrfs file system of %s keeps no limits: run btrfs quota enable on it. Linux 5.9 or later is needed (docs/operate/volumes.md): %w",
			dir.Name(), err)
	}
	return nil
}

// groups is the folder of /sys that shows the quota groups; it is there while quotas are on.
func (b btrfs) groups(dir *os.File) (string, error) {
	var i info
	if err := ioctl(dir, fileSystemInfo, unsafe.Pointer(&i)); err != nil {
		return "", fmt.Errorf("ask which btrfs %s is on: %w", dir.Name(), err)
	}
	u := hex.EncodeToString(i.uuid[:])
	return filepath.Join(b.sys, strings.Join([]string{u[:8], u[8:12], u[12:16], u[16:20], u[20:]}, "-"), "qgroups"), nil
}

func (b btrfs) make(dir *os.File, id string) error {
	args := new(subvolumeName)
	copy(args.name[:len(args.name)-1], id)
	err := ioctl(dir, subvolumeCreate, unsafe.Pointer(args))
	if errors.Is(err, unix.EEXIST) {
		return nil
	}
	return err
}

// claim has nothing to do: a subvolume is counted by itself from the start.
func (b btrfs) claim(dir, vol *os.File) error {
	var s unix.Stat_t
	if err := unix.Fstat(int(vol.Fd()), &s); err != nil {
		return fmt.Errorf("look at it: %w", err)
	}
	if s.Ino != firstInode {
		return fmt.Errorf("it is a plain folder, whose files would not count: docs/operate/volumes.md says how to move them")
	}
	// While btrfs still counts after quotas were switched on, or lost count, it keeps no limit. Volumes that are there
	// go on: they are needed, and their limit holds again as soon as the count is right.
	_, known, err := b.read(vol)
	if err != nil || known {
		return err
	}
	groups, err := b.groups(dir)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(groups, "inconsistent"))
	if err == nil && strings.TrimSpace(string(text)) != "0" { // older kernels do not say
		return fmt.Errorf("btrfs does not know what its subvolumes hold, and keeps no limit until it has counted: run btrfs quota rescan -w %s", dir.Name())
	}
	return nil
}

// tree is the ID of the subvolume, and of its quota group. A plain folder would have those of all that is around it.
func (b btrfs) tree(vol *os.File) (uint64, error) {
	var s unix.Stat_t
	if err := unix.Fstat(int(vol.Fd()), &s); err != nil {
		return 0, fmt.Errorf("look at %s: %w", vol.Name(), err)
	}
	if s.Ino != firstInode {
		return 0, fmt.Errorf("%s is a plain folder, which btrfs cannot limit: docs/operate/volumes.md says how to move it", vol.Name())
	}
	args := &lookup{object: firstInode}
	if err := ioctl(vol, inodeLookup, unsafe.Pointer(args)); err != nil {
		return 0, fmt.Errorf("ask for the ID of subvolume %s: %w", vol.Name(), err)
	}
	return args.tree, nil
}

func (b btrfs) limit(vol *os.File) (limit, used int64, err error) {
	tree, err := b.tree(vol)
	if err != nil {
		return 0, 0, err
	}
	groups, err := b.groups(vol)
	if err != nil {
		return 0, 0, err
	}
	number := func(name string) (int64, error) {
		text, err := os.ReadFile(filepath.Join(groups, fmt.Sprintf("0_%d", tree), name))
		if err != nil {
			return 0, fmt.Errorf("read its quota group 0/%d: %w", tree, err)
		}
		n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 0, 64)
		if err != nil {
			return 0, fmt.Errorf("quota group 0/%d: %s is %q", tree, name, text)
		}
		return n, nil
	}
	if used, err = number("referenced"); err != nil {
		return 0, 0, err
	}
	flags, err := number("limit_flags")
	if err != nil || flags&limitReferenced == 0 {
		return 0, used, err
	}
	limit, err = number("max_referenced")
	return limit, used, err
}

func (b btrfs) setLimit(vol *os.File, bytes int64) error {
	// Group 0 stands for that of the subvolume.
	return ioctl(vol, groupLimit, unsafe.Pointer(&group{flags: limitReferenced, referenced: uint64(bytes)}))
}

// remove deletes the subvolume in one step; the kernel frees its blocks in the background. Its group stays and counts down
// to nothing: IDs of subvolumes are not used twice.
func (b btrfs) remove(f *Folder, name string, _ *os.File) error {
	args := new(subvolumeName)
	copy(args.name[:len(args.name)-1], name)
	err := ioctl(f.dir, subvolumeDestroy, unsafe.Pointer(args))
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}
