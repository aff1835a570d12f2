package volume

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Delete removes a volume with all that is in it. One that is gone is no error. Nothing is removed that frama did not
// make to the end, unless it is empty, nothing of another owner, and nothing that is mounted or in which something else
// is. Called again it goes on where it was cut short.
func (f *Folder) Delete(id, owner string) error {
	if err := f.lock(); err != nil {
		return err
	}
	vol, err := f.open(id)
	if err != nil {
		return err
	}
	if vol != nil {
		err := f.setAside(id, vol, owner)
		_ = vol.Close()
		if err != nil {
			return err
		}
	}
	return f.empty(id)
}

// asided is the name of a volume that is being removed. It is no ID.
func asided(id string) string { return ".removed-" + id }

// setAside decides that a volume goes. From then on it cannot be mounted, List does not see it any more, and removing cannot be taken
// for something else.
func (f *Folder) setAside(id string, vol *os.File, owner string) error {
	r, known, err := f.means.read(vol)
	if err != nil {
		return err
	}
	if err := owned(r, known, owner); err != nil {
		return fmt.Errorf("volume %s: %w", id, err)
	}
	if !known {
		nothing, err := bare(vol)
		if err != nil {
			return err
		}
		if !nothing {
			return fmt.Errorf("%s holds files that this request cannot be about: it stays; look whose they are", f.at(id))
		}
	}
	if err := f.unmounted(id, vol); err != nil {
		return err
	}
	if err := f.removeEarlier(id); err != nil {
		return err
	}
	if err := f.root.Rename(id, asided(id)); err != nil {
		return fmt.Errorf("remove volume %s: %w", id, err)
	}
	return nil
}

// removeEarlier removes what is left of an earlier volume of that name: it has the name that this one needs.
func (f *Folder) removeEarlier(id string) error {
	earlier, err := f.openName(asided(id))
	if err != nil || earlier == nil {
		return err
	}
	defer earlier.Close()
	if err := f.means.remove(f, asided(id), earlier); err != nil {
		return fmt.Errorf("remove what is left of an earlier volume %s: %w", id, err)
	}
	return nil
}

// empty removes what was set aside, which may take long, so the lock is given back first.
func (f *Folder) empty(id string) error {
	vol, err := f.openName(asided(id))
	if err != nil || vol == nil {
		return err
	}
	defer vol.Close()
	if err := unix.Flock(int(f.dir.Fd()), unix.LOCK_UN); err != nil {
		return fmt.Errorf("unlock %s: %w", f.path, err)
	}
	if err := f.means.remove(f, asided(id), vol); err != nil {
		return fmt.Errorf("remove volume %s: %w", id, err)
	}
	return nil
}

// unmounted refuses a volume that is mounted somewhere, or in which something is: a task works on it, or removing would go
// on in there.
func (f *Folder) unmounted(id string, vol *os.File) error {
	self, err := vol.Stat()
	if err != nil {
		return fmt.Errorf("look at volume %s: %w", id, err)
	}
	path := filepath.Join(f.path, id)
	return eachMount(func(root, point string) error {
		switch {
		case point == path, strings.HasPrefix(point, path+"/"):
			return fmt.Errorf("something is mounted at %s: unmount it before the volume is removed", point)
		case !strings.HasSuffix(root, "/"+id):
			return nil
		}
		if there, err := os.Stat(point); err == nil && os.SameFile(there, self) {
			return fmt.Errorf("it is mounted at %s: %w", point, ErrInUse)
		}
		return nil
	})
}
