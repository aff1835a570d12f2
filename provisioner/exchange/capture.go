package exchange

import (
	"encoding/json"
	"fmt"
	"html"
	"maps"
	"mime"
	"regexp"
	"slices"
	"strings"
)

// capture takes out of an answer what later requests need, as its author meant it: the page's own quoting is undone.
func (e *Exchange) capture(patterns map[string]string, contentType string, body []byte) string {
	if e.captured == nil {
		e.captured = map[string]string{}
	}
	for _, name := range slices.Sorted(maps.Keys(patterns)) {
		pattern, err := regexp.Compile(patterns[name])
		if err != nil {
			return fmt.Sprintf("the pattern of %s is no regular expression (%v)", name, err)
		}
		found := pattern.FindSubmatch(body)
		if len(found) < 2 {
			return fmt.Sprintf("the answer holds nothing for {%s}, which %s looks for", name, patterns[name])
		}
		e.captured[name] = unquoted(string(found[1]), contentType)
	}
	return ""
}

func unquoted(text, contentType string) string {
	kind, _, _ := mime.ParseMediaType(contentType)
	switch {
	case strings.HasSuffix(kind, "html"), strings.HasSuffix(kind, "xml"):
		return html.UnescapeString(text)
	case strings.HasSuffix(kind, "json"):
		var out string
		if json.Unmarshal([]byte(`"`+text+`"`), &out) == nil {
			return out
		}
	}
	return text
}
