package volume

import (
	"errors"
	"fmt"
	"math"
	"os"
)

// ErrHoldsMore says that a volume holds more than it is to have. It keeps its limit.
var ErrHoldsMore = errors.New("make room in it first")

// Create makes a volume with its limit, or finds it there and finishes it. Asked again with another size it changes the
// limit, but never below what the volume holds. Owner and permissions are those of the first call: later they are the
// application's own affair.
func (f *Folder) Create(r Request) (State, error) {
	if err := errors.Join(checkSize(r.Bytes), f.Enforced()); err != nil {
		return State{}, err
	}
	if err := f.lock(); err != nil {
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
	if err := owned(old, known, r.Owner); err != nil {
		return err
	}
	if !known {
		if err := untouched(vol); err != nil {
			return err
		}
	}
	want := record{Limit: round(r.Bytes), Owner: r.Owner}
	if err := f.apply(vol, want.Limit, known && want.Limit == old.Limit); err != nil {
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

// untouched refuses a folder without a record that holds files: they are not frama's, or a part of what is being adopted.
func untouched(vol *os.File) error {
	nothing, err := bare(vol)
	if err == nil && !nothing {
		err = errors.New("it holds files and was not made by frama, or not adopted to the end: docs/operate/volumes.md says how to adopt it")
	}
	return err
}

// owned refuses a volume of another instance.
func owned(r record, known bool, owner string) error {
	if known && r.Owner != "" && r.Owner != owner {
		return fmt.Errorf("it belongs to %s, not to %s: find out which of the two is right before anything else", r.Owner, owner)
	}
	return nil
}

// Resize changes the limit of a volume that is there, also while an application uses it.
func (f *Folder) Resize(id, owner string, bytes int64) (State, error) {
	if err := errors.Join(checkSize(bytes), f.Enforced()); err != nil {
		return State{}, err
	}
	if err := f.lock(); err != nil {
		return State{}, err
	}
	vol, old, err := f.known(id)
	if err != nil {
		return State{}, err
	}
	defer vol.Close()
	if err := owned(old, true, owner); err != nil {
		return State{}, fmt.Errorf("volume %s: %w", id, err)
	}
	want := old
	want.Limit = round(bytes)
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

// ErrMissing means that there is no such volume in the folder.
var ErrMissing = errors.New("is not in")

// known opens a volume that was made to the end.
func (f *Folder) known(id string) (*os.File, record, error) {
	vol, err := f.open(id)
	if err != nil {
		return nil, record{}, err
	}
	if vol == nil {
		return nil, record{}, fmt.Errorf("volume %s %w %s: is its disk mounted? Nothing stands in for what is missing", id, ErrMissing, f.path)
	}
	r, known, err := f.means.read(vol)
	if err == nil && !known {
		err = fmt.Errorf("it was not made by frama, or not to the end: docs/operate/volumes.md says how to adopt it")
	}
	if err != nil {
		_ = vol.Close()
		return nil, record{}, fmt.Errorf("volume %s: %w", id, err)
	}
	return vol, r, nil
}

// apply sets the limit where it differs, and reads back that it holds. What a volume holds must fit, unless the limit
// was in force before and only has to be mended.
func (f *Folder) apply(vol *os.File, want int64, mend bool) error {
	if err := f.means.enforced(vol); err != nil {
		return err
	}
	if _, unlimited := f.means.(plain); unlimited {
		return nil
	}
	limit, used, err := f.means.limit(vol)
	if err != nil || limit == want {
		return err
	}
	if used > want && !mend {
		return fmt.Errorf("it holds %d MiB, more than the %d MiB it is to have: %w", mebi(used), mebi(want), ErrHoldsMore)
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
	r, _, err := f.means.read(vol)
	if err != nil {
		return State{}, err
	}
	limit, used, err := f.means.limit(vol)
	return State{ID: id, Path: f.at(id), Limit: limit, Used: used, Ours: true, Owner: r.Owner}, err
}

func checkSize(bytes int64) error {
	switch {
	case bytes == 0:
		return fmt.Errorf("no size is given, and frama makes no volume without one")
	case bytes < Least:
		return fmt.Errorf("%d bytes are less than a volume needs: ask for %d MiB or more", bytes, mebi(Least))
	case bytes > math.MaxInt64-block:
		return fmt.Errorf("%d bytes are more than there can be", bytes)
	}
	return nil
}

// mebi rounds up to MiB.
func mebi(bytes int64) int64 { return (bytes + 1<<20 - 1) >> 20 }
