package measure_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/provisioner/measure"
	"framagit.org/frama/frama/services/hosting"
)

const apiKey = "pZ3kQ8vT5mW1xR7yB2nL"

// paper is a cluster whose tasks are this machine: what is run in one is run here, in a folder that stands for the volume.
type paper struct {
	t       *testing.T
	path    string // of the volume; none where it is empty
	secrets map[string]string
	down    error // of every call
	exec    func(ctx context.Context, command []string) (int, string, error)
	reads   atomic.Int64 // of the variable
}

func (p *paper) Secrets(context.Context, string) (map[string]string, error) {
	p.reads.Add(1)
	return p.secrets, p.down
}

func (p *paper) VolumePath(context.Context, string, string) (task, path string, err error) {
	if p.path == "" {
		return "", "", p.down
	}
	return "app", p.path, p.down
}

func (p *paper) Exec(ctx context.Context, job, task string, command []string) (int, string, error) {
	if job != "lilas-pads" || task != "app" {
		p.t.Errorf("%q in task %s of job %s", command, task, job)
	}
	if p.exec != nil {
		return p.exec(ctx, command)
	}
	var out tail
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code := exit.ExitCode()
		if code < 0 {
			code = 137 // by a signal, as Nomad says it
		}
		return code, out.text, nil
	}
	return 0, out.text, err
}

// tail keeps the end of what a command writes, as Nomad's does.
type tail struct{ text string }

func (t *tail) Write(p []byte) (int, error) {
	t.text += string(p)
	t.text = t.text[max(0, len(t.text)-16<<10):]
	return len(p), nil
}

// appWith is a catalogue with the application test-pads, whose manifest has these lines.
func appWith(t testing.TB, lines string) *catalogue.Catalogue {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "test-pads"), os.DirFS("../testdata/catalogue/plain-pad")); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "test-pads", "app.hcl")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	manifest := strings.ReplaceAll(string(text), "plain-pad", "test-pads") + "\nsecret \"api_key\" {\n  length = 20\n  kind = \"permanent\"\n}\n" + lines
	if err := os.WriteFile(file, []byte(manifest), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := catalogue.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var pads = hosting.Instance{ID: "i1", SpaceID: "s1", App: "test-pads", Kind: "pads", Host: "lilas-pads.example.org", Job: "lilas-pads", Volume: "lilas-pads-data"}

func look(t *testing.T, o measure.Options, i hosting.Instance) map[string]hosting.Reading {
	t.Helper()
	if o.Timeout == 0 {
		o.Timeout = 2 * time.Second
	}
	o.Now, o.URL = time.Now, func(host string) string { return "https://" + host }
	m, err := measure.New(o).Measure(t.Context(), i)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]hosting.Reading{}
	for _, r := range m.Readings {
		if _, twice := got[r.Metric]; twice {
			t.Errorf("%s was read twice", r.Metric)
		}
		got[r.Metric] = r
		if r.Value < 0 || r.Problem != "" && r.Value != 0 || strings.Contains(r.Problem, apiKey) || strings.ContainsAny(r.Problem, "\n\x00") {
			t.Errorf("%+v", r)
		}
	}
	return got
}
