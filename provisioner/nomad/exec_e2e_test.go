//go:build e2e

package nomad

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	nomadacl "framagit.org/frama/frama/deploy/nomad-acl"
)

func TestExecInsideATask(t *testing.T) {
	c := cluster(t, func(o *Options) { o.Policy = DevelopmentPolicy() })
	j := instance("e2e-exec", 21030)
	j.Source = strings.NewReplacer(`"/bin/sleep"`, `"/bin/sh"`, `["3600"]`, `["-c", "while true; do sleep 1; done"]`).Replace(j.Source)
	bring(t, c, j)
	healthy(t, c, j.ID)

	for name, try := range map[string]struct {
		script string
		code   int
		output string
	}{
		"success, with the task's own secrets": {`echo "key of ${#KEY}"; read x; echo "nothing to read: $x."`, 0, "key of 24\nnothing to read: .\n"},
		"failure, in its own words":            {`echo "no such table" >&2; exit 3`, 3, "no such table\n"},
		"words stay words":                     {`echo "$0 $1"`, 0, "${x} a b\n"},
	} {
		code, output, err := c.Exec(t.Context(), j.ID, "app", []string{"/bin/sh", "-c", try.script, "${x}", "a b"})
		if err != nil || code != try.code || output != try.output {
			t.Errorf("%s: status %d, %q, %v; want %d, %q", name, code, output, err, try.code, try.output)
		}
	}

	many := `i=0; while [ $i -lt 3000 ]; do echo "line $i of many"; i=$((i+1)); done`
	code, output, err := c.Exec(t.Context(), j.ID, "app", []string{"/bin/sh", "-c", many})
	if err != nil || code != 0 || len(output) > tailSize || len(output) < tailSize-100 || !strings.HasPrefix(output, "line ") || !strings.HasSuffix(output, "line 2999 of many\n") {
		t.Errorf("much output: status %d, %d bytes, %v", code, len(output), err)
	}

	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	start := time.Now()
	_, output, err = c.Exec(ctx, j.ID, "app", []string{"/bin/sh", "-c", "echo begun; sleep 20"})
	if !errors.Is(err, context.DeadlineExceeded) || output != "begun\n" || time.Since(start) > 5*time.Second {
		t.Errorf("a command without end: %q, %v after %s", output, err, time.Since(start))
	}
	if _, _, err := c.Exec(t.Context(), j.ID, "none", []string{"/bin/sh"}); !errors.Is(err, ErrNotRunning) {
		t.Errorf("a task that is not: %v", err)
	}
	if _, _, err := c.Exec(t.Context(), "e2e-nobody", "app", []string{"/bin/sh"}); !errors.Is(err, ErrNotRunning) {
		t.Errorf("a job that is not: %v", err)
	}

	weak, err := testAgent.newToken("no-exec", strings.Replace(nomadacl.Policy, `"alloc-exec",`, "", 1))
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = cluster(t, func(o *Options) { o.Token = Static(weak) }).Exec(t.Context(), j.ID, "app", []string{"/bin/sh", "-c", "true"})
	if !errors.Is(err, ErrDenied) || !strings.Contains(err.Error(), "run a command") {
		t.Errorf("without the right: %v", err)
	}
}
