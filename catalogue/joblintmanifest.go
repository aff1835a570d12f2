package catalogue

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// manifestTree is the manifest's syntax tree, for the places of what a job contradicts.
type manifestTree struct {
	body *hclsyntax.Body
	path string
}

// manifest reads the manifest once more. It is nil when that cannot be done, which is reported elsewhere.
func (a App) manifest() *manifestTree {
	path := filepath.Join(a.folder, manifestFile)
	var source []byte
	var err error
	if a.Origin == Embedded {
		source, err = embedded.ReadFile("apps/" + a.Name + "/" + manifestFile)
	} else {
		source, err = os.ReadFile(path)
	}
	if err != nil {
		return nil
	}
	file, found := hclsyntax.ParseConfig(source, path, hcl.InitialPos)
	if found.HasErrors() {
		return nil
	}
	return &manifestTree{file.Body.(*hclsyntax.Body), path}
}

// block finds a block by type and label.
func block(body *hclsyntax.Body, kind, label string) *hclsyntax.Block {
	for _, b := range body.Blocks {
		if b.Type == kind && (label == "" || slices.Equal(b.Labels, []string{label})) {
			return b
		}
	}
	return nil
}

// item is the place of a text in a list of the manifest, or that of the whole list.
func item(body *hclsyntax.Body, list, text string) hcl.Range {
	attr, ok := body.Attributes[list]
	if !ok {
		return body.MissingItemRange()
	}
	if tuple, ok := attr.Expr.(*hclsyntax.TupleConsExpr); ok {
		for _, e := range tuple.Exprs {
			if v, found := e.Value(nil); !found.HasErrors() && goValue(v) == text {
				return e.Range()
			}
		}
	}
	return attr.Expr.Range()
}

// against compares the job with what the manifest says.
func (l *jobLint) against(m *manifestTree) {
	says, run := m.body, l.app.Run()
	l.againstTasks(says, run)
	l.againstImages(says, run)
	if l.broken || l.body == nil {
		return // what is missing may be in the part that could not be read
	}
	if block(says, "volume", "") != nil && !l.volume && l.group != nil {
		l.at(l.group.TypeRange, "the manifest says who owns the volume, but no volume of the group has source = var.volume")
	}
	if attr, ok := m.body.Attributes["backup"]; ok && strings.Contains(l.app.Backup, "files") && !l.volume {
		l.at(attr.Expr.Range(), "backup copies files, but the job has no volume with source = var.volume")
	}
	if setting := run.Enforce.Setting; setting != "" && !l.unread && !l.keys[setting] {
		d := run.Enforce.settingAt
		d.Message = "the job never uses " + setting + ": a template has to hand it to the application"
		l.diags = append(l.diags, d)
	}
	for _, need := range run.Needs {
		if !l.unread && !slices.ContainsFunc(BackingKeys()[need], func(key string) bool { return l.keys[key] }) {
			l.at(item(says, "needs", need), "the job uses no key of %s (%s): leave the need out", need, strings.Join(BackingKeys()[need], ", "))
		}
	}
}

func (l *jobLint) againstTasks(says *hclsyntax.Body, run Run) {
	if len(run.Tasks) == 0 {
		return // complained about already
	}
	var names []string
	for _, t := range l.tasks {
		names = append(names, t.name)
		if t.name != "" && !slices.Contains(run.Tasks, t.name) {
			l.at(t.block.LabelRanges[0], "task %s is not in tasks of the manifest%s", t.name, didYouMean(t.name, run.Tasks))
		}
	}
	for _, name := range run.Tasks {
		if !slices.Contains(names, name) && !l.broken {
			l.at(item(says, "tasks", name), "the job has no task %s%s", name, didYouMean(name, names))
		}
	}
}

func (l *jobLint) againstImages(says *hclsyntax.Body, run Run) {
	registry := l.app.jobFile("").Variables["registry"].(string)
	for _, t := range l.tasks {
		image, known := run.Images[t.name]
		if t.driver != "docker" || t.image == "" || t.image == unreadable || !slices.Contains(run.Tasks, t.name) {
			continue
		}
		if !known {
			advice := fmt.Sprintf("reference = %q", t.image)
			if own, ok := strings.CutPrefix(t.image, registry+"/"); ok {
				advice = fmt.Sprintf(`reference = %q, build = "https://…"`, own)
			}
			l.at(t.at, `the manifest has no image %q { %s }`, t.name, advice)
			continue
		}
		want := image.Reference
		if image.Build != "" {
			want = registry + "/" + want
		}
		switch {
		case image.Reference == "": // complained about already
		case t.image != want && t.image != want+"@"+image.Digest:
			l.at(t.at, "the image is not that of the manifest, which says %s", strings.Replace(want, registry, "${var.registry}", 1))
		case t.name == run.Tasks[0] && !strings.Contains(bare(imageTag(want)), bare(run.Version)):
			if b := block(says, "image", t.name); b != nil {
				l.at(b.Body.Attributes["reference"].Expr.Range(), "the main task's image is not of version %s, which the manifest says", run.Version)
			}
		}
	}
}

// bare is a version without what separates its numbers, which each project writes in its own way.
func bare(version string) string {
	return strings.NewReplacer(".", "", "-", "", "_", "", "+", "").Replace(strings.TrimPrefix(version, "v"))
}

// unused finds secrets and values that nothing reads, and secrets in the words of commands.
func (m *manifestTree) unused(app App, job *jobLint) Diagnostics {
	var diags Diagnostics
	used := map[string]bool{}
	readable := job != nil && !job.broken && !job.unread // otherwise a part that could not be read may read them
	if readable {
		maps.Copy(used, job.keys)
	}
	for _, u := range app.Run().Usage {
		for _, name := range placeholder.FindAllStringSubmatch(u.Path, -1) {
			used[name[1]] = true
		}
	}
	for _, q := range app.Run().requests() {
		for _, text := range append([]string{q.Path, q.Body, q.User, q.Password, q.Contains, q.Lacks}, valuesOf(q.Headers)...) {
			for _, name := range placeholder.FindAllStringSubmatch(text, -1) {
				used[name[1]] = true
			}
		}
	}
	for _, b := range m.body.Blocks {
		if (b.Type == "secret" || b.Type == "value") && len(b.Labels) == 1 && !used[b.Labels[0]] && readable {
			diags.at(b.LabelRanges[0], "%s %s is never used: no template of a job reads it", b.Type, b.Labels[0])
		}
	}
	m.commands(m.body, &diags)
	return diags
}

// commands looks for secrets in the words of set-up and counting commands.
func (m *manifestTree) commands(body *hclsyntax.Body, diags *Diagnostics) {
	if attr, ok := body.Attributes["command"]; ok {
		if tuple, ok := attr.Expr.(*hclsyntax.TupleConsExpr); ok {
			words := make([]string, len(tuple.Exprs))
			for n, e := range tuple.Exprs {
				if v, found := e.Value(nil); !found.HasErrors() {
					words[n], _ = goValue(v).(string)
				}
			}
			for n, problem := range secretWords(words) {
				diags.at(tuple.Exprs[n].Range(), "%s", problem)
			}
		}
	}
	for _, b := range body.Blocks {
		m.commands(b.Body, diags)
	}
}

// requests lists all that are made of an instance.
func (r Run) requests() []Request {
	all := slices.Concat(r.Check.Write, r.Check.Read, r.Check.Opening)
	for _, s := range r.Setup {
		all = append(all, s.Requests...)
	}
	for _, a := range []Act{r.Enforce.Stop, r.Enforce.Allow, r.Enforce.Tell} {
		all = append(all, a.Requests...)
	}
	for _, rule := range r.Retain {
		all = append(all, rule.List, rule.Changed, rule.Export, rule.Remove)
	}
	return all
}

func valuesOf(m map[string]string) []string {
	var out []string
	for _, v := range m {
		out = append(out, v)
	}
	return out
}
