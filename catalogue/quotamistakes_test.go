package catalogue

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"unicode/utf8"
)

// goodPlans is a file of plans that says all that one can say.
const goodPlans = `plan "village" {
  title {
    fr = "Village"
    en = "Village"
  }
  description {
    fr = "Pour un village."
    en = "For a village."
  }
  version  = 3
  accounts = 20
  storage  = 20480
  like     = "standard"

  limit "pads" {
    most = 500
  }
  threshold "notice" {
    at = 70
  }
  threshold "full" {
    at    = 100
    stops = true
    grace = "30d"
  }
  threshold "over" {
    at    = 200
    stops = true
  }
  retention "pads" {
    unused   = "730d"
    announce = "720h"
  }
}
`

// quotaManifest goes into the manifest of the entry in testdata/toy, before its secrets.
const quotaManifest = `usage "pads" {
  from  = "http-json"
  path  = "/stats?key={session_key}"
  field = "data.pads"
}
usage "accounts" {
  from  = "sql"
  query = "SELECT count(*) FROM users WHERE deleted = 'no'"
}
usage "answers" {
  from  = "prometheus"
  path  = "/metrics"
  field = "toy_answers_total"
}
usage "files" {
  from    = "files"
  pattern = "up/[0-9a-f]*.bin"
}
usage "messages" {
  from    = "exec"
  task    = "toy"
  command = ["toy", "count"]
}
enforce {
  setting = "pads_stopped"
  stop {
    task    = "toy"
    command = ["toy", "lock"]
  }
  allow {
    request "open" {
      method = "POST"
      path   = "/unlock?key={session_key}"
    }
  }
  tell {
    task    = "toy"
    command = ["toy", "limit", "{storage_mib}"]
  }
  writes = ["/login", "/pads/delete/"]
}
retain "pads" {
  list {
    path = "/pads?key={session_key}"
  }
  names = "data.ids"
  changed {
    path = "/pads/{object}/changed"
  }
  changed_at = "data.changed"
  export {
    path = "/pads/{object}/txt"
  }
  export_as = "txt"
  remove {
    method = "DELETE"
    path   = "/pads/{object}"
  }
}
`

// mistake is one way to spoil goodPlans, or the manifest in testdata/toy with quotaManifest. The place is where the mark
// stands in new or, without a mark, where the text at begins.
type mistake struct {
	name     string
	old, new string
	at       string
	says     string
	more     int // findings that come with it
}

var planMistakes = []mistake{
	{name: "no version", old: "  version  = 3\n", at: `"village"`, says: "version is missing"},
	{name: "version of an application", old: "version  = 3", new: `version  = ¦"3.0"`, says: "must be a number"},
	{name: "version 0", old: "version  = 3", new: "version  = ¦0", says: "from 1 to 1000000"},
	{name: "half a version", old: "version  = 3", new: "version  = ¦1.5", says: "whole number"},
	{name: "negative accounts", old: "accounts = 20", new: "accounts = ¦-1", says: "from 0 to"},
	{name: "no storage", old: "storage  = 20480", new: "storage  = ¦0", says: "from 1 to"},
	{name: "storage with a unit", old: "20480", new: `¦"20 GiB"`, says: "must be a number"},
	{name: "like itself", old: `"standard"`, new: `"village"`, at: `"village"`, says: "like names no other plan", more: 1},
	{name: "name with a blank", old: `"village"`, new: `¦"my village"`, says: "cannot be a plan's name"},
	{name: "limit of nothing known", old: `limit "pads"`, new: `limit ¦"pad"`, says: `did you mean "pads"?`},
	{name: "limit of accounts", old: `limit "pads"`, new: `limit ¦"accounts"`, says: "write accounts = …"},
	{name: "limit of storage", old: `limit "pads"`, new: `limit ¦"storage"`, says: "write storage = …"},
	{name: "limit of bytes", old: `limit "pads"`, new: `limit ¦"bytes"`, says: "limited by storage"},
	{name: "limit without a name", old: `limit "pads"`, new: `¦limit`, says: "limit needs one name"},
	{name: "limit twice", old: "  threshold \"notice\"", new: "  ¦limit \"pads\" {\n    most = 1\n  }\n  threshold \"notice\"", says: "occurs twice"},
	{name: "no most", old: "    most = 500\n", at: `"pads"`, says: "most is missing"},
	{name: "most of nothing", old: "500", new: "¦0", says: "from 1 to"},
	{name: "unknown key of a limit", old: "most = 500", new: "¦max = 500", says: "unknown key max", more: 1},
	{name: "unknown level", old: `threshold "notice"`, new: `threshold ¦"notices"`, says: `did you mean "notice"?`},
	{name: "level ok", old: `threshold "notice"`, new: `threshold ¦"ok"`, says: "must be one of notice, warning, full, over"},
	{name: "threshold of 0", old: "at = 70", new: "at = ¦0", says: "from 1 to 1000"},
	{name: "threshold beyond all", old: "at    = 200", new: "at    = ¦1001", says: "from 1 to 1000"},
	{name: "threshold with a sign", old: "at = 70", new: `at = ¦"70%"`, says: "must be a number"},
	{name: "above the default of the next", old: "at = 70", new: "at = ¦95", says: "less than the warning (95 % when the plan does not say)"},
	{name: "below the level below", old: "at    = 200", new: "at    = ¦100", says: "more than the full (100 %)"},
	{name: "below a default", old: "at    = 100", new: "at    = ¦90", says: "more than the warning (95 % when"},
	{name: "notice that stops", old: "at = 70", new: "at = 70\n    stops = ¦true", says: "only tells people"},
	{name: "full that says nothing of stopping", old: "    stops = true\n    grace = \"30d\"\n", at: `"full"`, says: "stops is missing"},
	{name: "grace for nothing", old: "stops = true\n    grace", new: "stops = false\n    ¦grace", says: "no meaning without stops"},
	{name: "grace in words", old: `"30d"`, new: `¦"30 days"`, says: `as "14d" or "36h"`},
	{name: "grace as a number", old: `"30d"`, new: `¦30`, says: "must be a text"},
	{name: "grace without an end", old: `"30d"`, new: `¦"366d"`, says: "to 365d"},
	{name: "grace of no time", old: `"30d"`, new: `¦"0h"`, says: "from 1h"},
	{name: "retention of nothing known", old: `retention "pads"`, new: `retention ¦"pad"`, says: `did you mean "pads"?`},
	{name: "retention of accounts", old: `retention "pads"`, new: `retention ¦"accounts"`, says: "must be one of"},
	{name: "retention that no application does", old: `retention "pads"`, new: `retention ¦"videos"`, says: "no application can remove videos: its manifest would need retain"},
	{name: "retention of what is fresh", old: `"730d"`, new: `¦"29d"`, says: "from 30d"},
	{name: "retention announced too late", old: `"720h"`, new: `¦"6d"`, says: "from 7d"},
	{name: "announced for longer than unused", old: "unused   = \"730d\"\n    announce = \"720h\"", new: "unused   = \"30d\"\n    announce = ¦\"720h\"", says: "shorter than unused (30d)"},
	{name: "retention without notice", old: "    announce = \"720h\"\n", at: "\"pads\" {\n    unused", says: "announce is missing"},
	{name: "threshold as a value", old: "threshold \"notice\" {\n    at = 70\n  }", new: "¦threshold = 70", says: "threshold is a block"},
	{name: "reads a file", old: "storage  = 20480", new: `storage  = ¦file("/etc/passwd")`, says: "must be written out"},
}

var quotaMistakes = []mistake{
	// Probes.
	{name: "metric twice", old: `usage "answers"`, new: `¦usage "pads"`, says: `usage "pads" occurs twice`},
	{name: "unknown placeholder", old: `"/stats?key={session_key}"`, new: `¦"/stats?key={sesion_key}"`, says: `did you mean "session_key"?`},
	{name: "placeholder of trials", old: `"/stats?key={session_key}"`, new: `¦"/stats/{object}"`, says: "uses {object}"},
	{name: "address instead of a path", old: `"/metrics"`, new: `¦"https://example.org/metrics"`, says: "must start with /"},
	{name: "field that is no path", old: `"data.pads"`, new: `¦"data..pads"`, says: "dotted path"},
	{name: "field with brackets", old: `"data.pads"`, new: `¦"data[0]"`, says: "dotted path"},
	{name: "series with labels", old: `"toy_answers_total"`, new: `¦"toy_answers_total{form=\"1\"}"`, says: "without labels"},
	{name: "two statements", old: `"SELECT count(*) FROM users WHERE deleted = 'no'"`, new: `¦"SELECT 1; DELETE FROM users"`, says: "without a semicolon"},
	{name: "statement that writes", old: `"SELECT count(*) FROM users WHERE deleted = 'no'"`, new: `¦"DELETE FROM users"`, says: "must begin with SELECT"},
	{name: "writes in a with", old: `"SELECT count(*) FROM users WHERE deleted = 'no'"`, new: `¦"WITH x AS (DELETE FROM users RETURNING 1) SELECT count(*) FROM x"`, says: "has the word DELETE"},
	{name: "comment in a query", old: `"SELECT count(*) FROM users WHERE deleted = 'no'"`, new: `¦"SELECT 1 -- people"`, says: "without comments"},
	{name: "absolute pattern", old: `"up/[0-9a-f]*.bin"`, new: `¦"/etc/*"`, says: "relative to the volume"},
	{name: "pattern upwards", old: `"up/[0-9a-f]*.bin"`, new: `¦"up/../../*"`, says: "stay below the volume"},
	{name: "pattern with blanks", old: `"up/[0-9a-f]*.bin"`, new: `¦"up/my files/*"`, says: "without blanks"},
	{name: "pattern for a shell", old: `"up/[0-9a-f]*.bin"`, new: `¦"up/$(id)"`, says: "must hold letters"},
	{name: "pattern with braces", old: `"up/[0-9a-f]*.bin"`, new: `¦"up/{a,b}"`, says: "must hold letters"},
	{name: "pattern with two stars", old: `"up/[0-9a-f]*.bin"`, new: `¦"up/**"`, says: "one * for each level"},
	{name: "pattern with an open bracket", old: `"up/[0-9a-f]*.bin"`, new: `¦"up/[0-9*"`, says: "a bracket is open"},
	{name: "counts without a command", old: `["toy", "count"]`, new: `¦[]`, says: "has to print a number"},
	{name: "counts in no task", old: "task    = \"toy\"\n  command = [\"toy\", \"count\"]", new: "task    = ¦\"tyo\"\n  command = [\"toy\", \"count\"]", says: `did you mean "toy"?`},

	// How growth is stopped.
	{name: "key of a secret", old: `"pads_stopped"`, new: `¦"session_key"`, says: "already the key of a secret", more: 1},
	{name: "key of a service", old: `"pads_stopped"`, new: `¦"redis_host"`, says: "already used by the backing service redis", more: 1},
	{name: "no key at all", old: `"pads_stopped"`, new: `¦"pads-stopped"`, says: "must be a key", more: 1},
	{name: "setting that no template reads", old: `"pads_stopped"`, new: `¦"stopped"`, says: "the job never uses stopped", more: 1},
	{name: "stop without allow", old: "  allow {\n    request \"open\" {\n      method = \"POST\"\n      path   = \"/unlock?key={session_key}\"\n    }\n  }\n", at: "enforce {", says: "stop and allow belong together"},
	{name: "stops in no task", old: "task    = \"toy\"\n    command = [\"toy\", \"lock\"]", new: "task    = ¦\"tyo\"\n    command = [\"toy\", \"lock\"]", says: "names no task"},
	{name: "stops without a command", old: "    command = [\"toy\", \"lock\"]\n", at: "stop {", says: "command is missing"},
	{name: "secret in a command", old: `["toy", "lock"]`, new: `["toy", ¦"{session_key}"]`, says: "everybody on the node can read"},
	{name: "limit in what is not told", old: `["toy", "lock"]`, new: `["toy", ¦"{storage_mib}"]`, says: "which only tell knows"},
	{name: "password in a command", old: `["toy", "lock"]`, new: `["toy", ¦"--password=admin"]`, says: "the same for every instance"},
	{name: "unknown key of a request", old: `"/unlock?key={session_key}"`, new: `¦"/unlock?key={sesion_key}"`, says: `did you mean "session_key"?`},
	{name: "tells nothing", old: `["toy", "limit", "{storage_mib}"]`, new: `["toy", "limit"]`, at: "tell {", says: "tell the application nothing"},
	{name: "reserve of everything", old: `["toy", "limit", "{storage_mib}"]`, new: "[\"toy\", \"limit\", \"{storage_mib}\"]\n    reserve = 1000000", at: `"starter" {`, says: "takes all of the volume", more: 2},
	{name: "reserve of what is not told", old: `["toy", "lock"]`, new: "[\"toy\", \"lock\"]\n    ¦reserve = 5", says: "unknown key reserve"},
	{name: "tells another limit", old: `"{storage_mib}"`, new: `"{storage_gib}"`, at: "tell {", says: "tell the application nothing"},
	{name: "writes everything", old: `"/login"`, new: `¦"/"`, says: "which is everything"},
	{name: "writes a relative path", old: `"/login"`, new: `¦"login"`, says: "start with /"},
	{name: "writes with a query", old: `"/login"`, new: `¦"/?task=login"`, says: "what comes after ? is not looked at"},
	{name: "writes upwards", old: `"/login"`, new: `¦"/login/../api"`, says: "without // and .."},
	{name: "writes by a pattern", old: `"/login"`, new: `¦"/*/login"`, says: "beginnings of paths"},
	{name: "writes a path twice", old: `"/login", `, new: `"/login", ¦"/login", `, says: "twice"},
	{name: "unknown key of enforce", old: "  writes =", new: "  ¦write =", says: `did you mean "writes"?`},
	{name: "acts though the ingress stops", old: `"app-create"`, new: `"ingress"`, at: "enforce {", says: "enforce holds writes and nothing else"},

	// How content is let go.
	{name: "retains what nobody counts", old: `retain "pads"`, new: `retain ¦"pad"`, says: `did you mean "pads"?`, more: 1},
	{name: "retains accounts", old: `retain "pads"`, new: `retain ¦"accounts"`, says: "must be one of", more: 1},
	{name: "no list", old: "  list {\n    path = \"/pads?key={session_key}\"\n  }\n", at: "\"pads\" {\n  names", says: "block list"},
	{name: "list of one object", old: `"/pads?key={session_key}"`, new: `¦"/pads?key={object}"`, says: "uses {object}"},
	{name: "names at no path", old: `"data.ids"`, new: `¦"$.data.ids"`, says: "dotted path"},
	{name: "changed without a time", old: "  changed_at = \"data.changed\"\n", at: "\"pads\" {\n  list", says: "changed_at is missing"},
	{name: "changed of no object", old: "changed {\n    path = \"/pads/{object}/changed\"", new: "¦changed {\n    path = \"/pads/changed\"", says: "use {object}"},
	{name: "extension with a dot", old: `"txt"`, new: `¦".txt"`, says: "ending of a file's name"},
	{name: "removes by looking", old: `"DELETE"`, new: `¦"GET"`, says: "must be POST, PUT, PATCH or DELETE"},
	{name: "removes everything", old: "remove {\n    method = \"DELETE\"\n    path   = \"/pads/{object}\"", new: "¦remove {\n    method = \"DELETE\"\n    path   = \"/pads\"", says: "use {object}"},
	{name: "captures while it removes", old: "    path   = \"/pads/{object}\"\n", new: "    path   = \"/pads/{object}\"\n    ¦capture \"x\" {\n      pattern = \"(x)\"\n    }\n", says: "unknown block capture"},
}

const plansFile, entryFile = "plans.hcl", "toy/app.hcl"

// quotaFolder lays out a host's folder with goodPlans and the entry of testdata/toy with quotaManifest, one file of it changed.
func quotaFolder(t *testing.T, file, old, new string) (dir, text string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "toy"), 0o755); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{plansFile: goodPlans}
	for _, name := range []string{manifest, docker} {
		text, err := os.ReadFile(filepath.Join("testdata", "toy", name))
		if err != nil {
			t.Fatal(err)
		}
		files["toy/"+name] = string(text)
	}
	replace := func(name, old, new string) {
		if !strings.Contains(files[name], old) {
			t.Fatalf("%s has no %q", name, old)
		}
		files[name] = strings.Replace(files[name], old, new, 1)
	}
	replace(entryFile, `"volume"`, `"app-create"`)
	replace(entryFile, "\nsecret ", "\n"+quotaManifest+"secret ")
	replace("toy/"+docker, "SMTP_HOST=", "PADS_STOPPED={{ .pads_stopped.Value }}\n          SMTP_HOST=")
	if old != "" {
		replace(file, old, new)
	}
	for name, text := range files {
		write(t, filepath.Join(dir, name), strings.Replace(text, mark, "", 1))
	}
	return dir, files[file]
}

// lintQuotas checks the folder beside the embedded kinds and plans, without the embedded applications.
func lintQuotas(t *testing.T, dir string) (*Catalogue, Diagnostics) {
	t.Helper()
	all, err := sourcesOf([]string{dir})
	if err != nil {
		t.Fatal(err)
	}
	c, found := gather([]source{{origin: Embedded, plans: embedded, apps: fstest.MapFS{}}, all[len(all)-1]})
	more, err := c.Lint(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	found = append(found, more...)
	found.sort()
	return c, found
}

func TestMistakesAboutQuotasAreRefused(t *testing.T) {
	for file, mistakes := range map[string][]mistake{plansFile: planMistakes, entryFile: quotaMistakes} {
		for _, m := range mistakes {
			t.Run(m.name, func(t *testing.T) {
				dir, text := quotaFolder(t, file, m.old, m.new)
				before, _, marked := strings.Cut(text, mark)
				if !marked {
					before, _, marked = strings.Cut(text, m.at)
				}
				if !marked || m.at == "" && !strings.Contains(text, mark) {
					t.Fatal("the case has no place")
				}
				line := before[strings.LastIndex(before, "\n")+1:]
				place := Diagnostic{Path: filepath.Join(dir, file), Line: strings.Count(before, "\n") + 1, Column: utf8.RuneCountInString(line) + 1}
				_, found := lintQuotas(t, dir)
				for _, d := range found {
					if d.Path == place.Path && d.Line == place.Line && d.Column == place.Column && strings.Contains(d.Message, m.says) {
						if len(found) > 1+m.more {
							t.Errorf("%d findings for one mistake:\n%v", len(found), found)
						}
						return
					}
				}
				t.Errorf("want %v…%s\n%v", place, m.says, found)
			})
		}
	}
}

// A file of plans and a manifest with ten mistakes each: all of them in one go, in the order of the lines.
func TestMistakesAboutQuotasComeAtOnce(t *testing.T) {
	dir, plans := quotaFolder(t, plansFile, "", "")
	spoil := strings.NewReplacer("version  = 3", "version  = 0", "= 20480", "= -1", `limit "pads"`, `limit "pad"`, "most = 500", "max = 500", "at = 70", "at = 0",
		`"30d"`, `"a month"`, "at    = 200", "at    = 2000", `"730d"`, `"1d"`, `"720h"`, `"1d"`)
	write(t, filepath.Join(dir, plansFile), spoil.Replace(plans))
	entry, err := os.ReadFile(filepath.Join(dir, entryFile))
	if err != nil {
		t.Fatal(err)
	}
	spoil = strings.NewReplacer("/stats?key={session_key}", "/stats?key={key}", "SELECT count(*)", "DROP TABLE x; SELECT count(*)", "toy_answers_total", "toy answers",
		"up/[0-9a-f]", "../up/[0-9a-f]", `"count"]`, `"--password=admin"]`, `"{storage_mib}"`, `"all"`, `"/login"`, `"/"`, "data.ids", "data ids", `"txt"`, `"t.x.t"`, `"DELETE"`, `"GET"`)
	write(t, filepath.Join(dir, entryFile), spoil.Replace(string(entry)))

	_, found := lintQuotas(t, dir)
	want := []string{
		"plans.hcl:10:14: version", "plans.hcl:12:14: storage", "plans.hcl:15:9: a limit", "plans.hcl:15:9: most is missing", "plans.hcl:16:5: unknown key max",
		"plans.hcl:19:10: at", "plans.hcl:24:13: grace", "plans.hcl:27:13: at", "plans.hcl:31:16: unused", "plans.hcl:32:16: announce",
		"app.hcl:56:11: path", "app.hcl:61:11: query", "app.hcl:66:11: field", "app.hcl:70:13: pattern", "app.hcl:75:21: password", "app.hcl:89:3: tell",
		"app.hcl:93:13: writes", "app.hcl:99:11: names", "app.hcl:107:15: export_as", "app.hcl:109:14: remove",
	}
	for i, d := range found {
		if i >= len(want) || !strings.HasPrefix(filepath.Base(d.Path)+strings.TrimPrefix(d.String(), d.Path), want[i]) {
			t.Fatalf("number %d is %s\n%v", i, d, found)
		}
	}
	if len(found) != len(want) {
		t.Error(found)
	}
}
