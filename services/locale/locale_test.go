package locale

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

func loaded(t *testing.T) *Locale {
	t.Helper()
	l, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	return l
}

var placeholder = regexp.MustCompile(`\{\d\}`)

func TestLanguagesSayTheSame(t *testing.T) {
	l := loaded(t)
	for _, pair := range [][2]string{{French, English}, {English, French}} {
		for _, key := range l.Keys(pair[0]) {
			here, there := l.messages[pair[0]][key], l.messages[pair[1]][key]
			if strings.TrimSpace(here) == "" {
				t.Errorf("%s: %q is empty", pair[0], key)
			}
			if there == "" {
				t.Errorf("%s lacks %q", pair[1], key)
				continue
			}
			a, b := placeholder.FindAllString(here, -1), placeholder.FindAllString(there, -1)
			slices.Sort(a)
			slices.Sort(b)
			if !slices.Equal(slices.Compact(a), slices.Compact(b)) {
				t.Errorf("%q has other placeholders in %s and %s: %v, %v", key, pair[0], pair[1], a, b)
			}
		}
	}
}

func TestPluralsComeInPairs(t *testing.T) {
	l := loaded(t)
	for _, key := range l.Keys(French) {
		one, isOne := strings.CutSuffix(key, ".one")
		other, isOther := strings.CutSuffix(key, ".other")
		_, hasOther := l.messages[French][one+".other"]
		_, hasOne := l.messages[French][other+".one"]
		if isOne && !hasOther || isOther && key != "error.title.other" && !hasOne {
			t.Errorf("%q has no counterpart", key)
		}
	}
}

// French puts a no-break space before high punctuation and inside quotation marks, so that no line begins with one.
func TestFrenchTypography(t *testing.T) {
	l := loaded(t)
	wrong := regexp.MustCompile(` [:;!?»]|« |\w'\w`)
	for key, text := range l.messages[French] {
		if found := wrong.FindString(text); found != "" {
			t.Errorf("%s: %q in %q", key, found, text)
		}
	}
}

// used finds message keys in the sources: every error key of the domain and of the use cases, every key that Go code
// or a template of the pages names in full.
func used(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	patterns := map[string]*regexp.Regexp{
		"../hosting/*.go":               regexp.MustCompile(`"(error\.[a-z_.0-9]*[a-z0-9])"`),
		"../control/*.go":               regexp.MustCompile(`"(error\.[a-z_.0-9]*[a-z0-9])"`),
		"../web/*.go":                   regexp.MustCompile(`"((?:error|home|catalogue|entries|request|sent|confirm|track|slug|login|queue|spaces|audit|notice|list)\.[a-z_.0-9]*[a-z0-9])"`),
		"../web/templates/*.html":       regexp.MustCompile(`\bt "([a-z_.0-9]+)"`),
		"../web/templates/parts/*.html": regexp.MustCompile(`\bt "([a-z_.0-9]+)"`),
	}
	for glob, pattern := range patterns {
		files, err := filepath.Glob(glob)
		if err != nil || len(files) == 0 {
			t.Fatalf("no files like %s: %v", glob, err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range pattern.FindAllStringSubmatch(string(text), -1) {
				if !strings.HasSuffix(m[1], ".js") && !strings.HasSuffix(m[1], ".html") {
					found[m[1]] = append(found[m[1]], file)
				}
			}
		}
	}
	return found
}

func TestEveryKeyInUseExists(t *testing.T) {
	l := loaded(t)
	keys := used(t)
	if len(keys) < 150 {
		t.Errorf("only %d keys found in the sources: has the way they are written changed?", len(keys))
	}
	for key, files := range keys {
		if !l.Has(key) {
			t.Errorf("%q has no message; used in %v", key, files)
		}
	}
}

func TestUnknownKeysAreVisible(t *testing.T) {
	if got := loaded(t).T(French, "no.such.key"); got != "⟦no.such.key⟧" {
		t.Errorf("got %q", got)
	}
}

func TestFilesAreMergedAndMayNotCollide(t *testing.T) {
	l, err := load(fstest.MapFS{
		"fr.json": {Data: []byte(`{"a":"un"}`)}, "mail.fr.json": {Data: []byte(`{"mail.b":"deux"}`)},
		"en.json": {Data: []byte(`{"a":"one"}`)}, "mail.en.json": {Data: []byte(`{"mail.b":"two"}`)},
	})
	if err != nil || l.T(French, "mail.b") != "deux" || l.T(English, "a") != "one" {
		t.Errorf("got %q, %v", l.T(French, "mail.b"), err)
	}
	_, err = load(fstest.MapFS{"fr.json": {Data: []byte(`{"a":"un"}`)}, "mail.fr.json": {Data: []byte(`{"a":"deux"}`)}})
	if err == nil || !strings.Contains(err.Error(), "another file") {
		t.Errorf("a key in two files: %v", err)
	}
}

func TestArguments(t *testing.T) {
	l, err := load(fstest.MapFS{
		"fr.json": {Data: []byte(`{"n.one":"{0} mot","n.other":"{0} mots","s":"{1} et {0}"}`)},
		"en.json": {Data: []byte(`{"n.one":"{0} word","n.other":"{0} words","s":"{1} and {0}"}`)},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		lang, key string
		args      []any
		want      string
	}{
		{French, "n", []any{0}, "0 mot"}, {French, "n", []any{1}, "1 mot"}, {French, "n", []any{2}, "2 mots"},
		{English, "n", []any{0}, "0 words"}, {English, "n", []any{1}, "1 word"}, {English, "n", []any{12345}, "12,345 words"},
		{French, "n", []any{12345}, "12\u202f345 mots"}, {French, "s", []any{"a", "{0}"}, "{0} et a"},
		{"de", "s", []any{"a", "b"}, "b et a"}, {French, "s", nil, "{1} et {0}"},
	} {
		if got := l.T(c.lang, c.key, c.args...); got != c.want {
			t.Errorf("T(%s, %s, %v) = %q, want %q", c.lang, c.key, c.args, got, c.want)
		}
	}
}

func TestPick(t *testing.T) {
	for _, c := range []struct {
		accept  string
		choices []string
		want    string
	}{
		{"", nil, "fr"}, {"en", nil, "en"}, {"en-GB,en;q=0.9,fr;q=0.8", nil, "en"}, {"fr;q=0.4, EN-us;q=0.5", nil, "en"},
		{"de,es", nil, "fr"}, {"de, en;q=0.1", nil, "en"}, {"en;q=0", nil, "fr"}, {"en;q=2", nil, "fr"}, {"en;q=x", nil, "fr"},
		{"en", []string{"", "fr"}, "fr"}, {"fr", []string{"en", "fr"}, "en"}, {"en", []string{"<script>"}, "en"}, {",;,;;", nil, "fr"},
		{strings.Repeat("x,", 10000) + "en", nil, "fr"},
	} {
		if got := Pick(c.accept, c.choices...); got != c.want {
			t.Errorf("Pick(%.40q, %q) = %s, want %s", c.accept, c.choices, got, c.want)
		}
	}
}

func TestFormats(t *testing.T) {
	l := loaded(t)
	first := time.Date(2026, 8, 1, 9, 5, 0, 0, time.UTC)
	for _, c := range []struct{ got, want string }{
		{Number(French, 1234), "1234"}, {Number(French, 1234567), "1\u202f234\u202f567"}, {Number(English, -1234), "-1,234"}, {Number(French, -999), "-999"},
		{Bytes(French, 512), "512\u00a0octets"}, {Bytes(French, 1536), "1,5\u00a0Kio"}, {Bytes(English, 1536), "1.5\u00a0KiB"}, {MiB(French, 40960), "40\u00a0Gio"},
		{l.Date(French, first), "1er\u00a0août 2026"}, {l.Date(English, first), "1\u00a0August 2026"}, {l.Date(French, time.Time{}), "–"},
		{l.DateTime(French, first), "1er\u00a0août 2026 à 09:05 (UTC)"}, {l.DateTime(English, first), "1\u00a0August 2026, 09:05 (UTC)"},
		{l.Duration(French, 125*time.Second), "2\u00a0min 5\u00a0s"}, {l.Duration(French, 400*time.Millisecond), "400\u00a0ms"}, {l.Duration(French, 72*time.Hour), "3 jours"}, {l.Duration(English, 3*time.Hour), "3\u00a0h"},
		{l.Ago(French, first, first.Add(30*time.Second)), "à l’instant"}, {l.Ago(French, first, first.Add(50*time.Hour)), "il y a 2 jours"}, {l.Ago(English, first.Add(49*time.Hour), first), "in 2 days"}, {l.Ago(English, first, first.Add(3*time.Hour+time.Minute)), "3\u00a0h ago"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}
