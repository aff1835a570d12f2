package exchange

import (
	"context"
	"errors"
	"html"
	"net/url"
	"slices"
	"strings"
	"unicode"
)

const (
	hidden = "•••"
	// leastSecret is the length from which a value is hidden: what is shorter is no secret, and hiding it would hide much else.
	leastSecret = 6
)

// masked is an error without secrets. Of what it wraps, only what holds none is left.
func (e *Exchange) masked(err error) error {
	out := &maskedError{text: e.mask(err.Error())}
	for _, known := range []error{ErrNoAnswer, context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, known) {
			out.kinds = append(out.kinds, known)
		}
	}
	return out
}

type maskedError struct {
	text  string
	kinds []error
}

func (m *maskedError) Error() string   { return m.text }
func (m *maskedError) Unwrap() []error { return m.kinds }

// mask hides secrets and what was captured (mostly tokens) in a text, in every way they may be written there.
func (e *Exchange) mask(text string) string {
	var words []string
	for _, values := range []map[string]string{e.Secrets, e.captured} {
		for _, v := range values {
			if len(v) < leastSecret {
				continue
			}
			words = append(words, v, url.QueryEscape(v), url.PathEscape(v), escape(v, false, false), quotedJSON(v), html.EscapeString(v))
		}
	}
	// The longest first: a secret may begin with another.
	slices.SortFunc(words, func(a, b string) int { return len(b) - len(a) })
	for _, w := range slices.Compact(words) {
		text = strings.ReplaceAll(text, w, hidden)
	}
	return text
}

// excerpt is what an error shows of an answer: its first characters, in one line, without secrets. They are hidden before
// it is cut short, since half a secret would not be found.
func (e *Exchange) excerpt(body []byte) string {
	text := e.mask(strings.ToValidUTF8(string(body), "?"))
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }), " ")
	if text == "" {
		return "; its body is empty"
	}
	if runes := []rune(text); len(runes) > shown {
		text = string(runes[:shown]) + "…"
	}
	return "; it begins with: " + text
}
