//go:build e2e

package nomad

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/deploy/dev"
)

var declaredVariable = regexp.MustCompile(`(?m)^variable "([a-z_]+)"`)

// A job of the catalogue is a plain Nomad job but for its volume, of which frama says the type and the modes: with these the
// nomad command takes each, with a plain file of variables, for the smallest and the largest plan.
func TestNomadCommandTakesEveryJob(t *testing.T) {
	all, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	binary, err := dev.Tool("nomad")
	if err != nil {
		t.Fatal(err)
	}
	const volume = "source = var.volume\n"
	mounted := volume + "type = \"csi\"\naccess_mode = \"multi-node-single-writer\"\nattachment_mode = \"file-system\"\n"
	dir, jobs := t.TempDir(), 0
	_, err = all.Lint(t.Context(), func(ctx context.Context, f catalogue.JobFile) ([]catalogue.Finding, error) {
		var values strings.Builder
		for _, m := range declaredVariable.FindAllStringSubmatch(f.Source, -1) {
			value, err := json.Marshal(f.Variables[m[1]]) // HCL reads JSON's literals
			if err != nil {
				return nil, err
			}
			fmt.Fprintf(&values, "%s = %s\n", m[1], value)
		}
		job, variables := filepath.Join(dir, "job.nomad.hcl"), filepath.Join(dir, "job.vars")
		if err := os.WriteFile(job, []byte(strings.Replace(f.Source, volume, mounted, 1)), 0o600); err != nil {
			return nil, err
		}
		if err := os.WriteFile(variables, []byte(values.String()), 0o600); err != nil {
			return nil, err
		}
		cmd := exec.CommandContext(ctx, binary, "job", "validate", "-var-file="+variables, job)
		cmd.Env = append(os.Environ(), "NOMAD_ADDR="+testAgent.address, "NOMAD_TOKEN="+testAgent.root)
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "Job validation successful") {
			t.Errorf("%s, plan %s: %v\n%s", f.App, f.Plan, err, out)
		}
		jobs++
		return nil, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if jobs < 50 {
		t.Errorf("only %d jobs were tried", jobs)
	}
}
