package catalogue

import (
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// placedText is a string whose bytes know where in the source they come from.
type placedText struct {
	string
	from []int // byte offsets into the source, one per byte
}

// place is the source position of a byte of the text.
func (v *values) place(t placedText, offset int) hcl.Pos {
	if len(t.from) == 0 {
		return hcl.InitialPos
	}
	at := t.from[min(max(offset, 0), len(t.from)-1)]
	before := v.source[:at]
	line := strings.Count(string(before), "\n")
	start := strings.LastIndexByte(string(before), '\n') + 1
	return hcl.Pos{Line: line + 1, Column: utf8.RuneCount(v.source[start:at]) + 1, Byte: at}
}

// mapped works out a string and keeps the places of its parts. It is not ok when the value is no string.
func (v *values) mapped(expr hclsyntax.Expression) (placedText, bool) {
	for range 20 { // a text that several tasks share is a local: its mistakes are there
		e, ok := expr.(*hclsyntax.ScopeTraversalExpr)
		if !ok || len(e.Traversal) != 2 || e.Traversal.RootName() != "local" || v.localExpr[stepName(e.Traversal)] == nil {
			break
		}
		expr = v.localExpr[stepName(e.Traversal)]
	}
	whole, found := v.value(expr)
	if found.HasErrors() || !whole.IsWhollyKnown() {
		return placedText{}, false
	}
	whole, err := convert.Convert(whole, cty.String)
	if err != nil || whole.IsNull() {
		return placedText{}, false
	}
	start := expr.Range().Start.Byte
	out := placedText{}
	add := func(s string, from []int, fallback int) {
		for i := range len(s) {
			if i < len(from) {
				fallback = from[i]
			}
			out.from = append(out.from, fallback)
		}
		out.string += s
	}
	if template, ok := expr.(*hclsyntax.TemplateExpr); ok {
		quoted := v.source[start] == '"'
		for _, part := range template.Parts {
			r := part.Range()
			if literal, written := part.(*hclsyntax.LiteralValueExpr); written && literal.Val.Type() == cty.String {
				value := literal.Val.AsString()
				add(value, align(value, v.source[:r.End.Byte], r.Start.Byte, quoted), r.Start.Byte)
				continue
			}
			inner, ok := v.mapped(part)
			if !ok {
				return placedText{}, false
			}
			add(inner.string, inner.from, r.Start.Byte)
		}
	}
	if out.string != whole.AsString() {
		out = placedText{}
		add(whole.AsString(), nil, start)
	}
	return out, true
}

// align finds where each byte of a literal stands in the source: heredocs lose their indentation, quoted strings and both
// kinds of opening braces their escapes. It stops where it no longer understands.
func align(value string, source []byte, at int, quoted bool) []int {
	var from []int
	lineStart := at > 0 && source[at-1] == '\n'
	for i := 0; i < len(value) && at < len(source); {
		if lineStart && !quoted {
			at += max(0, blanks(string(source[at:]))-blanks(value[i:]))
			lineStart = false
			continue
		}
		taken, read := 1, 1
		rest := string(source[at:])
		switch {
		case strings.HasPrefix(rest, "$${") || strings.HasPrefix(rest, "%%{"):
			taken, read = 2, 3
		case quoted && rest[0] == '\\' && len(rest) > 1:
			read = 2
			if n := map[byte]int{'u': 6, 'U': 10}[rest[1]]; n > 0 {
				_, taken = utf8.DecodeRuneInString(value[i:])
				read = n
			}
		case value[i] != rest[0]:
			return from
		}
		for range taken {
			from = append(from, at)
		}
		lineStart = value[i] == '\n'
		i, at = i+taken, at+read
	}
	return from
}

func blanks(s string) int { return len(s) - len(strings.TrimLeft(s, " \t")) }
