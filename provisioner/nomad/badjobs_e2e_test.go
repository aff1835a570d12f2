//go:build e2e

package nomad

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/provisioner"
)

// Hostile entries of the catalogue are refused here too, after Nomad's own parser and all interpolation: whatever catalogue
// lint misses, or nobody ran, does not run.
func TestPolicyRefusesHostileEntries(t *testing.T) {
	source, err := os.ReadFile("../../catalogue/testdata/toy/job.nomad.hcl")
	if err != nil {
		t.Fatal(err)
	}
	job := func(source string) provisioner.Job {
		j := provisioner.Job{ID: "e2e-hostile", SpaceID: "s", InstanceID: "i", Path: "job.nomad.hcl", Source: source, Node: testAgent.node,
			Volume: "e2e-hostile-data", Port: 21060, CPU: 200, Memory: 256, MemoryMax: 512}
		j.Variables = map[string]any{"job_id": j.ID, "host": "h.example.org", "url": "https://h.example.org", "port": j.Port, "volume": j.Volume,
			"cpu": j.CPU, "memory": j.Memory, "memory_max": j.MemoryMax, "plan": "starter", "registry": "registry.example.org/host"}
		return j
	}
	c := cluster(t)
	mutated := func(source string) []Violation {
		t.Helper()
		parsed, err := c.parse(t.Context(), job(source))
		if err != nil {
			t.Fatal(err)
		}
		c.mutate(parsed, job(source), true)
		return ProductionPolicy().Violations(parsed, job(source))
	}
	if found := mutated(string(source)); len(found) > 0 {
		t.Fatal("the good entry is refused:", found)
	}
	const (
		option   = "readonly_rootfs = true"
		line     = "SMTP_HOST="
		block    = "      kill_timeout = \"30s\""
		mounted  = `type     = "tmpfs"`
		variable = `"true"`
	)
	template := func(action string) string { return action + "\n          " + line }
	cases := map[string]struct{ old, new, says string }{
		"file()":                {variable, `file("/etc/passwd")`, "filesystem function"},
		"fileset()":             {`["http"]`, `fileset("/etc", "*")`, "filesystem function"},
		"templatefile()":        {variable, `templatefile("/etc/passwd", {})`, "no function named"},
		"env()":                 {variable, `env("HOME")`, "no function named"},
		"environment":           {variable, `"${env["AWS_SECRET_ACCESS_KEY"]}"`, "environment of the node"},
		"environment in args":   {`"exec toy --port 8080"`, `"${env["HOME"]}"`, "environment of the node"},
		"escaped environment":   {variable, `"$${env.HOME}"`, "environment of the node"},
		"token":                 {variable, `"${NOMAD_TOKEN}"`, "tokens"},
		"raw_exec":              {`driver = "docker"`, `driver = "raw_exec"`, "driver raw_exec is not allowed"},
		"raw_exec by choice":    {`driver = "docker"`, `driver = var.memory > 1 ? "raw_exec" : "docker"`, "driver raw_exec is not allowed"},
		"raw_exec by a local":   {`driver = "docker"`, `driver = join("_", ["raw", "exec"])`, "driver raw_exec is not allowed"},
		"exec":                  {`driver = "docker"`, `driver = "exec"`, "driver exec is not allowed"},
		"privileged":            {option, "privileged = true", "root on the node"},
		"privileged by choice":  {option, "privileged = var.memory > 1", "root on the node"},
		"cap_add":               {option, `cap_add = ["SYS_ADMIN"]`, "rights over the node"},
		"devices":               {option, `devices = [{ host_path = "/dev/sda" }]`, "devices of the node"},
		"host mount":            {option, `volumes = ["/:/host"]`, "mount paths of the node"},
		"bind of the socket":    {mounted, "type     = \"bind\"\n          source   = \"/var/run/docker.sock\"", "a bind mount"},
		"bind upwards":          {mounted, "type     = \"bind\"\n          source   = \"secrets/../../../etc\"", "a bind mount"},
		"network of the host":   {option, `network_mode = "host"`, "network_mode"},
		"processes of the host": {option, `pid_mode = "host"`, "processes"},
		"host_network":          {"to     = 8080", "to     = 8080\n        host_network = \"public\"", "own address"},
		"host mode":             {`mode = "bridge"`, `mode = "host"`, "shares the node's network"},
		"another static port":   {`port "http" {`, "port \"ssh\" {\n        static = 22\n      }\n      port \"http\" {", "port ssh is static"},
		"latest":                {`toy:1.2.3"`, `toy:latest"`, "pinned"},
		"no tag":                {`toy:1.2.3"`, `toy"`, "pinned"},
		"major version":         {`toy:1.2.3"`, `toy:9"`, "pinned"},
		"another's volume":      {"source = var.volume", `source = "lyon-pads-data"`, "not the instance's own"},
		"artifact":              {block, "      artifact {\n        source = \"https://example.org/x\"\n      }", "nobody pinned"},
		"dynamic artifact":      {block, "      dynamic \"artifact\" {\n        for_each = [1]\n        content {\n          source = \"https://example.org/x\"\n        }\n      }", "nobody pinned"},
		"identity":              {block, "      identity {\n        env = true\n      }", "token"},
		"vault":                 {block, "      vault {\n      }", "Vault"},
		"poststop":              {block, "      lifecycle {\n        hook = \"poststop\"\n      }", "runs on after"},
		"file in a template":    {line, template(`{{ file "/etc/passwd" }}`), "calls file"},
		"file by choice":        {line, template(`${var.memory > 1 ? "{{ file \"/etc/passwd\" }}" : ""}`), "calls file"},
		"env in a template":     {line, template(`{{ env "HOME" }}`), "reads the environment"},
		"another's variable":    {line, template(`{{ with nomadVar "nomad/jobs/other" }}{{ .a }}{{ end }}`), "not the job's own"},
		"nomadVarList":          {line, template(`{{ range nomadVarList "nomad" }}{{ . }}{{ end }}`), "calls nomadVarList"},
		"nomadVarListSafe":      {line, template(`{{ range nomadVarListSafe "nomad" }}{{ . }}{{ end }}`), "calls nomadVarListSafe"},
		"nomadService":          {line, template(`{{ range nomadService "x" }}{{ . }}{{ end }}`), "calls nomadService"},
		"key":                   {line, template(`{{ key "x" }}`), "calls key"},
		"secret":                {line, template(`{{ with secret "x" }}{{ end }}`), "calls secret"},
		"service":               {line, template(`{{ range service "x" }}{{ end }}`), "calls service"},
		"ls":                    {line, template(`{{ range ls "x" }}{{ end }}`), "calls ls"},
		"plugin":                {line, template(`{{ plugin "/bin/sh" }}`), "calls plugin"},
		"executeTemplate":       {line, template(`{{ executeTemplate "x" }}`), "calls executeTemplate"},
		"writeToFile":           {line, template(`{{ "x" | writeToFile "/x" "" "" "0644" }}`), "calls writeToFile"},
		"writes to the node":    {`"secrets/toy.env"`, `"/etc/passwd"`, "use local/ or secrets/"},
		"writes upwards":        {`"secrets/toy.env"`, `"local/../../x"`, "use local/ or secrets/"},
		"template from a file":  {"env         = true", "env = true\n source = \"/etc/shadow\"", "not read from"},
		"change_script":         {"env         = true", "env = true\n change_mode = \"script\"\n change_script {\n command = \"/bin/sh\"\n fail_on_error = true\n }", "runs a program"},
		"second group":          {"  group \"app\" {", "  group \"other\" {\n    task \"x\" {\n      driver = \"docker\"\n    }\n  }\n  group \"app\" {", "one group"},
		"second job":            {"job \"toy\" {", "job \"other\" {\n}\njob \"toy\" {", "Only one block"},
		"a certain node":        {block, "      constraint {\n        attribute = \"${node.unique.id}\"\n        value     = \"x\"\n      }", "frama's to say"},
		"periodic":              {"  group \"app\" {", "  periodic {\n    cron = \"@daily\"\n  }\n  group \"app\" {", "calendar"},
		"priority":              {"  group \"app\" {", "  priority = 90\n  group \"app\" {", "priority"},
	}
	for name, one := range cases {
		t.Run(name, func(t *testing.T) {
			spoiled := strings.Replace(string(source), one.old, one.new, 1)
			if spoiled == string(source) {
				t.Fatal("the case spoils nothing")
			}
			if seen := lint(t, spoiled); len(seen) == 0 {
				t.Error("catalogue lint sees nothing")
			}
			found, err := c.Check(t.Context(), job(spoiled), ProductionPolicy())
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range found {
				if strings.Contains(f.Message, one.says) {
					return
				}
			}
			t.Errorf("want %q, found %v", one.says, found)
		})
	}
}

// lint lays out the good entry with another job, and checks it without a cluster.
func lint(t *testing.T, job string) catalogue.Diagnostics {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "toy")
	if err := os.CopyFS(dir, os.DirFS("../../catalogue/testdata/toy")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "job.nomad.hcl"), []byte(job), 0o600); err != nil {
		t.Fatal(err)
	}
	found, err := catalogue.LintFolders(t.Context(), nil, []string{dir}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// Every entry that frama brings along passes Nomad's parser, the policy and Nomad's validation.
func TestEmbeddedEntriesPassThePolicy(t *testing.T) {
	all, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	c := cluster(t)
	found, err := all.Lint(t.Context(), func(ctx context.Context, f catalogue.JobFile) ([]catalogue.Finding, error) {
		answer, err := c.Check(ctx, provisioner.Job{
			ID: "lint-" + f.App, SpaceID: "lint", InstanceID: "lint", Source: f.Source, Path: f.Path, Variables: f.Variables,
			Volume: f.Volume, Port: f.Port, CPU: f.CPU, Memory: f.Memory, MemoryMax: f.MemoryMax,
		}, ProductionPolicy())
		var out []catalogue.Finding
		for _, one := range answer {
			out = append(out, catalogue.Finding(one))
		}
		return out, err
	})
	if err != nil || len(found) > 0 {
		t.Errorf("%v\n%v", err, found)
	}
}
