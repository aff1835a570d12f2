package catalogue

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// JobFile is a job of the catalogue with the variables of an imagined instance, for whoever can check it.
type JobFile struct {
	App, Plan         string
	Path              string // of the file, for diagnostics
	Source            string
	Variables         map[string]any
	Node, Volume      string
	Port              int
	CPU               int // MHz
	Memory, MemoryMax int // MiB
	Egress            string
	Capabilities      []string
	Images            map[string]string // whose digest the manifest names, see Run.Pinned
}

// Finding is what a checker says about a job file.
type Finding struct {
	Line, Column int // 0 when the checker cannot tell
	Message      string
}

// Check asks a cluster what it thinks of a job: whether it parses, keeps to the policy and could be placed.
type Check func(ctx context.Context, file JobFile) ([]Finding, error)

// Lint checks every application: its job files on their syntax tree and against the manifest here, and again with check,
// in the smallest and the largest plan. check may be nil when no cluster is at hand. The error is the checker's own (the
// cluster went away) and comes with what was found until then; what is wrong with the files is in the diagnostics.
func (c *Catalogue) Lint(ctx context.Context, check Check) (Diagnostics, error) {
	return c.lint(ctx, c.apps, check)
}

// LintFolders reads the embedded catalogue and the configured folders (dirs) and checks what is in them, manifests and
// job files alike: all mistakes of all files at once. With names, only the mistakes in those folders are reported; such a
// folder is one application or holds several, and need not be configured.
func LintFolders(ctx context.Context, dirs, names []string, check Check) (Diagnostics, error) {
	sources, err := sourcesOf(dirs)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		s, err := sourceNamed(name)
		if err != nil {
			return nil, err
		}
		sources = append(sources, s)
	}
	c, found := gather(sources)
	apps := c.apps
	if len(names) > 0 {
		apps = slices.DeleteFunc(slices.Clone(apps), func(a App) bool { return !slices.Contains(names, a.Origin) })
		if len(apps) == 0 && !slices.ContainsFunc(names, holdsWords) {
			return nil, fmt.Errorf("no application in %s: a folder of one has a file %s", strings.Join(names, ", "), manifestFile)
		}
	}
	more, err := c.lint(ctx, apps, check)
	found = append(found, more...)
	if len(names) > 0 {
		found = found.within(names)
	}
	found.sort()
	return found, err
}

// holdsWords says whether a folder has plans or kinds of its own, which may be all that a host changes.
func holdsWords(dir string) bool {
	for _, name := range []string{"plans.hcl", "kinds.hcl"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			return true
		}
	}
	return false
}

// within keeps what is in the folders, with paths as these were typed.
func (d Diagnostics) within(folders []string) Diagnostics {
	var kept Diagnostics
	for _, one := range d {
		for _, folder := range folders {
			whole, err := filepath.Abs(folder)
			path, pathErr := filepath.Abs(one.Path)
			rest, outside := filepath.Rel(whole, path)
			if err == nil && pathErr == nil && outside == nil && rest != ".." && !strings.HasPrefix(rest, ".."+string(filepath.Separator)) {
				one.Path = filepath.Join(folder, rest)
				kept = append(kept, one)
				break
			}
		}
	}
	return kept
}

// sourceNamed is a folder named on the command line: of applications, or of one.
func sourceNamed(dir string) (source, error) {
	if _, err := os.Stat(filepath.Join(dir, manifestFile)); err != nil {
		all, err := sourcesOf([]string{dir})
		if err != nil {
			return source{}, err
		}
		return all[len(all)-1], nil
	}
	whole, err := filepath.Abs(dir) // the application has the name of its folder, also where that is typed as "."
	if err != nil {
		return source{}, fmt.Errorf("folder %s: %w", dir, err)
	}
	parent, name := filepath.Dir(whole), filepath.Base(whole)
	apps := oneFolder{os.DirFS(parent), name}
	return source{origin: dir, shown: dir, plans: os.DirFS(dir), apps: apps, appsShown: parent}, nil
}

// oneFolder is a file system with one of the folders of another.
type oneFolder struct {
	fs.FS
	name string
}

// ReadDir lists the one folder, without looking at those beside it.
func (f oneFolder) ReadDir(name string) ([]fs.DirEntry, error) {
	if name != "." {
		return fs.ReadDir(f.FS, name)
	}
	info, err := fs.Stat(f.FS, f.name)
	if err != nil {
		return nil, err
	}
	return []fs.DirEntry{fs.FileInfoToDirEntry(info)}, nil
}

func (c *Catalogue) lint(ctx context.Context, apps []App, check Check) (Diagnostics, error) {
	var all Diagnostics
	for _, app := range apps {
		all = append(all, lintApp(app)...)
	}
	all.sort()
	if check == nil {
		return all, nil
	}
	for _, app := range apps {
		if !app.HasJob() {
			continue
		}
		for _, plan := range c.extremes() {
			findings, err := check(ctx, app.jobFile(plan))
			if err != nil {
				return all, err
			}
			all = append(all, newOnes(findings, all, app.job.path)...)
		}
	}
	all.sort()
	return all, nil
}

// newOnes leaves out findings of the checker about a line that is known already, and those that say again what is known with
// its place: the parsed job has no positions, so the checker can only guess.
func newOnes(findings []Finding, known Diagnostics, path string) Diagnostics {
	var out Diagnostics
	for _, f := range findings {
		said := slices.ContainsFunc(known, func(d Diagnostic) bool {
			return d.Path == path && (f.Line > 0 && d.Line == f.Line || strings.HasSuffix(f.Message, d.Message))
		})
		if !said {
			out = append(out, Diagnostic{Path: path, Line: f.Line, Column: max(f.Column, min(f.Line, 1)), Message: f.Message})
		}
	}
	return out
}

func (c *Catalogue) extremes() []string {
	if len(c.plans) == 0 {
		return nil
	}
	ids := []string{c.plans[0].ID, c.plans[len(c.plans)-1].ID}
	return slices.Compact(ids)
}

// jobFile imagines an instance of the application.
func (a App) jobFile(plan string) JobFile {
	size := a.sizes[plan]
	f := JobFile{App: a.Name, Plan: plan, Path: a.job.path, Source: a.job.source,
		Volume: "lint-" + a.Name + "-data", Port: 20999, CPU: size.CPU, Memory: size.Memory, MemoryMax: size.MemoryMax,
		Egress: a.Egress, Capabilities: a.Capabilities}
	f.Variables = map[string]any{
		"job_id": "lint-" + a.Name, "host": "lint.example.org", "url": "https://lint.example.org", "port": f.Port,
		"volume": f.Volume, "cpu": f.CPU, "memory": f.Memory, "memory_max": f.MemoryMax, "plan": plan,
		"registry": "registry.example.org/host", "ingress": "192.0.2.10 2001:db8::/64",
	}
	f.Images = a.Run().Pinned("registry.example.org/host")
	return f
}

// JobVariables lists the variables that frama sets in a job, with their types. A job declares those it uses.
func JobVariables() map[string]string {
	return map[string]string{
		"job_id":     "string", // Nomad job ID, also the name of the job's Nomad Variable: nomad/jobs/<job_id>
		"host":       "string", // public host name
		"url":        "string", // public address, https, with the port where it is not 443
		"port":       "number", // static port on the node, label "http"
		"volume":     "string", // name of the volume
		"cpu":        "number", // MHz
		"memory":     "number", // MiB
		"memory_max": "number", // MiB, 0 for none
		"plan":       "string",
		"ingress":    "string", // addresses and ranges (CIDR) of the ingress nodes, separated by spaces: what they say of visitors is true
		"registry":   "string", // where the host keeps the images that it builds itself, as registry.example.org/host
	}
}

var declaredVariable = regexp.MustCompile(`(?m)^\s*variable\s+"([A-Za-z0-9_]+)"`)

// Declares reports whether a job file declares the variable.
func Declares(source, variable string) bool {
	return slices.ContainsFunc(declaredVariable.FindAllStringSubmatch(source, -1), func(m []string) bool { return m[1] == variable })
}

// lintApp checks one application: its job files, and whether manifest and jobs say the same.
func lintApp(app App) Diagnostics {
	var all Diagnostics
	if !app.HasJob() && app.Status != Retired {
		all = append(all, Diagnostic{Path: app.folder, Message: "there is no job file: add " + jobFile})
	}
	m := app.manifest()
	var l *jobLint
	if app.HasJob() {
		l = lintJob(app)
		if m != nil {
			l.against(m)
		}
		all = append(all, l.diags...)
	}
	if m != nil {
		all = append(all, m.unused(app, l)...)
	}
	return all
}
