package catalogue

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// Pinned returns, by task, the images that the manifest names a digest for, as registry/name:tag@sha256:….
func (r Run) Pinned(registry string) map[string]string {
	pinned := map[string]string{}
	for task, image := range r.Images {
		if image.Digest != "" {
			pinned[task] = image.Full(registry) + "@" + image.Digest
		}
	}
	return pinned
}

// ByDigest is how a job names a pinned image: without its tag. Nomad's docker driver pulls name:tag@sha256:… by the tag, and
// fails where that has moved.
func ByDigest(pinned string) string {
	_, digest, found := strings.Cut(pinned, "@")
	if !found {
		return pinned
	}
	return Repository(pinned) + "@" + digest
}

// ManifestPath is where the application's manifest is; for an embedded one, its path in the sources.
func (a App) ManifestPath() string { return filepath.Join(a.folder, manifestFile) }

// AppsIn reads the applications in the folders that names lists; such a folder is one application or holds several. dirs
// are those of the configuration. All mistakes of all files come back at once, as Diagnostics.
func AppsIn(dirs, names []string) ([]App, error) {
	sources, err := sourcesOf(dirs)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		s, err := sourceNamed(name)
		if err != nil {
			return nil, err
		}
		sources = append(sources, s)
	}
	c, mistakes := gather(sources)
	if len(mistakes) > 0 {
		return nil, mistakes
	}
	apps := slices.DeleteFunc(c.Apps(), func(a App) bool { return !slices.Contains(names, a.Origin) })
	if len(apps) == 0 {
		return nil, fmt.Errorf("no application in %s: a folder of one has a file %s", strings.Join(names, ", "), manifestFile)
	}
	return apps, nil
}
