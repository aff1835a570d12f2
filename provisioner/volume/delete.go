package volume

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Delete removes a volume with all that is in it. One that is gone is no error. Nothing is removed that frama-volume did
// not make to the end, unless it is empty, and nothing in which something else is mounted. Called again it goes on where
// it was cut short.
func (f *Folder) Delete(id string) error { return f.remove(id, false) }

// Forget removes a volume only if nothing is in it.
func (f *Folder) Forget(id string) error { return f.remove(id, true) }

func (f *Folder) remove(id string, onlyEmpty bool) error {
	if err := f.turn(); err != nil {
		return err
	}
	vol, err := f.open(id)
	if err != nil {
		return err
	}
	if vol != nil {
		err := f.setAside(id, vol, onlyEmpty)
		_ = vol.Close()
		if err != nil {
			return err
		}
	}
	return f.empty(id)
}

// asided is the name of a volume that is being removed. It is no ID.
func asided(id string) string { return ".removed-" + id }

// setAside decides that a volume goes. From then on Nomad and List do not see it any more, and removing cannot be taken
// for something else.
func (f *Folder) setAside(id string, vol *os.File, onlyEmpty bool) error {
	_, known, err := f.means.read(vol)
	if err != nil {
		return err
	}
	if onlyEmpty || !known {
		nothing, err := bare(vol)
		if err != nil {
			return err
		}
		if !nothing {
			return fmt.Errorf("%s holds files that this request cannot be about: it stays; look whose they are", f.at(id))
		}
	}
	if err := f.unmounted(id); err != nil {
		return err
	}
	if err := f.root.Rename(id, asided(id)); err != nil {
		return fmt.Errorf("remove volume %s: %w", id, err)
	}
	return nil
}

// empty removes what was set aside, which may take long, so others have their turn.
func (f *Folder) empty(id string) error {
	vol, err := f.openName(asided(id))
	if err != nil || vol == nil {
		return err
	}
	defer vol.Close()
	if err := unix.Flock(int(f.dir.Fd()), unix.LOCK_UN); err != nil {
		return fmt.Errorf("give the turn in %s away: %w", f.path, err)
	}
	if err := f.means.remove(f, asided(id), vol); err != nil {
		return fmt.Errorf("remove volume %s: %w", id, err)
	}
	return nil
}

// unmounted refuses a volume at or in which something is mounted: removing would go on in there.
func (f *Folder) unmounted(id string) error {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return fmt.Errorf("look for mounts: %w", err)
	}
	path := filepath.Join(f.path, id)
	for line := range bytes.Lines(table) {
		fields := strings.Fields(string(line))
		if len(fields) < 5 {
			continue
		}
		point := mountPoint(fields[4])
		if point == path || strings.HasPrefix(point, path+"/") {
			return fmt.Errorf("something is mounted at %s: unmount it before the volume is removed", point)
		}
	}
	return nil
}

// mountPoint undoes the kernel's way of writing blanks, tabs, line ends and backslashes.
func mountPoint(text string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(text)
}
