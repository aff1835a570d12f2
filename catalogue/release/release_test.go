package release

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"aead.dev/minisign"
)

const password = "a password for tests"

// publisher is somebody who signs releases. Its key has no password: turning one into a key takes a second each time.
type publisher struct {
	key    minisign.PrivateKey
	public string
}

func newPublisher(t *testing.T) publisher {
	t.Helper()
	public, key, err := minisign.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return publisher{key, public.String()}
}

// release lays out and signs one with a single application.
func (p publisher) release(t *testing.T, name string, version int) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "release")
	put(t, filepath.Join(dir, "toy", "app.hcl"), "version = "+strconv.Itoa(version)+"\n")
	put(t, filepath.Join(dir, "plans.hcl"), "plans\n")
	p.sign(t, dir, name, version)
	return dir
}

func (p publisher) sign(t *testing.T, dir, name string, version int) {
	t.Helper()
	if _, err := sign(dir, Index{Name: name, Version: version, Date: time.Now()}, p.key); err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func says(t *testing.T, err error, text string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("want …%s…, got %v", text, err)
	}
}

func TestSignedReleaseVerifies(t *testing.T) {
	p := newPublisher(t)
	x, err := Verify(p.release(t, "chatons.example", 3), p.public)
	if err != nil || x.Name != "chatons.example" || x.Version != 3 || len(x.Files) != 2 {
		t.Error(x, err)
	}
	_, err = sign(t.TempDir(), Index{Name: "a", Version: 1}, p.key)
	says(t, err, "holds no files")
}

func typing(word string) func() (string, error) { return func() (string, error) { return word, nil } }

func TestKeysHavePasswords(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	if _, err := NewKey(file, ""); err == nil {
		t.Error("a key without a password was made")
	}
	public, err := NewKey(file, password)
	if err != nil {
		t.Fatal(err)
	}
	_, err = NewKey(file, password)
	says(t, err, "never overwritten")
	dir := newPublisher(t).release(t, "chatons.example", 1)
	_, err = Sign(dir, Index{Name: "chatons.example", Version: 2}, file, typing("wrong"))
	says(t, err, "with this password")
	if _, err := Sign(dir, Index{Name: "chatons.example", Version: 2, Date: time.Now()}, file, typing(password)); err != nil {
		t.Fatal(err)
	}
	if x, err := Verify(dir, public); err != nil || x.Version != 2 {
		t.Error(x, err)
	}
}

func TestWhatWasChangedIsRefused(t *testing.T) {
	p, other := newPublisher(t), newPublisher(t)
	cases := []struct {
		name  string
		spoil func(t *testing.T, dir string)
		says  string
	}{
		{"file changed", func(t *testing.T, dir string) { put(t, filepath.Join(dir, "toy", "app.hcl"), "version = 4\n") }, "toy/app.hcl was changed"},
		{"file added", func(t *testing.T, dir string) { put(t, filepath.Join(dir, "toy", "job.nomad.hcl"), "job\n") }, "job.nomad.hcl was added"},
		{"file removed", func(t *testing.T, dir string) { remove(t, filepath.Join(dir, "plans.hcl")) }, "plans.hcl is missing"},
		{"link", func(t *testing.T, dir string) {
			remove(t, filepath.Join(dir, "plans.hcl"))
			if err := os.Symlink("/etc/passwd", filepath.Join(dir, "plans.hcl")); err != nil {
				t.Fatal(err)
			}
		}, "no plain file"},
		{"index changed", func(t *testing.T, dir string) { edit(t, filepath.Join(dir, IndexFile), "version: 3", "version: 4") }, "not by catalogue.key"},
		{"signed by somebody else", func(t *testing.T, dir string) { other.sign(t, dir, "chatons.example", 3) }, "not by catalogue.key"},
		{"signature removed", func(t *testing.T, dir string) { remove(t, filepath.Join(dir, SignatureFile)) }, "is not signed"},
		{"index removed", func(t *testing.T, dir string) { remove(t, filepath.Join(dir, IndexFile)) }, "no signed catalogue"},
		{"signature of another release", func(t *testing.T, dir string) {
			text, err := os.ReadFile(filepath.Join(p.release(t, "chatons.example", 9), SignatureFile))
			if err != nil {
				t.Fatal(err)
			}
			put(t, filepath.Join(dir, SignatureFile), string(text))
		}, "not by catalogue.key"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			dir := p.release(t, "chatons.example", 3)
			c.spoil(t, dir)
			_, err := Verify(dir, p.public)
			says(t, err, c.says)
		})
	}
	_, err := Verify(p.release(t, "a.example", 1), "nonsense")
	says(t, err, "no public key of minisign")
}

// Every byte of a release counts: none can be changed without being noticed.
func TestEveryByteCounts(t *testing.T) {
	p := newPublisher(t)
	dir := p.release(t, "chatons.example", 3)
	for _, name := range []string{IndexFile, SignatureFile, "plans.hcl", "toy/app.hcl"} {
		file := filepath.Join(dir, name)
		whole, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for at := range whole {
			if name == SignatureFile && at < bytes.IndexByte(whole, '\n') {
				continue // the untrusted comment is nobody's word
			}
			if name == SignatureFile && at+1 < len(whole) && whole[at+1] == '=' {
				continue // its last bits stand for nothing: another letter may write the same signature
			}
			spoilt := bytes.Clone(whole)
			spoilt[at] ^= 0x01
			put(t, file, string(spoilt))
			if _, err := Verify(dir, p.public); err == nil {
				t.Fatalf("%s: byte %d was changed and nobody noticed", name, at)
			}
		}
		put(t, file, string(whole))
	}
	if _, err := Verify(dir, p.public); err != nil {
		t.Error(err)
	}
}

func TestReleasesFollowEachOther(t *testing.T) {
	p := newPublisher(t)
	home := Home{Dir: filepath.Join(t.TempDir(), "catalogue")}
	install := func(dir string) error {
		x, err := Verify(dir, p.public)
		if err != nil {
			return err
		}
		fresh, err := home.Fresh()
		if err != nil {
			return err
		}
		if err := Fetch(t.Context(), dir, fresh); err != nil {
			return err
		}
		return home.Install(fresh, x)
	}
	at := func(version int) {
		t.Helper()
		x, ok, err := home.Installed()
		if err != nil || !ok || x.Version != version {
			t.Errorf("installed %v %v %v, want %d", x.Version, ok, err, version)
		}
		text, err := os.ReadFile(filepath.Join(home.Current(), "toy", "app.hcl"))
		if err != nil || string(text) != "version = "+strconv.Itoa(version)+"\n" {
			t.Error(string(text), err)
		}
	}
	if home.Current() != "" {
		t.Error("nothing is installed yet")
	}
	_, err := home.Back()
	says(t, err, "nothing to go back from")
	for version := 1; version <= 9; version++ {
		if err := install(p.release(t, "chatons.example", version)); err != nil {
			t.Fatal(err)
		}
	}
	at(9)
	if found, err := home.versions(); err != nil || len(found) != kept+1 {
		t.Error(found, err)
	}
	says(t, install(p.release(t, "chatons.example", 8)), "is older than the installed 9")
	says(t, install(p.release(t, "others.example", 10)), "to follow another one")
	changed := p.release(t, "chatons.example", 9)
	put(t, filepath.Join(changed, "toy", "more.hcl"), "more\n")
	p.sign(t, changed, "chatons.example", 9)
	says(t, install(changed), "with other contents")
	at(9)
	for back := 8; back >= 4; back-- {
		if x, err := home.Back(); err != nil || x.Version != back {
			t.Fatal(x.Version, err)
		}
		at(back)
	}
	_, err = home.Back()
	says(t, err, "the oldest that is kept")
	if err := install(p.release(t, "chatons.example", 9)); err != nil {
		t.Fatal(err)
	}
	at(9)
}

// archive makes a .tar.gz of names and contents.
func archive(t *testing.T, entries ...*tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	zipped := gzip.NewWriter(&b)
	w := tar.NewWriter(zipped)
	for _, head := range entries {
		if head.Typeflag == tar.TypeReg && head.Size == 0 {
			head.Size = 2
		}
		if err := w.WriteHeader(head); err != nil {
			t.Fatal(err)
		}
		if head.Typeflag == tar.TypeReg {
			if _, err := w.Write(bytes.Repeat([]byte("x"), int(head.Size))); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zipped.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestHostileArchivesAreRefused(t *testing.T) {
	file := func(name string, size int64) *tar.Header {
		return &tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: size}
	}
	cases := []struct {
		name string
		text []byte
		says string
	}{
		{"climbs", archive(t, file("../../etc/cron.d/x", 0)), "leads out of it"},
		{"absolute", archive(t, file("/etc/passwd", 0)), "leads out of it"},
		{"link", archive(t, &tar.Header{Name: "a", Typeflag: tar.TypeSymlink, Linkname: "/etc"}, file("a/b", 0)), "no plain file"},
		{"hard link", archive(t, &tar.Header{Name: "a", Typeflag: tar.TypeLink, Linkname: "/etc/shadow"}), "no plain file"},
		{"device", archive(t, &tar.Header{Name: "a", Typeflag: tar.TypeChar}), "no plain file"},
		{"twice", archive(t, file("a", 0), file("a", 0)), "unpack"},
		{"large", archive(t, file("a", maxFile+1)), "too large"},
		{"no archive", []byte("<html>"), "no .tar.gz"},
		{"cut short", archive(t, file("a", 1000), file("b", 1000))[:60], "unexpected EOF"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			source, to := filepath.Join(t.TempDir(), "a.tar.gz"), t.TempDir()
			put(t, source, string(c.text))
			says(t, Fetch(t.Context(), source, to), c.says)
		})
	}
}

func TestArchivesAndAddresses(t *testing.T) {
	p := newPublisher(t)
	dir := p.release(t, "chatons.example", 3)
	var b bytes.Buffer
	zipped := gzip.NewWriter(&b)
	w := tar.NewWriter(zipped)
	if err := w.AddFS(os.DirFS(filepath.Dir(dir))); err != nil { // everything within one folder
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zipped.Close(); err != nil {
		t.Fatal(err)
	}
	source := filepath.Join(t.TempDir(), "a.tar.gz")
	put(t, source, b.String())
	to := filepath.Join(t.TempDir(), "fetched")
	if err := os.Mkdir(to, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := Fetch(t.Context(), source, to); err != nil {
		t.Fatal(err)
	}
	if x, err := Verify(to, p.public); err != nil || x.Version != 3 {
		t.Error(x, err)
	}

	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	says(t, Fetch(t.Context(), plain.URL, t.TempDir()), "https://")
	says(t, Fetch(t.Context(), filepath.Join(t.TempDir(), "nowhere"), t.TempDir()), "cannot be read")
}

func remove(t *testing.T, file string) {
	t.Helper()
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
}

func edit(t *testing.T, file, old, new string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	put(t, file, strings.Replace(string(text), old, new, 1))
}
