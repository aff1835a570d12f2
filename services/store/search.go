package store

import (
	"strings"
	"unicode"

	"golang.org/x/text/runes"
	"golang.org/x/text/transform"
	"golang.org/x/text/unicode/norm"
)

// searchText is what the search compares: lower case and without accents, made here because SQLite and PostgreSQL
// disagree on both.
func searchText(parts ...string) string {
	joined := strings.ToLower(strings.ToValidUTF8(strings.Join(parts, " "), " "))
	plain, _, err := transform.String(transform.Chain(norm.NFD, runes.Remove(runes.In(unicode.Mn)), norm.NFC), joined)
	if err != nil {
		return joined
	}
	return plain
}
