package exchange

import (
	"encoding/json"
	"fmt"
	"mime"
	"net/url"
	"regexp"
	"strings"
)

var placeholder = regexp.MustCompile(`\{([a-z][a-z0-9_]*)\}`)

// form is how a value is written where it goes.
type form func(value string) string

func plain(value string) string { return value }

// quotedJSON is for a value between the quotes of a JSON text.
func quotedJSON(value string) string {
	text, err := json.Marshal(value)
	if err != nil {
		return value
	}
	return string(text[1 : len(text)-1])
}

// bodyForm is how values are written in a body of the type.
func bodyForm(contentType string) form {
	kind, _, _ := mime.ParseMediaType(contentType)
	switch {
	case kind == "application/x-www-form-urlencoded":
		return url.QueryEscape
	case strings.HasSuffix(kind, "json"):
		return quotedJSON
	}
	return plain
}

// value is what a placeholder stands for. One that nobody knows stays as it is: braces are common in JSON and scripts,
// and lint has found those that were meant.
func (e *Exchange) value(name string) (value string, known bool) {
	switch name {
	case "url":
		return e.URL, true
	case "host":
		if u, err := url.Parse(e.URL); err == nil {
			return u.Host, true
		}
	}
	for _, values := range []map[string]string{e.captured, e.Values, e.Secrets} {
		if value, known := values[name]; known {
			return value, true
		}
	}
	return "", false
}

// fill writes the values of the placeholders in their form.
func (e *Exchange) fill(text string, f form) string {
	return placeholder.ReplaceAllStringFunc(text, func(hole string) string {
		if value, known := e.value(hole[1 : len(hole)-1]); known {
			return f(value)
		}
		return hole
	})
}

// address is where a request goes: always to the instance itself. A placeholder at the beginning is a path or address that
// a page gave, and is taken as it is; elsewhere what is captured keeps its escapes and, before a question mark, its
// slashes, and all other values are escaped whole.
func (e *Exchange) address(path string) (string, error) {
	first := placeholder.FindStringIndex(path)
	if first != nil && first[0] == 0 {
		begin := e.fill(path[:first[1]], plain)
		if !strings.HasPrefix(begin, "/") {
			target, err := url.Parse(begin)
			own, ownErr := url.Parse(e.URL)
			if err != nil || ownErr != nil || target.Host != own.Host || target.Host == "" {
				return "", fmt.Errorf("{%s} is %q, which is no address of the instance", path[1:first[1]-1], begin)
			}
			begin = target.RequestURI()
		}
		return e.URL + begin + e.fillPath(path[first[1]:], strings.Contains(begin, "?")), nil
	}
	return e.URL + e.fillPath(path, false), nil
}

func (e *Exchange) fillPath(path string, inQuery bool) string {
	before, query, asked := path, "", false
	if !inQuery {
		before, query, asked = strings.Cut(path, "?")
	}
	out := e.fillEscaped(before, !inQuery)
	if asked {
		out += "?" + e.fillEscaped(query, false)
	}
	return out
}

func (e *Exchange) fillEscaped(text string, slashes bool) string {
	return placeholder.ReplaceAllStringFunc(text, func(hole string) string {
		name := hole[1 : len(hole)-1]
		value, known := e.value(name)
		if _, captured := e.captured[name]; captured {
			return escape(value, true, slashes)
		}
		if known {
			return escape(value, false, false)
		}
		return hole
	})
}

// escape writes a value for an address. Unreserved characters (RFC 3986) stay, escapes and slashes where asked.
func escape(value string, keepEscapes, keepSlashes bool) string {
	var out strings.Builder
	for i := range len(value) {
		c := value[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("-._~", c) >= 0,
			c == '/' && keepSlashes, c == '%' && keepEscapes && isEscape(value[i:]):
			out.WriteByte(c)
		default:
			fmt.Fprintf(&out, "%%%02X", c)
		}
	}
	return out.String()
}

func isEscape(s string) bool {
	_, err := url.PathUnescape(s[:min(3, len(s))])
	return len(s) >= 3 && err == nil
}
