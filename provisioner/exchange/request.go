package exchange

import (
	"context"
	"net/http"
	"strings"
	"unicode"

	"framagit.org/frama/frama/catalogue"
)

// Request makes a request of what a manifest says, with its placeholders filled, for whoever judges the answer itself.
func (e *Exchange) Request(ctx context.Context, q catalogue.Request) (*http.Request, error) {
	return e.request(ctx, q)
}

// Placeholders lists the names in a text that a value is to be put in for, in their order.
func Placeholders(text string) []string {
	var names []string
	for _, found := range placeholder.FindAllStringSubmatch(text, -1) {
		names = append(names, found[1])
	}
	return names
}

// OneLine makes a text of at most most characters and one line out of what somebody else wrote.
func OneLine(text string, most int) string {
	text = strings.ToValidUTF8(text, "?")
	words := strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) })
	return clip(strings.Join(words, " "), most)
}
