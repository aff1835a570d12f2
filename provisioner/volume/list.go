package volume

import "fmt"

// List looks at every volume in the folder. It waits for nobody and changes nothing.
func (f *Folder) List() ([]State, error) {
	names, err := f.dir.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", f.path, err)
	}
	var all []State
	for _, name := range names {
		if !identifier.MatchString(name) {
			continue
		}
		s := State{ID: name, Path: f.at(name)}
		vol, err := f.open(name)
		if err == nil && vol == nil {
			continue // removed meanwhile
		}
		if err == nil {
			var r record
			r, s.Ours, err = f.means.read(vol)
			s.Owner = r.Owner
			if err == nil && s.Ours {
				s.Limit, s.Used, err = f.means.limit(vol)
			}
			_ = vol.Close()
		}
		s.Unsure = err
		all = append(all, s)
	}
	return all, nil
}

// Look looks at one volume.
func (f *Folder) Look(id string) (State, error) {
	vol, _, err := f.known(id)
	if err != nil {
		return State{}, err
	}
	defer vol.Close()
	return f.look(id, vol)
}
