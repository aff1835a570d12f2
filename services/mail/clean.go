package mail

import (
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// oneLine makes typed text fit for a header or a sentence: no line end, no control character and nothing that changes
// the direction of what follows, whatever let it in.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == ' ', unicode.Is(unicode.Cc, r), r == '\u2028', r == '\u2029':
			return ' '
		case unhealthy(r):
			return -1
		}
		return r
	}, s)
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == ' ' }), " ")
}

// lines makes typed text of several lines fit for a quotation: every line cleaned, no empty ones at either end.
func lines(s string) []string {
	s = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u2028", "\n", "\u2029", "\n").Replace(s)
	var all []string
	for _, l := range strings.Split(strings.Trim(s, "\n\t "), "\n") {
		all = append(all, oneLine(l))
	}
	return all
}

func unhealthy(r rune) bool {
	return r == utf8.RuneError || r == '\ufeff' || unicode.Is(unicode.Bidi_Control, r)
}

// short cuts a long name for a subject, which people read in a narrow list.
func short(s string) string {
	const limit = 60 // characters
	r := []rune(s)
	if len(r) <= limit {
		return s
	}
	return strings.TrimRight(string(r[:limit-1]), " ") + "…"
}

// linkless returns typed text, or nothing when a mail reader could take a part of it for a link or an address.
func linkless(s string) string {
	if strings.ContainsAny(s, "/\\@:<>") {
		return ""
	}
	for _, word := range strings.Fields(s) {
		if strings.Contains(strings.TrimRight(word, ".…!?,;"), ".") {
			return ""
		}
	}
	return s
}

// webAddress says whether s is an absolute http or https address.
func webAddress(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil &&
		!strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

// wrap breaks a paragraph into lines of at most 72 characters. It breaks at plain spaces only: a non-breaking one keeps
// what it joins together, and a word that is too long, such as a link, stays whole.
func wrap(s string) string {
	const width = 72 // RFC 3676 §4.2 recommends at most 78; quoting needs room
	var b strings.Builder
	column := 0
	for i, word := range strings.Split(s, " ") {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case column+1+n > width:
			b.WriteByte('\n')
			column = 0
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += n
	}
	return b.String()
}

// quote wraps a line of a quotation and marks it as one.
func quote(s string) string {
	return strings.TrimRight("> "+strings.ReplaceAll(wrap(s), "\n", "\n> "), " ")
}
