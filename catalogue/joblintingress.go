package catalogue

import (
	"regexp"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// wideRange is one that holds addresses of others: all private ones, or all there are.
var wideRange = regexp.MustCompile(`\b(10\.0\.0\.0/8|172\.16\.0\.0/12|192\.168\.0\.0/16|0\.0\.0\.0/0)\b|(^|[^0-9A-Fa-f:])::/0\b|\buniquelocal\b`)

// strangers finds ranges that an application would believe about visitors' addresses and that containers of other spaces share.
func (l *jobLint) strangers() {
	_ = hclsyntax.VisitAll(l.body, func(n hclsyntax.Node) hcl.Diagnostics {
		literal, ok := n.(*hclsyntax.LiteralValueExpr)
		if !ok || literal.Val.IsNull() || literal.Val.Type() != cty.String {
			return nil
		}
		if found := wideRange.FindString(literal.Val.AsString()); found != "" {
			l.at(literal.SrcRange, "%s is where containers of other spaces are, too: name the ingress only, by the variable ingress", found)
		}
		return nil
	})
}
