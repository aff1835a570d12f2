package catalogue

import (
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// jobLint checks one job file on its syntax tree: all that can be seen without a cluster, with the place of each mistake.
// What depends on variables is worked out for an imagined instance; where that could differ from a real one, it must be
// written out. The policy of provisioner/nomad, which sees the job after Nomad's own parser, has the last word.
type jobLint struct {
	app    App
	path   string
	body   *hclsyntax.Body
	values *values
	stuck  []string // locals that cannot be worked out
	shapes map[string]shape
	diags  Diagnostics
	broken bool // the file is no whole HCL: what seems to be missing may be there

	group *hclsyntax.Block
	tasks []*task
	ports map[string]bool
	keys  map[string]bool // that templates take from the Nomad Variable
	// Whether there is a template that could not be read, and may take more.
	unread bool
	// Whether the instance's own volume is there.
	volume bool
}

// task is one of the job's tasks as far as lint understands it.
type task struct {
	block  *hclsyntax.Block
	name   string
	driver string
	image  string    // of a container, worked out
	at     hcl.Range // of the image
}

// imaginedID cannot be written by accident: a path that holds it was made with ${var.job_id}.
const imaginedID = "\uE000job"

// lintJob checks the job file. sizes are imagined when the manifest gives none.
func lintJob(app App) *jobLint {
	j := app.job
	l := &jobLint{app: app, path: j.path, shapes: jobShapes(),
		ports: map[string]bool{}, keys: map[string]bool{}}
	file, found := hclsyntax.ParseConfig([]byte(j.source), j.path, hcl.InitialPos)
	if l.broken = found.HasErrors(); l.broken {
		l.diags.hcl(j.path, found)
	}
	body, ok := file.Body.(*hclsyntax.Body)
	if !ok {
		return l
	}
	l.body = body
	l.values = &values{source: []byte(j.source), functions: jobFunctions(), vars: map[string]cty.Value{},
		locals: map[string]cty.Value{}, localExpr: map[string]hclsyntax.Expression{}}
	declared := l.variables()
	l.setVariables(l.anyPlan())
	l.references(declared)
	l.calls()
	l.strangers()
	for _, name := range l.stuck {
		if _, ok := l.value(l.values.localExpr[name]); !ok && len(l.diags) == 0 {
			l.at(l.values.localExpr[name].Range(), "local %s cannot be worked out: it needs itself", name)
		}
	}
	l.blocks()
	return l
}

func (l *jobLint) at(r hcl.Range, format string, args ...any) { l.diags.at(r, format, args...) }

// missing reports what is not there, unless part of the file could not be read.
func (l *jobLint) missing(r hcl.Range, format string, args ...any) {
	if !l.broken {
		l.diags.at(r, format, args...)
	}
}

// value works out an expression and reports why it cannot be. It is silent about what is reported elsewhere: undeclared
// variables and unknown functions.
func (l *jobLint) value(expr hcl.Expression) (cty.Value, bool) {
	value, found := l.values.value(expr)
	if found.HasErrors() {
		for _, one := range found {
			if one.Summary != "Call to unknown function" {
				l.diags.hcl(l.path, hcl.Diagnostics{one})
			}
		}
		return cty.DynamicVal, false
	}
	return value, value.IsWhollyKnown()
}

// text works out an attribute that is a string. An absent one is not ok.
func (l *jobLint) text(b *hclsyntax.Block, name string) (string, hcl.Range, bool) {
	attr, ok := b.Body.Attributes[name]
	if !ok {
		return "", b.TypeRange, false
	}
	value, ok := l.value(attr.Expr)
	if !ok || value.IsNull() || value.Type() != cty.String {
		return "", attr.Expr.Range(), false
	}
	return value.AsString(), attr.Expr.Range(), true
}

// plainText is text that must be the same for every instance, but for whole variables in it.
func (l *jobLint) plainText(b *hclsyntax.Block, name string) (string, hcl.Range, bool) {
	s, r, ok := l.text(b, name)
	if attr := b.Body.Attributes[name]; ok && !l.values.plain(attr.Expr) {
		l.at(r, "%s must be written out: it may hold whole variables, and nothing that is worked out from them", name)
		return "", r, false
	}
	return s, r, ok
}

// number works out an attribute that is a number.
func (l *jobLint) number(b *hclsyntax.Block, name string, fallback int) int {
	n, _ := l.numberOr(b, name, fallback)
	return n
}

// numberOr also tells whether the number is known: what is there could be worked out, or nothing is there.
func (l *jobLint) numberOr(b *hclsyntax.Block, name string, fallback int) (n int, known bool) {
	attr, ok := b.Body.Attributes[name]
	if !ok {
		return fallback, true
	}
	value, found := l.values.value(attr.Expr)
	if found.HasErrors() || !value.IsWhollyKnown() || value.IsNull() || value.Type() != cty.Number {
		return fallback, false
	}
	whole, _ := value.AsBigFloat().Int64()
	return int(whole), true
}

// boolean works out an attribute that is true or false.
func (l *jobLint) boolean(b *hclsyntax.Block, name string) bool {
	attr, ok := b.Body.Attributes[name]
	if !ok {
		return false
	}
	value, found := l.values.value(attr.Expr)
	return !found.HasErrors() && value.IsWhollyKnown() && !value.IsNull() && value.Type() == cty.Bool && value.True()
}

// anyPlan is one that the application has a size for.
func (l *jobLint) anyPlan() string {
	for _, plan := range slices.Sorted(maps.Keys(l.app.sizes)) {
		return plan
	}
	return ""
}

// setVariables imagines an instance in the plan, and works the locals out for it.
func (l *jobLint) setVariables(plan string) {
	imagined := l.app.jobFile(plan).Variables
	imagined["job_id"] = imaginedID
	for name, value := range imagined {
		switch x := value.(type) {
		case string:
			l.values.vars[name] = cty.StringVal(x)
		case int:
			if x == 0 {
				x = 256 // the manifest says nothing that could be read
			}
			l.values.vars[name] = cty.NumberIntVal(int64(x))
		}
	}
	attrs := hclsyntax.Attributes{}
	for _, b := range l.body.Blocks {
		if b.Type == "locals" {
			maps.Copy(attrs, b.Body.Attributes)
		}
	}
	for name := range attrs {
		l.values.locals[name] = cty.DynamicVal // until it is worked out
	}
	l.stuck = l.values.readLocals(attrs)
}
