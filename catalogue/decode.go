package catalogue

import (
	"fmt"
	"math"
	"math/big"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// reader reads one block (or the whole file) of a manifest. Every getter notes its key as known and writes down what is
// wrong instead of stopping, so that one reading shows all mistakes; done then refuses the keys nobody asked for.
//
// Values are literals: a manifest has no variables and no functions, so it cannot read files or the environment.
type reader struct {
	body   *hclsyntax.Body
	diags  *Diagnostics
	where  hcl.Range // reported when a required key is missing
	what   string    // "the manifest", `secret "x"`: part of messages
	attrs  []string
	blocks []string
	record *recorder // where the reference is being written instead of a file being read
}

// open parses a file. The reader is nil when the file is no HCL at all.
func open(text []byte, path, what string, diags *Diagnostics) *reader {
	file, found := hclsyntax.ParseConfig(text, path, hcl.InitialPos)
	if found.HasErrors() {
		diags.hcl(path, found)
		return nil
	}
	body := file.Body.(*hclsyntax.Body)
	start := hcl.Range{Filename: path, Start: hcl.InitialPos, End: hcl.InitialPos}
	return &reader{body: body, diags: diags, where: start, what: what}
}

// value evaluates the attribute, which must have the type.
func (r *reader) value(name string, want cty.Type, kind string) (cty.Value, hcl.Range, bool) {
	r.attrs = append(r.attrs, name)
	attr, ok := r.body.Attributes[name]
	if !ok {
		return cty.NilVal, r.where, false
	}
	v, found := attr.Expr.Value(nil)
	rng := attr.Expr.Range()
	if found.HasErrors() {
		r.diags.at(rng, "%s must be written out: variables and functions are not available here", name)
		return cty.NilVal, rng, false
	}
	if v.IsNull() || !v.Type().Equals(want) {
		r.diags.at(rng, "%s must be %s", name, kind)
		return cty.NilVal, rng, false
	}
	return v, rng, true
}

// missing reports a required key that is not there. A key that is there but wrong was reported already.
func (r *reader) missing(name string) {
	if _, there := r.body.Attributes[name]; !there {
		r.diags.at(r.where, "%s is missing in %s", name, r.what)
	}
}

// text reads a required string.
func (r *reader) text(name string, checks ...check) string {
	r.record.key(name, "text", true, checks)
	v, rng, ok := r.value(name, cty.String, "a text in quotes")
	if !ok {
		r.missing(name)
		return ""
	}
	return r.checked(name, v.AsString(), rng, checks)
}

// optional reads a string that may be left out.
func (r *reader) optional(name string, checks ...check) string {
	r.record.key(name, "text", false, checks)
	v, rng, ok := r.value(name, cty.String, "a text in quotes")
	if !ok {
		return ""
	}
	return r.checked(name, v.AsString(), rng, checks)
}

func (r *reader) checked(name, s string, rng hcl.Range, checks []check) string {
	if strings.TrimSpace(s) == "" {
		r.diags.at(rng, "%s is empty", name)
		return ""
	}
	for _, c := range checks {
		if problem := c.problem(s); problem != "" {
			r.diags.at(rng, "%s %s", name, problem)
			return ""
		}
	}
	return s
}

// number reads a whole number between least and most. A fallback below zero makes the key required.
func (r *reader) number(name string, least, most, fallback int) int {
	rule := fmt.Sprintf("from %d to %d", least, most)
	if fallback > 0 {
		rule += fmt.Sprintf("; %d when left out", fallback)
	}
	r.record.key(name, "number", fallback < 0, []check{{says: rule}})
	v, rng, ok := r.value(name, cty.Number, "a number")
	if !ok {
		if fallback < 0 {
			r.missing(name)
		}
		return fallback
	}
	n, accuracy := v.AsBigFloat().Int64()
	if accuracy != big.Exact || n < int64(least) || n > int64(most) || n > math.MaxInt32 {
		r.diags.at(rng, "%s must be a whole number from %d to %d", name, least, most)
		return fallback
	}
	return int(n)
}

// flag reads a boolean.
func (r *reader) flag(name string, required bool) bool {
	r.record.key(name, "true or false", required, nil)
	v, _, ok := r.value(name, cty.Bool, "true or false")
	if !ok {
		if required {
			r.missing(name)
		}
		return false
	}
	return v.True()
}

// list reads an optional list of strings, each of which must pass the checks and occur once.
func (r *reader) list(name string, checks ...check) []string {
	r.record.key(name, "list of texts", false, checks)
	r.attrs = append(r.attrs, name)
	attr, ok := r.body.Attributes[name]
	if !ok {
		return nil
	}
	tuple, ok := attr.Expr.(*hclsyntax.TupleConsExpr)
	if !ok {
		r.diags.at(attr.Expr.Range(), "%s must be a list of texts, as [\"…\"]", name)
		return nil
	}
	var out []string
	for _, item := range tuple.Exprs {
		v, found := item.Value(nil)
		if found.HasErrors() || v.IsNull() || v.Type() != cty.String {
			r.diags.at(item.Range(), "%s must hold texts in quotes only", name)
			continue
		}
		s := r.checked(name, v.AsString(), item.Range(), checks)
		if slices.Contains(out, s) {
			r.diags.at(item.Range(), "%s names %q twice", name, s)
		} else if s != "" {
			out = append(out, s)
		}
	}
	return out
}

// words reads an optional list of strings that may repeat and may be empty: a command.
func (r *reader) words(name string, checks ...check) []string {
	r.record.key(name, "list of texts", false, nil)
	r.attrs = append(r.attrs, name)
	attr, ok := r.body.Attributes[name]
	if !ok {
		return nil
	}
	tuple, ok := attr.Expr.(*hclsyntax.TupleConsExpr)
	if !ok {
		r.diags.at(attr.Expr.Range(), "%s must be a list of texts, as [\"…\"]", name)
		return nil
	}
	var out []string
	for _, item := range tuple.Exprs {
		v, found := item.Value(nil)
		if found.HasErrors() || v.IsNull() || v.Type() != cty.String {
			r.diags.at(item.Range(), "%s must hold texts in quotes only", name)
			continue
		}
		for _, c := range checks {
			if problem := c.problem(v.AsString()); problem != "" {
				r.diags.at(item.Range(), "%s %s", name, problem)
			}
		}
		out = append(out, v.AsString())
	}
	return out
}

// texts reads an optional map of texts, as { "Accept" = "application/json" }.
func (r *reader) texts(name string) map[string]string {
	r.record.key(name, "map of texts", false, nil)
	r.attrs = append(r.attrs, name)
	attr, ok := r.body.Attributes[name]
	if !ok {
		return nil
	}
	object, ok := attr.Expr.(*hclsyntax.ObjectConsExpr)
	if !ok {
		r.diags.at(attr.Expr.Range(), "%s must be a map of texts, as { \"…\" = \"…\" }", name)
		return nil
	}
	out := map[string]string{}
	for _, item := range object.Items {
		key, badKey := item.KeyExpr.Value(nil)
		value, badValue := item.ValueExpr.Value(nil)
		if badKey.HasErrors() || badValue.HasErrors() || key.IsNull() || value.IsNull() || key.Type() != cty.String || value.Type() != cty.String {
			r.diags.at(item.ValueExpr.Range(), "%s must hold texts in quotes only", name)
			continue
		}
		if _, twice := out[key.AsString()]; twice {
			r.diags.at(item.KeyExpr.Range(), "%s names %q twice", name, key.AsString())
		}
		out[key.AsString()] = value.AsString()
	}
	return out
}

// place is where the value of a key stands, or the block when there is none.
func (r *reader) place(name string) Diagnostic {
	if attr, ok := r.body.Attributes[name]; ok {
		return r.here(attr.Expr.Range())
	}
	return r.here(r.where)
}

func (r *reader) here(where hcl.Range) Diagnostic {
	return Diagnostic{Path: where.Filename, Line: where.Start.Line, Column: where.Start.Column}
}

// each reads the blocks of a type, with or without one label. Labels must be unique.
func (r *reader) each(kind string, labelled bool, read func(label string, b *reader)) {
	r.blocksOf(kind, labelled, false, read)
}

// blocksOf returns how many there were.
func (r *reader) blocksOf(kind string, labelled, required bool, read func(label string, b *reader)) int {
	if r.record != nil {
		r.describe(kind, labelled, required, read)
		return 1
	}
	r.blocks = append(r.blocks, kind)
	seen := map[string]bool{}
	n := 0
	for _, b := range r.body.Blocks {
		if b.Type != kind {
			continue
		}
		label, what := "", "block "+kind
		switch {
		case labelled && len(b.Labels) != 1:
			r.diags.at(b.TypeRange, "%s needs one name, as in %s \"name\" { … }", kind, kind)
			continue
		case labelled:
			label = b.Labels[0]
			what = kind + ` "` + label + `"`
		case len(b.Labels) != 0:
			r.diags.at(b.LabelRanges[0], "%s takes no name, as in %s { … }", kind, kind)
			continue
		}
		if seen[label] {
			r.diags.at(b.TypeRange, "%s occurs twice", what)
			continue
		}
		seen[label] = true
		n++
		sub := &reader{body: b.Body, diags: r.diags, where: b.DefRange(), what: what}
		if labelled {
			sub.where = b.LabelRanges[0]
		}
		read(label, sub)
		sub.done()
	}
	return n
}

// one reads a required block without a label.
func (r *reader) one(kind string, read func(b *reader)) {
	if n := r.blocksOf(kind, false, true, func(_ string, b *reader) { read(b) }); n == 0 && !r.has(kind) {
		r.diags.at(r.where, "block %s { … } is missing in %s", kind, r.what)
	}
}

func (r *reader) has(kind string) bool {
	return slices.ContainsFunc(r.body.Blocks, func(b *hclsyntax.Block) bool { return b.Type == kind })
}

// done refuses what nobody asked for: a mistyped key must not pass silently.
func (r *reader) done() {
	for name, attr := range r.body.Attributes {
		switch {
		case slices.Contains(r.attrs, name):
		case slices.Contains(r.blocks, name):
			r.diags.at(attr.NameRange, "%s is a block: write %s { … } without the equals sign", name, name)
		default:
			r.diags.at(attr.NameRange, "unknown key %s in %s%s", name, r.what, didYouMean(name, r.attrs))
		}
	}
	for _, b := range r.body.Blocks {
		switch {
		case slices.Contains(r.blocks, b.Type):
		case slices.Contains(r.attrs, b.Type):
			r.diags.at(b.TypeRange, "%s is a value: write %s = …", b.Type, b.Type)
		default:
			r.diags.at(b.TypeRange, "unknown block %s in %s%s", b.Type, r.what, didYouMean(b.Type, r.blocks))
		}
	}
}

// check is a rule that a text keeps.
type check struct {
	says    string                // the rule, for the reference
	problem func(s string) string // what is wrong ("must be …"), or nothing
}

func oneOf(words ...string) check {
	list := strings.Join(words, ", ")
	return check{"one of " + list, func(s string) string {
		if slices.Contains(words, s) {
			return ""
		}
		return "must be one of " + list + ", not " + `"` + s + `"` + didYouMean(s, words)
	}}
}

func like(pattern *regexp.Regexp, want string) check {
	return check{want, func(s string) string {
		if pattern.MatchString(s) {
			return ""
		}
		return want
	}}
}

// that is a rule which depends on what else the manifest says.
func that(problem func(s string) string) check { return check{"", problem} }
