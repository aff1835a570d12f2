package main

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"aead.dev/minisign"
)

// follower is somebody's frama with a configuration of its own.
type follower struct {
	t      *testing.T
	config string
}

func newFollower(t *testing.T, toml string) follower {
	t.Helper()
	file := filepath.Join(t.TempDir(), "frama.toml")
	if err := os.WriteFile(file, []byte(toml), 0o600); err != nil {
		t.Fatal(err)
	}
	return follower{t, file}
}

// do runs a command, with the password on its standard input, and returns all it said.
func (h follower) do(status int, args ...string) string {
	h.t.Helper()
	var out bytes.Buffer
	got := run(h.t.Context(), append([]string{"--config", h.config}, args...), strings.NewReader("a long password\n"), &out, &out)
	if got != status {
		h.t.Fatalf("frama %s: status %d, want %d\n%s", strings.Join(args, " "), got, status, out.String())
	}
	return out.String()
}

// listOf is written as a list of TOML.
type listOf []string

func (l listOf) String() string { return `["` + strings.Join(l, `", "`) + `"]` }

func has(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("lacks %q:\n%s", p, text)
		}
	}
}

func TestKeyOfAPublisher(t *testing.T) {
	key := filepath.Join(t.TempDir(), "publisher.key")
	publisher := newFollower(t, "")
	var made struct{ Public string }
	if err := json.Unmarshal([]byte(publisher.do(exitOK, "catalogue", "key", key, "--json")), &made); err != nil || !strings.HasPrefix(made.Public, "RW") {
		t.Fatal(made, err)
	}
	if info, err := os.Stat(key); err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info, err)
	}
	has(t, publisher.do(exitFailed, "catalogue", "key", key), "exists")
}

func TestFollowingACatalogue(t *testing.T) {
	work := t.TempDir()
	apps, key := filepath.Join(work, "apps"), filepath.Join(work, "publisher.key")
	publisher := newFollower(t, "")
	image := func(version string) { // publishes the toy in this version
		_ = os.RemoveAll(filepath.Join(apps, "toy"))
		publisher.do(exitOK, "catalogue", "new", "toy", "--dir", apps, "--kind", "pads", "--image", "docker.io/library/toy:"+version, "--port", "80")
	}
	// Without a password: turning one into a key takes long, on purpose.
	public, private, err := minisign.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	text, err := private.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(key, text, 0o600); err != nil {
		t.Fatal(err)
	}
	sign := func(number string) {
		publisher.do(exitOK, "catalogue", "sign", apps, "--key", key, "--name", "chatons.example", "--release", number)
	}
	image("1.0.0")
	sign("1")

	data := filepath.Join(work, "releases")
	own := filepath.Join(work, "own")
	ours := newFollower(t, tomlTable("catalogue", "source", apps, "key", public.String(), "data", data))
	has(t, newFollower(t, tomlTable("catalogue", "data", data)).do(exitUsage, "catalogue", "update"), "catalogue.source")
	has(t, newFollower(t, tomlTable("catalogue", "data", data)).do(exitUsage, "catalogue", "update", apps), "catalogue.key")
	stranger := newFollower(t, tomlTable("catalogue", "data", data, "key", "RWQ6ju6UzT7lPT3rCYL1nVABxcGIT6vKe05SNTDAh+hrtSB8cQaVcP0Q"))
	has(t, stranger.do(exitFailed, "catalogue", "update", apps, "--yes"), "not by catalogue.key")

	has(t, ours.do(exitOK, "catalogue", "update", "--dry-run"), "new      toy 1.0.0 (beta)", "Nothing was changed")
	has(t, ours.do(exitUsage, "catalogue", "update"), "add --yes")
	if strings.Contains(ours.do(exitOK, "catalogue", "list"), "toy") {
		t.Fatal("installed without being asked to")
	}
	has(t, ours.do(exitOK, "catalogue", "update", "--yes"), "Installed", "--back")
	has(t, ours.do(exitOK, "catalogue", "show", "toy"), "1.0.0", filepath.Join(data, "1"))
	has(t, ours.do(exitOK, "catalogue", "update", "--yes"), "installed already")

	image("1.1.0")
	has(t, ours.do(exitFailed, "catalogue", "update", "--yes"), "toy/app.hcl was changed after it was signed")
	sign("2")
	has(t, ours.do(exitOK, "catalogue", "update", "--yes"), "changed  toy 1.0.0 (beta) → 1.1.0 (beta)")
	has(t, ours.do(exitOK, "catalogue", "show", "toy"), "1.1.0")

	// What the host says itself wins.
	publisher.do(exitOK, "catalogue", "new", "toy", "--dir", own, "--kind", "pads", "--image", "docker.io/library/toy:9.9.9", "--port", "80")
	mine := newFollower(t, tomlTable("catalogue", "source", apps, "key", public.String(), "data", data, "dirs", listOf{own}))
	has(t, mine.do(exitOK, "catalogue", "show", "toy"), "9.9.9", own)

	// A release with a mistake is refused as a whole, by file and line.
	bad := filepath.Join(apps, "toy", "app.hcl")
	text, err = os.ReadFile(bad)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(bad, append(text, "colour = \"blue\"\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	has(t, publisher.do(exitFailed, "catalogue", "sign", apps, "--key", key, "--name", "chatons.example", "--release", "3"), "unknown key colour")
	has(t, ours.do(exitFailed, "catalogue", "update", "--yes"), "toy/app.hcl was changed after it was signed")

	has(t, ours.do(exitOK, "catalogue", "update", "--back", "--yes"), "version 1 is in use again")
	has(t, ours.do(exitOK, "catalogue", "show", "toy"), "1.0.0")
	has(t, ours.do(exitFailed, "catalogue", "update", "--back", "--yes"), "the oldest that is kept")
}
