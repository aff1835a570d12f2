package catalogue

import (
	"context"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// JobFile is a job of the catalogue with the variables of an imagined instance, for whoever can check it.
type JobFile struct {
	App, Variant, Plan string
	Path               string // of the file, for diagnostics
	Source             string
	Variables          map[string]any
	Node, Volume       string
	Port               int
	CPU                int // MHz
	Memory, MemoryMax  int // MiB
}

// Finding is what a checker says about a job file.
type Finding struct {
	Line, Column int // 0 when the checker cannot tell
	Message      string
}

// Check asks a cluster what it thinks of a job: whether it parses, keeps to the policy and could be placed.
type Check func(ctx context.Context, file JobFile) ([]Finding, error)

// Lint checks the job files of every application: their syntax and variables here, and all else with check, in the
// smallest and the largest plan. check may be nil when no cluster is at hand. The error is the checker's own (the
// cluster went away); what is wrong with the files is in the diagnostics.
func (c *Catalogue) Lint(ctx context.Context, check Check) (Diagnostics, error) {
	var all Diagnostics
	for _, app := range c.apps {
		if len(app.jobs) == 0 && app.Status != Retired {
			all = append(all, Diagnostic{Path: app.folder, Message: "there is no job file: add " + jobFile(Production) + " or " + jobFile(Native)})
		}
		for _, variant := range slices.Sorted(maps.Keys(app.runs)) {
			if !app.Has(variant) {
				all = append(all, Diagnostic{Path: app.folder, Message: "the manifest describes the variant " + variant + " but there is no " + jobFile(variant)})
			}
		}
		for _, variant := range app.Variants() {
			found := lintJob(app.jobs[variant])
			all = append(all, found...)
			if len(found) > 0 || check == nil {
				continue
			}
			for _, plan := range c.extremes() {
				findings, err := check(ctx, app.jobFile(variant, plan))
				if err != nil {
					return all, err
				}
				for _, f := range findings {
					all = append(all, Diagnostic{Path: app.jobs[variant].path, Line: f.Line, Column: f.Column, Message: f.Message})
				}
			}
		}
	}
	all.sort()
	return all, nil
}

func (c *Catalogue) extremes() []string {
	if len(c.plans) == 0 {
		return nil
	}
	ids := []string{c.plans[0].ID, c.plans[len(c.plans)-1].ID}
	return slices.Compact(ids)
}

// jobFile imagines an instance of the application.
func (a App) jobFile(variant, plan string) JobFile {
	size := a.sizes[plan]
	f := JobFile{App: a.Name, Variant: variant, Plan: plan, Path: a.jobs[variant].path, Source: a.jobs[variant].source,
		Volume: "lint-" + a.Name + "-data", Port: 20999, CPU: size.CPU, Memory: size.Memory, MemoryMax: size.MemoryMax}
	f.Variables = map[string]any{
		"job_id": "lint-" + a.Name, "host": "lint.example.org", "url": "https://lint.example.org", "port": f.Port,
		"volume": f.Volume, "cpu": f.CPU, "memory": f.Memory, "memory_max": f.MemoryMax, "plan": plan,
	}
	return f
}

// JobVariables lists the variables that frama sets in a job, with their types. A job declares those it uses.
func JobVariables() map[string]string {
	return map[string]string{
		"job_id":     "string", // Nomad job ID, also the name of the job's Nomad Variable: nomad/jobs/<job_id>
		"host":       "string", // public host name
		"url":        "string", // public address, https, with the port where it is not 443
		"port":       "number", // static port on the node, label "http"
		"volume":     "string", // name of the host volume
		"cpu":        "number", // MHz
		"memory":     "number", // MiB
		"memory_max": "number", // MiB, 0 for none
		"plan":       "string",
	}
}

// outside are functions that reach beyond the file. Nomad's servers refuse most of them; the command line does not.
var outside = regexp.MustCompile(`^(file|fileset|filebase64|abspath|templatefile|env|bcrypt|timestamp|uuidv4)$`)

// lintJob checks what can be seen without a cluster.
func lintJob(j job) Diagnostics {
	var diags Diagnostics
	file, found := hclsyntax.ParseConfig([]byte(j.source), j.path, hcl.InitialPos)
	if found.HasErrors() {
		diags.hcl(j.path, found)
		return diags
	}
	body := file.Body.(*hclsyntax.Body)
	declared := lintVariables(body, &diags)
	lintJobBlocks(body, j.path, &diags)
	_ = hclsyntax.VisitAll(body, func(n hclsyntax.Node) hcl.Diagnostics {
		switch e := n.(type) {
		case *hclsyntax.FunctionCallExpr:
			if outside.MatchString(e.Name) {
				diags.at(e.NameRange, "%s() is not available to jobs: they depend on nothing but their variables", e.Name)
			}
		case *hclsyntax.ScopeTraversalExpr:
			lintReference(e.Traversal, declared, &diags)
		}
		return nil
	})
	return diags
}

// lintReference sees that every var.x is declared, where the mistake is, before a cluster says so somewhere else.
func lintReference(t hcl.Traversal, declared []string, diags *Diagnostics) {
	if t.RootName() != "var" || len(t) < 2 {
		return
	}
	if step, ok := t[1].(hcl.TraverseAttr); ok && !slices.Contains(declared, step.Name) {
		diags.at(t.SourceRange(), "var.%s is not declared: add variable %q { … }%s", step.Name, step.Name, didYouMean(step.Name, declared))
	}
}

// lintVariables compares the declared variables with those frama sets.
func lintVariables(body *hclsyntax.Body, diags *Diagnostics) []string {
	contract := JobVariables()
	names := slices.Sorted(maps.Keys(contract))
	var declared []string
	for _, b := range body.Blocks {
		if b.Type != "variable" || len(b.Labels) != 1 {
			continue
		}
		name := b.Labels[0]
		declared = append(declared, name)
		want, known := contract[name]
		if !known {
			diags.at(b.LabelRanges[0], "frama sets no variable %s%s; there are %s", name, didYouMean(name, names), strings.Join(names, ", "))
			continue
		}
		attr, ok := b.Body.Attributes["type"]
		if !ok {
			diags.at(b.LabelRanges[0], "variable %s needs type = %s", name, want)
		} else if got := hcl.ExprAsKeyword(attr.Expr); got != want {
			diags.at(attr.Expr.Range(), "variable %s has the type %s", name, want)
		}
	}
	if !slices.Contains(declared, "job_id") {
		diags.at(body.MissingItemRange(), "variable \"job_id\" is not declared: the job's id must be ${var.job_id}")
	}
	return declared
}

// lintJobBlocks wants one job whose health something checks.
func lintJobBlocks(body *hclsyntax.Body, path string, diags *Diagnostics) {
	var jobs []*hclsyntax.Block
	for _, b := range body.Blocks {
		switch b.Type {
		case "job":
			jobs = append(jobs, b)
		case "variable", "locals":
		default:
			diags.at(b.TypeRange, "unexpected block %s%s", b.Type, didYouMean(b.Type, []string{"job", "variable", "locals"}))
		}
	}
	switch {
	case len(jobs) == 0:
		*diags = append(*diags, Diagnostic{Path: path, Message: "there is no job block"})
	case len(jobs) > 1:
		diags.at(jobs[1].TypeRange, "there is a second job: an instance is one job")
	case !contains(jobs[0].Body, "service", "check"):
		diags.at(jobs[0].TypeRange, "no service of the job has a check: frama could not tell whether an instance works")
	}
}

// contains says whether a block of the outer type holds one of the inner type, at any depth.
func contains(body *hclsyntax.Body, outer, inner string) bool {
	for _, b := range body.Blocks {
		if b.Type == outer && slices.ContainsFunc(b.Body.Blocks, func(c *hclsyntax.Block) bool { return c.Type == inner }) {
			return true
		}
		if contains(b.Body, outer, inner) {
			return true
		}
	}
	return false
}
