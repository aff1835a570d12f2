package main

import (
	"encoding/json"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"framagit.org/frama/frama/catalogue/pin"
)

// TestCataloguePin follows an image that its registry replaces, from a real registry on this machine.
func TestCataloguePin(t *testing.T) {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "http://")
	push := func() string {
		t.Helper()
		ref, err := name.ParseReference(host + "/toys/toy:1.2.3")
		if err != nil {
			t.Fatal(err)
		}
		index, err := random.Index(64, 1, 2)
		if err != nil {
			t.Fatal(err)
		}
		if err := remote.WriteIndex(ref, index); err != nil {
			t.Fatal(err)
		}
		digest, err := index.Digest()
		if err != nil {
			t.Fatal(err)
		}
		return digest.String()
	}
	folder := filepath.Join(t.TempDir(), "toy")
	if err := os.CopyFS(folder, os.DirFS("../../catalogue/testdata/toy")); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"app.hcl", "job.nomad.hcl"} {
		text, err := os.ReadFile(filepath.Join(folder, file))
		if err != nil {
			t.Fatal(err)
		}
		text = []byte(strings.ReplaceAll(string(text), "docker.io/example/toy:", host+"/toys/toy:"))
		if err := os.WriteFile(filepath.Join(folder, file), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	manifest := func() string {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(folder, "app.hcl"))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	env := []string{"FRAMA_CONFIG="}
	before := manifest()

	wants(t, command(t, env, exitFailed, "catalogue", "pin", folder, "--check"), `nothing was written`, host+`/toys/toy:1\.2\.3: `)
	if manifest() != before {
		t.Fatal("a registry without the image changed the manifest")
	}
	first := push()
	wants(t, command(t, env, exitFailed, "catalogue", "pin", folder, "--check"), "toy +unpinned", "helper +own", "1 of 2 images")
	if manifest() != before {
		t.Fatal("--check wrote")
	}
	wants(t, command(t, env, exitOK, "catalogue", "lint", folder, "--offline"), `Not pinned by a digest: toy`, "No mistake found")
	wants(t, command(t, env, exitOK, "catalogue", "pin", folder), "toy +pinned")
	if !strings.Contains(manifest(), first) {
		t.Fatalf("the manifest lacks %s:\n%s", first, manifest())
	}
	if said := command(t, env, exitOK, "catalogue", "lint", folder, "--offline"); strings.Contains(said, "Not pinned") {
		t.Error(said)
	}
	wants(t, command(t, env, exitOK, "catalogue", "pin", folder, "--check"), "toy +pinned")

	second := push()
	pinned := manifest()
	wants(t, command(t, env, exitFailed, "catalogue", "pin", folder), "toy +moved", "1 of 2 images")
	if manifest() != pinned {
		t.Fatal("a digest was replaced without --update")
	}
	var images []pin.Image
	said := command(t, env, exitFailed, "catalogue", "pin", folder, "--check", "--json")
	if err := json.Unmarshal([]byte(said), &images); err != nil {
		t.Fatalf("%v in %s", err, said)
	}
	if len(images) != 2 || images[1].State != pin.Moved || images[1].Digest != first || images[1].Registry != second {
		t.Errorf("%+v", images)
	}
	wants(t, command(t, env, exitOK, "catalogue", "pin", folder, "--update"), "toy +pinned")
	if strings.Contains(manifest(), first) || !strings.Contains(manifest(), second) {
		t.Errorf("not updated:\n%s", manifest())
	}
	server.Close()
	pinned = manifest()
	wants(t, command(t, env, exitFailed, "catalogue", "pin", folder, "--update"), "nothing was written", "refused")
	if manifest() != pinned {
		t.Fatal("a registry that is down changed the manifest")
	}
	wants(t, command(t, env, exitUsage, "catalogue", "pin"), "name a FOLDER")
}
