package dev

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Btrfs is a small file system with quotas, of a file of its own.
type Btrfs struct {
	Path  string // where it is mounted
	image string
}

// ErrNoMounts says that this machine does not let file systems be mounted.
var ErrNoMounts = errors.New("no file system can be mounted here")

// MountBtrfs makes a btrfs of size bytes in the folder dir and mounts it there. The kernel takes a free loop device and
// gives it back with Unmount. It needs root and btrfs-progs.
func MountBtrfs(ctx context.Context, dir string, size int64) (*Btrfs, error) {
	b := &Btrfs{Path: filepath.Join(dir, "btrfs"), image: filepath.Join(dir, "btrfs.img")}
	if err := errors.Join(os.Mkdir(b.Path, 0o755), os.WriteFile(b.image, nil, 0o600), os.Truncate(b.image, size)); err != nil {
		return nil, fmt.Errorf("image of a file system: %w", err)
	}
	if err := rootRun(ctx, "mkfs.btrfs", "-q", b.image); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoMounts, err)
	}
	if err := rootRun(ctx, "mount", "-t", "btrfs", "-o", "loop", b.image, b.Path); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoMounts, err)
	}
	for _, args := range [][]string{{"quota", "enable", b.Path}, {"quota", "rescan", "-w", b.Path}} { // it keeps no limit until it has counted
		if err := rootRun(ctx, "btrfs", args...); err != nil {
			return nil, errors.Join(err, b.Unmount())
		}
	}
	return b, nil
}

// Unmount gives up the file system with all that is in it. Who still works in it does so on nothing.
func (b *Btrfs) Unmount() error {
	err := unix.Unmount(b.Path, 0)
	if errors.Is(err, unix.EBUSY) {
		err = unix.Unmount(b.Path, unix.MNT_DETACH)
	}
	if err != nil {
		return fmt.Errorf("unmount %s: %w", b.Path, err)
	}
	return os.Remove(b.image)
}

// rootRun runs a program of the system, which may be where only root looks for it.
func rootRun(ctx context.Context, name string, args ...string) error {
	path, err := exec.LookPath(name)
	if err != nil {
		path = "/usr/sbin/" + name
	}
	said, err := exec.CommandContext(ctx, path, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, said)
	}
	return nil
}
