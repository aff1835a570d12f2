package catalogue

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
)

var fileExtension = regexp.MustCompile(`^[a-z0-9]{1,8}$`)

// retains reads how content that nobody changed for long is found, exported and removed. known are the keys of the
// instance's Nomad Variable.
func (r *reader) retains(run *Run, known []string) {
	r.each("retain", true, func(label string, b *reader) {
		rule := Retain{Metric: label}
		problem := oneOf(ObjectMetrics()...).problem(label)
		if problem != "" {
			b.diags.at(b.where, "what is retained %s", problem)
		}
		one := append([]string{object}, known...)
		b.one("list", func(q *reader) { rule.List = q.request("list", slices.Concat(everywhere(), known)) })
		rule.Names = b.optional("names", like(dottedPath, "must be a dotted path in the answer, as data.padIDs"))
		b.one("changed", func(q *reader) { rule.Changed = q.ofObject("changed", one) })
		rule.ChangedAt = b.text("changed_at", like(dottedPath, "must be a dotted path in the answer, as data.lastEdited"))
		b.one("export", func(q *reader) { rule.Export = q.ofObject("export", one) })
		rule.ExportAs = b.text("export_as", like(fileExtension, "must be the ending of a file's name, as txt or html"))
		b.one("remove", func(q *reader) {
			rule.Remove = q.ofObject("remove", one)
			if q.record == nil && (rule.Remove.Method == http.MethodGet || rule.Remove.Method == http.MethodHead) {
				at := q.where
				if attr, given := q.body.Attributes["method"]; given {
					at = attr.Expr.Range()
				}
				q.diags.at(at, "remove changes something: its method must be POST, PUT, PATCH or DELETE")
			}
		})
		if problem == "" {
			run.Retain = append(run.Retain, rule)
		}
	})
}

// ofObject reads a request about one object, which it must name.
func (r *reader) ofObject(label string, known []string) Request {
	q := r.request(label, slices.Concat(everywhere(), known))
	texts := append([]string{q.Path, q.Body}, valuesOf(q.Headers)...)
	if r.record == nil && q.Path != "" && !strings.Contains(strings.Join(texts, "\n"), "{"+object+"}") {
		r.diags.at(r.where, "%s does not say which: use {%s} in its path or body", label, object)
	}
	return q
}
