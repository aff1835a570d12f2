package exchange

import (
	"cmp"
	"context"
	"errors"
	"html"
	"maps"
	"net/url"
	"slices"
	"strconv"
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
	out := &maskedError{text: clip(e.mask(err.Error()), longest)}
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
	return Hide(text, slices.Collect(maps.Values(e.Secrets)), slices.Collect(maps.Values(e.captured)))
}

// Hide takes values out of a text, in every way they may be written there. What is shorter than six bytes stays.
func Hide(text string, values ...[]string) string {
	var words []string
	for _, v := range slices.Concat(values...) {
		for _, w := range writings(v) {
			if len(w) >= leastSecret {
				words = append(words, w)
			}
		}
	}
	// The longest first: a secret may begin with another.
	slices.SortFunc(words, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	for _, w := range slices.Compact(words) {
		text = strings.ReplaceAll(text, w, hidden)
	}
	return text
}

// writings are the ways a value may be written in an address, a body or an error.
func writings(v string) []string {
	if len(v) < leastSecret {
		return nil
	}
	all := []string{v, url.QueryEscape(v), url.PathEscape(v), quotedJSON(v), html.EscapeString(v), strings.ReplaceAll(v, "/", `\/`),
		strings.Trim(strconv.Quote(v), `"`)}
	for _, escapes := range []bool{false, true} {
		all = append(all, escape(v, escapes, false), escape(v, escapes, true))
	}
	if link, err := url.Parse(v); err == nil && link.Host != "" {
		all = append(all, link.RequestURI()) // what a request to it shows
	}
	return all
}

// excerpt is what an error shows of an answer: its first characters, in one line, without secrets. They are hidden before
// it is cut short, since half a secret would not be found.
func (e *Exchange) excerpt(body []byte) string {
	text := e.mask(strings.ToValidUTF8(string(body), "?"))
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }), " ")
	if text == "" {
		return "; its body is empty"
	}
	return "; it begins with: " + clip(text, shown)
}

// clip keeps the beginning of a text.
func clip(text string, most int) string {
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}
