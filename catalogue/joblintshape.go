package catalogue

import (
	"maps"
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// shape checks a block against the table, and what is below it.
func (l *jobLint) shape(b *hclsyntax.Block) {
	s := l.shapes[b.Type]
	if len(b.Labels) != s.labels {
		if s.labels == 1 {
			l.at(b.TypeRange, "%s needs one name, as in %s \"name\" { … }", b.Type, b.Type)
		} else {
			l.at(b.LabelRanges[0], "%s takes no name, as in %s { … }", b.Type, b.Type)
		}
	}
	if s.free {
		return // what is in it is for the driver, the environment or the check to say
	}
	known := slices.Concat(slices.Sorted(maps.Keys(s.keys)), s.blocks)
	for _, name := range slices.Sorted(maps.Keys(b.Body.Attributes)) {
		attr := b.Body.Attributes[name]
		switch kind, ok := s.keys[name]; {
		case ok:
			l.typed(attr, kind)
		case s.refused[name] != "":
			l.at(attr.NameRange, "%s", s.refused[name])
		case name == "env" && slices.Contains(s.blocks, name): // a map may also be written so
		case slices.Contains(s.blocks, name):
			l.at(attr.NameRange, "%s is a block: write %s { … } without the equals sign", name, name)
		default:
			l.at(attr.NameRange, "unknown key %s in %s%s", name, b.Type, didYouMean(name, known))
		}
	}
	seen := map[string]bool{}
	for _, inner := range b.Body.Blocks {
		switch {
		case slices.Contains(s.blocks, inner.Type):
			if !l.shapes[inner.Type].many && seen[inner.Type] {
				l.at(inner.TypeRange, "a second %s block in %s", inner.Type, b.Type)
			}
			seen[inner.Type] = true
			l.shape(inner)
		case s.refused[inner.Type] != "":
			l.at(inner.TypeRange, "%s", s.refused[inner.Type])
		case inner.Type == "dynamic":
			l.at(inner.TypeRange, "dynamic blocks hide what a job does: write the blocks out")
		case s.keys[inner.Type] != "":
			l.at(inner.TypeRange, "%s is a value: write %s = …", inner.Type, inner.Type)
		default:
			l.at(inner.TypeRange, "unknown block %s in %s%s", inner.Type, b.Type, didYouMean(inner.Type, known))
		}
	}
	for _, name := range s.needed {
		if _, there := b.Body.Attributes[name]; !there && !seen[name] {
			l.missing(b.TypeRange, "%s is missing in %s", name, b.Type)
		}
	}
}

// typed checks that a value is of the type, or becomes it as Nomad would make it.
func (l *jobLint) typed(attr *hclsyntax.Attribute, kind string) {
	value, ok := l.value(attr.Expr)
	if !ok {
		return
	}
	want := map[string]cty.Type{"string": cty.String, "number": cty.Number, "bool": cty.Bool, "strings": cty.List(cty.String)}[kind]
	words := map[string]string{
		"string": "a text in quotes", "number": "a number", "bool": "true or false", "strings": "a list of texts", "duration": `a duration, as "30s"`,
	}[kind]
	switch {
	case value.IsNull():
		l.at(attr.Expr.Range(), "%s must be %s", attr.Name, words)
	case kind == "duration":
		if value.Type() != cty.String {
			l.at(attr.Expr.Range(), "%s must be %s", attr.Name, words)
		} else if _, err := time.ParseDuration(value.AsString()); err != nil {
			l.at(attr.Expr.Range(), "%s must be %s, not %q", attr.Name, words, value.AsString())
		}
	default:
		got, err := convert.Convert(value, want)
		if err != nil || kind == "string" && value.Type() != cty.String {
			l.at(attr.Expr.Range(), "%s must be %s", attr.Name, words)
		} else if kind == "number" && !got.AsBigFloat().IsInt() {
			l.at(attr.Expr.Range(), "%s must be a whole number", attr.Name)
		}
	}
}
