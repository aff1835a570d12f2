package release

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// kept is how many earlier releases stay, to go back to.
const kept = 5

// Home is the folder of a host where releases are installed: one folder each, by number, and a link "current".
type Home struct{ Dir string }

// Current is the folder of the installed release, or empty when none is.
func (h Home) Current() string {
	target, err := os.Readlink(h.link())
	if err != nil {
		return ""
	}
	return filepath.Join(h.Dir, filepath.Base(target))
}

func (h Home) link() string { return filepath.Join(h.Dir, "current") }

// Installed says which release is in use; ok is false when none is.
func (h Home) Installed() (x Index, ok bool, err error) {
	dir := h.Current()
	if dir == "" {
		return x, false, nil
	}
	text, err := readSmall(filepath.Join(dir, IndexFile))
	if err != nil {
		return x, false, fmt.Errorf("the installed catalogue cannot be read: %w", err)
	}
	x, err = parse(string(text))
	return x, err == nil, err
}

// Accept says whether a verified release may follow the installed one.
func (h Home) Accept(next Index) error {
	now, ok, err := h.Installed()
	switch {
	case err != nil:
		return err
	case ok && now.Name != next.Name:
		return fmt.Errorf("this host follows the catalogue %s, and this is %s: to follow another one, name another folder in catalogue.data",
			now.Name, next.Name)
	case ok && next.Version < now.Version:
		return fmt.Errorf("%s version %d is older than the installed %d: it may bring back what was mended since. "+
			"To go back to a release that was installed here: frama catalogue update --back", next.Name, next.Version, now.Version)
	case ok && next.Version == now.Version && next.String() != now.String():
		return fmt.Errorf("%s version %d is installed with other contents: its publisher must give each release a number of its own",
			next.Name, next.Version)
	}
	return nil
}

// Fresh makes an empty folder beside the releases, to fetch one into. The caller removes it.
func (h Home) Fresh() (string, error) {
	if err := os.MkdirAll(h.Dir, 0o755); err != nil {
		return "", fmt.Errorf("catalogue.data: %w", err)
	}
	dir, err := os.MkdirTemp(h.Dir, ".fetched-")
	if err != nil {
		return "", fmt.Errorf("catalogue.data: %w", err)
	}
	return filepath.Join(dir, "release"), os.Mkdir(filepath.Join(dir, "release"), 0o755)
}

// Install puts a verified release into its place and makes it the current one with one rename: whoever reads the
// catalogue meanwhile sees the earlier one or the new one, whole.
func (h Home) Install(dir string, x Index) error {
	if err := h.Accept(x); err != nil {
		return err
	}
	place := filepath.Join(h.Dir, strconv.Itoa(x.Version))
	if _, err := os.Stat(place); err == nil {
		if place == h.Current() {
			return nil
		}
		// Left by an installation that was cut short, or by going back.
		if err := os.RemoveAll(place); err != nil {
			return fmt.Errorf("install the catalogue: %w", err)
		}
	}
	if err := os.Rename(dir, place); err != nil {
		return fmt.Errorf("install the catalogue: %w", err)
	}
	if err := h.point(x.Version); err != nil {
		return err
	}
	return h.prune()
}

// Back makes the release before the installed one current again.
func (h Home) Back() (Index, error) {
	now, ok, err := h.Installed()
	if err != nil || !ok {
		return Index{}, errors.Join(errors.New("no release is installed: there is nothing to go back from"), err)
	}
	versions, err := h.versions()
	if err != nil {
		return Index{}, err
	}
	at := slices.Index(versions, now.Version)
	if at <= 0 {
		return Index{}, fmt.Errorf("version %d is the oldest that is kept: there is nothing to go back to", now.Version)
	}
	if err := h.point(versions[at-1]); err != nil {
		return Index{}, err
	}
	x, _, err := h.Installed()
	return x, err
}

func (h Home) point(version int) error {
	next := h.link() + ".next"
	if err := os.Remove(next); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("install the catalogue: %w", err)
	}
	if err := errors.Join(os.Symlink(strconv.Itoa(version), next), os.Rename(next, h.link())); err != nil {
		return fmt.Errorf("install the catalogue: %w", err)
	}
	return nil
}

// versions lists the releases that are there, the oldest first.
func (h Home) versions() ([]int, error) {
	entries, err := os.ReadDir(h.Dir)
	if err != nil {
		return nil, fmt.Errorf("catalogue.data: %w", err)
	}
	var found []int
	for _, e := range entries {
		if n, err := strconv.Atoi(e.Name()); err == nil && e.IsDir() {
			found = append(found, n)
		}
	}
	slices.Sort(found)
	return found, nil
}

func (h Home) prune() error {
	versions, err := h.versions()
	if err != nil {
		return err
	}
	for _, v := range versions[:max(0, len(versions)-kept-1)] {
		if dir := filepath.Join(h.Dir, strconv.Itoa(v)); dir != h.Current() {
			if err := os.RemoveAll(dir); err != nil {
				return fmt.Errorf("remove an old catalogue: %w", err)
			}
		}
	}
	return nil
}
