package pin

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
)

// Write puts the registries' digests of these images into their manifests. What else is there stays as it is, comments
// included. All manifests are prepared before the first is replaced.
func Write(images []Image) error {
	byManifest := map[string][]Image{}
	for _, i := range images {
		byManifest[i.manifest] = append(byManifest[i.manifest], i)
	}
	texts := map[string][]byte{}
	for path, of := range byManifest {
		text, err := withDigests(path, of)
		if err != nil {
			return err
		}
		texts[path] = text
	}
	for _, path := range slices.Sorted(maps.Keys(texts)) {
		if err := replace(path, texts[path]); err != nil {
			return fmt.Errorf("write %s: %w", path, err)
		}
	}
	return nil
}

func withDigests(path string, images []Image) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the manifest: %w", err)
	}
	file, found := hclwrite.ParseConfig(text, path, hcl.InitialPos)
	if found.HasErrors() {
		return nil, fmt.Errorf("read the manifest: %w", found)
	}
	for _, i := range images {
		block := file.Body().FirstMatchingBlock("image", []string{i.Task})
		if block == nil {
			return nil, fmt.Errorf("%s has no image %q any more: run frama catalogue lint", path, i.Task)
		}
		block.Body().SetAttributeValue("digest", cty.StringVal(i.Registry))
	}
	if bytes.Equal(hclwrite.Format(text), text) {
		return hclwrite.Format(file.Bytes()), nil
	}
	return file.Bytes(), nil // one that somebody aligns by hand stays as it is
}

// replace puts a whole file in the place of another.
func replace(path string, text []byte) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // gone already once it is in place
	_, err = f.Write(text)
	if err == nil {
		err = f.Chmod(info.Mode().Perm())
	}
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
