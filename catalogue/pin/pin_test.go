package pin

import (
	"bytes"
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"framagit.org/frama/frama/catalogue"
)

// server is a real registry, over HTTPS, that refuses HEAD where it is told to.
type server struct {
	t         *testing.T
	host      string
	transport http.RoundTripper
	noHead    bool
}

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{t: t}
	inner := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	h := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.noHead && r.Method == http.MethodHead && strings.Contains(r.URL.Path, "/manifests/") {
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(h.Close)
	s.host, s.transport = strings.TrimPrefix(h.URL, "https://"), h.Client().Transport
	return s
}

// push puts an image for two architectures under a name and returns the digest of the list.
func (s *server) push(reference string) string {
	s.t.Helper()
	ref, err := name.ParseReference(s.host + "/" + reference)
	if err != nil {
		s.t.Fatal(err)
	}
	index, err := random.Index(64, 1, 1)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, architecture := range []string{"amd64", "arm64"} {
		image, err := random.Image(64, 1)
		if err != nil {
			s.t.Fatal(err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: architecture}}})
	}
	if err := remote.WriteIndex(ref, index, remote.WithTransport(s.transport)); err != nil {
		s.t.Fatal(err)
	}
	digest, err := index.Digest()
	if err != nil {
		s.t.Fatal(err)
	}
	return digest.String()
}

// toy is an application whose image is at the server, in a folder of its own.
func (s *server) toy(reference string) (folder string) {
	s.t.Helper()
	folder = filepath.Join(s.t.TempDir(), "toy")
	if err := os.CopyFS(folder, os.DirFS("../testdata/toy")); err != nil {
		s.t.Fatal(err)
	}
	for _, file := range []string{"app.hcl", "job.nomad.hcl"} {
		path := filepath.Join(folder, file)
		text, err := os.ReadFile(path)
		if err != nil {
			s.t.Fatal(err)
		}
		changed := bytes.ReplaceAll(text, imageOfToy(s.t), []byte(s.host+"/"+reference))
		if err := os.WriteFile(path, changed, 0o600); err != nil {
			s.t.Fatal(err)
		}
		if err := os.Chmod(path, 0o640); err != nil {
			s.t.Fatal(err)
		}
	}
	return folder
}

var quoted = regexp.MustCompile(`reference\s*=\s*"([^"]+)"`)

func imageOfToy(t *testing.T) []byte {
	t.Helper()
	text, err := os.ReadFile("../testdata/toy/app.hcl")
	if err != nil {
		t.Fatal(err)
	}
	m := quoted.FindSubmatch(text)
	if m == nil {
		t.Fatal("the toy has no image")
	}
	return m[1]
}

func (s *server) compare(folder string) ([]Image, error) {
	s.t.Helper()
	apps, err := catalogue.AppsIn(nil, []string{folder})
	if err != nil {
		s.t.Fatal(err)
	}
	images := Images(apps)
	err = Compare(s.t.Context(), images, Registries{Transport: s.transport})
	return slices.DeleteFunc(images, func(i Image) bool { return i.State == Own }), err
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestPinsTheListOfAllArchitectures(t *testing.T) {
	s := newServer(t)
	first := s.push("toys/toy:1.2.3")
	folder := s.toy("toys/toy:1.2.3")
	manifest := filepath.Join(folder, "app.hcl")
	before := read(t, manifest)

	images, err := s.compare(folder)
	if err != nil || len(images) != 1 || images[0].State != Unpinned || images[0].Registry != first {
		t.Fatalf("%+v, %v; the registry has %s", images, err, first)
	}
	if err := Write(images); err != nil {
		t.Fatal(err)
	}
	after := read(t, manifest)
	var added []string
	for line := range strings.SplitSeq(after, "\n") {
		if !strings.Contains(before, strings.TrimSpace(line)) {
			added = append(added, strings.Join(strings.Fields(line), " "))
		}
	}
	if !slices.Contains(added, `digest = "`+first+`"`) || len(strings.Split(after, "\n")) != len(strings.Split(before, "\n"))+1 {
		t.Errorf("more than the digest has changed: %q", added)
	}
	if info, err := os.Stat(manifest); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}

	images, err = s.compare(folder) // what was written is read again
	if err != nil || images[0].State != Pinned || images[0].Digest != first {
		t.Fatalf("%+v, %v", images, err)
	}
	second := s.push("toys/toy:1.2.3") // another image under the same name
	images, err = s.compare(folder)
	if err != nil || images[0].State != Moved || images[0].Digest != first || images[0].Registry != second {
		t.Fatalf("%+v, %v", images, err)
	}
	s.noHead = true
	if again, err := s.compare(folder); err != nil || again[0].Registry != second {
		t.Errorf("a registry that answers no HEAD: %+v, %v", again, err)
	}
}

// One registry that does not answer is named, and so is each image it does not have; nothing is known of the others then.
func TestNamesAllThatDoesNotAnswer(t *testing.T) {
	s := newServer(t)
	s.push("toys/toy:1.2.3")
	images := []Image{
		{App: "a", Task: "a", Reference: s.host + "/toys/toy:1.2.3"}, {App: "b", Task: "b", Reference: s.host + "/toys/none:1.2.3"},
		{App: "c", Task: "c", Reference: "127.0.0.1:1/toys/toy:1.2.3"}, {App: "d", Task: "d", Reference: "own:1.2.3", State: Own},
	}
	err := Compare(t.Context(), images, Registries{Transport: s.transport})
	if err == nil || !strings.Contains(err.Error(), "/toys/none:1.2.3: ") || !strings.Contains(err.Error(), "127.0.0.1:1") ||
		strings.Contains(err.Error(), s.host+"/toys/toy") {
		t.Errorf("%v", err)
	}
	for _, i := range images {
		if i.Registry != "" || i.State != "" && i.State != Own {
			t.Errorf("%+v", i)
		}
	}
}

type never struct{}

func (never) Digest(context.Context, string) (string, error) { return "", io.ErrUnexpectedEOF }

func TestOwnImagesAreNotAskedFor(t *testing.T) {
	if err := Compare(t.Context(), []Image{{Reference: "own:1.2.3", State: Own}}, never{}); err != nil {
		t.Error(err)
	}
}
