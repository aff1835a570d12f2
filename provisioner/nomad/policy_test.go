package nomad

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"framagit.org/frama/frama/provisioner"

	"github.com/hashicorp/nomad/api"
	"pgregory.net/rapid"
)

var wantedJob = provisioner.Job{ID: "cafe-pads", SpaceID: "s1", InstanceID: "i1", Node: "n1", Volume: "cafe-pads-data",
	Port: 20001, CPU: 200, Memory: 256, MemoryMax: 512}

// goodJob is one that the policy has nothing against, as it comes out of the mutators.
func goodJob() *api.Job {
	job := &api.Job{TaskGroups: []*api.TaskGroup{{
		Name:     ptr("app"),
		Networks: []*api.NetworkResource{{DynamicPorts: []api.Port{{Label: "http", To: 9001}}}},
		Volumes:  map[string]*api.VolumeRequest{"data": {Name: "data", Source: "cafe-pads-data"}},
		Services: []*api.Service{{Name: "pads", Provider: "nomad", PortLabel: "http", Checks: []api.ServiceCheck{{Type: "http", Path: "/"}}}},
		Tasks: []*api.Task{{
			Name: "pads", Driver: "docker",
			Config: map[string]any{"image": "etherpad/etherpad:3.3.1", "ports": []any{"http"}, "readonly_rootfs": true,
				"mount": []any{map[string]any{"type": "tmpfs", "target": "/tmp"}}},
			Templates: []*api.Template{{DestPath: ptr("secrets/env"), Envvars: ptr(true),
				EmbeddedTmpl: ptr(`{{ with nomadVar "nomad/jobs/cafe-pads" }}A={{ .a.Value | toJSON }}{{ end }}{{ env "NOMAD_PORT_http" }}`)}},
		}},
	}}}
	c := &Cluster{options: Options{Namespace: "frama"}}
	c.mutate(job, wantedJob, true)
	return job
}

func TestPolicyHasNothingAgainstAGoodJob(t *testing.T) {
	if v := ProductionPolicy().Violations(goodJob(), wantedJob); len(v) > 0 {
		t.Error(v)
	}
}

func TestPolicyRefusesHostileJobs(t *testing.T) {
	group := func(f func(*api.TaskGroup)) func(*api.Job) { return func(j *api.Job) { f(j.TaskGroups[0]) } }
	task := func(f func(*api.Task)) func(*api.Job) { return func(j *api.Job) { f(j.TaskGroups[0].Tasks[0]) } }
	config := func(key string, value any) func(*api.Job) { return task(func(t *api.Task) { t.Config[key] = value }) }
	template := func(text string) func(*api.Job) {
		return task(func(t *api.Task) { t.Templates[0].EmbeddedTmpl = &text })
	}
	mount := func(kind, source string) func(*api.Job) {
		return config("mount", []any{map[string]any{"type": kind, "source": source, "target": "/x"}})
	}
	cases := map[string]struct {
		spoil func(*api.Job)
		says  string
	}{
		"raw_exec":               {task(func(t *api.Task) { t.Driver = "raw_exec" }), "driver raw_exec is not allowed"},
		"exec in production":     {task(func(t *api.Task) { t.Driver = "exec" }), "driver exec is not allowed"},
		"privileged":             {config("privileged", true), "root on the node"},
		"cap_add":                {config("cap_add", []any{"SYS_ADMIN"}), "rights over the node"},
		"docker volumes":         {config("volumes", []any{"/:/host"}), "mount paths of the node"},
		"devices":                {config("devices", []any{map[string]any{"host_path": "/dev/sda"}}), "devices of the node"},
		"network host":           {config("network_mode", "host"), "network_mode"},
		"network of a container": {config("network_mode", "container:x"), "network_mode"},
		"pid host":               {config("pid_mode", "host"), "processes"},
		"ipc host":               {config("ipc_mode", "host"), "memory"},
		"capabilities kept":      {config("cap_drop", []any{"net_raw"}), "cap_drop must be all"},
		"no cap_drop":            {config("cap_drop", nil), "cap_drop must be all"},
		"new privileges":         {task(func(t *api.Task) { delete(t.Config, "security_opt") }), "may gain privileges"},
		"more options":           {config("security_opt", []any{"no-new-privileges", "apparmor=unconfined"}), "confinement"},
		"network of another":     {config("network_mode", "frama-web"), "out of its own network (frama-none)"},
		"docker's own network":   {task(func(t *api.Task) { delete(t.Config, "network_mode") }), "Docker's own network"},
		"no limit of processes":  {config("pids_limit", 0), "pids_limit"},
		"too many processes":     {config("pids_limit", 1_000_000), "pids_limit"},
		"the node's bridge":      {group(func(g *api.TaskGroup) { g.Networks[0].Mode = "bridge" }), "network mode bridge"},
		"cni of another class":   {group(func(g *api.TaskGroup) { g.Networks[0].Mode = "cni/frama-web" }), "cni/frama-web"},
		"userns host":            {config("userns_mode", "host"), "user namespace"},
		"security_opt":           {config("security_opt", []any{"seccomp=unconfined"}), "confinement"},
		"unknown key":            {config("new_thing", "x"), "not known to be harmless"},
		"bind of the root":       {mount("bind", "/"), "let a start script copy it"},
		"bind upwards":           {mount("bind", "local/../../../etc/passwd"), "let a start script copy it"},
		"bind of the socket":     {mount("bind", "/var/run/docker.sock"), "let a start script copy it"},
		"bind of an own file":    {mount("bind", "secrets/APIKEY.txt"), "let a start script copy it"},
		"bind by variable":       {mount("bind", "local/${NOMAD_ALLOC_DIR}"), "let a start script copy it"},
		"docker volume":          {mount("volume", "other"), "mount of type volume"},
		"latest":                 {config("image", "etherpad/etherpad:latest"), "pinned"},
		"no tag":                 {config("image", "registry:5000/etherpad"), "pinned"},
		"moving tag":             {config("image", "etherpad/etherpad:3"), "pinned"},
		"short digest":           {config("image", "etherpad/etherpad@sha256:abc"), "64 digits"},
		"interpolated image":     {config("image", "${attr.image}"), "written out"},
		"logging":                {config("logging", []any{map[string]any{"type": "syslog"}}), "elsewhere"},
		"another's volume":       {group(func(g *api.TaskGroup) { g.Volumes["x"] = &api.VolumeRequest{Type: "host", Source: "lyon-pads-data"} }), "not the instance's own"},
		"unlisted shared volume": {group(func(g *api.TaskGroup) {
			g.Volumes["x"] = &api.VolumeRequest{Type: "host", Source: "frama-usr", ReadOnly: true}
		}), "not the instance's own"},
		"another's csi":       {group(func(g *api.TaskGroup) { g.Volumes["x"] = &api.VolumeRequest{Type: "csi", Source: "lyon-pads-data"} }), "not the instance's own"},
		"a host's folder":     {group(func(g *api.TaskGroup) { g.Volumes["data"].Type = "host" }), "leave it out"},
		"many writers":        {group(func(g *api.TaskGroup) { g.Volumes["data"].AccessMode = "multi-node-multi-writer" }), "frama sets them"},
		"mount options":       {group(func(g *api.TaskGroup) { g.Volumes["data"].MountOptions = &api.CSIMountOptions{FSType: "ext4"} }), "mount options"},
		"bidirectional mount": {task(func(t *api.Task) { t.VolumeMounts = []*api.VolumeMount{{PropagationMode: ptr("bidirectional")}} }), "spread"},
		"vault":               {task(func(t *api.Task) { t.Vault = &api.Vault{} }), "Vault"},
		"consul":              {task(func(t *api.Task) { t.Consul = &api.Consul{} }), "Consul"},
		"artifact":            {task(func(t *api.Task) { t.Artifacts = []*api.TaskArtifact{{GetterSource: ptr("https://x.example")}} }), "downloads"},
		"identity in env":     {task(func(t *api.Task) { t.Identity = &api.WorkloadIdentity{Env: true} }), "token"},
		"another identity":    {task(func(t *api.Task) { t.Identities = []*api.WorkloadIdentity{{Name: "x", File: true}} }), "token"},
		"secret block":        {task(func(t *api.Task) { t.Secrets = []*api.Secret{{Provider: "x"}} }), "secret blocks"},
		"poststop":            {task(func(t *api.Task) { t.Lifecycle = &api.TaskLifecycle{Hook: "poststop"} }), "runs on after"},
		"cores":               {task(func(t *api.Task) { t.Resources.Cores = ptr(2) }), "cores"},
		"gpu":                 {task(func(t *api.Task) { t.Resources.Devices = []*api.RequestedDevice{{Name: "gpu"}} }), "devices"},
		"numa":                {task(func(t *api.Task) { t.Resources.NUMA = &api.NUMAResource{} }), "numa"},
		"csi plugin":          {task(func(t *api.Task) { t.CSIPluginConfig = &api.TaskCSIPluginConfig{} }), "storage plugin"},
		"two groups":          {func(j *api.Job) { j.TaskGroups = append(j.TaskGroups, j.TaskGroups[0]) }, "one group"},
		"more memory by a task": {group(func(g *api.TaskGroup) {
			g.Tasks = append(g.Tasks, &api.Task{Name: "x", Driver: "docker", Config: map[string]any{"image": "a:1.0"}})
		}), "MiB, the instance reserved"},
		"canary":        {group(func(g *api.TaskGroup) { g.Update.Canary = ptr(1) }), "canary"},
		"count":         {group(func(g *api.TaskGroup) { g.Count = ptr(2) }), "one allocation"},
		"scaling":       {group(func(g *api.TaskGroup) { g.Scaling = &api.ScalingPolicy{} }), "scaling"},
		"system job":    {func(j *api.Job) { j.Type = ptr("system") }, "type service"},
		"periodic":      {func(j *api.Job) { j.Periodic = &api.PeriodicConfig{} }, "calendar"},
		"parameterized": {func(j *api.Job) { j.ParameterizedJob = &api.ParameterizedJobConfig{} }, "parameterized"},
		"priority":      {func(j *api.Job) { j.Priority = ptr(90) }, "priority"},
		"another's ID":  {func(j *api.Job) { j.ID = ptr("lyon-pads") }, "ID must be cafe-pads"},
		"more meta":     {func(j *api.Job) { j.Meta["x"] = "y" }, "meta"},
		"another node": {func(j *api.Job) {
			j.Constraints = append(j.Constraints, api.NewConstraint("${node.unique.id}", "=", "n2"))
		}, "frama's to say"},
		"node by name": {group(func(g *api.TaskGroup) {
			g.Constraints = append(g.Constraints, api.NewConstraint("${attr.unique.hostname}", "=", "x"))
		}), "frama's to say"},
		"static port": {group(func(g *api.TaskGroup) {
			g.Networks[0].ReservedPorts = append(g.Networks[0].ReservedPorts, api.Port{Label: "ssh", Value: 22})
		}), "port ssh is static"},
		"no port":               {group(func(g *api.TaskGroup) { g.Networks = nil }), "no port"},
		"cni":                   {group(func(g *api.TaskGroup) { g.Networks[0].Mode = "cni/x" }), "cni/x"},
		"host network":          {group(func(g *api.TaskGroup) { g.Networks[0].Mode = "host" }), "shares the node's network"},
		"another's service":     {group(func(g *api.TaskGroup) { g.Services[0].Name = "lyon-pads" }), "not the job's"},
		"service elsewhere":     {group(func(g *api.TaskGroup) { g.Services[0].Address = "10.0.0.1" }), "address of its own"},
		"consul service":        {group(func(g *api.TaskGroup) { g.Services[0].Provider = "consul" }), "no Consul"},
		"connect":               {group(func(g *api.TaskGroup) { g.Services[0].Connect = &api.ConsulConnect{} }), "mesh"},
		"script check":          {group(func(g *api.TaskGroup) { g.Services[0].Checks[0].Type = "script" }), "http or tcp"},
		"another's variable":    {template(`{{ with nomadVar "nomad/jobs/lyon-pads" }}{{ .a }}{{ end }}`), "not the job's own"},
		"everybody's variable":  {template(`{{ with nomadVar "nomad/jobs" }}{{ .a }}{{ end }}`), "not the job's own"},
		"a prefix of the name":  {template(`{{ with nomadVar "nomad/jobs/cafe-pads2" }}{{ .a }}{{ end }}`), "not the job's own"},
		"computed variable":     {template(`{{ with nomadVar (printf "nomad/jobs/%s" "x") }}{{ .a }}{{ end }}`), "written out"},
		"piped variable":        {template(`{{ with "nomad/jobs/x" | nomadVar }}{{ .a }}{{ end }}`), "written out"},
		"listed variables":      {template(`{{ range nomadVarList "nomad" }}{{ . }}{{ end }}`), "reads beyond the job"},
		"file":                  {template(`{{ file "/etc/passwd" }}`), "calls file"},
		"file in a define":      {template(`{{ define "x" }}{{ file "/etc/passwd" }}{{ end }}{{ template "x" }}`), "calls file"},
		"file in an else":       {template(`{{ if false }}{{ else }}{{ file "/etc/passwd" }}{{ end }}`), "calls file"},
		"file in an argument":   {template(`{{ toJSON (file "/etc/passwd") }}`), "calls file"},
		"file in an assignment": {template(`{{ $x := file "/etc/passwd" }}{{ $x }}`), "calls file"},
		"environment":           {template(`{{ env "AWS_SECRET_ACCESS_KEY" }}`), "environment"},
		"token by environment":  {template(`{{ env "NOMAD_TOKEN" }}`), "environment"},
		"vault secret":          {template(`{{ with secret "kv/x" }}{{ end }}`), "calls secret"},
		"other services":        {template(`{{ range nomadService "lyon-pads" }}{{ .Address }}{{ end }}`), "calls nomadService"},
		"writes a file":         {template(`{{ "x" | writeToFile "/etc/cron.d/x" "" "" "0644" }}`), "calls writeToFile"},
		"broken template":       {template(`{{ if }}`), "does not parse"},
		"template from a file":  {task(func(t *api.Task) { t.Templates[0].SourcePath = ptr("/etc/shadow") }), "not read from"},
		"template to the node":  {task(func(t *api.Task) { t.Templates[0].DestPath = ptr("/etc/passwd") }), "writes to"},
		"template upwards":      {task(func(t *api.Task) { t.Templates[0].DestPath = ptr("local/../../x") }), "writes to"},
		"template in a folder":  {task(func(t *api.Task) { t.Templates[0].DestPath = ptr("local/conf/x") }), "without folders"},
		"other delimiters": {task(func(t *api.Task) {
			t.Templates[0].LeftDelim, t.Templates[0].RightDelim, t.Templates[0].EmbeddedTmpl = ptr("<<"), ptr(">>"), ptr(`<< file "/x" >>`)
		}), "calls file"},
		"host network of a port":  {group(func(g *api.TaskGroup) { g.Networks[0].ReservedPorts[0].HostNetwork = "public" }), "own address"},
		"environment in env":      {task(func(t *api.Task) { t.Env = map[string]string{"A": `${env["AWS_SECRET_ACCESS_KEY"]}`} }), "environment of the node"},
		"environment with spaces": {config("args", []any{`${ env["AWS_SECRET_ACCESS_KEY"] }`}), "environment of the node"},
		"environment in a call":   {config("args", []any{`${upper(env.AWS_SECRET_ACCESS_KEY)}`}), "environment of the node"},
		"token in args":           {config("args", []any{"--token", "${NOMAD_TOKEN}"}), "tokens"},
		"a path upwards":          {template(`{{ with nomadVar "nomad/jobs/cafe-pads/../x" }}{{ .a }}{{ end }}`), "not the job's own"},
		"change script":           {task(func(t *api.Task) { t.Templates[0].ChangeScript = &api.ChangeScript{} }), "change_script"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			job := goodJob()
			c.spoil(job)
			found := ProductionPolicy().Violations(job, wantedJob)
			for _, v := range found {
				if strings.Contains(v.String(), c.says) {
					return
				}
			}
			t.Errorf("want %q, found %v", c.says, found)
		})
	}
}

func TestPolicyReportsAllAtOnce(t *testing.T) {
	job := goodJob()
	job.Priority = ptr(100)
	task := job.TaskGroups[0].Tasks[0]
	task.Config["privileged"], task.Vault = true, &api.Vault{}
	text := (&PolicyError{Job: "j", Path: "p", Violations: ProductionPolicy().Violations(job, wantedJob)}).Error()
	for _, part := range []string{"priority", "privileged", "Vault", "group app, task pads"} {
		if !strings.Contains(text, part) {
			t.Errorf("%q is missing in %s", part, text)
		}
	}
}

func TestDevelopmentAllowsProcessesButNotRoot(t *testing.T) {
	job := goodJob()
	task := job.TaskGroups[0].Tasks[0]
	task.Driver, task.Config = "exec", map[string]any{"command": "/usr/bin/env", "args": []any{"node"}}
	if v := DevelopmentPolicy().Violations(job, wantedJob); len(v) > 0 {
		t.Error(v)
	}
	task.User = "root"
	task.Config["pid_mode"] = "host"
	if v := DevelopmentPolicy().Violations(job, wantedJob); len(v) != 2 {
		t.Error(v)
	}
	sneaky := Policy{Drivers: []string{"raw_exec"}}
	task.Driver = "raw_exec"
	if v := sneaky.Violations(job, wantedJob); len(v) == 0 {
		t.Error("raw_exec passed outside development")
	}
}

// Whatever a job asks for, the mutators bring it within bounds, and doing it twice changes nothing.
func TestMutatorsBoundAnyJob(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		duration := func(name string) *time.Duration {
			return ptr(time.Duration(rapid.Int64Range(-1, int64(10*time.Hour)).Draw(t, name)))
		}
		number := func(name string) *int { return ptr(rapid.IntRange(-5, 100_000).Draw(t, name)) }
		job := goodJob()
		g := job.TaskGroups[0]
		g.Count = number("count")
		g.Update = &api.UpdateStrategy{Canary: number("canary"), MaxParallel: number("parallel"), MinHealthyTime: duration("min"), HealthyDeadline: duration("healthy"), ProgressDeadline: duration("progress"), AutoRevert: ptr(true)}
		g.RestartPolicy = &api.RestartPolicy{Attempts: number("attempts"), Delay: duration("delay"), Interval: duration("interval"), Mode: ptr("delay")}
		g.EphemeralDisk = &api.EphemeralDisk{SizeMB: number("disk"), Sticky: ptr(true)}
		g.Tasks[0].KillTimeout = duration("kill")
		g.Tasks[0].LogConfig = &api.LogConfig{MaxFiles: number("files"), MaxFileSizeMB: number("size")}
		g.Tasks[0].Resources = &api.Resources{CPU: number("cpu"), MemoryMB: number("memory"), MemoryMaxMB: number("max")}
		job.Meta = map[string]string{"x": "y"}
		job.Constraints = nil
		c := &Cluster{options: Options{Namespace: "frama"}}
		c.mutate(job, wantedJob, true)
		if v := ProductionPolicy().Violations(job, wantedJob); len(v) > 0 {
			t.Fatal(v)
		}
		u := g.Update
		if *u.AutoRevert || *u.MinHealthyTime < time.Second || *u.HealthyDeadline > time.Hour || *u.ProgressDeadline <= *u.HealthyDeadline || *u.HealthyDeadline <= 0 || *u.ProgressDeadline <= *g.Tasks[0].KillTimeout {
			t.Fatalf("%+v", u)
		}
		if *g.Tasks[0].LogConfig.MaxFiles**g.Tasks[0].LogConfig.MaxFileSizeMB >= *g.EphemeralDisk.SizeMB {
			t.Fatal("logs do not fit")
		}
		before, _ := json.Marshal(job)
		job.Constraints = job.Constraints[:0]
		c.mutate(job, wantedJob, true)
		if after, _ := json.Marshal(job); string(after) != string(before) {
			t.Fatalf("%s\n%s", before, after)
		}
	})
}

func TestUnsafeTextIsRefused(t *testing.T) {
	for _, s := range []string{"${x}", "a%{if}", "{{ env }}", "x}}", "a\nb", "a\x00", "\u007f", "\xff"} {
		if unsafeText(s) == "" {
			t.Errorf("%q passed", s)
		}
		j := wantedJob
		j.Source, j.Variables = "variable \"host\" {}\n", map[string]any{"host": s}
		if _, err := encodeVariables(j); err == nil || strings.Contains(err.Error(), s) && len(s) > 3 {
			t.Errorf("%q: %v", s, err)
		}
	}
	j := wantedJob
	j.Source = "variable \"host\" {\n}\n  variable \"port\" {}\n# variable \"plan\" {}\n"
	j.Variables = map[string]any{"host": "pads.example.org", "port": 1, "plan": "${x}", "other": "y"}
	if got, err := encodeVariables(j); err != nil || got != `{"host":"pads.example.org","port":1}` {
		t.Error(got, err)
	}
}
