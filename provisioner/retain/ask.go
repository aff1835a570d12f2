package retain

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/provisioner/exchange"
)

// Limits of what an application may say.
const (
	maxObjects  = 100_000
	maxName     = 500      // bytes
	maxList     = 32 << 20 // bytes of the answer that lists them
	maxChanged  = 64 << 10 // bytes of the answer about one
	maxExported = 64 << 20 // bytes of one as a file
)

// eldest is before anybody had an object. A time before it is no time: seconds taken for milliseconds, or nothing at all.
var eldest = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// fetch makes a request of the manifest, about an object or about all.
func (l *look) fetch(ctx context.Context, q catalogue.Request, object string, limit int64) (exchange.Answer, error) {
	if err := pause(ctx, l.Pace); err != nil {
		return exchange.Answer{}, err
	}
	e := *l.talk
	e.Limit = limit
	e.Values = map[string]string{}
	for name, value := range l.talk.Values {
		e.Values[name] = value
	}
	if object != "" {
		e.Values["object"] = object
	}
	a, err := e.Fetch(ctx, q)
	if err != nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	return a, err
}

// list returns the names of all objects, sorted, each once. Names that cannot be asked about are counted as not read.
func (l *look) list(ctx context.Context, k kind) ([]string, error) {
	a, err := l.fetch(ctx, k.how.List, "", maxList)
	if err != nil {
		return nil, err
	}
	found, err := field(a.Body, k.how.Names)
	if err != nil {
		return nil, fmt.Errorf("the list of names: %w", err)
	}
	all, ok := found.([]any)
	switch {
	case !ok:
		return nil, fmt.Errorf("the list of names: %q is no list: check the manifest against this version of the application", k.how.Names)
	case len(all) > maxObjects:
		return nil, fmt.Errorf("the list holds %d names, which is more than %d: nothing is removed here; see what makes so many", len(all), maxObjects)
	}
	names := make([]string, 0, len(all))
	for _, one := range all {
		name, ok := one.(string)
		if !ok {
			return nil, errors.New("the list of names holds something else than texts: check the manifest against this version of the application")
		}
		if !askable(name) {
			l.Unread++
			continue
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// askable says whether a name arrives as it was given: in an address, in frama's database, and back.
func askable(name string) bool {
	return name != "" && name != "." && name != ".." && len(name) <= maxName && utf8.ValidString(name) && !strings.ContainsAny(name, "\x00\ufffd")
}

// changed says when an object was last changed.
func (l *look) changed(ctx context.Context, k kind, object string) (time.Time, error) {
	a, err := l.fetch(ctx, k.how.Changed, object, maxChanged)
	if err != nil {
		return time.Time{}, err
	}
	found, err := field(a.Body, k.how.ChangedAt)
	if err != nil {
		return time.Time{}, fmt.Errorf("when it was changed: %w", err)
	}
	var text string
	switch v := found.(type) {
	case json.Number:
		text = v.String()
	case string:
		text = v
	}
	ms, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("when it was changed: %q is no time in milliseconds: check the manifest's changed_at", exchange.OneLine(text, 40))
	}
	at := time.UnixMilli(ms).UTC()
	if at.Before(eldest) || at.After(l.now.Add(24*time.Hour)) {
		return time.Time{}, fmt.Errorf("it says that it was changed at %d ms since 1970, which cannot be: is it milliseconds, and are the clocks right?", ms)
	}
	return at, nil
}

// export returns an object as a file. One that asks for fewer exports at a time is given the time.
func (l *look) export(ctx context.Context, k kind, object string) ([]byte, error) {
	for {
		a, err := l.fetch(ctx, k.how.Export, object, maxExported)
		if a.Status == http.StatusTooManyRequests {
			if err := pause(ctx, l.Patience); err != nil {
				return nil, err
			}
			continue
		}
		switch {
		case err != nil:
			return nil, err
		case a.Status != http.StatusOK:
			return nil, fmt.Errorf("its export is answered %d instead of 200", a.Status)
		case len(bytes.TrimSpace(a.Body)) == 0:
			return nil, errors.New("its export is empty: if there is nothing in it, remove it in the application")
		case strings.Contains(a.Type, "html") && !strings.Contains(k.how.ExportAs, "htm"):
			return nil, fmt.Errorf("its export is a page for browsers instead of %s: check the manifest's export", k.how.ExportAs)
		}
		return a.Body, nil
	}
}

// field finds what is at a dotted path of a JSON text; all of it where the path is empty.
func field(body []byte, path string) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	var found any
	if err := dec.Decode(&found); err != nil {
		return nil, errors.New("the answer is no whole JSON")
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the JSON: it must be one value")
	}
	if path == "" {
		return found, nil
	}
	for name := range strings.SplitSeq(path, ".") {
		object, _ := found.(map[string]any)
		next, known := object[name]
		if !known {
			return nil, fmt.Errorf("the answer holds no %q: check the manifest against this version of the application", path)
		}
		found = next
	}
	return found, nil
}
