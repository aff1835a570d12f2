package measure

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// deepest is how many lists and objects may be in one another.
const deepest = 200

// field finds the number at a dotted path of a JSON text: names of objects, and places in lists from 0. The text is read
// as a stream and to its end: nothing of it is kept, and all of it must be JSON.
func field(body []byte, path string) (string, error) {
	if markup(body) {
		return "", &lie{"a page for browsers (HTML) came instead of JSON: check the manifest's path", string(body)}
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	w := &walk{dec: dec}
	found, err := w.find(strings.Split(path, "."), "the answer")
	if err == nil {
		if _, more := dec.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("something follows the JSON: it must be one value")
		}
	}
	var told *told
	switch {
	case errors.As(err, &told):
		return "", told
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "", &lie{"the answer is no whole JSON", string(body)}
	case err != nil:
		return "", &lie{fmt.Sprintf("the answer is no JSON (%v)", err), string(body)}
	}
	return found, nil
}

// told is an error that says all there is to say.
type told struct{ text string }

func (t *told) Error() string { return t.text }

type walk struct{ dec *json.Decoder }

// find reads one value and returns what is at the path in it. at says where that is, for messages.
func (w *walk) find(path []string, at string) (string, error) {
	token, err := w.dec.Token()
	if err != nil {
		return "", err
	}
	if len(path) == 0 {
		return w.scalar(token, at)
	}
	switch token {
	case json.Delim('{'):
		return w.object(path, at)
	case json.Delim('['):
		return w.list(path, at)
	}
	return "", &told{fmt.Sprintf("%s holds no %q: it is %s; check the manifest's field against this version of the application", at, path[0], kind(token))}
}

func (w *walk) object(path []string, at string) (found string, err error) {
	var names []string
	seen := false
	for w.dec.More() {
		token, err := w.dec.Token()
		if err != nil {
			return "", err
		}
		name, _ := token.(string)
		switch {
		case name != path[0]:
			if len(names) < 8 {
				names = append(names, name)
			}
			err = w.skip()
		case seen:
			return "", &told{fmt.Sprintf("%s holds %q twice, and nobody can say which of them is true", at, name)}
		default:
			seen = true
			found, err = w.find(path[1:], name)
		}
		if err != nil {
			return "", err
		}
	}
	if _, err := w.dec.Token(); err != nil {
		return "", err
	}
	if !seen {
		return "", &told{fmt.Sprintf("%s holds no %q (it holds %s): check the manifest's field against this version of the application",
			at, path[0], listed(names))}
	}
	return found, nil
}

func (w *walk) list(path []string, at string) (found string, err error) {
	wanted, notNumber := strconv.Atoi(path[0])
	n := 0
	for ; w.dec.More(); n++ {
		if notNumber == nil && n == wanted {
			found, err = w.find(path[1:], at+"."+path[0])
		} else {
			err = w.skip()
		}
		if err != nil {
			return "", err
		}
	}
	if _, err := w.dec.Token(); err != nil {
		return "", err
	}
	if notNumber != nil || wanted < 0 || wanted >= n {
		return "", &told{fmt.Sprintf("%s is a list of %d and holds no %q: check the manifest's field", at, n, path[0])}
	}
	return found, nil
}

// skip reads one value.
func (w *walk) skip() error {
	for depth := 0; ; {
		token, err := w.dec.Token()
		if err != nil {
			return err
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth > deepest {
			return &told{fmt.Sprintf("the answer holds lists in lists, more than %d deep: name a simpler page", deepest)}
		}
		if depth <= 0 {
			return nil
		}
	}
}

// scalar is a number, or a text that may hold one.
func (w *walk) scalar(token json.Token, at string) (string, error) {
	switch v := token.(type) {
	case json.Number:
		return v.String(), nil
	case string:
		return v, nil
	}
	return "", &told{fmt.Sprintf("%s is %s, not a number: check the manifest's field", at, kind(token))}
}

func kind(token json.Token) string {
	switch token.(type) {
	case json.Number:
		return "a number"
	case string:
		return "a text"
	case bool:
		return "true or false"
	case nil:
		return "null"
	}
	if token == json.Delim('[') {
		return "a list"
	}
	return "an object"
}

func listed(names []string) string {
	if len(names) == 0 {
		return "nothing"
	}
	return strings.Join(names, ", ")
}
