package edge

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"framagit.org/frama/frama/provisioner"
)

func TestFollows(t *testing.T) {
	at := func(version int64, minute int) *signed {
		return &signed{snapshot: provisioner.Snapshot{Version: version, MadeAt: time.Date(2026, 1, 1, 0, minute, 0, 0, time.UTC)}}
	}
	for name, tc := range map[string]struct {
		held, got     *signed
		restored, bad bool
	}{
		"the first":                      {nil, at(1, 0), false, false},
		"the next":                       {at(1, 0), at(2, 1), false, false},
		"the next by a clock set back":   {at(1, 5), at(2, 1), false, false},
		"restored from a backup":         {at(120, 5), at(87, 6), true, false},
		"the same again":                 {at(120, 5), at(120, 5), false, true},
		"restored, same version reached": {at(120, 5), at(120, 6), true, false},
		"an old one repeated":            {at(120, 5), at(87, 4), false, true},
	} {
		restored, err := follows(tc.held, tc.got)
		if restored != tc.restored || errors.Is(err, ErrBackwards) != tc.bad {
			t.Errorf("%s: %v %v", name, restored, err)
		}
	}
}

func TestHeld(t *testing.T) {
	b := newBoard(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "snapshot.json")
	if _, err := load(path, b.public); !absent(err) {
		t.Errorf("nothing there: %v", err)
	}
	c := client{server: b.server.URL, token: testToken, http: newHTTPClient()}
	s, err := c.fetch(context.Background(), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.save(path); err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", st.Mode(), err)
	}
	got, err := load(path, b.public)
	if err != nil || got.snapshot.Version != 1 || got.ETag != s.ETag {
		t.Errorf("%+v %v", got, err)
	}
	other := newBoard(t)
	if _, err := load(path, other.public); !errors.Is(err, ErrSignature) || absent(err) {
		t.Errorf("signed by somebody else: %v", err)
	}
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := load(path, b.public); err == nil || absent(err) {
		t.Errorf("torn: %v", err)
	}
}

func TestNewAgentRefuses(t *testing.T) {
	b := newBoard(t)
	good := AgentOptions{
		Name: "edge-1", Server: "http://127.0.0.1:1", Token: testToken, PublicKey: b.public, Dir: t.TempDir(),
		HTTP: "127.0.0.1:80", HTTPS: "127.0.0.1:443", HAProxy: "/bin/sh", Log: slog.New(slog.DiscardHandler),
	}
	if _, err := NewAgent(good); err != nil {
		t.Fatal(err)
	}
	for want, spoil := range map[string]func(*AgentOptions){
		"name must be":    func(o *AgentOptions) { o.Name = "edge 1" },
		"is not a URL":    func(o *AgentOptions) { o.Server = "frama" },
		"in the clear":    func(o *AgentOptions) { o.Server = "http://frama.example.org" },
		"token":           func(o *AgentOptions) { o.Token = "" },
		"public key":      func(o *AgentOptions) { o.PublicKey = nil },
		"http: listen":    func(o *AgentOptions) { o.HTTP = "80" },
		"give an IP":      func(o *AgentOptions) { o.HTTPS = "example.org:443" },
		"1 to 65535":      func(o *AgentOptions) { o.HTTPS = ":0" },
		"wait must be":    func(o *AgentOptions) { o.Wait = time.Minute },
		"letters, digits": func(o *AgentOptions) { o.Dir = filepath.Join(o.Dir, "with space") },
		"too long":        func(o *AgentOptions) { o.Dir = filepath.Join(o.Dir, strings.Repeat("a", 90)) },
		"install it":      func(o *AgentOptions) { o.HAProxy = "/nowhere/haproxy" },
		"user or group":   func(o *AgentOptions) { o.User = "a\nb" },
	} {
		o := good
		spoil(&o)
		if _, err := NewAgent(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

// What frama sends is verified before it touches the disk.
func TestAdmit(t *testing.T) {
	b, stranger := newBoard(t), newBoard(t)
	a := &Agent{opts: AgentOptions{PublicKey: b.public, Log: slog.New(slog.DiscardHandler)}, layout: layout{dir: t.TempDir()}}
	c := client{server: stranger.server.URL, token: testToken, http: newHTTPClient()}
	forged, err := c.fetch(context.Background(), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.admit(nil, forged); !errors.Is(err, ErrSignature) {
		t.Errorf("a forged snapshot: %v", err)
	}
	c.server = b.server.URL
	old, err := c.fetch(context.Background(), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.admit(nil, old); err != nil {
		t.Fatal(err)
	}
	b.change(func(*provisioner.Snapshot) {})
	next, err := c.fetch(context.Background(), old, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.admit(old, next); err != nil {
		t.Fatal(err)
	}
	replayed := &signed{ETag: old.ETag, Signature: old.Signature, Body: old.Body}
	if err := a.admit(next, replayed); !errors.Is(err, ErrBackwards) {
		t.Errorf("a repeated snapshot: %v", err)
	}
	if kept, err := load(a.layout.held(), b.public); err != nil || kept.snapshot.Version != next.snapshot.Version {
		t.Errorf("kept %+v %v", kept, err)
	}
}
