package catalogue

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// variables compares the declared variables with those frama sets, and returns them.
func (l *jobLint) variables() map[string]*hclsyntax.Block {
	contract := JobVariables()
	names := slices.Sorted(maps.Keys(contract))
	declared := map[string]*hclsyntax.Block{}
	for _, b := range l.body.Blocks {
		if b.Type != "variable" || len(b.Labels) != 1 {
			continue
		}
		name := b.Labels[0]
		if declared[name] != nil {
			l.at(b.LabelRanges[0], "variable %s is declared twice", name)
		}
		declared[name] = b
		want, known := contract[name]
		switch attr, ok := b.Body.Attributes["type"]; {
		case !known && secretName(name):
			l.at(b.LabelRanges[0], "a secret cannot be a variable, which everybody who may list jobs can read: declare secret %q in the "+
				"manifest, and read it in a template", name)
		case !known:
			l.at(b.LabelRanges[0], "frama sets no variable %s%s; there are %s", name, didYouMean(name, names), strings.Join(names, ", "))
		case !ok:
			l.at(b.LabelRanges[0], "variable %s needs type = %s", name, want)
		case hcl.ExprAsKeyword(attr.Expr) != want:
			l.at(attr.Expr.Range(), "variable %s has the type %s", name, want)
		}
		l.variable(b, want)
	}
	for name := range declared {
		if contract[name] == "" {
			l.values.vars[name] = cty.DynamicVal
		}
	}
	if declared["job_id"] == nil {
		l.missing(l.body.MissingItemRange(), "variable \"job_id\" is not declared: the job's id must be ${var.job_id}")
	}
	return declared
}

// variable checks what is in the block of one.
func (l *jobLint) variable(b *hclsyntax.Block, want string) {
	known := []string{"type", "default", "description", "validation"}
	for name, attr := range b.Body.Attributes {
		if !slices.Contains(known[:3], name) {
			l.at(attr.NameRange, "unknown key %s in variable%s", name, didYouMean(name, known))
		}
	}
	for _, inner := range b.Body.Blocks {
		if inner.Type != "validation" {
			l.at(inner.TypeRange, "unknown block %s in variable%s", inner.Type, didYouMean(inner.Type, known))
		}
	}
	attr, ok := b.Body.Attributes["default"]
	if !ok {
		return
	}
	value, found := attr.Expr.Value(nil)
	switch {
	case found.HasErrors():
		l.at(attr.Expr.Range(), "the default of a variable must be written out")
	case want == "string" && value.Type() != cty.String || want == "number" && value.Type() != cty.Number:
		l.at(attr.Expr.Range(), "the default of variable %s must be a %s", b.Labels[0], want)
	case value.Type() == cty.String && !value.IsNull():
		if problem := secretText(value.AsString()); problem != "" {
			l.at(attr.Expr.Range(), "%s", problem)
		}
	}
}

// outsideFunctions reach beyond the file. Nomad's servers refuse most of them; the command line does not.
var outsideFunctions = regexp.MustCompile(`^(file|fileset|filebase64|fileexists|abspath|pathexpand|basename|dirname|templatefile|` +
	`env|bcrypt|timestamp|uuidv4|rsadecrypt)$`)

// runtimeName are names that Nomad fills in where the task runs: of its own, or of the task's environment.
var runtimeName = regexp.MustCompile(`^(attr|node|NOMAD_[A-Za-z0-9_]+|[A-Z][A-Z0-9_]*)$`)

// references sees that every name in the file is known, and every variable used.
func (l *jobLint) references(declared map[string]*hclsyntax.Block) {
	used := map[string]bool{}
	locals := slices.Sorted(maps.Keys(l.values.locals))
	vars := slices.Sorted(maps.Keys(declared))
	each(l.body, func(expr hclsyntax.Expression) {
		for _, t := range expr.Variables() {
			name := stepName(t)
			switch root := t.RootName(); {
			case root == "var":
				used["var "+name] = true
				if name != "" && declared[name] == nil {
					l.at(t.SourceRange(), "var.%s is not declared: add variable %q { … }%s", name, name, didYouMean(name, vars))
					l.values.vars[name] = cty.DynamicVal
				}
			case root == "local":
				used["local "+name] = true
				if name != "" && !slices.Contains(locals, name) {
					l.at(t.SourceRange(), "local.%s is not declared: add it to locals { … }%s", name, didYouMean(name, locals))
					l.values.locals[name] = cty.DynamicVal
				}
			case root == "env":
				l.at(t.SourceRange(), "the environment of the node is not available to jobs: they depend on nothing but their variables")
			case root == "NOMAD_TOKEN":
				l.at(t.SourceRange(), noToken)
			case !runtimeName.MatchString(root):
				l.at(t.SourceRange(), "unknown name %s: variables are var.NAME, locals local.NAME%s", root,
					didYouMean(root, []string{"var", "local", "attr", "node"}))
			}
		}
	})
	for _, name := range vars {
		if !used["var "+name] {
			l.missing(declared[name].LabelRanges[0], "variable %s is never used: leave it out", name)
		}
	}
	for _, b := range l.body.Blocks {
		for name, attr := range b.Body.Attributes {
			if b.Type == "locals" && !used["local "+name] {
				l.missing(attr.NameRange, "local %s is never used: leave it out", name)
			}
		}
	}
}

// calls sees that every function is one that depends on nothing but its arguments.
func (l *jobLint) calls() {
	_ = hclsyntax.VisitAll(l.body, func(n hclsyntax.Node) hcl.Diagnostics {
		call, ok := n.(*hclsyntax.FunctionCallExpr)
		if !ok {
			return nil
		}
		_, known := l.values.functions[call.Name]
		switch {
		case outsideFunctions.MatchString(call.Name):
			l.at(call.NameRange, "%s() is not available to jobs: they depend on nothing but their variables", call.Name)
		case !known:
			l.at(call.NameRange, "%s() is not available to jobs: what it makes could not be checked%s", call.Name,
				didYouMean(call.Name, slices.Sorted(maps.Keys(l.values.functions))))
		}
		return nil
	})
}

// each visits the expressions of a body and of the blocks in it. The types of variables are keywords, no expressions.
func each(body *hclsyntax.Body, visit func(hclsyntax.Expression)) {
	for _, name := range slices.Sorted(maps.Keys(body.Attributes)) {
		visit(body.Attributes[name].Expr)
	}
	for _, b := range body.Blocks {
		if b.Type != "variable" {
			each(b.Body, visit)
		}
	}
}
