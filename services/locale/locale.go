// Package locale holds every sentence frama says to people, in French and English, and writes dates, durations, sizes
// and numbers the way each language does.
//
// Messages are flat JSON files beside this one, embedded: *.fr.json and *.en.json are merged, so that a part of frama
// can keep its own messages together. A placeholder is {0}, {1}, …; a message that depends on a count comes as two
// keys, name.one and name.other, chosen by its first whole-number argument. A key without a message is shown as ⟦key⟧:
// ugly on purpose, and the tests look for it.
package locale

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"
)

//go:embed *.json
var files embed.FS

// French and English are the languages frama speaks.
const (
	French  = "fr"
	English = "en"
)

// Languages lists the languages, the default first.
func Languages() []string { return []string{French, English} }

// Known says whether frama speaks lang.
func Known(lang string) bool { return slices.Contains(Languages(), lang) }

// Locale is the messages of every language. It is read-only and safe for concurrent use.
type Locale struct {
	messages map[string]map[string]string // language → key → text
}

// Load reads the embedded messages. It fails when a file is no flat JSON object or when two files share a key.
func Load() (*Locale, error) { return load(files) }

func load(from fs.FS) (*Locale, error) {
	l := &Locale{messages: map[string]map[string]string{}}
	for _, lang := range Languages() {
		names, err := fs.Glob(from, "*"+lang+".json")
		if err != nil {
			return nil, fmt.Errorf("list the messages in %s: %w", lang, err)
		}
		l.messages[lang] = map[string]string{}
		for _, name := range names {
			if name != lang+".json" && !strings.HasSuffix(name, "."+lang+".json") {
				continue
			}
			if err := l.add(from, lang, name); err != nil {
				return nil, err
			}
		}
	}
	return l, nil
}

func (l *Locale) add(from fs.FS, lang, name string) error {
	text, err := fs.ReadFile(from, name)
	if err != nil {
		return fmt.Errorf("read the messages in %s: %w", name, err)
	}
	var messages map[string]string
	if err := json.Unmarshal(text, &messages); err != nil {
		return fmt.Errorf("read the messages in %s: %w", name, err)
	}
	for key, message := range messages {
		if _, twice := l.messages[lang][key]; twice {
			return fmt.Errorf("message %q of %s is in another file too", key, name)
		}
		l.messages[lang][key] = message
	}
	return nil
}

// T returns the message in lang with its placeholders filled. Whole numbers, times and durations are written as the
// language does; everything else as fmt would. An unknown language is French.
func (l *Locale) T(lang, key string, args ...any) string {
	message, ok := l.find(lang, key, args)
	if !ok {
		return "⟦" + key + "⟧"
	}
	if !strings.Contains(message, "{") {
		return message
	}
	pairs := make([]string, 0, 2*len(args))
	for i, arg := range args {
		pairs = append(pairs, "{"+strconv.Itoa(i)+"}", l.word(lang, arg))
	}
	return strings.NewReplacer(pairs...).Replace(message)
}

// Has says whether there is a message for key, with or without plural forms.
func (l *Locale) Has(key string) bool {
	_, ok := l.find(French, key, nil)
	return ok
}

// Keys returns the keys of a language, sorted, plural forms as they are in the files.
func (l *Locale) Keys(lang string) []string {
	keys := make([]string, 0, len(l.messages[lang]))
	for key := range l.messages[lang] {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

func (l *Locale) find(lang, key string, args []any) (string, bool) {
	messages, ok := l.messages[lang]
	if !ok {
		messages = l.messages[French]
	}
	if message, ok := messages[key]; ok {
		return message, true
	}
	form := ".other"
	if n, ok := firstWhole(args); ok && singular(lang, n) {
		form = ".one"
	}
	message, ok := messages[key+form]
	return message, ok
}

// singular says whether a count takes the singular: 0 and 1 in French, 1 in English (CLDR plural rules).
func singular(lang string, n int64) bool {
	if lang == English {
		return n == 1
	}
	return n == 0 || n == 1
}

func firstWhole(args []any) (int64, bool) {
	for _, arg := range args {
		if n, ok := whole(arg); ok {
			return n, true
		}
	}
	return 0, false
}

func whole(arg any) (int64, bool) {
	switch n := arg.(type) {
	case int:
		return int64(n), true
	case int32:
		return int64(n), true
	case int64:
		return n, true
	}
	return 0, false
}

func (l *Locale) word(lang string, arg any) string {
	if n, ok := whole(arg); ok {
		return Number(lang, n)
	}
	switch v := arg.(type) {
	case string:
		return v
	case time.Time:
		return l.DateTime(lang, v)
	case time.Duration:
		return l.Duration(lang, v)
	}
	return fmt.Sprint(arg)
}
