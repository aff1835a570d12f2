package volume

import (
	"errors"
	"fmt"
	"math"
	"os"
)

// Create makes a volume with its limit, or finds it there. Asked again with another size it changes the limit, but never
// below what the volume holds. Asked again with the same size, as Nomad does for every volume when its client starts, it
// leaves the limit as the last change made it, and mends what is missing. Owner and permissions are those of the first
// call: later they are the application's own affair.
func (f *Folder) Create(r Request) (State, error) {
	if err := errors.Join(checkSize(r.Bytes), f.Enforced()); err != nil {
		return State{}, err
	}
	if err := f.turn(); err != nil {
		return State{}, err
	}
	vol, err := f.open(r.ID)
	if err != nil {
		return State{}, err
	}
	if vol == nil {
		if err := f.means.make(f.dir, r.ID); err != nil {
			return State{}, fmt.Errorf("make volume %s: %w", r.ID, err)
		}
		if vol, err = f.open(r.ID); err != nil {
			return State{}, err
		}
		if vol == nil {
			return State{}, fmt.Errorf("volume %s went away while it was made: look what else works in %s", r.ID, f.path)
		}
	}
	defer vol.Close()
	if err := f.finish(vol, r); err != nil {
		return State{}, fmt.Errorf("volume %s: %w", r.ID, err)
	}
	return f.look(r.ID, vol)
}

// finish does what is left to do for a folder that is there.
func (f *Folder) finish(vol *os.File, r Request) error {
	if err := f.means.claim(f.dir, vol); err != nil {
		return err
	}
	old, known, err := f.means.read(vol)
	if err != nil {
		return err
	}
	want := old
	if !known || r.Bytes != old.Asked {
		want.Asked, want.Limit = r.Bytes, round(r.Bytes)
	}
	if err := f.apply(vol, want.Limit, known && want == old); err != nil {
		return err
	}
	if known && want == old {
		return nil
	}
	if !known {
		if err := vol.Chown(r.UID, r.GID); err != nil {
			return fmt.Errorf("give it to user %d and group %d: %w", r.UID, r.GID, err)
		}
		if err := vol.Chmod(r.Mode); err != nil {
			return fmt.Errorf("set its permissions: %w", err)
		}
	}
	return f.means.write(vol, want)
}

// Resize changes the limit of a volume that is there, also while an application uses it. Nomad itself changes volumes
// only while nobody does; the plugin is therefore told through another volume, see plugin.go. The same request again
// changes nothing, whatever happened since.
func (f *Folder) Resize(id string, bytes int64) (State, error) {
	if err := errors.Join(checkSize(bytes), f.Enforced()); err != nil {
		return State{}, err
	}
	if err := f.turn(); err != nil {
		return State{}, err
	}
	vol, err := f.open(id)
	if err != nil {
		return State{}, err
	}
	if vol == nil {
		return State{}, fmt.Errorf("volume %s is not on this machine: there is nothing to resize", id)
	}
	defer vol.Close()
	old, known, err := f.means.read(vol)
	if err != nil {
		return State{}, fmt.Errorf("volume %s: %w", id, err)
	}
	if !known {
		return State{}, fmt.Errorf("volume %s was not made by frama-volume: docs/operate/volumes.md says how to move it", id)
	}
	want := old
	if bytes != old.Carried {
		want.Carried, want.Limit = bytes, round(bytes)
	}
	if err := f.apply(vol, want.Limit, want == old); err != nil {
		return State{}, fmt.Errorf("volume %s: %w", id, err)
	}
	if want != old {
		if err := f.means.write(vol, want); err != nil {
			return State{}, fmt.Errorf("volume %s: %w", id, err)
		}
	}
	return f.look(id, vol)
}

// apply sets the limit where it differs, and reads back that it holds. What a volume holds must fit, unless the limit
// was in force before and only has to be mended.
func (f *Folder) apply(vol *os.File, want int64, mend bool) error {
	if err := f.means.enforced(vol); err != nil {
		return err
	}
	limit, used, err := f.means.limit(vol)
	if err != nil || limit == want {
		return err
	}
	if used > want && !mend {
		return fmt.Errorf("it holds %d MiB, more than the %d MiB it is to have: make room in it first", mebi(used), mebi(want))
	}
	if err := f.means.setLimit(vol, want); err != nil {
		return fmt.Errorf("limit it to %d MiB: %w", mebi(want), err)
	}
	limit, _, err = f.means.limit(vol)
	if err == nil && limit != want {
		err = fmt.Errorf("the kernel took a limit of %d bytes and keeps one of %d: see its log (dmesg)", want, limit)
	}
	return err
}

func (f *Folder) look(id string, vol *os.File) (State, error) {
	limit, used, err := f.means.limit(vol)
	return State{ID: id, Path: f.at(id), Limit: limit, Used: used, Ours: true}, err
}

func checkSize(bytes int64) error {
	switch {
	case bytes == 0:
		return fmt.Errorf("no size is given, and frama-volume makes no volume without a limit: set capacity_max")
	case bytes < Least:
		return fmt.Errorf("%d bytes are less than a volume needs: ask for %d MiB or more", bytes, mebi(Least))
	case bytes > math.MaxInt64-block:
		return fmt.Errorf("%d bytes are more than there can be: correct capacity_max", bytes)
	}
	return nil
}

// mebi rounds up to MiB.
func mebi(bytes int64) int64 { return (bytes + 1<<20 - 1) >> 20 }
