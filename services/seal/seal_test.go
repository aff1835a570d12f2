package seal_test

import (
	"bytes"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"framagit.org/frama/frama/services/seal"
)

func TestSealOpensOnlyWithItsKeyAndContext(t *testing.T) {
	key, err := seal.LoadOrMake(filepath.Join(t.TempDir(), "deep", "seal.key"))
	if err != nil {
		t.Fatal(err)
	}
	other, _ := seal.LoadOrMake(filepath.Join(t.TempDir(), "seal.key"))
	sealed, err := key.Seal([]byte("private"), "row/1")
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := key.Open(sealed, "row/1"); err != nil || string(plain) != "private" {
		t.Fatalf("got %q, %v", plain, err)
	}
	if _, err := key.Open(sealed, "row/2"); err == nil {
		t.Error("opened with the context of another row")
	}
	if _, err := other.Open(sealed, "row/1"); err == nil {
		t.Error("opened with another key")
	}
	if _, err := key.Open("AAAA", "row/1"); err == nil {
		t.Error("opened a damaged value")
	}
	if again, _ := key.Seal([]byte("private"), "row/1"); again == sealed {
		t.Error("two seals of one value are equal: the nonce repeats")
	}
}

func TestKeyFileIsMadeOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "seal.key")
	derived := make([][]byte, 8)
	var all sync.WaitGroup
	for i := range derived {
		all.Go(func() {
			// A reader may meet the file while its maker still writes it; that is an error to try again after, never
			// a second key.
			for range 100 {
				if k, err := seal.LoadOrMake(path); err == nil {
					derived[i] = k.Derive("links", 32)
					return
				}
			}
		})
	}
	all.Wait()
	for _, d := range derived {
		if !bytes.Equal(d, derived[0]) {
			t.Fatal("two keys were made")
		}
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("key file has mode %v", info.Mode())
	}
	if err := os.WriteFile(path, []byte("short\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := seal.LoadOrMake(path); err == nil {
		t.Error("a damaged key file was accepted")
	}
}
