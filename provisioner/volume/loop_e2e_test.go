//go:build e2e

package volume

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"framagit.org/frama/frama/deploy/dev"
)

// TestLoopBtrfs runs the tests of file systems with the kernel of this machine.
func TestLoopBtrfs(t *testing.T) {
	dir := t.TempDir()
	disk, err := dev.MountBtrfs(t.Context(), dir, 512*mib)
	if errors.Is(err, dev.ErrNoMounts) {
		t.Skipf("%v: run deploy/tools/get volumes (as root), on a machine that may mount", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := disk.Unmount(); err != nil {
			t.Error(err)
		}
	})
	for _, folder := range []string{dir, filepath.Dir(dir)} { // applications are nobody
		if err := os.Chmod(folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	writer := filepath.Join(dir, "writer")
	if err := os.WriteFile(writer, self, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("FRAMA_WRITER", writer)
	kept(t, disk.Path)
}
