package catalogue

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
	"github.com/hashicorp/hcl/v2"
)

// Diagnostic is one mistake in a file of the catalogue.
type Diagnostic struct {
	Path    string `json:"path"`    // as people know it
	Line    int    `json:"line"`    // from 1; 0 when the mistake is about the file as a whole
	Column  int    `json:"column"`  // likewise
	Message string `json:"message"` // what is wrong and what to write instead
}

func (d Diagnostic) String() string {
	if d.Line == 0 {
		return d.Path + ": " + d.Message
	}
	return fmt.Sprintf("%s:%d:%d: %s", d.Path, d.Line, d.Column, d.Message)
}

// Diagnostics are all mistakes that were found, by file and line. As an error it prints one a line.
type Diagnostics []Diagnostic

func (d Diagnostics) Error() string {
	lines := make([]string, len(d))
	for i, one := range d {
		lines[i] = one.String()
	}
	return strings.Join(lines, "\n")
}

// sort orders by place and drops repeated findings of one mistake.
func (d *Diagnostics) sort() {
	slices.SortStableFunc(*d, func(a, b Diagnostic) int {
		return cmp.Or(strings.Compare(a.Path, b.Path), a.Line-b.Line, a.Column-b.Column)
	})
	*d = slices.Compact(*d)
}

func (d *Diagnostics) at(r hcl.Range, format string, args ...any) {
	*d = append(*d, Diagnostic{Path: r.Filename, Line: r.Start.Line, Column: r.Start.Column, Message: fmt.Sprintf(format, args...)})
}

// hcl takes over what the HCL parser or evaluator found.
func (d *Diagnostics) hcl(path string, found hcl.Diagnostics) {
	for _, f := range found {
		one := Diagnostic{Path: path, Message: f.Summary}
		if f.Detail != "" {
			one.Message += ": " + f.Detail
		}
		if f.Subject != nil {
			one.Line, one.Column = f.Subject.Start.Line, f.Subject.Start.Column
		}
		*d = append(*d, one)
	}
}

// didYouMean proposes the known word nearest to a mistyped one, or nothing.
func didYouMean(typed string, known []string) string {
	best, distance := "", 3
	for _, word := range known {
		if n := levenshtein.Distance(typed, word, nil); n < distance && n < len(word) {
			best, distance = word, n
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}
