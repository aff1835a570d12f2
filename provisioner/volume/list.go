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
			_, s.Ours, err = f.means.read(vol)
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
