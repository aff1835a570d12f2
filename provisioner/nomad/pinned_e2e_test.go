//go:build e2e

package nomad

import (
	"archive/tar"
	"bytes"
	"context"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"framagit.org/frama/frama/deploy/dev"
	"framagit.org/frama/frama/provisioner"

	"github.com/hashicorp/nomad/api"
)

// A registry puts another image under a pinned name: the container runs the one that was pinned. Real are the registry, the
// container engine and Nomad's driver.
func TestARunningJobKeepsToThePinnedImage(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("the container engine needs root")
	}
	engine, err := dev.UseEngine(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = engine.Leave() })
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	reference := strings.TrimPrefix(server.URL, "http://") + "/toys/toy:1.2.3"
	program := printer(t)
	pinned := push(t, reference, program, "the pinned image")
	push(t, reference, program, "another image")

	n, err := dev.StartNomad(t.Context(), dev.NomadOptions{Data: t.TempDir(), Docker: engine.Socket})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Stop(context.Background()) })
	client, err := api.NewClient(&api.Config{Address: n.Address, SecretID: n.ManagementToken, Namespace: n.Namespace})
	if err != nil {
		t.Fatal(err)
	}
	task := &api.Task{Name: "toy", Driver: "docker", Config: map[string]any{"image": reference}, Resources: &api.Resources{CPU: ptr(20), MemoryMB: ptr(32)}}
	pinImage(task, provisioner.Job{Images: map[string]string{"toy": reference + "@" + pinned}})
	job := &api.Job{ID: ptr("toy"), Name: ptr("toy"), Type: ptr("service"), Datacenters: []string{"*"}, Namespace: &n.Namespace,
		TaskGroups: []*api.TaskGroup{{Name: ptr("app"), Tasks: []*api.Task{task}}}}
	if _, _, err := client.Jobs().Register(job, nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _, _ = client.Jobs().Deregister("toy", true, nil) })
	wrote := ""
	for end := time.Now().Add(2 * time.Minute); wrote == "" && time.Now().Before(end); time.Sleep(500 * time.Millisecond) {
		allocs, _, err := client.Jobs().Allocations("toy", false, nil)
		if err != nil || len(allocs) == 0 {
			continue
		}
		logs, _ := filepath.Glob(filepath.Join(n.Volumes, "..", "state", "alloc", allocs[0].ID, "alloc", "logs", "toy.stdout.*"))
		for _, path := range logs {
			text, _ := os.ReadFile(path)
			wrote += string(text)
		}
		for _, state := range allocs[0].TaskStates {
			if state.Failed {
				t.Fatalf("%+v", state.Events[len(state.Events)-1])
			}
		}
	}
	if !strings.Contains(wrote, "the pinned image") {
		t.Errorf("ran %q", wrote)
	}
}

// printer builds a program that needs nothing and writes what image it is in.
func printer(t *testing.T) []byte {
	t.Helper()
	dir := t.TempDir()
	source := "package main\n\nimport (\n\t\"os\"\n\t\"time\"\n)\n\nfunc main() {\n\ttext, _ := os.ReadFile(\"/which\")\n\tos.Stdout.Write(text)\n\ttime.Sleep(time.Hour)\n}\n"
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "build", "-o", filepath.Join(dir, "main"), filepath.Join(dir, "main.go"))
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	text, err := os.ReadFile(filepath.Join(dir, "main"))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// push puts an image with the program under a name, and returns its digest.
func push(t *testing.T, reference string, program []byte, which string) string {
	t.Helper()
	var files bytes.Buffer
	w := tar.NewWriter(&files)
	for path, text := range map[string][]byte{"main": program, "which": []byte(which + "\n")} {
		if err := w.WriteHeader(&tar.Header{Name: path, Mode: 0o755, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		_, _ = w.Write(text)
	}
	_ = w.Close()
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(files.Bytes())), nil })
	if err != nil {
		t.Fatal(err)
	}
	image, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		t.Fatal(err)
	}
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config = config.DeepCopy()
	config.Architecture, config.OS, config.Config.Entrypoint = "amd64", "linux", []string{"/main"}
	if image, err = mutate.ConfigFile(image, config); err != nil {
		t.Fatal(err)
	}
	ref, err := name.ParseReference(reference)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref, image); err != nil {
		t.Fatal(err)
	}
	digest, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return digest.String()
}
