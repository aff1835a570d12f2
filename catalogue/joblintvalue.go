package catalogue

import (
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// jobFunctions are those of Nomad's job files that depend on nothing but their arguments, and that lint can work out.
// Others are refused: what they hide could not be checked.
func jobFunctions() map[string]function.Function {
	return map[string]function.Function{
		"abs": stdlib.AbsoluteFunc, "ceil": stdlib.CeilFunc, "chomp": stdlib.ChompFunc, "coalesce": stdlib.CoalesceFunc,
		"coalescelist": stdlib.CoalesceListFunc, "compact": stdlib.CompactFunc, "concat": stdlib.ConcatFunc,
		"contains": stdlib.ContainsFunc, "distinct": stdlib.DistinctFunc, "element": stdlib.ElementFunc,
		"flatten": stdlib.FlattenFunc, "floor": stdlib.FloorFunc, "format": stdlib.FormatFunc,
		"formatlist": stdlib.FormatListFunc, "indent": stdlib.IndentFunc, "index": stdlib.IndexFunc, "join": stdlib.JoinFunc,
		"jsondecode": stdlib.JSONDecodeFunc, "jsonencode": stdlib.JSONEncodeFunc, "keys": stdlib.KeysFunc,
		"length": stdlib.LengthFunc, "lookup": stdlib.LookupFunc, "lower": stdlib.LowerFunc, "max": stdlib.MaxFunc,
		"merge": stdlib.MergeFunc, "min": stdlib.MinFunc, "parseint": stdlib.ParseIntFunc, "pow": stdlib.PowFunc,
		"range": stdlib.RangeFunc, "regex_replace": stdlib.RegexReplaceFunc, "replace": stdlib.ReplaceFunc,
		"reverse": stdlib.ReverseListFunc, "signum": stdlib.SignumFunc, "slice": stdlib.SliceFunc, "sort": stdlib.SortFunc,
		"split": stdlib.SplitFunc, "strlen": stdlib.StrlenFunc, "strrev": stdlib.ReverseFunc, "substr": stdlib.SubstrFunc,
		"title": stdlib.TitleFunc, "trim": stdlib.TrimFunc, "trimprefix": stdlib.TrimPrefixFunc,
		"trimspace": stdlib.TrimSpaceFunc, "trimsuffix": stdlib.TrimSuffixFunc, "upper": stdlib.UpperFunc,
		"values": stdlib.ValuesFunc, "zipmap": stdlib.ZipmapFunc,
	}
}

// values works out expressions of a job file for an imagined instance.
type values struct {
	source    []byte
	functions map[string]function.Function
	vars      map[string]cty.Value
	locals    map[string]cty.Value
	localExpr map[string]hclsyntax.Expression
}

// readLocals works out the locals, which may use one another in any order. It returns those that it could not.
func (v *values) readLocals(attrs hclsyntax.Attributes) []string {
	waiting := slices.Sorted(maps.Keys(attrs))
	for _, name := range waiting {
		v.localExpr[name] = attrs[name].Expr
	}
	for progress := true; progress; {
		progress = false
		waiting = slices.DeleteFunc(waiting, func(name string) bool {
			value, found := v.value(attrs[name].Expr)
			if found.HasErrors() || !value.IsWhollyKnown() {
				return false
			}
			v.locals[name], progress = value, true
			return true
		})
	}
	return waiting
}

// value works out an expression. What only the node knows stays as it is written, ${attr.…} or ${NOMAD_…}, as with Nomad.
func (v *values) value(expr hcl.Expression) (cty.Value, hcl.Diagnostics) {
	context := &hcl.EvalContext{Functions: v.functions, Variables: map[string]cty.Value{
		"var": cty.ObjectVal(v.vars), "local": cty.ObjectVal(v.locals),
	}}
	tree := map[string]any{}
	for _, t := range expr.Variables() {
		if root := t.RootName(); root != "var" && root != "local" {
			grow(tree, t, v.text(t.SourceRange()))
		}
	}
	for name, branch := range tree {
		context.Variables[name] = branchValue(branch)
	}
	return expr.Value(context)
}

func (v *values) text(r hcl.Range) string { return string(v.source[r.Start.Byte:r.End.Byte]) }

// grow adds the path of a reference to a tree whose leaves are the references themselves.
func grow(tree map[string]any, t hcl.Traversal, text string) {
	at := tree
	for i, step := range t {
		name := ""
		switch s := step.(type) {
		case hcl.TraverseRoot:
			name = s.Name
		case hcl.TraverseAttr:
			name = s.Name
		case hcl.TraverseIndex:
			if s.Key.Type() != cty.String {
				return
			}
			name = s.Key.AsString()
		}
		if i == len(t)-1 {
			at[name] = "${" + text + "}"
			return
		}
		next, ok := at[name].(map[string]any)
		if !ok {
			next = map[string]any{}
			at[name] = next
		}
		at = next
	}
}

func branchValue(branch any) cty.Value {
	if text, ok := branch.(string); ok {
		return cty.StringVal(text)
	}
	fields := map[string]cty.Value{}
	for name, child := range branch.(map[string]any) {
		fields[name] = branchValue(child)
	}
	return cty.ObjectVal(fields)
}

// refersTo says whether the expression is the variable and nothing else, as var.port or "${var.port}".
func refersTo(expr hclsyntax.Expression, name string) bool {
	switch e := expr.(type) {
	case *hclsyntax.TemplateWrapExpr:
		return refersTo(e.Wrapped, name)
	case *hclsyntax.ScopeTraversalExpr:
		return e.Traversal.RootName() == "var" && len(e.Traversal) == 2 && stepName(e.Traversal) == name
	}
	return false
}

// stepName is the name after var. or local.
func stepName(t hcl.Traversal) string {
	if len(t) < 2 {
		return ""
	}
	switch s := t[1].(type) {
	case hcl.TraverseAttr:
		return s.Name
	case hcl.TraverseIndex:
		if s.Key.Type() == cty.String {
			return s.Key.AsString()
		}
	}
	return ""
}

// goValue is a value as Nomad's drivers get it.
func goValue(value cty.Value) any {
	switch {
	case value.IsNull() || !value.IsWhollyKnown():
		return nil
	case value.Type() == cty.String:
		return value.AsString()
	case value.Type() == cty.Bool:
		return value.True()
	case value.Type() == cty.Number:
		n, _ := value.AsBigFloat().Float64()
		return n
	case value.Type().IsObjectType() || value.Type().IsMapType():
		out := map[string]any{}
		for name, field := range value.AsValueMap() {
			out[name] = goValue(field)
		}
		return out
	case value.CanIterateElements():
		out := []any{}
		for _, item := range value.AsValueSlice() {
			out = append(out, goValue(item))
		}
		return out
	}
	return nil
}
