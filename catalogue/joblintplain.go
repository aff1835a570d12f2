package catalogue

import (
	"regexp"
	"slices"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// What depends on variables can be worked out for an imagined instance only, and could be another thing for a real one. The
// functions here tell from the syntax what is the same for all.

// plain says whether an expression is written out, but for whole variables put into it. Anything cleverer could be one
// thing for the imagined instance and another for a real one.
func (v *values) plain(expr hclsyntax.Expression) bool { return v.plainBelow(expr, 0) }

func (v *values) plainBelow(expr hclsyntax.Expression, depth int) bool {
	if depth > 20 {
		return false // locals that use themselves
	}
	if v.numeric(expr, depth) {
		return true // whatever it is, it says nothing
	}
	all := func(exprs []hclsyntax.Expression) bool {
		return !slices.ContainsFunc(exprs, func(e hclsyntax.Expression) bool { return !v.plainBelow(e, depth+1) })
	}
	switch e := expr.(type) {
	case *hclsyntax.TemplateExpr:
		return all(e.Parts)
	case *hclsyntax.TemplateWrapExpr:
		return v.plainBelow(e.Wrapped, depth+1)
	case *hclsyntax.ParenthesesExpr:
		return v.plainBelow(e.Expression, depth+1)
	case *hclsyntax.TupleConsExpr:
		return all(e.Exprs)
	case *hclsyntax.ObjectConsExpr:
		for _, item := range e.Items {
			if !v.constant(item.KeyExpr, depth+1) || !v.plainBelow(item.ValueExpr, depth+1) {
				return false
			}
		}
		return true
	case *hclsyntax.ScopeTraversalExpr:
		if e.Traversal.RootName() == "local" {
			of, ok := v.localExpr[stepName(e.Traversal)]
			return !ok || len(e.Traversal) == 2 && v.plainBelow(of, depth+1) || v.constant(of, depth+1)
		}
		return true
	}
	return v.constant(expr, depth)
}

// numeric says whether an expression is a number for every instance.
func (v *values) numeric(expr hclsyntax.Expression, depth int) bool {
	if depth > 20 {
		return false
	}
	both := func(exprs ...hclsyntax.Expression) bool {
		return !slices.ContainsFunc(exprs, func(e hclsyntax.Expression) bool { return !v.numeric(e, depth+1) })
	}
	switch e := expr.(type) {
	case *hclsyntax.LiteralValueExpr:
		return e.Val.Type() == cty.Number
	case *hclsyntax.ParenthesesExpr:
		return both(e.Expression)
	case *hclsyntax.UnaryOpExpr:
		return e.Op.Type == cty.Number && both(e.Val)
	case *hclsyntax.BinaryOpExpr:
		return e.Op.Type == cty.Number && both(e.LHS, e.RHS)
	case *hclsyntax.ConditionalExpr:
		return both(e.TrueResult, e.FalseResult)
	case *hclsyntax.FunctionCallExpr:
		return slices.Contains([]string{"abs", "ceil", "floor", "max", "min", "pow", "signum"}, e.Name) && both(e.Args...)
	case *hclsyntax.ScopeTraversalExpr:
		name := stepName(e.Traversal)
		of, ok := v.localExpr[name]
		return len(e.Traversal) == 2 && (e.Traversal.RootName() == "var" && JobVariables()[name] == "number" ||
			e.Traversal.RootName() == "local" && ok && both(of))
	}
	return false
}

// tameText holds nothing that a template or Nomad could take for more than text, whatever it is put beside.
var tameText = regexp.MustCompile(`^[A-Za-z0-9 ._:/@,;+-]*$`)

// tame says whether an expression, which may choose between texts, makes nothing but tame text for any instance: what one
// plan gets and another does not.
func (v *values) tame(expr hclsyntax.Expression, depth int) bool {
	if depth > 20 {
		return false
	}
	all := func(exprs ...hclsyntax.Expression) bool {
		return !slices.ContainsFunc(exprs, func(e hclsyntax.Expression) bool { return !v.tame(e, depth+1) })
	}
	switch e := expr.(type) {
	case *hclsyntax.LiteralValueExpr:
		return e.Val.Type() != cty.String || !e.Val.IsNull() && tameText.MatchString(e.Val.AsString())
	case *hclsyntax.TemplateExpr:
		return all(e.Parts...)
	case *hclsyntax.TemplateWrapExpr:
		return all(e.Wrapped)
	case *hclsyntax.ParenthesesExpr:
		return all(e.Expression)
	case *hclsyntax.ConditionalExpr:
		return all(e.TrueResult, e.FalseResult)
	case *hclsyntax.IndexExpr:
		return all(e.Collection)
	case *hclsyntax.RelativeTraversalExpr:
		return all(e.Source)
	case *hclsyntax.TupleConsExpr:
		return all(e.Exprs...)
	case *hclsyntax.ObjectConsExpr:
		return !slices.ContainsFunc(e.Items, func(i hclsyntax.ObjectConsItem) bool { return !v.tame(i.ValueExpr, depth+1) })
	case *hclsyntax.FunctionCallExpr:
		return slices.Contains([]string{"coalesce", "element", "join", "lookup", "lower", "merge", "replace", "split", "trimspace", "upper"}, e.Name) && all(e.Args...)
	case *hclsyntax.ScopeTraversalExpr:
		of, ok := v.localExpr[stepName(e.Traversal)]
		return e.Traversal.RootName() == "var" || e.Traversal.RootName() == "local" && ok && all(of)
	}
	return v.numeric(expr, depth)
}

// inert says whether a text, such as a template, does the same for every instance: it is written out, but for whole
// variables and tame text put into it.
func (v *values) inert(expr hclsyntax.Expression, depth int) bool {
	if depth > 20 {
		return false
	}
	switch e := expr.(type) {
	case *hclsyntax.TemplateExpr:
		return !slices.ContainsFunc(e.Parts, func(part hclsyntax.Expression) bool { return !v.inert(part, depth+1) })
	case *hclsyntax.ScopeTraversalExpr:
		if of, ok := v.localExpr[stepName(e.Traversal)]; ok && e.Traversal.RootName() == "local" && len(e.Traversal) == 2 {
			return v.inert(of, depth+1)
		}
	}
	return v.plain(expr) || v.tame(expr, depth)
}

// constant says whether an expression is the same for every instance.
func (v *values) constant(expr hclsyntax.Expression, depth int) bool {
	if depth > 20 {
		return false
	}
	for _, t := range expr.Variables() {
		switch t.RootName() {
		case "var":
			return false
		case "local":
			if of, ok := v.localExpr[stepName(t)]; ok && !v.constant(of, depth+1) {
				return false
			}
		}
	}
	return true
}
